"""The journal keeps every committed record, in order, with its chain and seal, and says no when it is full."""

from firmware.ledger import slots
from firmware.ledger.journal import JournalDamaged, JournalFull
from hardware import nor_faults
from hardware.nor_flash import PowerCut
from protocol import chain, records
from tests.support.mp import raises, seed
from tests.support.mp_books import (
    SECTOR_BYTES,
    START,
    Tape,
    append_events,
    append_mark,
    area_of,
    checkpoint,
    event,
    make_flash,
    open_journal,
    seal_of,
)
from tests.support.mp_cuts import LastOnly, lap


def fill(journal, number=0):
    """Append events until the journal refuses; returns how many there are."""
    try:
        while True:
            append_events(journal, number, 1)
            number += 1
    except JournalFull:
        return number


def test_records_come_back_in_order_after_a_restart():
    flash = make_flash()
    done = append_events(open_journal(flash), 0, 40)
    tape = Tape()
    journal = open_journal(flash, tape)
    assert tape.chain() == done
    assert journal.sequence == 40
    value = START
    for sequence, octets in done:
        value = chain.extend(value, octets)
        assert journal.chain_at(sequence) == value
    assert journal.chain == value
    assert journal.chain_at(0) == START


def test_stored_seals_are_those_of_the_signer():
    flash = make_flash()
    append_events(open_journal(flash), 0, 5)
    value = START
    for slot in open_journal(flash).read(1, 5):
        value = chain.extend(value, slot.payload)
        assert slot.seal == seal_of(slot.sequence, value)


def test_an_append_is_one_page_program():
    flash = make_flash()
    journal = open_journal(flash)
    append_events(journal, 0, 1)
    flash.reset_counters()
    append_events(journal, 1, 1)
    assert flash.operations() == 1
    flash.reset_counters()
    journal.append_local(slots.LOCAL_PIN_TRIES, b"\x00\x01", 7)
    assert flash.operations() == 1


def test_the_boot_counter_rises_with_every_boot():
    flash = make_flash()
    boots = [open_journal(flash).boots for _ in range(5)]
    assert boots == [1, 2, 3, 4, 5]


def test_the_record_found_last_is_copied_and_counted_once():
    flash = make_flash()
    append_events(open_journal(flash), 0, 3)
    for _ in range(4):
        tape = Tape()
        journal = open_journal(flash, tape)
        assert [sequence for sequence, _ in tape.chain()] == [1, 2, 3]
        assert journal.sequence == 3
        assert len(journal.read(1, 9)) == 3


def test_a_start_after_a_start_copies_nothing_and_costs_one_mark():
    flash = make_flash()
    open_journal(flash)
    open_journal(flash)
    flash.reset_counters()
    open_journal(flash)
    # What the last cut may have torn is zeroed, then the boot is burned.
    assert flash.operations() <= 3
    assert flash.sector_erases == 0


def test_reading_past_the_head_gives_what_is_there():
    journal = open_journal(make_flash())
    append_events(journal, 0, 5)
    assert [slot.sequence for slot in journal.read(4, 10)] == [4, 5]
    assert journal.read(6, 1) == []
    assert [slot.sequence for slot in journal.read(0, 2)] == [1]


def test_a_full_journal_refuses_and_keeps_all():
    flash = make_flash(4)
    journal = open_journal(flash)
    number = fill(journal)
    assert journal.is_full()
    tape = Tape()
    again = open_journal(flash, tape)
    assert again.is_full()
    assert [octets for _, octets in tape.chain()] == [event(i) for i in range(number)]


def test_one_sector_always_stays_free():
    flash = make_flash(5)
    journal = open_journal(flash)
    number = fill(journal)
    raises(JournalFull, lambda: [append_mark(journal, slots.LOCAL_CRASH, bytes(100)) for _ in range(99)])
    assert journal.head == 4
    # What a cut-off erase of the free sector leaves behind is nobody's record.
    journal.erase_ahead()
    area_of(flash).program(4 * SECTOR_BYTES, b"\x00" * 200)
    assert len(open_journal(flash).read(1, number)) == number


def test_marks_still_fit_when_records_do_not():
    journal = open_journal(make_flash(8))
    fill(journal)
    for number in range(20):
        append_mark(journal, slots.LOCAL_PIN_TRIES, bytes((0, number)), 1)


