"""Runs of the fleet, seed after seed, until time is up; or one seed again.

python -m tests.sim.fleet --minutes 20 --seed 1000      from that seed on, two processes
python -m tests.sim.fleet --again SEED                  one run, with its last events where it fails
python -m tests.sim.fleet --stack SEED --steps 60       the same with real processes, in the host's time
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import count, takewhile
from pathlib import Path

import click
import structlog
from cryptography.utils import CryptographyDeprecationWarning

from tests.sim.fleet.stack_story import StackStory
from tests.sim.fleet.story import Measure, Outcome, tell
from tests.sim.fleet.world import World

CRITICAL = 50
PROCESSES = 2


def run(seed: int, measure: Measure) -> Outcome | str:
    """One run; what failed, as text with its last events, instead of an outcome."""
    warnings.simplefilter("ignore", CryptographyDeprecationWarning)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(CRITICAL))
    with (
        tempfile.TemporaryDirectory(prefix="fleet-") as folder,
        World(Path(folder), seed, measure.terminals) as world,
    ):
        try:
            return tell(world, measure)
        except Exception:
            return "\n".join((*world.clock.lines, traceback.format_exc()))


def again(seed: int, measure: Measure) -> str:
    """The command that repeats a run."""
    words = (f"--{name} {value}" for name, value in vars(measure).items())
    return f".venv/bin/python -m tests.sim.fleet --again {seed} {' '.join(words)}"


def report(outcomes: list[Outcome], failed: list[int], measure: Measure) -> None:
    """Records, faults, seeds."""
    counts: Counter[str] = Counter()
    for outcome in outcomes:
        counts.update(outcome.counts)
    for what in sorted(counts):
        click.echo(f"  {counts[what]:>9,} {what}")
    click.echo(
        f"{len(outcomes)} runs, {sum(outcome.records for outcome in outcomes):,} records settled exactly once,"
        f" {sum(outcome.faults for outcome in outcomes):,} faults, {len(failed)} seeds failed"
    )
    for seed in failed:
        click.echo(f"  again: {again(seed, measure)}")


def tell_on_stack(seed: int, steps: int) -> None:
    """One story with real processes."""
    with tempfile.TemporaryDirectory(prefix="fleet-") as folder:
        story = StackStory(Path(folder), seed)
        try:
            story.tell(steps)
        finally:
            story.stack.stop()
    click.echo(f"seed {seed}: {dict(story.done)}")


@click.command()
@click.option("--minutes", type=float, default=20, show_default=True)
@click.option("--seed", type=int, default=None, help="Where the seeds begin; the clock's by default.")
@click.option("--processes", type=int, default=PROCESSES, show_default=True)
@click.option("--again", "one", type=int, help="Run one seed again.")
@click.option("--stack", type=int, help="Tell one story on the stack of real processes.")
@click.option("--steps", type=int, default=60, show_default=True)
@click.option("--terminals", type=int, default=5, show_default=True)
@click.option("--days", type=int, default=4, show_default=True)
@click.option("--openings", type=int, default=2, show_default=True)
@click.option("--sales", type=int, default=6, show_default=True)
@click.option("--replaced", type=int, default=1, show_default=True)
def main(
    minutes: float,
    seed: int | None,
    processes: int,
    one: int | None,
    stack: int | None,
    steps: int,
    terminals: int,
    days: int,
    openings: int,
    sales: int,
    replaced: int,
) -> None:
    """Look for a seed under which money, records or terminals go astray."""
    if stack is not None:
        tell_on_stack(stack, steps)
        return
    measure = Measure(terminals, days, openings, sales, replaced)
    if one is not None:
        found = run(one, measure)
        click.echo(found)
        sys.exit(isinstance(found, str))
    begin = int(time.time()) % 100_000 * 1000 if seed is None else seed
    click.echo(
        f"seeds from {begin}: .venv/bin/python -m tests.sim.fleet --minutes {minutes:g} --seed {begin}"
    )
    end_s = time.monotonic() + 60 * minutes
    outcomes: list[Outcome] = []
    failed: list[int] = []
    with ProcessPoolExecutor(processes) as pool:
        seeds: Iterator[int] = takewhile(lambda _: time.monotonic() < end_s, count(begin))
        waiting = {}
        for number in seeds:
            waiting[number] = pool.submit(run, number, measure)
            if len(waiting) > processes:
                oldest = min(waiting)
                _take(oldest, waiting.pop(oldest).result(), outcomes, failed)
        for number, future in waiting.items():
            _take(number, future.result(), outcomes, failed)
    report(outcomes, failed, measure)
    sys.exit(1 if failed or not outcomes else 0)


def _take(seed: int, found: Outcome | str, outcomes: list[Outcome], failed: list[int]) -> None:
    """One run's end."""
    if isinstance(found, Outcome):
        outcomes.append(found)
    else:
        failed.append(seed)
        click.echo(f"seed {seed}{os.linesep}{found}")


if __name__ == "__main__":
    main()
