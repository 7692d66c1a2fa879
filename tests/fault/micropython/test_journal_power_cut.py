"""Power fails at every flash operation of a run: what was committed before is there afterwards, and nothing else."""

from firmware.ledger import slots
from hardware.nor_flash import PowerCut
from tests.support.books import event, make_flash, open_journal, seal_of
from tests.support.mp import seed
from protocol import records

RECORDS = 30


def _run(flash, committed, marks):
    """Append records and marks until power fails or all are done; what returned is in the lists."""
    journal = open_journal(flash)
    while journal.sequence < RECORDS:
        number = journal.sequence
        journal.append_local(slots.LOCAL_PIN_TRY, b"\x00", number)
        marks.append(number)
        journal.append_chain(records.EVENT, event(number), 0xFFFF, seal_of)
        committed.append(number)
        journal.prepare()


def _sweep(torn_bytes):
    """Cut at operation 0, 1, 2, ... until a run completes; returns how many cuts were tried."""
    cuts = 0
    while True:
        flash = make_flash(6, seed() + cuts)
        flash.power_cut_after(cuts, torn_bytes)
        committed = []
        marks = []
        boots = 0
        try:
            _run(flash, committed, marks)
            return cuts
        except PowerCut:
            flash.power_on()
        seen = []
        journal = open_journal(flash, seen.append)
        found = [int.from_bytes(slot.payload[-4:], "big") for slot in seen if slot.slot_class == slots.CLASS_CHAIN]
        assert found == list(range(len(found))), (cuts, found)
        assert len(found) in (len(committed), len(committed) + 1), (cuts, len(found), len(committed))
        burned = [slot.index for slot in seen if slot.kind == slots.LOCAL_PIN_TRY and slot.slot_class == slots.CLASS_LOCAL]
        for mark in marks:
            assert mark in burned, (cuts, mark)
        boots = journal.boots
        _run(flash, committed, marks)
        again = open_journal(flash)
        assert again.sequence == RECORDS
        assert again.boots > boots
        cuts += 1


def test_no_committed_record_is_lost_when_nothing_of_the_cut_page_was_written():
    assert _sweep(0) > RECORDS


def test_no_committed_record_is_lost_when_the_cut_page_is_half_written():
    assert _sweep(20) > RECORDS


def test_no_committed_record_is_lost_when_all_but_the_end_was_written():
    assert _sweep(110) > RECORDS
