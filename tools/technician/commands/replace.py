"""`lumbung replace`: a new terminal takes over roster and leases of one that is lost, broken or locked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from protocol.records import SEQUENCE_MAX
from tools.authority.__main__ import TAKEOVER_REASONS, Kid
from tools.authority.issue import Authority
from tools.authority.signing import SigningKey
from tools.technician import replacing
from tools.technician.commands import pages
from tools.technician.commands.common import FOLDER, INPUT, JSON, require_one, told
from tools.technician.provisioning import NotConfirmedError
from tools.technician.replacing import Office, Stage, Wish

_OPTIONS = (
    click.option("--old", type=Kid(), required=True, help="The terminal that is replaced."),
    click.option(
        "--new", type=Kid(), required=True, help="The number of the new one's keys, never used before."
    ),
    click.option(
        "--reason", type=click.Choice(list(TAKEOVER_REASONS)), default="terminal-broken", show_default=True
    ),
    click.option(
        "--rescue", "rescue_report", type=INPUT, help="What `lumbung rescue --json` has told of the old one."
    ),
    click.option(
        "--last-record",
        type=click.IntRange(0, SEQUENCE_MAX),
        help="The same by hand: the last record in its flash.",
    ),
    click.option(
        "--exposure",
        type=click.IntRange(0),
        help="Rupiah that may have been spent in records that nobody has.",
    ),
    click.option(
        "--papers",
        "shared",
        type=FOLDER,
        help="The old terminal's papers: what all terminals share is copied.",
    ),
    click.option(
        "--from-gateway", "source", type=FOLDER, help="What the gateway's takeover wrote; else in FOLDER."
    ),
    click.option("--gateway-config", type=INPUT, help="The gateway's configuration: asks it at once."),
    click.option("--authority-key", type=INPUT, help="The authority's private key: decides at once."),
    click.option("--retire", "confirmed", type=Kid(), help="The old number once more: retires it unasked."),
)


def _options(command: Any) -> Any:
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@click.command()
@JSON
@_options
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@told
def replace(
    old: int,
    new: int,
    reason: str,
    rescue_report: Path | None,
    last_record: int | None,
    exposure: int | None,
    shared: Path | None,
    source: Path | None,
    gateway_config: Path | None,
    authority_key: Path | None,
    confirmed: int | None,
    folder: Path,
) -> dict[str, Any]:
    """Give what is left of the leases of terminal --old to terminal --new, and fill FOLDER for `lumbung provision`.

    Rescue the old one first: from the moment that the gateway retires it, what still comes from it is disputed. The same
    command goes on wherever it stopped; without a network, gateway and authority do their parts and files are carried.
    """
    require_one(rescue=rescue_report is not None, last_record=last_record is not None)
    if rescue_report is not None:
        last_record = replacing.last_record(rescue_report, old)
    wish = Wish(old, new, TAKEOVER_REASONS[reason], last_record, exposure)
    office = Office(
        source or folder / "from-gateway",
        folder,
        shared,
        gateway_config,
        Authority(SigningKey.load(authority_key)) if authority_key else None,
    )
    if gateway_config is not None and not office.has_statement(old):
        replacing.require_rescued(office, wish)
        _confirm(old, confirmed)
    stage = replacing.go_on(office, wish)
    answer = {"stage": stage.value, "old": f"{old:08x}", "new": f"{new:08x}", "folder": str(folder)}
    if stage is Stage.STATEMENT:
        return answer | {"said": _at_the_gateway(wish, office)}
    if stage is Stage.DECISION:
        return answer | {"said": _at_the_authority(wish, reason, office)}
    return answer | _ready(wish, office)


def _confirm(old: int, confirmed: int | None) -> None:
    """There is no way back, so it is asked once."""
    if confirmed is None:
        click.echo(
            f"terminal {old:08x} is retired for ever: what still comes from it will be kept, but disputed instead of paid.",
            err=True,
        )
        try:
            confirmed = click.prompt(f"Type {old:08x} to go on", type=Kid(), err=True)
        except click.Abort as error:
            raise NotConfirmedError("nobody answered", f"give --retire {old:08x}") from error
    if confirmed != old:
        raise NotConfirmedError(
            "that is another number", "nothing was changed; look at the old terminal's label"
        )


def _at_the_gateway(wish: Wish, office: Office) -> list[str]:
    known = f" --last-record {wish.last_record}" if wish.last_record else ""
    return [
        f"next, at the gateway: import what was rescued, and then python -m gateway takeover {wish.old:08x}{known} --to FOLDER",
        f"bring that folder as {office.source} and run the same command again",
    ]


def _at_the_authority(wish: Wish, reason: str, office: Office) -> list[str]:
    known = f" --last-record {wish.last_record}" if wish.last_record is not None else ""
    known += f" --exposure {wish.exposure_rupiah}" if wish.exposure_rupiah is not None else ""
    what = f"--old {wish.old:08x} --new {wish.new:08x} --reason {reason}{known}"
    return [
        f"terminal {wish.old:08x} is retired; what is left of its leases stands in {office.source}",
        f"next, at the authority: python -m tools.authority takeover --key KEY {what} --to NEW {office.source}",
        f"bring what it leaves in NEW to {office.target} and run the same command again",
    ]


def _ready(wish: Wish, office: Office) -> dict[str, Any]:
    """The new folder, and the way on."""
    got = replacing.told(office, wish)
    sums = ", ".join(
        f"programme {name} {pages.rupiah(rupiah)}" for name, rupiah in got["left_rupiah"].items()
    )
    said = [
        f"{wish.new:08x} has what is left of the leases of {wish.old:08x} after record {got['sealed_through']}: {sums}",
        f"may have been spent besides: {pages.rupiah(got['exposure_rupiah'])}",
        f"next: lumbung provision --kid {wish.new:08x} {office.target} (and --kids, if the number is of this laptop's block)",
    ]
    if office.gateway_config is None:
        path = office.decision_path(wish.old)
        said.append(f"and carry {path} to the gateway (python -m gateway publish takeover)")
    return got | {"said": said}
