"""Lists normative sentences of the protocol without a test, ids that no sentence has, and ids given twice.

Run as `python -m tools.protocol_ids`; exit status 1 if there is any. A sentence of `protocol/README.md` carries its id in
brackets at its start; a test names the id in a comment, a docstring or a marker of a file below `tests/`.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from tools.setup.checkout import ROOT

GROUPS = (
    "GEN",
    "DAT",
    "REC",
    "CHN",
    "COD",
    "FRM",
    "CAR",
    "CTX",
    "KEY",
    "UN",
    "CRD",
    "PIN",
    "ROS",
    "POL",
    "GRT",
    "CRT",
    "ACK",
    "STA",
    "NOT",
    "BRG",
    "PRV",
    "PRT",
    "WOF",
    "TKO",
    "RSD",
    "RSC",
    "REL",
    "VER",
)
_ID = rf"(?:{'|'.join(GROUPS)})-\d\d"
_DEFINED = re.compile(rf"^- \[({_ID})\]", re.MULTILINE)
_MENTIONED = re.compile(rf"\b({_ID})\b")


@dataclass(frozen=True)
class Findings:
    """What is wrong, each a sorted list of ids (with the files that use them, where they are unknown)."""

    untested: list[str]
    unknown: list[str]
    twice: list[str]

    def __bool__(self) -> bool:
        return bool(self.untested or self.unknown or self.twice)


def defined(text: str) -> Counter[str]:
    """How often each id starts a normative sentence."""
    return Counter(_DEFINED.findall(text))


def mentioned(text: str) -> set[str]:
    """The ids that a text names."""
    return set(_MENTIONED.findall(text))


def compare(readme: str, tests: dict[str, str]) -> Findings:
    """Hold the sentences of `readme` against the texts of `tests` (by file name)."""
    sentences = defined(readme)
    tested: set[str] = set()
    unknown = [f"{one} (protocol/README.md)" for one in mentioned(readme) - set(sentences)]
    for name, text in tests.items():
        found = mentioned(text)
        tested |= found
        unknown += [f"{one} ({name})" for one in found - set(sentences)]
    return Findings(
        untested=sorted(set(sentences) - tested),
        unknown=sorted(unknown),
        twice=sorted(one for one, count in sentences.items() if count > 1),
    )


def findings(root: Path = ROOT) -> Findings:
    """What is wrong in a checkout."""
    tests = {
        str(path.relative_to(root)): path.read_text(encoding="utf-8")
        for path in sorted((root / "tests").rglob("test_*.py"))
        if path.name != "test_protocol_ids.py"
    }
    return compare((root / "protocol" / "README.md").read_text(encoding="utf-8"), tests)


def main() -> int:
    """Print what is wrong and fail if there is anything."""
    found = findings()
    for what, ids in (
        ("no test names", found.untested),
        ("no sentence has", found.unknown),
        ("more than one sentence has", found.twice),
    ):
        for one in ids:
            print(f"protocol ids: {what} {one}")
    if not found:
        print("protocol ids: every normative sentence has a test")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
