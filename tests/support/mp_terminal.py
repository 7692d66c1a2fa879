"""One terminal on a virtual board in model time, for tests of whole taps on MicroPython: provisioned, booted, cut off.

    bench = Bench()
    receipt = bench.sell("bank", 25_000)

Families, cards and documents are those of `tests/support/tap_world.py`. Everything from the roster to the chips is the
real firmware and the byte-level models; only the screens are left out unless a test starts `App.run`.
"""

import asyncio
import json
import os

from firmware import main

main.load()  # as the terminal does, and for the same reason: the stack

from firmware import provisioning  # noqa: E402
from firmware.app import App  # noqa: E402
from firmware.crypto.signer import SoftwareSigner  # noqa: E402
from firmware.ledger import document_area  # noqa: E402
from hardware.emv_card.card import Card  # noqa: E402
from hardware.emv_card.hostile import HostileCard  # noqa: E402
from hardware.nor_flash import MemoryStore, NorFlash  # noqa: E402
from hardware.pn532 import Pn532  # noqa: E402
from hardware.pn532_faults import NoFaults  # noqa: E402
from protocol import grant, records  # noqa: E402
from tests.support import mp, mp_world  # noqa: E402
from tests.support.mp_time import ModelTime  # noqa: E402
from tools.virtual_board import VirtualBoard  # noqa: E402

NOW_S = 1795928400
KID = 0x2A
SEMBAKO = 1
PKH = 2
GOODS = records.TENDER_GOODS
CASH = records.TENDER_CASH
CARD_TIMEOUT_MS = 2000
# Where each kind of money stands among a period's figures.
FIGURE_OF = {records.REDEMPTION: 0, records.VOID: 2, records.RETURN: 4}
FLASH_BYTES = 8 << 20

_made = {}


def _load(name):
    """A file of the made-up world, which is made or brought up to date first."""
    if "folder" not in _made:
        python = mp.ROOT + "/.venv/bin/python"
        if not mp_world.is_current(mp.ROOT) and os.system(
            "cd '%s' && '%s' -m tests.support.tap_world >/dev/null" % (mp.ROOT, python)
        ):
            raise AssertionError("tests/support/tap_world.py failed")
        _made["folder"] = mp.ROOT + "/" + mp_world.FOLDER
    if name not in _made:
        with open("%s/%s.json" % (_made["folder"], name)) as file:
            _made[name] = json.load(file)
    return _made[name]


def documents_of_the_world():
    """What `tests/support/tap_world.py` says beside the cards."""
    return _load("documents")


def family(name):
    """`index`, `pin`, `granted` and `card_keys` of a family."""
    return _load("documents")["families"][name]


def card_data(name):
    """Personalisation data of a card; a copy, so that a test may change it."""
    _load("card-" + name)
    return json.loads(json.dumps(_made["card-" + name]))


class Draws:
    """Entropy that repeats: the terminal's key draws first, then a series that goes on from life to life."""

    def __init__(self, first=()):
        self._first = list(first)
        self._number = 0

    def __call__(self, count):
        if self._first and len(self._first[0]) == count:
            return self._first.pop(0)
        out = b""
        while len(out) < count:
            self._number = self._number * 75 % 65537 + 1
            out += bytes((self._number & 0xFF, self._number >> 8 & 0xFF))
        return out[:count]


def provision(flash):
    """Make the terminal's keys and install the world's documents, as a technician does."""
    documents = _load("documents")
    board = VirtualBoard(flash=flash).board
    opened = provisioning.open_documents(board.flash)
    provisioning.make_keys(opened, KID, Draws([bytes.fromhex(draw) for draw in documents["draws"]]))
    given = {}
    for name in documents["sections"]:
        given[int(name)] = bytes.fromhex(documents["sections"][name])
    provisioning.install(board.flash, opened, given, bytes.fromhex(documents["roster"]), signer_of(opened))


def signer_of(opened):
    """A signer over the keys in documents."""
    keys = [
        int.from_bytes(opened.get(name), "big")
        for name in (document_area.SEAL_PRIVATE, document_area.AGREEMENT_PRIVATE)
    ]
    return SoftwareSigner(keys[0], keys[1], Draws(), 0)


def provisioned_flash():
    """A chip with a provisioned terminal that was never switched on; made once, then copied."""
    if "flash" not in _made:
        made = NorFlash(FLASH_BYTES)
        provision(made)
        _made["flash"] = made
    return copy_of(_made["flash"])


def copy_of(flash):
    """Another chip with the same content."""
    store = MemoryStore()
    sectors = flash._store._sectors
    for index in sectors:
        store._sectors[index] = bytearray(sectors[index])
    return NorFlash(FLASH_BYTES, store)


