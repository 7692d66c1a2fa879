"""A new roster on its way to a terminal in use: whole rosters as deltas, the unit with its grants, its pieces; section 6.11."""

from __future__ import annotations

import hashlib

import pytest

from protocol import certificates, frame, grant, offer, parts, renewal, roster, roster_delta
from protocol.errors import OutOfRange, ProtocolError, TrailingData, Truncated, UnknownVersion
from protocol.octets import Reader
from tests.support.link_cipher import CpythonCipher
from tools.golden_vectors import corpus, samples

CIPHER = CpythonCipher()
SIGNATURE = bytes(range(64))


def rosters() -> tuple[bytes, bytes]:
    """The sample roster and a later one."""
    base = roster.encode(5, samples.sample_roster())
    return base, roster_delta.apply(base, samples.sample_roster_delta())


def sample(is_whole: bool = False) -> renewal.Renewal:
    """A renewal with two grants."""
    base, new = rosters()
    held = corpus.held_context()
    out = renewal.Renewal()
    out.roster_digest = roster.digest(new)
    out.grants = tuple(grant.encode(held.grants[number]) + SIGNATURE for number in sorted(held.grants))[:2]
    out.delta = roster_delta.between(b"" if is_whole else base, new)
    out.signature = SIGNATURE
    return out


def test_a_delta_without_a_base_is_a_whole_roster() -> None:
    """RSD-04: all entries are named, on whatever roster it is applied."""
    base, new = rosters()
    whole = roster_delta.between(b"", new)
    assert whole.base == bytes(4)
    assert len(whole.entries) == whole.count == 4
    octets = roster_delta.encode(whole)
    assert roster_delta.apply(base, roster_delta.decode(octets)) == new
    with pytest.raises(OutOfRange, match="not later"):
        roster_delta.apply(new, whole)


def test_a_whole_roster_that_leaves_an_entry_out_is_refused() -> None:
    """RSD-04."""
    whole = roster_delta.between(b"", rosters()[1])
    octets = bytearray(roster_delta.encode(whole))
    octets[11:13] = b"\x00\x03"
    with pytest.raises(OutOfRange, match="entries at octet 11"):
        roster_delta.decode(bytes(octets))
    whole.entries = whole.entries[:3]
    with pytest.raises(OutOfRange, match="entries"):
        roster_delta.encode(whole)


def test_a_renewal_by_hand() -> None:
    """RNW-01: digest, grants, delta, signature."""
    unit = renewal.encode(sample())
    new = rosters()[1]
    first, second = sample().grants
    delta = roster_delta.encode(samples.sample_roster_delta())
    assert unit == b"".join(
        (
            b"\x01" + roster.digest(new) + b"\x02",
            len(first).to_bytes(2, "big") + first,
            len(second).to_bytes(2, "big") + second,
            delta + SIGNATURE,
        )
    )
    back = renewal.decode(unit)
    assert (back.roster_digest, back.grants, back.signature) == (
        roster.digest(new),
        (first, second),
        SIGNATURE,
    )
    assert vars(back.delta) == vars(samples.sample_roster_delta())
    assert renewal.encode(back) == unit


def test_every_cut_of_a_renewal_is_truncated_or_refused() -> None:
    """RNW-01, GEN-02: no beginning of a unit is a unit, nothing follows one."""
    unit = renewal.encode(sample())
    for end in range(len(unit)):
        with pytest.raises(ProtocolError):
            renewal.decode(unit[:end])
    with pytest.raises(TrailingData):
        renewal.decode(unit + b"\x00")
    with pytest.raises(UnknownVersion):
        renewal.decode(b"\x02" + unit[1:])


def test_grants_can_be_read_before_the_roster_is_there() -> None:
    """RNW-01: what stands in front of the delta says itself when it is whole."""
    unit = renewal.encode(sample())
    behind = len(roster_delta.encode(samples.sample_roster_delta())) + certificates.SIGNATURE_OCTETS
    for end in (0, 32, 33, 34, 35, 100, len(unit) - behind - 1):
        with pytest.raises(Truncated):
            renewal.decode_head(Reader(unit[:end]))
    source = Reader(unit[:-behind])
    assert renewal.decode_head(source).grants == sample().grants
    assert source.offset == len(unit) - behind


def test_pieces_by_hand() -> None:
    """RNW-02, RNW-03."""
    unit = bytes(range(256)) * 9
    pieces = renewal.pieces(unit)
    name = hashlib.sha256(unit).digest()[:8]
    assert [renewal.encode_piece(piece) for piece in pieces] == [
        name + bytes.fromhex("000900" + "000000") + unit[:1024],
        name + bytes.fromhex("000900" + "000400") + unit[1024:2048],
        name + bytes.fromhex("000900" + "000800") + unit[2048:],
    ]
    for piece in pieces:
        assert vars(renewal.decode_piece(renewal.encode_piece(piece))) == vars(piece)
    assert offer.renewal_topic(0x61, 1024) == "lumbung/1/renewal/00000061/1024"


@pytest.mark.parametrize(
    ("at", "octets", "field"),
    [(8, "000000", "unit octets"), (8, "000400", "offset"), (8, "000901", "octets"), (11, "000401", "offset"),
     (11, "000000", "octets"), (8, "ffffff", "unit octets")],
)  # fmt: skip
def test_a_piece_is_cut_in_one_way(at: int, octets: str, field: str) -> None:
    """RNW-02: at multiples of 1,024, and every piece but the last is full."""
    piece = renewal.encode_piece(renewal.pieces(bytes(0x900))[2])
    with pytest.raises(OutOfRange) as info:
        renewal.decode_piece(piece[:at] + bytes.fromhex(octets) + piece[at + 3 :])
    assert info.value.field == field


def test_a_small_renewal_is_one_piece_and_fits_numbered_parts() -> None:
    """RNW-02, PRT-01: by SMS."""
    (piece,) = renewal.pieces(renewal.encode(sample()))
    body = renewal.encode_piece(piece)
    assert len(parts.split(frame.DOWN_ROSTER_DELTA, body)) <= 10
    sealed = frame.encode_counter(frame.CLASS_DOWN, frame.DOWN_ROSTER_DELTA, 1, 5, body, CIPHER)
    assert frame.open_counter(sealed, CIPHER)[1] == body
