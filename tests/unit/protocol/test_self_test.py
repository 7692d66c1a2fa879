"""The detail of a self-test's event, both ways."""

import pytest

from protocol import records, self_test
from protocol.errors import OutOfRange, TrailingData, Truncated


def test_a_detail_is_two_bit_maps_and_a_release():
    """REC-22: places and bits as the table has them."""
    told = self_test.SelfTest(0b110_0110_0000, 0b010_0110_0000, 7)
    octets = self_test.encode(told)
    assert octets.hex() == "0660" + "0260" + "00000007"
    back = self_test.decode(octets)
    assert (back.run, back.passed, back.release) == (told.run, told.passed, 7)
    assert self_test.names(back.run & ~back.passed) == ["case"]
    assert self_test.names(back.passed) == ["flash", "clock", "supply"]
    assert [self_test.bit(part) for part in self_test.PARTS] == [1 << place for place in range(12)]
    assert len(octets) == self_test.DETAIL_OCTETS <= records.DETAIL_OCTETS_MAX
    assert self_test.names(0x8000) == ["part 15"], "what a later release tests has no name here, and is shown"


def test_what_is_no_detail_is_refused():
    """REC-23: and a detail that is too short or too long."""
    with pytest.raises(OutOfRange, match="not run"):
        self_test.decode(bytes.fromhex("0001000300000000"))
    with pytest.raises(OutOfRange, match="not run"):
        self_test.encode(self_test.SelfTest(1, 3, 0))
    with pytest.raises(OutOfRange, match="run"):
        self_test.encode(self_test.SelfTest(1 << 16, 0, 0))
    with pytest.raises(OutOfRange, match="release"):
        self_test.encode(self_test.SelfTest(0, 0, 1 << 32))
    for octets in (b"", bytes(7)):
        with pytest.raises(Truncated):
            self_test.decode(octets)
    with pytest.raises(TrailingData):
        self_test.decode(bytes(9))
