"""The commands for forks: which there are, both versions of one, and the decision that the one sealed here stands.

A fork is never undone: the generation seals nothing more, and its terminal goes on as a new one that the authority
certifies, with what is left of its leases. What people decide here is whether the money of the version that came first may
flow; the other one is kept as evidence.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from gateway import report, tables
from gateway.cli_parts import Kid, as_json, describe, give_order, guarded, tell
from gateway.config import Config
from gateway.errors import UnknownTerminalError
from gateway.publish import Order
from gateway.store.interface import ConflictRow
from gateway.store.sqlite import SqliteReader


@click.group("conflict")
def conflict_group() -> None:
    """Two sealed versions of a terminal's records."""


@conflict_group.command("list")
@as_json
@click.pass_obj
@guarded
def conflict_list(config: Config, is_json: bool) -> None:
    """All forks, newest first, and whether they were reviewed."""
    reader = SqliteReader.open(config.data)
    told = [report.conflict(reader, row) for row in reader.conflicts(None)]
    reader.close()
    if is_json:
        tell(told, is_json=True)
        return
    rows = [
        (row["kid"], row["sequence"], tables.moment(row["received_ms"]), "yes" if row["reviewed"] else "no")
        for row in told
    ]
    tables.show("conflicts", ("kid", "from record", "proved", "reviewed"), rows)


@conflict_group.command("show")
@click.argument("kid", type=Kid())
@as_json
@click.pass_obj
@guarded
def conflict_show(config: Config, kid: int, is_json: bool) -> None:
    """Both versions of a terminal's records from the fork on, and what was decided."""
    reader = SqliteReader.open(config.data)
    try:
        terminal = reader.terminal(kid)
        if terminal is None:
            raise UnknownTerminalError(kid=f"{kid:08x}")
        conflicts = reader.conflicts(kid)
        first = terminal.frozen_from
        sealed = reader.records(kid, first, terminal.sealed_through) if first else []
        told: dict[str, Any] = {
            "kid": f"{kid:08x}",
            "from": first,
            "sealed_here": [report.record_in_full(row) for row in sealed],
            "others": [_other(config, row) for row in conflicts],
            "reviews": [asdict(row) for row in reader.reviews(kid)],
        }
    finally:
        reader.close()
    if is_json:
        tell(told, is_json=True)
        return
    click.echo(
        f"terminal {kid:08x}: " + (f"frozen from record {first}" if first else "no fork is known of it")
    )
    _show("sealed here", told["sealed_here"])
    for other in told["others"]:
        moment = tables.moment(other["received_ms"])
        _show(f"sealed too, received {moment}, kept as evidence", other["records"])
    for review in told["reviews"]:
        click.echo(
            f"reviewed {tables.moment(review['reviewed_ms'])}: records {review['sequence']} to {review['through']} "
            f"stand: {tables.plain(review['reason'])}"
        )


def _other(config: Config, row: ConflictRow) -> dict[str, Any]:
    """The frame that holds the second version, as far as it can be read."""
    described = describe(config, row.octets)
    return {
        "from": row.sequence,
        "received_ms": row.received_ms,
        "frame": row.octets.hex(),
        "records": described.records,
        "note": described.note,
    }


def _show(title: str, records: list[dict[str, Any]]) -> None:
    """One version as a table; records in full and records of a decoded frame name their fields alike."""
    rows = []
    for told in records:
        fields = told.get("fields", told)
        rows.append(
            (
                told["sequence"],
                told["kind"],
                tables.moment(1000 * fields["time_s"]),
                tables.rupiah(fields.get("amount_rupiah", 0)),
                fields.get("card_key", ""),
                told.get("state", ""),
            )
        )
    tables.show(title, ("record #", "kind", "time", "amount Rp", "card", "state"), rows)


@conflict_group.command("review")
@click.argument("kid", type=Kid())
@click.option("--reason", required=True, help="Why; it is kept with the decision.")
@as_json
@click.pass_obj
@guarded
def conflict_review(config: Config, kid: int, reason: str, is_json: bool) -> None:
    """Decide that what is sealed here from the fork on stands: it may settle now. The generation stays frozen."""
    tell(give_order(config, Order.REVIEW, reason.encode(), kid), is_json)
