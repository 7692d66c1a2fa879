"""What a retired terminal still spends goes to settlement named as late, and comes back disputed; what counts is paid."""

from __future__ import annotations

import pytest

from gateway.store.interface import Changes
from gateway.store.memory import MemoryStore
from gateway.store.sqlite import SqliteStore
from tests.support.frames import GRANT_RUPIAH
from tests.support.gateway_rig import Rig, received
from tests.support.settlement_stub import StubService, serving
from tests.unit.gateway.test_forwarder import KID, Scene


@pytest.fixture
def service():
    """A settlement service on a loopback port."""
    with serving(StubService()) as made:
        yield made


@pytest.fixture(params=[MemoryStore, SqliteStore.create])
def scene(request, service, tmp_path):
    """Its gateway, on either store, with a cap for what is paid from behind a gap."""
    made = Scene(service, MemoryStore() if request.param is MemoryStore else request.param(tmp_path))
    made.rig = Rig(made.store, provisional_cap_rupiah=2 * GRANT_RUPIAH)
    yield made
    made.writer.stop()
    made.store.close()


@pytest.fixture
def terminal(scene):
    """Records 1 to 3 adopt, 4 to 9 redeem; 1 to 6 are sealed."""
    made = scene.rig.terminal()
    for index in range(6):
        made.redeem(index)
    scene.seal(made, (1, 3), (4, 6))
    return made


def retire(scene):
    """As the gateway does between two batches."""
    scene.writer.submit(Changes(retired=[42]), [42]).result(20)


def test_late_redemptions_are_named_in_their_segment(scene, terminal, service):
    """TKO-04: across the border, with their evidence, also where the bank has to be told again."""
    retire(scene)
    terminal.void(9)
    scene.seal(terminal, (7, 8), (9, 10))
    assert [name == "DISPUTED" for name in scene.states()] == [False] * 6 + [True] * 3 + [False]
    for sequence in (7, 8, 9):
        service.outcomes[KID, sequence] = ("disputed", "the lease had gone")
    assert scene.forwarder.turn()
    (segment,) = service.requests[0][1]["segments"]
    assert (segment["first"], len(segment["records"]), segment["late"]) == (1, 10, [7, 8, 9])
    assert len(segment["frames"]) == 4
    assert scene.states()[3:] == ["SETTLED"] * 3 + ["DISPUTED"] * 3 + ["RECORDED"]
    assert scene.store.terminal(42).booked_through == 10, (
        "the bank has the evidence, so flash may be reclaimed"
    )


def test_what_was_on_its_way_from_behind_a_gap_is_not_late(scene, terminal, service):
    """TKO-02: it counts, and so it is in the statement; what comes behind the same gap later is late."""
    terminal.redeem(7)
    scene.sent += 1
    scene.writer.deliver(received(terminal.bridge(7), scene.channel, scene.sent))
    scene.seal(terminal, (8, 8))
    retire(scene)
    retire(scene)
    assert scene.store.kept(42) == [8]
    scene.seal(terminal, (9, 10))
    assert [row.forwarded_rupiah for row in scene.store.provisional(42, 1, 99)] == [GRANT_RUPIAH, 0, 0]
    scene.seal(terminal, (7, 7))
    assert [row.sequence for row in scene.store.records(42, 1, 99) if row.state.name == "DISPUTED"] == [
        7,
        9,
        10,
    ]
    while scene.forwarder.turn():
        pass
    segments = [part for _, body in service.requests for part in body["segments"]]
    assert [part["late"] for part in segments if "late" in part] == [[7, 9, 10]]
    assert scene.store.terminal(42).retired_through == 6
