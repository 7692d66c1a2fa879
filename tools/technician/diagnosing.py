"""Asks a terminal how it is, or reads it off its flash: status, findings, crashes and log as one value."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from protocol import notice
from tools.carry import Console, ConsoleError
from tools.forensics import documents, dump, marks, report
from tools.forensics.generation import Generation
from tools.forensics.report import Reading
from tools.forensics.sectors import SlotClass
from tools.technician import account, advice
from tools.technician.advice import Crash, Finding
from tools.technician.errors import NOTHING_READABLE_CODE, CableError, TechnicianError

_UNKNOWN_COMMAND = 1
_CRASH_WORDS = 3
_FINDING_WORDS = 5
_EVENT_WORDS = 4
_NOTICE_FLASH = 13
# By why a terminal is locked (`marks.why_locked`).
_LOCK_NOTICES = {0: 4, notice.REPLACED: 18, notice.REVOKED: 19, notice.FORKED: 4}


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened since the terminal was switched on; `detail` is a number whose meaning the name fixes."""

    number: int
    uptime_s: int
    name: str
    detail: int


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """`source`: "console" or "dump"; `status` as the console's `status`, from a dump as far as flash tells."""

    source: str
    status: dict[str, str]
    findings: list[Finding] = field(default_factory=list)
    crashes: list[Crash] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)

    def advice(self, language: str) -> list[advice.Advice]:
        """What to do next."""
        return advice.advise(self.status, self.findings, self.crashes, language)

    def as_json(self, language: str) -> dict[str, Any]:
        """A stable form for programs; no card, key or person is in it."""
        return {
            "source": self.source,
            "status": self.status,
            "findings": [asdict(one) for one in self.findings],
            "crashes": [asdict(one) for one in self.crashes],
            "events": [asdict(one) for one in self.events],
            "advice": [asdict(one) | {"weight": one.weight.name.lower()} for one in self.advice(language)],
        }


# -- a terminal that answers


def ask(console: Console) -> Diagnosis:
    """Everything that its console tells. A release that lacks one of the commands is asked for the others."""
    status = _fetch(console, "status")[1]
    findings = [_finding(words) for words in _lines(console, "flash") if len(words) == _FINDING_WORDS]
    crashes = [_crash(words) for words in _lines(console, "crashes") if len(words) >= _CRASH_WORDS]
    events = [_event(words) for words in _lines(console, "log") if len(words) == _EVENT_WORDS]
    return Diagnosis("console", status, findings, crashes, events)


def _fetch(console: Console, command: str) -> tuple[bytes, dict[str, str]]:
    """A refusal is an answer with nothing in it: diagnosis is for terminals that are not well."""
    try:
        return console.fetch(command)
    except ConsoleError as error:
        if error.code:
            return b"", {}
        raise CableError(
            f"the terminal stopped answering ({error})", "look at the cable and run the command again"
        ) from error


def _lines(console: Console, command: str) -> list[list[str]]:
    """The words of each line that a command sends."""
    text = _fetch(console, command)[0].decode("ascii", "replace")
    return [line.split() for line in text.splitlines() if line]


def _finding(words: list[str]) -> Finding:
    return Finding(words[0], int(words[1]), int(words[2]), words[3], int(words[4], 16))


def _crash(words: list[str]) -> Crash:
    return Crash(int(words[0]), int(words[1]), int(words[2]), " ".join(words[3:]))


def event_of(words: list[str]) -> Event | None:
    """The event that a line of the live view is, None where it tells what changed."""
    if len(words) != _EVENT_WORDS or any("=" in word for word in words):
        return None
    return _event(words)


def _event(words: list[str]) -> Event:
    return Event(int(words[0]), int(words[1]), words[2], int(words[3]))


class _EnoughError(Exception):
    """The technician has seen enough."""


def live(console: Console, show: Callable[[str], None], seconds: float = 0.0) -> None:
    """Show each line as it comes: for `seconds`, else until the technician interrupts; the terminal is told to stop then."""
    held = ""
    until = time.monotonic() + seconds

    def take(octets: bytes) -> None:
        nonlocal held
        held += octets.decode("ascii", "replace")
        *whole, held = held.split("\n")
        for line in whole:
            show(line)
        if seconds and time.monotonic() > until:
            raise _EnoughError

    try:
        console.fetch("live", take)
    except (_EnoughError, KeyboardInterrupt):
        _fetch(console, "END")
    except ConsoleError as error:
        if error.code == _UNKNOWN_COMMAND:
            raise TechnicianError(
                "this terminal's release has no live view", "renew it with `lumbung update`"
            ) from error
        raise CableError(f"the terminal stopped answering ({error})", "look at the cable") from error


