"""Whatever families, cards and mains do in whatever order, the terminal's books are those of a model of a few lines."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware import refusals
from protocol.records import GOODS_RECEIVED, RETURN, VOID
from tests.support import tap_world
from tests.support.worker import MicroPythonWorker

DRIVER = "tests/property/drivers/tap_lives.py"
WINDOW_S = 600
PIN_TRIES = 3
GRANTED = {1: tap_world.SEMBAKO_RUPIAH, 2: tap_world.PKH_RUPIAH}
CAPS = {"bank_sda": 50_000, "programme_dda": 100_000}
BANK = {"bank", "bound", "bank_sda"}
FAMILIES = ("programme", "bank", "bound", "bank_sda", "programme_dda", "nothing")
AMOUNTS = (0, 1_000, 10_000, 24_000, 25_000, 49_000, 50_000, 75_000, 100_000, 199_000, 200_000, 750_001)
TEARS = ("clean", "marginal", "random", "unstable", "weak")


@pytest.fixture(scope="module")
def terminal() -> Iterator[MicroPythonWorker]:
    with MicroPythonWorker(DRIVER, "unix64", heap="24m", timeout_s=60) as worker:
        yield worker


class Model:
    """What a family may take, by the rules of the design, and nothing of how the terminal does it."""

    def __init__(self) -> None:
        self.spent: dict[tuple[str, int], int] = {}
        self.wrong: dict[str, int] = {}
        self.served: list[tuple[str, int, int, int, int]] = []  # family, programme, amount, time, sequence
        self.sales: list[list[Any]] = []
        self.after_sales: list[list[Any]] = []
        self.shown_next = 0
        self.sold: dict[int, tuple[str, int, int]] = {}  # sequence: family, programme, amount
        self.voided: dict[int, int] = {}  # redemption: void
        self.received: dict[int, int] = {}
        self.returned: dict[tuple[str, int], int] = {}

    def granted(self, name: str, programme: int) -> int:
        """What the grant gives."""
        return 0 if (name, programme) == ("nothing", 1) else GRANTED[programme]

    def refusal(self, sale: dict[str, Any], now_s: int) -> int:
        """The number with which a sale without accidents is refused, 0 for a sale."""
        name, programme, amount = sale["family"], sale["programme"], sale["amount"]
        if programme not in GRANTED:
            return refusals.NO_GRANT
        if amount == 0:
            return refusals.AMOUNT_NOT_ALLOWED
        remaining = self.granted(name, programme) - self.spent.get((name, programme), 0)
        if remaining <= 0:
            return refusals.NO_ENTITLEMENT
        if amount > remaining:
            return refusals.AMOUNT_ABOVE_REMAINING
        drawn = sum(self.spent.get((name, number), 0) for number in GRANTED)
        if name in CAPS and drawn + amount > CAPS[name]:
            return refusals.AMOUNT_ABOVE_CAP
        if self._repeats(name, programme, amount, now_s):
            return refusals.ALREADY_SERVED
        if self.wrong.get(name, 0) >= PIN_TRIES:
            return refusals.PIN_LOCKED
        if not sale["pin_is_right"]:
            return refusals.PIN_LOCKED if self.wrong.get(name, 0) + 1 == PIN_TRIES else refusals.PIN_WRONG
        return 0

    def _repeats(self, name: str, programme: int, amount: int, now_s: int) -> bool:
        """Whether the same sale was made just before and another one was shown when the card was tapped."""
        recent = [one for one in self.served if one[:2] == (name, programme) and one[3] >= now_s - WINDOW_S]
        same = [one for one in recent if one[2] == amount]
        if not same:
            return False
        shown = self.shown_next if any(one[4] == self.shown_next for one in recent) else recent[-1][4]
        return same[-1][4] != shown

    def after(self, sale: dict[str, Any], number: int, outcome: dict[str, Any]) -> None:
        """Take over what a sale without accidents led to."""
        name = sale["family"]
        if number == 0:
            self.wrong[name] = 0
            self.shown_next = 0
            self._book(sale, outcome["receipt"], outcome["now_s"])
        elif number in {refusals.PIN_WRONG, refusals.PIN_LOCKED}:
            self.wrong[name] = min(PIN_TRIES, self.wrong.get(name, 0) + 1)
        elif number == refusals.ALREADY_SERVED:
            self.shown_next = outcome["refused"][1]

    def _book(self, sale: dict[str, Any], sequence: int, now_s: int) -> None:
        name, programme, amount = sale["family"], sale["programme"], sale["amount"]
        self.spent[name, programme] = self.spent.get((name, programme), 0) + amount
        self.served.append((name, programme, amount, now_s, sequence))
        self.sold[sequence] = (name, programme, amount)

    # What follows a sale.

    def refuses_after_sale(self, operation: dict[str, Any], of: int) -> tuple[int, int]:
        """(number, detail) with which it is refused, (0, 0) where it is done."""
        name, programme, _ = self.sold.get(of, ("", 0, 0))
        if operation["do"] == "return":
            programme = operation["programme"]
            left = self.granted(operation["family"], programme) - self.spent.get(
                (operation["family"], programme), 0
            )
            return (refusals.NO_ENTITLEMENT, 0) if left <= 0 else (0, 0)
        if not name:
            return refusals.NO_SUCH_RECORD, 0
        for held, number in (
            (self.voided, refusals.ALREADY_VOIDED),
            (self.received, refusals.GOODS_WERE_RECEIVED),
        ):
            if of in held:
                return number, held[of]
        if operation["do"] == "void" and (name, programme) in self.returned:
            return refusals.LEASE_RETURNED, self.returned[name, programme]
        if name != operation["family"] and (operation["do"] == "void" or operation["with_card"]):
            return refusals.NOT_THE_CARD, of
        return 0, 0

    def take_after_sale(self, operation: dict[str, Any], outcome: dict[str, Any]) -> None:
        """The one new record, if there is one, and what it does to the money."""
        new = outcome["after"][len(self.after_sales) :]
        assert len(new) <= 1
        assert len(new) == 1 or "receipt" not in outcome
        for sequence, kind, of, _ in new:
            assert self.refuses_after_sale(operation, of) == (0, 0)
            name, programme, amount = self.sold.get(of, (operation["family"], operation["programme"], 0))
            if kind == VOID:
                self.voided[of] = sequence
                self.spent[name, programme] -= amount
                self.served = [one for one in self.served if one[4] != of]
            elif kind == GOODS_RECEIVED:
                self.received[of] = sequence
            else:
                assert kind == RETURN
                self.returned[name, programme] = sequence
                self.spent[name, programme] = self.granted(name, programme)

    def adopt(self, sale: dict[str, Any], outcome: dict[str, Any]) -> None:
        """After an accident: the sale was made, or it was not; both are right, anything else is not."""
        name = sale["family"]
        new = outcome["sales"][len(self.sales) :]
        assert len(new) <= 1
        if new:
            sequence, _, programme, amount = new[0]
            assert (programme, amount) == (sale["programme"], sale["amount"])
            assert self.refusal(sale, outcome["now_s"]) == 0
            self._book(sale, sequence, outcome["now_s"])
        before = self.wrong.get(name, 0)
        if name in BANK:
            # A cut costs at most one try; a right PIN may have cleared them all.
            allowed = {before, before + 1} | ({0, 1} if sale["pin_is_right"] else set())
            assert outcome["tries"] in allowed, (outcome["tries"], before)
            self.wrong[name] = outcome["tries"]


def accident(sale: dict[str, Any]) -> bool:
    """Whether something happens to the card or the mains."""
    return bool(sale["pull_at"]) or sale["cut_at"] >= 0


SOUND = {"pull": "pull_before_apdu", "pull_at": 0, "cut_at": -1, "torn": 0, "tear": "clean"}
ACCIDENTS = st.one_of(
    st.fixed_dictionaries(
        {
            "pull": st.sampled_from(("pull_before_apdu", "pull_after_apdu")),
            "pull_at": st.integers(1, 16),
        }
    ),
    st.fixed_dictionaries(
        {"cut_at": st.integers(0, 5), "torn": st.integers(0, 256), "tear": st.sampled_from(TEARS)}
    ),
)
AFTER_SALE = st.fixed_dictionaries(
    {
        "do": st.sampled_from(("void", "void", "receive", "return")),
        "back": st.integers(0, 2),
        "with_card": st.booleans(),
        "programme": st.sampled_from((1, 2)),
        "cut_at": st.sampled_from((-1, -1, -1, 0, 1, 2)),
        "torn": st.integers(0, 256),
        "tear": st.sampled_from(TEARS),
    }
)
OTHERS = st.one_of(
    st.fixed_dictionaries({"do": st.just("wait"), "seconds": st.sampled_from((5, 60, 601, 40_000))}),
    st.just({"do": "power"}),
)


@st.composite
def lives(draw: st.DrawFn) -> list[dict[str, Any]]:
    """A few families and amounts, so that they meet again: what matters are their second and third visits."""
    families = draw(st.lists(st.sampled_from(FAMILIES), min_size=1, max_size=2, unique=True))
    amounts = draw(st.lists(st.sampled_from(AMOUNTS), min_size=1, max_size=3, unique=True))
    wrong_of_ten = draw(st.sampled_from((0, 2, 8)))
    accidents_of_ten = draw(st.sampled_from((0, 0, 3)))
    follows_of_ten = draw(st.sampled_from((0, 4)))
    operations: list[dict[str, Any]] = []
    for _ in range(draw(st.integers(1, 14))):
        if draw(st.integers(0, 9)) == 0:
            operations.append(draw(OTHERS))
            continue
        if draw(st.integers(0, 9)) < follows_of_ten:
            operations.append({"family": draw(st.sampled_from(families))} | draw(AFTER_SALE))
            continue
        sale = {
            "do": "sell",
            "family": draw(st.sampled_from(families)),
            "amount": draw(st.sampled_from(amounts)),
            "programme": draw(st.sampled_from((1, 1, 1, 2, 3))),
            "pin_is_right": draw(st.integers(0, 9)) >= wrong_of_ten,
            "lift": draw(st.booleans()),
        } | SOUND
        if draw(st.integers(0, 9)) < accidents_of_ten:
            sale |= draw(ACCIDENTS)
        operations.append(sale)
    return operations


@given(operations=lives())
def test_the_books_are_those_of_the_model(
    terminal: MicroPythonWorker, operations: list[dict[str, Any]]
) -> None:
    answers = json.loads(terminal.call(json.dumps(operations).encode()))
    model = Model()
    card_wrong: dict[str, int] = {}
    for operation, outcome in zip(operations, answers, strict=True):
        if operation["do"] == "sell":
            name = operation["family"]
            if accident(operation):
                model.adopt(operation, outcome)
                if name not in BANK:
                    model.wrong.pop(name, None)  # the card's own count, which no book of the terminal holds
                    card_wrong[name] = 1
            elif name in card_wrong and outcome.get("refused", [0])[0] in {
                refusals.PIN_LOCKED,
                refusals.PIN_WRONG,
            }:
                assert outcome["sales"] == model.sales
            else:
                number = model.refusal(operation, outcome["now_s"])
                got = outcome.get("refused", [0])[0]
                assert got == number, (operation, outcome)
                model.after(operation, number, outcome)
            assert outcome["spent"] == [model.spent.get((name, programme), 0) for programme in GRANTED]
        if operation["do"] in {"void", "receive", "return"}:
            follow(model, operation, outcome)
        if operation["do"] == "power":
            model.shown_next = 0
        if operation["do"] == "sell" and "receipt" in outcome:
            assert outcome["sales"][-1][0] == outcome["receipt"]
        if outcome.get("cut"):
            model.shown_next = 0
        model.sales = outcome["sales"]
        model.after_sales = outcome["after"]


def follow(model: Model, operation: dict[str, Any], outcome: dict[str, Any]) -> None:
    """One of the things that follow a sale, as the model has it."""
    if "cut" not in outcome:
        number = model.refuses_after_sale(operation, outcome["of"])
        assert tuple(outcome.get("refused", (0, 0))) == number, (operation, outcome)
    model.take_after_sale(operation, outcome)
    name = operation["family"]
    assert outcome["spent"] == [model.spent.get((name, programme), 0) for programme in GRANTED]
