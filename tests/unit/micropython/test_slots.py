"""The octets of slots and sector headers say what they hold, and damaged ones say nothing."""

from firmware.ledger import crc, slots
from protocol import records
from tests.support.mp import seed

SEAL = bytes(range(64))


def header(number=7, sequence=41, kid=0x1234, checkpoint=3, passed=2):
    made = slots.SectorHeader()
    made.number = number
    made.sequence = sequence
    made.chain = bytes(range(32))
    made.kid = kid
    made.checkpoint = checkpoint
    made.passed = passed
    return made


def random_octets(count, state):
    """Repeatable octets (Lehmer generator modulo 65537)."""
    out = bytearray()
    for _ in range(count):
        state = state * 75 % 65537
        out.append(state & 0xFF)
    return bytes(out), state


def test_a_crc_fits_what_it_was_made_for_and_nothing_near():
    state = seed() % 65536 + 1
    for length in (0, 1, 12, 59, 252):
        body, state = random_octets(length, state)
        whole = crc.append(body)
        assert crc.fits(whole)
        for place in range(len(whole)):
            for bit in (1, 128):
                changed = bytearray(whole)
                changed[place] ^= bit
                assert not crc.fits(changed), (length, place, bit)


def test_a_sector_header_comes_back():
    octets = slots.encode_sector_header(header())
    assert len(octets) == slots.SECTOR_HEADER_OCTETS
    got = slots.decode_sector_header(octets)
    want = header()
    for name in ("number", "sequence", "chain", "kid", "checkpoint", "passed"):
        assert getattr(got, name) == getattr(want, name), name
    assert slots.sector_number(octets[: slots.SECTOR_NAME_OCTETS]) == 7


def test_headers_of_the_first_format_are_read():
    octets = slots.encode_sector_header(header(passed=0))
    first = crc.append(octets[:4] + b"\x01" + octets[5 : -crc.OCTETS])
    got = slots.decode_sector_header(first)
    assert (got.number, got.sequence, got.passed) == (7, 41, 0)
    other = crc.append(octets[:4] + b"\x03" + octets[5 : -crc.OCTETS])
    assert slots.decode_sector_header(other) is None


def test_a_damaged_header_is_no_header():
    octets = slots.encode_sector_header(header())
    for place in range(len(octets)):
        changed = bytearray(octets)
        changed[place] ^= 0x10
        assert slots.decode_sector_header(changed) is None, place
    assert slots.decode_sector_header(b"\xff" * 64) is None
    assert slots.sector_number(b"\xff" * 12) == 0


def test_slots_come_back_in_order_and_stay_inside_their_pages():
    page = bytearray(b"\xff" * slots.SECTOR_BYTES)
    at = slots.SECTOR_HEADER_OCTETS
    put = []
    for number in range(20):
        payload = bytes(1 + number * 8 % 170)
        kind = records.EVENT if number % 3 else slots.LOCAL_PIN_TRIES
        seal = SEAL if kind == records.EVENT else b""
        octets = slots.encode_slot(kind, number if seal else 0, number, payload, seal)
        taken = slots.slot_octets(len(octets))
        if at % slots.PAGE_OCTETS + taken > slots.PAGE_OCTETS:
            at = (at // slots.PAGE_OCTETS + 1) * slots.PAGE_OCTETS
        page[at : at + len(octets)] = octets
        put.append((at, kind, number, payload))
        at += taken
    found = list(slots.whole_slots(page, slots.SECTOR_HEADER_OCTETS))
    assert found == [entry[0] for entry in put]
    for at, kind, number, payload in put:
        assert page[at + 1] == kind
        assert slots.payload_at(page, at) == payload
        if kind == records.EVENT:
            slot = slots.chain_slot(page, at)
            assert (slot.kind, slot.sequence, slot.index) == (kind, number, number)
            assert (slot.payload, slot.seal) == (payload, SEAL)


def test_a_slot_with_a_changed_octet_is_passed_over():
    octets = slots.encode_slot(records.EVENT, 5, 9, bytes(20), SEAL)
    for place in range(len(octets)):
        page = bytearray(b"\xff" * slots.PAGE_OCTETS)
        page[: len(octets)] = octets
        page[place] ^= 0x04
        assert list(slots.whole_slots(page, 0)) == [], place


def test_no_octets_at_all_make_the_scan_fail_or_hang():
    state = seed() % 65536 + 1
    for _ in range(300):
        page, state = random_octets(slots.PAGE_OCTETS, state)
        for at in slots.whole_slots(bytearray(page), 0):
            raise AssertionError("a slot was read out of noise at %d" % at)


def test_a_length_that_leaves_the_page_is_no_slot():
    page = bytearray(b"\xff" * slots.PAGE_OCTETS)
    page[192] = slots.CLASS_CHAIN
    page[194] = 176
    assert slots.end_of(page, 192) == 0
    assert list(slots.whole_slots(page, 0)) == []


def test_marks_and_records_have_kinds_apart():
    locals_ = [
        getattr(slots, name) for name in dir(slots) if name.startswith("LOCAL_") and "OCTETS" not in name
    ]
    assert min(locals_) == slots.LOCAL_FIRST
    assert max(records.LAYOUTS) < slots.LOCAL_FIRST


def test_the_longest_record_fits_a_page_with_its_seal():
    octets = slots.encode_slot(records.REDEMPTION, 1, 0, bytes(records.RECORD_OCTETS_MAX), SEAL)
    assert len(octets) <= slots.PAGE_OCTETS
