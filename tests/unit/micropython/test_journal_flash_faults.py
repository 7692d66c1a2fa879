"""A chip that does nothing and says nothing, and bits that are stuck: the journal notices before anything rests on it."""

from firmware.ledger import slots
from firmware.ledger.checkpoint import Checkpointer
from firmware.ledger.journal import JournalDamaged, JournalFull
from hardware import nor_faults
from tests.support.mp import raises
from tests.support.mp_books import (
    SECTOR_BYTES,
    Tape,
    append_events,
    make_flash,
    make_ledger,
    note_event,
    open_journal,
    open_ledger,
)
from tests.support.mp_cuts import LastOnly, lap


def fill_sector(journal, number=0):
    """Append events until the next would open a sector; returns how many there are."""
    head = max(1, journal.head)
    while journal.head <= head and journal._at + 96 <= SECTOR_BYTES:
        append_events(journal, number, 1)
        number += 1
    return number


def begin_second_sector(plan, sectors=8):
    """A journal that goes on in its second sector under a plan of faults; returns (flash, records, error or None)."""
    flash = make_flash(sectors)
    journal = open_journal(flash)
    number = fill_sector(journal)
    assert journal.head == 1
    # An old round of the ring, which the erase is to remove.
    journal._area.program(SECTOR_BYTES + 1024, slots.encode_slot(slots.LOCAL_PIN_TRIES, 0, 9, bytes(2), b""))
    flash.arm(plan)
    try:
        append_events(journal, number, 3)
    except JournalDamaged as error:
        return flash, journal, error
    return flash, journal, None


def found_in(flash):
    """What the next start finds: the chain's sequences and the families whose tries were counted."""
    tape = Tape()
    again = open_journal(flash, tape)
    assert again.damage is None
    assert again.sequence == len(tape.chain())
    return again.sequence, [index for index, _ in tape.marks(slots.LOCAL_PIN_TRIES)]


def test_an_erase_that_does_nothing_is_done_again():
    for done_bytes in (0, 200):
        flash, journal, error = begin_second_sector(
            nor_faults.FaultPlan(1, [nor_faults.silent(0, done_bytes)])
        )
        assert error is None
        assert found_in(flash) == (journal.sequence, [])


def test_a_header_that_does_not_take_is_written_again_on_an_erased_sector():
    for done_bytes in (0, 20, 63):
        flash, journal, error = begin_second_sector(
            nor_faults.FaultPlan(1, [nor_faults.silent(1, done_bytes)])
        )
        assert error is None
        assert found_in(flash) == (journal.sequence, [])


def test_a_sector_whose_header_cannot_be_written_is_passed_over_for_good():
    plan = nor_faults.FaultPlan(1, [nor_faults.stuck(SECTOR_BYTES + 20, 0xFF, 1)])
    flash, journal, error = begin_second_sector(plan)
    assert error is None
    assert (journal.head, journal.retired) == (3, [1])
    assert found_in(flash) == (journal.sequence, [])
    again = open_journal(flash)
    assert again.damage is None
    assert [slot.sequence for slot in again.read(1, 99)] == list(range(1, journal.sequence + 1))


def test_a_sector_that_cannot_be_erased_is_passed_over_for_good():
    # Each erase does its first page only; programs, which are shorter, are whole.
    silences = [nor_faults.silent(operation, 256) for operation in range(6)]
    flash, journal, error = begin_second_sector(nor_faults.FaultPlan(1, silences))
    assert error is None
    assert (journal.head, journal.retired) == (3, [1])
    # The old mark in it is nobody's any more.
    assert found_in(flash) == (journal.sequence, [])


