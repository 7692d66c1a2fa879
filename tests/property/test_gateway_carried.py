"""Whatever a file holds, `import` takes it apart without failing, and hands on nothing that the protocol would not carry."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway import carried
from gateway.carried import Brought, Sort
from protocol import carry, frame, rescue
from tests.support import photographs as taken
from tests.support.gateway_rig import Rig

_RIG = Rig()
_TERMINAL = _RIG.terminal(42)
for _ in range(3):
    _TERMINAL.redeem()
_VIEW = _RIG.view(42)
_FRAMES = [_TERMINAL.frame(1, 3), _TERMINAL.frame(4, 6), _TERMINAL.report()]
_RUNS = [rescue.Run(1, _TERMINAL.chains[0], list(zip(_TERMINAL.octets[1:], [
    _TERMINAL.seals[number] for number in range(1, 7)], strict=True)))]  # fmt: skip
_SMALL = taken.receipt([_FRAMES[2]], 3).reduce(3)
_FILES = {
    "usb": b"".join(map(carry.pack, _FRAMES)),
    "codes": "\n".join(map(carry.qr_text, _FRAMES)).encode(),
    "one.frame": _FRAMES[0],
    "it.rescue": rescue.encode(rescue.Bundle(42, _TERMINAL.certificate, _RUNS)),
    "a.png": taken.png(_SMALL),
    "a.jpg": taken.jpeg(_SMALL),
}


def read(name: str, octets: bytes) -> Brought:
    """Take a file apart, and check what every piece promises."""
    brought = carried.read(name, octets, lambda kid: _VIEW if kid == 42 else None)
    assert brought.pieces or not octets or brought.sort is Sort.CODES
    for piece in brought.pieces:
        assert bool(piece.frame) == (piece.fault is None)
        assert piece.place
        if piece.frame:
            carry.pack(piece.frame)
    return brought


def test_the_samples_are_whole() -> None:
    for name, octets in _FILES.items():
        brought = read(name, octets)
        assert brought.sort is not Sort.UNKNOWN
        assert all(piece.fault is None for piece in brought.pieces), (name, brought)


@given(st.sampled_from(sorted(_FILES)), st.data())
@settings(max_examples=400, deadline=None)
def test_a_damaged_file_is_taken_apart_as_far_as_it_goes(name: str, data: st.DataObject) -> None:
    """Octets changed, cut, doubled and dropped."""
    octets = bytearray(_FILES[name])
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, max(0, len(octets) - 1)))
        kind = data.draw(st.sampled_from(("flip", "cut", "drop", "double", "noise")))
        if kind == "flip" and octets:
            octets[at] ^= data.draw(st.integers(1, 255))
        elif kind == "cut":
            del octets[at:]
        elif kind == "drop":
            del octets[at : at + data.draw(st.integers(1, 40))]
        elif kind == "double":
            octets[at:at] = octets[at : at + 40]
        else:
            octets[at:at] = random.Random(data.draw(st.integers(0, 99))).randbytes(20)
    read(name, bytes(octets))


@given(
    st.sampled_from(["usb", "x.frame", "x.rescue", "x.png"]),
    st.sampled_from([b"", carry.MAGIC, rescue.MAGIC, b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"L1:"]),
    st.binary(max_size=300),
)
def test_garbage_is_taken_apart(name: str, head: bytes, rest: bytes) -> None:
    read(name, head + rest)


@given(st.text(max_size=200))
def test_any_text_is_taken_apart(text: str) -> None:
    read("scanned.txt", ("L1:" + text).encode())


def test_frames_of_any_class_but_for_terminals_are_handed_on() -> None:
    for frame_class in range(4):
        raw = bytes((frame_class << 6 | 0x3F,)) + bytes(20)
        (piece,) = read("x.frame", raw).pieces
        assert bool(piece.frame) == (frame_class in (frame.CLASS_RECORDS, frame.CLASS_UP))
