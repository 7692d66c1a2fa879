"""A terminal with an ATECC608, from a blank part to DIBAYAR; and its flash put back by one sale, which the chip's counters tell."""

import json

import pytest

from protocol import certificates
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
from tools.virtual_terminal.control import TerminalError

KID = 0x53

pytestmark = [
    pytest.mark.timeout(180),
    NEEDS_MOSQUITTO,
    NEEDS_MICROPYTHON,
]


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
    serve(stack, counter, cash(0, "50*"))
    wait_until(lambda: all_paid(terminal, 1), "the redemption paid")
    assert stack.settlement_get("/v1/totals")["settled_rupiah"] == 50_000

    kept = stack.keep_flash(KID)
    counter = opened(stack.power_cut(KID))
    serve(stack, counter, cash(2, "50*"))
    counter = opened(stack.power_cut(KID))  # the mains fail: nobody is locked for that
    assert not counter.terminal.ask("books")["locked"]
    stack.broker.stop()  # nobody can send a notice

    terminal = stack.power_cut(KID, kept)
    terminal.ask("power_on")
    terminal.wait_for_screen("last_transaction")
    books = terminal.ask("books")
    assert books["locked"]
    assert books["redeemed_rupiah"] == 50_000
