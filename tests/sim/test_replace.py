"""A terminal dies with sales that nobody has; another one goes on with its leases. The old one comes back: it is told and
locks, and what it sold late is decided on by people, within the exposure.
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from firmware import states
from tests.sim.shop import (
    NEEDS_MICROPYTHON,
    NEEDS_MOSQUITTO,
    PAID,
    all_paid,
    cash,
    district,
    open_for_business,
    opened,
    redemptions,
    send_now,
    serve,
    wait_until,
)
from tools.stack import SEMBAKO_RUPIAH, Stack
from tools.virtual_terminal.control import VirtualTerminal

OLD, NEW = 0x70, 0x71
LATE_RUPIAH = (30_000, 20_000)

pytestmark = [pytest.mark.timeout(300), NEEDS_MOSQUITTO, NEEDS_MICROPYTHON]


@pytest.fixture
def stack(tmp_path) -> Iterator[Stack]:
    """A district that is open for business."""
    with district(tmp_path / "stack") as made:
        open_for_business(made)
        yield made


def row_of(stack: Stack, kid: int) -> dict[str, Any]:
    """What the gateway says of one terminal."""
    return next(row for row in stack.gateway_status()["terminals"] if row["kid"] == f"{kid:08x}")


def bank(stack: Stack) -> dict[str, int]:
    """The bank's sums."""
    totals: dict[str, int] = stack.settlement_get("/v1/totals")
    return totals


def told(terminal: VirtualTerminal) -> list[str]:
    """What a terminal shows of its last two redemptions."""
    return [str(entry["state"]) for entry in redemptions(terminal)[-2:]]


def decide(stack: Stack, *options: str) -> None:
    """Somebody has looked at late sales."""
    kid = f"{OLD:08x}"
    stack.gateway_command(
        "disputed", "review", kid, *options, "--by", "Sri", "--reason", "visited the families"
    )


def late_rows(stack: Stack) -> list[dict[str, Any]]:
    """What the gateway says of the late sales, newest first."""
    rows = json.loads(stack.gateway_command("records", "--kid", f"{OLD:08x}", "--json"))
    return [row for row in rows if row["kind"] == "redemption"][:2]


def test_a_new_terminal_takes_over_and_nothing_is_spent_twice(stack: Stack) -> None:
    """TKO-04, TKO-07, TKO-09, TKO-10, TKO-11, STD-02, STD-03: through real firmware, broker, gateway and settlement."""
    stack.add_terminal(OLD)
    counter = opened(stack.power_cut(OLD))
    serve(stack, counter, cash(0, "200*"))
    serve(stack, counter, cash(3, "50*"))
    send_now(counter.terminal)
    wait_until(lambda: all_paid(counter.terminal, 2), "what was sent is paid")
    granted_rupiah = counter.terminal.ask("books")["granted_rupiah"]
    stack.broker.stop()
    serve(stack, counter, cash(6, "30*"))
    serve(stack, counter, cash(12, "20*"))
    stack.keep_flash(OLD)
    stack.broker.start()
    stack.wait_for_gateway()

    terminal = stack.replace(NEW, OLD, exposure_rupiah=LATE_RUPIAH[0])
    counter = opened(terminal)
    assert terminal.ask("books")["granted_rupiah"] == granted_rupiah - 250_000, "less what is sealed"
    serve(stack, counter, cash(0, "1*"), ends="refused")
    # The modelled card forgets what it has counted at another terminal; tapped twice it counts further.
    serve(stack, counter, replace(cash(3, "150*"), lifts_card=True))
    serve(stack, counter, cash(9, "40*"))
    send_now(terminal)
    wait_until(lambda: all_paid(terminal, 2), "the new one's sales are paid")
    row = row_of(stack, OLD)
    assert row["state"] == "retired"
    assert row["taken_over_by"][0] | {"issued_s": 0} == {
        "kid": f"{NEW:08x}", "exposure_rupiah": LATE_RUPIAH[0], "issued_s": 0,
    }  # fmt: skip

    old = stack.power_cut(OLD)
    counter = opened(old)
    send_now(old)
    wait_until(lambda: old.ask("books")["locked"], "it is told that it was replaced, and locks")
    assert states.NOTICE_REPLACED in old.ask("books")["notices"]
    serve(stack, counter, cash(15, "10*"), ends="refused")
    total_late = sum(LATE_RUPIAH)
    wait_until(
        lambda: row_of(stack, OLD)["totals"]["disputed_rupiah"] == total_late, "the late sales are there"
    )
    wait_until(lambda: bank(stack)["disputed_rupiah"] == total_late, "and at the bank")
    wait_until(lambda: told(old) == ["SENGKETA"] * 2, "and told")
    assert bank(stack)["settled_rupiah"] == 250_000 + 190_000 <= stack.granted_rupiah

    granted_rupiah = bank(stack)["granted_rupiah"]
    first, last = (entry["sequence"] for entry in redemptions(old)[-2:])
    decide(stack, "--from", str(first), "--to", str(last), "--pay")
    wait_until(
        lambda: told(old) == [PAID, "SENGKETA"], "one is paid, for the other the exposure is too small"
    )
    decide(stack, "--from", str(last), "--refuse")
    wait_until(lambda: told(old) == [PAID, "DITOLAK"], "it hears of both")
    assert [row["state"] for row in late_rows(stack)] == ["refused", "settled"]
    assert "Sri" in late_rows(stack)[0]["reason"]
    totals = bank(stack)
    assert totals["settled_rupiah"] == 440_000 + LATE_RUPIAH[0] <= stack.granted_rupiah + LATE_RUPIAH[0]
    assert (totals["refused_rupiah"], totals["disputed_rupiah"]) == (LATE_RUPIAH[1], 0)
    assert totals["redeemed_rupiah"] == totals["settled_rupiah"] + totals["refused_rupiah"]
    assert totals["granted_rupiah"] == granted_rupiah + LATE_RUPIAH[0], (
        "the exposure is held beside the grants"
    )
    assert row_of(stack, OLD)["totals"]["disputed_rupiah"] == 0
    assert SEMBAKO_RUPIAH == 200_000, "what the first family had, and what the second had in two parts"
