"""Thirty days of one terminal at 300 taps a day: does the heap grow, does the start slow down, how even is the wear.

The days are lived by `tests/sim/soak/drivers/month.py` on both unix ports: real firmware and chip models on model time, with
outages of days, bursts of acknowledgements, and power cuts.
"""

from __future__ import annotations

import statistics
import subprocess
from dataclasses import dataclass
from typing import Any

from tests.bench.callgrind import require
from tests.support import process
from tools.setup import checkout

DRIVER = process.ROOT / "tests" / "sim" / "soak" / "drivers" / "month.py"
DAYS = 30
TAPS = 300
SEED = 1
HEAP = "24m"
TIMEOUT_S = 7200
# Sectors of the journal: all of it, which hardly goes round in a month, and so few that it goes round many times.
WHOLE = 0
SHORT = 128
VARIANTS = ("unix64", "unix32")
# What must hold, by the beginning of a figure's name: erases within twice of each other, and no more heap after a month
# than a start and the cards of a day differ by.
BOUNDS = (("most / least erases of a journal sector", 2), ("heap after gc, grown", 2))
# The first and the last days whose least heaps are compared.
HEAP_DAYS = 10


@dataclass(frozen=True)
class Figures:
    """What the driver printed: for each day (number, heap, boot us, boot octets, free sectors, sales, cuts), and wear."""

    days: list[tuple[int, ...]]
    wear: tuple[int, ...]

    def column(self, place: int) -> list[int]:
        """One figure over the days; 0 is a day without it."""
        return [day[place] for day in self.days if day[place]]


def live(days: int, taps: int, sectors: int, seed: int = SEED, variant: str = "unix64") -> Figures:
    """Live the days; RuntimeError with what the driver said where something did not hold."""
    image = checkout.BUILD / f"endurance-{variant}-{days}-{sectors}-{seed}.bin"
    image.parent.mkdir(parents=True, exist_ok=True)
    arguments = (seed, days, taps, sectors, image)
    argv = process.argv(variant, HEAP, DRIVER, *(str(argument) for argument in arguments))
    try:
        done = subprocess.run(
            argv, capture_output=True, text=True, check=False, timeout=TIMEOUT_S, cwd=process.ROOT
        )
    finally:
        image.unlink(missing_ok=True)
    if done.returncode:
        raise RuntimeError(f"{DRIVER.name} {arguments[:4]}: {done.stdout}{done.stderr}")
    rows: dict[str, list[tuple[int, ...]]] = {"day": [], "wear": []}
    for line in done.stdout.split("\n"):  # not splitlines, for which the mark ends a line
        if line.startswith(process.MARK):
            word, *numbers = line[1:].split()
            rows[word].append(tuple(int(number) for number in numbers))
    return Figures(rows["day"], rows["wear"][0])


def slope(values: list[int]) -> float:
    """Growth for each step, by least squares."""
    return statistics.linear_regression(range(len(values)), values).slope


def run() -> list[dict[str, Any]]:
    """All figures."""
    require("micropython64", "micropython32")
    rows = []
    for variant in VARIANTS:
        for sectors, name in ((WHOLE, "whole journal"), (SHORT, "short ring")):
            figures = live(DAYS, TAPS, sectors, SEED, variant)
            rows += rows_of(figures, f"{name}, {variant[4:]} bit", variant)
    return rows


def broken(rows: list[dict[str, Any]]) -> list[str]:
    """Names of the figures that are out of bounds."""
    return [
        row["name"]
        for row in rows
        for name, most in BOUNDS
        if row["name"].startswith(name) and row["value"] > most
    ]


def rows_of(figures: Figures, name: str, variant: str = "unix64") -> list[dict[str, Any]]:
    """The figures of one journal."""
    heaps = figures.column(1)[1:]
    boots = figures.column(3)
    least, most, total, cuts, records, outage_days, refused = figures.wear
    how = (
        f"{len(figures.days)} days, {sum(figures.column(5)):,} sales, {cuts} power cuts, {outage_days} days without a link; "
        f"{variant[4:]}-bit unix port, chip models, model time, seed {SEED}"
    )
    rows = [
        (
            "heap after gc, growth",
            round(slope(heaps) / 1024, 3),
            "KB a day",
            "least squares over the days, first left out; ",
        ),
        (
            "heap after gc, grown",
            round((min(heaps[-HEAP_DAYS:]) - min(heaps[:HEAP_DAYS])) / 1024, 1),
            "KB",
            f"least of the last {HEAP_DAYS} days less least of the first; ",
        ),
        (
            "heap after gc, most less least",
            round((max(heaps) - min(heaps)) / 1024, 1),
            "KB",
            "with models and cards; ",
        ),
        (
            "flash read at a start, most",
            round(max(boots) / 1024, 1),
            "KB",
            "documents, checkpoint, journal; ",
        ),
        (
            "flash read at the last start, growth",
            round(slope(boots) / 1024, 3),
            "KB a day",
            "least squares; ",
        ),
        (
            "start, median",
            round(statistics.median(figures.column(2)) / 1000, 2),
            "ms",
            "App.open_books; informative; ",
        ),
        (
            "most / least erases of a journal sector",
            round(most / max(1, least), 2),
            "times",
            f"{least} to {most}; ",
        ),
        ("erases of the journal", total, "sectors", ""),
        ("records", records, "records", ""),
        ("free sectors, least at night", min(day[4] for day in figures.days), "sectors", ""),
        ("sales refused for a full journal", refused, "sales", ""),
    ]
    return [
        {"name": f"{what}, {name}", "value": value, "unit": unit, "how": note + how}
        for what, value, unit, note in rows
    ]
