"""Carry files and QR texts on MicroPython: the same octets as on CPython (CAR-01 to CAR-04)."""

from protocol import carry
from protocol.errors import OutOfRange, Truncated
from tests.support.mp import raises

FRAME = bytes(range(20))


def test_an_entry_is_what_cpython_makes():
    entry = carry.pack(FRAME)
    assert entry == b"LMBG\x01\x00\x00\x14" + FRAME + b"\xc1\x46\x7d\xea"
    assert carry.unpack(b"before" + entry, 6) == (FRAME, 6 + len(entry))


def test_a_file_is_read_around_damage_and_up_to_its_cut_end():
    entry = carry.pack(FRAME)
    hurt = entry[:9] + b"x" + entry[10:]
    found = carry.read(entry + hurt + entry + entry[:-1])
    assert [taken for _, taken, _ in found] == [FRAME, b"", FRAME, b""]
    assert [type(error) for _, _, error in found if error] == [OutOfRange, Truncated]


def test_a_text_comes_back():
    assert carry.qr_text(b"Hello!!") == "L1:%69 VD92EX0"
    for length in range(141):
        octets = bytes([(7 * i + length) & 255 for i in range(length)])
        assert carry.from_qr_text(carry.qr_text(octets)) == octets
    raises(OutOfRange, lambda: carry.from_qr_text("hello"))
