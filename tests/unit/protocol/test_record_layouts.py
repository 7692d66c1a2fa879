"""Canonical records octet by octet: each layout written out by hand, and each rule of section 2 broken once."""

from __future__ import annotations

import pytest

from protocol import records
from protocol.errors import OutOfRange, ProtocolError, TrailingData, Truncated, UnknownVersion
from protocol.records import CardProof, Record

HEAD = "01 6a3d1f80 01"  # version, time_s, time_trust; the kind stands before
PROOF = "01 00 261125 80 0102 a1a2a3a4a5a6a7a8 0080008000 7500 3f0000 02"
IAD = "06010a03a0a800"
ITEMS = "02 01 03e8 000030d4 02 0064 00006d60"
KEY = "c1c2c3c4c5c6c7c8"


def octets(text: str) -> bytes:
    """Hex with spaces."""
    return bytes.fromhex(text.replace(" ", ""))


def proof() -> CardProof:
    """The proof that `PROOF` and `IAD` write out."""
    return CardProof(
        application_index=1,
        pan_sequence=0,
        transaction_date=b"\x26\x11\x25",
        cid=0x80,
        atc=0x0102,
        ac=octets("a1a2a3a4a5a6a7a8"),
        tvr=octets("0080008000"),
        aip=octets("7500"),
        cvm_results=octets("3f0000"),
        un_attempt=2,
        iad=octets(IAD),
    )


def record(kind: int, **fields: object) -> Record:
    """A record with the head that `HEAD` writes out."""
    return Record(kind=kind, version=1, time_s=0x6A3D1F80, time_trust=1, **fields)


ITEMS_READ = ((1, 1000, 12500), (2, 100, 28000))
BY_HAND = {
    "redemption": (
        f"01 {HEAD} 01 5eea 00 00030d40 {KEY} 00000029 01 00 00 22 {PROOF} {IAD} {ITEMS}",
        record(1, programme=1, period=24298, tender=0, amount_rupiah=200_000, card_key=octets(KEY), lease=41, method=1,
               flags=0, reason=0, proof=proof(), items=ITEMS_READ),
    ),
    "void": (
        f"02 {HEAD} 01 5eea 00030d40 00001267 {KEY} 02 22 {PROOF} {IAD}",
        record(2, programme=1, period=24298, amount_rupiah=200_000, reference_sequence=4711, card_key=octets(KEY),
               reason=2, proof=proof()),
    ),
    "goods received, tapped": (
        f"03 {HEAD} 00001267 {KEY} 01 22 {PROOF} {IAD}",
        record(3, reference_sequence=4711, card_key=octets(KEY), method=1, proof=proof()),
    ),
    "goods received, confirmed": (
        f"03 {HEAD} 00001267 {KEY} 00 00",
        record(3, reference_sequence=4711, card_key=octets(KEY), method=0, proof=None),
    ),
    "return": (
        f"04 {HEAD} 01 5eea 00030d40 {KEY} 00000029",
        record(4, programme=1, period=24298, amount_rupiah=200_000, card_key=octets(KEY), lease=41),
    ),
    "period close": (
        f"05 {HEAD} 01 5eea 012c 0000000003938700 0002 0000000000061a80 0005 00000000000f4240",
        record(5, programme=1, period=24298, redeemed_count=300, redeemed_rupiah=60_000_000, voided_count=2,
               voided_rupiah=400_000, returned_count=5, returned_rupiah=1_000_000),
    ),
    "enrol": (
        f"06 {HEAD} {KEY} 01 {bytes(range(16)).hex()}",
        record(6, card_key=octets(KEY), application_index=1, verifier=bytes(range(16))),
    ),
    "adoption": (
        f"07 {HEAD} 02 00000029 {bytes(range(32)).hex()}",
        record(7, subject=2, number=41, digest=bytes(range(32))),
    ),
    "stock received": (f"08 {HEAD} 00000007 {ITEMS}", record(8, supplier=7, items=ITEMS_READ)),
    "event": (f"09 {HEAD} 03 0002 08 {KEY}", record(9, code=3, operator=2, detail=octets(KEY))),
}  # fmt: skip


@pytest.mark.parametrize("name", BY_HAND)
def test_each_kind_is_what_the_table_says(name: str) -> None:
    """GEN-01, REC-01, REC-07, REC-08, REC-09, REC-10, REC-11, REC-12, REC-13, REC-14, REC-15, REC-16, REC-19, REC-21."""
    by_hand, values = BY_HAND[name]
    assert records.encode(values).hex() == octets(by_hand).hex()
    decoded = records.decode(octets(by_hand))
    fields, parts = records.LAYOUTS[values.kind][1:]
    for field in [field for field, *_ in fields] + [part.removeprefix("optional_") for part in parts]:
        if field == "proof" and values.proof is not None:
            assert vars(decoded.proof) == vars(values.proof)
        else:
            assert getattr(decoded, field) == getattr(values, field)


def refusal(text: bytes) -> ProtocolError:
    """The refusal of a record's octets."""
    with pytest.raises(ProtocolError) as info:
        records.decode(text)
    return info.value


