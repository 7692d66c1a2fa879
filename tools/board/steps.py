"""The pictures of the assembly guide that show the carrier board: all of it, and each step with its own parts and wires."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass

from tools.board.canvas import Canvas
from tools.board.layout import Layout, Place, Point, Step
from tools.board.parts import Catalogue
from tools.board.schematic import Netlist

RAILS = {
    "GND": "#111111",
    "+3V3": "#d62728",
    "+5V": "#e67e00",
    "+12V": "#b5179e",
    "HOLD_UP": "#00798c",
    "VBAT": "#5e35b1",
}
_PLANES = ("GND", "+3V3", "+5V")
"""Rails that go everywhere: a dot of their colour at the pin tells more than wires."""
_WIRES = (
    "#1f77b4", "#2ca02c", "#8c564b", "#e377c2", "#17a2b8", "#9aa300", "#ff7f0e", "#006d5b", "#7b3fb5", "#c0124b", "#5a6b7b",
    "#b08900",
    "#5f9e00", "#b03a2e", "#3f51b5", "#ad1457", "#6d4c41", "#4db6ac", "#f0a3c0", "#263238",
)  # fmt: skip
_STEPS = (
    "#f6d5d5", "#fff3c4", "#d5e8d4", "#dae8fc", "#e1d5e7", "#ffe0c2", "#d0efef", "#e8e4d0", "#e0e0e0",
)  # fmt: skip
_PIECES = 24
_COLUMN_LETTERS = 56
_HARD = "\N{NO-BREAK SPACE}"
_PIXELS = 1400
"""Width of every picture, however near it looks."""
_MARGIN = 7.0
_TALL = 9.0
"""Millimetres from which on a part has room for its name below its reference."""
_EDGE_ROOM = 3.0
_TITLE_ROOM = 9.0
_EVERYTHING = (-48.0, -42.0, 208.0, 128.0)
"""Left, top, right, bottom of all that layout.toml places, in millimetres."""
_BARE = ("resistor", "capacitor", "fuse", "polarity_diode", "hold_up", "led")
"""Kinds whose pins need no names in the picture."""


@dataclass(frozen=True, slots=True)
class Run:
    """One net of a step: what it joins, in words, and the pieces of wire to draw."""

    net: str
    ends: tuple[str, ...]
    wires: tuple[tuple[Point, Point], ...]


def runs(step: Step, layout: Layout, sheet: Netlist, catalogue: Catalogue) -> list[Run]:
    """The nets that a step wires: each pin of its parts, joined to the nearest pin of what is in already."""
    before: set[str] = set()
    for earlier in layout.steps:
        if earlier is step:
            break
        before.update(earlier.parts)
    own = set(step.parts)
    found = []
    for net, pins in sheet.nets.items():
        mine = [end for end in pins if end[0] in own]
        others = [end for end in pins if end[0] in before]
        if not mine or len({*mine, *others}) == 1:
            continue
        # The first step makes the rails: there all but the ground are wires.
        is_plane = net == "GND" or (net in _PLANES and bool(before))
        wires = () if is_plane else _joined(mine, others, layout)
        # Of what is in already, only where the wires arrive.
        touched = {point for wire in wires for point in wire}
        told = [*mine, *(end for end in others if _point(end, layout) in touched)]
        found.append(Run(net, tuple(_name(end, sheet, catalogue) for end in told), wires))
    return sorted(found, key=lambda run: (run.net in _PLANES, run.net))


def draw_step(step: Step, layout: Layout, sheet: Netlist, catalogue: Catalogue) -> Canvas:
    """The parts of one step and their wires, from as near as they allow; what comes later is dashed."""
    told = runs(step, layout, sheet, catalogue)
    wired = {point for run in told for wire in run.wires for point in wire}
    frame = _frame(step, layout, wired)
    canvas = _sheet_of_paper(frame, len(_rows(told)))
    _draw_carrier(canvas, layout)
    done = _before(step, layout)
    for ref, place in layout.places.items():
        state = "now" if ref in step.parts else "done" if ref in done else "later"
        _draw_part(canvas, place, sheet, catalogue, state)
    names = iter(_WIRES * 4)
    colours = {run.net: RAILS.get(run.net) or next(names) for run in told}
    of = {point: place for place in layout.places.values() for point in place.pins.values()}
    for run in told:
        for start, end in run.wires:
            curve = _curve(start, _leaves(of[start], start, end), end, _leaves(of[end], end, start))
            canvas.wire(curve, colours[run.net])
    for ref in step.parts:
        _label(canvas, layout.places[ref], sheet, catalogue, "#222222", halo=True)
    for ref, place in layout.places.items():
        if ref in step.parts or ref in done:
            shown = {number for number, point in place.pins.items() if point in wired}
            if ref in step.parts:  # of the module's many pins only those that this step joins
                rails = {
                    number
                    for run in told
                    if run.net in RAILS
                    for of_ref, number in sheet.nets[run.net]
                    if of_ref == ref
                }
                shown = shown | rails if place.kind == "module" else set(place.pins)
            _draw_pins(canvas, place, sheet, catalogue, shown)
    _trim(canvas, frame, step.title)
    _draw_table(canvas, told, colours, frame)
    return canvas


def draw_board(layout: Layout, sheet: Netlist, catalogue: Catalogue) -> Canvas:
    """Every part at its place in the colour of its step, none of the wires."""
    title = "Where the parts stand on the carrier board, and what hangs on leads around it"
    frame = _EVERYTHING
    canvas = _sheet_of_paper(frame, len(layout.steps))
    _draw_carrier(canvas, layout)
    for index, step in enumerate(layout.steps):
        for ref in step.parts:
            place = layout.places[ref]
            _draw_part(canvas, place, sheet, catalogue, "now", _STEPS[index % len(_STEPS)])
            for x, y in place.pins.values():
                canvas.dot(x, y, 0.45, "#666666")
    _trim(canvas, frame, title)
    rows = -(-len(layout.steps) // 2)
    for index, step in enumerate(layout.steps):
        x = frame[0] + 4 + (index // rows) * (frame[2] - frame[0]) / 2
        y = frame[3] + 4 + (index % rows) * 5
        canvas.box(x, y - 1.6, 6, 3.2, _STEPS[index % len(_STEPS)], "#222222")
        canvas.words(x + 8, y, step.title, 2.6, anchor="lm")
    return canvas


Frame = tuple[float, float, float, float]


def _frame(step: Step, layout: Layout, wired: set[Point]) -> Frame:
    """Left, top, right, bottom around the parts of a step and what they are wired to."""
    boxes = [layout.places[ref] for ref in step.parts if ref in layout.places]
    left = min([box.x for box in boxes] + [x for x, _ in wired])
    top = min([box.y for box in boxes] + [y for _, y in wired])
    right = max([box.x + box.width for box in boxes] + [x for x, _ in wired])
    bottom = max([box.y + box.height for box in boxes] + [y for _, y in wired])
    width = max(right - left, (bottom - top) * 1.2, 90.0)
    middle = (left + right) / 2
    return middle - width / 2 - _MARGIN, top - _MARGIN, middle + width / 2 + _MARGIN, bottom + _MARGIN


def _sheet_of_paper(frame: Frame, rows: int) -> Canvas:
    """A sheet around a frame, with room for its title above and its table below."""
    left, top, right, bottom = frame
    scale = _PIXELS / (right - left)
    unit = 6.0 / scale  # a millimetre of the widest picture: titles and tables are as large in all of them
    height = bottom - top + (_TITLE_ROOM + 4 + -(-rows // 2) * 5) * unit
    return Canvas(right - left, height, scale, (left, top - _TITLE_ROOM * unit))


def _draw_carrier(canvas: Canvas, layout: Layout) -> None:
    width, height = layout.carrier
    canvas.box(0, 0, width, height, "#f3f7f1", "#5f7d5f", 0.5)
    canvas.words(width, height + 2.5, f"carrier board {width} x {height} mm", 2.4, "#5f7d5f", "rm")


def _before(step: Step, layout: Layout) -> set[str]:
    return {ref for earlier in layout.steps[: layout.steps.index(step)] for ref in earlier.parts}


def _draw_part(
    canvas: Canvas, place: Place, sheet: Netlist, catalogue: Catalogue, state: str, fill: str = "#fff3c4"
) -> None:
    box = (place.x, place.y, place.width, place.height)
    x, y = _label_point(place, catalogue)
    if state == "later":
        canvas.dashed_box(*box, "#bbbbbb")
        canvas.words(x, y, place.ref, 2.0, "#aaaaaa")
        return
    is_now = state == "now"
    colour = "#222222" if is_now else "#777777"
    canvas.box(*box, fill if is_now else "#e4e6e8", colour, 0.4 if is_now else 0.25)
    if place.kind == "module":
        canvas.box(place.x, place.y, place.width, 7.0, "#cdbd7c" if is_now else "#cfd2d5", "#777777", 0.25)
        canvas.words(x, place.y + 3.5, "antenna", 2.0, "#444444")
    _label(canvas, place, sheet, catalogue, colour)


def _label(
    canvas: Canvas, place: Place, sheet: Netlist, catalogue: Catalogue, colour: str, halo: bool = False
) -> None:
    x, y = _label_point(place, catalogue)
    if place.height < _TALL:
        value = _short(sheet.placed[place.ref].value)
        canvas.words(x, y, f"{place.ref} {value}".strip(), 1.75, colour, halo=halo)
        return
    canvas.words(x, y - 1.5, place.ref, 2.6, colour, halo=halo)
    canvas.words(x, y + 1.5, catalogue.parts[place.kind].name.replace("_", " "), 1.7, colour, halo=halo)


def _label_point(place: Place, catalogue: Catalogue) -> Point:
    """The middle of what the pins and their names leave free."""
    x, y = place.x + place.width / 2, place.y + place.height / 2
    names = [pin.name for pin in catalogue.parts[place.kind].pins]
    taken = _EDGE_ROOM + max((len(name) for name in names), default=0)
    if place.kind == "module":
        return x, y + 4
    if place.kind in _BARE or place.edge in ("dip", "ends", "none"):
        return x, y
    if place.edge in ("left", "right"):
        return x + (taken / 2 if place.edge == "left" else -taken / 2), y
    room = max(0.0, min(taken / 2, place.height / 2 - 2 if place.height < _TALL else place.height / 2 - 4))
    return x, y + (room if place.edge == "top" else -room)


def _draw_pins(canvas: Canvas, place: Place, sheet: Netlist, catalogue: Catalogue, numbers: set[str]) -> None:
    nets = {number: net for net, ends in sheet.nets.items() for ref, number in ends if ref == place.ref}
    for pin in catalogue.parts[place.kind].pins:
        if pin.number not in numbers or pin.number not in place.pins:
            continue
        x, y = place.pins[pin.number]
        net = nets.get(pin.number, "")
        canvas.dot(x, y, 0.75, RAILS.get(net, "#ffffff") if net else "#cccccc", "#333333")
        if place.kind not in _BARE:
            _draw_pin_name(canvas, place, pin.name, x, y)
        elif net in RAILS:
            canvas.words(x, y + 2.6, net, 1.5, RAILS[net], halo=True)


def _draw_pin_name(canvas: Canvas, place: Place, name: str, x: float, y: float) -> None:
    """Beside the pin, towards the middle of its part."""
    step_x, step_y = _exit(place, (x, y))
    if len(name) == 1 and step_y:
        canvas.words(x, y - step_y * 2.1, name, 1.6)
    elif place.kind == "module" and step_y:
        canvas.upright(x, y + 1.2, name, 1.6, anchor="t")
    elif step_y > 0:
        canvas.upright(x, y - 1.2, name, 1.6)
    elif step_y < 0:
        canvas.upright(x, y + 1.2, name, 1.6, anchor="t")
    elif step_x < 0:
        canvas.words(x + 1.3, y, name, 1.6, anchor="lm")
    else:
        canvas.words(x - 1.3, y, name, 1.6, anchor="rm")


def _exit(place: Place, point: Point) -> Point:
    """The direction in which a wire leaves a pin: away from its part."""
    x, y = point
    if place.edge == "dip":
        return (0, 1) if y > place.y + place.height / 2 else (0, -1)
    if place.edge == "module" and y > place.y + place.height - 2:
        return 0, 1
    if place.edge in ("top", "bottom"):
        return (0, 1) if place.edge == "bottom" else (0, -1)
    return (-1, 0) if x < place.x + place.width / 2 else (1, 0)


def _leaves(place: Place, point: Point, towards: Point) -> Point:
    """As `_exit`; a part with two ends is left on the side where the wire goes."""
    rise = towards[1] - point[1]
    if place.edge == "ends" and abs(rise) > place.height:
        return (0, 1) if rise > 0 else (0, -1)
    return _exit(place, point)


def _curve(start: Point, leaves: Point, end: Point, arrives: Point) -> list[Point]:
    """A wire that leaves both pins away from their parts (a cubic Bezier curve), so that neighbours can be told apart."""
    far = ((start[0] - end[0]) ** 2 + (start[1] - end[1]) ** 2) ** 0.5
    reach = min(far * 0.5, 16.0)
    one = (start[0] + leaves[0] * reach, start[1] + leaves[1] * reach)
    other = (end[0] + arrives[0] * reach, end[1] + arrives[1] * reach)
    points = []
    for index in range(_PIECES + 1):
        t = index / _PIECES
        weights = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3)
        corners = (start, one, other, end)
        points.append(
            (
                sum(weight * corner[0] for weight, corner in zip(weights, corners, strict=True)),
                sum(weight * corner[1] for weight, corner in zip(weights, corners, strict=True)),
            )
        )
    return points


def _trim(canvas: Canvas, frame: Frame, title: str) -> None:
    """Take away what stands beyond the frame, and write the title above it."""
    left, top, right, bottom = frame
    unit = 6.0 * (right - left) / _PIXELS
    canvas.blank(left, top - 100, right - left, 100)
    canvas.blank(left, bottom, right - left, 400)
    canvas.words(left + 4 * unit, top - 4.5 * unit, title, 5.0 * unit, anchor="lm")


def _rows(told: list[Run]) -> list[tuple[Run, str]]:
    """The table's lines: a net with many ends has several."""
    found = []
    for run in told:
        lines = textwrap.wrap(", ".join(end.replace(" ", _HARD) for end in run.ends), _COLUMN_LETTERS)
        found += [(run, line.replace(_HARD, " ")) for line in lines]
    return found