# -- one that does not


class NoTerminalError(TechnicianError):
    """The dump holds no terminal."""

    code = NOTHING_READABLE_CODE


def read(octets: bytes) -> Diagnosis:
    """The same from a dump of the flash, as far as it tells; raises `NoTerminalError`."""
    try:
        reading = report.read(dump.of(octets))
    except dump.DumpError as error:
        raise NoTerminalError(
            f"this is no dump of a terminal: {error}", "give the whole flash as esptool reads it"
        ) from error
    current = reading.current
    status: dict[str, str] = {}
    if current is None and not reading.generations:
        raise NoTerminalError(
            "nothing of a terminal is in this dump", "`lumbung rescue --dump` tells what it looks like"
        )
    if current is None and dump.IDENTITIES[0] in reading.dump.areas:
        status["stopped"] = "302"  # what it will say when it starts
    elif current is not None and current.kid is not None:
        status |= {
            "kid": f"{current.kid:08x}",
            "keys": "chip" if current.get(documents.KEY_CHIP) else "software",
        }
    findings = _rosters(reading)
    crashes: list[Crash] = []
    if reading.generations:
        one = reading.generations[0]
        status |= _journal(one, reading)
        findings = [*_missing(one, reading), *findings]
        crashes = _crashes(one)
    return Diagnosis("dump", status, findings, crashes)


def _journal(one: Generation, reading: Reading) -> dict[str, str]:
    """What the console's `status` says of the journal."""
    reckoned = account.of_dump(one, reading.sectors)
    known = reckoned.known
    told = {
        "kid": f"{one.kid:08x}",
        "boots": str(marks.boots(one.slots)),
        "head": str(one.sequence),
        "first": str(one.first_sequence),
        "sealed": str(known.sealed_through),
        "reclaim": str(known.reclaim_through),
        "waiting": str(max(0, one.sequence - known.sealed_through)),
        "heard_s": str(known.time_s),
        "epoch": str(known.epoch),
        "counter": str(known.counter),
        "retired": str(len(marks.retired_places(one.slots))),
    }
    if reckoned.waiting_rupiah is not None:
        told["waiting_rupiah"] = str(reckoned.waiting_rupiah)
    locks = [_LOCK_NOTICES[marks.why_locked(slot.payload)] for slot in one.marks if slot.kind == marks.LOCK]
    notices = locks[:1] + ([] if _is_sound(one) else [_NOTICE_FLASH])
    if notices:
        told["notices"] = ",".join(map(str, notices))
    if locks:
        told["locked"] = "1"
    return told


def _is_sound(one: Generation) -> bool:
    return not one.gaps and not one.troubles


def _missing(one: Generation, reading: Reading) -> list[Finding]:
    base = reading.dump.origin[dump.JOURNAL]
    found = [
        Finding("sector-retired", place, place, dump.JOURNAL, base + place * dump.SECTOR_OCTETS)
        for place in marks.retired_places(one.slots)
    ]
    found += [
        Finding("records-missing", gap.first, gap.last, dump.JOURNAL, base + (gap.after or 0))
        for gap in one.gaps
    ]
    return found


def _rosters(reading: Reading) -> list[Finding]:
    """Damaged entries of the roster in force, or a roster that is not whole."""
    found = []
    for told in documents.describe_rosters(reading.dump, reading.current):
        if told.get("empty"):
            continue
        entries = told.get("damaged_entries", [])
        found += [
            Finding("roster-entry", one["index"], one["index"], told["area"], one["address"])
            for one in entries
        ]
        if not told["whole"] and not entries:
            found.append(Finding("roster", 0, 0, told["area"], 0))
    return found


def _crashes(one: Generation) -> list[Crash]:
    """Crashes in the order in which they were made; a start copies what it finds last, so neighbours that are equal are one."""
    found: list[Crash] = []
    after = 0
    for slot in one.slots:
        if slot.slot_class is SlotClass.RECORD:
            after = slot.sequence
        elif slot.kind == marks.CRASH:
            told = marks.describe(slot)[1]
            crash = Crash(
                told.get("code", 0), told.get("uptime_s", 0), after, str(told.get("detail", "")).strip()
            )
            if crash not in found[-1:]:
                found.append(crash)
    return found
