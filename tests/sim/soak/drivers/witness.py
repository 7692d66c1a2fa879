"""A terminal over a short journal, and a witness who remembers over all its lives what was said outside. On MicroPython.

Real: the whole firmware but its screens, and the byte-level models of card, PN532 and flash, on model time. The witness
reads the books only through the ledger's public face, and believes its own notes where they differ.
"""

from firmware.hal.flash_area import SECTOR_BYTES, FlashArea
from hardware.nor_flash import Partition, PowerCut
from protocol import acknowledgement, records
from tests.support.mp_terminal import NOW_S, Bench, family

LIVES_MAX = 40
# Records that each start reads again, from the head back: all that a short ring holds. Those before are proved by the
# chain's value at the head that was noted.
LOOK_BACK = 400
BATCH = 50
# What a kind of record does to what a family has drawn.
SIGNS = {records.REDEMPTION: 1, records.VOID: -1, records.RETURN: 1}
# Families whose sales nothing but their own money ends: the programme's cards, and a bank's with the aid PIN.
FAMILIES = ("programme", "bank", "one", "four", "programme_dynamic", "bound", "two", "five", "three", "large")
AID_PIN = ("bank", "four", "bound", "five")


class SoakBench(Bench):
    """A `Bench` whose journal has `sectors` sectors, the first of its partition, so that it goes round soon."""

    def __init__(self, flash, sectors, now_s=NOW_S):
        self.sectors = sectors
        self.start_s = now_s
        super().__init__(flash)

    def boot(self):
        self.now_s = max(self.now_s, self.start_s)
        super().boot()

    def wire(self):
        super().wire()
        whole = self.board.board.flash["journal"]
        if self.sectors:
            offset = whole._partition._offset
            window = Partition(self.flash, "journal", offset, self.sectors * SECTOR_BYTES)
            self.board.board.flash["journal"] = FlashArea(window, "journal")

    def wear(self):
        """(least, most, total) erases of the journal's sectors."""
        partition = self.board.board.flash["journal"]._partition
        first = partition._offset // SECTOR_BYTES
        return self.flash.wear_spread(first, partition._size // SECTOR_BYTES)


class Witness:
    """Notes of what was seen; `note` after each thing done, `check` after each start. `told` says which run it is,
    `before` is the witness of what the same flash lived through until now.
    """

    def __init__(self, bench, told, before=None):
        self.told = told
        # (programme, card key) -> rupiah drawn or handed back over all records ever seen
        self.drawn = {} if before is None else {key: before.drawn[key] for key in before.drawn}
        # kind of record -> rupiah
        self.totals = {kind: 0 if before is None else before.totals[kind] for kind in SIGNS}
        self.head = 0 if before is None else before.head
        self.chain = b"" if before is None else before.chain
        self.boots = 0 if before is None else before.boots
        # The last burned number: sequence << 8 | attempt.
        self.burned = 0 if before is None else before.burned
        self.counter = 0 if before is None else before.counter
        self.looked = {}  # family -> wrong PINs compared since the last right one
        self.counters = 0  # frame counters used
        self.cuts = 0
        self.starts_cut = 0
        self.check(bench)

    def watch(self, bench):
        """Listen to what is burned, in the life that begins."""
        ledger = bench.ledger
        burn = ledger.burn_un_attempt

        def listening():
            sequence, attempt = burn()
            number = sequence << 8 | attempt
            assert number > self.burned, (self.told, "an Unpredictable Number came again", sequence, attempt)
            assert sequence == ledger.journal.sequence + 1, (self.told, "not the next sequence", sequence)
            self.burned = number
            return sequence, attempt

        ledger.burn_un_attempt = listening

    def note(self, bench):
        """What is in the journal now was shown: take it down."""
        ledger = bench.ledger
        head = ledger.journal.sequence
        assert head >= self.head, (self.told, "lost after it was shown", self.head, head)
        if head > self.head:
            new = ledger.records_from(self.head + 1, head - self.head)
            expected = list(range(self.head + 1, head + 1))
            assert [slot.sequence for slot in new] == expected, (self.told, "not contiguous", self.head, head)
            for slot in new:
                record = records.decode(slot.payload)
                if record.kind in SIGNS:
                    key = (record.programme, record.card_key)
                    self.drawn[key] = self.drawn.get(key, 0) + SIGNS[record.kind] * record.amount_rupiah
                    self.totals[record.kind] += record.amount_rupiah
        self.head = head
        self.chain = bytes(ledger.journal.chain)

    def check(self, bench):
        """After a start: all that was shown is there, octet for octet, and the money is what was noted."""
        ledger = bench.ledger
        journal = ledger.journal
        told = self.told
        assert journal.damage is None, (told, "damage", str(journal.damage))
        assert journal.boots > self.boots, (told, "the boot counter did not rise", self.boots, journal.boots)
        self.boots = journal.boots
        # What was being written may be there or not; a new terminal adopts policy, roster and two grants at once.
        assert self.head <= journal.sequence <= self.head + 4, (told, self.head, journal.sequence)
        if self.head:
            assert journal.chain_at(self.head) == self.chain, (told, "another record was shown", self.head)
        self.note(bench)
        self.check_money(bench)
        for name in self.looked:
            assert bench.tries(name) >= self.looked[name], (told, "a PIN try came back", name)
        for first in range(
            max(journal.first_sequence, journal.sequence - LOOK_BACK), journal.sequence + 1, BATCH
        ):
            expected = list(range(first, min(first + BATCH, journal.sequence + 1)))
            held = ledger.records_from(first, BATCH)
            assert [slot.sequence for slot in held] == expected, (told, "not contiguous", first)
        self.watch(bench)

    def check_money(self, bench):
        """Per family and in sum: granted >= spent, and spent is redeemed - voided + returned by the records."""
        ledger = bench.ledger
        told = self.told
        entitlements = ledger.entitlements
        totals = self.totals
        assert entitlements.redeemed_rupiah == totals[records.REDEMPTION], (told, totals)
        assert entitlements.voided_rupiah == totals[records.VOID], (told, totals)
        figures = ledger.period_figures(1, ledger.grants[1].period)
        wanted = [totals[kind] for kind in (records.REDEMPTION, records.VOID, records.RETURN)]
        assert [figures[place] for place in (1, 3, 5)] == wanted, (told, figures, totals)
        sum_rupiah = 0
        for name in FAMILIES:
            noted = [self.drawn.get((1, bytes.fromhex(key)), 0) for key in family(name)["card_keys"]]
            spent = bench.spent(name)
            assert spent == sum(noted), (told, name, spent, noted)
            assert ledger.grants[1].amount_rupiah(family(name)["index"]) >= spent, (told, name)
            sum_rupiah += spent
        assert sum_rupiah == sum([SIGNS[kind] * totals[kind] for kind in totals]), (told, sum_rupiah, totals)

    def restart(self, bench):
        """The next life; one that is cut off while it starts counts, too."""
        self.cuts += 1
        for _ in range(LIVES_MAX):
            try:
                bench.power_cycle()
                break
            except PowerCut:
                self.cuts += 1
                self.starts_cut += 1
        else:
            raise AssertionError((self.told, "never starts"))
        self.check(bench)

    def acknowledge(self, bench, kept=0):
        """All but the last `kept` records are sealed at the gateway and taken by settlement."""
        ledger = bench.ledger
        through = ledger.journal.sequence - kept
        if through <= 0:
            return
        self.counter += 1
        told = acknowledgement.Acknowledgement()
        told.epoch = 1
        told.time_s = ledger.now_s()
        told.sealed_through = through
        told.chain_digest = ledger.journal.chain_at(through)[:16]
        told.reclaim_through = through
        told.gaps = ()
        told.states_first = 0
        told.states = ()
        ledger.apply_acknowledgement(acknowledgement.encode(told), self.counter)


def idle(bench):
    """A quiet while: flash is prepared ahead as far as it goes."""
    while bench.ledger.prepare():
        pass
