"""Power fails at every flash operation of a run: what was committed before is there afterwards, and nothing else."""

from firmware.ledger import slots
from firmware.ledger.journal import JournalDamaged
from hardware import nor_faults
from hardware.nor_flash import PowerCut
from tests.support.mp import raises, seed
from tests.support.mp_books import SECTOR_BYTES, event, make_flash, open_journal
from tests.support.mp_cuts import RECORDS, LastOnly, check, lap, run, sweep

TIMEOUT_S = 300


def test_nothing_is_lost_when_nothing_of_the_cut_page_was_written():
    assert sweep(0) > 2 * RECORDS


def test_nothing_is_lost_when_the_cut_page_is_half_written():
    assert sweep(40) > 2 * RECORDS


def test_nothing_is_lost_when_all_of_the_cut_page_was_written():
    assert sweep(200) > 2 * RECORDS


def test_nothing_is_lost_when_an_erase_is_cut_off_late():
    assert sweep(3000) > 2 * RECORDS


def test_nothing_is_lost_where_a_sector_that_was_begun_waits_for_its_next_turn():
    """In a long ring, where it is passed over instead of being erased again."""
    for torn_bytes, tear in ((0, nor_faults.CLEAN), (70, nor_faults.UNSTABLE), (4000, nor_faults.WEAK)):
        assert sweep(torn_bytes, 0, tear, 24) > 2 * RECORDS


def test_nothing_is_lost_when_power_fails_again_and_again_during_the_start():
    """Cut once in a run, then at each operation of the start that follows, then look."""
    for first in range(5, 40, 3):
        second = 0
        while True:
            flash = make_flash(6, seed() + first)
            flash.power_cut_after(first, 16)
            done = []
            try:
                run(flash, done)
            except PowerCut:
                flash.power_on()
            flash.power_cut_after(second, 8)
            try:
                open_journal(flash)
                break
            except PowerCut:
                flash.power_on()
            count, _ = check(flash, done, (first, second))
            assert check(flash, done, (first, second))[0] == count
            second += 1
        assert second > 1


def test_nothing_needed_is_lost_when_the_ring_goes_round():
    """Records are settled as they come, sectors are dropped, and power fails at every operation on the way."""
    for torn_bytes in (0, 100):
        cuts = 0
        while True:
            flash = make_flash(9, seed() + cuts)
            tape = LastOnly()
            journal = open_journal(flash, tape)
            lap(journal, tape, 320)
            assert journal.oldest > 1
            flash.power_cut_after(cuts, torn_bytes)
            try:
                lap(journal, tape, 360)
                break
            except PowerCut:
                flash.power_on()
            again = LastOnly()
            again.reclaim_through = tape.seen[0][1] - 3
            journal = open_journal(flash, again)
            assert journal.damage is None, cuts
            assert journal.sequence in (tape.seen[0][1], tape.seen[0][1] + 1), cuts
            assert again.chain() == [(journal.sequence, event(journal.sequence - 1))], cuts
            first = journal.first_sequence
            assert first <= journal.sequence - 2, cuts
            assert [slot.sequence for slot in journal.read(first, 999)] == list(
                range(first, journal.sequence + 1)
            )
            lap(journal, again, 360)
            assert open_journal(flash, LastOnly()).sequence == 360
            cuts += 1
        assert cuts > 40


def test_a_journal_that_lost_all_its_checkpoints_says_so_and_shows_what_is_left():
    flash = make_flash(9)
    tape = LastOnly()
    journal = open_journal(flash, tape)
    lap(journal, tape, 400)
    assert journal.oldest > 1
    first, last = journal.first_sequence, journal.sequence
    for number in range(journal.oldest, journal.head + 1):
        wipe(flash, number)
    again = open_journal(flash)
    assert "no whole checkpoint" in str(again.damage) or "is missing" in str(again.damage)
    assert again.sequence == last
    assert [slot.sequence for slot in again.read(first, 9999)] == list(range(first, last + 1))
    raises(JournalDamaged, again.require_room)


def wipe(flash, number):
    """Spoil every checkpoint piece of a sector."""
    sector = bytearray(SECTOR_BYTES)
    base = (number - 1) % 9 * SECTOR_BYTES
    flash.read_into(base, sector)
    for at in slots.whole_slots(sector, slots.SECTOR_HEADER_OCTETS):
        if sector[at + 1] == slots.LOCAL_CHECKPOINT:
            flash.page_program(base + at + 8, bytes(24))
