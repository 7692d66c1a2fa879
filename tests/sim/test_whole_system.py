"""The whole system with real parts: whatever is switched off in between, every rupiah is redeemed and settled once."""

import signal
from pathlib import Path

import pytest

from tests.sim.shop import (
    NEEDS_MICROPYTHON,
    NEEDS_MOSQUITTO,
    all_paid,
    cash,
    opened,
    redemptions,
    send_now,
    serve,
    wait_until,
)
from tools.demo import Demo
from tools.stack import Stack

KID = 0x51

pytestmark = [
    pytest.mark.timeout(300),
    NEEDS_MOSQUITTO,
    NEEDS_MICROPYTHON,
]


def test_the_demonstration_adds_up(tmp_path: Path) -> None:
    demo = Demo(tmp_path)
    try:
        assert demo.run()
    finally:
        demo.stack.stop()


def test_power_cuts_and_killed_services_cost_nobody_a_rupiah(stack: Stack) -> None:
    """Terminal unplugged between and after sales, gateway killed with -9, broker restarted, bank away for a while."""
    stack.issue_documents()
    terminal = stack.add_terminal(KID)
    counter = opened(terminal)
    serve(stack, counter, cash(0, "50*"))
    family = stack.families[2]
    assert counter.serve(cash(2, "70*"), stack.card_of(2), family.pin) == "granted"

    terminal = stack.power_cut(KID)
    counter = opened(terminal)
    entries = redemptions(terminal)
    assert [entry["amount_rupiah"] for entry in entries] == [50_000, 70_000]

    stack.broker.start()
    stack.start_gateway()
    stack.wait_for_gateway()
    send_now(terminal)
    wait_until(lambda: terminal.ask("books")["sealed_through"] > 0, "records sealed at the gateway")
    stack.kill_service("gateway", signal.SIGKILL)
    stack.broker.stop()
    serve(stack, counter, cash(3, "30*"))

    stack.broker.start()
    stack.start_settlement()
    stack.start_gateway()
    stack.wait_for_gateway()
    send_now(terminal)
    wait_until(lambda: all_paid(terminal, 3), "all three redemptions paid")

    totals = stack.settlement_get("/v1/totals")
    assert totals["settled_rupiah"] == 150_000
    assert totals["refused_rupiah"] == totals["disputed_rupiah"] == 0
    books = terminal.ask("books")
    assert books["redeemed_rupiah"] == 150_000
    assert books["boots"] == 2
    status = stack.gateway_status()
    assert status["totals"]["settled_rupiah"] == 150_000
    assert status["totals"]["pending_rupiah"] == 0
    assert status["conflicts"] == []
    assert (stack.folder / "flash-00000051.bin").stat().st_size == 8 * 1024 * 1024
