"""Reads a chip's whole flash into a file that only its owner may read, and goes on where a pulled cable stopped it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from tools import pinmap
from tools.technician.cable import Chip, Progress
from tools.technician.errors import CableError, WrongDeviceError

PIECE_OCTETS = 0x10000
_FIRST = ("journal", "identity", "roster")
"""What is read before all else, by the beginning of its name: a chip that is dying may not last to the end."""


def take(chip: Chip, folder: Path, progress: Progress | None = None) -> tuple[Path, bytes]:
    """(file, octets) of a dump in `folder`, named by the chip's MAC. Nothing on the chip is changed.

    What an earlier try has read is held against the chip's own digests, so only what is lacking or has changed is read. The file
    has its full size before anything is read: a full disk is an `OSError` then. Raises `WrongDeviceError` where the flash does not
    answer, and `CableError`.
    """
    size = chip.flash_bytes
    if not size:
        raise WrongDeviceError(
            "the flash behind this chip does not answer",
            "look at the module's supply; else have its flash chip read by a programmer, and give that file with --dump",
        )
    path = folder / f"{chip.mac.replace(':', '')}.dump"
    begun = path.with_suffix(".dump.part")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    octets = _begin(path, begun, size)
    with begun.open("r+b") as file:
        for done, place in enumerate(_order(size), 1):
            end = min(place + PIECE_OCTETS, size)
            if chip.md5(place, end - place) != _digest(octets[place:end]):
                octets[place:end] = chip.read(place, end - place)
                file.seek(place)
                file.write(octets[place:end])
                file.flush()
            if progress is not None:
                progress("reading the flash", min(done * PIECE_OCTETS, size), size)
        os.fsync(file.fileno())
    if chip.md5(0, size) != _digest(octets):
        raise CableError("the flash changed while it was read", "run the same command again")
    begun.replace(path)
    return path, bytes(octets)


def _begin(path: Path, begun: Path, size: int) -> bytearray:
    """What an earlier try has read, or as much as the chip holds of what erased flash reads as; all of it has its room then."""
    octets = bytearray(b"\xff" * size)
    for earlier in (begun, path):
        if earlier.exists() and earlier.stat().st_size == size:
            octets = bytearray(earlier.read_bytes())
            break
    with os.fdopen(os.open(begun, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(octets)
        file.flush()
        os.fsync(file.fileno())
    return octets


def _order(size: int) -> Iterator[int]:
    """Where pieces begin, those with records and documents first."""
    first = [
        range(part["offset"], part["offset"] + part["size"])
        for name in _FIRST
        for part in pinmap.load()["partition"]
        if part["name"].startswith(name)
    ]
    places = list(range(0, size, PIECE_OCTETS))

    def rank(place: int) -> int:
        piece = range(place, place + PIECE_OCTETS)
        touched = [at for at, area in enumerate(first) if piece.start < area.stop and area.start < piece.stop]
        return min(touched, default=len(first))

    yield from sorted(places, key=lambda place: (rank(place), place))


def _digest(octets: bytes | bytearray) -> str:
    return hashlib.md5(octets, usedforsecurity=False).hexdigest()
