"""The command that retires a terminal's generation and writes what its authority needs to give its leases to another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from gateway import tables
from gateway.cli_parts import Kid, as_json, give_order, guarded, tell
from gateway.config import Config
from gateway.documents import Kind
from gateway.errors import GatewayError, RecordsMissingError
from gateway.publish import INCOMPLETE, Order
from gateway.signatures import SIGNATURE_OCTETS
from gateway.store.interface import Reader
from gateway.store.sqlite import SqliteReader
from protocol import records, takeover

DOUBTS = {
    takeover.DOUBT_GAP: "records of it are missing, or were not sealed when it was retired",
    takeover.DOUBT_FORK: "its seals fork: it spent twice",
    takeover.DOUBT_UNKNOWN_CARD: "cards spent that no roster of it names",
}


def _require_record(config: Config, kid: int, sequence: int) -> None:
    """What is sealed here stays so: this may be looked at before the order is given."""
    reader = SqliteReader.open(config.data)
    row = reader.terminal(kid)
    reader.close()
    if row is not None and row.sealed_through < sequence:
        raise RecordsMissingError(kid=f"{kid:08x}", sealed_through=row.sealed_through, last_record=sequence)


@click.command("takeover")
@click.argument("kid", type=Kid())
@click.option(
    "--to",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="Folder for the statement and the documents that it is about.",
)
@click.option(
    "--incomplete",
    is_flag=True,
    help="Also where records of it are known to be missing: they will be disputed.",
)
@click.option(
    "--last-record",
    "last_record",
    type=click.IntRange(1, records.SEQUENCE_MAX),
    help="The last one that the rescue found: nothing is retired before it is here.",
)
@as_json
@click.pass_obj
@guarded
def takeover_command(
    config: Config, kid: int, folder: Path, incomplete: bool, last_record: int | None, is_json: bool
) -> None:
    """Retire a terminal whose leases another one takes over, and state what of them is left.

    From now on what still comes from it is kept and acknowledged, but disputed instead of paid. There is no way back:
    rescue its records and import them first. Doing it again gives the same statement.
    """
    if last_record is not None:
        _require_record(config, kid, last_record)
    told = give_order(config, Order.RETIRE, INCOMPLETE if incomplete else b"", kid)
    signed = bytes.fromhex(str(told["octets"]))
    statement = takeover.decode_statement(signed[:-SIGNATURE_OCTETS])
    reader = SqliteReader.open(config.data)
    try:
        files = {f"takeover-{kid:08x}.statement": signed} | _documents(reader, kid, statement)
    finally:
        reader.close()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, octets in files.items():
            (folder / name).write_bytes(octets)
    except OSError as failure:
        raise GatewayError(file=failure.filename, reason=failure.strerror) from failure
    said = as_values(statement) | {
        "already": told["already"],
        "files": [str(folder / name) for name in files],
    }
    if is_json:
        tell(said, is_json=True)
    else:
        _show(said)


def _documents(reader: Reader, kid: int, statement: takeover.Statement) -> dict[str, bytes]:
    """By file name what the authority compares the statement with, as it was published here."""
    found = {}
    for lease in statement.leases:
        named = {
            f"grant-{kid:08x}-{lease.programme}.bin": lease.digest,
            "roster.bin": lease.roster_digest,
            "policy.bin": lease.policy_digest,
        }
        for name, digest in named.items():
            document = reader.document(digest)
            if document is not None:
                found[name] = document.octets
    for epoch in reader.documents(Kind.EPOCH):
        if epoch.number == statement.epoch:
            found["epoch.cert"] = epoch.octets
    return found


def as_values(statement: takeover.Statement) -> dict[str, Any]:
    """A statement for programs; the shape is stable."""
    return {
        "kid": f"{statement.kid:08x}",
        "retired": True,
        "digest": statement.digest.hex(),
        "epoch": statement.epoch,
        "made_s": statement.made_s,
        "sealed_through": statement.sealed_through,
        "chain": statement.chain.hex(),
        "head": statement.head,
        "doubts": [sentence for bit, sentence in DOUBTS.items() if statement.doubts & bit],
        "gaps": [list(gap) for gap in statement.gaps],
        "counted_behind_gaps": [list(run) for run in statement.kept],
        "leases": [
            {
                "programme": lease.programme,
                "period": lease.period,
                "grant": lease.digest.hex(),
                "number": lease.number,
                "roster": lease.roster_digest.hex(),
                "policy": lease.policy_digest.hex(),
                "closed": lease.is_closed,
                "families": [
                    {
                        "index": index,
                        "returned": is_returned,
                        "redeemed_rupiah": redeemed_rupiah,
                        "voided_rupiah": voided_rupiah,
                    }
                    for index, is_returned, redeemed_rupiah, voided_rupiah in lease.spent
                ],
            }
            for lease in statement.leases
        ],
    }


def _show(said: dict[str, Any]) -> None:
    """The same for people."""
    since = "was retired before" if said["already"] else "is retired"
    click.echo(f"terminal {said['kid']} {since}: what counts of it ends at record {said['sealed_through']}")
    for doubt in said["doubts"]:
        click.echo(f"  attention: {doubt}")
    for first, last in said["gaps"]:
        click.echo(f"  missing: records {first} to {last}" if last > first else f"  missing: record {first}")
    rows = [
        (
            lease["programme"],
            f"{lease['period'] // 12}-{lease['period'] % 12 + 1:02d}",
            lease["number"],
            len(lease["families"]),
            tables.rupiah(sum(each["redeemed_rupiah"] for each in lease["families"])),
            tables.rupiah(sum(each["voided_rupiah"] for each in lease["families"])),
            "yes" if lease["closed"] else "no",
        )
        for lease in said["leases"]
    ]
    tables.show(
        "leases", ("programme", "period", "grant #", "families", "redeemed Rp", "voided Rp", "closed"), rows
    )
    click.echo("for the authority: " + ", ".join(said["files"]))