def test_a_full_journal_still_opens_after_hundreds_of_boots():
    flash = make_flash(4)
    number = fill(open_journal(flash))
    for _ in range(200):
        journal = open_journal(flash)
    assert journal.is_exhausted
    assert journal.sequence == number
    assert len(journal.read(1, number)) == number
    raises(JournalFull, append_events, journal, number, 1)
    raises(JournalFull, journal.append_local, slots.LOCAL_CRASH, b"")


def test_redemptions_stop_while_a_reserve_is_left():
    journal = open_journal(make_flash(8))
    number = 0
    while not journal.is_full():
        append_events(journal, number, 1)
        number += 1
    append_events(journal, number, 10)
    assert journal.sequence == number + 10


def test_sectors_are_erased_ahead_while_idle():
    flash = make_flash()
    journal = open_journal(flash)
    append_events(journal, 0, 1)
    assert journal.erase_ahead()
    assert not journal.erase_ahead()
    before = flash.sector_erases
    number = 1
    while journal.head < 2:
        append_events(journal, number, 1)
        number += 1
    assert flash.sector_erases == before
    assert journal.erase_ahead()


def test_a_start_does_not_erase_again_what_was_erased_ahead():
    flash = make_flash()
    journal = open_journal(flash)
    append_events(journal, 0, 1)
    assert journal.erase_ahead()
    before = flash.sector_erases
    for number in range(3):
        journal = open_journal(flash)
        assert not journal.erase_ahead(), number
    number = 1
    while journal.head < 2:
        append_events(journal, number, 1)
        number += 1
    assert flash.sector_erases == before
    assert journal.damage is None


def test_a_sector_that_a_start_cannot_vouch_for_waits_for_its_next_turn():
    """The head's last page was touched, so the next header may have been begun: no second erase in the same round."""
    flash = make_flash(24)
    journal = open_journal(flash)
    append_events(journal, 0, 1)
    assert journal.erase_ahead()
    number = 1
    while journal._at + 128 <= SECTOR_BYTES:
        append_events(journal, number, 1)
        number += 1
    again = open_journal(flash)
    number = again.sequence
    while again.head == 1:
        append_events(again, number, 1)
        number += 1
    assert again.head == 3
    assert [flash.wear.get(place, 0) for place in range(4)] == [1, 1, 1, 0]
    last = open_journal(flash)
    assert (last.sequence, last.damage) == (number, None)
    assert [slot.sequence for slot in last.read(1, 999)] == list(range(1, number + 1))


def test_wear_stays_even_over_starts_and_power_cuts():
    """Twelve rounds of a ring with a start every few records, every second of them after a cut."""
    sectors, rounds = 24, 12
    flash = make_flash(sectors)
    tape = LastOnly()
    journal = open_journal(flash, tape)
    dice = nor_faults.Dice(seed())
    last = 0
    lives = 0
    while journal.head < rounds * sectors:
        last = journal.sequence + 10 + dice.below(60)
        tear = nor_faults.TEARS[dice.below(len(nor_faults.TEARS))]
        faults = [nor_faults.cut(dice.below(60), dice.below(4097), tear)] if lives % 2 else []
        flash.arm(nor_faults.FaultPlan(lives, faults))
        try:
            lap(journal, tape, last)
        except PowerCut:
            flash.power_on()
        flash.arm(None)
        reclaim = tape.seen[0][1] - 3
        tape = LastOnly()
        tape.reclaim_through = reclaim
        journal = open_journal(flash, tape)
        assert journal.damage is None
        lives += 1
    least, most, _ = flash.wear_spread(0, sectors)
    # Nothing wears faster than the ring turns; a sector that cuts often left out of it wears less.
    assert most <= rounds + 2 and 3 * least >= rounds, (least, most, lives)


def test_a_page_that_does_not_take_a_program_is_passed_over():
    flash = make_flash()
    journal = open_journal(flash)
    append_events(journal, 0, 1)
    flash.page_program(SECTOR_BYTES - 256, bytes(256))
    append_events(journal, 1, 40)
    assert journal.damage is None
    assert [slot.sequence for slot in open_journal(flash).read(1, 99)] == list(range(1, 42))


