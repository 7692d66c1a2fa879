"""However messages are lost, repeated and reordered, and whenever settlement gets its turn: the books end as without loss.

Real judging and forwarding around a settlement stub that books as the contract says; the terminal resends what the gateway
names as missing and says chain values at gaps, all of it over the same bad network.
"""

from __future__ import annotations

import json
import random
from concurrent.futures import Future
from typing import Any

import httpx2
from hypothesis import given
from hypothesis import strategies as st

from gateway.config import Settlement
from gateway.forwarder import Forwarder
from gateway.settlement import SettlementClient
from gateway.store.interface import Changes, RecordState
from gateway.store.memory import MemoryStore
from protocol import records
from tests.support.frames import GRANT_RUPIAH, Terminal
from tests.support.gateway_rig import NOW_MS, Rig
from tests.support.settlement_stub import StubService
from tests.unit.gateway.test_islands import KID, Judge

ROUNDS_MAX = 30
TURN_SHARE = 0.4


class Inline:
    """A writer that writes at once."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    def submit(self, changes: Changes) -> Future[None]:
        """Apply."""
        self._store.apply(changes)
        done: Future[None] = Future()
        done.set_result(None)
        return done


class Round:
    """One gateway, its settlement service, one terminal with everything committed."""

    def __init__(self, redemptions: int, cap_rupiah: int) -> None:
        self.rig = Rig(MemoryStore(), provisional_cap_rupiah=cap_rupiah)
        self.service = StubService()
        self.settled: dict[int, int] = {}
        self.terminal = self.rig.terminal(KID)
        for _ in range(redemptions):
            self.terminal.redeem()
        self.judge = Judge(self.rig)
        settings = Settlement(url="http://127.0.0.1:9")
        client = SettlementClient(settings, httpx2.MockTransport(self._settle))
        self.forwarder = Forwarder(
            self.rig.store, Inline(self.rig.store), self.rig.ring, client, settings, lambda lowest: None,  # type: ignore[arg-type]
            clock_ms=lambda: NOW_MS,
        )  # fmt: skip

    def _settle(self, request: httpx2.Request) -> httpx2.Response:
        """The stub, and how much of the terminal is paid of what is not in order yet."""
        body: dict[str, Any] = json.loads(request.content)
        answer = self.service.answer(body)
        return httpx2.Response(200, json=answer)

    def forward(self) -> None:
        """Give settlement its turn until it has nothing to do."""
        while self.forwarder.turn():
            pass

    def states(self) -> list[RecordState]:
        """Of all records, in order."""
        return [row.state for row in self.rig.store.records(KID, 1, 1 << 23)]

    def waiting_rupiah(self) -> int:
        """What was handed over of provisional redemptions."""
        return sum(row.forwarded_rupiah for row in self.rig.store.provisional(KID, 1, 1 << 23))


def messages(terminal: Terminal, network: random.Random) -> list[bytes]:
    """The journal as sealed frames, cut anew each time."""
    found, first = [terminal.frame(1, 3)], 4
    while first <= terminal.head:
        last = min(terminal.head, first + network.randrange(4))
        found.append(terminal.frame(first, last))
        first = last + 1
    return found


@given(
    redemptions=st.integers(4, 14),
    cap=st.integers(0, 6),
    refused=st.sets(st.integers(4, 17), max_size=2),
    seed=st.integers(0, 1 << 32),
)
def test_books_end_as_without_loss(redemptions: int, cap: int, refused: set[int], seed: int) -> None:
    """PRV-01 to PRV-04, BRG-03: each record booked once, in the state that it has without loss, under the cap meanwhile."""
    network = random.Random(seed)
    scene = Round(redemptions, cap * GRANT_RUPIAH)
    for sequence in refused:
        scene.service.outcomes[f"{KID:08x}", sequence] = ("refused", "card blocked")
    terminal, store = scene.terminal, scene.rig.store
    pending = messages(terminal, network)
    for _ in range(ROUNDS_MAX):
        for raw in network.choices(pending, k=network.randrange(2 * len(pending) + 1)):
            scene.judge.take(raw)
            if network.random() < TURN_SHARE:
                scene.forward()
            # The last run may go over the cap by what it holds; the service itself keeps to it record by record.
            assert scene.waiting_rupiah() <= (cap + 4 * redemptions) * GRANT_RUPIAH if cap else True
            assert cap or not scene.waiting_rupiah()
        row = store.terminal(KID)
        sealed = row.sealed_through if row else 0
        if sealed == terminal.head:
            break
        gaps = [tuple(gap) for gap in json.loads(row.gaps)] if row else []
        pending = [
            terminal.frame(first, first + count - 1, literal=literal or None)
            for first, count, literal in gaps
        ]
        ends = tuple(sorted({first + count - 1 for first, count, _ in gaps}))[:3]
        pending += [terminal.bridge(*ends)] if ends else []
        pending += messages(terminal, network)
    for raw in [terminal.frame(1, 3, literal=True), terminal.frame(4, literal=True)]:
        scene.judge.take(raw)
    scene.forward()
    expected = [
        RecordState.REFUSED if sequence in refused
        else RecordState.SETTLED if terminal.octets[sequence][0] == records.REDEMPTION
        else RecordState.RECORDED
        for sequence in range(1, terminal.head + 1)
    ]  # fmt: skip
    assert scene.states() == expected
    booked = store.terminal(KID)
    assert booked is not None
    assert (booked.booked_through, booked.frozen_from, booked.settlement_error) == (terminal.head, 0, "")
    assert store.outbox_count() == 0
    assert store.open_requests() == []
    assert store.provisional(KID, 1, 1 << 23) == []
    assert len(scene.service.booked) == terminal.head, "each identity once"
