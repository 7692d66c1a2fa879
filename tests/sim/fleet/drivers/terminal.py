"""One terminal of the fleet on MicroPython: the real firmware over chip models, moved on by requests in JSON.

A request is `{"until": ms, "do": [[order, ...], ...]}`: the orders are carried out, then the terminal lives until that
moment of the world, or until it has something to say. The answer is `{"now": ms, "say": [[what, ...], ...], "marks":
[sealed through, reclaim through, head]}`. Octets are hexadecimal. Orders and sayings are the methods named `do_...` and the
calls of `say` below.
"""

import hashlib
import json
import sys

from tests.sim.fleet.drivers.lockstep import Time, new_loop

import asyncio  # isort: skip

from firmware import main

main.load()

from firmware import app as firmware_app  # noqa: E402
from firmware import provisioning, states  # noqa: E402
from firmware.card.errors import CardError  # noqa: E402
from firmware.carry.usb import CarryCommands  # noqa: E402
from firmware.crypto.signer import SoftwareSigner  # noqa: E402
from firmware.drivers.ds3231 import Ds3231, RtcError  # noqa: E402
from firmware.hal import pins  # noqa: E402
from firmware.hal.i2c_device import I2cDevice  # noqa: E402
from firmware.ledger import document_area  # noqa: E402
from firmware.refusals import Refusal  # noqa: E402
from firmware.relay.link import LinkError  # noqa: E402
from firmware.relay.sms_link import SmsLink  # noqa: E402
from hardware.emv_card.card import Card  # noqa: E402
from hardware.nor_faults import FaultPlan, cut  # noqa: E402
from hardware.nor_flash import NorFlash, PowerCut  # noqa: E402
from protocol import records, sms_pdu  # noqa: E402
from tools.virtual_board import VirtualBoard  # noqa: E402

FLASH_BYTES = 8 << 20
OPEN_TIMEOUT_MS = 10000
CARD_TIMEOUT_MS = 2000
SEMBAKO = 1
OPERATOR_CODE = "1234"
# Names of screens (firmware/ui/screens).
IDLE, SERVING = "idle", "tap_card"
GATEWAY_NUMBER = "+62811000001"


def basket(number):
    """Items of goods: none to as many as a record holds, of odd measures, so that some records are too long for a message."""
    return [
        (
            31 * place + number,
            1 + 8191 * number * (place + 1) % 65535,
            765433 * number * (place + 1) % 16000000,
        )
        for place in range(number % (records.ITEMS_MAX + 1))
    ]


class Entropy:
    """Octets that repeat with the seed and never within a terminal's lives."""

    def __init__(self, seed, first=()):
        self._seed = seed
        self._first = list(first)
        self._number = 0

    def __call__(self, count):
        if self._first and len(self._first[0]) == count:
            return self._first.pop(0)
        out = b""
        while len(out) < count:
            self._number += 1
            out += hashlib.sha256(self._seed + self._number.to_bytes(8, "big")).digest()
        return out[:count]


class Link:
    """A connection to the broker as the firmware sees it; its octets go through the world."""

    def __init__(self, terminal, number):
        self._terminal = terminal
        self._number = number
        self._held = b""
        self._news = asyncio.Event()
        self._state = ""

    async def open(self):
        self._terminal.say("open", self._number)
        try:
            await asyncio.wait_for_ms(self._opened(), OPEN_TIMEOUT_MS)
        except asyncio.TimeoutError:
            raise LinkError("timeout")

    async def _opened(self):
        while not self._state:
            await self._wait()
        self._require_up()

    async def _wait(self):
        self._news.clear()
        await self._news.wait()

    def _require_up(self):
        if self._state != "up":
            raise LinkError("closed")

    async def read(self, length):
        while len(self._held) < length:
            self._require_up()
            await self._wait()
        taken, self._held = self._held[:length], self._held[length:]
        return taken

    async def write(self, octets):
        self._require_up()
        self._terminal.say("data", self._number, bytes(octets).hex())

    async def close(self):
        if self._state != "closed":
            self._state = "closed"
            self._terminal.say("close", self._number)

    def became(self, state):
        self._state = state
        self._news.set()

    def came(self, octets):
        self._held += octets
        self._news.set()


class Modem:
    """What `SmsLink` sends by: each message is said to the world, whose network takes it or not."""

    def __init__(self, terminal):
        self._terminal = terminal
        self.can_send = terminal.has_signal

    async def send(self, pdu):
        self._terminal.say("sms", bytes(pdu).hex())
        return 0


class Incoming:
    """A message as the modem's driver hands it over."""

    def __init__(self, pdu):
        self.deliver = sms_pdu.decode(pdu)


