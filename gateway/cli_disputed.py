"""The commands for disputed redemptions: which there are, what is known of each, and what somebody decides about them.

What was sold on a terminal whose leases had gone to another one was not covered by them. Somebody looks at it: if the family
has its goods, the sale may be paid out of the exposure that the authority put by; if not, it is refused, and the shop bears
it. The family's lease at the new terminal is the same either way. Settlement has the last word on each record.
"""

from __future__ import annotations

from typing import Any

import click

from gateway import disputes, report, tables
from gateway.cli_parts import Kid, as_json, give_order, guarded, tell
from gateway.config import Config
from gateway.disputes import PAY, REFUSE, Wish
from gateway.documents import Kind
from gateway.errors import UnknownTerminalError
from gateway.publish import Order
from gateway.store.interface import Reader
from gateway.store.sqlite import SqliteReader
from protocol import records, takeover


@click.group("disputed")
def disputed_group() -> None:
    """Redemptions that are disputed, and what people decide about them."""


@disputed_group.command("list")
@as_json
@click.pass_obj
@guarded
def disputed_list(config: Config, is_json: bool) -> None:
    """Terminals that have disputed redemptions, with what the authority put by for them."""
    reader = SqliteReader.open(config.data)
    told = [_account(reader, row.kid) for row in reader.terminals()]
    reader.close()
    told = [each for each in told if each["records"]]
    if is_json:
        tell(told, is_json=True)
        return
    names = ("kid", "records #", "amount Rp", "exposure Rp", "paid of it Rp")
    tables.show(
        "disputed",
        names,
        (
            (
                each["kid"], each["records"], tables.rupiah(each["disputed_rupiah"]),
                tables.rupiah(each["exposure_rupiah"]), tables.rupiah(each["paid_rupiah"]),
            )
            for each in told
        ),
    )  # fmt: skip


def _account(reader: Reader, kid: int) -> dict[str, Any]:
    """What a terminal's disputed redemptions come to."""
    rows = reader.disputed(kid)
    named = [
        takeover.decode_takeover(each.body).exposure_rupiah for each in reader.documents(Kind.TAKEOVER, kid)
    ]
    return {
        "kid": f"{kid:08x}",
        "records": len(rows),
        "disputed_rupiah": sum(row.amount_rupiah for row in rows),
        "exposure_rupiah": max(named, default=0),
        "paid_rupiah": _paid_rupiah(reader, kid),
    }


def _paid_rupiah(reader: Reader, kid: int) -> int:
    """What of late records was paid."""
    terminal = reader.terminal(kid)
    if terminal is None or terminal.retired_through < 0:
        return 0
    kept = set(reader.kept(kid))
    behind = reader.records(kid, terminal.retired_through + 1, terminal.sealed_through)
    return sum(
        row.amount_rupiah
        for row in behind
        if row.kind == records.REDEMPTION and row.state.name == "SETTLED" and row.sequence not in kept
    )


@disputed_group.command("show")
@click.argument("kid", type=Kid())
@as_json
@click.pass_obj
@guarded
def disputed_show(config: Config, kid: int, is_json: bool) -> None:
    """A terminal's disputed redemptions, each with what else the terminal said of it, and what was decided so far."""
    reader = SqliteReader.open(config.data)
    try:
        if reader.terminal(kid) is None:
            raise UnknownTerminalError(kid=f"{kid:08x}")
        rows = reader.disputed(kid)
        received = _received(reader, kid)
        told = _account(reader, kid) | {
            "disputed": [
                report.record_in_full(row) | {"goods_received": received.get(row.sequence, 0)} for row in rows
            ],
            "decisions": [report.decision(row) for row in reader.decisions() if row.kid == kid],
        }
    finally:
        reader.close()
    if is_json:
        tell(told, is_json=True)
        return
    click.echo(
        f"terminal {kid:08x}: Rp {tables.rupiah(told['disputed_rupiah'])} disputed; "
        f"exposure Rp {tables.rupiah(told['exposure_rupiah'])}, of which Rp {tables.rupiah(told['paid_rupiah'])} are paid"
    )
    tables.show(
        "disputed",
        ("record #", "time", "amount Rp", "card", "goods received #", "why"),
        (
            (
                each["sequence"], tables.moment(1000 * each["time_s"]), tables.rupiah(each["amount_rupiah"]),
                each["fields"]["card_key"], each["goods_received"] or "-", each["reason"],
            )
            for each in told["disputed"]
        ),
    )  # fmt: skip
    for each in told["decisions"]:
        outcome = "waits for settlement" if not each["answered_ms"] else each["last_error"] or "carried out"
        click.echo(
            f"decided {tables.moment(each['decided_ms'])} by {each['reviewer']}: {each['verdict']} records "
            f"{each['first']} to {each['last']}: {each['reason']} ({tables.plain(outcome)})"
        )


def _received(reader: Reader, kid: int) -> dict[int, int]:
    """By redemption the record that says that its goods were received."""
    terminal = reader.terminal(kid)
    rows = reader.records(kid, 1, terminal.sealed_through) if terminal else []
    return {row.reference: row.sequence for row in rows if row.kind == records.GOODS_RECEIVED}


@disputed_group.command("review")
@click.argument("kid", type=Kid())
@click.option("--from", "first", type=click.IntRange(1, records.SEQUENCE_MAX), required=True)
@click.option(
    "--to",
    "last",
    type=click.IntRange(1, records.SEQUENCE_MAX),
    default=None,
    help="Last record; default: the same.",
)
@click.option(
    "--pay", "verdict", flag_value=PAY, help="The family has its goods: pay, as far as the exposure goes."
)
@click.option("--refuse", "verdict", flag_value=REFUSE, help="It has not, or nobody can show it.")
@click.option(
    "--by",
    "reviewer",
    required=True,
    help="Who decides; it is kept with the decision and told to settlement.",
)
@click.option("--reason", required=True, help="Why; likewise.")
@as_json
@click.pass_obj
@guarded
def disputed_review(
    config: Config,
    kid: int,
    first: int,
    last: int | None,
    verdict: str | None,
    reviewer: str,
    reason: str,
    is_json: bool,
) -> None:
    """Decide about disputed redemptions. Settlement pays what its evidence proves, within the exposure; that is final."""
    if verdict is None:
        raise click.UsageError("say --pay or --refuse")
    last = first if last is None else last
    if last < first:
        raise click.UsageError("--to is before --from")
    wish = Wish(first, last, verdict, reviewer, reason)
    tell(give_order(config, Order.DECIDE, disputes.encode(wish), kid), is_json)
