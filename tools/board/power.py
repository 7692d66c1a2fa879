"""The power budget: energy of a distribution day, hours on the battery, and what a cut or a burst does to the 3.3 V."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.pinmap import ROOT

POWER = ROOT / "hardware" / "board" / "power.toml"
_RAIL_VOLTS = {"3V3": 3.3, "5V": 5.0}
_SAG_VOLTS_MAX = 0.4
"""Of the 5 V rail in a burst: boards with a linear regulator to 3.8 V bear no more."""


@dataclass(frozen=True, slots=True)
class Share:
    """What one load takes from the battery on the day, converters included."""

    name: str
    watt_hours: float
    peak_ma: float
    rail: str


@dataclass(frozen=True, slots=True)
class HoldUp:
    """After the supply is gone in the middle of a burst, with the capacitor at `start_volts`: `regulated_ms` with 3.3 V still in regulation and everything on; `after_reset_ms` from the
    supervisor's reset down to the least voltage that the flash programs at.
    """

    start_volts: float
    regulated_ms: float
    after_reset_ms: float
    needed_ms: float
    reset_volts_least: float
    flash_volts_min: float
    erase_ms_typical: float
    erase_ms_max: float

    @property
    def is_enough(self) -> bool:
        """Tell whether a page program that starts at the worst moment ends well: no new one starts after the reset."""
        return (
            self.regulated_ms >= self.needed_ms
            and self.after_reset_ms >= self.needed_ms
            and self.reset_volts_least > self.flash_volts_min
        )


@dataclass(frozen=True, slots=True)
class Burst:
    """Everything at its worst together: draw on the 5 V rail and how far it sags, draw on the 3.3 V, and at the empty battery."""

    peak_ma: float
    converter_ma_max: float
    sag_volts: float
    peak_ma_3v3: float
    converter_ma_max_3v3: float
    peak_ma_input: float
    fuse_ma: float

    @property
    def is_borne(self) -> bool:
        """Tell whether the rail stays where modem boards work."""
        return self.sag_volts <= _SAG_VOLTS_MAX


@dataclass(frozen=True, slots=True)
class Budget:
    """The whole answer."""

    shares: tuple[Share, ...]
    watt_hours: float
    battery_hours: float
    day_hours: float
    hold_up: HoldUp
    burst: Burst

    @property
    def problems(self) -> list[str]:
        """Return one sentence for each thing that does not suffice."""
        found = []
        if self.battery_hours < self.day_hours:
            found.append(f"the battery lasts {self.battery_hours:.1f} h of a day of {self.day_hours} h")
        if not self.hold_up.is_enough:
            found.append("a page program may be cut short")
        if not self.burst.is_borne:
            found.append(f"the 5 V rail sags by {self.burst.sag_volts:.2f} V in a burst")
        if self.burst.peak_ma_3v3 > self.burst.converter_ma_max_3v3:
            found.append(f"the 3.3 V converter would have to give {self.burst.peak_ma_3v3:.0f} mA")
        if self.burst.peak_ma_input > self.burst.fuse_ma:
            found.append(f"the fuse would carry {self.burst.peak_ma_input:.0f} mA")
        return found


def load(path: Path = POWER) -> dict[str, Any]:
    """Read the data."""
    return tomllib.loads(path.read_text(encoding="utf-8"))


def budget(told: dict[str, Any]) -> Budget:
    """Compute it."""
    day, battery = told["day"], told["battery"]
    times = {"redemption": day["redemptions"], "receipt": day["receipts"], "hour": day["hours"]}
    efficiency = {"3V3": battery["buck_3v3_efficiency"], "5V": battery["buck_5v_efficiency"]}
    shares = []
    for entry in told["load"]:
        use_ma = entry.get("use_ma", 0)
        used_h = entry.get("seconds", 0) * times.get(entry.get("per", ""), 0) / 3600
        milliamp_hours = entry["base_ma"] * day["hours"] + use_ma * used_h
        watt_hours = milliamp_hours / 1000 * _RAIL_VOLTS[entry["rail"]] / efficiency[entry["rail"]]
        shares.append(Share(entry["name"], watt_hours, entry["base_ma"] + use_ma, entry["rail"]))
    shares.append(
        Share(
            "converters, at rest",
            battery["quiescent_ma"] / 1000 * battery["volts"] * day["hours"],
            battery["quiescent_ma"],
            "12V",
        )
    )
    burst = _burst(told["burst"], sum(share.peak_ma for share in shares if share.rail == "3V3"), efficiency)
    total = sum(share.watt_hours for share in shares)
    usable = battery["volts"] * battery["amp_hours"] * battery["usable_share"]
    return Budget(
        tuple(sorted(shares, key=lambda share: -share.watt_hours)),
        total,
        usable / (total / day["hours"]),
        day["hours"],
        _hold_up(told["hold_up"], efficiency["3V3"], burst),
        burst,
    )


def _hold_up(told: dict[str, Any], efficiency: float, burst: Burst) -> HoldUp:
    """Energy of the hold-up capacitor down to drop-out; then charge of the rail's capacitors down to the flash's least."""
    farads = told["capacitor_uf"] * told["tolerance"] / 1e6
    sag_volts = burst.peak_ma_input / 1000 * told["battery_ohm"]
    start_volts = told["battery_volts_empty"] - sag_volts - 2 * told["diode_volts"]
    joules = farads * (start_volts**2 - told["dropout_volts"] ** 2) / 2
    watts = told["load_ma_3v3"] / 1000 * 3.3 / efficiency
    reset_volts = told["brown_out_volts"] - told["brown_out_spread"]
    rail_farads = told["rail_capacitor_uf"] * told["rail_tolerance"] / 1e6
    after_s = rail_farads * (reset_volts - told["flash_volts_min"]) / (told["held_in_reset_ma"] / 1000)
    return HoldUp(
        start_volts,
        joules / watts * 1000,
        after_s * 1000,
        told["page_program_ms_max"],
        reset_volts,
        told["flash_volts_min"],
        told["sector_erase_ms_typical"],
        told["sector_erase_ms_max"],
    )


def _burst(told: dict[str, Any], loads_ma_3v3: float, efficiency: dict[str, float]) -> Burst:
    """What the converter cannot give for the time of a burst comes from the capacitors, through their resistance."""
    peak_ma = told["modem_ma"] + told["printer_ma"]
    missing_a = max(0.0, peak_ma - told["buck_ma_max"]) / 1000
    # The converter answers a step only after some of its cycles; until then the capacitors give all of it.
    sag = (
        missing_a * told["modem_ms"] / 1000 / (told["capacitor_uf_5v"] / 1e6)
        + peak_ma / 1000 * told["capacitor_esr_ohm"]
    )
    peak_ma_3v3 = loads_ma_3v3 + told["module_ma_3v3"]
    watts = peak_ma / 1000 * 5.0 / efficiency["5V"] + peak_ma_3v3 / 1000 * 3.3 / efficiency["3V3"]
    return Burst(
        peak_ma,
        told["buck_ma_max"],
        sag,
        peak_ma_3v3,
        told["buck_3v3_ma_max"],
        watts / told["battery_volts_least"] * 1000,
        told["fuse_ma"],
    )


def decay(told: dict[str, Any], steps: int = 200) -> list[tuple[float, float, float]]:
    """(ms, volts at the hold-up capacitor, volts of the 3.3 V rail) from the cut on, until the flash can no longer program."""
    hold = told["hold_up"]
    answer = budget(told).hold_up
    points = []
    for step in range(steps + 1):
        ms = answer.regulated_ms * step / steps
        share = step / steps
        squared = answer.start_volts**2 * (1 - share) + hold["dropout_volts"] ** 2 * share
        points.append((ms, squared**0.5, 3.3))
    # Out of regulation the rail falls: first under the whole load to the supervisor's reset, then held in reset.
    rail_farads = hold["rail_capacitor_uf"] * hold["rail_tolerance"] / 1e6
    falling_ms = rail_farads * (3.3 - answer.reset_volts_least) / (hold["load_ma_3v3"] / 1000) * 1000
    end = answer.regulated_ms + falling_ms
    points.append((end, hold["dropout_volts"] - 0.3, answer.reset_volts_least))
    points.append((end + answer.after_reset_ms, hold["dropout_volts"] - 0.5, answer.flash_volts_min))
    return points