def test_a_bad_sector_makes_the_ring_shorter_and_nothing_else():
    """Round after round: the ring goes past it, and its place is not tried again."""
    for stuck in ((), (2,), (2, 3), (5, 7, 11)):
        flash = make_flash(12)
        plan = [nor_faults.stuck(place * SECTOR_BYTES + 20, 0xFF, 1) for place in stuck]
        tape = LastOnly()
        journal = open_journal(flash, tape)
        flash.arm(nor_faults.FaultPlan(1, plan))
        free = []
        for lap_end in range(40, 1400, 40):
            lap(journal, tape, lap_end)
            free.append(journal.free_sectors())
            tape = LastOnly()
            tape.reclaim_through = lap_end - 3
            tape.retired = journal.retired
            journal = open_journal(flash, tape)
            assert journal.damage is None
            assert journal.sequence == lap_end
            assert journal.first_sequence <= lap_end - 2
            held = list(range(journal.first_sequence, lap_end + 1))
            assert [slot.sequence for slot in journal.read(1, 9999)] == held
        assert journal.head > 3 * 12
        assert journal.retired == list(stuck)
        before = [flash.wear[place] for place in stuck]
        lap(journal, tape, 1700)
        assert [flash.wear[place] for place in stuck] == before


def test_too_many_bad_sectors_are_a_full_journal():
    flash = make_flash(10)
    journal = open_journal(flash)
    flash.arm(
        nor_faults.FaultPlan(1, [nor_faults.stuck(n * SECTOR_BYTES + 20, 0xFF, 1) for n in range(2, 8)])
    )
    while journal.erase_ahead():
        pass
    number = 0
    for _ in range(400):
        while journal.erase_ahead():
            pass
        if journal.is_full():
            break
        append_events(journal, number, 1)
        number += 1
    assert journal.is_full()
    raises(JournalFull, lambda: [append_events(journal, number, 1) for _ in range(99)])
    assert journal.damage is None
    assert open_journal(flash).sequence >= number


def test_a_chip_that_takes_nothing_at_all_is_given_up():
    silences = [nor_faults.silent(operation) for operation in range(400)]
    flash, journal, error = begin_second_sector(nor_faults.FaultPlan(1, silences), 16)
    assert error is not None
    assert journal.is_full()
    raises(JournalDamaged, append_events, journal, 99, 1)
    raises(JournalDamaged, journal.append_local, slots.LOCAL_PIN_TRIES, b"\x00\x01", 7)
    flash.arm(None)
    assert found_in(flash) == (journal.sequence, [])


def test_a_stuck_bit_behind_the_header_costs_no_sector():
    for level in (0, 1):
        plan = nor_faults.FaultPlan(1, [nor_faults.stuck(SECTOR_BYTES + 100, 0x10, level)])
        flash, journal, error = begin_second_sector(plan)
        assert error is None
        assert journal.head == 2
        assert found_in(flash) == (journal.sequence, [])


def test_a_sector_that_is_not_erased_ahead_is_tried_again_when_it_is_needed():
    flash = make_flash()
    journal = open_journal(flash)
    number = fill_sector(journal)
    journal._area.program(SECTOR_BYTES + 1024, slots.encode_slot(slots.LOCAL_PIN_TRIES, 0, 9, bytes(2), b""))
    flash.arm(nor_faults.FaultPlan(1, [nor_faults.silent(0), nor_faults.silent(1)]))
    assert journal.erase_ahead()
    assert flash.sector_erases == 1 + 2
    append_events(journal, number, 3)
    assert (journal.head, journal.retired) == (2, [])
    assert found_in(flash) == (number + 3, [])


def test_what_a_start_strikes_out_is_struck_out_again_where_that_did_nothing():
    flash = make_flash()
    journal = open_journal(flash)
    append_events(journal, 0, 3)
    # A slot of which the last octet is missing: the next start may read it whole, if it stays.
    octets = slots.encode_slot(slots.LOCAL_PIN_TRIES, 0, 9, bytes(2), b"")
    address = journal._at
    flash.page_program(address, octets[:-1])
    flash.arm(nor_faults.FaultPlan(1, [nor_faults.silent(0), nor_faults.silent(1)]))
    assert found_in(flash) == (3, [])
    octet = bytearray(1)
    flash.read_into(address, octet)
    assert octet == b"\x00"


def test_a_ledger_whose_checkpoint_is_ahead_of_its_chain_commits_nothing():
    ledger, flash, _ = make_ledger()
    note_event(ledger)
    ledger.entitlements.sequence += 1
    writer = Checkpointer(ledger.journal, ledger._state.snapshot)
    writer._is_due = lambda: True
    while ledger.journal.checkpoints == (0, 0):
        writer.step()
    again = open_ledger(flash)
    assert again.journal.damage is not None
    raises(JournalDamaged, note_event, again)
