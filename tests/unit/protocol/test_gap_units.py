"""What lost messages and long units need: bridges, parts, write-offs, roster deltas; sections 6.8 to 6.11 by hand."""

from __future__ import annotations

import hashlib
import itertools

import pytest

from protocol import bridge, certificates, frame, grant, parts, roster, roster_delta, write_off
from protocol.errors import NotCanonical, OutOfRange, ProtocolError, TrailingData, Truncated, UnknownVersion
from tests.support.link_cipher import CpythonCipher
from tools.golden_vectors import corpus, samples

CIPHER = CpythonCipher()
CHAINS = (bytes(range(32)), bytes(range(1, 33)), bytes(range(2, 34)), bytes(range(3, 35)))


def bridge_of(*sequences: int) -> bridge.Bridge:
    """A bridge with a value for each sequence."""
    out = bridge.Bridge()
    out.values = tuple((sequence, CHAINS[place]) for place, sequence in enumerate(sequences))
    return out


def test_a_bridge_by_hand() -> None:
    """BRG-01."""
    octets = bridge.encode(bridge_of(7, 0x7FFFFF))
    assert octets == bytes.fromhex("000007") + CHAINS[0] + bytes.fromhex("7fffff") + CHAINS[1]
    assert bridge.decode(octets).values == bridge_of(7, 0x7FFFFF).values


@pytest.mark.parametrize("sequences", [(), (0,), (8, 8), (9, 8), (1 << 23,), (1, 2, 3, 4)])
def test_a_bridge_with_wrong_values_is_neither_written_nor_read(sequences: tuple[int, ...]) -> None:
    """BRG-01: one to three, rising, from 1 on."""
    with pytest.raises(OutOfRange):
        bridge.encode(bridge_of(*sequences))
    octets = b"".join(n.to_bytes(3, "big") + CHAINS[place] for place, n in enumerate(sequences))
    with pytest.raises(ProtocolError):
        bridge.decode(octets)


def test_a_bridge_is_one_sms() -> None:
    """BRG-02, BRG-03: with three values; whoever gets it needs nothing else to read it."""
    body = bridge.encode(bridge_of(7, 8, 9))
    octets = frame.encode_counter(frame.CLASS_UP, frame.UP_BRIDGE, 1, 5, body, CIPHER)
    assert octets[0] == 0x42
    assert len(octets) == 126 <= frame.SMS_OCTETS_MAX
    assert frame.open_counter(octets, CIPHER)[1] == body


def unit_of(length: int) -> bytes:
    """Octets that differ everywhere."""
    return b"".join(hashlib.sha256(bytes((i,))).digest() for i in range(256))[:length]


def test_parts_by_hand() -> None:
    """PRT-01."""
    unit = unit_of(112 * 2 + 5)
    name = hashlib.sha256(unit).digest()[:4]
    cut = [parts.encode(part) for part in parts.split(2, unit)]
    assert cut == [
        b"\x02" + name + b"\x03\x00" + unit[:112],
        b"\x02" + name + b"\x03\x01" + unit[112:224],
        b"\x02" + name + b"\x03\x02" + unit[224:],
    ]
    assert len(parts.split(2, unit_of(113))) == 2
    assert len(parts.split(2, unit_of(7168))) == 64
    for length in (112, 7169):
        with pytest.raises(OutOfRange):
            parts.split(2, unit_of(length))


def test_a_part_is_one_sms() -> None:
    """PRT-02: exactly."""
    body = parts.encode(parts.split(2, unit_of(500))[0])
    octets = frame.encode_counter(frame.CLASS_DOWN, frame.DOWN_PART, 1, 5, body, CIPHER)
    assert octets[0] == 0x84
    assert len(octets) == frame.SMS_OCTETS_MAX


