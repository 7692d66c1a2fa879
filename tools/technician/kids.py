"""The block of kids that the authority allotted to this laptop: each is taken once, and written down before it is used.

A text file. Its first line is `block FIRST LAST`; each line after it is a kid that was taken and the day.
"""

from __future__ import annotations

import re
from pathlib import Path

from tools.technician import laptop
from tools.technician.errors import TechnicianError

_HEAD = re.compile(r"block ([0-9a-f]{8}) ([0-9a-f]{8})")
_TAKEN = re.compile(r"([0-9a-f]{8}) \d{4}-\d{2}-\d{2}")


class KidError(TechnicianError):
    """No kid can be given to this terminal, or not this one."""

    code = 11


class KidBlock:
    """The block in the file at `path`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        lines = laptop.fetch(path, "the block of kids").decode("ascii", "replace").lower().splitlines()
        head = _HEAD.fullmatch(lines[0].strip()) if lines else None
        if head is None:
            raise self._broken(1)
        self._first, self._last = int(head[1], 16), int(head[2], 16)
        self._taken: dict[int, str] = {}
        for place, line in enumerate(lines[1:], 2):
            taken = _TAKEN.fullmatch(line.strip())
            if taken is None:
                raise self._broken(place)
            self._taken[int(taken[1], 16)] = line.strip()

    def _broken(self, line: int) -> KidError:
        return KidError(
            f"{self._path}, line {line}: no block of kids",
            "line 1 is `block FIRST LAST` in eight hexadecimal digits each, as the authority allotted them; "
            "the others are taken kids with their day, and are never deleted",
        )

    def has_taken(self, kid: int) -> bool:
        """Whether a kid of this block was given to a terminal before."""
        return kid in self._taken

    def take(self, day: str, kid: int | None = None) -> int:
        """The next free kid, or `kid` itself; it is on disk as taken when this returns."""
        if kid is None:
            free = (one for one in range(self._first, self._last + 1) if one not in self._taken)
            kid = next(free, None)
            if kid is None:
                raise KidError(f"{self._path}: all kids are taken", "ask the authority for another block")
        if kid in self._taken:
            raise KidError(
                f"kid {kid:08x} was given to another terminal on {self._taken[kid][9:]}",
                "a kid is never used twice: leave --kid out, and the next free one is taken",
            )
        if not self._first <= kid <= self._last:
            raise KidError(
                f"kid {kid:08x} is not in this laptop's block {self._first:08x} to {self._last:08x}",
                "leave --kid out, or leave --kids out and answer for it",
            )
        self._taken[kid] = f"{kid:08x} {day}"
        lines = [
            f"block {self._first:08x} {self._last:08x}",
            *(self._taken[one] for one in sorted(self._taken)),
        ]
        laptop.keep(self._path, ("\n".join(lines) + "\n").encode())
        return kid
