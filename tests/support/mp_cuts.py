"""Runs a small journal until power fails at a chosen flash operation, and looks what the next starts find."""

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

RECORDS = 24
STARTS = 6


def run(flash, done):
    """One life: append records, marks and checkpoints until power fails or all are there; `done` is what returned."""
    tape = Tape()
    journal = open_journal(flash, tape)
    while journal.sequence < RECORDS:
        number = journal.sequence
        append_mark(journal, slots.LOCAL_PIN_TRIES, bytes((0, number)), number, tape)
        done.append(("mark", number))
        octets = event(number)
        journal.append_chain(records.EVENT, octets, slots.NO_INDEX, seal_of)
        tape.apply(records.EVENT, number + 1, slots.NO_INDEX, octets)
        done.append(("record", number))
        journal.erase_ahead()
        if number in (6, 15):
            checkpoint(journal, tape)


def check(flash, done, when):
    """Start again: all that returned is there, at most the one that was being written comes on top."""
    tape = Tape()
    journal = open_journal(flash, tape)
    found = tape.chain()
    committed = len([entry for entry in done if entry[0] == "record"])
    assert journal.damage is None, when
    assert [sequence for sequence, _ in found] == list(range(1, len(found) + 1)), when
    assert [octets for _, octets in found] == [event(number) for number in range(len(found))], when
    assert len(found) in (committed, committed + 1), (when, len(found), committed)
    burned = [index for index, _ in tape.marks(slots.LOCAL_PIN_TRIES)]
    for kind, number in done:
        assert kind == "record" or number in burned, (when, number)
    assert [slot.payload for slot in journal.read(1, 99)] == [octets for _, octets in found], when
    value = START
    for _, octets in found:
        value = chain.extend(value, octets)
    assert journal.chain == value, when
    return len(found), journal.boots


def sweep(torn_bytes, salt=0, tear=nor_faults.MARGINAL, sectors=6):
    """Cut at operation 0, 1, 2, ... until a run completes; returns how many cuts were tried."""
    cuts = 0
    while True:
        flash = make_flash(sectors)
        flash.arm(nor_faults.FaultPlan(seed() + cuts + salt, [nor_faults.cut(cuts, torn_bytes, tear)]))
        done = []
        try:
            run(flash, done)
            return cuts
        except PowerCut:
            flash.power_on()
        when = (cuts, torn_bytes, tear, salt)
        # A torn page may read differently each time, but what one start has counted all later ones count.
        count, boots = check(flash, done, when)
        for _ in range(STARTS):
            again, later = check(flash, done, when)
            assert again == count, when
            assert later > boots, when
            boots = later
        run(flash, done)
        assert open_journal(flash).sequence == RECORDS
        cuts += 1


class LastOnly(Tape):
    """Books that need the last record alone, so that their checkpoint stays short."""

    def apply(self, kind, sequence, index, payload):
        if kind < slots.LOCAL_FIRST:
            self.seen = [(kind, sequence, index, payload)]


def lap(journal, tape, last):
    """Append up to record `last`, settling all but three, with a checkpoint now and then."""
    while journal.sequence < last:
        number = journal.sequence
        octets = event(number)
        journal.append_chain(records.EVENT, octets, slots.NO_INDEX, seal_of)
        tape.apply(records.EVENT, number + 1, slots.NO_INDEX, octets)
        journal.set_reclaim(number - 2)
        journal.erase_ahead()
        if journal.head - journal.checkpoints[1] >= 2:
            checkpoint(journal, tape)