class Cable:
    """Where the technician's console is: what is sent, and what there is to receive."""

    def __init__(self, held):
        self.sent = b""
        self._held = held

    async def send(self, octets):
        self.sent += octets

    async def receive(self):
        return self._held

    async def progress(self, done, total):
        await asyncio.sleep_ms(0)

    def check_in(self):
        pass


class FleetLinks:
    """Stands where `firmware.links.Links` does: ways that lead into the world."""

    modem = None
    ways = ("WLAN",)
    check_in = None

    def __init__(self, _board, _expander, _settings, _documents, take_frame, _sessions):
        self._terminal = _terminal
        self.sender = Modem(_terminal)
        self.sms = SmsLink(self.sender, GATEWAY_NUMBER, take_frame)

    def make_link(self):
        return self._terminal.make_link()


firmware_app.Links = FleetLinks


class Terminal:
    """Flash, cards and clock battery last; everything else is of one life."""

    def __init__(self):
        self.cards = {}
        self.links = {}
        self.said = []
        self.app = None
        self.link_number = 0
        self.selling = False
        self.is_reader_started = False
        self.has_signal = False
        self.spoke = asyncio.Event()

    def say(self, *what):
        self.said.append(what)
        self.spoke.set()

    # Orders.

    def do_provision(self, world):
        """Keys are made, what the authority issued is verified and installed: as by a technician."""
        self.flash = NorFlash(FLASH_BYTES)
        self.entropy = Entropy(bytes.fromhex(world["entropy"]))
        self.families = world["families"]
        self.cards_used = world["cards_used"]
        self.rtc_ahead_s = 0
        Time(0, world["now_s"])
        board = VirtualBoard(flash=self.flash, clock=Time.running, model_clock=Time.running.models).board
        opened = provisioning.open_documents(board.flash)
        draws = Entropy(b"", [bytes.fromhex(draw) for draw in world["draws"]])
        provisioning.make_keys(opened, world["kid"], draws)
        keys = [
            int.from_bytes(opened.get(name), "big")
            for name in (document_area.SEAL_PRIVATE, document_area.AGREEMENT_PRIVATE)
        ]
        given = {int(name): bytes.fromhex(octets) for name, octets in world["sections"].items()}
        roster = bytes.fromhex(world["roster"])
        signer = SoftwareSigner(keys[0], keys[1], draws, 0)
        provisioning.install(board.flash, opened, given, roster, signer)

    def do_on(self, now_ms, now_s):
        """Power comes. The clock battery has kept the time, right or wrong."""
        new_loop()
        self.spoke = asyncio.Event()
        self.flash.power_on()
        self.links = {}
        self.selling = False
        self.is_reader_started = False
        believed_s = now_s + self.rtc_ahead_s if self.rtc_ahead_s is not None else 0
        time = Time(now_ms, believed_s)
        self.world_s = now_s - now_ms // 1000
        self.board = VirtualBoard(
            flash=self.flash,
            clock=time,
            model_clock=time.models,
            rtc_epoch_s=believed_s,
            entropy=self.entropy,
        )
        self.app = firmware_app.App(self.board.board, lambda code: self.say("restart", code))
        self.app.open_books()
        self.app.assemble()
        self._count_bare(self.app.relay.frames)
        self._show(IDLE)
        asyncio.get_event_loop().set_exception_handler(self._task_ended)
        self.tasks = [
            asyncio.create_task(self.app.upkeep.run(self._check_in)),
            asyncio.create_task(self._run_relay()),
            asyncio.create_task(self._run_sms()),
            asyncio.create_task(self._start_reader()),
        ]

    def _check_in(self):
        pass

    def _show(self, screen):
        """Nobody draws here; which screen it would be is how firmware/over_air knows that nobody minds a restart."""
        self.app.flow.panel.shown = screen

    def _count_bare(self, frames):
        """Tell of each frame that is coded without grants ([CTX-04])."""
        encode = frames._encode

        def counted(first, slots, is_good, context):
            if context is not None and not context.grants:
                self.say("bare", len(slots))
            return encode(first, slots, is_good, context)

        frames._encode = counted

    def make_link(self):
        self.link_number += 1
        self.links = {self.link_number: Link(self, self.link_number)}
        return self.links[self.link_number]

    async def _start_reader(self):
        """As `App` does it: nobody is served before it has ended, since a sale would start the reader at the same time."""
        try:
            await self.app.reader.start()
        except CardError:
            self.app.terminal.reader_failed = True
        self.is_reader_started = True

    async def _run_relay(self):
        await self.app.keys.ready.wait()
        await self.app.relay.run(self._check_in)

    async def _run_sms(self):
        await self.app.keys.ready.wait()
        await self.app.relay.run_sms(self._check_in)

    def _task_ended(self, _loop, context):
        """On a real terminal that is a crash code and a restart."""
        sys.print_exception(context["exception"])
        self.say("crash", repr(context["exception"]))

    def do_off(self):
        """The plug is pulled."""
        if self.app is not None:
            self._lose_power()

    def _lose_power(self):
        """What was running is gone; the clock battery keeps what the firmware set."""
        try:
            device = I2cDevice(self.board.i2c, pins.CLOCK_ADDRESS, "DS3231", lambda: None)
            seconds, is_trusted = Ds3231(device).read()
        except RtcError:
            is_trusted = False
        self.rtc_ahead_s = seconds - self._now_s() if is_trusted else None
        self.app = None
        self.links = {}
        new_loop()

    def _now_s(self):
        return self.world_s + Time.running.ticks_ms() // 1000

    def do_clock(self, ahead_s):
        """The clock battery fails (None), or somebody sets the clock wrong; only while the power is off."""
        self.rtc_ahead_s = ahead_s

    def do_cut(self, operation, torn_bytes, tear):
        """Power will fail in the flash operation so many from now."""
        self.flash.arm(FaultPlan(operation, [cut(operation, torn_bytes, tear)]))

    def do_mend(self):
        """No more power cuts."""
        self.flash.arm(None)

    def do_roster(self, brought, now_ms, now_s):
        """A technician switches the terminal on, gives it a new roster and the grants under it where it has not got them by
        itself, and switches it off.
        """
        self.do_on(now_ms, now_s)
        ledger = self.app.ledger
        if ledger.roster.number < brought["number"]:
            grants = {int(name): bytes.fromhex(grant) for name, grant in brought["grants"].items()}
            provisioning.renew(self.board.board.flash, ledger, grants, bytes.fromhex(brought["roster"]))
        self._lose_power()

    def do_state(self, number, state):
        """A connection came up or was closed."""
        if number in self.links:
            self.links[number].became(state)

    def do_data(self, number, octets):
        if number in self.links:
            self.links[number].came(bytes.fromhex(octets))

    def do_signal(self, has_signal):
        """Whether the telephone network is in reach."""
        self.has_signal = has_signal
        if self.app is not None:
            self.app.links.sender.can_send = has_signal
            self.app.relay.wake()

    def do_message(self, number, pdu):
        """A short message comes in; the world is told when it may be deleted."""
        self.tasks.append(asyncio.create_task(self._receive(number, bytes.fromhex(pdu))))

    async def _receive(self, number, pdu):
        try:
            await self.app.links.sms.receive(Incoming(pdu))
        except firmware_app.FrameNotTaken:
            return  # stays in the modem's store until the next life
        self.say("deleted", number)

    def do_hurry(self):
        self.app.relay.hurry()

    def do_log_in(self):
        """The operator opens the shop, which is an event in the chain."""
        self.tasks.append(asyncio.create_task(self._log_in()))

    async def _log_in(self):
        assert await self.app.terminal.check_operator(OPERATOR_CODE)

    def do_sell(self, name, amount_rupiah, pin):
        """A family wants cash, or goods where the thousands are odd."""
        self._serve(name, self._sell(name, amount_rupiah, pin))

    def do_void(self, name, sequence):
        """A family wants a sale taken back."""
        self._serve(name, self._void(name, sequence))

    def do_receive(self, name, sequence):
        """A family confirms by its card that it has its goods."""
        self._serve(name, self._receive_goods(name, sequence))

    def _serve(self, name, work):
        """One family after the other; where one is being served, the next goes home."""
        if self.selling:
            self.say("busy", name)
            return
        self.selling = True
        self._show(SERVING)
        self.tasks.append(asyncio.create_task(self._served(name, work)))

    async def _served(self, name, work):
        terminal = self.app.terminal
        try:
            while not (self.app.keys.ready.is_set() and self.is_reader_started):
                await asyncio.sleep_ms(20)
            self.board.place_card(self._card(name))
            while not await terminal.wait_for_card(CARD_TIMEOUT_MS):
                pass
            await terminal.identify(SEMBAKO)
            # What a family is told must be true after whatever happens next.
            self.say(*await work)
            if terminal._closing is not None and not terminal._closing.done():
                await terminal._closing
        except Refusal as refusal:
            self.say("refused", refusal.number, name)
        await terminal.abandon()
        self.board.remove_card()
        self.selling = False
        self._show(IDLE)

    def _card(self, name):
        """A family's card, the same one each time, so that its chip remembers."""
        if name not in self.cards:
            with open(self.families[name]["card"]) as file:
                card = self.cards[name] = Card(json.load(file))
            for application in card.applications:
                application.atc += self.cards_used
        return self.cards[name]

    async def _sell(self, name, amount_rupiah, pin):
        digits = bytearray((pin or self.families[name]["pin"]).encode())
        tender = (records.TENDER_CASH, records.TENDER_GOODS)[amount_rupiah // 1000 % 2]
        items = basket(amount_rupiah // 1000) if tender == records.TENDER_GOODS else []
        receipt = await self.app.terminal.redeem(SEMBAKO, tender, amount_rupiah, items, digits)
        return "sold", receipt.sequence, name, amount_rupiah

    async def _void(self, name, sequence):
        receipt = await self.app.terminal.void(sequence, states.VOID_FAMILY_ASKED)
        return "voided", receipt.sequence, name, sequence

    async def _receive_goods(self, name, sequence):
        receipt = await self.app.terminal.goods_received(sequence, True)
        return "received", receipt.sequence, name, sequence

    def do_carry_out(self):
        """A technician comes with a cable; he leaves with a file, once the terminal is ready."""
        self.tasks.append(asyncio.create_task(self._carry(self._by_cable())))

    def do_carry_in(self, octets):
        """A file with the gateway's answer is brought."""
        self.tasks.append(asyncio.create_task(self._carry(self._from_cable(bytes.fromhex(octets)))))

    def do_print_codes(self):
        """The operator prints what waits as QR codes."""
        self.tasks.append(asyncio.create_task(self._carry(self._by_codes())))

    async def _carry(self, work):
        await self.app.keys.ready.wait()
        self.say(*await work)

    def _commands(self):
        return CarryCommands(self.app.ledger, self.app.relay, self.app.keys.ready.is_set)

    async def _by_cable(self):
        cable = Cable(b"")
        await self._commands().carry_out(cable, [])
        return "file", cable.sent.hex()

    async def _from_cable(self, octets):
        return "carried_in", await self._commands().carry_in(Cable(octets), [])

    async def _by_codes(self):
        codes = await self.app.terminal.carry_codes()
        return "codes", [code.text for code in codes]

    def do_books(self):
        """All that the journal holds."""
        ledger = self.app.ledger
        marks = ledger.marks
        first = ledger.journal.first_sequence
        slots = ledger.records_from(first, ledger.journal.sequence - first + 1)
        self.say(
            "books",
            {
                "records": [[slot.sequence, slot.payload.hex()] for slot in slots],
                "chain": ledger.journal.chain.hex(),
                "redeemed_rupiah": ledger.entitlements.redeemed_rupiah,
                "voided_rupiah": ledger.entitlements.voided_rupiah,
                "spent_rupiah": {
                    name: ledger.entitlements.spent_rupiah(SEMBAKO, self.families[name]["index"])
                    for name in sorted(self.families)
                },
                "granted_rupiah": {
                    name: ledger.grants[SEMBAKO].amount_rupiah(self.families[name]["index"])
                    for name in sorted(self.families)
                },
                "states": [self.app.terminal.state_of(slot.sequence) for slot in slots],
                "boots": ledger.journal.boots,
                "locked": ledger.is_locked,
                "roster": ledger.roster.number,
                "trust": ledger.time_trust,
                "now_s": ledger.now_s(),
                "down": sorted(self.app.downlink.counts.items()),
                "relay_error": repr(self.app.relay.last_error),
                "marks": [marks.sealed_through, marks.reclaim_through],
            },
        )

    # Time.

    async def _until(self, until_ms):
        left_ms = until_ms - Time.running.ticks_ms()
        if left_ms > 0 and not self.said:
            self.spoke.clear()
            try:
                await asyncio.wait_for_ms(self.spoke.wait(), left_ms)
            except asyncio.TimeoutError:
                pass

    def live(self, until_ms):
        """Go on; a flash operation that power failed in ends this life."""
        try:
            asyncio.run(self._until(until_ms))
        except PowerCut:
            self._lose_power()
            self.said.append(("cut",))

    def answer(self):
        """What was said, and the marks."""
        said, self.said = self.said, []
        answer = {"now": Time.running.ticks_ms(), "say": said, "marks": None, "locked": None}
        if self.app is not None:
            marks = self.app.ledger.marks
            answer["locked"] = self.app.ledger.is_locked
            answer["marks"] = [
                marks.sealed_through,
                marks.reclaim_through,
                self.app.ledger.journal.sequence,
            ]
        return answer


_terminal = Terminal()


def handle(request):
    """Carry out a request."""
    asked = json.loads(request)
    for order in asked["do"]:
        try:
            getattr(_terminal, "do_" + order[0])(*order[1:])
        except PowerCut:
            _terminal._lose_power()
            _terminal.said.append(("cut",))
    if _terminal.app is not None:
        _terminal.live(asked["until"])
    return json.dumps(_terminal.answer()).encode()
