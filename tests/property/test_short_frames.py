"""Whatever records a terminal makes, all of them get out in frames of 140 octets, and the last of them with its seal."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import context as contexts
from protocol import frame, parts, records
from tests.property import protocol_strategies as drawn
from tests.support.link_cipher import CpythonCipher
from tests.support.worker import MicroPythonWorker

CIPHER = CpythonCipher(b"u" * 16, b"u" * 32)
CONTEXTS = [drawn.CONTEXT, contexts.Context(drawn.CONTEXT.roster, drawn.CONTEXT.policy, {})]


@pytest.fixture(scope="module", params=["unix64", "unix32"])
def cut(request: pytest.FixtureRequest) -> Iterator[Callable[..., Any]]:
    with MicroPythonWorker("tests/property/drivers/short_frames.py", request.param) as worker:
        yield lambda batch, how, seal_now, in_parts: json.loads(
            worker.call(json.dumps([[octets.hex() for octets in batch], how, seal_now, in_parts]).encode())
        )


def whole(made: list[bytes]) -> bytes:
    """The frame of records that these frames are, or are the parts of."""
    if len(made) == 1:
        return made[0]
    bodies = [frame.open_counter(octets, CIPHER) for octets in made]
    assert {header.codec for header, _ in bodies} == {frame.UP_PART}
    assert len({header.counter for header, _ in bodies}) == len(made)
    return parts.join([parts.decode_up(body) for _, body in reversed(bodies)])


@st.composite
def some_records(draw: st.DrawFn) -> list[bytes]:
    """Records of any size and kind, adoptions among them too."""
    batch = draw(drawn.batches(5))
    for _ in range(draw(st.integers(0, 2))):
        batch.insert(draw(st.integers(0, len(batch))), draw(drawn.canonical()))
    return batch


@given(
    batch=some_records(),
    how=st.sampled_from(("literal", "current", "older")),
    seal_now=st.booleans(),
    in_parts=st.booleans(),
)
def test_every_record_fits_short_frames_and_the_last_one_is_sealed(
    cut: Callable[..., Any], batch: list[bytes], how: str, seal_now: bool, in_parts: bool
) -> None:
    """PRT-04, PRT-05, FRM-11. What must be sealed, in parts where need be, is."""
    if how == "current":
        batch = [octets for octets in batch if octets[0] != records.ADOPTION]
    left = list(batch)
    is_sealed = True
    for texts, count in cut(batch, how, seal_now, in_parts):
        made = [bytes.fromhex(text) for text in texts]
        assert max(len(octets) for octets in made) <= frame.SMS_OCTETS_MAX
        opened = frame.open_records(whole(made), CONTEXTS, CIPHER)
        assert opened.records == left[:count]
        assert len(made) == 1 or count == 1
        assert how != "literal" or opened.header.codec == 0
        del left[:count]
        is_sealed = bool(opened.seal)
        assert is_sealed or not (seal_now and in_parts)
    assert not left
    assert is_sealed


@given(octets=drawn.canonical(), first=st.integers(1, records.SEQUENCE_MAX))
def test_one_record_with_its_seal_is_at_most_three_parts(octets: bytes, first: int) -> None:
    """PRT-04, PRT-05: literally; and none has more octets than a record may have."""
    assert len(octets) <= records.RECORD_OCTETS_MAX
    made = frame.encode_records(1, first, [octets], bytes(64), 0, None, CIPHER)
    assert len(made) == 21 + 1 + len(octets) + 64
    if len(made) > parts.PART_OCTETS:
        cut = parts.split(parts.RECORDS_FRAME, made)
        assert len(cut) <= parts.UP_PARTS_MAX
        assert parts.join([parts.decode_up(parts.encode(part)) for part in cut[::-1]]) == made


def test_the_longest_frame_of_one_record_is_three_parts() -> None:
    """PRT-05: 176 octets of record."""
    most = 21 + 1 + records.RECORD_OCTETS_MAX + 64
    assert most == 262
    assert most <= parts.PART_OCTETS * parts.UP_PARTS_MAX
    assert most > 2 * parts.PART_OCTETS
