"""Whatever a terminal does, and wherever power fails, its books are what a few lines of arithmetic say.

The model knows nothing of slots, sectors or checkpoints. Where power was cut inside an action, the books must show it
done or not done, and the model goes on from there.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from hardware import nor_faults
from tests.support.worker import MicroPythonWorker

FAMILIES = 4
PROGRAMMES = (1, 2)
PERIOD = 2026 * 12 + 8
FULL = 200_000
PENDING = 0

families = st.integers(0, FAMILIES - 1)
programmes = st.sampled_from(PROGRAMMES)
amounts = st.integers(1, FULL // 4)


class _Model:
    """The books by plain arithmetic."""

    def __init__(self) -> None:
        self.head = 2 + len(PROGRAMMES)
        self.grants = dict.fromkeys(PROGRAMMES, (1, PERIOD, FULL))
        self.spent = {number: [0] * FAMILIES for number in PROGRAMMES}
        self.tries = [0] * (2 * FAMILIES)
        self.redeemed = self.voided = self.sealed = self.reclaim = 0
        self.states: dict[int, int] = {}
        self.sales: list[tuple[int, int, int, int, int]] = []

    def left(self, programme: int, family: int) -> int:
        return self.grants[programme][2] - self.spent[programme][family]

    def redeem(self, family: int, rupiah: int, programme: int) -> None:
        self.head += 1
        self.spent[programme][family] += rupiah
        self.redeemed += rupiah
        self.sales.append((self.head, family, rupiah, programme, self.grants[programme][1]))

    def void(self, sale: tuple[int, int, int, int, int]) -> None:
        _, family, rupiah, programme, _ = sale
        self.head += 1
        self.spent[programme][family] -= rupiah
        self.voided += rupiah
        self.sales.remove(sale)

    def grant(self, number: int, programme: int, period: int, rupiah: int) -> None:
        if period != self.grants[programme][1]:
            self.spent[programme] = [0] * FAMILIES
        self.grants[programme] = (number, period, rupiah)
        self.head += 1

    def acknowledge(self, sealed: int, reclaim: int, first: int, states: list[int]) -> None:
        self.sealed = max(self.sealed, sealed)
        self.reclaim = max(self.reclaim, reclaim)
        for place, state in enumerate(states):
            if state != PENDING and first + place <= self.head:
                self.states[first + place] = state

    def fits(self, view: dict[str, Any]) -> bool:
        """Whether the terminal shows what the model holds."""
        return (
            view["head"] == self.head
            and view["left"] == [[self.left(p, f) for f in range(FAMILIES)] for p in PROGRAMMES]
            and view["tries"] == self.tries
            and (view["redeemed"], view["voided"]) == (self.redeemed, self.voided)
            and (view["sealed"], view["reclaim"]) == (self.sealed, self.reclaim)
            and view["states"] == [self.states.get(n, PENDING) for n in range(view["first"], self.head + 1)]
            and view["grants"] == [self.grants[p][0] for p in PROGRAMMES]
        )


class _Books(RuleBasedStateMachine):
    """A terminal and its model, side by side."""

    worker: MicroPythonWorker

    @initialize(sectors=st.sampled_from((9, 12, 20)), seed=st.integers(1, 60000))
    def begin(self, sectors: int, seed: int) -> None:
        self.model = _Model()
        self.counter = 0
        self.attempts: tuple[int, int] | None = None
        self.view: dict[str, Any] = {}
        self.ask("start", sectors, seed)

    def ask(self, action: str, *arguments: Any) -> Any:
        answer = json.loads(self.worker.call(json.dumps([action, arguments]).encode()))
        self.view = answer["view"]
        return answer["outcome"]

    def change(self, action: str, arguments: tuple[Any, ...], change: Any) -> None:
        """Carry out an action; `change(model)` is what it does when it is done."""
        outcome = self.ask(action, *arguments)
        after = copy.deepcopy(self.model)
        change(after)
        if outcome == "full":
            assert self.model.fits(self.view), "a refused action changed the books"
        elif outcome == "cut":
            assert self.model.fits(self.view) or after.fits(self.view), "half an action"
            if after.fits(self.view):
                self.model = after
        else:
            self.model = after
            assert self.model.fits(self.view)

    @rule(family=families, rupiah=amounts, programme=programmes)
    def redeem(self, family: int, rupiah: int, programme: int) -> None:
        rupiah = min(rupiah, self.model.left(programme, family))
        if rupiah > 0:
            self.change(
                "redeem", (family, rupiah, programme), lambda model: model.redeem(family, rupiah, programme)
            )

    @rule(data=st.data())
    def void(self, data: st.DataObject) -> None:
        open_sales = [sale for sale in self.model.sales if sale[4] == self.model.grants[sale[3]][1]]
        if open_sales:
            sale = data.draw(st.sampled_from(open_sales))
            sequence, family, rupiah, programme, _ = sale
            self.change("void", (family, rupiah, sequence, programme), lambda model: model.void(sale))

    @rule(family=families, place=st.integers(0, 1))
    def pin_try(self, family: int, place: int) -> None:
        if self.model.tries[2 * family + place] < 3:

            def change(model: _Model) -> None:
                model.tries[2 * family + place] += 1

            self.change("pin_try", (family, place), change)

    @rule(family=families, place=st.integers(0, 1))
    def pin_clear(self, family: int, place: int) -> None:
        def change(model: _Model) -> None:
            model.tries[2 * family + place] = 0

        self.change("pin_clear", (family, place), change)

    @rule()
    def event(self) -> None:
        def change(model: _Model) -> None:
            model.head += 1

        self.change("event", (), change)

    @rule()
    def attempt(self) -> None:
        outcome = self.ask("attempt")
        if isinstance(outcome, list):
            sequence, attempt = outcome
            assert sequence == self.model.head + 1
            if self.attempts and self.attempts[0] == sequence:
                assert attempt > self.attempts[1], "an attempt was used twice"
            self.attempts = (sequence, attempt)
        assert self.model.fits(self.view)

    @rule()
    def counter_of_a_frame(self) -> None:
        outcome = self.ask("counter")
        if isinstance(outcome, int):
            assert outcome > self.counter, "a counter was used twice"
            self.counter = outcome
        assert self.model.fits(self.view)

    @rule(data=st.data())
    def acknowledge(self, data: st.DataObject) -> None:
        sealed = data.draw(st.integers(self.model.sealed, self.model.head))
        reclaim = data.draw(st.integers(0, sealed))
        # The digest of what was reclaimed cannot be looked up any more; the gateway's mark never goes back there.
        sealed = max(sealed, self.view["first"] - 1)
        first = data.draw(st.integers(1, self.model.head))
        states = data.draw(st.lists(st.integers(0, 3), max_size=12))
        self.change(
            "acknowledge",
            (sealed, reclaim, first, states),
            lambda model: model.acknowledge(sealed, reclaim, first, states),
        )

    @rule(programme=programmes, later=st.booleans(), rupiah=st.integers(FULL // 1000, 2 * FULL // 1000))
    def grant(self, programme: int, later: bool, rupiah: int) -> None:
        number, period, _ = self.model.grants[programme]
        arguments = (number + 1, programme, period + later, 1000 * rupiah)
        self.change("grant", arguments, lambda model: model.grant(*arguments))
        assert self.view["coded"] or self.view["full"]

    @rule(steps=st.integers(1, 12))
    def idle(self, steps: int) -> None:
        self.ask("idle", steps)
        assert self.model.fits(self.view)

    @rule(pieces=st.integers(1, 6))
    def checkpoint(self, pieces: int) -> None:
        self.ask("checkpoint", pieces)
        assert self.model.fits(self.view)

    @rule()
    def boot(self) -> None:
        self.ask("boot")
        assert self.model.fits(self.view)

    @rule(
        operations=st.integers(0, 6),
        torn=st.integers(0, 260),
        tear=st.sampled_from(nor_faults.TEARS),
        dice=st.integers(1, 1 << 30),
    )
    def arm_a_cut(self, operations: int, torn: int, tear: str, dice: int) -> None:
        self.ask("cut", operations, torn, tear, dice)

    @rule(times=st.integers(5, 25))
    def a_busy_hour(self, times: int) -> None:
        for _ in range(times):
            self.event()

    @precondition(lambda self: self.view)
    @rule()
    def compare_with_a_full_replay(self) -> None:
        answer = json.loads(self.worker.call(b'["replay", []]'))
        assert answer in (None, [True, True])

    @invariant()
    def nothing_is_missing(self) -> None:
        if getattr(self, "view", None):
            assert self.view["whole"]


@pytest.fixture(scope="module", params=["unix64", "unix32"])
def worker(request: pytest.FixtureRequest) -> Iterator[MicroPythonWorker]:
    with MicroPythonWorker("tests/property/drivers/ledger_books.py", request.param) as started:
        yield started


@pytest.mark.timeout(600)
def test_the_books_are_what_arithmetic_says(worker: MicroPythonWorker) -> None:
    machine = type("BooksHere", (_Books,), {"worker": worker})
    run_state_machine_as_test(machine, settings=settings(stateful_step_count=60))