@pytest.mark.parametrize(
    ("at", "change"), [(0, b"\x00"), (0, b"\x40"), (5, b"\x01"), (5, b"\x41"), (6, b"\x03"), (6, b"\x02")]
)
def test_a_part_with_one_wrong_field(at: int, change: bytes) -> None:
    """PRT-01: the first of three, 112 octets; as the last one it would be whole too, but is refused beyond it."""
    octets = bytearray(parts.encode(parts.split(2, unit_of(300))[0]))
    octets[at : at + 1] = change
    if (at, change) == (6, b"\x02"):
        assert parts.decode(bytes(octets)).place == 2
        octets += b"\x00"
    with pytest.raises(OutOfRange):
        parts.decode(bytes(octets))


@pytest.mark.parametrize(("place", "length"), [(0, 111), (0, 113), (2, 0), (2, 113)])
def test_a_part_of_a_wrong_length(place: int, length: int) -> None:
    """PRT-01: one way to cut a unit."""
    part = parts.split(2, unit_of(300))[place]
    part.octets = bytes(length)
    with pytest.raises(OutOfRange, match="octets"):
        parts.encode(part)
    with pytest.raises(OutOfRange, match="octets"):
        parts.decode(b"\x02name\x03" + bytes((place,)) + part.octets)


def test_a_unit_takes_effect_when_all_parts_are_there_in_any_order() -> None:
    """PRT-03: never earlier, and only once."""
    unit = unit_of(300)
    for order in itertools.permutations(parts.split(2, unit)):
        assembly = parts.Assembly()
        for part in order[:-1]:
            assert assembly.take(part) is None
            assert assembly.take(part) is None
        assert assembly.take(order[-1]) == (2, unit)
        assert assembly.take(order[-1]) is None


def test_two_units_may_come_mixed_and_a_third_drives_out_the_oldest() -> None:
    """PRT-03."""
    first, second, third = (parts.split(2, unit_of(length)) for length in (200, 201, 202))
    assembly = parts.Assembly(2)
    assert assembly.take(first[0]) is None
    assert assembly.take(second[0]) is None
    assert assembly.take(first[1]) == (2, unit_of(200))
    assert assembly.take(second[1]) == (2, unit_of(201))
    for unit in (first, second, third):
        assert assembly.take(unit[0]) is None
    assert assembly.take(third[1]) == (2, unit_of(202))
    assert assembly.take(first[1]) is None
    assert assembly.take(first[0]) == (2, unit_of(200))


def test_parts_that_are_not_what_their_name_says_come_to_nothing() -> None:
    """PRT-03: not even together with good ones; the whole unit sent again is taken."""
    good = parts.split(2, unit_of(200))
    bad = parts.decode(parts.encode(good[1])[:-1] + b"\xff")
    assembly = parts.Assembly()
    assert assembly.take(bad) is None
    assert assembly.take(good[0]) is None
    assert assembly.take(good[1]) is None
    assert assembly.take(good[0]) == (2, unit_of(200))


def test_the_largest_grant_travels_in_parts() -> None:
    """PRT-01, GRT-02: 2,000 exceptions with amounts of their own."""
    one = corpus.held_context().grants[1]
    one.exceptions = tuple((2 * i, 1000 * (8_192 + 4 * i)) for i in range(2000))
    unit = grant.encode(one) + bytes(certificates.SIGNATURE_OCTETS)
    assert frame.SMS_OCTETS_MAX < len(unit) <= parts.UNIT_OCTETS_MAX
    assert len(parts.split(frame.DOWN_GRANT, unit)) <= parts.PARTS_MAX


def test_a_write_off_by_hand() -> None:
    """WOF-01, GEN-07, GEN-08."""
    octets = write_off.encode(samples.sample_write_off())
    expected = "01 10203040 001268 001270" + corpus.KEY_A[:32].hex() + "001b7740 6b063310 02"
    assert octets.hex() == expected.replace(" ", "")
    assert len(octets) == write_off.OCTETS == 52
    message = b"lumbung/woff/1\0\0" + octets
    assert write_off.signed_message(octets) == message
    assert write_off.decode(octets).digest == hashlib.sha256(message).digest()