def test_a_sector_that_takes_nothing_more_is_left_for_the_next():
    flash = make_flash()
    journal = open_journal(flash)
    append_events(journal, 0, 1)
    for page in range(1, 16):
        flash.page_program(page * 256, bytes(256))
    append_events(journal, 1, 9)
    assert journal.damage is None
    assert journal.head == 2
    assert [slot.sequence for slot in open_journal(flash).read(1, 99)] == list(range(1, 11))


def test_flash_that_takes_nothing_stops_the_chain_until_the_next_start():
    flash = make_flash()
    journal = open_journal(flash)
    append_events(journal, 0, 1)
    flash.arm(nor_faults.FaultPlan(1, [nor_faults.silent(operation) for operation in range(500)]))
    error = raises(JournalDamaged, append_events, journal, 1, 3)
    assert journal.damage is error
    raises(JournalDamaged, append_events, journal, 1, 1)
    assert len(journal.read(1, 9)) == journal.sequence
    flash.arm(None)
    again = open_journal(flash)
    assert again.damage is None
    append_events(again, again.sequence, 1)


def test_books_that_end_elsewhere_than_the_chain_take_no_record():
    flash = make_flash()
    append_events(open_journal(flash), 0, 3)
    journal = open_journal(flash)
    journal.require_same_head(3)
    assert journal.damage is None
    journal.require_same_head(4)
    assert "record 4" in str(raises(JournalDamaged, append_events, journal, 3, 1))


def test_a_seal_that_fails_leaves_the_journal_as_it_was():
    flash = make_flash()
    journal = open_journal(flash)
    append_events(journal, 0, 2)
    flash.reset_counters()

    class Broken(Exception):
        pass

    def no_seal(sequence, chain_value):
        raise Broken

    raises(Broken, journal.append_chain, records.EVENT, event(9), 0xFFFF, no_seal)
    assert flash.operations() == 0
    assert journal.sequence == 2
    append_events(journal, 2, 1)
    assert [slot.sequence for slot in open_journal(flash).read(1, 9)] == [1, 2, 3]


