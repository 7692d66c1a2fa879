"""Reads the named statements of `queries.sql`."""

from __future__ import annotations

from functools import cache
from pathlib import Path

_FILE = Path(__file__).with_name("queries.sql")
_MARK = "-- "


@cache
def load(list_values: int) -> dict[str, str]:
    """Every statement by its name; a list `IN (?)` is widened to `list_values` values."""
    found: dict[str, list[str]] = {}
    name = ""
    for line in _FILE.read_text("utf-8").splitlines():
        if line.startswith(_MARK):
            said, colon, _ = line[len(_MARK) :].partition(": ")
            if colon and said.isidentifier():
                if said in found:
                    raise ValueError(f"two statements are called {said}")
                name = said
                found[name] = []
        elif line.strip():
            found[name].append(line)
    widened = f"IN ({', '.join('?' * list_values)})"
    return {
        name: "\n".join(lines).rstrip().rstrip(";").replace("IN (?)", widened)
        for name, lines in found.items()
    }
