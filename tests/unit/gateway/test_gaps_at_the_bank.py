"""What the gateway says about records behind a gap, as the sandbox bank reads it: both ends of the contract together."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import pytest

from gateway import documents
from gateway.config import Settlement as Settings
from gateway.forwarder import Forwarder
from gateway.settlement import SettlementClient
from gateway.store.interface import Changes, RecordState
from gateway.store.memory import MemoryStore
from protocol import policy
from tests.property.test_gateway_gaps import Inline
from tests.support.frames import Terminal
from tests.support.gateway_rig import NOW_MS, Rig
from tests.unit.gateway.test_islands import KID, Judge
from tools.settlement.books import Books
from tools.settlement.cryptogram import Issuer
from tools.settlement.request import parse
from tools.settlement.service import Settlement


class Scene:
    """A gateway before a bank that knows none of the cards: it must refuse every redemption, but never early."""

    def __init__(self) -> None:
        self.rig = Rig(MemoryStore(), provisional_cap_rupiah=1_000_000)
        self.books = Books(":memory:")
        held = policy.decode(self.rig.policy[:-64])
        self.bank = Settlement(
            self.books,
            self.rig.authority.public,
            {held.digest: held},
            Issuer({"master_keys": {}, "cards": {}}),
        )
        self.answers: list[dict[str, Any]] = []
        self.terminal = self.rig.terminal(KID)
        self.judge = Judge(self.rig)
        settings = Settings(url="http://127.0.0.1:9")
        client = SettlementClient(settings, httpx2.MockTransport(self._settle))
        self.forwarder = Forwarder(
            self.rig.store, Inline(self.rig.store), self.rig.ring, client, settings, lambda lowest: None,  # type: ignore[arg-type]
            clock_ms=lambda: NOW_MS,
        )  # fmt: skip

    def _settle(self, request: httpx2.Request) -> httpx2.Response:
        segments = parse(json.loads(request.content))
        answer = self.bank.settle(segments, request.headers["Idempotency-Key"])
        self.answers += answer["results"]
        return httpx2.Response(200, json=answer)

    def forward(self) -> list[list[str]]:
        """Let settlement do all that is due; the outcomes by segment."""
        self.answers.clear()
        while self.forwarder.turn():
            pass
        assert all(answer["error"] is None for answer in self.answers), self.answers
        return [[record["outcome"] for record in answer["records"]] for answer in self.answers]


@pytest.fixture
def scene() -> Scene:
    """Nothing has been sent."""
    return Scene()


@pytest.fixture
def terminal(scene: Scene) -> Terminal:
    """Records 1 to 3 adopt, 4 to 12 redeem; 1 to 3 and 7 to 9 arrive, with the chain value between."""
    made = scene.terminal
    for _ in range(9):
        made.redeem()
    scene.judge.take(made.frame(1, 3), made.frame(7, 9), made.bridge(6))
    return made


def test_the_bank_holds_what_it_would_refuse_until_the_gap_has_closed(
    scene: Scene, terminal: Terminal
) -> None:
    """PRV-01, PRV-04: chain value and seal satisfy it; the refusals come in their order."""
    assert scene.forward() == [["recorded"] * 3, ["held"] * 3]
    scene.judge.take(terminal.frame(4, 6))
    assert scene.forward() == [["refused"] * 6]
    assert [row.state for row in scene.rig.store.records(KID, 4, 9)] == [RecordState.REFUSED] * 6


def test_the_bank_follows_a_write_off(scene: Scene, terminal: Terminal) -> None:
    """WOF-02: by the authority's signature in the segment behind it."""
    scene.forward()
    signed = scene.rig.authority.write_off(KID, 4, 6, terminal.chains[6])
    document = documents.read_write_off(scene.rig.verifying, signed)
    scene.rig.store.apply(Changes(documents=[document]))
    scene.judge.views[KID] = scene.rig.view(KID)
    scene.rig.store.apply(scene.judge.judge.reconsider(KID, NOW_MS).changes)
    assert scene.forward() == [["refused"] * 3]
    scene.judge.views[KID] = scene.rig.view(KID)
    scene.judge.take(terminal.frame(10, 12))
    assert scene.forward() == [["refused"] * 3]
    with scene.books:
        booked = scene.books.terminal(KID)
    assert booked is not None
    assert (booked.sequence, booked.chain) == (12, terminal.chains[12])


def test_the_bank_finds_the_fork_that_the_gateway_was_not_shown(scene: Scene, terminal: Terminal) -> None:
    """PRV-02: here by another gateway's database, which has heard only the other branch."""
    scene.forward()
    twin = terminal.fork(4)
    for _ in range(6):
        twin.redeem()
    other = Judge(scene.rig)
    other.rig.store.apply(Changes(frames_dropped=[row.frame_id for row in scene.rig.store.waiting(KID)]))
    other.rig.store.apply(Changes(proved=[(KID, 1 << 23)]))
    other.views[KID] = scene.rig.view(KID)
    other.take(twin.frame(4, 9))
    while scene.forwarder.turn():
        pass
    row = scene.rig.store.terminal(KID)
    assert row is not None
    assert row.settlement_error == "conflict"
    with scene.books:
        booked = scene.books.terminal(KID)
    assert booked is not None
    assert booked.frozen_from == 4
