"""The whole system with real parts: whatever is switched off in between, every rupiah is redeemed and settled once."""

import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from protocol.records import TENDER_CASH
from tools.demo import Demo
from tools.hands import Counter, Visit
from tools.setup import checkout
from tools.stack import OPERATOR_CODE, Stack
from tools.virtual_terminal.control import VirtualTerminal

KID = 0x51
SETTLED_TIMEOUT_S = 180.0
PAID = "DIBAYAR"

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.skipif("mosquitto" in checkout.missing(), reason="Mosquitto could not be had"),
    pytest.mark.skipif("micropython64" in checkout.missing(), reason="MicroPython could not be had"),
]


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    """A district with its services, none of them running."""
    made = Stack(tmp_path)
    try:
        yield made
    finally:
        made.stop()


def cash(family: int, keys: str) -> Visit:
    """A family takes cash of Sembako."""
    return Visit(family, "1", TENDER_CASH, cash_keys=keys)


def serve(stack: Stack, counter: Counter, visit: Visit) -> None:
    """One family from the idle screen back to it."""
    family = stack.families[visit.family]
    assert counter.serve(visit, stack.card_of(visit.family), family.pin) == "granted"
    counter.finish()


def redemptions(terminal: VirtualTerminal) -> list[dict[str, Any]]:
    """The terminal's redemptions with their states."""
    return [entry for entry in terminal.ask("books")["records"] if entry["kind"] == "redemption"]


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Look until it holds."""
    deadline = time.monotonic() + SETTLED_TIMEOUT_S
    while not condition():
        assert time.monotonic() < deadline, f"not within {SETTLED_TIMEOUT_S:.0f} s: {what}"
        time.sleep(0.1)


def all_paid(terminal: VirtualTerminal, count: int) -> bool:
    """Whether so many redemptions are there and all of them paid."""
    entries = redemptions(terminal)
    return len(entries) == count and all(entry["state"] == PAID for entry in entries)


def send_now(terminal: VirtualTerminal) -> None:
    """The operator asks to send at once."""
    terminal.press("M")
    terminal.wait_for_screen("choose")
    terminal.press("6")
    terminal.wait_for_screen("pending")
    terminal.press("MX")
    terminal.wait_for_screen("choose")
    terminal.press("X")
    terminal.wait_for_screen("idle")


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
    counter = Counter(terminal)
    counter.open_shop(OPERATOR_CODE)
    serve(stack, counter, cash(0, "50*"))
    family = stack.families[2]
    assert counter.serve(cash(2, "70*"), stack.card_of(2), family.pin) == "granted"

    terminal = stack.power_cut(KID)
    counter = Counter(terminal)
    counter.open_shop(OPERATOR_CODE)
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
