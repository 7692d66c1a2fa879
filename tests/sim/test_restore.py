"""A gateway restored from an old backup: it stops and says so; under a new epoch it gets all that it lacks, paid once."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sim.shop import (
    NEEDS_MICROPYTHON,
    NEEDS_MOSQUITTO,
    all_paid,
    cash,
    district,
    open_for_business,
    opened,
    send_now,
    serve,
    wait_until,
)
from tools.stack import Stack, StackError
from tools.virtual_terminal.control import VirtualTerminal

KID = 0x71

pytestmark = [
    pytest.mark.timeout(300),
    NEEDS_MOSQUITTO,
    NEEDS_MICROPYTHON,
]


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    """A district whose services run."""
    with district(tmp_path) as made:
        open_for_business(made)
        yield made


def is_stopped(stack: Stack) -> bool:
    """Whether the gateway says that it is older than what terminals heard."""
    return bool(stack.gateway_status()["health"]["acknowledgements"]["stopped_because_restored"])


def assert_nothing_is_said(stack: Stack, acknowledged: int) -> None:
    """No acknowledgement by any way, and an alarm that operators see."""
    assert stack.gateway_status()["health"]["acknowledgements"]["sent"] == acknowledged
    assert "acknowledging is STOPPED" in stack.gateway_command("status")
    with pytest.raises(StackError, match="publish a new epoch"):
        stack.gateway_command("export", f"{KID:08x}", "--to", str(stack.folder / "down"))


def assert_nothing_is_lost(stack: Stack, terminal: VirtualTerminal, head: int, reclaim_through: int) -> None:
    """The terminal still has what the backup lacks, and has been told nothing new."""
    assert stack.gateway_status()["terminals"][0]["sealed_through"] < reclaim_through
    books = terminal.ask("books")
    assert (books["sealed_through"], books["reclaim_through"]) == (head, reclaim_through)
    assert [entry["sequence"] for entry in books["records"]][:head] == list(range(1, head + 1))


def test_a_restored_gateway_stops_and_gets_what_it_lacks_under_a_new_epoch(stack: Stack) -> None:
    terminal = stack.add_terminal(KID)
    counter = opened(terminal)
    serve(stack, counter, cash(0, "50*"))
    send_now(terminal)
    wait_until(lambda: all_paid(terminal, 1), "what the backup has is paid")
    stack.stop_service("gateway")
    data, backup = stack.folder / "gateway", stack.folder / "backup"
    shutil.copytree(data, backup)

    stack.start_gateway()
    stack.wait_for_gateway()
    serve(stack, counter, cash(2, "70*"))
    send_now(terminal)
    wait_until(lambda: all_paid(terminal, 2), "what the backup lacks is paid too")
    booked = stack.settlement_get("/v1/totals")["records"]
    stack.stop_service("settlement")
    serve(stack, counter, cash(3, "30*"))
    send_now(terminal)
    head = len(terminal.ask("books")["records"])
    wait_until(lambda: terminal.ask("books")["sealed_through"] == head, "what is not paid yet is sealed")
    reclaim_through = terminal.ask("books")["reclaim_through"]
    assert 0 < reclaim_through <= booked < head, "only what settlement has may be reclaimed"

    stack.stop_service("gateway")
    shutil.rmtree(data)
    shutil.copytree(backup, data)
    stack.start_settlement()
    stack.start_gateway()
    stack.wait_for_gateway()
    terminal = stack.power_cut(KID)
    counter = opened(terminal)
    wait_until(lambda: is_stopped(stack), "the gateway notices that it was restored")
    acknowledged = stack.gateway_status()["health"]["acknowledgements"]["sent"]
    serve(stack, counter, cash(4, "20*"))
    send_now(terminal)
    wait_until(lambda: stack.gateway_status()["terminals"][0]["waiting_frames"] > 0, "the last sale waits")
    assert_nothing_is_said(stack, acknowledged)
    assert_nothing_is_lost(stack, terminal, head, reclaim_through)

    stack.gateway_command("publish", "epoch", str(stack.certify_epoch(2)))
    wait_until(lambda: all_paid(terminal, 4), "everything is paid")
    wait_until(lambda: not is_stopped(stack), "the gateway says that it acknowledges again")
    books = terminal.ask("books")
    wait_until(lambda: terminal.ask("books")["sealed_through"] == len(books["records"]), "all is sealed")
    books = terminal.ask("books")
    assert books["epoch"] == 2
    assert books["reclaim_through"] >= reclaim_through
    totals = stack.settlement_get("/v1/totals")
    assert totals["settled_rupiah"] == books["redeemed_rupiah"] == 170_000
    assert totals["refused_rupiah"] == totals["disputed_rupiah"] == 0
    assert totals["records"] == len(books["records"]), "each was booked once"
    status = stack.gateway_status()
    assert status["totals"]["settled_rupiah"] == 170_000
    assert status["totals"]["pending_rupiah"] == 0
    assert status["conflicts"] == []
    told = json.loads(stack.gateway_command("records", "--limit", "1000", "--json"))
    sequences = [row["sequence"] for row in told]
    assert sorted(sequences) == [entry["sequence"] for entry in books["records"]]
