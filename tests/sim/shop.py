"""What whole-system tests share: what they need on this machine, a district with its services, people, and patience."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from protocol.records import TENDER_CASH
from tools.hands import Counter, Visit
from tools.setup import checkout
from tools.stack import OPERATOR_CODE, Stack
from tools.virtual_terminal.control import VirtualTerminal

LOOK_S = 0.1
PAID = "DIBAYAR"

NEEDS_MICROPYTHON = pytest.mark.skipif(
    "micropython64" in checkout.missing(), reason="MicroPython could not be had"
)
NEEDS_MOSQUITTO = pytest.mark.skipif("mosquitto" in checkout.missing(), reason="Mosquitto could not be had")


@contextmanager
def district(folder: Path) -> Iterator[Stack]:
    """A district with its services, none of them running; all are ended in the end."""
    made = Stack(folder)
    try:
        yield made
    finally:
        made.stop()


def open_for_business(stack: Stack, with_settlement: bool = True) -> None:
    """Documents issued, broker, bank and gateway running."""
    stack.issue_documents()
    stack.broker.start()
    if with_settlement:
        stack.start_settlement()
    stack.start_gateway()
    stack.wait_for_gateway()


def opened(terminal: VirtualTerminal) -> Counter:
    """A counter that is open for business."""
    counter = Counter(terminal)
    counter.open_shop(OPERATOR_CODE)
    return counter


def wait_until(condition: Callable[[], bool], what: str, timeout_s: float = 180.0) -> None:
    """Look until it holds."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {timeout_s:.0f} s: {what}"
        time.sleep(LOOK_S)


def cash(family: int, keys: str) -> Visit:
    """A family takes cash of Sembako."""
    return Visit(family, "1", TENDER_CASH, cash_keys=keys)


def serve(stack: Stack, counter: Counter, visit: Visit, ends: str = "granted") -> None:
    """One family from the idle screen back to it, by way of the screen that its visit `ends` on."""
    family = stack.families[visit.family]
    assert counter.serve(visit, stack.card_of(visit.family), family.pin) == ends
    counter.finish()


def send_now(terminal: VirtualTerminal) -> None:
    """The operator asks to send at once."""
    for keys, screen in (("M", "choose"), ("6", "pending"), ("MX", "choose"), ("X", "idle")):
        terminal.press(keys)
        terminal.wait_for_screen(screen)


def redemptions(terminal: VirtualTerminal) -> list[dict[str, Any]]:
    """The terminal's redemptions with their states."""
    return [entry for entry in terminal.ask("books")["records"] if entry["kind"] == "redemption"]


def states(terminal: VirtualTerminal) -> list[str]:
    """The word on the screen for each redemption."""
    return [entry["state"] for entry in redemptions(terminal)]


def all_paid(terminal: VirtualTerminal, count: int) -> bool:
    """Whether so many redemptions are there and all of them paid."""
    return states(terminal) == [PAID] * count
