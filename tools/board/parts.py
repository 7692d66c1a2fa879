"""Reads hardware/board/parts.toml: parts, their pins and levels, and what they may cost."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.pinmap import ROOT

PARTS = ROOT / "hardware" / "board" / "parts.toml"
PIN_TYPES = frozenset(("in", "out", "io", "od", "passive", "supply-in", "supply-out", "nc"))


class PartError(Exception):
    """A part that the file describes wrongly."""


@dataclass(frozen=True, slots=True)
class Level:
    """Volts: guaranteed when high, needed to read high, borne at most."""

    high_out: float
    high_in: float
    most_in: float


@dataclass(frozen=True, slots=True)
class Pin:
    """`number` is what stands on the part, `name` what it is called; `level` is empty for pins without signals."""

    number: str
    name: str
    kind: str
    level: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """One kind of part; `fitting` names the only fitting that has it, or is empty; `i2c_pull_ohm` are the pull-ups that a module
    brings on SDA and SCL, 0 for none.
    """

    name: str
    ref: str
    part: str
    what: str
    source: str
    price_rupiah: int
    pins: tuple[Pin, ...]
    fitting: str = ""
    i2c_pull_ohm: int = 0


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All parts by name, the levels, and the day of the price estimates."""

    parts: dict[str, Part]
    levels: dict[str, Level]
    prices_of: str


def load(path: Path = PARTS) -> Catalogue:
    """Read the file; PartError names the part and pin that is wrong."""
    told = tomllib.loads(path.read_text(encoding="utf-8"))
    levels = {name: Level(**volts) for name, volts in told["level"].items()}
    parts: dict[str, Part] = {}
    for entry in told["part"]:
        part = _part(entry, levels)
        if part.name in parts:
            raise PartError(f"two parts are named {part.name}")
        parts[part.name] = part
    return Catalogue(parts, levels, told["prices_of"])


def _part(entry: dict[str, Any], levels: dict[str, Level]) -> Part:
    pins = tuple(_pin(entry["name"], text, levels) for text in entry["pins"])
    for numbers in ([pin.number for pin in pins], [pin.name for pin in pins]):
        if len(set(numbers)) != len(numbers):
            raise PartError(f"{entry['name']}: a pin stands twice")
    return Part(**{**entry, "pins": pins})


def _pin(part: str, text: str, levels: dict[str, Level]) -> Pin:
    label, *rest = text.split()
    number, _, name = label.partition(":")
    kind, level, *more = [*rest, "", ""]
    if kind not in PIN_TYPES or any(more):
        raise PartError(f"{part}: pin {label} has no type that exists")
    if (kind in ("in", "out", "io", "od")) != bool(level):
        raise PartError(f"{part}: pin {label}: signals have a level, and nothing else has")
    if level and level not in levels:
        raise PartError(f"{part}: pin {label}: level {level} does not exist")
    return Pin(number, name or number, kind, level)