def clear_bits(flash, kind, index):
    """Damage the first slot of a kind that carries an index."""
    sector = bytearray(SECTOR_BYTES)
    for number in range(flash.size // SECTOR_BYTES):
        area_of(flash).read_into(number * SECTOR_BYTES, sector)
        for at in slots.whole_slots(sector, slots.SECTOR_HEADER_OCTETS):
            if sector[at + 1] == kind and (sector[at + 6] << 8 | sector[at + 7]) == index:
                flash.page_program(number * SECTOR_BYTES + at + 10, b"\x00")
                return
    raise AssertionError("no such slot")


def test_a_damaged_slot_in_the_middle_costs_no_other_slot():
    flash = make_flash()
    journal = open_journal(flash)
    for index in (1, 2, 3):
        journal.append_local(slots.LOCAL_PIN_TRIES, b"\x01\x01", index)
    clear_bits(flash, slots.LOCAL_PIN_TRIES, 2)
    tape = Tape()
    open_journal(flash, tape)
    assert [index for index, _ in tape.marks(slots.LOCAL_PIN_TRIES)] == [1, 3]


def test_a_lost_record_stops_the_chain_but_not_the_others():
    flash = make_flash()
    journal = open_journal(flash)
    for number in range(5):
        journal.append_chain(records.EVENT, event(number), number, seal_of)
    clear_bits(flash, records.EVENT, 2)
    tape = Tape()
    again = open_journal(flash, tape)
    assert again.sequence == 5
    assert [sequence for sequence, _ in tape.chain()] == [1, 2, 4, 5]
    raises(JournalDamaged, append_events, again, 5, 1)
    assert [slot.sequence for slot in again.read(4, 2)] == [4, 5]
    assert "record 3" in str(raises(JournalDamaged, again.read, 1, 5))


def test_a_damaged_sector_header_is_noticed_and_its_records_are_still_read():
    flash = make_flash()
    journal = open_journal(flash)
    number = 0
    while journal.head < 3:
        append_events(journal, number, 1)
        number += 1
    flash.page_program(SECTOR_BYTES + 20, b"\x00")
    tape = Tape()
    again = open_journal(flash, tape)
    assert len(tape.chain()) == number
    assert again.damage is not None
    assert len(again.read(1, number)) == number


def test_a_chain_that_does_not_begin_with_these_keys_takes_nothing():
    flash = make_flash()
    append_events(open_journal(flash), 0, 3)
    from firmware.ledger.journal import Journal
    from tests.support.mp_books import KID

    journal = Journal(area_of(flash), KID, bytes(32))
    journal.open(Tape())
    raises(JournalDamaged, append_events, journal, 3, 1)


def test_another_generation_begins_a_journal_of_its_own():
    flash = make_flash()
    append_events(open_journal(flash), 0, 3)
    from firmware.ledger.journal import Journal

    journal = Journal(area_of(flash), 0x99, START)
    tape = Tape()
    journal.open(tape)
    assert (journal.sequence, journal.boots, tape.seen) == (0, 1, [])


def test_a_start_reads_from_the_last_whole_checkpoint():
    flash = make_flash(16)
    tape = Tape()
    journal = open_journal(flash, tape)
    append_events(journal, 0, 60, tape)
    append_mark(journal, slots.LOCAL_PIN_TRIES, b"\x00\x02", 5, tape)
    checkpoint(journal, tape)
    boots = journal.boots
    append_events(journal, 60, 9, tape)
    fresh = Tape()
    flash.reset_counters()
    again = open_journal(flash, fresh)
    assert fresh.restored == 1
    assert fresh.chain() == tape.chain()
    assert fresh.marks(slots.LOCAL_PIN_TRIES) == [(5, b"\x00\x02")]
    assert (again.sequence, again.chain, again.boots) == (69, journal.chain, boots + 1)


def test_a_damaged_checkpoint_gives_way_to_the_one_before_or_to_all_records():
    flash = make_flash(16)
    tape = Tape()
    journal = open_journal(flash, tape)
    append_events(journal, 0, 30, tape)
    checkpoint(journal, tape)
    number = 30
    while journal.head < 6:
        number += len(append_events(journal, number, 1, tape))
    checkpoint(journal, tape)
    append_events(journal, number, 3, tape)
    first, second = journal.checkpoints
    for start in (second, first):
        sector = bytearray(SECTOR_BYTES)
        area_of(flash).read_into((start - 1) * SECTOR_BYTES, sector)
        pieces = [
            at
            for at in slots.whole_slots(sector, slots.SECTOR_HEADER_OCTETS)
            if sector[at + 1] == slots.LOCAL_CHECKPOINT
        ]
        flash.page_program((start - 1) * SECTOR_BYTES + pieces[0] + 30, b"\x00")
        fresh = Tape()
        again = open_journal(flash, fresh)
        assert fresh.chain() == tape.chain(), start
        assert again.damage is None


def test_settled_records_make_room_and_unsettled_ones_never_do():
    flash = make_flash(10)
    tape = Tape()
    journal = open_journal(flash, tape)
    number = 0
    for _ in range(40):
        number += len(append_events(journal, number, 20))
        journal.set_reclaim(number - 10)
        tape.seen = []
        checkpoint(journal, tape)
    assert journal.head > 20
    assert journal.first_sequence <= number - 9
    assert [slot.sequence for slot in journal.read(1, 9999)] == list(
        range(journal.first_sequence, number + 1)
    )
    again = open_journal(flash, Tape())
    assert (again.sequence, again.first_sequence) == (number, journal.first_sequence)
    # Nothing more is settled: what is left stays, and the journal fills up.
    number = fill(again, number)
    assert again.first_sequence <= number - 9
    assert len(again.read(again.first_sequence, 9999)) == number - again.first_sequence + 1


def test_without_a_later_checkpoint_nothing_is_dropped():
    journal = open_journal(make_flash(6))
    number = len(append_events(journal, 0, 20))
    journal.set_reclaim(20)
    fill(journal, number)
    assert journal.first_sequence == 1


def test_a_chain_value_of_long_ago_is_found_again():
    journal = open_journal(make_flash(8))
    value = START
    values = [value]
    for number in range(90):
        append_events(journal, number, 1)
        value = chain.extend(value, event(number))
        values.append(value)
    assert journal.head >= 3
    for sequence in range(91):
        assert journal.chain_at(sequence) == values[sequence], sequence
