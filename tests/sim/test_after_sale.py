"""What follows a sale, at real terminals' keys and through to the bank: what was voided is not paid, the rest is, once."""

from typing import Any

import pytest

from protocol.records import TENDER_GOODS
from tests.sim.shop import NEEDS_MICROPYTHON, NEEDS_MOSQUITTO, opened, wait_until
from tools.hands import Visit
from tools.stack import Stack

KID = 0x53
EGGS = ((1, "1"),)

pytestmark = [
    pytest.mark.timeout(300),
    NEEDS_MOSQUITTO,
    NEEDS_MICROPYTHON,
]


def kinds_of(books: dict[str, Any]) -> list[str]:
    """The kinds of the terminal's transactions, in order."""
    plain = ("redemption", "void", "goods_received", "return", "period_close")
    return [entry["kind"] for entry in books["records"] if entry["kind"] in plain]


def test_a_void_is_netted_and_the_rest_is_paid_whatever_follows_it(stack: Stack) -> None:
    stack.issue_documents()
    terminal = stack.add_terminal(KID)
    counter = opened(terminal)
    for index in (0, 2):
        visit = Visit(index, "1", TENDER_GOODS, goods=EGGS)
        assert counter.serve(visit, stack.card_of(index), stack.families[index].pin) == "granted"
        counter.finish()
    sold = [entry for entry in terminal.ask("books")["records"] if entry["kind"] == "redemption"]
    rupiah = sold[0]["amount_rupiah"]

    # The newest first: family 2 confirms its goods, family 0 brings them back.
    assert counter.receive(0, 2, stack.card_of(2)) == "recorded"
    counter.finish()
    assert counter.void(1, 0, stack.card_of(0)) == "recorded"
    counter.finish()
    assert counter.void(1, 0, stack.card_of(0)) == "record", "what stands is shown, not done again"
    terminal.press("X")
    terminal.wait_for_screen("idle")
    assert counter.void(0, 2, stack.card_of(2)) == "refused", "the goods are with the family"
    counter.finish()
    assert counter.give_back("1", 3, stack.card_of(3)) == "recorded"
    counter.finish()
    assert counter.close_period("1") == "recorded"
    counter.finish()
    assert kinds_of(terminal.ask("books")) == [
        *("redemption", "redemption", "goods_received"),
        *("void", "return", "period_close"),
    ]

    stack.broker.start()
    stack.start_settlement()
    stack.start_gateway()
    stack.wait_for_gateway()
    wait_until(
        lambda: stack.settlement_get("/v1/totals")["redeemed_rupiah"] == 2 * rupiah, "both sales settled"
    )
    wait_until(lambda: stack.settlement_get("/v1/totals")["voided_rupiah"] == rupiah, "the void netted")
    totals = stack.settlement_get("/v1/totals")
    assert totals["settled_rupiah"] == rupiah
    assert totals["refused_rupiah"] == totals["disputed_rupiah"] == 0
    wait_until(lambda: stack.gateway_status()["totals"]["settled_rupiah"] == rupiah, "the gateway knows")
    status = stack.gateway_status()
    assert status["totals"]["pending_rupiah"] == 0
    assert status["conflicts"] == []
