"""Release bundles: what the manifest holds, what is refused, and that no path leads out of the slot."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import release, status
from protocol.errors import NotCanonical, OutOfRange, ProtocolError, Truncated, UnknownVersion
from tools.golden_vectors import samples

SIGNATURE = bytes(range(64))


def file_of(path: str, octets: bytes = b"x") -> release.File:
    """A file of the manifest."""
    return release.File(path, len(octets), hashlib.sha256(octets).digest())


def manifest_of(*paths: str, number: int = 7, least: int = 3) -> release.Manifest:
    """A manifest of files with one octet each."""
    return release.Manifest(release.CHIP_ESP32, number, least, tuple(file_of(path) for path in paths))


def test_a_bundle_by_hand() -> None:
    """REL-01, REL-02."""
    octets = release.encode(manifest_of("firmware/app.mpy"))
    assert octets == (
        b"LMBU\x01\x00" + bytes.fromhex("00000007 00000003 0001") + b"\x10firmware/app.mpy"
        + bytes.fromhex("00000001") + hashlib.sha256(b"x").digest()
    )  # fmt: skip
    read, signed, signature, offset = release.decode(octets + SIGNATURE + b"x")
    assert (read.chip, read.release, read.least, read.size) == (0, 7, 3, 1)
    assert (signed, signature, offset) == (octets, SIGNATURE, len(octets) + 64)
    assert release.signed_message(signed) == b"lumbung/rel/1\0\0\0" + hashlib.sha256(octets).digest()


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/a",
        "a/",
        "a//b",
        "..",
        "../x",
        "a/../../x",
        ".",
        "a/./b",
        "A",
        "a b",
        "a\\b",
        "é",
        "a\x00",
        "x" * 97,
    ],
)
def test_no_path_leads_out_of_the_slot(path: str) -> None:
    """REL-03: neither written nor read."""
    with pytest.raises((OutOfRange, UnicodeEncodeError)):
        release.encode(manifest_of(path))
    raw = path.encode()
    good = release.encode(manifest_of("z"))
    forged = good[:16] + bytes((len(raw),)) + raw + good[18:]
    with pytest.raises(ProtocolError):
        release.decode(forged + SIGNATURE)


@pytest.mark.parametrize("paths", [("b", "a"), ("a", "a")])
def test_paths_rise(paths: tuple[str, ...]) -> None:
    """REL-03."""
    with pytest.raises(NotCanonical):
        release.encode(manifest_of(*paths))
    one, other = (release.encode(manifest_of(path))[16:] for path in paths)
    head = release.encode(manifest_of("a", "b"))[:16]
    with pytest.raises(NotCanonical):
        release.decode(head + one + other + SIGNATURE)


@pytest.mark.parametrize(
    ("place", "octet", "error"),
    [
        (0, 0x58, UnknownVersion),
        (4, 2, UnknownVersion),
        (9, 0, OutOfRange),
        (13, 9, OutOfRange),
        (15, 0, OutOfRange),
    ],
)
def test_a_wrong_header_is_refused(place: int, octet: int, error: type[ProtocolError]) -> None:
    """REL-02: magic, version, release from 1, least at most the release, at least one file."""
    octets = bytearray(release.encode(manifest_of("a")) + SIGNATURE)
    octets[place] = octet
    with pytest.raises(error):
        release.decode(bytes(octets))
    if place < 10:  # of what a start reads
        with pytest.raises(error):
            release.number(bytes(octets[: release.HEADER_OCTETS]))


PATHS = st.lists(
    st.from_regex(r"[a-z0-9_]{1,8}(/[a-z0-9_]{1,8}){0,2}(\.mpy)?", fullmatch=True), min_size=1, max_size=12, unique=True
)  # fmt: skip


@given(PATHS, st.integers(1, release.RELEASE_MAX), st.data())
def test_what_is_written_is_read_and_what_is_cut_is_refused(
    paths: list[str], number: int, data: st.DataObject
) -> None:
    """REL-01 to REL-03."""
    least = data.draw(st.integers(0, number))
    octets = release.encode(manifest_of(*sorted(paths), number=number, least=least)) + SIGNATURE
    read, signed, _, offset = release.decode(octets)
    assert release.number(octets[: release.HEADER_OCTETS]) == read.release
    assert release.encode(read) == signed
    assert offset == len(octets)
    with pytest.raises(Truncated):
        release.decode(octets[: data.draw(st.integers(0, len(octets) - 1))])


def test_a_status_names_the_release_that_runs_and_an_older_one_names_none() -> None:
    """STA-02."""
    told = samples.sample_status()
    without = status.encode(told)
    assert len(without) == 29
    assert status.decode(without).release == 0
    told.release = 0x01020304
    assert status.encode(told) == without + b"\x01\x02\x03\x04"
    assert status.decode(without + b"\x01\x02\x03\x04").release == 0x01020304
    for wrong in (bytes(4), b"\x01", b"\x01\x02\x03\x04\x05"):
        with pytest.raises(ProtocolError):
            status.decode(without + wrong)
