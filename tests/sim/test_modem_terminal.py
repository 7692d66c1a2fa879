"""One redemption without WLAN: through the modem's AT commands to a real Mosquitto, gateway and bank, and back to DIBAYAR."""

import pytest

from tests.sim.shop import (
    NEEDS_MICROPYTHON,
    NEEDS_MOSQUITTO,
    all_paid,
    cash,
    opened,
    serve,
    wait_until,
)
from tools.stack import Stack

KID = 0x52
NUMBER = "+6281100000052"

pytestmark = [
    pytest.mark.timeout(180),
    NEEDS_MOSQUITTO,
    NEEDS_MICROPYTHON,
]


def test_a_redemption_is_settled_through_the_modem(stack: Stack) -> None:
    stack.issue_documents()
    fittings = {"modem": {"family": "SIM7600", "number": NUMBER}}
    terminal = stack.add_terminal(KID, fittings, {"modem": "1", "apn": "internet"})
    stack.broker.start()
    stack.start_settlement()
    stack.start_gateway()
    stack.wait_for_gateway()
    terminal.ask("wlan", in_reach=False)
    serve(stack, opened(terminal), cash(0, "50*"))
    wait_until(lambda: all_paid(terminal, 1), "the redemption paid through the modem")
    assert terminal.ask("books")["way"] == "modem"
    told = terminal.ask("modem")
    assert told["state"] == "ready"
    assert told["counts"]["opened"] >= 1
    assert stack.settlement_get("/v1/totals")["settled_rupiah"] == 50_000
