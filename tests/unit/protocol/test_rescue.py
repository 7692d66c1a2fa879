"""The rescue bundle: its octets by hand, and every way in which a file may not be one."""

from __future__ import annotations

import contextlib
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import rescue
from protocol.errors import NotCanonical, OutOfRange, ProtocolError, TrailingData, Truncated, UnknownVersion

CHAIN = bytes(range(1, 33))
SEAL = bytes(range(64))


def sealed(octets: bytes) -> bytes:
    return octets + hashlib.sha256(octets).digest()


def of(*runs: rescue.Run) -> rescue.Bundle:
    return rescue.Bundle(7, b"cert", list(runs))


def test_the_octets_by_hand() -> None:
    """RSC-01, RSC-02."""
    made = rescue.encode(
        of(rescue.Run(3, CHAIN, [(b"abc", SEAL)]), rescue.Run(9, b"", [(b"d", SEAL), (b"e", SEAL)]))
    )
    assert made == sealed(
        b"LRSC\x01\x00" + bytes.fromhex("0002 00000007 0004") + b"cert"
        + bytes.fromhex("00000003 00000001") + CHAIN + b"\x03abc" + SEAL
        + bytes.fromhex("00000009 00000002") + bytes(32) + b"\x01d" + SEAL + b"\x01e" + SEAL
    )  # fmt: skip


runs = st.lists(
    st.tuples(
        st.integers(0, 5),
        st.sampled_from([b"", CHAIN]),
        st.lists(st.tuples(st.binary(min_size=1, max_size=176), st.just(SEAL)), min_size=1, max_size=4),
    ),
    max_size=4,
)


@given(kid=st.integers(0, 2**32 - 1), certificate=st.binary(max_size=300), drawn=runs)
def test_what_is_written_reads_back(kid, certificate, drawn) -> None:
    made, at = [], 1
    for distance, before, records in drawn:
        made.append(rescue.Run(at + distance, before, records))
        at += distance + len(records)
    octets = rescue.encode(rescue.Bundle(kid, certificate, made))
    found = rescue.decode(octets)
    assert (found.kid, found.certificate) == (kid, certificate)
    assert [(run.first, run.before, run.records) for run in found.runs] == [
        (run.first, run.before, run.records) for run in made
    ]
    assert rescue.encode(found) == octets


@given(octets=st.binary(max_size=200))
def test_no_octets_crash_it(octets) -> None:
    for wrapped in (octets, sealed(b"LRSC\x01\x00" + octets)):
        with contextlib.suppress(ProtocolError):
            assert rescue.encode(rescue.decode(wrapped)) == wrapped


@pytest.mark.parametrize(
    "drawn",
    [
        [rescue.Run(0, CHAIN, [(b"a", SEAL)])],
        [rescue.Run(3, CHAIN, [(b"a", SEAL)]), rescue.Run(3, CHAIN, [(b"a", SEAL)])],
        [rescue.Run(3, CHAIN, [(b"a", SEAL)] * 2), rescue.Run(4, CHAIN, [(b"a", SEAL)])],
        [rescue.Run((1 << 23) - 1, CHAIN, [(b"a", SEAL)] * 2)],
    ],
)
def test_runs_rise_and_stay_within_the_sequence(drawn) -> None:
    """RSC-03."""
    with pytest.raises(OutOfRange):
        rescue.encode(of(*drawn))
    body = b"LRSC\x01\x00" + len(drawn).to_bytes(2, "big") + bytes(6)
    for run in drawn:
        body += run.first.to_bytes(4, "big") + len(run.records).to_bytes(4, "big") + run.before
        body += b"".join(b"\x01" + record + seal for record, seal in run.records)
    with pytest.raises(OutOfRange):
        rescue.decode(sealed(body))


def test_a_bundle_is_taken_whole_or_refused() -> None:
    """RSC-04."""
    good = rescue.encode(of(rescue.Run(3, CHAIN, [(b"abc", SEAL)])))
    for place in range(len(good)):
        damaged = bytearray(good)
        damaged[place] ^= 1
        with pytest.raises(ProtocolError):
            rescue.decode(bytes(damaged))
        with pytest.raises(Truncated):
            rescue.decode(good[:place])
    with pytest.raises(TrailingData):
        rescue.decode(good + b"\x00")
    with pytest.raises(UnknownVersion):
        rescue.decode(sealed(good[:4] + b"\x02" + good[5:-32]))
    with pytest.raises(NotCanonical):
        rescue.encode(of(rescue.Run(3, CHAIN, [])))
    for record, seal in ((b"", SEAL), (bytes(177), SEAL), (b"a", SEAL[1:])):
        with pytest.raises(OutOfRange):
            rescue.encode(of(rescue.Run(3, CHAIN, [(record, seal)])))