def _draw_table(canvas: Canvas, told: list[Run], colours: dict[str, str], frame: Frame) -> None:
    """Which pin is joined to which, in words, below the picture."""
    left, _, right, bottom = frame
    unit = 6.0 * (right - left) / _PIXELS
    width = (right - left - 8 * unit) / 2
    lines = _rows(told)
    rows = -(-len(lines) // 2)
    for index, (run, words) in enumerate(lines):
        x = left + (4 * unit) + (index // rows) * width
        y = bottom + (3 + (index % rows) * 5) * unit
        if index == 0 or lines[index - 1][0] is not run:
            canvas.line([(x, y), (x + 5 * unit, y)], colours[run.net], 1.0 * unit)
            canvas.words(x + 6.5 * unit, y, run.net, 2.3 * unit, anchor="lm")
        canvas.words(x + 42 * unit, y, words, 2.3 * unit, anchor="lm")


def _joined(
    mine: list[tuple[str, str]], others: list[tuple[str, str]], layout: Layout
) -> tuple[tuple[Point, Point], ...]:
    """Each pin to the nearest that is joined already; the first is one that was in before."""
    points = [_point(end, layout) for end in mine]
    there = [_point(end, layout) for end in others] or [points.pop(0)]
    wires = []
    while points:
        start, end = min(
            ((one, other) for one in points for other in there),
            key=lambda pair: ((pair[0][0] - pair[1][0]) ** 2 + (pair[0][1] - pair[1][1]) ** 2, pair),
        )
        wires.append((start, end))
        points.remove(start)
        there.append(start)
    return tuple(wires)


def _point(end: tuple[str, str], layout: Layout) -> Point:
    return layout.places[end[0]].pins[end[1]]


def _name(end: tuple[str, str], sheet: Netlist, catalogue: Catalogue) -> str:
    ref, number = end
    pin = next(pin for pin in catalogue.parts[sheet.placed[ref].kind].pins if pin.number == number)
    return f"{ref} {pin.name}" if pin.name == number else f"{ref} {number} {pin.name}"


def _short(value: str) -> str:
    """The value as it is printed on the part."""
    for unit, mark in ((" kOhm", "k"), (" Ohm", "R"), (" uF", "u"), (" nF", "n"), (" A", "A")):
        value = value.replace(unit, mark)
    return value.partition(" ")[0]
