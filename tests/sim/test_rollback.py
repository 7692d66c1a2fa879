"""A terminal whose flash was put back: it locks on its own seal, its forks are found and frozen, a new generation goes on."""

from collections.abc import Iterator
from typing import Any

import pytest

from firmware import states
from tests.sim.shop import (
    NEEDS_MICROPYTHON,
    NEEDS_MOSQUITTO,
    cash,
    district,
    open_for_business,
    opened,
    redemptions,
    send_now,
    serve,
    wait_until,
)
from tools.stack import Stack
from tools.virtual_terminal.control import TerminalError, VirtualTerminal

LOCKED_KID = 0x60
KID = 0x61
NEXT_KID = 0x62

pytestmark = [
    pytest.mark.timeout(300),
    NEEDS_MOSQUITTO,
    NEEDS_MICROPYTHON,
]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A district whose broker and gateway run; each test has a terminal and families of its own there."""
    with district(tmp_path_factory.mktemp("stack")) as made:
        open_for_business(made, with_settlement=False)
        yield made


def notices_of(stack: Stack) -> int:
    """Rollback notices that the gateway says it sent; its health report is some seconds old."""
    return int(stack.gateway_status()["health"]["acknowledgements"]["rollback_notices"])


def row_of(stack: Stack, kid: int) -> dict[str, Any]:
    """What the gateway says of one terminal."""
    return next(row for row in stack.gateway_status()["terminals"] if row["kid"] == f"{kid:08x}")


def settled_rupiah(stack: Stack, kid: int) -> int:
    """What settlement has paid of a terminal's records, as the gateway knows it."""
    return int(row_of(stack, kid)["totals"]["settled_rupiah"])


def wait_until_sealed(terminal: VirtualTerminal, what: str) -> int:
    """Until the gateway has sealed all that the terminal has; how many records."""

    def all_sealed() -> bool:
        books = terminal.ask("books")
        return bool(books["sealed_through"] == len(books["records"]))

    wait_until(all_sealed, what)
    # The broker must have the terminal's PUBACK before the power is cut: an acknowledgement that it delivers again to
    # the older flash would be recorded there as one from ahead, which is a fork of its own.
    for _ in range(5):
        terminal.pause()
    return len(terminal.ask("books")["records"])


def test_a_terminal_put_back_locks_before_it_forks(stack: Stack) -> None:
    stack.add_terminal(LOCKED_KID)
    counter = opened(stack.power_cut(LOCKED_KID))
    serve(stack, counter, cash(6, "50*"))
    image = stack.keep_flash(LOCKED_KID)
    terminal = stack.power_cut(LOCKED_KID)
    counter = opened(terminal)
    serve(stack, counter, cash(8, "70*"))
    send_now(terminal)
    sealed = wait_until_sealed(terminal, "the sale that will be forgotten is sealed")
    assert not terminal.ask("books")["locked"]

    terminal = stack.power_cut(LOCKED_KID, image)
    terminal.ask("power_on")
    terminal.wait_for_screen("last_transaction")
    wait_until(lambda: terminal.ask("books")["locked"], "the terminal locks")
    books = terminal.ask("books")
    assert states.NOTICE_LOCKED in books["notices"]
    assert [entry["amount_rupiah"] for entry in redemptions(terminal)] == [50_000], "it still shows"
    wait_until(lambda: notices_of(stack) >= 1, "the gateway shows that it sent a notice")
    status = stack.gateway_status()
    assert f"{LOCKED_KID:08x}" not in [entry["kid"] for entry in status["conflicts"]]
    assert status["counters"]["frames_behind"] >= 1

    terminal = stack.power_cut(LOCKED_KID)
    counter = opened(terminal)
    assert terminal.ask("books")["locked"]
    serve(stack, counter, cash(9, "10*"), ends="refused")
    assert len(terminal.ask("books")["records"]) == len(books["records"]), "nothing is added to its chain"
    send_now(terminal)
    row = row_of(stack, LOCKED_KID)
    assert (row["state"], row["sealed_through"]) == ("active", sealed)
    assert row["totals"]["pending_rupiah"] == 120_000, "both sales are there, each once"


def test_forked_seals_are_frozen_and_a_new_generation_goes_on(stack: Stack) -> None:
    stack.add_terminal(KID)
    counter = opened(stack.power_cut(KID))
    stack.start_settlement()
    serve(stack, counter, cash(0, "50*"))
    send_now(counter.terminal)
    wait_until(lambda: settled_rupiah(stack, KID) == 50_000, "the first sale is paid")
    stack.stop_service("settlement")
    image = stack.keep_flash(KID)
    terminal = stack.power_cut(KID)
    counter = opened(terminal)
    serve(stack, counter, cash(2, "70*"))
    send_now(terminal)
    sealed = wait_until_sealed(terminal, "the sale that will be forgotten is sealed")

    stack.broker.stop()
    terminal = stack.power_cut(KID, image)
    counter = opened(terminal)
    serve(stack, counter, cash(3, "30*"))
    assert not terminal.ask("books")["locked"], "nobody could tell it"
    stack.broker.start()
    stack.wait_for_gateway()
    send_now(terminal)
    wait_until(lambda: terminal.ask("books")["locked"], "the terminal locks")
    granted_rupiah = terminal.ask("books")["granted_rupiah"]
    assert [entry["kid"] for entry in stack.gateway_status()["conflicts"]] == [f"{KID:08x}"]
    row = row_of(stack, KID)
    assert (row["state"], row["sealed_through"]) == ("frozen", sealed)
    assert 0 < row["frozen_from"] <= sealed

    with pytest.raises(TerminalError, match="AlreadyProvisioned"):
        stack.new_generation(NEXT_KID, KID, discards_records=False)
    terminal = stack.new_generation(NEXT_KID, KID, discards_records=True)
    stack.start_settlement()
    counter = opened(terminal)
    assert terminal.ask("books")["granted_rupiah"] == granted_rupiah - 120_000, "less what is sealed"
    serve(stack, counter, cash(5, "40*"))
    send_now(terminal)
    wait_until(lambda: settled_rupiah(stack, NEXT_KID) == 40_000, "it is paid")
    frozen = row_of(stack, KID)["totals"]
    assert frozen["settled_rupiah"] == 50_000
    assert frozen["pending_rupiah"] == 70_000, "nothing of the fork settles, neither side of it"
    totals = stack.settlement_get("/v1/totals")
    assert totals["refused_rupiah"] == totals["disputed_rupiah"] == 0

    stack.gateway_command(
        "conflict", "review", f"{KID:08x}", "--reason", "the family of the second sale has its goods"
    )
    wait_until(
        lambda: settled_rupiah(stack, KID) == 120_000, "what came first is paid once it was decided on"
    )
    assert row_of(stack, KID)["state"] == "frozen"
