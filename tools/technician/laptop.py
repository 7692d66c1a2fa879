"""Files that a technician's command leaves on the laptop: whole or not at all, and a full disk is a sentence."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from tools.technician.errors import LAPTOP_CODE, TechnicianError


class LaptopError(TechnicianError):
    """A file of the laptop cannot be read or written."""

    code = LAPTOP_CODE


def keep(path: Path, octets: bytes, mode: int = 0o666) -> None:
    """Write a file so that it survives a power cut; the one that was there stays until the new one is whole. `mode`: who may read
    it, as far as the laptop allows.
    """
    if path.exists() and not path.is_file():
        raise LaptopError(
            f"{path} is there and is no file", "name another one, and run the same command again"
        )
    new = path.with_name(path.name + ".new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
            file.write(octets)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            new.unlink(missing_ok=True)
        raise LaptopError(
            f"{path} cannot be written ({error.strerror or error})",
            "make room or choose another folder, then run the same command again: it goes on where it stopped",
        ) from error


def fetch(path: Path, what: str) -> bytes:
    """Read a file that must be there; `what` it is, for people."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise LaptopError(
            f"{what} cannot be read: {path} ({error.strerror or error})", f"put {path.name} there"
        ) from error
