"""The chip's counters under the journal's head: one commit put back is found, and no power cut is taken for it."""

from firmware.crypto.head_counters import CounterStuck, HeadCounters, JournalRolledBack
from firmware.drivers import atecc608_core as core
from hardware.atecc608_faults import FaultPlan, NoFaults
from hardware.atecc608_memory import COUNTER_MAX, encode_counter
from hardware.chance import Draw
from tests.support.mp import raises, seed
from tests.unit.micropython.atecc608_twin import Twin, set_up_memory

TIMEOUT_S = 120
BASES = (40, 7)


class Chip:
    """A part with its counters at BASES, and what a terminal keeps of them in flash, over all its starts."""

    def __init__(self, faults=None):
        memory = set_up_memory(BASES[0])
        memory.count(1, BASES[1] - 1)
        self.twin = Twin(memory, faults, speed_percent=10)
        self.bases = BASES
        self.saves = 0

    def start(self):
        return HeadCounters(self.twin.driver, self.bases, self.save)

    def save(self, bases):
        self.saves += 1
        self.bases = bases

    @property
    def counts(self):
        memory = self.twin.part.memory
        return tuple([memory.counter(index) - self.bases[index] for index in (0, 1)])


def test_each_commit_is_counted_once_by_both():
    chip = Chip()
    counters = chip.start()
    counters.bind(0)
    assert chip.counts == (0, 0)
    for sequence in range(1, 6):
        counters.bind(sequence)
        counters.bind(sequence)
        assert chip.counts == (sequence, sequence)
    assert chip.saves == 0


def test_a_commit_takes_two_increments_and_no_reading():
    chip = Chip()
    counters = chip.start()
    counters.bind(0)
    before = chip.twin.part.commands
    counters.bind(1)
    assert chip.twin.part.commands == before + 2
    began_ms = chip.twin.now_ms()
    chip.twin.part.speed_percent = 100
    counters.bind(2)
    assert chip.twin.now_ms() - began_ms <= 2 * (25 + 2 + 8)


def test_commits_that_were_not_counted_are_caught_up_after_boot():
    chip = Chip()
    chip.start().bind(3)
    chip.start().bind(6)
    assert chip.counts == (6, 6)


def test_a_single_commit_put_back_is_found_and_nothing_is_counted():
    chip = Chip()
    chip.start().bind(100)
    for head in (99, 50, 0):
        error = raises(JournalRolledBack, chip.start().bind, head)
        assert error.records == 100 - head and str(100 - head) in str(error)
    assert chip.counts == (100, 100) and chip.saves == 0
    chip.start().bind(100)


class Cut(BaseException):
    """The supply failed."""


def cut_in(chip, number, lands, extra):
    """Cut the power in the n-th increment from now on (from 0); it had counted or not."""
    part = chip.twin.part
    run = part.engine.run
    seen = [0]

    def cutting(opcode, mode, key, data, wrong=False, extra_counts=extra):
        if opcode != 0x24 or not mode:
            return run(opcode, mode, key, data, wrong)
        if seen[0] == number:
            if lands:
                run(opcode, mode, key, data, wrong, extra_counts)
            part.engine.run = run
            part.power_cycle()
            raise Cut
        seen[0] += 1
        return run(opcode, mode, key, data, wrong)

    part.engine.run = cutting


def test_no_cut_in_any_increment_is_taken_for_a_journal_put_back():
    """Three commits of which none was counted; cut in each increment, with whatever the sheet allows it to count."""
    for number in range(6):
        for lands, extra in ((False, 0), (True, 0), (True, 1), (True, 15), (True, 31)):
            chip = Chip()
            counters = chip.start()
            counters.bind(4)
            cut_in(chip, number, lands, extra)
            raises(Cut, counters.bind, 7)
            chip.start().bind(7)
            assert chip.counts == (7, 7), (number, lands, extra)
            assert chip.saves == 1 if extra > 2 else chip.saves <= 1
            assert raises(JournalRolledBack, chip.start().bind, 6).records == 1


def test_an_excess_is_kept_before_anything_is_counted_again():
    """Power fails again while the moved base is kept: it is found again, and kept then."""
    chip = Chip()
    counters = chip.start()
    counters.bind(4)
    cut_in(chip, 0, True, 9)
    raises(Cut, counters.bind, 5)

    def cut(_bases):
        raise Cut

    before = [chip.twin.part.memory.counter(index) for index in (0, 1)]
    again = HeadCounters(chip.twin.driver, chip.bases, cut)
    raises(Cut, again.bind, 5)
    assert [chip.twin.part.memory.counter(index) for index in (0, 1)] == before
    chip.start().bind(5)
    assert chip.counts == (5, 5) and chip.saves == 1


def test_counting_on_a_bad_wire_is_late_or_right_never_ahead():
    start = seed()
    for number in range(6):
        chip = Chip()
        counters = chip.start()
        counters.bind(0)
        chip.twin.part.faults = FaultPlan(
            start + number, drop_permille=40, flip_permille=60, refuse_permille=20
        )
        for sequence in range(1, 12):
            try:
                counters.bind(sequence)
            except (core.AteccError, CounterStuck):  # three increments in a row that did not arrive
                assert max(chip.counts) <= sequence
                continue
            assert chip.counts == (sequence, sequence)
        assert chip.saves == 0


def test_a_counter_that_does_not_move_is_told():
    class Lost(NoFaults):
        """Commands that increment never arrive whole, and what is asked next does."""

        def on_wire(self, octets):
            return octets[:-1] if octets[:4] == b"\x03\x07\x24\x01" else octets

    chip = Chip()
    chip.twin.part.faults = Lost()
    assert "counter 1" in str(raises(CounterStuck, chip.start().bind, 1))


def test_a_used_up_counter_is_an_error():
    chip = Chip()
    chip.twin.part.memory.config[52:60] = encode_counter(COUNTER_MAX)
    chip.bases = (COUNTER_MAX, BASES[1])
    assert raises(core.CommandFailed, chip.start().bind, 1).status == 0x0F


def test_random_lives_lock_no_honest_terminal_and_find_every_journal_put_back():
    """Commits, cuts in any increment, starts; and now and then a journal put back by a few records, which nothing hides."""
    draw = Draw(seed())
    for _ in range(12):
        chip = Chip()
        counters = chip.start()
        counters.bind(0)
        for head in range(1, 26):
            if draw.happens(250):
                cut_in(chip, draw.below(2), draw.happens(700), draw.below(32))
            try:
                counters.bind(head)
            except Cut:
                counters = chip.start()
                counters.bind(head)  # honest, whatever the cut left behind
            assert chip.counts == (head, head)
            if draw.happens(200):
                back = 1 + draw.below(head)
                assert raises(JournalRolledBack, chip.start().bind, head - back).records == back
                counters = chip.start()
                counters.bind(head)
