"""Terminals, networks, gateway and bank under seeded faults: money is conserved, every record is settled exactly once."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sim.fleet import invariants
from tests.sim.fleet.__main__ import again
from tests.sim.fleet.story import Measure, Outcome, tell
from tests.sim.fleet.world import World
from tools.setup import checkout

DAYS = Measure(terminals=2, days=2, openings=2, sales=6, replaced=1)
FRESH = Measure(terminals=2, days=2, openings=1, sales=4)
HOURS = Measure(terminals=2, days=1, openings=1, sales=3)
LATE = Measure(terminals=2, days=1, openings=1, sales=2, replaced=1)
# What has to have happened, so that a run is worth anything.
MUST = (
    "sales",
    "gateway killed",
    "disk full",
    "frames forged",
    "rosters changed",
    "messages up",
    "files carried",
    "voids",
    "rosters put in force by the terminal itself",
    "terminals replaced",
    "late sales disputed",
    "refused with 40",
)
KNOWN_SEED = 7
KNOWN_TO_HAVE_ALL = 64

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.skipif("micropython64" in checkout.missing(), reason="MicroPython could not be had"),
    pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning"),
]


@contextlib.contextmanager
def world_of(folder: Path, seed: int, measure: Measure) -> Iterator[World]:
    """A world; where it fails, the failure says by its last events and a command how to repeat it."""
    folder.mkdir()
    with World(folder, seed, measure.terminals) as world:
        try:
            yield world
        except BaseException as failure:
            failure.add_note("\n".join((*world.clock.lines, f"seed {seed}, again: {again(seed, measure)}")))
            raise


def run(folder: Path, seed: int, measure: Measure) -> Outcome:
    """A whole run."""
    with world_of(folder, seed, measure) as world:
        return tell(world, measure)


def test_days_of_a_fleet_with_everything_that_breaks(tmp_path: Path, run_seed: int) -> None:
    """One seed that is known to have all of it, and one that is new with every run of the tests."""
    outcome = run(tmp_path / "known", KNOWN_TO_HAVE_ALL, DAYS)
    assert not [what for what in MUST if not outcome.counts.get(what)], outcome.counts
    fresh = run(tmp_path / "fresh", run_seed, FRESH)
    for each in (outcome, fresh):
        print(f"seed {each.seed}: {each.records} records, {each.faults} faults, {each.counts}")


def test_a_seed_decides_everything_that_happens(tmp_path: Path, run_seed: int) -> None:
    first, second, other = (
        run(tmp_path / name, seed, HOURS)
        for name, seed in (("first", run_seed), ("second", run_seed), ("other", run_seed + 1))
    )
    assert first == second, again(run_seed, HOURS)
    assert first.digest != other.digest


def test_a_failing_run_says_how_to_repeat_it(tmp_path: Path, run_seed: int) -> None:
    def run_that_fails() -> None:
        with world_of(tmp_path / "world", run_seed, HOURS) as world:
            world.clock.note("before", "it failed")
            raise AssertionError

    with pytest.raises(AssertionError) as failure:
        run_that_fails()
    (told,) = failure.value.__notes__
    first, last = told.splitlines()
    assert first.endswith("before it failed")
    words = last.partition(" -m tests.sim.fleet ")[2].split()
    assert words == [
        "--again", str(run_seed), "--terminals", "2", "--days", "1", "--openings", "1", "--sales", "3",
        "--replaced", "0",
    ]  # fmt: skip


def test_what_must_hold_is_noticed_when_it_does_not(tmp_path: Path) -> None:
    """The checks themselves: each of these losses is found."""
    with world_of(tmp_path / "world", KNOWN_SEED, LATE) as world:
        tell(world, LATE)
        seat = next(seat for seat in world.seats if seat.sold)
        books = seat.books
        assert books is not None
        sequence, name, amount_rupiah = seat.sold[0]

        seat.sold[0] = (sequence, name, amount_rupiah + 1)
        with pytest.raises(AssertionError, match="was told and is not there"):
            invariants.check(world)
        seat.sold[0] = (sequence, name, amount_rupiah)

        seat.books = books | {"spent_rupiah": dict.fromkeys(books["spent_rupiah"], 0)}
        with pytest.raises(AssertionError):
            invariants.check(world)
        seat.books = books | {"records": books["records"][:-1]}
        with pytest.raises(AssertionError, match="every record, and once"):
            invariants.check(world)
        seat.books = books

        for statement in (
            "UPDATE booking SET outcome = 'refused' WHERE kind = 1",
            "UPDATE booking SET outcome = 'settled' WHERE kind = 1",
            "UPDATE booking SET amount_rupiah = amount_rupiah + 1",
            "DELETE FROM booking WHERE sequence = 2",
        ):
            database = world.bank.books._db
            database.execute("BEGIN")
            database.execute(statement)
            with pytest.raises(AssertionError):
                invariants.check(world)
            database.execute("ROLLBACK")

        old = next(seat for seat in world.seats if seat.is_replaced)
        locked_at, exposure_rupiah, kid = old.locked_at, old.exposure_rupiah, old.kid
        old.locked_at = old.sold[-1][0] - 1
        with pytest.raises(AssertionError, match="sold after it was told"):
            invariants.check(world)
        old.locked_at = locked_at
        old.exposure_rupiah = world.bank.books.exposure_spent(kid) - 1
        with pytest.raises(AssertionError, match="beyond its exposure"):
            invariants.check(world)
        old.exposure_rupiah = exposure_rupiah

        seat.marks = [seat.marks[2] + 1, 0, seat.marks[2]]
        with pytest.raises(AssertionError, match="not stored"):
            invariants.check_marks(world, seat)
        seat.marks = [0, seat.marks[2] + 1, seat.marks[2]]
        with pytest.raises(AssertionError, match="the bank does not have"):
            invariants.check_marks(world, seat)
        invariants.check(world)