def later_grant(ledger):
    """(signed, decoded) of a grant that follows the one in force."""
    signed = bytes.fromhex(_load("documents")["later_grant"])
    return signed, grant.decode(signed[:-64], KID, ledger.roster.digest, ledger.policy.digest)


async def _outcome(coroutine):
    """(result, exception): a task that ends with an exception nobody has asked for yet is reported by asyncio."""
    try:
        return await coroutine, None
    except Exception as error:
        return None, error


class Bench:
    """A terminal switched on over `flash` (a provisioned one by default), `lives` counting how often it was.

    The clock goes on over power cuts. `faults`: a `FaultPlan` of the card reader; `rtc_epoch_s` 0 for a dead battery.
    `fittings(models)`: more options of each life's board, given the chips' clock.
    """

    def __init__(self, flash=None, faults=None, rtc_epoch_s=NOW_S, fittings=None):
        asyncio.new_event_loop()
        self.fittings = fittings or (lambda models: {})
        self.flash = provisioned_flash() if flash is None else flash
        self.faults = faults
        self.now_s = NOW_S
        self.rtc_epoch_s = rtc_epoch_s
        self.lives = 0
        self.cards = {}
        self.restarts = []
        self.boot()

    # Power.

    def boot(self):
        """Switch on: a new life on the same flash, all the way to where a sale can begin, without screens."""
        self.wire()
        self.app.open_books()
        self.app.assemble()
        # The link secret takes a multiplication of points and never changes: worked out once for all tests.
        if "keys" not in _made:
            for _ in self.app.keys.derive_steps():
                pass
            _made["keys"] = self.app.keys._lasting
        self.app.keys._lasting = _made["keys"]
        self.terminal = self.app.terminal
        self.ledger = self.app.ledger
        self.run(self.app.reader.start())

    def wire(self):
        """The board and an application that was not started."""
        self.lives += 1
        self.time = ModelTime(epoch_s=self.now_s)
        options = {"entropy": Draws()}
        options.update(self.fittings(self.time.models))
        self.board = VirtualBoard(
            flash=self.flash,
            clock=self.time,
            model_clock=self.time.models,
            pn532_model=Pn532(self.time.models, self.faults),
            rtc_epoch_s=self.rtc_epoch_s and self.now_s,
            **options,
        )
        self.app = App(self.board.board, self.restarts.append)

    def run(self, coroutine):
        """Run to its end in model time; what it raises is raised here."""
        result, error = self.time.run(_outcome(coroutine))
        self.now_s = max(self.now_s, self.time.epoch_seconds())
        if error is not None:
            raise error
        return result

    def mend(self):
        """The reader is as it should be, from now on and in the lives to come."""
        self.faults = None
        self.board.pn532.faults = NoFaults()

    def power_cycle(self):
        """Off and on again after a while; whatever was running is gone."""
        asyncio.new_event_loop()
        self.flash.power_on()
        self.now_s += 5
        self.boot()

    def wait_s(self, seconds):
        """Let time pass with nothing to do."""
        self.time.models.advance_us(seconds * 1000000)
        self.now_s = self.time.epoch_seconds()

    # People.

    def card(self, name, trick=None):
        """A family's card, the same object each time, so that its chip remembers; `trick` of a lying card."""
        key = (name, trick)
        if key not in self.cards:
            data = card_data(name)
            self.cards[key] = Card(data) if trick is None else HostileCard(data, trick)
        return self.cards[key]

    def sell(self, name, amount_rupiah, **more):
        """One sale from tap to receipt, as the screens make it, in its own time; raises `Refusal`."""
        return self.run(self.selling(name, amount_rupiah, **more))

    async def selling(
        self, name, amount_rupiah, pin=None, programme=SEMBAKO, tender=GOODS, items=(), lift=False, trick=None
    ):
        """The steps of `sell`; `lift`: the card is taken away for the PIN and laid on again."""
        await self.tapping(name, programme, trick)
        return await self.redeeming(name, amount_rupiah, pin, programme, tender, items, lift, trick)

    async def tapping(self, name, programme=SEMBAKO, trick=None):
        """Lay the card on and identify it; the card's view."""
        self.board.remove_card()
        self.board.place_card(self.card(name, trick))
        assert await self.terminal.wait_for_card(CARD_TIMEOUT_MS), "no card seen"
        return await self.terminal.identify(programme)

    async def redeeming(
        self, name, amount_rupiah, pin=None, programme=SEMBAKO, tender=GOODS, items=(), lift=False, trick=None
    ):
        """The second phase: PIN, card, redemption, and what follows a sale at the card."""
        digits = bytearray((family(name)["pin"] if pin is None else pin).encode())
        if lift:
            self.board.remove_card()
            assert not await self.terminal.wait_for_card(80)
            self.board.place_card(self.card(name, trick))
        assert await self.terminal.wait_for_card(CARD_TIMEOUT_MS), "no card seen"
        try:
            receipt = await self.terminal.redeem(programme, tender, amount_rupiah, list(items), digits)
        finally:
            await self.settling()
        return receipt

    def void(self, name, sequence, reason=1):
        """Take a redemption back, from tap to receipt; raises `Refusal`."""
        return self.run(self.with_card(name, lambda: self.terminal.void(sequence, reason)))

    def receive(self, name, sequence, with_card=True):
        """The family confirms its goods, by its card or (`name` None) on the screen; raises `Refusal`."""
        if not with_card:
            return self.run(self.terminal.goods_received(sequence, False))
        return self.run(self.with_card(name, lambda: self.terminal.goods_received(sequence, True)))

    def give_back(self, name, programme=SEMBAKO):
        """A family hands back its lease; raises `Refusal`."""
        return self.run(self.with_card(name, lambda: self.terminal.give_back(programme), programme))

    def close_period(self, programme=SEMBAKO):
        """Close a programme's period; raises `Refusal`."""
        return self.run(self.terminal.close_period(programme))

    async def with_card(self, name, work, programme=SEMBAKO):
        """Lay a card on, identify it, do `work`, let it go."""
        await self.tapping(name, programme)
        assert await self.terminal.wait_for_card(CARD_TIMEOUT_MS), "no card seen"
        try:
            return await work()
        finally:
            await self.settling()

    async def settling(self):
        """Wait until the card of the last sale was let go."""
        closing = self.terminal._closing
        if closing is not None and not closing.done():
            await closing
        await self.terminal.abandon()

    # What the books say.

    def slots(self):
        """All chain records in order."""
        return self.ledger.records_from(1, self.ledger.journal.sequence)

    def records(self, kind=None):
        """(sequence, decoded record) of all, or of one kind."""
        found = [(slot.sequence, records.decode(slot.payload)) for slot in self.slots()]
        return [entry for entry in found if kind is None or entry[1].kind == kind]

    def spent(self, name, programme=SEMBAKO):
        """What the books say that a family drew."""
        return self.ledger.entitlements.spent_rupiah(programme, family(name)["index"])

    def tries(self, name, place=0):
        """Aid-PIN tries burned on a card."""
        return self.ledger.entitlements.tries(family(name)["index"], place)

    def check_conservation(self):
        """Granted, redeemed, voided, returned and recorded agree, per family, per programme and in sum; no Unpredictable
        Number stands for two records.
        """
        drawn = {}
        sums = {records.REDEMPTION: 0, records.VOID: 0}
        figures = {}
        numbers = []
        redeemed = {}
        for sequence, record in self.records():
            if getattr(record, "proof", None) is not None:
                numbers.append((sequence, record.proof.un_attempt))
            if record.kind not in FIGURE_OF:
                continue
            key = (record.programme, record.card_key)
            sign = -1 if record.kind == records.VOID else 1
            drawn[key] = drawn.get(key, 0) + sign * record.amount_rupiah
            if record.kind in sums:
                sums[record.kind] += record.amount_rupiah
            if record.kind == records.REDEMPTION:
                redeemed[sequence] = record
            elif record.kind == records.VOID:
                taken = redeemed.pop(record.reference_sequence)  # once only, and only what was redeemed
                assert (taken.card_key, taken.amount_rupiah) == (record.card_key, record.amount_rupiah)
            counted = figures.setdefault((record.programme, record.period), [0] * 6)
            counted[FIGURE_OF[record.kind]] += 1
            counted[FIGURE_OF[record.kind] + 1] += record.amount_rupiah
        entitlements = self.ledger.entitlements
        assert entitlements.redeemed_rupiah == sums[records.REDEMPTION]
        assert entitlements.voided_rupiah == sums[records.VOID]
        assert len(set(numbers)) == len(numbers)
        for programme, period in figures:
            assert list(self.ledger.period_figures(programme, period)) == figures[programme, period]
        families = _load("documents")["families"]
        for name in families:
            for programme in (SEMBAKO, PKH):
                of_cards = [
                    drawn.get((programme, bytes.fromhex(key)), 0) for key in families[name]["card_keys"]
                ]
                spent = self.spent(name, programme)
                assert spent == sum(of_cards), (name, programme, spent, of_cards)
                granted = self.ledger.grants[programme].amount_rupiah(families[name]["index"])
                assert granted >= spent, (name, programme)
