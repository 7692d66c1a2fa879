"""Puts a built image onto a terminal, and never onto the records that it may hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tools.technician import partitions
from tools.technician.cable import Chip, Progress
from tools.technician.errors import HoldsRecordsError, WrongDeviceError
from tools.technician.image import Image

_PROBE_OCTETS = 0x1000
_KEPT = ("nvs", "phy_init", "journal", "roster_a", "roster_b", "identity_a", "identity_b")
"""What a flashing leaves alone: what was learned, and all that makes this terminal this terminal."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was done: `is_new` for a chip that held nothing, `written` and `size` in octets."""

    mac: str
    is_new: bool
    written: int
    size: int


def flash(chip: Chip, image: Image, board: dict[str, Any], progress: Progress | None = None) -> Outcome:
    """Write all pieces, each verified, segments only: nothing between them is padded over.

    Refuses before the first write: another flash size, one that lies about its size, a device that is not ours, one whose
    journal area holds something that nothing explains.
    """
    _require_size(chip, image)
    entries = partitions.of_board(board)
    table_at = board["flash"]["partition_table_offset"]
    table = partitions.decode(chip.read(table_at, partitions.TABLE_OCTETS))
    kept = {entry.name: entry for entry in entries if entry.name in _KEPT}
    journal = kept["journal"]
    is_ours = table == entries
    is_new = not is_ours and chip.is_erased(journal.offset, journal.size)
    if not is_ours and not is_new:
        raise HoldsRecordsError(
            "this chip has no table of ours, and where records stand something is written",
            "if it is a terminal, `lumbung rescue --by flash` saves what is on it; where nothing on it is needed, `lumbung erase`",
        )
    before = {name: chip.md5(entry.offset, entry.size) for name, entry in kept.items()} if is_ours else {}
    written = 0
    # The table and the loader come last: a chip whose cable was pulled before is still new, or still the terminal it was.
    for piece in sorted(image.pieces, key=lambda piece: -piece.offset):
        written += chip.write(piece.offset, piece.octets, progress, piece.name)
    _require_no_echo(chip, image)
    for name, digest in before.items():
        if chip.md5(kept[name].offset, kept[name].size) != digest:
            raise HoldsRecordsError(
                f"the area {name} changed while flashing", "do not use this terminal; dump its flash"
            )
    return Outcome(chip.mac, is_new, written, sum(len(piece.octets) for piece in image.pieces))


def _require_size(chip: Chip, image: Image) -> None:
    if chip.flash_bytes != image.flash_bytes:
        raise WrongDeviceError(
            f"this chip's flash has {chip.flash_bytes >> 20} MB, the terminal's {image.flash_bytes >> 20} MB",
            "use a module with the flash of the parts list",
        )
    for share in (2, 4):
        _require_different(chip, chip.flash_bytes // share)


def _require_no_echo(chip: Chip, image: Image) -> None:
    """What was written at the start must not be seen at a half or a quarter as well: such a chip is smaller than it says."""
    for share in (2, 4):
        _require_different(chip, image.flash_bytes // share)


def _require_different(chip: Chip, distance: int) -> None:
    here = chip.read(_PROBE_OCTETS, _PROBE_OCTETS)
    if here.strip(b"\xff") and chip.read(_PROBE_OCTETS + distance, _PROBE_OCTETS) == here:
        raise WrongDeviceError(
            f"this chip's flash repeats after {distance >> 20} MB: it says more than it has",
            "it is counterfeit: replace the module",
        )
