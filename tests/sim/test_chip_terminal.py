"""A terminal with an ATECC608, from a blank part to DIBAYAR; and its flash put back by one sale, which the chip's counters tell."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from protocol import certificates
from protocol.records import TENDER_CASH
from tools.hands import Counter, Visit
from tools.setup import checkout
from tools.stack import OPERATOR_CODE, Stack
from tools.virtual_terminal.control import TerminalError, VirtualTerminal

KID = 0x53
PAID_TIMEOUT_S = 60.0

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


def opened(terminal: VirtualTerminal) -> Counter:
    """The shop with that terminal."""
    counter = Counter(terminal)
    counter.open_shop(OPERATOR_CODE)
    return counter


def serve(stack: Stack, counter: Counter, family: int) -> str:
    """One family takes cash; the screen that its visit ends on."""
    visit = Visit(family, "1", TENDER_CASH, cash_keys="50*")
    shown = counter.serve(visit, stack.card_of(family), stack.families[family].pin)
    counter.finish()
    return shown


def wait_until_paid(terminal: VirtualTerminal) -> None:
    """Until all redemptions of the books show DIBAYAR."""
    deadline = time.monotonic() + PAID_TIMEOUT_S
    while True:
        books = terminal.ask("books")
        states = {entry["state"] for entry in books["records"] if entry["kind"] == "redemption"}
        if states == {"DIBAYAR"}:
            return
        assert time.monotonic() < deadline, books
        time.sleep(0.1)


def test_keys_made_in_the_chip_seal_what_is_paid_and_a_flash_put_back_is_locked(stack: Stack) -> None:
    stack.issue_documents()
    part = stack.folder / "atecc608.json"
    terminal = stack.add_terminal(KID, {"atecc608": str(part)})
    config = bytes.fromhex(dict(json.loads(part.read_text()))["config"])
    assert config[86:88] == b"\x00\x00"  # data zone and configuration are locked
    certificate = (stack.folder / f"terminal-{KID:08x}.cert").read_bytes()
    body, _ = certificates.split_signature(certificate, "terminal certificate")
    assert certificates.decode_terminal(body).storage == certificates.STORAGE_ATECC608
    with pytest.raises(TerminalError, match="AlreadyProvisioned"):
        terminal.ask("make_keys", kid=KID + 1, discards_records=False)

    stack.broker.start()
    stack.start_settlement()
    stack.start_gateway()
    stack.wait_for_gateway()
    counter = opened(terminal)
    assert serve(stack, counter, 0) == "granted"
    wait_until_paid(terminal)
    assert stack.settlement_get("/v1/totals")["settled_rupiah"] == 50_000

    kept = stack.keep_flash(KID)
    counter = opened(stack.power_cut(KID))
    assert serve(stack, counter, 2) == "granted"
    counter = opened(stack.power_cut(KID))  # the mains fail: nobody is locked for that
    assert not counter.terminal.ask("books")["locked"]
    stack.broker.stop()  # nobody can send a notice

    terminal = stack.power_cut(KID, kept)
    terminal.ask("power_on")
    terminal.wait_for_screen("last_transaction")
    books = terminal.ask("books")
    assert books["locked"]
    assert books["redeemed_rupiah"] == 50_000
