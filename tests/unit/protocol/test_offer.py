"""The offer of a release: what it holds, whom it is for, and what is refused."""

from __future__ import annotations

import contextlib
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import offer
from protocol.errors import NotCanonical, OutOfRange, ProtocolError, TrailingData, Truncated, UnknownVersion
from protocol.offer import Offer

DIGEST = bytes(range(32))


def some(share: int = 1000, kids: tuple[int, ...] = (), octets: int = 9000, head_octets: int = 500) -> Offer:
    """An offer of release 7."""
    return Offer(7, octets, head_octets, DIGEST, share, kids)


def test_an_offer_by_hand() -> None:
    """REL-05."""
    octets = offer.encode(some(50, (0x2A, 0x01020304)))
    assert octets == bytes.fromhex("01 00000007 00002328 0001f4" + DIGEST.hex() + "0032 02 0000002a 01020304")
    read = offer.decode(octets)
    assert (read.release, read.octets, read.head_octets, read.head_digest) == (7, 9000, 500, DIGEST)
    assert (read.share, read.kids) == (50, (0x2A, 0x01020304))


def test_topics_and_pieces() -> None:
    """REL-06."""
    assert offer.offer_topic() == "lumbung/1/release/offer"
    assert offer.piece_topic(DIGEST, 8192) == "lumbung/1/release/0001020304050607/8192"
    assert offer.piece_topic(DIGEST, 0, "elsewhere") == "elsewhere/release/0001020304050607/0"
    assert [some().piece_octets(offset) for offset in (0, 4096, 8192)] == [4096, 4096, 808]


def test_whom_it_is_for() -> None:
    """REL-07: the kids that it names, and a share of the others that only grows."""
    kid = 0x2A
    drawn = int.from_bytes(hashlib.sha256(DIGEST + bytes.fromhex("0000002a")).digest()[:4], "big") % 1000
    assert offer.lot(DIGEST, kid) == drawn
    assert not some(drawn).is_for(kid)
    assert some(drawn + 1).is_for(kid)
    assert some(0, (kid,)).is_for(kid)
    assert not some(0, (kid,)).is_for(kid + 1)
    taken = [sum(some(share).is_for(kid) for kid in range(4000)) for share in (0, 100, 1000)]
    assert taken[0] == 0
    assert 300 < taken[1] < 500
    assert taken[2] == 4000


@pytest.mark.parametrize(
    ("place", "octets", "error"),
    [
        (0, b"\x02", UnknownVersion),
        (1, bytes(4), OutOfRange),
        (5, b"\x00\x40\x00\x01", OutOfRange),
        (9, b"\x00\x23\x28", OutOfRange),
        (9, bytes(3), OutOfRange),
        (44, b"\x03\xe9", OutOfRange),
        (46, b"\x03", Truncated),
        (46, b"\x01", TrailingData),
        (51, b"\x00\x00\x00\x2a", NotCanonical),
        (46, b"\xff", OutOfRange),
    ],
)
def test_what_is_wrong_is_refused(place: int, octets: bytes, error: type[ProtocolError]) -> None:
    """REL-05: version, release from 1, sizes, share, kids that rise, nothing behind."""
    wrong = bytearray(offer.encode(some(0, (0x2A, 0x2B))))
    wrong[place : place + len(octets)] = octets
    with pytest.raises(error):
        offer.decode(bytes(wrong))


def test_what_does_not_fit_is_not_written() -> None:
    """REL-05."""
    for wrong in (some(1001), some(kids=(2, 1)), some(octets=500), some(kids=tuple(range(251)))):
        with pytest.raises(ProtocolError):
            offer.encode(wrong)


@given(
    st.integers(1, (1 << 32) - 1),
    st.integers(2, offer.BUNDLE_OCTETS_MAX),
    st.binary(min_size=32, max_size=32),
    st.integers(0, 1000),
    st.lists(st.integers(0, (1 << 32) - 1), max_size=20, unique=True),
    st.data(),
)
def test_what_is_written_is_read_and_nothing_else_is(
    release: int, octets: int, digest: bytes, share: int, kids: list[int], data: st.DataObject
) -> None:
    """REL-05: any octets are an offer that is written alike, or refused."""
    head = data.draw(st.integers(1, min(offer.HEAD_OCTETS_MAX, octets - 1)))
    written = offer.encode(Offer(release, octets, head, digest, share, tuple(sorted(kids))))
    assert offer.encode(offer.decode(written)) == written
    bent = bytearray(written)
    bent[data.draw(st.integers(0, len(bent) - 1))] ^= data.draw(st.integers(1, 255))
    with contextlib.suppress(ProtocolError):
        assert offer.encode(offer.decode(bytes(bent))) == bytes(bent)
    with pytest.raises(ProtocolError):
        offer.decode(written[: data.draw(st.integers(0, len(written) - 1))])
