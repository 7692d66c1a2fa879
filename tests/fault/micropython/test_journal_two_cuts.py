"""Power fails in an append and again in the start that follows: what one start has counted is never lost nor replaced."""

from firmware.ledger import slots
from hardware import nor_faults
from hardware.nor_flash import PowerCut
from protocol import chain, records
from tests.support.mp import seed
from tests.support.mp_books import (
    START,
    Tape,
    append_mark,
    checkpoint,
    event,
    make_flash,
    open_journal,
    seal_of,
)

# Hundreds of lives; nothing in them depends on the interpreter's word, which `test_journal_power_cut` looks after.
VARIANTS = ("unix64",)
TIMEOUT_S = 60
SECTORS = 7
# As far as the first cut comes: over the end of the second sector and a checkpoint.
APPENDS = 26
STARTS = 4
# A start takes so many operations at most (two to strike out, an erase, a header, a copy, a mark), and one goes before.
SECONDS = 7
LIVES = SECONDS * APPENDS
# A record takes 91 octets, a mark 14: the sweeps leave the last few of them in doubt.


class Books:
    """What a terminal has been told: `done` is each record whose append returned or that a whole start counted."""

    def __init__(self, flash):
        self.flash = flash
        self.done = []
        self.marked = []
        self.appends = 0

    def start(self, when):
        """Start, and compare with what was there."""
        tape = Tape()
        journal = open_journal(self.flash, tape)
        found = tape.chain()
        assert journal.damage is None, (when, str(journal.damage))
        assert [sequence for sequence, _ in found] == list(range(1, len(found) + 1)), when
        assert [octets for _, octets in found[: len(self.done)]] == self.done, when
        assert len(found) in (len(self.done), len(self.done) + 1), (when, len(found), len(self.done))
        self.done = [octets for _, octets in found]
        burned = [index for index, _ in tape.marks(slots.LOCAL_PIN_TRIES)]
        assert [index for index in self.marked if index not in burned] == [], when
        assert journal.sequence == len(found), when
        assert [slot.payload for slot in journal.read(1, 999)] == self.done, when
        value = START
        for octets in self.done:
            value = chain.extend(value, octets)
        assert journal.chain == value, when
        return journal, tape

    def append(self, journal, tape):
        """A record that no other append makes."""
        octets = event(self.appends)
        self.appends += 1
        sequence, _, _ = journal.append_chain(records.EVENT, octets, slots.NO_INDEX, seal_of)
        self.done.append(octets)
        tape.apply(records.EVENT, sequence, slots.NO_INDEX, octets)

    def mark(self, journal, tape):
        """A mark that no other makes."""
        self.appends += 1
        append_mark(journal, slots.LOCAL_PIN_TRIES, b"\x00\x01", self.appends, tape)
        self.marked.append(self.appends)


def live(flash, when):
    """Append until the first cut, start through the second, then start, append and checkpoint a few times."""
    books = Books(flash)
    try:
        journal, tape = books.start(when)
        for number in range(APPENDS):
            books.append(journal, tape)
            if number % 4 == 3:
                books.mark(journal, tape)
            if number == 15:
                checkpoint(journal, tape)
        return False
    except PowerCut:
        flash.power_on()
    for number in range(STARTS + 1):
        try:
            journal, tape = books.start(when)
            if number % 2:
                books.append(journal, tape)
            checkpoint(journal, tape)
        except PowerCut:
            flash.power_on()
    books.start(when)
    return True


def pairs(finished, tear, again, salt=0):
    """Each operation of the run, then each of the start that follows it; returns how many lives there were.

    `finished`: octets of the first operation before the cut. Of the second nothing, as much, or all was finished.
    """
    lives = 0
    first = 0
    while True:
        for second in range(SECONDS):
            plan = nor_faults.FaultPlan(
                seed() + salt + lives,
                [
                    nor_faults.cut(first, finished, tear),
                    nor_faults.cut(first + 1 + second, (0, finished, 4096)[second % 3], again),
                ],
            )
            flash = make_flash(SECTORS)
            flash.arm(plan)
            if not live(flash, plan):
                return lives
            lives += 1
        first += 1


def test_cells_that_read_differently_each_time():
    assert pairs(90, nor_faults.UNSTABLE, nor_faults.UNSTABLE) > LIVES


def test_cells_that_hold_only_for_a_while():
    assert pairs(84, nor_faults.WEAK, nor_faults.WEAK) > LIVES


def test_cells_of_a_mark():
    assert pairs(13, nor_faults.UNSTABLE, nor_faults.WEAK) > LIVES
