"""One redemption without WLAN: through the modem's AT commands to a real Mosquitto, gateway and bank, and back to DIBAYAR."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from protocol.records import TENDER_CASH
from tools.hands import Counter, Visit
from tools.setup import checkout
from tools.stack import OPERATOR_CODE, Stack

KID = 0x52
PAID_TIMEOUT_S = 60.0
NUMBER = "+6281100000052"

pytestmark = [
    pytest.mark.timeout(180),
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


def test_a_redemption_is_settled_through_the_modem(stack: Stack) -> None:
    stack.issue_documents()
    fittings = {"modem": {"family": "SIM7600", "number": NUMBER}}
    terminal = stack.add_terminal(KID, fittings, {"modem": "1", "apn": "internet"})
    stack.broker.start()
    stack.start_settlement()
    stack.start_gateway()
    stack.wait_for_gateway()
    terminal.ask("wlan", in_reach=False)
    counter = Counter(terminal)
    counter.open_shop(OPERATOR_CODE)
    visit = Visit(0, "1", TENDER_CASH, cash_keys="50*")
    assert counter.serve(visit, stack.card_of(0), stack.families[0].pin) == "granted"
    counter.finish()

    def is_paid() -> bool:
        books = terminal.ask("books")
        states = [entry["state"] for entry in books["records"] if entry["kind"] == "redemption"]
        return states == ["DIBAYAR"]

    deadline = time.monotonic() + PAID_TIMEOUT_S
    while not is_paid():
        assert time.monotonic() < deadline, (terminal.ask("modem"), terminal.ask("books"))
        time.sleep(0.1)
    assert terminal.ask("books")["way"] == "modem"
    told = terminal.ask("modem")
    assert told["state"] == "ready"
    assert told["counts"]["opened"] >= 1
    assert stack.settlement_get("/v1/totals")["settled_rupiah"] == 50_000
