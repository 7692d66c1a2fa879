"""A terminal as the world sees it: a MicroPython process that lives as far as it is told and says what it has to say."""

from __future__ import annotations

import json
from typing import Any

from tests.sim.fleet.district import NOW_S, District, Place
from tests.support.worker import MicroPythonWorker

DRIVER = "tests/sim/fleet/drivers/terminal.py"
HEAP = "24m"
STEP_TIMEOUT_S = 60.0


class Seat:
    """`sold`: (sequence, family, rupiah) of what families were told, `followed`: (sequence, kind, sequence of the sale) of
    voids and receipts of goods; `letters`: carry files that wait for a terminal with power; `marks`: sealed through, reclaim through, head; `locked_at`: the head when it
    was first seen locked, None before; `was_locked`: whether it was before its last step.
    """

    def __init__(self, place: Place) -> None:
        self.place = place
        self.kid = place.kid
        self.number = f"+6281200{place.kid:05d}"
        self.is_on = False
        self.is_lost = False
        self.is_replaced = False
        self.exposure_rupiah = 0
        self.was_locked = False
        self.locked_at: int | None = None
        self.has_signal = False
        self.delivered: set[tuple[int, int]] = set()
        self.now_ms = 0
        self.is_closed = True
        self.checked = [0, 0]
        self.awaits_letter = False
        self.is_draining = False
        self.letters: list[bytes] = []
        self.lives = 0
        self.marks = [0, 0, 0]
        self.sold: list[tuple[int, str, int]] = []
        self.followed: list[tuple[int, int, int]] = []
        self.books: dict[str, Any] | None = None
        self._orders: list[list[Any]] = []
        self._worker = MicroPythonWorker(DRIVER, heap=HEAP, timeout_s=STEP_TIMEOUT_S)

    def close(self) -> None:
        """End the process."""
        self._worker.close()

    def provision(self, district: District) -> None:
        """Keys and documents."""
        self._ask(0, [["provision", district.provision(self.place)]])

    def order(self, *order: Any) -> None:
        """What the terminal is told at its next step."""
        self._orders.append(list(order))

    def switch_on(self, now_ms: int) -> list[list[Any]]:
        """Power comes; what is said while it starts."""
        self.is_on = True
        self.lives += 1
        self.now_ms = now_ms
        self._orders = [["on", now_ms, NOW_S + now_ms // 1000], *self._orders]
        return self.step(now_ms)

    def switch_off(self, *orders: list[Any]) -> None:
        """The plug is pulled; `orders` are for the time without power."""
        self._ask(0, [["off"], *orders])
        self.is_on = False
        self._orders = []

    def step(self, until_ms: int) -> list[list[Any]]:
        """Live until that moment, or until something is said."""
        orders, self._orders = self._orders, []
        answer = self._ask(until_ms, orders)
        self.now_ms = max(self.now_ms, answer["now"])
        if answer["marks"]:
            self.marks = answer["marks"]
        self.was_locked = self.locked_at is not None
        if answer["locked"] and self.locked_at is None:
            self.locked_at = self.marks[2]
        said: list[list[Any]] = answer["say"]
        for what in said:
            if what[0] == "cut":
                self.is_on = False
                self._orders = []
        return said

    def ask_books(self) -> dict[str, Any]:
        """Everything in the journal, as the terminal itself reads it."""
        self.order("books")
        for what in self.step(self.now_ms):
            if what[0] == "books":
                books: dict[str, Any] = what[1]
                return books
        raise AssertionError("no books")

    def take_log(self) -> str:
        """What the process printed."""
        return self._worker.take_log()

    def _ask(self, until_ms: int, orders: list[list[Any]]) -> Any:
        return json.loads(self._worker.call(json.dumps({"until": until_ms, "do": orders}).encode()))
