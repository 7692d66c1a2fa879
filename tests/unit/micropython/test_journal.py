"""The journal keeps every committed record, in order, with its chain and seal, and says no when it is full."""

from firmware.ledger import slots
from firmware.ledger.journal import JournalDamaged, JournalFull
from protocol import chain, records
from tests.support.books import START, append_events, area_of, event, make_flash, open_journal, seal_of
from tests.support.mp import raises


def test_records_come_back_in_order_after_a_restart():
    flash = make_flash()
    done = append_events(open_journal(flash), 0, 40)
    seen = []
    journal = open_journal(flash, seen.append)
    found = [(slot.sequence, slot.payload) for slot in seen if slot.slot_class == slots.CLASS_CHAIN]
    assert found == done
    assert journal.sequence == 40
    value = START
    for sequence, octets in done:
        value = chain.extend(value, octets)
        assert journal.chain_at(sequence) == value
    assert journal.chain == value
    assert journal.chain_at(0) == START


def test_stored_seals_are_those_of_the_signer():
    flash = make_flash()
    journal = open_journal(flash)
    append_events(journal, 0, 5)
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
    journal.append_local(slots.LOCAL_PIN_TRY, b"\x00", 7)
    assert flash.operations() == 1


def test_the_boot_counter_rises_with_every_boot():
    flash = make_flash()
    boots = [open_journal(flash).boots for _ in range(5)]
    assert boots == [1, 2, 3, 4, 5]


def test_the_record_found_last_is_copied_and_counted_once():
    flash = make_flash()
    append_events(open_journal(flash), 0, 3)
    for _ in range(4):
        seen = []
        journal = open_journal(flash, seen.append)
        assert [slot.sequence for slot in seen if slot.slot_class == slots.CLASS_CHAIN] == [1, 2, 3]
        assert journal.sequence == 3


def test_reading_past_the_head_gives_what_is_there():
    journal = open_journal(make_flash())
    append_events(journal, 0, 5)
    assert [slot.sequence for slot in journal.read(4, 10)] == [4, 5]
    assert journal.read(6, 1) == []


def test_a_full_journal_refuses_and_keeps_all():
    flash = make_flash(3)
    journal = open_journal(flash)
    done = []

    def fill():
        while True:
            done.extend(append_events(journal, len(done), 1))

    raises(JournalFull, fill)
    assert journal.is_full()
    seen = []
    again = open_journal(flash, seen.append)
    assert again.is_full()
    assert [slot.payload for slot in seen if slot.slot_class == slots.CLASS_CHAIN] == [octets for _, octets in done]


def test_a_full_journal_still_opens_after_hundreds_of_boots():
    flash = make_flash(3)
    journal = open_journal(flash)
    number = 0
    try:
        while True:
            append_events(journal, number, 1)
            number += 1
    except JournalFull:
        pass
    for _ in range(200):
        journal = open_journal(flash)
    assert journal.is_exhausted
    assert journal.sequence == number
    assert len(journal.read(1, number)) == number


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
    assert journal.prepare()
    assert not journal.prepare()
    flash.reset_counters()
    erases = sum(flash.erase_counts) if hasattr(flash, "erase_counts") else None
    append_events(journal, 1, 30)
    assert journal.sequence == 31
    assert erases is None or sum(flash.erase_counts) == erases


def test_flash_that_does_not_take_a_program_is_noticed():
    flash = make_flash()
    journal = open_journal(flash)
    append_events(journal, 0, 1)
    octets = bytearray(256)
    flash.page_program(4096 - 256, octets)

    def fill():
        for number in range(40):
            append_events(journal, number, 1)

    error = raises(JournalDamaged, fill)
    assert error.address == 4096 - 256
    assert journal.sequence == len(journal.read(1, 100))


def test_a_seal_that_fails_leaves_the_journal_as_it_was():
    flash = make_flash()
    journal = open_journal(flash)
    append_events(journal, 0, 2)
    flash.reset_counters()

    class Broken(Exception):
        pass

    def no_seal(sequence, chain_value):
        raise Broken()

    raises(Broken, journal.append_chain, records.EVENT, event(9), 0xFFFF, no_seal)
    assert flash.operations() == 0
    assert journal.sequence == 2
    append_events(journal, 2, 1)
    assert [slot.sequence for slot in open_journal(flash).read(1, 9)] == [1, 2, 3]


def test_a_damaged_slot_in_the_middle_costs_no_other_slot():
    flash = make_flash()
    journal = open_journal(flash)
    journal.append_local(slots.LOCAL_PIN_TRY, b"\x00", 1)
    journal.append_local(slots.LOCAL_PIN_TRY, b"\x00", 2)
    journal.append_local(slots.LOCAL_PIN_TRY, b"\x00", 3)
    # Clear a bit in the second try's index: its CRC no longer holds.
    page = bytearray(256)
    area_of(flash).read_into(0, page)
    offset = 64
    tries = []
    while page[offset] != slots.CLASS_ERASED:
        slot = slots.decode_slot(page, offset, offset)
        if slot.kind == slots.LOCAL_PIN_TRY:
            tries.append(offset)
        offset += slots.slot_octets(len(slot.payload), False)
    flash.page_program(tries[1] + 7, b"\x00")
    seen = []
    open_journal(flash, seen.append)
    assert [slot.index for slot in seen if slot.kind == slots.LOCAL_PIN_TRY] == [1, 3]
