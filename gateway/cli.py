"""The command line: sets the gateway up, feeds it signed documents, runs it, and looks into it.

Exit statuses: 0 done; 1 failed; 2 wrong usage or configuration; 3 keys missing or exposed; 4 a document or terminal is
refused or unknown; 5 the database is locked, damaged or newer; 6 the running gateway did not answer,
or the broker did not do what it was asked.
"""

from __future__ import annotations

import logging
import os
import re
import sys
from contextlib import suppress
from pathlib import Path

import click
import structlog

from gateway import (
    cli_carry,
    cli_conflict,
    cli_disputed,
    cli_release,
    cli_roster,
    cli_takeover,
    keys,
    report,
    tables,
)
from gateway import config as configuration
from gateway.cli_parts import Kid, as_json, describe, give_order, guarded, tell
from gateway.config import Config
from gateway.errors import GatewayError, KeyFileError, StoreLockedError
from gateway.publish import Order
from gateway.store.sqlite import SqliteReader, SqliteStore
from protocol import carry
from protocol.errors import ProtocolError

_LIST_LIMIT = 50
_GRANT_NAME = re.compile(r"grant-([0-9a-f]{8})-\d+")
REQUEST_FILE = "gateway.req"

_PUBLISHED = [
    order.value
    for order in (Order.POLICY, Order.ROSTER, Order.GRANT, Order.EPOCH, Order.WRITE_OFF, Order.TAKEOVER)
]


@click.group()
@click.option("--config", "config_file", type=click.Path(path_type=Path), help="TOML file.")
@click.option(
    "--set", "flags", multiple=True, metavar="SECTION.KEY=VALUE", help="Override a configuration key."
)
@click.pass_context
@guarded
def main(context: click.Context, config_file: Path | None, flags: tuple[str, ...]) -> None:
    """Lumbung's gateway between terminals and the settlement service."""
    context.obj = configuration.load(config_file, os.environ, flags)
    # What a command does on the way is not what it says; `run` has a log of its own.
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=lambda *_: structlog.WriteLogger(sys.stderr),
    )


main.add_command(cli_carry.import_command)
main.add_command(cli_carry.export_command)
main.add_command(cli_conflict.conflict_group)
main.add_command(cli_disputed.disputed_group)
main.add_command(cli_release.release_group)
main.add_command(cli_roster.roster_group)
main.add_command(cli_takeover.takeover_command)


@main.command()
@click.option("--another", is_flag=True, help="Make one more pair for a new epoch; the others stay in use.")
@as_json
@click.pass_obj
@guarded
def init(config: Config, another: bool, is_json: bool) -> None:
    """Make the gateway's keys and the request that the authority certifies."""
    if config.keys.exists() and any(config.keys.iterdir()) and not another:
        raise KeyFileError(directory=config.keys, reason="has keys already; --another makes one more pair")
    key = keys.create(config.keys)
    request = config.data / REQUEST_FILE
    request.write_bytes(key.request)
    with suppress(StoreLockedError):  # Who writes to the database has made it.
        SqliteStore.create(config.data).close()
    tell({"key_id": f"{key.key_id:08x}", "request": str(request)}, is_json)


@main.group("config")
def config_group() -> None:
    """Look at the configuration."""


@config_group.command("show")
@as_json
@click.pass_obj
@guarded
def config_show(config: Config, is_json: bool) -> None:
    """Print the effective configuration as a commented TOML file; secrets are left out."""
    if is_json:
        tell(configuration.effective(config), is_json=True)
    else:
        click.echo(configuration.show(config), nl=False)


@main.command("publish")
@click.argument("kind", type=click.Choice(_PUBLISHED))
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--kid", type=Kid(), default=0, help="Whom a grant is for; default: from the file's name.")
@as_json
@click.pass_obj
@guarded
def publish_command(config: Config, kind: str, file: Path, kid: int, is_json: bool) -> None:
    """Take in a document that the authority has signed."""
    order = Order(kind)
    if order is Order.GRANT and not kid:
        named = _GRANT_NAME.match(file.name)
        if named is None:
            raise click.UsageError("a grant needs --kid, or a file name grant-<kid>-<programme>.bin")
        kid = int(named[1], 16)
    tell(give_order(config, order, file.read_bytes(), kid), is_json)


@main.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@as_json
@click.pass_obj
@guarded
def register(config: Config, file: Path, is_json: bool) -> None:
    """Register a terminal by its certificate; frames that came before are judged again."""
    tell(give_order(config, Order.REGISTER, file.read_bytes(), 0), is_json)


@main.command()
@click.argument("kid", type=Kid())
@as_json
@click.pass_obj
@guarded
def revoke(config: Config, kid: int, is_json: bool) -> None:
    """Withdraw a terminal's certificate; its frames are kept as evidence only."""
    tell(give_order(config, Order.REVOKE, b"", kid), is_json)


@main.command()
@click.argument("kid", type=Kid())
@click.argument("number", default="")
@click.option("--erase", is_flag=True, help="Forget the number.")
@as_json
@click.pass_obj
@guarded
def telephone(config: Config, kid: int, number: str, erase: bool, is_json: bool) -> None:
    """Register the number (+62...) of a terminal's SIM: the only one that answers are sent to."""
    if erase == bool(number):
        raise click.UsageError("give a number, or --erase")
    tell(give_order(config, Order.TELEPHONE, number.encode(), kid), is_json)


