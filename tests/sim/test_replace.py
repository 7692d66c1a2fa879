"""A terminal dies with a sale that nobody has; another one goes on with its leases, and the late sale ends disputed."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.sim.shop import (
    NEEDS_MICROPYTHON,
    NEEDS_MOSQUITTO,
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

OLD, NEW = 0x70, 0x71
LATE_RUPIAH = 30_000

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


def test_a_new_terminal_takes_over_and_nothing_is_spent_twice(stack: Stack) -> None:
    """TKO-04, TKO-07: through real firmware, broker, gateway and settlement."""
    stack.add_terminal(OLD)
    counter = opened(stack.power_cut(OLD))
    serve(stack, counter, cash(0, "200*"))
    serve(stack, counter, cash(3, "50*"))
    send_now(counter.terminal)
    wait_until(lambda: all_paid(counter.terminal, 2), "what was sent is paid")
    granted_rupiah = counter.terminal.ask("books")["granted_rupiah"]
    stack.broker.stop()
    serve(stack, counter, cash(6, "30*"))
    stack.keep_flash(OLD)
    stack.broker.start()
    stack.wait_for_gateway()

    terminal = stack.replace(NEW, OLD, exposure_rupiah=LATE_RUPIAH)
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
        "kid": f"{NEW:08x}", "exposure_rupiah": LATE_RUPIAH, "issued_s": 0,
    }  # fmt: skip

    old = stack.power_cut(OLD)
    opened(old)
    send_now(old)
    wait_until(
        lambda: row_of(stack, OLD)["totals"]["disputed_rupiah"] == LATE_RUPIAH, "the late sale is there"
    )
    wait_until(
        lambda: stack.settlement_get("/v1/totals")["disputed_rupiah"] == LATE_RUPIAH, "and at the bank"
    )
    wait_until(lambda: redemptions(old)[-1]["state"] not in ("TERCATAT", "TERKIRIM", "DIBAYAR"), "and told")
    totals = stack.settlement_get("/v1/totals")
    assert totals["settled_rupiah"] == 250_000 + 190_000 <= stack.granted_rupiah
    assert totals["redeemed_rupiah"] == totals["settled_rupiah"] + LATE_RUPIAH
    assert SEMBAKO_RUPIAH == 200_000, "what the first family had, and what the second had in two parts"
