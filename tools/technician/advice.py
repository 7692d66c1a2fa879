"""What is wrong with a terminal and what to do next, a sentence each, from what its console or its flash tells: a pure reckoning."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

from tools.technician import faults

HEAP_LEAST_OCTETS = 100_000
SIGNAL_LEAST = 10
_SIGNAL_UNKNOWN = 99
# Notices behind which sales or records are at stake, and those that nobody at the terminal can do anything about.
_GRAVE_NOTICES = (4, 10, 13, 14)
_CALM_NOTICES = (5, 6, 16)
_GRAVE_FINDINGS = ("records-missing", "sector-header", "journal", "documents", "roster")
# It is out of service because a technician asked for it.
_STANDS_BY = 310

_UNKNOWN = {
    "en": ("this laptop's table does not know it", "take the `lumbung` of the terminal's release"),
    "id": ("tidak ada di tabel laptop ini", "pakai `lumbung` dari rilis alat itu"),
}


class Weight(IntEnum):
    """How much it matters."""

    GRAVE = 0  # no sales, or records at stake
    WRONG = 1
    CALM = 2  # to know, not to mend


@dataclass(frozen=True, slots=True)
class Advice:
    """`sort` and `key` as in the fault table ("notice", "12"); `detail`: which one, how often, where."""

    weight: Weight
    sort: str
    key: str
    what: str
    to_do: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Crash:
    """The firmware restarted: `after`: the last record before it, 0 where that is not known; `detail`: what and where."""

    code: int
    uptime_s: int
    after: int
    detail: str


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that flash does not give back (docs: firmware/ledger/findings)."""

    words: str
    first: int
    last: int
    area: str
    address: int


def advise(
    status: dict[str, str], findings: Iterable[Finding], crashes: Iterable[Crash], language: str
) -> list[Advice]:
    """Everything that is not as it should be, the gravest first; `status` as the console's `status` has it."""
    given = [
        *_stopped(status, language),
        *_notices(status, language),
        *_findings(findings, language),
        *_signs(status, language),
        *_crashes(crashes, language),
        *_refusals(status, language),
    ]
    if not given:
        given = [_sign(Weight.CALM, "sound", language)]
    return sorted(given, key=lambda advice: advice.weight)


def _of(weight: Weight, sort: str, key: int | str, language: str, detail: str = "") -> Advice:
    fault = faults.find(sort, key)
    what, to_do = fault.texts[language] if fault else _UNKNOWN[language]
    return Advice(weight, sort, str(key), what, to_do, detail)


def _sign(weight: Weight, words: str, language: str, detail: str = "") -> Advice:
    return _of(weight, faults.SIGN, words, language, detail)


def _stopped(status: dict[str, str], language: str) -> list[Advice]:
    code = number(status, "stopped")
    if not code:
        return []
    weight = Weight.CALM if code == _STANDS_BY else Weight.GRAVE
    return [_of(weight, faults.STOPPED, code, language)]


def _notices(status: dict[str, str], language: str) -> list[Advice]:
    given = []
    for notice in numbers(status, "notices"):
        weight = Weight.GRAVE if notice in _GRAVE_NOTICES else Weight.WRONG
        weight = Weight.CALM if notice in _CALM_NOTICES else weight
        given.append(_of(weight, faults.NOTICE, notice, language))
    return given


def _findings(findings: Iterable[Finding], language: str) -> list[Advice]:
    given = []
    for one in findings:
        span = str(one.first) if one.first == one.last else f"{one.first}-{one.last}"
        weight = Weight.GRAVE if one.words in _GRAVE_FINDINGS else Weight.CALM
        detail = f"{span} ({one.area} 0x{one.address:x})"
        given.append(_of(weight, faults.FINDING, one.words, language, detail))
    return given


def _crashes(crashes: Iterable[Crash], language: str) -> list[Advice]:
    """The newest of each code, and how often it came."""
    held = list(crashes)
    given = []
    for code in sorted({crash.code for crash in held}):
        same = [crash for crash in held if crash.code == code]
        given.append(_of(Weight.WRONG, faults.STOPPED, code, language, f"x{len(same)} {same[-1].detail}"))
    return [*([_sign(Weight.WRONG, "crashed", language)] if held else []), *given]


def _refusals(status: dict[str, str], language: str) -> list[Advice]:
    given = []
    for word in words(status, "refusals"):
        refusal, _, count = word.partition(":")
        if refusal.isdigit():
            given.append(_of(Weight.CALM, faults.REFUSAL, int(refusal), language, f"x{count}"))
    return given


def _signs(status: dict[str, str], language: str) -> list[Advice]:
    """What has no number of its own."""
    signal = number(status, "signal", _SIGNAL_UNKNOWN)
    waits = number(status, "waiting") > 0
    is_linked = status.get("link", "up") == "up" or status.get("way", "-") != "-"
    runs = not number(status, "stopped")
    told = (
        (runs and waits and not is_linked and status.get("ways", "-") != "-", Weight.WRONG, "waiting"),
        (runs and status.get("ways") == "-", Weight.CALM, "no-way"),
        *(
            (status.get("modem") == state, Weight.WRONG, f"modem-{state}")
            for state in ("no-SIM", "SIM-locked", "denied", "searching", "failed")
        ),
        (signal < SIGNAL_LEAST, Weight.WRONG, "signal-weak"),
        (number(status, "heap_free", HEAP_LEAST_OCTETS) < HEAP_LEAST_OCTETS, Weight.WRONG, "memory-low"),
        (number(status, "broken_seals") > 0, Weight.GRAVE, "broken-seals"),
        (number(status, "unkept") + number(status, "unrecorded") > 0, Weight.WRONG, "unkept"),
        (runs and status.get("checked") == "0", Weight.CALM, "not-checked"),
    )
    return [_sign(weight, words, language) for holds, weight, words in told if holds]


def number(status: dict[str, str], name: str, otherwise: int = 0) -> int:
    """A value as a number; `otherwise` where it is not told, or is none."""
    text = status.get(name, "")
    return int(text) if text.isdigit() else otherwise


def words(status: dict[str, str], name: str) -> list[str]:
    """A value that is a list, empty where it is told as `-` or not at all."""
    text = status.get(name, "-")
    return [] if text == "-" else text.split(",")


def numbers(status: dict[str, str], name: str) -> list[int]:
    """A value that is a list of numbers."""
    return [int(word) for word in words(status, name) if word.isdigit()]
