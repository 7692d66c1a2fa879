"""The PN532 core, on MicroPython, against arbitrary octets: typed errors only, and it always finds back."""

from collections.abc import Iterator

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.property.drivers.chunks import cut, packed
from tests.support.worker import MicroPythonWorker

DRIVER = "tests/property/drivers/pn532_core.py"
ACK = bytes.fromhex("0000ff00ff00")
FRAME_MAX = 275

octets = st.binary(max_size=300)
commands = st.sampled_from([0x00, 0x02, 0x14, 0x32, 0x40, 0x4A])
# Garbage that looks like frames finds more than garbage that does not.
frame_like = st.lists(
    st.one_of(
        st.binary(max_size=12),
        st.sampled_from([b"\x00\xff", b"\x00\x00\xff", ACK, b"\x00\xff\xff\xff", b"\xd5", b"\x7f\x81"]),
        st.builds(lambda n: bytes([0, 0, 0xFF, n, -n & 0xFF, 0xD5]), st.integers(0, 255)),
    ),
    max_size=20,
).map(b"".join)


@pytest.fixture(scope="module", params=["unix64", "unix32"])
def worker(request: pytest.FixtureRequest) -> Iterator[MicroPythonWorker]:
    """One interpreter for the whole file."""
    with MicroPythonWorker(DRIVER, request.param) as running:
        yield running


def answer_frame(worker: MicroPythonWorker, command: int, data: bytes) -> bytes:
    """The chip's frame around an answer to `command`."""
    return worker.call(b"f" + bytes([command + 1]) + data)


@given(
    command=commands, garbage=st.one_of(octets, frame_like), places=st.lists(st.integers(0, 400), max_size=5)
)
def test_arbitrary_octets_raise_typed_errors_only(worker, command, garbage, places):
    """What the driver raises that is not typed would arrive here as DriverError."""
    worker.call(b"l" + bytes([command]) + packed(cut(garbage, places)))


@given(
    command=commands,
    data=st.binary(max_size=263),
    places=st.lists(st.integers(0, 600), max_size=8),
)
def test_answers_arrive_however_they_are_cut(worker, command, data, places):
    stream = ACK + answer_frame(worker, command, data)
    assert worker.call(b"l" + bytes([command]) + packed(cut(stream, places))) == b"aA|" + data


@given(command=commands, garbage=st.one_of(octets, frame_like), data=st.binary(max_size=40))
def test_a_repeated_answer_gets_through_any_garbage(worker, command, garbage, data):
    """A false start code may swallow what its length says, at most one frame's worth; then the core is back."""
    good = answer_frame(worker, command, data)
    repeats = FRAME_MAX // len(good) + 3
    assume(bytes([0xD5, command + 1]) not in garbage)
    heard, _, got = worker.call(b"k" + bytes([command]) + packed([garbage] + [good] * repeats)).partition(
        b"|"
    )
    assert heard.endswith(b"A")
    assert got == data


@given(
    command=commands,
    data=st.binary(max_size=40),
    place=st.integers(0, 1000),
    bit=st.integers(0, 7),
    lose=st.booleans(),
)
def test_one_damaged_octet_never_gives_another_answer(worker, command, data, place, bit, lose):
    good = answer_frame(worker, command, data)
    at = place % len(good)
    bad = good[:at] + (b"" if lose else bytes([good[at] ^ 1 << bit])) + good[at + 1 :]
    heard, _, got = worker.call(b"k" + bytes([command]) + packed([bad])).partition(b"|")
    assert b"A" not in heard or got == data


@given(command=commands, parameters=st.binary(max_size=263), sizes=st.binary(max_size=6))
def test_commands_reach_the_model_unchanged(worker, command, parameters, sizes):
    body = bytes([command]) + parameters
    assert worker.call(b"m" + packed([sizes, body])) == b"command|" + body


@given(parts=st.lists(st.one_of(octets, frame_like), max_size=4))
def test_the_models_decoder_survives_anything(worker, parts):
    assert worker.call(b"s" + packed(parts)) == b"command"


@given(answer=octets, targets=st.booleans())
def test_answers_of_any_content_are_read_or_refused_by_type(worker, answer, targets):
    assert worker.call(b"p" + bytes([targets]) + answer) in {
        b"ok",
        b"FrameDamaged",
        b"TwoCardsInField",
        b"CardProtocolError",
        b"CardRemoved",
        b"ReaderError",
    }
