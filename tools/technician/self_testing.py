"""Has a terminal test its parts over the cable, and hears part by part what it waits for and what it found."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from protocol import self_test
from tools.carry import Console, ConsoleError
from tools.technician import faults, laptop
from tools.technician.errors import CableError, TechnicianError

LINE_OCTETS_MAX = 160  # of firmware/console/lines: what is longer is no line there
PASSED, FAILED, ABSENT = "passed", "failed", "absent"
# Parts that not every board has: a silent one is only broken where somebody says that it is fitted.
MAY_BE_ABSENT = ("modem", "key-chip", "contact-reader")


class PartsError(TechnicianError):
    """No parts are left to be tested, or one of them is none."""

    code = 18


class NotNowError(TechnicianError):
    """The terminal does not test its parts now."""

    code = 19


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the test of a part found: `code` of hardware/FAULTS.md, 0 unless it failed."""

    part: str
    verdict: str
    code: int
    text: str


@dataclass(slots=True)
class Report:
    """One run. `kid`: "00000000" before the terminal has one; `recorded`: the event that keeps it, 0 where none does."""

    made_s: int
    outcomes: list[Outcome] = field(default_factory=list)
    kid: str = ""
    release: int = 0
    recorded: int = 0

    @property
    def failed(self) -> list[Outcome]:
        """Parts that did not pass."""
        return [outcome for outcome in self.outcomes if outcome.verdict == FAILED]

    def as_json(self) -> dict[str, Any]:
        """A stable form for programs and files."""
        return asdict(self) | {"passed": not self.failed}


# Told of each thing as it happens: the word ("begin", "ask" or "end"), the part, and what is asked.
Heard = Callable[[str, str, str], None]


def chosen(only: Iterable[str], skip: Iterable[str]) -> tuple[str, ...]:
    """The parts to be tested; none named means all."""
    named, left_out = tuple(only), tuple(skip)
    for part in (*named, *left_out):
        if part not in self_test.PARTS:
            raise PartsError(f"{part!r} is no part", "the parts are " + ", ".join(self_test.PARTS))
    parts = tuple(part for part in self_test.PARTS if (not named or part in named) and part not in left_out)
    if not parts:
        raise PartsError("no part is left to be tested", "name fewer parts to be left out")
    return parts


def run(
    console: Console, parts: tuple[str, ...], fitted: tuple[str, ...], now_s: int, heard: Heard
) -> Report:
    """Test `parts`; `fitted` ones are on the board, so that a silent one has failed. `now_s`: the laptop's time."""
    words = ["self-test", *(parts if len(parts) < len(self_test.PARTS) else ()), f"time={now_s}"]
    if fitted:
        words.append("fitted=" + ",".join(fitted))
    line = " ".join(words)
    if len(line) > LINE_OCTETS_MAX:
        raise PartsError("too many parts are named", "name fewer parts at once")
    report = Report(now_s)
    listener = _Listener(report, heard)
    try:
        _, told = console.fetch(line, listener.take)
    except ConsoleError as error:
        raise _translated(error) from error
    report.kid, report.release, report.recorded = told["kid"], int(told["release"]), int(told["recorded"])
    return report


class _Listener:
    """Puts the lines of text together that come in pieces."""

    def __init__(self, report: Report, heard: Heard) -> None:
        self._report = report
        self._heard = heard
        self._held = b""
        self._part = ""

    def take(self, octets: bytes) -> None:
        """Octets of a DATA line."""
        *lines, self._held = (self._held + octets).split(b"\n")
        for line in lines:
            self._line(line.decode("ascii", "replace"))

    def _line(self, line: str) -> None:
        word, _, rest = line.partition(" ")
        if word == "end":
            part, verdict, code, text = (*rest.split(" ", 3), "", "", "", "")[:4]
            self._report.outcomes.append(Outcome(part, verdict, int(code) if code.isdigit() else 0, text))
        elif word == "begin":
            self._part = rest
        self._heard(word, self._part, rest if word == "ask" else "")


def keep(report: Report, folder: Path) -> Path:
    """Write what was found into a file of its own."""
    path = folder / f"self-test-{report.kid}-{report.made_s}.json"
    laptop.keep(path, (json.dumps(report.as_json(), indent=2, sort_keys=True) + "\n").encode())
    return path


def _translated(error: ConsoleError) -> TechnicianError:
    if not error.code:
        return CableError(
            f"the terminal does not answer ({error})", "look at the cable and run the same command again"
        )
    known = faults.find(faults.CONSOLE, error.code)
    advice = known.texts["en"][1] if known is not None else "run the same command again"
    return NotNowError(f"the terminal does not test its parts: {error}", advice)
