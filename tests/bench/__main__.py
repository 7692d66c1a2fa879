"""`make bench`: runs the benches, prints their figures against the budgets and writes build/bench.json."""

from __future__ import annotations

import datetime as dt
import importlib
import importlib.util
import json
import sys
import time
import traceback
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from tests.bench import report
from tests.bench.callgrind import NotMeasuredError
from tools.setup import checkout

BENCHES = ("tap", "density", "formats", "boot", "gateway")
LOG_COLUMNS = 132
TARGET = checkout.BUILD / "bench.json"


@click.command()
@click.argument("benches", nargs=-1, type=click.Choice(BENCHES))
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), default=TARGET, show_default=True)
@click.option("--how", is_flag=True, help="Print how each figure was taken, too (bench.json always says).")
@click.option("--strict", is_flag=True, help="Exit 1 where a budget is missed (an aim may be).")
def main(benches: tuple[str, ...], out: Path, how: bool, strict: bool) -> None:
    """Run all benches, or those that are named; the figures of the others stay in the file as they were."""
    # Names are long: where nobody watches, the table may be as wide as it needs.
    console = Console(highlight=False, width=None if sys.stdout.isatty() else LOG_COLUMNS)
    line = report.machine()
    console.print(line)
    console.print(f"MicroPython builds: {', '.join(report.interpreters()) or 'none'}")
    figures: dict[str, list[dict[str, Any]]] = {}
    broken = []
    for bench in benches or BENCHES:
        started = time.monotonic()
        try:
            figures[bench] = run(bench)
        except NotMeasuredError as reason:
            console.print(f"[yellow]not measured: {bench}: {reason}[/yellow]")
            continue
        except Exception as error:  # lumbung: recorded, the other benches are run all the same
            traceback.print_exc()
            console.print(f"[bold red]not measured: {bench}: {type(error).__name__}: {error}[/bold red]")
            broken.append(bench)
            continue
        console.print(table(bench, f"{bench} ({time.monotonic() - started:.0f} s)", figures[bench]))
        if how:
            report.print_how(console, figures[bench])
    write(out, line, figures)
    console.print(f"{out}")
    every = [figure for group in figures.values() for figure in group]
    missed = [figure["name"] for figure in every if report.verdict_of(figure) == report.MISSED]
    for name in missed:
        console.print(f"[bold red]missed: {name}[/bold red]")
    sys.exit(1 if broken or (strict and missed) else 0)


def run(bench: str) -> list[dict[str, Any]]:
    """The figures of one bench."""
    name = f"tests.bench.{bench}"
    if importlib.util.find_spec(name) is None:
        raise NotMeasuredError(f"there is no {name}")
    figures: list[dict[str, Any]] = importlib.import_module(name).run()
    for figure in figures:
        assert set(figure) == {"name", "value", "unit", "how"}, figure
    return figures


def table(bench: str, title: str, figures: list[dict[str, Any]]) -> Table:
    """A bench's own table where it has one, else the one that holds figures against budgets."""
    made: Table = getattr(importlib.import_module(f"tests.bench.{bench}"), "table", report.table)(
        title, figures
    )
    return made


def write(out: Path, machine: str, figures: dict[str, list[dict[str, Any]]]) -> None:
    """Replace in the file the figures of the benches that were run."""
    kept = json.loads(out.read_text())["figures"] if out.exists() else []
    now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    fresh = [
        {"bench": bench, **figure, "verdict": report.verdict_of(figure), "taken": now, "machine": machine}
        for bench, group in figures.items()
        for figure in group
    ]
    kept = [figure for figure in kept if figure["bench"] not in figures]
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps({"figures": kept + fresh}, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
