"""Pictures of the board: who is wired to whom, and the power budget; drawn by matplotlib."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl

from tools.board import power
from tools.board.parts import Catalogue
from tools.board.schematic import Netlist

mpl.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.patches import Rectangle

_RAIL_COLOURS = {
    "GND": "#333333",
    "+3V3": "#c0392b",
    "+5V": "#d35400",
    "+12V": "#8e44ad",
    "HOLD_UP": "#8e44ad",
    "VBAT": "#8e44ad",
}
_WIRE_COLOURS = (
    "#1f77b4", "#2ca02c", "#9467bd", "#8c564b", "#e377c2", "#17becf", "#bcbd22", "#ff7f0e", "#006d5b", "#7f7f7f",
)  # fmt: skip
_ROW = 1.0
_BOX_WIDTH = 10.5
_LANE = 0.55


@dataclass(frozen=True, slots=True)
class Sheet:
    """One picture: the part in the middle, and those at its left and right, from the top."""

    title: str
    middle: str
    left: tuple[str, ...]
    right: tuple[str, ...]
    rails: tuple[str, ...] = ("GND", "+3V3", "+5V", "+12V", "HOLD_UP", "VBAT")
    """Nets that are drawn as a stub with its colour, not as a wire."""


SHEETS = (
    Sheet("Lumbung reference terminal: module", "module",
          ("usb_bridge", "display", "card_reader", "printer"),
          ("modem", "expander", "clock", "contact_bridge", "secure_element", "supply_monitor", "supervisor")),
    Sheet("Lumbung reference terminal: panel", "expander", ("keypad", "case_switch"), ("led", "led", "buzzer", "modem")),
    Sheet("Lumbung reference terminal: contact reader", "contact_bridge", (), ("contact_reader",)),
    Sheet("Lumbung reference terminal: supply", "polarity_diode", ("battery", "charger", "fuse"),
          ("buck_5v", "supply_monitor", "polarity_diode", "hold_up", "buck_3v3"), ("GND", "+3V3", "+5V")),
)  # fmt: skip


def draw_wiring(sheet: Netlist, catalogue: Catalogue, picture: Sheet, path: Path) -> None:
    """Write the picture of one sheet; the format follows the file's suffix."""
    view = _View(sheet, catalogue, picture.rails)
    middle, left, right = _chosen(sheet, picture)
    rows = {ref: view.rows(ref) for ref in (middle, *left, *right)}
    heights = [sum(len(rows[ref]) + 2 for ref in side) for side in (left, right)]
    middle_rows = _middle_order(view, middle, left, right, rows)
    height = max(*heights, len(middle_rows[0]) + 2, len(middle_rows[1]) + 2)
    nets = {
        view.root(net)
        for side in (left, right)
        for ref in side
        for _, net in rows[ref]
        if not view.is_rail(net)
    }
    lanes = max(1, len(nets))
    gap = lanes * _LANE + 4
    figure, axes = plt.subplots(figsize=((3 * _BOX_WIDTH + 2 * gap) * 0.22, height * 0.27))
    axes.set_xlim(-1, 3 * _BOX_WIDTH + 2 * gap + 1)
    axes.set_ylim(-height - 1, 2)
    axes.axis("off")
    axes.set_title(f"{picture.title} ({sheet.fitting})", fontsize=13)
    centre = _BOX_WIDTH + gap
    colours = {net: _WIRE_COLOURS[index % len(_WIRE_COLOURS)] for index, net in enumerate(sorted(nets))}
    for side, refs in (("left", left), ("right", right)):
        x = 0.0 if side == "left" else centre + _BOX_WIDTH + gap
        ends: dict[str, list[_WireEnd]] = {}
        y = 0.0
        for ref in refs:
            for row, (_, net) in enumerate(rows[ref]):
                if not view.is_rail(net):
                    ends.setdefault(view.root(net), []).append(_WireEnd(y - row - 1.5, is_middle=False))
            _box(axes, view, ref, rows[ref], x, y, side == "left")
            y -= len(rows[ref]) + 2
        own = middle_rows[0 if side == "left" else 1]
        for row, (_, net) in enumerate(own):
            if not view.is_rail(net):
                ends.setdefault(view.root(net), []).append(_WireEnd(-row - 1.5, is_middle=True))
        _wires(axes, ends, x, centre, side == "left", colours)
    _middle_box(axes, view, middle, middle_rows, centre)
    figure.savefig(path, bbox_inches="tight", dpi=110)
    plt.close(figure)


