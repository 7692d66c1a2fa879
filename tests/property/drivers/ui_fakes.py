"""A counter with nobody behind it: keypad, display, printer, sounds and a terminal that only does what a test says.

The terminal here decides nothing; it is the interface that `firmware/ui/flow.py` speaks to, with answers prepared by
the test and a log of what was asked. Keys come from a script: one letter a key, "-" for a wait that nobody answers.
"""

import asyncio

import framebuf

from firmware import refusals
from firmware.drivers.escpos_printer import PrinterError
from firmware.refusals import Refusal
from firmware.states import PIN_AID, PIN_DIGITS, PIN_NONE, RECORDED, VOIDED
from firmware.ui.flow import Flow
from protocol.records import GOODS_RECEIVED, PERIOD_CLOSE, REDEMPTION, RETURN, VOID

TERMINAL_ID = "7A1F03C2"
OPERATOR_CODE = "4711"
NOON_S = 1763708580  # 21 November 2025, 14:03 in Jakarta
PRICES = [(1, "Beras", "kg", 13500), (2, "Telur", "kg", 28000), (3, "Tempe", "papan", 6000)]


class ScriptEnded(Exception):
    """The script has no more keys."""


class Values:
    """Plain named values."""

    def __init__(self, **values):
        for name, value in values.items():
            setattr(self, name, value)


def receipt(sequence=1, amount_rupiah=200_000, state=RECORDED, **more):
    """A receipt as the terminal gives it."""
    fields = {
        "kind": REDEMPTION,
        "reference": 0,
        "voided_by": 0,
        "received_by": 0,
        "goods_tap": False,
        "period": 24322,
        "figures": None,
        "terminal_id": TERMINAL_ID,
        "sequence": sequence,
        "time_s": NOON_S,
        "is_time_sure": True,
        "programme": 1,
        "tender": 0,
        "amount_rupiah": amount_rupiah,
        "remaining_rupiah": 400_000,
        "items": [],
        "roster_number": 417,
        "state": state,
    }
    fields.update(more)
    return Values(**fields)


def figures(redeemed=(31, 6_050_000), voided=(2, 250_000), returned=(1, 170_000)):
    """What a period close counts."""
    return Values(
        redeemed_count=redeemed[0],
        redeemed_rupiah=redeemed[1],
        voided_count=voided[0],
        voided_rupiah=voided[1],
        returned_count=returned[0],
        returned_rupiah=returned[1],
        net_rupiah=redeemed[1] - voided[1],
        is_whole=True,
    )


def card_view(remaining_rupiah=600_000, pin_kind=PIN_AID, pin_tries_left=3, recent=None, asks_reason=False):
    """What the terminal knows of the card on the reader."""
    return Values(
        roster_number=417,
        remaining_rupiah=remaining_rupiah,
        hamlet=3,
        slot=2,
        pin_kind=pin_kind,
        pin_tries_left=pin_tries_left,
        recent=recent,
        asks_reason=asks_reason,
    )


def totals(**more):
    """Totals of a day on which all is zero but `more`."""
    fields = {"count": 0, "goods_rupiah": 0, "cash_rupiah": 0, "pending_count": 0, "pending_rupiah": 0}
    fields.update({"voided_count": 0, "voided_rupiah": 0})
    fields.update(
        {"acknowledged_count": 0, "acknowledged_rupiah": 0, "settled_count": 0, "settled_rupiah": 0}
    )
    fields.update(more)
    return Values(**fields)


