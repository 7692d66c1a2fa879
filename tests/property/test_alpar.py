"""The contact reader's frame codec, on MicroPython, against arbitrary octets: typed errors only, and it finds back."""

from collections.abc import Iterator
from functools import reduce
from operator import xor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.property.drivers.chunks import cut, packed
from tests.support.worker import MicroPythonWorker

DRIVER = "tests/property/drivers/alpar.py"
HEAD_OCTETS = 4

opcodes = st.integers(0, 255)
data = st.binary(max_size=506)


@pytest.fixture(scope="module", params=["unix64", "unix32"])
def worker(request: pytest.FixtureRequest) -> Iterator[MicroPythonWorker]:
    """One interpreter for the whole file."""
    with MicroPythonWorker(DRIVER, request.param) as running:
        yield running


def frame(opcode: int, body: bytes, is_good: bool = True) -> bytes:
    """An independent reading of the format (AN10207): kind, two octets of length, opcode, data, exclusive or."""
    head = bytes([0x60 if is_good else 0xE0]) + len(body).to_bytes(2, "big") + bytes([opcode])
    return head + body + bytes([reduce(xor, head + body)])


def told(opcode: int, body: bytes, is_good: bool = True) -> bytes:
    """How the driver tells of a frame."""
    return (b"A" if is_good else b"N") + bytes([opcode]) + len(body).to_bytes(2, "big") + body


@given(opcode=opcodes, body=data)
def test_commands_are_framed_as_the_format_says(worker, opcode, body):
    assert worker.call(b"b" + bytes([opcode]) + body) == b"\0" + frame(opcode, body)


@given(parts=st.lists(st.binary(max_size=200), max_size=5))
def test_arbitrary_octets_raise_typed_errors_only(worker, parts):
    """What is raised that is not typed would arrive here as DriverError."""
    worker.call(b"l" + packed(parts))


@given(
    frames=st.lists(st.tuples(opcodes, st.binary(max_size=60), st.booleans()), max_size=4),
    places=st.lists(st.integers(0, 400), max_size=8),
)
def test_frames_arrive_whole_and_in_their_order_however_they_are_cut(worker, frames, places):
    stream = b"".join(frame(*one) for one in frames)
    assert worker.call(b"l" + packed(cut(stream, places))) == b"".join(told(*one) for one in frames)


@given(noise=st.binary(max_size=30), opcode=opcodes, body=st.binary(max_size=60))
def test_what_stands_before_a_frame_is_skipped(worker, noise, opcode, body):
    quiet = bytes(octet for octet in noise if octet not in (0x60, 0xE0))
    assert worker.call(b"l" + packed([quiet + frame(opcode, body)])) == told(opcode, body)


@given(
    opcode=opcodes,
    body=st.binary(max_size=60),
    place=st.integers(0, 100),
    bit=st.integers(0, 7),
)
def test_one_damaged_bit_outside_the_length_never_gives_an_answer(worker, opcode, body, place, bit):
    """With the length damaged the checksum stands elsewhere: what follows the answer tells that, see the reader's tests."""
    good = frame(opcode, body)
    at = place % len(good)
    if at in (1, 2):
        at = HEAD_OCTETS - 1
    bad = good[:at] + bytes([good[at] ^ 1 << bit]) + good[at + 1 :]
    heard = worker.call(b"l" + packed([bad]))
    assert told(opcode, body) not in heard or at == 0
    assert not heard.startswith((b"A", b"N")) or at == 0


@given(body=st.binary(max_size=60), opcode=opcodes, junk=st.binary(min_size=1, max_size=20))
def test_after_a_damaged_frame_the_next_one_arrives(worker, body, opcode, junk):
    bad = bytearray(frame(opcode, junk))
    bad[-1] ^= 1
    assert worker.call(b"l" + packed([bytes(bad), frame(opcode, body)])) == b"d" + told(opcode, body)
