"""Carry files and QR texts by hand: CAR-01 to CAR-06."""

from __future__ import annotations

import zlib

import construct
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware.qr_code import version_for
from protocol import carry, frame, schema
from protocol.errors import NotCanonical, OutOfRange, ProtocolError, Truncated, UnknownVersion

FRAMES = st.lists(st.binary(min_size=13, max_size=300), max_size=6)


def test_an_entry_by_hand() -> None:
    """CAR-01: magic, version, length, frame, CRC."""
    assert (carry.FRAME_OCTETS_MIN, carry.FRAME_OCTETS_MAX) == (frame.HEADER_OCTETS, frame.MQTT_OCTETS_MAX)
    octets = bytes(range(13))
    head = b"LMBG\x01\x00\x00\x0d" + octets
    assert carry.pack(octets) == head + zlib.crc32(head).to_bytes(4, "big")
    assert carry.unpack(carry.pack(octets)) == (octets, carry.OVERHEAD_OCTETS + 13)


@given(st.binary(min_size=13, max_size=60), st.data())
def test_the_declared_layout_reads_and_refuses_the_same(octets: bytes, data: st.DataObject) -> None:
    """CAR-01: whole, and with one octet changed or cut off."""
    entry = carry.pack(octets)
    assert schema.CarryEntry.parse(entry).entry.value.frame == octets
    assert schema.CarryEntry.build({"entry": {"value": {"frame": octets}}, "check": None}) == entry
    hurt = bytearray(entry)
    hurt[data.draw(st.integers(0, len(entry) - 1))] ^= data.draw(st.integers(1, 255))
    for changed in (bytes(hurt), entry[: data.draw(st.integers(0, len(entry) - 1))]):
        with pytest.raises(ProtocolError):
            carry.unpack(changed)
        with pytest.raises(construct.ConstructError):
            schema.CarryEntry.parse(changed)


@given(FRAMES, FRAMES)
def test_joined_files_hold_what_both_held(one: list[bytes], two: list[bytes]) -> None:
    """CAR-01."""
    joined = b"".join(map(carry.pack, one)) + b"".join(map(carry.pack, two))
    assert [octets for _, octets, _ in carry.read(joined)] == one + two


@pytest.mark.parametrize("length", [0, 12, 65_537])
def test_what_is_no_frame_by_its_length_is_not_packed(length: int) -> None:
    """CAR-01."""
    with pytest.raises(OutOfRange, match="length"):
        carry.pack(bytes(length))


@given(st.lists(st.binary(min_size=13, max_size=60), min_size=1, max_size=4), st.data())
def test_a_cut_file_gives_what_came_before_the_cut(frames: list[bytes], data: st.DataObject) -> None:
    """CAR-02."""
    whole = b"".join(map(carry.pack, frames))
    cut = data.draw(st.integers(1, len(whole) - 1))
    found = carry.read(whole[:cut])
    complete = [octets for _, octets, error in found if error is None]
    assert complete == frames[: len(complete)]
    reached = sum(len(octets) + carry.OVERHEAD_OCTETS for octets in complete)
    if reached == cut:
        assert len(found) == len(complete)
    else:
        assert [type(error) for _, _, error in found[len(complete) :]] == [Truncated]
        assert found[-1][0] == reached


@given(st.lists(st.binary(min_size=13, max_size=60), min_size=2, max_size=5), st.data())
def test_damage_costs_no_other_entry(frames: list[bytes], data: st.DataObject) -> None:
    """CAR-03: one octet changed in one entry; the others are read, and the damage is reported."""
    entries = [bytearray(carry.pack(octets)) for octets in frames]
    hurt = data.draw(st.integers(0, len(entries) - 1))
    at = data.draw(st.integers(0, len(entries[hurt]) - 1))
    entries[hurt][at] ^= data.draw(st.integers(1, 255))
    found = carry.read(b"".join(map(bytes, entries)))
    read = [octets for _, octets, error in found if error is None]
    assert read == frames[:hurt] + frames[hurt + 1 :]
    assert any(error for _, _, error in found)


@given(st.binary(max_size=400))
def test_garbage_is_reported_and_ends(octets: bytes) -> None:
    """CAR-03, GEN-03: whatever the octets, reading ends; nothing is taken for a frame that was none."""
    for offset, taken, error in carry.read(octets):
        assert 0 <= offset < len(octets)
        assert (error is None) == bool(taken)


def test_what_ails_an_entry_is_named() -> None:
    """CAR-01, CAR-03."""
    entry = carry.pack(bytes(20))
    for changed, error, field in (
        (b"LMBX" + entry[4:], OutOfRange, "magic"),
        (entry[:4] + b"\x02" + entry[5:], UnknownVersion, "version"),
        (entry[:5] + b"\x00\x00\x05" + entry[8:], OutOfRange, "length"),
        (entry[:5] + b"\xff\xff\xff" + entry[8:], OutOfRange, "length"),
        (entry[:-1] + bytes([entry[-1] ^ 1]), OutOfRange, "check"),
        (entry[:-1], Truncated, "check"),
        (entry[:9], Truncated, "frame"),
        (entry[:3], Truncated, "magic"),
    ):
        with pytest.raises(error) as refusal:
            carry.unpack(changed)
        assert refusal.value.field == field


@pytest.mark.parametrize(
    ("octets", "text"),
    [(b"AB", "BB8"), (b"Hello!!", "%69 VD92EX0"), (b"base-45", "UJCLQE7W581"), (b"ietf!", "QED8WEX0")],
)
def test_the_examples_of_rfc_9285(octets: bytes, text: str) -> None:
    """CAR-04."""
    assert carry.qr_text(octets) == "L1:" + text
    assert carry.from_qr_text("L1:" + text) == octets


@given(st.binary(max_size=300))
def test_a_text_comes_back(octets: bytes) -> None:
    """CAR-04."""
    assert carry.from_qr_text(carry.qr_text(octets)) == octets


@given(st.text(alphabet="0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:a\u00e9\n", max_size=30))
def test_a_text_is_the_one_encoding_or_refused(text: str) -> None:
    """CAR-04, GEN-02."""
    refusal = None
    try:
        assert carry.qr_text(carry.from_qr_text("L1:" + text)) == "L1:" + text
    except ProtocolError as error:
        refusal = error
    if refusal is not None:
        assert refusal.field in ("group", "character")


def test_texts_that_are_refused() -> None:
    """CAR-04, CAR-06."""
    for text, error, field in (
        ("", OutOfRange, "prefix"),
        ("https://example.org/", OutOfRange, "prefix"),
        ("l1:BB8", OutOfRange, "prefix"),
        ("L1:BB8a", Truncated, "group"),
        ("L1:bb8", OutOfRange, "character"),
        ("L1::::", NotCanonical, "group"),
        ("L1:::", NotCanonical, "group"),
    ):
        with pytest.raises(error) as refusal:
            carry.from_qr_text(text)
        assert refusal.value.field == field


def test_the_largest_frame_fits_a_symbol_of_version_10_m() -> None:
    """CAR-05: even in a printer that knows octets only."""
    text = carry.qr_text(bytes(range(frame.SMS_OCTETS_MAX)))
    assert len(text) == 213
    assert version_for(len(text), "M") == 10
