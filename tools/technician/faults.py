"""The fault table as data (hardware/faults.toml), and what writes the tables of hardware/FAULTS.md from it.

.venv/bin/python -m tools.technician.faults          write them anew
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tools.setup import checkout

SOURCE = checkout.ROOT / "hardware" / "faults.toml"
DOCUMENT = checkout.ROOT / "hardware" / "FAULTS.md"
LANGUAGES = ("id", "en")

STOPPED, NOTICE, SELF_TEST, CONSOLE, REFUSAL, FINDING, SIGN = (
    "stopped",
    "notice",
    "self_test",
    "console",
    "refusal",
    "finding",
    "sign",
)
# Sort of fault -> (heading in the document, columns).
_TABLES = {
    STOPPED: ("The terminal has stopped itself", ("code", "part", "likely cause", "what to do")),
    NOTICE: ("Notices", ("notice", "what is so", "what to do")),
    SELF_TEST: ("A part fails in the self-test", ("code", "what is so", "what to do")),
    CONSOLE: ("The console says ERROR", ("code", "what is so", "what to do")),
    REFUSAL: ("Refusals", ("number", "what is so", "what to do")),
    FINDING: ("Findings", ("finding", "what is so", "what to do")),
}


@dataclass(frozen=True, slots=True)
class Fault:
    """`numbers` it is known by (or one of `words`); `texts`: language -> (what is so, what to do)."""

    sort: str
    numbers: tuple[int, ...]
    words: str
    part: str
    texts: dict[str, tuple[str, str]]


@cache
def load() -> tuple[Fault, ...]:
    """Every fault of the table."""
    with SOURCE.open("rb") as file:
        told = tomllib.load(file)
    return tuple(
        Fault(
            sort,
            tuple(entry.get("numbers", ())),
            entry.get("words", ""),
            entry.get("part", ""),
            {language: (entry[language][0], entry[language][1]) for language in LANGUAGES},
        )
        for sort in (STOPPED, NOTICE, SELF_TEST, CONSOLE, REFUSAL, FINDING, SIGN)
        for entry in told[sort]
    )


def find(sort: str, key: int | str) -> Fault | None:
    """The fault of a number or word, None where the table knows none: a release newer than this laptop's."""
    for fault in load():
        if fault.sort == sort and (key in fault.numbers or key == fault.words != ""):
            return fault
    return None


def table(sort: str) -> list[str]:
    """The lines of a table in Markdown."""
    _, columns = _TABLES[sort]
    lines = ["| " + " | ".join(columns) + " |", "|---" * len(columns) + "|"]
    for fault in load():
        if fault.sort == sort:
            key = ", ".join(map(str, fault.numbers)) or fault.words
            cells = [key, *([fault.part] if sort == STOPPED else []), *fault.texts["en"]]
            lines.append("| " + " | ".join(cells) + " |")
    return lines


def written(document: str) -> str:
    """A document with the tables under its headings as the data have them; `ValueError` where a heading is lacking."""
    lines = document.splitlines()
    for sort, (heading, _) in _TABLES.items():
        start = next((at for at, line in enumerate(lines) if line.startswith(f"## {heading}")), None)
        if start is None:
            raise ValueError(f"no heading {heading!r}")
        first = next(at for at in range(start, len(lines)) if lines[at].startswith("|"))
        last = first
        while last < len(lines) and lines[last].startswith("|"):
            last += 1
        lines[first:last] = table(sort)
    return "\n".join(lines) + "\n"


def main(document: Path = DOCUMENT) -> None:
    """Write the tables."""
    document.write_text(written(document.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
