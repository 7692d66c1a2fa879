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


def fill_sector(journal, number=0):
    """Append events until the next would open a sector; returns how many there are."""
    head = max(1, journal.head)
    while journal.head <= head and journal._at + 96 <= SECTOR_BYTES:
        append_events(journal, number, 1)
        number += 1
    return number


def begin_second_sector(plan):
    """A journal that goes on in its second sector under a plan of faults; returns (flash, records, error or None)."""
    flash = make_flash()
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


def test_a_sector_whose_header_cannot_be_written_takes_no_slot():
    plan = nor_faults.FaultPlan(1, [nor_faults.stuck(SECTOR_BYTES + 20, 0xFF, 1)])
    flash, journal, error = begin_second_sector(plan)
    assert error is not None and error.address == SECTOR_BYTES
    assert journal.is_full()
    raises(JournalDamaged, append_events, journal, 99, 1)
    raises(JournalFull, journal.append_local, slots.LOCAL_PIN_TRIES, b"\x00\x01", 7)
    before = journal.sequence
    # A start finds the same, shows all and takes nothing.
    tape = Tape()
    again = open_journal(flash, tape)
    assert again.is_exhausted
    assert again.sequence == before
    assert len(again.read(1, 99)) == before
    raises(JournalDamaged, append_events, again, 99, 1)


def test_a_sector_that_cannot_be_erased_takes_no_slot():
    # Each erase does its first page only; programs, which are shorter, are whole.
    silences = [nor_faults.silent(operation, 256) for operation in range(20)]
    flash, journal, error = begin_second_sector(nor_faults.FaultPlan(1, silences))
    assert error is not None
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
    assert not journal.erase_ahead()
    append_events(journal, number, 3)
    assert journal.head == 2
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
