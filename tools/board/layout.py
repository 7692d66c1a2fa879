"""Where the parts are (hardware/board/layout.toml): their boxes and pins in millimetres, and what is wrong with them."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.board.parts import Catalogue
from tools.board.schematic import Netlist
from tools.pinmap import ROOT

LAYOUT = ROOT / "hardware" / "board" / "layout.toml"
_PITCH = 2.54
_MODULE_PITCH = 2.0
_MODULE_FIRST = 9.5
_EDGE = 1.2
"""How far inside its box a pin is drawn."""

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Place:
    """One part: its box, the edge its pins are at, and where each pin is, by its number."""

    ref: str
    kind: str
    x: float
    y: float
    width: float
    height: float
    edge: str
    pins: dict[str, Point]

    def overlaps(self, other: Place) -> bool:
        """Tell whether two boxes share more than an edge."""
        return (
            self.x < other.x + other.width
            and other.x < self.x + self.width
            and self.y < other.y + other.height
            and other.y < self.y + self.height
        )


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the assembly: the parts that it puts in."""

    name: str
    title: str
    parts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Layout:
    """All of it; `told` is the file's own tables, for the case and the reader."""

    places: dict[str, Place]
    steps: tuple[Step, ...]
    carrier: tuple[float, float]
    told: dict[str, Any]


def load(path: Path = LAYOUT) -> dict[str, Any]:
    """Read the file."""
    return tomllib.loads(path.read_text(encoding="utf-8"))


def lay_out(sheet: Netlist, catalogue: Catalogue, told: dict[str, Any]) -> Layout:
    """Put the schematic's parts where the file says; a part without a place is left out, and `faults` names it."""
    places = {}
    for ref, placed in sheet.placed.items():
        if ref in told["at"] and placed.kind in told["size"]:
            x, y, edge = told["at"][ref]
            width, height = told["size"][placed.kind]
            numbers = [pin.number for pin in catalogue.parts[placed.kind].pins]
            pins = dict(zip(numbers, _pin_points(edge, x, y, width, height, len(numbers)), strict=False))
            places[ref] = Place(ref, placed.kind, x, y, width, height, edge, pins)
    steps = tuple(Step(step["name"], step["title"], tuple(step["parts"])) for step in told["step"])
    width, height = told["carrier"]["size"]
    return Layout(places, steps, (width, height), told)


def faults(layout: Layout, sheet: Netlist) -> list[str]:
    """One sentence for each thing that could not be built, or that a reader of the guide would miss."""
    return [*_place_faults(layout, sheet), *_step_faults(layout, sheet), *_case_faults(layout.told)]


def _place_faults(layout: Layout, sheet: Netlist) -> Iterator[str]:
    in_case = {"PCB1", "H1"}
    for ref in sheet.placed:
        if ref not in layout.places and ref not in in_case:
            yield f"{ref} has no place in layout.toml"
    for ref in layout.told["at"]:
        if ref not in sheet.placed:
            yield f"layout.toml places {ref}, which is not on the board"
    places = list(layout.places.values())
    width, height = layout.carrier
    for index, place in enumerate(places):
        for other in places[index + 1 :]:
            if place.overlaps(other):
                yield f"{place.ref} stands on {other.ref}"
        is_on = (
            place.x < width and place.y < height and place.x + place.width > 0 and place.y + place.height > 0
        )
        is_within = (
            place.x >= 0
            and place.y >= -1
            and place.x + place.width <= width
            and place.y + place.height <= height
        )
        if is_on and not is_within and place.kind != "module":  # its antenna belongs beyond the edge
            yield f"{place.ref} hangs over the carrier board's edge"


def _step_faults(layout: Layout, sheet: Netlist) -> Iterator[str]:
    seen: set[str] = set()
    for step in layout.steps:
        for ref in step.parts:
            if ref in seen:
                yield f"{ref} is put in twice, again in step {step.name}"
            if ref not in sheet.placed:
                yield f"step {step.name} puts in {ref}, which is not on the board"
            seen.add(ref)
    for ref in layout.places:
        if ref not in seen:
            yield f"no step puts in {ref}"


def _case_faults(told: dict[str, Any]) -> Iterator[str]:
    """Things in the case are inside it and beside each other, and the antenna is as far from metal as it must be."""
    width, height = told["case"]["size"]
    away = told["reader"]["metal_away"]
    for level in ("lid", "floor"):
        items = [*told["case"][level], *(item for item in told["case"]["label"] if item["on"] == level)]
        for index, item in enumerate(items):
            if not _is_inside(item, width, height):
                yield f"case: {item['label']} is not inside"
            for other in items[index + 1 :]:
                if _distance(item, other) < 0:
                    yield f"case: {item['label']} stands on {other['label']}"
    reader = next(item for item in told["case"]["lid"] if item["ref"] == "A3")
    # The floor is deeper than the distance that the antenna needs, so only what is at the lid can be too near.
    for other in told["case"]["lid"]:
        if other is not reader and _distance(reader, other) < away:
            yield f"case: {other['label']} is nearer than {away} mm to the reader's antenna"


def _is_inside(item: dict[str, Any], width: float, height: float) -> bool:
    (x, y), (w, h) = item["at"], item["size"]
    return bool(x >= 0 and y >= 0 and x + w <= width and y + h <= height)


def _distance(one: dict[str, Any], other: dict[str, Any]) -> float:
    """The greater of the gaps between two boxes in x and in y: negative where they overlap."""
    gaps = [
        max(
            other["at"][axis] - one["at"][axis] - one["size"][axis],
            one["at"][axis] - other["at"][axis] - other["size"][axis],
        )
        for axis in (0, 1)
    ]
    return float(max(gaps))


def _pin_points(edge: str, x: float, y: float, width: float, height: float, count: int) -> list[Point]:
    """The pins' places in the order of their numbers."""
    if edge == "module":
        return _module_points(x, y, width, height)
    if edge == "dip":
        half = count // 2
        lower = [(x + width / 2 + (i - (half - 1) / 2) * _PITCH, y + height - _EDGE) for i in range(half)]
        upper = [(point_x, y + _EDGE) for point_x, _ in reversed(lower)]
        return lower + upper
    if edge == "ends":
        return [(x + _EDGE, y + height / 2), (x + width - _EDGE, y + height / 2)]
    along = width if edge in ("top", "bottom") else height
    pitch = min(_PITCH, along / max(1, count))
    offsets = [along / 2 + (index - (count - 1) / 2) * pitch for index in range(count)]
    if edge == "left":
        return [(x + _EDGE, y + offset) for offset in offsets]
    if edge == "right":
        return [(x + width - _EDGE, y + offset) for offset in offsets]
    if edge == "top":
        return [(x + offset, y + _EDGE) for offset in offsets]
    return [(x + offset, y + height - _EDGE) for offset in offsets]


def _module_points(x: float, y: float, width: float, height: float) -> list[Point]:
    """The module: 14 pins down its left side, 10 along its end, 14 up its right side, and the pad below."""
    left = [(x + _EDGE, y + _MODULE_FIRST + index * _MODULE_PITCH) for index in range(14)]
    bottom = [(x + width / 2 + (index - 4.5) * _MODULE_PITCH, y + height - _EDGE) for index in range(10)]
    right = [(x + width - _EDGE, point_y) for _, point_y in reversed(left)]
    return [*left, *bottom, *right, (x + width / 2, y + height / 2)]