@main.command()
@click.argument("kid", type=Kid())
@as_json
@click.pass_obj
@guarded
def resume(config: Config, kid: int, is_json: bool) -> None:
    """Forward a terminal's records again after settlement stopped it."""
    tell(give_order(config, Order.RESUME, b"", kid), is_json)


@main.command()
@click.pass_obj
@guarded
def run(config: Config) -> None:
    """Run the gateway until SIGTERM."""
    from gateway import daemon  # noqa: PLC0415 - half of what there is to load, and no other command needs it

    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stdout),
        cache_logger_on_first_use=True,
    )
    sys.exit(daemon.run(config))


@main.command()
@as_json
@click.pass_obj
@guarded
def status(config: Config, is_json: bool) -> None:
    """Terminals, sums of money, gaps, conflicts, counters, and how the running gateway is."""
    reader = SqliteReader.open(config.data)
    told = report.overview(reader, config.data)
    reader.close()
    if is_json:
        tell(told, is_json=True)
    else:
        tables.status(told)


@main.command()
@click.option("--kid", type=Kid(), default=None, help="Only this terminal's.")
@click.option("--limit", default=_LIST_LIMIT, show_default=True, help="How many, newest first.")
@click.option("--full", is_flag=True, help="Every field (with --json).")
@as_json
@click.pass_obj
@guarded
def records(config: Config, kid: int | None, limit: int, full: bool, is_json: bool) -> None:
    """Sealed records with what settlement said, newest first."""
    reader = SqliteReader.open(config.data)
    rows = reader.recent_records(kid, limit)
    reader.close()
    if is_json:
        tell([report.record_in_full(row) if full else report.record(row) for row in rows], is_json=True)
        return
    told = [report.record(row) for row in rows]
    names = ("kid", "record #", "kind", "time", "amount Rp", "state", "reason or event")
    tables.show(
        "records",
        names,
        (
            (
                row["kid"],
                row["sequence"],
                row["kind"],
                tables.moment(1000 * row["time_s"]),
                tables.rupiah(row["amount_rupiah"]),
                row["state"] + (" (card use repeated)" if row["repeats_card_use"] else ""),
                row["reason"] or row["event"],
            )
            for row in told
        ),
    )


@main.group("evidence")
def evidence_group() -> None:
    """Refused frames."""


@evidence_group.command("list")
@click.option("--kid", type=Kid(), default=None, help="Only those that claim this kid.")
@click.option("--limit", default=_LIST_LIMIT, show_default=True, help="How many, newest first.")
@as_json
@click.pass_obj
@guarded
def evidence_list(config: Config, kid: int | None, limit: int, is_json: bool) -> None:
    """Refused frames, newest first."""
    reader = SqliteReader.open(config.data)
    rows = reader.evidence(kid, limit)
    reader.close()
    if is_json:
        tell([report.evidence(row) for row in rows], is_json=True)
        return
    tables.show(
        "evidence",
        ("id #", "kid", "outcome", "fault", "received"),
        (
            (r.evidence_id, f"{r.kid:08x}", r.outcome, r.fault or "", tables.moment(r.received_ms))
            for r in rows
        ),
    )


@evidence_group.command("show")
@click.argument("evidence_id", type=int)
@as_json
@click.pass_obj
@guarded
def evidence_show(config: Config, evidence_id: int, is_json: bool) -> None:
    """One refused frame, taken apart."""
    reader = SqliteReader.open(config.data)
    row = reader.evidence_one(evidence_id)
    reader.close()
    if row is None:
        raise GatewayError(evidence=evidence_id, reason="no such id")
    told = report.evidence(row) | {
        "frame": row.octets.hex(),
        "decoded": describe(config, row.octets).as_json(),
    }
    tell(told, is_json)


@main.command("decode")
@click.argument("source", metavar="FRAME_HEX|QR_TEXT|FILE")
@as_json
@click.pass_obj
@guarded
def decode_command(config: Config, source: str, is_json: bool) -> None:
    """Print any frame field by field; with this gateway's keys, what is inside it too."""
    described = describe(config, _octets(source))
    if is_json:
        tell(described.as_json(), is_json=True)
    else:
        for offset, octets, name, value in described.fields:
            click.echo(f"{offset:5d} {octets:3d}  {name:26s} {value}")
        for told in [*described.records, *([described.body] if described.body else [])]:
            click.echo("           " + ", ".join(f"{name} {value}" for name, value in told.items()))
        if described.note:
            click.echo(f"           {described.note}")
        if described.error:
            click.echo("error: {error}: {field} at octet {offset}: {reason}".format(**described.error))
    sys.exit(4 if described.error else 0)


def _octets(source: str) -> bytes:
    """A frame given as hex, as the text of a QR code, as a file of octets or as a file of hex."""
    if source.startswith(carry.QR_PREFIX):
        try:
            return carry.from_qr_text(source)
        except ProtocolError as error:
            raise click.UsageError(f"no frame: {error}") from None
    path = Path(source)
    if not re.fullmatch(r"[0-9a-fA-F]+", source) and path.is_file():
        content = path.read_bytes()
        text = content.strip()
        return bytes.fromhex(text.decode()) if re.fullmatch(rb"([0-9a-fA-F]{2})+", text) else content
    try:
        return bytes.fromhex(source)
    except ValueError:
        raise click.UsageError(f"{source} is neither hex nor a QR text nor a file") from None