@pytest.mark.parametrize("name", BY_HAND)
def test_a_short_record_names_the_field_that_is_not_whole(name: str) -> None:
    """REC-04: at every length."""
    whole = octets(BY_HAND[name][0])
    for length in range(len(whole)):
        error = refusal(whole[:length])
        assert type(error) is Truncated, (length, error)
        assert error.offset <= length < error.offset + 66


def test_the_field_that_is_not_whole_is_the_first_one() -> None:
    """REC-04: names and offsets along a redemption."""
    whole = octets(BY_HAND["redemption"][0])
    cuts = ((0, "kind", 0), (1, "version", 1), (5, "time_s", 2), (7, "programme", 7), (14, "amount_rupiah", 11),
            (30, "proof", 30), (40, "ac", 39), (60, "iad", 58), (65, "items", 65), (70, "price_rupiah", 69))  # fmt: skip
    for length, field, offset in cuts:
        error = refusal(whole[:length])
        assert (error.field, error.offset) == (field, offset)


@pytest.mark.parametrize("name", BY_HAND)
def test_octets_behind_a_record_are_refused(name: str) -> None:
    """REC-05."""
    whole = octets(BY_HAND[name][0])
    error = refusal(whole + b"\x00")
    assert (type(error), error.offset) == (TrailingData, len(whole))


@pytest.mark.parametrize(("at", "field"), [(0, "kind"), (1, "version")])
def test_unknown_kinds_and_versions_come_first(at: int, field: str) -> None:
    """REC-03, VER-01: even where nothing else makes sense."""
    for value in (0, 2 if at else 10, 255):
        text = bytearray(b"\x01\x01")
        text[at] = value
        error = refusal(bytes(text))
        assert (type(error), error.field, error.offset) == (UnknownVersion, field, at)


@pytest.mark.parametrize(
    ("offset", "octet", "field"),
    [(6, 4, "time_trust"), (7, 0, "programme"), (8, 0, "period"), (8, 0xFF, "period"), (10, 2, "tender"),
     (11, 0xFF, "amount_rupiah"), (27, 4, "method"), (31, 16, "application_index"), (32, 0x9A, "pan_sequence"),
     (57, 255, "un_attempt"), (65, 9, "items")],
)  # fmt: skip
def test_limits_name_field_and_offset(offset: int, octet: int, field: str) -> None:
    """REC-06: the octet at `offset` of a redemption set beyond its limit."""
    text = bytearray(octets(BY_HAND["redemption"][0]))
    text[offset] = octet
    error = refusal(bytes(text))
    assert (type(error), error.field, error.offset) == (OutOfRange, field, offset)


def test_an_iad_has_at_most_32_octets() -> None:
    """REC-17: the length octet of a proof is 27 to 59."""
    for length in (0, 1, 32):
        values = BY_HAND["void"][1]
        values.proof.iad = bytes(length)
        assert records.encode(values)[27] == 27 + length
        assert records.decode(records.encode(values)).proof.iad == bytes(length)
    values.proof.iad = bytes(33)
    with pytest.raises(OutOfRange, match="iad"):
        records.encode(values)
    values.proof.iad = octets(IAD)
    whole = octets(BY_HAND["void"][0])
    for length in (0, 26, 60, 255):
        error = refusal(whole[:27] + bytes([length]) + whole[28:])
        assert (type(error), error.field, error.offset) == (OutOfRange, "proof", 27)


def test_goods_received_has_a_proof_exactly_where_it_says_so() -> None:
    """REC-18."""
    tapped, confirmed = (
        octets(BY_HAND["goods received, tapped"][0]),
        octets(BY_HAND["goods received, confirmed"][0]),
    )
    for text in (tapped[:19] + b"\x00" + tapped[20:], confirmed[:19] + b"\x01" + confirmed[20:]):
        error = refusal(text)
        assert (type(error), error.field, error.offset) == (OutOfRange, "method", 19)


def test_cash_has_no_items() -> None:
    """REC-20."""
    whole = bytearray(octets(BY_HAND["redemption"][0]))
    whole[10] = records.TENDER_CASH
    error = refusal(bytes(whole))
    assert (type(error), error.field) == (OutOfRange, "items")
    assert records.decode(bytes(whole[:65]) + b"\x00").items == ()


def test_the_largest_record_fits_a_journal_slot() -> None:
    """REC-02: eight items and an IAD of 32 octets; with seal and slot overhead within 256."""
    values = BY_HAND["redemption"][1]
    kept = values.items
    values.items = ((1, 100, 12500),) * 8
    values.proof.iad = bytes(32)
    largest = records.encode(values)
    values.items, values.proof.iad = kept, octets(IAD)
    assert len(largest) == 147 <= records.RECORD_OCTETS_MAX
    assert records.RECORD_OCTETS_MAX + 64 + 16 <= 256
    error = refusal(largest + bytes(30))
    assert (type(error), error.field) == (OutOfRange, "record")


def test_more_than_eight_items_and_too_long_a_detail_are_refused_when_written() -> None:
    """REC-19, REC-21, GEN-04."""
    stock = BY_HAND["stock received"][1]
    stock.items = ((1, 100, 12500),) * 9
    with pytest.raises(OutOfRange, match="items"):
        records.encode(stock)
    stock.items = ITEMS_READ
    event = BY_HAND["event"][1]
    event.detail = bytes(33)
    with pytest.raises(OutOfRange, match="detail"):
        records.encode(event)
    event.detail = octets(KEY)
