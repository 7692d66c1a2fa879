"""`make soak`: random lives, pairs of cuts and whole months of a terminal on real MicroPython, on two processes.

    python -m tests.sim.soak --minutes 60 --seed 1           until time is up; prints cuts, losses, seeds
    python -m tests.sim.soak --life SEED                     one life again
    python -m tests.sim.soak --pair "SEED STORY FIRST SECOND"  one pair of cuts again

Half of the time goes to lives, a quarter to pairs of cuts; the month's figures come from tests/bench/endurance.py.
"""

from __future__ import annotations

import sys
import threading
import time
from collections import Counter

import click

from tests.bench import endurance
from tests.support import process

DRIVERS = process.ROOT / "tests" / "sim" / "soak" / "drivers"
HEAP = "24m"
PARTS = 2
GRACE_S = 120
AGAIN = ".venv/bin/python -m tests.sim.soak"


class Tally:
    """What all processes found."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.again: list[str] = []
        self.broken: list[str] = []
        self._lock = threading.Lock()

    def take(self, line: str) -> None:
        """One marked line of a driver."""
        word, *numbers = line.split()
        with self._lock:
            if word == "life":
                _, cuts, starts_cut, sales = (int(number) for number in numbers)
                self.counts.update(lives=1, cuts=cuts, starts_cut=starts_cut, sales=sales)
            elif word == "pairs":
                self.counts.update(pairs=int(numbers[2]), stories_whole=int(numbers[3]))
            elif word == "lost":
                self.again.append(f"{AGAIN} --life {numbers[0]}")
            elif word == "lost-pair":
                self.again.append(f"{AGAIN} --pair '{' '.join(numbers)}'")

    def report(self) -> None:
        """Print all of it."""
        click.echo(", ".join(f"{name} {self.counts[name]:,}" for name in sorted(self.counts)))
        for text in self.broken:
            click.echo(text)
        click.echo(f"losses {len(self.again)}")
        for command in self.again:
            click.echo(f"  again: {command}")

    @property
    def is_good(self) -> bool:
        """Whether something was tried and all of it held."""
        return not self.again and not self.broken and bool(self.counts)


def drive(tally: Tally, name: str, arguments: list[int], seconds: float) -> None:
    """Run a driver to its end; what it prints beside its lines is shown where something was lost."""
    argv = process.argv("unix64", HEAP, DRIVERS / name, *(str(argument) for argument in arguments))
    with process.Child(argv) as child:
        try:
            while (line := child.read_marked(seconds + GRACE_S)) != "end":
                tally.take(line)
                text = child.take_log()
                if line.startswith("lost"):
                    click.echo(f"{text}\n{line}")
        except process.ChildError as failure:
            tally.broken.append(f"{name} {arguments}: {failure}")
            child.kill()


def side_by_side(tally: Tally, name: str, arguments: list[list[int]], seconds: float) -> None:
    """One process for each list of arguments."""
    threads = [threading.Thread(target=drive, args=(tally, name, each, seconds)) for each in arguments]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def month() -> bool:
    """The endurance figures; whether the bounded ones hold."""
    rows = endurance.run()
    for row in rows:
        click.echo(f"{row['name']}: {row['value']:g} {row['unit']} ({row['how']})")
    for name in endurance.broken(rows):
        click.echo(f"out of bounds: {name}")
    return not endurance.broken(rows)


@click.command()
@click.option("--minutes", type=float, default=60, show_default=True)
@click.option("--seed", type=int, default=None, help="Where the seeds begin; the clock's by default.")
@click.option("--life", type=int, help="Live one life again.")
@click.option("--pair", help="Cut one pair again: SEED STORY FIRST SECOND.")
@click.option("--month/--no-month", "with_month", default=True, show_default=True)
def main(minutes: float, seed: int | None, life: int | None, pair: str | None, with_month: bool) -> None:
    """Look for what is lost when power fails."""
    tally = Tally()
    if life is not None:
        drive(tally, "life.py", [life, 1, 1, 600], 600)
    elif pair is not None:
        first, *rest = (int(number) for number in pair.split())
        drive(tally, "pairs.py", [first, 0, 1, 0, *rest], 600)
    else:
        begin = int(time.time()) % 100_000 * 1000 if seed is None else seed
        click.echo(f"seed {begin}: {AGAIN} --minutes {minutes:g} --seed {begin}")
        seconds = int(minutes * 60)
        lives = [[begin + part, PARTS, 1 << 30, seconds // 2] for part in range(PARTS)]
        side_by_side(tally, "life.py", lives, seconds)
        pairs = [[begin % 10_000, part, PARTS, seconds // 4] for part in range(PARTS)]
        side_by_side(tally, "pairs.py", pairs, seconds)
    tally.report()
    held = tally.is_good
    if with_month and life is None and pair is None:
        held = month() and held
    sys.exit(0 if held else 1)


if __name__ == "__main__":
    main()