@pytest.mark.parametrize(
    ("at", "change"),
    [(5, bytes(3)), (5, b"\x80\x00\x00"), (8, b"\x00\x12\x67"), (51, b"\x00"), (51, b"\x04")],
)
def test_a_write_off_with_one_wrong_field(at: int, change: bytes) -> None:
    """WOF-01."""
    octets = bytearray(write_off.encode(samples.sample_write_off()))
    octets[at : at + len(change)] = change
    with pytest.raises(OutOfRange):
        write_off.decode(bytes(octets))


def test_a_write_off_has_one_length_and_one_version() -> None:
    """WOF-01, VER-01."""
    octets = write_off.encode(samples.sample_write_off())
    with pytest.raises(Truncated):
        write_off.decode(octets[:-1])
    with pytest.raises(TrailingData):
        write_off.decode(octets + b"\x00")
    with pytest.raises(UnknownVersion):
        write_off.decode(b"\x02" + octets[1:])
    with pytest.raises(OutOfRange):
        write_off.signed_message(octets[:-1])


# Roster delta.


def rosters() -> tuple[bytes, bytes]:
    """The sample roster, and a later one: the first entry removed, a fourth with two cards."""
    base = roster.encode(5, samples.sample_roster())
    return base, roster_delta.apply(base, samples.sample_roster_delta())


def test_a_roster_delta_by_hand() -> None:
    """RSD-01: an entry with one card ends behind it."""
    base, new = rosters()
    octets = roster_delta.encode(samples.sample_roster_delta())
    head = "01" + roster.digest(base)[:4].hex() + "00000006" + "0004" + "0002"
    assert octets[:13].hex() == head
    assert octets[13:51] == b"\x00\x00" + new[16 : 16 + 36]
    assert octets[51:] == b"\x80\x03" + new[16 + 3 * 64 :]


def test_a_delta_makes_the_new_roster_and_only_of_its_base() -> None:
    """RSD-02, RSD-03: the signature is judged over the digest of what comes out."""
    base, new = rosters()
    delta = samples.sample_roster_delta()
    assert vars(roster_delta.between(base, new)) == vars(delta)
    header, entries = roster.decode(new)
    assert (header.number, header.count) == (6, 4)
    assert entries[0].state == roster.REMOVED
    assert new[16 + 64 : 16 + 3 * 64] == base[16 + 64 :]
    with pytest.raises(OutOfRange, match="base"):
        roster_delta.apply(new, delta)
    with pytest.raises(OutOfRange, match="count"):
        roster_delta.between(new, base)


@pytest.mark.parametrize(
    ("name", "value", "field"), [("number", 5, "number"), ("count", 2, "number"), ("count", 5, "entries")]
)
def test_a_delta_that_does_not_go_forward_is_not_applied(name: str, value: int, field: str) -> None:
    """RSD-02: by number and count, and no entry comes from nowhere."""
    base, _ = rosters()
    delta = samples.sample_roster_delta()
    setattr(delta, name, value)
    with pytest.raises(OutOfRange) as info:
        roster_delta.apply(base, delta)
    assert info.value.field == field


def test_a_delta_has_one_encoding() -> None:
    """RSD-01, GEN-02: a second card is announced where there is one, indices rise."""
    octets = roster_delta.encode(samples.sample_roster_delta())
    announced = octets[:13] + b"\x80\x00" + octets[15:51] + bytes(28) + octets[51:]
    with pytest.raises(NotCanonical):
        roster_delta.decode(announced)
    for index in (b"\x80\x00", b"\x80\x04", b"\xff\xff"):
        with pytest.raises(OutOfRange, match="index"):
            roster_delta.decode(octets[:51] + index + octets[53:])
    with pytest.raises(OutOfRange, match="state at octet 15"):
        roster_delta.decode(octets[:15] + b"\x03" + octets[16:])


def test_180_families_with_one_card_are_as_many_parts_as_there_may_be() -> None:
    """RSD-01, PRT-01."""
    delta = samples.sample_roster_delta()
    delta.count = 842
    delta.entries = tuple((4 * i, delta.entries[0][1]) for i in range(180))
    unit = roster_delta.encode(delta) + bytes(certificates.SIGNATURE_OCTETS)
    assert len(parts.split(frame.DOWN_ROSTER_DELTA, unit)) <= parts.PARTS_MAX