class Terminal:
    """Answers from lists: `views` and `outcomes` hold what `identify` and `redeem` do next, the last one for ever.

    A `Refusal` in them is raised; any other outcome of `redeem` commits a new receipt. `card_waits` is how many waits
    find no card first; -1: never one.
    """

    def __init__(self, log, views=None, outcomes=None, programmes=None, card_waits=0, stored=None):
        self.log = log
        self.views = views or [card_view()]
        self.outcomes = outcomes or ["grant"]
        self.all_programmes = programmes or [(1, "Sembako"), (2, "PKH tahap 4")]
        self.card_waits = card_waits
        self.stored = stored if stored is not None else [receipt(sequence=126)]
        self.link = Values(word="up", way="MQTT", waiting=0, age_s=0, heard_s=NOON_S - 120)
        self.goods_tap = False
        self.done = []  # what was recorded after sales: (what, of which redemption or programme)
        self.closes = {}
        self.returns = {}
        self.all_notices = []
        self.all_findings = []
        self.trusted = True
        self.logins = []
        self.terminal_id = TERMINAL_ID
        self.card_is_known = False
        self.while_busy = lambda: None

    async def check_operator(self, code):
        self.logins.append(code)
        return code == OPERATOR_CODE

    def programmes(self):
        return self.all_programmes

    def price_list(self, programme):
        return PRICES

    async def wait_for_card(self, timeout_ms):
        assert 0 < timeout_ms <= 60_000
        if self.card_waits:
            self.card_waits -= 1
            return False
        return True

    async def identify(self, programme):
        self.log.append(("identify", programme))
        self.while_busy()
        self.card_is_known = True
        return _next(self.views)

    def send_now(self):
        self.log.append(("send_now",))

    async def carry_codes(self):
        self.while_busy()
        return self.all_codes

    async def abandon(self):
        self.card_is_known = False

    async def redeem(self, programme, tender, amount_rupiah, items, pin, reason=0):
        kept = None if pin is None else bytes(pin)
        self.log.append(("redeem", programme, tender, amount_rupiah, list(items), kept))
        self.log.append(("reason", reason))
        more = {"programme": programme, "tender": tender, "items": items}
        return await self._made(amount_rupiah, goods_tap=self.goods_tap and not tender, **more)

    async def _made(self, amount_rupiah, **more):
        """A transaction, or what the next outcome says."""
        self.while_busy()
        outcome = _next(self.outcomes)
        if outcome == "silence":
            await asyncio.sleep_ms(3_600_000)
        made = receipt(self._next_sequence(), amount_rupiah, **more)
        self.stored.insert(0, made)
        if outcome == "grant and silence":
            await asyncio.sleep_ms(3_600_000)
        return made

    async def look(self, sequence):
        return self.receipt_at(sequence)

    def receipt_at(self, sequence):
        for found in self.stored:
            if found.sequence == sequence:
                return found
        return None

    async def check_void(self, sequence):
        self.log.append(("check_void", sequence))
        if self.receipt_at(sequence).received_by:
            raise Refusal(refusals.GOODS_WERE_RECEIVED, self.receipt_at(sequence).received_by)

    async def void(self, sequence, reason):
        self.log.append(("void", sequence, reason, self.card_is_known))
        sale = self.receipt_at(sequence)
        made = await self._made(sale.amount_rupiah, kind=VOID, reference=sequence)
        sale.voided_by, sale.state = made.sequence, VOIDED
        self.done.append(("void", sequence))
        return made

    async def goods_received(self, sequence, with_card):
        self.log.append(("goods_received", sequence, with_card, self.card_is_known))
        sale = self.receipt_at(sequence)
        made = await self._made(sale.amount_rupiah, kind=GOODS_RECEIVED, reference=sequence)
        sale.received_by = made.sequence
        self.done.append(("goods_received", sequence))
        return made

    async def give_back(self, programme):
        self.log.append(("give_back", programme, self.card_is_known))
        made = await self._made(170_000, kind=RETURN, programme=programme, remaining_rupiah=0)
        self.returns[programme] = made
        self.done.append(("return", made.sequence))
        return made

    async def returned(self, programme):
        return self.returns.get(programme)

    def period_figures(self, programme):
        return figures()

    async def closed(self, programme):
        return self.closes.get(programme)

    async def close_period(self, programme):
        self.log.append(("close_period", programme))
        counted = figures()
        more = {"programme": programme, "roster_number": 0, "figures": counted}
        made = await self._made(counted.net_rupiah, kind=PERIOD_CLOSE, **more)
        self.closes[programme] = made
        self.done.append(("close", programme))
        return made

    def _next_sequence(self):
        return self.stored[0].sequence + 1 if self.stored else 1

    def receipts(self, first, count, kinds=(1, 2, 3, 4, 5)):
        return [found for found in self.stored if found.kind in kinds][first : first + count]

    def last_receipt(self):
        return self.stored[0] if self.stored else None

    def totals(self):
        pending = [r for r in self.stored if r.state == RECORDED]
        rupiah = sum([r.amount_rupiah for r in pending])
        return totals(
            count=len(self.stored), goods_rupiah=rupiah, pending_count=len(pending), pending_rupiah=rupiah
        )

    def link_state(self):
        return self.link

    def now(self):
        return NOON_S, self.trusted, 420

    def notices(self):
        return self.all_notices

    def findings(self):
        return self.all_findings


def _next(prepared):
    """The next prepared answer; the last one stays."""
    answer = prepared.pop(0) if len(prepared) > 1 else prepared[0]
    if isinstance(answer, Refusal):
        raise answer
    return answer


class Display:
    """Counts the names of the screens that were brought to it, and keeps the last picture."""

    def __init__(self, counter):
        self._counter = counter
        self._picture = bytearray(1024)
        self.framebuffer = framebuf.FrameBuffer(self._picture, 128, 64, framebuf.MONO_VLSB)
        self.pictures = []

    async def show(self):
        name = self._counter.flow.panel.shown
        self._counter.log.append(("show", name))
        if self._counter.keeps_pictures:
            self.pictures.append((name, bytes(self._picture)))


