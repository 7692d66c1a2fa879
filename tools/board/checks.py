"""What a schematic must hold beyond its electrical rules: levels, pulls, straps, buses, and what the firmware relies on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from tools.board.parts import Catalogue, Pin
from tools.board.schematic import Netlist

_OHM = re.compile(r"([0-9.]+) (k?)Ohm")
_STRAPS = {0: "+3V3", 2: "GND", 5: "+3V3", 12: "GND", 15: "+3V3"}
"""GPIO -> rail that the ESP32 wants at reset (ESP32 datasheet, strapping pins): boot from flash, flash at 3.3 V."""
_KIND_OF = {"in": "in", "out": "out", "open-drain": "od"}
_PULL_OHM_MAX = 100_000.0
_PULL_I2C_OHM = (1_000.0, 10_000.0)
_SUPPLY_VOLTS_MAX = {"printer": 9.0, "modem": 5.5, "buck_3v3": 28.0, "buck_5v": 36.0}
"""What parts without a 3.3 V supply bear (their `source` in parts.toml)."""
_MEASURED_VOLTS = {"supply_monitor": ("VIN-", 26.0)}
"""Pins that measure a supply, and what they bear; below ground, as before the polarity diode, they bear nothing."""
_UNPROTECTED = ("VBAT", "FUSED")
_RESTS_IN_RESET = {
    "PN532_RESET": "the reader",
    "DISPLAY_RESET": "the display",
    "CONTACT_SLEEP": "the contact reader",
}
_SHARES_RESET = ("contact_bridge", "expander")
"""What must draw nothing, or be as new, while the module is in reset (power.toml, held_in_reset_ma)."""
_I2C_SINK_AMPERES = 0.003
_I2C_LOW_VOLTS = 0.4
"""What an I2C chip can hold low (UM10204, table 10, standard mode)."""
_CHARGING = 1.25
"""A battery on its charger, or a wrong charger, gives so much more than its name."""


def faults(sheet: Netlist, catalogue: Catalogue, board: dict[str, Any]) -> list[str]:
    """Return one sentence for each thing that is wrong; empty for a schematic that can be built."""
    view = _View(sheet, catalogue, board)
    return [
        *(f"electrical rule: {error}" for error in sheet.errors),
        *_level_faults(view),
        *_floating_inputs(view),
        *_supply_faults(view),
        *_measuring_faults(view),
        *_reset_faults(view),
        *_service_port_faults(view),
        *_strap_faults(view),
        *_pin_map_faults(view, board),
        *_bus_faults(view, board),
    ]


@dataclass(frozen=True, slots=True)
class _End:
    """A pin on a net."""

    ref: str
    kind: str
    pin: Pin


class _View:
    """The netlist as the checks ask it."""

    def __init__(self, sheet: Netlist, catalogue: Catalogue, board: dict[str, Any]) -> None:
        self.sheet = sheet
        self.catalogue = catalogue
        # The module's pins are what the pin map makes of them.
        directions = {f"IO{pin['gpio']}": _KIND_OF[pin["direction"]] for pin in board["pin"]}
        self.ends: dict[str, list[_End]] = {}
        self._net_of: dict[tuple[str, str], str] = {}
        for net, pins in sheet.nets.items():
            for ref, number in pins:
                part = catalogue.parts[sheet.placed[ref].kind]
                pin = next(pin for pin in part.pins if pin.number == number)
                if part.name == "module" and pin.name in directions:
                    pin = replace(pin, kind=directions[pin.name])
                self.ends.setdefault(net, []).append(_End(ref, part.name, pin))
                self._net_of[ref, pin.name] = net

    def net_at(self, ref: str, name: str) -> str:
        """The net of a pin by its name; the empty string where it is open."""
        return self._net_of.get((ref, name), "")

    def is_rail(self, net: str) -> bool:
        """Tell whether a net is a supply or ground."""
        return net == "GND" or net in self.sheet.volts

    def resistors(self, net: str) -> Iterator[tuple[float, str]]:
        """(ohms, net at the other end) of the resistors at a net."""
        for end in self.ends.get(net, ()):
            match = _OHM.fullmatch(self.sheet.placed[end.ref].value) if end.kind == "resistor" else None
            if match:
                ohms = float(match[1]) * (1000 if match[2] else 1)
                yield ohms, self.net_at(end.ref, "2" if end.pin.number == "1" else "1")

    def high_volts(self, net: str, asked: tuple[str, ...] = ()) -> tuple[float, float]:
        """(least, most) volts of a net that is driven high, through a resistor or a divider too; (0, 0) if nothing drives it.

        `asked`: nets that this one is looked at for.
        """
        levels = self.catalogue.levels
        driven = [levels[end.pin.level] for end in self.ends[net] if end.pin.kind in ("out", "io")]
        if driven:
            # What bears at most 5.5 V drives up to that; what bears 3.6 V drives up to 3.6 V.
            return min(level.high_out for level in driven), max(level.most_in for level in driven)
        pulls = list(self.resistors(net))
        to_ground = [ohms for ohms, other in pulls if other == "GND"]
        for ohms, other in pulls:
            if other and not self.is_rail(other) and net not in asked:
                least, most = self.high_volts(other, (*asked, net))
                if most:
                    share = to_ground[0] / (to_ground[0] + ohms) if to_ground else 1.0
                    return least * share, most * share
        rails = [self.sheet.volts[other] for _, other in pulls if other in self.sheet.volts]
        return (max(rails), max(rails)) if rails else (0.0, 0.0)


def _level_faults(view: _View) -> Iterator[str]:
    for net, ends in view.ends.items():
        if view.is_rail(net):
            continue
        least, most = view.high_volts(net)
        for end in ends:
            if end.pin.kind not in ("in", "io") or not most:
                continue
            level = view.catalogue.levels[end.pin.level]
            others = [other for other in ends if other is not end and other.pin.kind in ("out", "io")]
            if most > level.most_in:
                yield f"{net}: {end.ref} {end.pin.name} bears {level.most_in} V and may get {most:.1f} V"
            if (others or end.pin.kind == "in") and least < level.high_in:
                yield f"{net}: {end.ref} {end.pin.name} needs {level.high_in} V to read high and may get {least:.2f} V"


def _floating_inputs(view: _View) -> Iterator[str]:
    """An input that nothing drives or pulls reads what the weather says."""
    for net, ends in view.ends.items():
        if view.is_rail(net) or not any(end.pin.kind in ("in", "od") for end in ends):
            continue
        if any(end.pin.kind in ("out", "io") for end in ends):
            continue
        if not any(ohms <= _PULL_OHM_MAX for ohms, _ in view.resistors(net)):
            names = ", ".join(f"{end.ref} {end.pin.name}" for end in ends)
            yield f"{net}: nothing drives or pulls {names}"
    for ref, placed in view.sheet.placed.items():
        for pin in view.catalogue.parts[placed.kind].pins:
            if pin.kind not in ("nc", "io") and not view.net_at(ref, pin.name):
                yield f"{ref} ({placed.kind}): pin {pin.name} is open"
            if pin.kind == "nc" and view.net_at(ref, pin.name):
                yield f"{ref} ({placed.kind}): pin {pin.name} must stay open"


def _supply_faults(view: _View) -> Iterator[str]:
    """Parts with 3.3 V levels stand on 3.3 V; grounds on ground; nothing gets more than it bears."""
    for net, ends in view.ends.items():
        for end in ends:
            if end.pin.kind != "supply-in":
                continue
            is_ground = end.pin.name.startswith(("GND", "VSS", "IN-"))
            volts = view.sheet.volts.get(net, 0.0)
            most = _SUPPLY_VOLTS_MAX.get(end.kind, 3.6)
            if is_ground != (net == "GND"):
                yield f"{end.ref} ({end.kind}): {end.pin.name} is on {net}"
            elif volts > most:
                yield f"{end.ref} ({end.kind}): {end.pin.name} bears {most} V and is on {net}, {volts} V"


def _measuring_faults(view: _View) -> Iterator[str]:
    """What measures a supply is on one, behind the polarity diode, and bears it."""
    for ref, placed in view.sheet.placed.items():
        if placed.kind not in _MEASURED_VOLTS:
            continue
        name, most = _MEASURED_VOLTS[placed.kind]
        net = view.net_at(ref, name)
        volts = view.sheet.volts.get(net)
        if net in _UNPROTECTED or volts is None:
            yield f"{ref} ({placed.kind}): {name} is on {net or 'nothing'}, not on a protected supply"
        elif volts * _CHARGING > most:
            yield f"{ref} ({placed.kind}): {name} bears {most} V and is on {net}, {volts} V"


def _reset_faults(view: _View) -> Iterator[str]:
    """While the module is in reset the 3.3 V has to last for the end of a page program: nothing else may draw from it."""
    for net, what in _RESTS_IN_RESET.items():
        if net in view.ends and "GND" not in [other for _, other in view.resistors(net)]:
            yield f"{net} is not pulled down: {what} would go on while the module is in reset"
    for ref, placed in view.sheet.placed.items():
        if placed.kind in _SHARES_RESET and view.net_at(ref, "RESET") != "EN":
            yield f"{ref} ({placed.kind}): RESET is not on EN"


def _service_port_faults(view: _View) -> Iterator[str]:
    """The USB bridge has a supply of its own: it may speak to a module that has none, and must not become its supply."""
    if view.net_at(_only(view, "usb_bridge"), "TXD") == view.net_at(_only(view, "module"), "IO3"):
        yield "the USB bridge's TXD is on the module without a resistor: it would feed a terminal without power"


def _strap_faults(view: _View) -> Iterator[str]:
    module = _only(view, "module")
    for gpio, rail in _STRAPS.items():
        net = view.net_at(module, f"IO{gpio}")
        if rail not in [other for _, other in view.resistors(net)]:
            yield f"strap IO{gpio} is not pulled to {rail}"
    if not view.net_at(module, "EN"):
        yield "EN is open"


def _pin_map_faults(view: _View, board: dict[str, Any]) -> Iterator[str]:
    """The schematic and the pin map are one: each net of the map leaves the module and arrives somewhere."""
    module = _only(view, "module")
    for pin in board["pin"]:
        ends = view.ends.get(pin["net"], [])
        if view.net_at(module, f"IO{pin['gpio']}") != pin["net"]:
            yield f"GPIO{pin['gpio']} is not on net {pin['net']}"
        elif all(end.ref == module for end in ends):
            yield f"net {pin['net']} ends nowhere"
    reader = _only(view, "card_reader")
    for name, net in (("IRQ", "PN532_IRQ"), ("RSTPDN", "PN532_RESET")):
        if view.net_at(reader, name) != net:
            yield f"the card reader's {name} is not wired"


def _bus_faults(view: _View, board: dict[str, Any]) -> Iterator[str]:
    """I2C has its pull-ups and, with those that modules bring, not too many; and every chip of the pin map's I2C bus that is fitted is on both wires."""
    for net in ("I2C_SDA", "I2C_SCL"):
        pulls = [ohms for ohms, other in view.resistors(net) if other == "+3V3"]
        if len(pulls) != 1 or not _PULL_I2C_OHM[0] <= pulls[0] <= _PULL_I2C_OHM[1]:
            yield f"{net} needs one pull-up of 1 to 10 kOhm to 3.3 V"
        brought = [view.catalogue.parts[end.kind].i2c_pull_ohm for end in view.ends.get(net, ())]
        amperes = sum((3.3 - _I2C_LOW_VOLTS) / ohms for ohms in [*pulls, *brought] if ohms)
        if amperes > _I2C_SINK_AMPERES:
            yield f"{net}: all pull-ups together draw {amperes * 1000:.1f} mA, a chip sinks {_I2C_SINK_AMPERES * 1000:.0f} mA"
    for chip in board["chip"]:
        for ref, placed in view.sheet.placed.items():
            if chip["bus"] == "i2c" and placed.kind == chip["name"]:
                for name, net in (("SDA", "I2C_SDA"), ("SCL", "I2C_SCL")):
                    if view.net_at(ref, name) != net:
                        yield f"{ref} ({placed.kind}): {name} is not on {net}"


def _only(view: _View, kind: str) -> str:
    return next(ref for ref, placed in view.sheet.placed.items() if placed.kind == kind)
