"""The settlement sandbox behind an HTTP transport of the test: down, slow to answer, answering twice, or nonsense."""

from __future__ import annotations

import json
from typing import Any

import httpx2

from protocol import policy
from tests.sim.fleet.clockwork import Clockwork
from tests.sim.fleet.district import District
from tools.settlement import reviews
from tools.settlement.books import Books
from tools.settlement.cryptogram import Issuer
from tools.settlement.request import check_idempotency_key, parse
from tools.settlement.service import Settlement

FINE = "fine"
DOWN = "down"
FAULTS = ("booked, the answer is lost", "busy (503)", "an answer that is no JSON", "booked twice", DOWN)


class Bank(httpx2.BaseTransport):
    """The real sandbox over books in memory; `mood` decides how it answers the next requests."""

    def __init__(self, clock: Clockwork, district: District) -> None:
        self._clock = clock
        self._dice = clock.dice("bank")
        self.mood = FINE
        self.fault_chance = 0.0
        self.books = Books(":memory:")
        in_force = policy.decode(policy.encode(district.policy_document))
        policies = {in_force.digest: in_force}
        issuer = Issuer(district.issuer())
        self._settlement = Settlement(self.books, district.authority.public, policies, issuer)

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """One request of the gateway."""
        mood = self.mood
        if mood == FINE and self._dice.random() < self.fault_chance:
            mood = self._dice.choice(FAULTS)
            self._clock.count(f"settlement: {mood}")
        if mood == DOWN:
            raise httpx2.ConnectError("the bank is away")
        if mood == "busy (503)":
            return httpx2.Response(503)
        if mood == "an answer that is no JSON":
            return httpx2.Response(200, content=b"<html>")
        if mood == "booked twice":
            self._settle(request)
        answer = self._settle(request)
        if mood == "booked, the answer is lost":
            raise httpx2.ReadTimeout("no answer")
        return httpx2.Response(200, json=answer)

    def _settle(self, request: httpx2.Request) -> dict[str, Any]:
        key = check_idempotency_key(request.headers.get("idempotency-key"))
        said = json.loads(request.content)
        if request.url.path == "/v1/reviews":
            return self._settlement.review(reviews.parse(said), key)
        return self._settlement.settle(parse(said), key)