def _chosen(sheet: Netlist, picture: Sheet) -> tuple[str, list[str], list[str]]:
    """References of a picture's parts; those that the fitting lacks are left out."""
    free: dict[str, list[str]] = {}
    for ref, placed in sheet.placed.items():
        free.setdefault(placed.kind, []).append(ref)

    def take(kinds: Iterable[str]) -> list[str]:
        return [free[kind].pop(0) for kind in kinds if free.get(kind)]

    middle = take([picture.middle])[0]
    return middle, take(picture.left), take(picture.right)


class _View:
    """Pins with their nets; nets that a resistor or a transistor joins are drawn as one wire."""

    def __init__(self, sheet: Netlist, catalogue: Catalogue, rails: tuple[str, ...]) -> None:
        self._rails = rails
        self.sheet = sheet
        self.catalogue = catalogue
        self._net_of = {end: net for net, ends in sheet.nets.items() for end in ends}
        self._joined = {net: net for net in sheet.nets}
        for ref, placed in sheet.placed.items():
            if placed.kind in ("resistor", "transistor"):
                nets = [self._net_of[ref, pin.number] for pin in catalogue.parts[placed.kind].pins]
                signals = [net for net in nets if net != "GND" and net not in sheet.volts]
                # The two transistors of the service port cross-couple two lines: those are not one wire.
                if len(signals) > 1 and (placed.kind == "resistor" or "GND" in nets):
                    for net in signals[1:]:
                        self._joined[self.root(net)] = self.root(signals[0])

    def is_rail(self, net: str) -> bool:
        return net in self._rails

    def root(self, net: str) -> str:
        while self._joined[net] != net:
            net = self._joined[net]
        return net

    def rows(self, ref: str) -> list[tuple[str, str]]:
        """(what stands on the pin, net) of the pins that are wired."""
        part = self.catalogue.parts[self.sheet.placed[ref].kind]
        found = []
        for pin in part.pins:
            net = self._net_of.get((ref, pin.number), "")
            if net:
                label = pin.name if pin.name == pin.number else f"{pin.number} {pin.name}"
                found.append((label, net))
        return found


def _middle_order(
    view: _View, middle: str, left: list[str], right: list[str], rows: dict[str, list[tuple[str, str]]]
) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """The middle part's pins by the side that they are wired to, in the order of the other ends."""
    own = rows[middle]
    sides: list[list[tuple[str, str]]] = []
    for refs in (left, right):
        order = [view.root(net) for ref in refs for _, net in rows[ref] if not view.is_rail(net)]
        chosen = [row for row in own if not view.is_rail(row[1]) and view.root(row[1]) in order]
        sides.append(sorted(chosen, key=lambda row: order.index(view.root(row[1]))))
    rest = [row for row in own if row not in sides[0] and row not in sides[1]]
    sides[0 if len(sides[0]) <= len(sides[1]) else 1] += rest
    return sides[0], sides[1]


def _box(
    axes: Any, view: _View, ref: str, rows: list[tuple[str, str]], x: float, y: float, is_left: bool
) -> None:
    part = view.catalogue.parts[view.sheet.placed[ref].kind]
    height = len(rows) + 1
    axes.add_patch(
        Rectangle((x, y - height), _BOX_WIDTH, height, fill=True, facecolor="#f4f6f8", edgecolor="#222222")
    )
    axes.text(
        x + _BOX_WIDTH / 2,
        y - 0.55,
        f"{ref}  {part.name.replace('_', ' ')}",
        ha="center",
        va="center",
        fontsize=8,
        weight="bold",
    )
    for row, (label, net) in enumerate(rows):
        _pin(axes, view, label, net, x, y - row - 1.5, is_left)


def _pin(axes: Any, view: _View, label: str, net: str, x: float, y: float, is_right_edge: bool) -> None:
    """One row of a box: label at the edge where the wire leaves, net beside it in grey."""
    edge = x + _BOX_WIDTH - 0.2 if is_right_edge else x + 0.2
    other = x + 0.2 if is_right_edge else x + _BOX_WIDTH - 0.2
    axes.text(edge, y, label, ha="right" if is_right_edge else "left", va="center", fontsize=7)
    colour = _RAIL_COLOURS.get(net, "#777777")
    axes.text(other, y, net, ha="left" if is_right_edge else "right", va="center", fontsize=6, color=colour)
    if view.is_rail(net):
        start = x + _BOX_WIDTH if is_right_edge else x
        axes.plot([start, start + (0.8 if is_right_edge else -0.8)], [y, y], color=colour, linewidth=2.2)


