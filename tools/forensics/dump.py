"""A raw flash dump as areas: the whole chip cut by the board's partition table, or the journal partition alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from tools import pinmap

SECTOR_OCTETS = 4096
JOURNAL = "journal"
ROSTERS = ("roster_a", "roster_b")
IDENTITIES = ("identity_a", "identity_b")


class DumpError(Exception):
    """The file is no dump; the text says why."""


@dataclass(frozen=True, slots=True)
class Dump:
    """`areas` by partition name; `origin`: address of each in the file, so that a reader can be shown where to look."""

    areas: dict[str, bytes] = field(repr=False)  # private keys are in them
    origin: dict[str, int]

    @property
    def journal(self) -> bytes:
        """The journal partition."""
        return self.areas[JOURNAL]


def of(octets: bytes) -> Dump:
    """Cut a dump: as long as the board's flash it is the whole chip, else whole sectors of a journal."""
    board = pinmap.load()
    if len(octets) == board["module"]["flash_bytes"]:
        wanted = {JOURNAL, *ROSTERS, *IDENTITIES}
        parts = [part for part in board["partition"] if part["name"] in wanted]
        areas = {part["name"]: octets[part["offset"] : part["offset"] + part["size"]] for part in parts}
        return Dump(areas, {part["name"]: part["offset"] for part in parts})
    if not octets or len(octets) % SECTOR_OCTETS or len(octets) > board["module"]["flash_bytes"]:
        raise DumpError(f"{len(octets)} octets are neither a whole chip nor whole sectors of a journal")
    return Dump({JOURNAL: octets}, {JOURNAL: 0})


def load(path: Path) -> Dump:
    """Read a dump from a file; raises `DumpError` or `OSError`."""
    return of(path.read_bytes())