class Keypad:
    """Gives the script's keys one by one; `on_wait(shown name)` may do something before each."""

    def __init__(self, counter, script):
        self._counter = counter
        self._script = script
        self._at = 0
        self.hasty = ""  # keys that were pressed while nobody waited
        self.on_wait = None

    async def get_key(self, timeout_ms):
        assert 0 <= timeout_ms <= 900_000
        shown = self._counter.flow.panel.shown
        if self.hasty or timeout_ms == 0:
            key, self.hasty = (self.hasty[0], self.hasty[1:]) if self.hasty else (None, "")
            return key
        if self.on_wait:
            self.on_wait(shown)
        if self._at == len(self._script):
            raise ScriptEnded
        key = self._script[self._at]
        self._at += 1
        if key == "-":
            return None
        self._counter.log.append(("key", key, shown))
        return key


class Printer:
    """Keeps documents; fails as often as `failures` says (-1: always), never answers when it is `is_silent`."""

    def __init__(self, failures=0):
        self.failures = failures
        self.is_silent = False
        self.while_busy = lambda: None
        self.documents = []

    async def print_document(self, document):
        self.while_busy()
        if self.is_silent:
            await asyncio.sleep_ms(3_600_000)
        if self.failures:
            self.failures -= 1
            raise PrinterError(PrinterError.PAPER, 0)
        self.documents.append(document)


class Signals:
    """Logs sounds and lights."""

    def __init__(self, log):
        self._log = log

    def key(self):
        pass

    def card(self):
        self._log.append(("signal", "card"))

    def granted(self):
        self._log.append(("signal", "granted"))

    def refused(self):
        self._log.append(("signal", "refused"))


class Counter:
    """All of it put together; `play` runs the flow until the script has no more keys."""

    def __init__(self, script, failures=0, keeps_pictures=False, **terminal):
        self.all_codes = []
        self.log = []
        self.keeps_pictures = keeps_pictures
        self.terminal = Terminal(self.log, **terminal)
        self.display = Display(self)
        self.keypad = Keypad(self, script)
        self.printer = Printer(failures)
        self.flow = Flow(self.terminal, self.display, self.keypad, self.printer, Signals(self.log))

    def be_hasty(self, keys):
        """Press `keys` each time the terminal or the printer is at work."""

        def press():
            self.keypad.hasty = keys

        self.terminal.while_busy = self.printer.while_busy = press

    def play(self):
        try:
            asyncio.run(self.flow.run())
        except ScriptEnded:
            pass
        return self

    def shown(self):
        """Name of the screen now seen."""
        return self.flow.panel.shown

    def seen(self):
        """Names of all screens shown, in order, repetitions once."""
        names = []
        for entry in self.log:
            if entry[0] == "show" and (not names or names[-1] != entry[1]):
                names.append(entry[1])
        return names

    def asked(self, name):
        """All calls of another method of the terminal, without its name."""
        return [entry[1:] for entry in self.log if entry[0] == name]

    def stored_kinds(self):
        """Kinds of the transactions that the terminal holds, newest first."""
        return [held.kind for held in self.terminal.stored]

    def redeemed(self):
        """All calls of redeem: (programme, tender, amount, items, pin)."""
        return [entry[1:] for entry in self.log if entry[0] == "redeem"]

    def signals(self):
        """All sounds."""
        return [entry[1] for entry in self.log if entry[0] == "signal"]


def printed(document):
    """The text lines of a document."""
    return [part[1] for part in document if part[0] == "text"]


class Judge:
    """Follows a log and keeps what must never happen, as sentences."""

    def __init__(self, pin_kind):
        self.wrong = []
        self._pin_kind = pin_kind
        self._pin = ""
        self._may_redeem = False
        self._shown = ""

    def show(self, name):
        if name == "idle":
            self._may_redeem = False
        if name == "idle" or (name == "pin" and self._shown != "pin"):
            self._pin = ""
        self._shown = name

    def key(self, key, shown):
        if shown == "pin" and key in "CX":
            self._pin = ""
        elif shown == "pin" and key in "0123456789" and len(self._pin) < PIN_DIGITS:
            self._pin += key
        if key == "E" and shown in ("pin", "confirm", "refused"):
            self._may_redeem = True

    def redeem(self, programme, tender, amount_rupiah, items, pin):
        if not self._may_redeem:
            self.wrong.append("redeemed without a confirmation of its own")
        self._may_redeem = False
        if self._pin_kind == PIN_NONE:
            if pin is not None:
                self.wrong.append("a PIN was handed over that nobody asked for")
        elif pin is None or len(pin) != PIN_DIGITS or pin != self._pin.encode():
            self.wrong.append("redeemed without the PIN that was keyed")


def violations(counter, pin_kind):
    """What must never happen, found in the log of a play: a list of sentences, best empty."""
    judge = Judge(pin_kind)
    for entry in counter.log:
        if entry[0] in ("show", "key", "redeem"):
            getattr(judge, entry[0])(*entry[1:])
    if counter.terminal.card_is_known:
        judge.wrong.append("the card was not let go")
    if counter.flow.service.pin.digits != bytearray(PIN_DIGITS):
        judge.wrong.append("PIN not wiped")
    return judge.wrong
