"""Figures against the budgets of design section 10: which budget a figure answers to, and the table for people."""

from __future__ import annotations

import os
import platform
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from tests.support import process

MET = "met"
AIM_MISSED = "met, aim missed"
MISSED = "MISSED"
STATED = "stated"


@dataclass(frozen=True)
class Budget:
    """Figures whose name fits `pattern` whole and whose unit is `unit`; None where nothing is demanded or aimed at."""

    pattern: str
    unit: str
    at_least: bool
    budget: float | None
    aim: float | None

    def fits(self, figure: dict[str, Any]) -> bool:
        """Whether a figure answers to this budget."""
        return figure["unit"] == self.unit and re.fullmatch(self.pattern, figure["name"]) is not None

    def holds(self, value: float, bound: float | None) -> bool:
        """Whether `value` keeps `bound`."""
        return bound is None or (value >= bound if self.at_least else value <= bound)

    def verdict(self, value: float) -> str:
        """The word for the table."""
        if not self.holds(value, self.budget):
            return MISSED
        if not self.holds(value, self.aim):
            return AIM_MISSED if self.budget is not None else "aim missed"
        return MET

    def words(self, bound: float | None) -> str:
        """A bound as the table shows it."""
        return "" if bound is None else f"{'≥' if self.at_least else '≤'} {bound:,g}"


BUDGETS = (
    Budget("PIN accepted -> record committed, .*", "M instructions", at_least=False, budget=25, aim=8),
    Budget("whole / cryptography, .*", "times", at_least=False, budget=None, aim=1.5),
    Budget("allocated, PIN accepted -> record committed, .*", "KB", at_least=False, budget=24, aim=None),
    Budget("card in field -> authenticated, .*", "M instructions", at_least=False, budget=40, aim=20),
    Budget("page programs of a journal append.*", "programs", at_least=False, budget=1, aim=None),
    Budget("sectors erased in a redemption, .*", "sectors", at_least=False, budget=0, aim=None),
    Budget("boot to ready.*", "ms", at_least=False, budget=30, aim=10),
    Budget("data heap live after boot.*", "KB", at_least=False, budget=48, aim=32),
    Budget("data heap peak in a redemption, .*", "KB", at_least=False, budget=80, aim=60),
    Budget("redemptions per unsealed SMS", "redemptions", at_least=True, budget=8, aim=9.5),
    Budget("SMS for 300 redemptions, sealed", "SMS", at_least=False, budget=40, aim=34),
    Budget("redemptions per self-standing sealed SMS", "redemptions", at_least=True, budget=4, aim=5),
    Budget(r".*\b1 record per .*", "redemptions/s", at_least=True, budget=8_000, aim=15_000),
    Budget(r".*\b9 records per .*", "redemptions/s", at_least=True, budget=10_000, aim=31_000),
    Budget("records lost.*", "records", at_least=False, budget=0, aim=None),
    Budget("records settled twice.*", "records", at_least=False, budget=0, aim=None),
)


def budget_of(figure: dict[str, Any]) -> Budget | None:
    """The budget that a figure answers to, None for one that is only stated."""
    return next((budget for budget in BUDGETS if budget.fits(figure)), None)


def verdict_of(figure: dict[str, Any]) -> str:
    """What the table says about a figure."""
    budget = budget_of(figure)
    return STATED if budget is None else budget.verdict(figure["value"])


def table(bench: str, figures: list[dict[str, Any]]) -> Table:
    """The figures of one bench."""
    made = Table(title=bench, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    made.add_column("what")
    for heading in ("value", "budget", "aim"):
        made.add_column(heading, justify="right", no_wrap=True)
    made.add_column("unit", no_wrap=True)
    made.add_column("verdict", no_wrap=True)
    for figure in figures:
        budget = budget_of(figure)
        verdict = verdict_of(figure)
        style = {MISSED: "bold red", AIM_MISSED: "yellow", MET: "green"}.get(verdict, "dim")
        made.add_row(
            figure["name"],
            number(figure["value"]),
            budget.words(budget.budget) if budget else "",
            budget.words(budget.aim) if budget else "",
            figure["unit"],
            f"[{style}]{verdict}[/{style}]",
        )
    return made


def number(value: float) -> str:
    """A figure to three significant digits, whole where it is large."""
    if float(value).is_integer() or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def print_how(console: Console, figures: list[dict[str, Any]]) -> None:
    """How each figure was taken, each way once."""
    ways: dict[str, list[str]] = {}
    for figure in figures:
        ways.setdefault(figure["how"], []).append(figure["name"])
    for how, names in ways.items():
        named = names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
        console.print(f"[dim]{named}: {how}[/dim]", highlight=False)


def machine() -> str:
    """The machine in one line."""
    cpu = "unknown processor"
    info = Path("/proc/cpuinfo")
    if info.exists():
        found = re.search(r"^model name\s*: (.+)$", info.read_text(), re.MULTILINE)
        cpu = found[1] if found else cpu
    octets = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    load = os.getloadavg()[0]
    return (
        f"{cpu}, {os.cpu_count()} cores, {octets / 2**30:.0f} GiB, {platform.system()} {platform.release()}, "
        f"CPython {platform.python_version()}, load {load:.1f} at the start"
    )


def interpreters() -> list[str]:
    """The MicroPython builds that are here."""
    return [name for name in process.PROGRAM_OF if process.missing_reason(name) is None]
