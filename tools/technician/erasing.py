"""Erases a terminal for good, but only after everything on it was read and saved, and its name was typed."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from pathlib import Path

from tools import pinmap
from tools.forensics import dump, export, report
from tools.technician import dumping
from tools.technician.cable import Chip, Progress
from tools.technician.errors import CableError, HoldsRecordsError
from tools.technician.laptop import LaptopError


@dataclass(frozen=True, slots=True)
class Saved:
    """What was read: the terminal's name (its number, or the chip's MAC), its records and the files that hold them."""

    name: str
    records: int
    files: int
    md5: str
    size: int


def save(chip: Chip, folder: Path, progress: Progress | None = None) -> Saved:
    """Read the whole flash into `folder` and export every record found in it.

    The dump holds the private keys of a terminal with software keys, so only its owner may read it; destroy it when the records are
    booked. Raises `LaptopError` where the disk has no room: nothing is erased then.
    """
    try:
        _, octets = dumping.take(chip, folder, progress)
        name, records, files = chip.mac, 0, 1
        if len(octets) == pinmap.load()["module"]["flash_bytes"]:
            reading = report.read(dump.of(octets))
            files += len(export.write(reading, folder / "records"))
            records = sum(len(one.records) for one in reading.generations)
            if reading.current is not None and reading.current.kid is not None:
                name = f"{reading.current.kid:08X}"
    except OSError as error:
        raise LaptopError(
            f"{folder} cannot be written ({error.strerror or error})",
            "make room on the disk; nothing was erased",
        ) from error
    return Saved(name, records, files, chip.md5(0, len(octets)), len(octets))


def erase(chip: Chip, saved: Saved, typed: str) -> None:
    """Erase all of it. Refused unless the name is typed as it is, and the flash is still what was saved."""
    if not hmac.compare_digest(typed.strip().upper().encode(), saved.name.upper().encode()):
        raise HoldsRecordsError(
            "the name that was typed is not this terminal's: nothing was erased", f"it is {saved.name}"
        )
    if chip.md5(0, saved.size) != saved.md5:
        raise CableError("the flash is no longer what was saved: nothing was erased", "run the command again")
    chip.erase(0, saved.size)
    if not chip.is_erased(0, saved.size):
        raise CableError(
            "something is left on the flash", "run the command again; the module may be worn out"
        )
