"""Flash that does not give back what it held: what is readable is kept and goes on, what is not is named with its address."""

from firmware.hal.flash_area import FlashError
from firmware.ledger import crc, findings, roster_area, roster_writer, slots
from firmware.ledger.document_area import DATA_AT, GRANT_FIRST
from firmware.ledger.roster_area import RosterDamaged
from protocol import grant, roster
from tests.support.mp import raises
from tests.support.mp_books import (
    PERIOD,
    SECTOR_BYTES,
    SIGNATURE,
    card_key,
    flash_of,
    make_acknowledgement,
    make_grant,
    make_ledger,
    make_roster,
    note_event,
    open_ledger,
    redeem,
)

FULL = 200_000
JOURNAL_SECTORS = 16


def found(ledger):
    """All findings after every check has gone through, as plain values."""
    for _ in range(2000):
        if not ledger.prepare():
            break
    return [(one.what, one.first, one.last, one.area, one.address) for one in ledger.findings.all()]


def address_of(flash, sequence):
    """Where a record stands in the journal."""
    sector = bytearray(SECTOR_BYTES)
    for number in range(JOURNAL_SECTORS):
        flash["journal"].read_into(number * SECTOR_BYTES, sector)
        for at in slots.whole_slots(sector, slots.SECTOR_HEADER_OCTETS):
            if sector[at] == slots.CLASS_CHAIN and slots.sequence_at(sector, at) == sequence:
                return number * SECTOR_BYTES + at
    raise AssertionError(sequence)


def rot(flash, area, address, octets=4):
    """Bits of an area lose what they held."""
    flash[area].program(address, bytes(octets))


def lived(sales=40):
    """A terminal with sales in several sectors and a checkpoint behind most of them."""
    ledger, flash, chip = make_ledger(8, (1, 2), JOURNAL_SECTORS)
    for sale in range(sales):
        redeem(ledger, sale % 8, 100)
    while ledger.journal.checkpoints == (0, 0):
        note_event(ledger, bytes(30))
        while ledger.prepare():
            pass
    return ledger, flash, chip


def test_sound_flash_has_no_findings():
    ledger, flash, _ = lived()
    assert found(ledger) == []
    assert found(open_ledger(flash)) == []


def test_a_lost_record_before_the_checkpoint_is_named_and_sales_go_on():
    """The checkpoint knows what was spent, so it is safe."""
    ledger, flash, _ = lived()
    spent = [ledger.remaining_rupiah(1, family) for family in range(8)]
    address = address_of(flash, 12)
    rot(flash, "journal", address + 20)
    again = open_ledger(flash)
    assert found(again) == [(findings.RECORDS, 12, 12, "journal", address_of(flash, 13))]
    assert [again.remaining_rupiah(1, family) for family in range(8)] == spent
    redeem(again, 3, 100)
    # What is left is read, up to the gap and behind it.
    assert len(again.records_from(1, 11)) == 11
    assert again.records_from(13, 1)[0].sequence == 13
    raises(FlashError, again.records_from, 10, 5)
    assert again.findings.journal.missing_in(1, 99) == (12, 12)
    assert again.findings.journal.missing_in(13, 99) == (0, 0)


def test_a_lost_header_before_the_checkpoint_is_named_and_sales_go_on():
    ledger, flash, _ = lived()
    rot(flash, "journal", SECTOR_BYTES + 20)
    again = open_ledger(flash)
    assert found(again) == [(findings.HEADER, 2, 2, "journal", SECTOR_BYTES)]
    assert redeem(again, 3, 100) == ledger.journal.sequence + 1
    assert len(again.records_from(1, 999)) == again.journal.sequence


def test_a_whole_sector_that_is_gone_is_named_by_its_records():
    ledger, flash, chip = lived()
    first = ledger.journal._header(2).sequence + 1
    last = ledger.journal._header(3).sequence
    chip.sector_erase(1)
    again = open_ledger(flash)
    assert found(again) == [
        (findings.HEADER, 2, 2, "journal", SECTOR_BYTES),
        (findings.RECORDS, first, last, "journal", 2 * SECTOR_BYTES),
    ]
    redeem(again, 3, 100)


def test_settled_records_that_the_ring_let_go_are_not_missing():
    ledger, flash, _ = lived()
    while ledger.journal.oldest < 5:
        head = ledger.journal.sequence
        ledger.apply_acknowledgement(make_acknowledgement(ledger, head, head), head)
        note_event(ledger, bytes(30))
        while ledger.prepare():
            pass
    assert found(open_ledger(flash)) == []


def test_a_lost_record_behind_the_checkpoint_stops_sales_and_nothing_else():
    """What was spent is not known any more."""
    ledger, flash, _ = lived()
    for _ in range(3):
        redeem(ledger, 5, 100)
    sequence = ledger.journal.sequence - 1
    rot(flash, "journal", address_of(flash, sequence) + 20)
    again = open_ledger(flash)
    assert raises(FlashError, redeem, again, 1, 100).area == "journal"
    told = found(again)
    assert (findings.RECORDS, sequence, sequence) in [one[:3] for one in told]
    assert findings.JOURNAL in [one[0] for one in told]
    assert [slot.sequence for slot in again.records_from(1, sequence - 1)] == list(range(1, sequence))