def _middle_box(
    axes: Any, view: _View, ref: str, sides: tuple[list[tuple[str, str]], list[tuple[str, str]]], x: float
) -> None:
    part = view.catalogue.parts[view.sheet.placed[ref].kind]
    height = max(len(sides[0]), len(sides[1])) + 1
    axes.add_patch(
        Rectangle((x, -height), _BOX_WIDTH, height, fill=True, facecolor="#e8f0e4", edgecolor="#222222")
    )
    axes.text(
        x + _BOX_WIDTH / 2,
        -0.55,
        f"{ref}  {part.name.replace('_', ' ')}",
        ha="center",
        va="center",
        fontsize=9,
        weight="bold",
    )
    for rows, is_left in ((sides[0], True), (sides[1], False)):
        for row, (label, net) in enumerate(rows):
            y = -row - 1.5
            colour = _RAIL_COLOURS.get(net, "#222222")
            edge = x + 0.2 if is_left else x + _BOX_WIDTH - 0.2
            text = label if not view.is_rail(net) else f"{label} · {net}"
            axes.text(edge, y, text, ha="left" if is_left else "right", va="center", fontsize=7, color=colour)


@dataclass(frozen=True, slots=True)
class _WireEnd:
    """Where a wire leaves a box: the one in the middle, or one beside it."""

    y: float
    is_middle: bool


def _wires(
    axes: Any,
    ends: dict[str, list[_WireEnd]],
    x: float,
    centre: float,
    is_left: bool,
    colours: dict[str, str],
) -> None:
    """Each net has a lane of its own between the boxes; a net with one end goes to the other side's boxes only."""
    outer = x + _BOX_WIDTH if is_left else x
    inner = centre if is_left else centre + _BOX_WIDTH
    wires = {net: found for net, found in ends.items() if len(found) > 1}
    for index, net in enumerate(sorted(wires, key=lambda net: max(end.y for end in wires[net]))):
        step = (index + 2) * _LANE
        lane = outer + step if is_left else outer - step
        heights = [end.y for end in wires[net]]
        axes.plot([lane, lane], [min(heights), max(heights)], color=colours[net], linewidth=1.1)
        for end in wires[net]:
            axes.plot(
                [lane, inner if end.is_middle else outer], [end.y, end.y], color=colours[net], linewidth=1.1
            )
            if min(heights) != max(heights):
                axes.plot([lane], [end.y], marker="o", markersize=2.2, color=colours[net])


def draw_power(told: dict[str, Any], path: Path) -> None:
    """Write the plot of the budget: what takes how much of a day, and the supply after a cut."""
    answer = power.budget(told)
    figure, (left, right) = plt.subplots(1, 2, figsize=(13, 5), gridspec_kw={"width_ratios": (1.15, 1)})
    shares = answer.shares[::-1]
    left.barh([share.name for share in shares], [share.watt_hours for share in shares], color="#4f7d5a")
    for index, share in enumerate(shares):
        left.text(share.watt_hours + 0.05, index, f"{share.watt_hours:.2f}", va="center", fontsize=8)
    left.set_xlabel("Wh from the battery on one distribution day")
    left.set_title(
        f"{answer.watt_hours:.1f} Wh a day of {answer.day_hours} h; the battery lasts {answer.battery_hours:.0f} h",
        fontsize=10,
    )
    left.spines[["top", "right"]].set_visible(False)
    points = power.decay(told)
    times = [point[0] for point in points]
    right.plot(times, [point[1] for point in points], color="#8e44ad", label="hold-up capacitor")
    right.plot(times, [point[2] for point in points], color="#c0392b", label="3.3 V rail")
    hold = answer.hold_up
    for volts, below, text in (
        (hold.reset_volts_least, 0.75, "supervisor resets, at least at"),
        (hold.flash_volts_min, 0.95, "flash programs down to"),
    ):
        right.axhline(volts, color="#999999", linewidth=0.8, linestyle="--")
        right.text(5, volts - below, f"{text} {volts:.2f} V", fontsize=8, color="#555555")
    right.axvspan(
        0,
        hold.needed_ms,
        color="#4f7d5a",
        alpha=0.25,
        label=f"one page program, {hold.needed_ms:g} ms at most",
    )
    right.set_xlabel("ms after the supply is gone in the middle of a modem burst")
    right.set_ylabel("V")
    right.set_ylim(0, 12)
    right.set_title(
        f"3.3 V holds {hold.regulated_ms:.0f} ms, then {hold.after_reset_ms:.1f} ms in reset", fontsize=10
    )
    right.legend(fontsize=8, loc="upper right")
    right.spines[["top", "right"]].set_visible(False)
    figure.suptitle(
        "Lumbung reference terminal: power budget, computed from datasheet figures, not measured", fontsize=12
    )
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)