def entry_address(index):
    return roster_area.DATA_AT + roster.HEADER_OCTETS + index * roster.ENTRY_OCTETS


def test_a_roster_entry_that_rots_costs_its_family_and_no_other():
    """Bits of the verifier: the card is found, and what stands there is not believed."""
    _, flash, _ = lived()
    rot(flash, "roster_a", entry_address(3) + 40)
    again = open_ledger(flash)
    for _ in range(2):
        for family in range(8):
            index, _ = again.roster.find_card(card_key(family))
            assert index == family
            if family == 3:
                assert raises(RosterDamaged, again.roster.entry, index).address == entry_address(3)
            else:
                assert again.roster.entry(index).hamlet == family % 5
                redeem(again, family, 100)
        assert found(again) == [(findings.ENTRY, 3, 3, "roster_a", entry_address(3))]


def test_card_keys_and_index_that_rot_lead_no_other_card_astray():
    _, flash, _ = lived()
    octets = make_roster(8)
    rot(flash, "roster_a", entry_address(2) + roster.CARD_AT[0], 8)
    rot(flash, "roster_a", roster_area.DATA_AT + len(octets) + 8, 8)
    again = open_ledger(flash)
    assert (findings.ENTRY, 2, 2, "roster_a", entry_address(2)) in found(again)
    for family in (0, 1, 3, 4, 5, 6, 7):
        assert again.roster.find_card(card_key(family)) == (family, 0)
    # The card of the lost entry may be any that is not found: it is not called a stranger.
    raises(RosterDamaged, again.roster.find_card, card_key(2))
    assert again.roster.find(card_key(2)) == -1


def test_a_roster_of_the_first_format_is_held_against_its_digest():
    area = flash_of(make_ledger()[2])["roster_b"]
    octets = make_roster(8)
    roster_writer.write(area, octets)
    header = bytearray(roster_area.HEADER_OCTETS)
    area.read_into(0, header)
    area.erase(0)
    area.program(0, crc.append(bytes(header[:4]) + b"\x01" + bytes(header[5:-4])))
    for damaged in ([], [(-1, roster_area.DATA_AT)]):
        held = roster_area.RosterArea(area)
        check = roster_area.RosterCheck(held)
        while check.step():
            pass
        assert check.damaged == damaged
        assert held.entry(1).hamlet == 1
        area.program(entry_address(3) + 40, b"\0\0")


def test_a_terminal_without_its_roster_still_shows_and_sends():
    ledger, flash, _ = lived()
    remaining = [ledger.remaining_rupiah(1, family) for family in range(8)]
    head = ledger.journal.sequence
    rot(flash, "roster_a", 20)
    again = open_ledger(flash)
    assert again.context is None, "everything travels literally"
    assert raises(FlashError, note_event, again).area == "roster_a"
    assert (findings.ROSTER, 0, 0, "roster_a", 0) in found(again)
    assert len(again.records_from(1, 9999)) == head
    assert again.remaining_rupiah(1, 3) == again.grants[1].amount_rupiah(3)
    # Nothing was lost by it: the same roster again, from the technician, and all is as it was.
    roster_writer.write(flash["roster_b"], make_roster(8))
    mended = open_ledger(flash)
    assert [mended.remaining_rupiah(1, family) for family in range(8)] == remaining
    assert found(mended) == []
    redeem(mended, 3, 100)


def test_older_documents_stand_in_for_damaged_ones_but_nothing_is_spent_under_them():
    """A grant of last month would let families draw what they have drawn already."""
    ledger, flash, _ = lived()
    octets = make_grant(2, 1, PERIOD + 1)
    ledger.adopt_grant(
        octets + SIGNATURE, grant.decode(octets, ledger.kid, ledger.roster.digest, ledger.policy.digest)
    )
    redeem(ledger, 1, 5_000)
    head = ledger.journal.sequence
    newer = "identity_b" if ledger.documents._active else "identity_a"
    rot(flash, newer, DATA_AT, 8)
    again = open_ledger(flash)
    assert again.grants[1].period == PERIOD
    assert raises(FlashError, redeem, again, 1, 100).area == newer
    assert (findings.DOCUMENTS, 0, 0, newer, DATA_AT) in found(again)
    assert again.journal.sequence == head
    assert len(again.records_from(1, 9999)) == head
    # Documents that are saved anew end it.
    again.documents.save({GRANT_FIRST + 1: octets + SIGNATURE})
    mended = open_ledger(flash)
    assert mended.remaining_rupiah(1, 1) == FULL - 5_000
    redeem(mended, 1, 100)


def test_a_grant_that_does_not_decode_costs_its_programme_alone():
    ledger, flash, _ = lived()
    ledger.documents.save({GRANT_FIRST + 2: bytes(90)})
    again = open_ledger(flash)
    assert sorted(again.grants) == [1]
    assert (findings.GRANT, 2, 2, "identity", 0) in found(again)
    redeem(again, 1, 100)
    assert again.remaining_rupiah(2, 1) == 0
