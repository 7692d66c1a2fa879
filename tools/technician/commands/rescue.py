"""`lumbung rescue`: the records of a terminal to where the gateway takes them, and what is missing by number."""

from __future__ import annotations

import sys
from itertools import groupby
from pathlib import Path
from typing import Any

import click
from rich import box
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from tools.forensics import proof
from tools.technician import cable, consoles, rescuing
from tools.technician.account import RECOVERED, Account, Found, Gateway, Span
from tools.technician.commands import pages
from tools.technician.commands.common import BAUD, FOLDER, INPUT, JSON, PORT, STUB, bars, require_one, told
from tools.technician.errors import SOMETHING_MISSING_CODE, TechnicianError
from tools.technician.rescuing import Rescued

AUTO, CONSOLE, FLASH = "auto", "console", "flash"
_COLOURS = {
    Found.PROVED: "green",
    Found.CARRIED: "green",
    Found.OPEN: "yellow",
    Found.UNPROVED: "red",
    Found.TORN: "red",
    Found.MISSING: "red",
    Found.LEFT: "dim",
    Found.LET_GO: "dim",
}


@click.command()
@JSON
@PORT
@BAUD
@STUB
@click.option("--to", "folder", type=FOLDER, required=True, help="Folder for what is rescued.")
@click.option(
    "--dump",
    type=INPUT,
    default=None,
    help="A dump of the flash that somebody has read; no terminal is needed.",
)
@click.option(
    "--by",
    type=click.Choice([AUTO, CONSOLE, FLASH]),
    default=AUTO,
    show_default=True,
    help="Ask the terminal itself, or read its flash; auto finds out which of the two there is.",
)
@click.option("--all", "is_all", is_flag=True, help="By console: also the records that the gateway has.")
@click.option(
    "--certificate",
    type=INPUT,
    default=None,
    help="The terminal's certificate from the authority, to prove seals with; else the flash's own copy.",
)
@click.option("--chain-start", default="", metavar="HEX", help="The chain's value before the first record.")
@told
def rescue(
    port: str,
    baud: int,
    no_stub: bool,
    folder: Path,
    dump: Path | None,
    by: str,
    is_all: bool,
    certificate: Path | None,
    chain_start: str,
) -> dict[str, Any]:
    """Save the records of a terminal for the gateway, whatever state it is in.

    Exit code: 0 nothing is lost that only this terminal had; 20 something is missing or does not prove itself, by number; 21 nothing
    could be read; others as in every command.
    """
    require_one(port=port, dump=dump)
    require_one(by=by != AUTO, dump=dump)
    try:
        keys = proof.read_certificate(certificate.read_bytes()) if certificate else None
        start = bytes.fromhex(chain_start)
    except (proof.KeyFileError, ValueError) as error:
        raise TechnicianError(
            f"--certificate or --chain-start cannot be used ({error})",
            "take both from the authority's folder",
        ) from error
    if dump is not None:
        return _told(rescuing.of_octets(dump.read_bytes(), folder, keys, start))
    name = port or cable.find_port()
    with bars(sys.stderr.isatty()) as progress:
        why = "as asked"
        if by != FLASH:
            with consoles.console_at(name) as console:
                if console is None:
                    why = "no terminal answers on this port's console"
                else:
                    try:
                        return _told(rescuing.by_console(console, folder, is_all, progress))
                    except rescuing.NoRecordsFromItError as error:
                        why = f"the terminal answers, but gives no records: {error}"
        if by == CONSOLE:
            raise TechnicianError(why, "run it again without --by: then its flash is read")
        click.echo(f"{why}; reading its flash", err=True)
        with cable.borrowed(name, baud, is_stub_used=not no_stub) as chip:
            return _told(rescuing.by_flash(chip, folder, keys, start, progress), why)


def _told(rescued: Rescued, why: str = "") -> dict[str, Any]:
    """The outcome as a page and as JSON."""
    return {
        "way": rescued.way,
        "why": why,
        "accounts": [one.as_json() for one in rescued.accounts],
        "files": [str(path) for path in rescued.files],
        "dump": str(rescued.dump) if rescued.dump else None,
        "exit": 0 if rescued.is_whole else SOMETHING_MISSING_CODE,
        "said": pages.lines(*page(rescued)),
    }


def page(rescued: Rescued) -> list[RenderableType]:
    """What was recovered, what is missing, what is at stake, and what to do next."""
    parts: list[RenderableType] = [f"[bold]{rescued.way}[/]"]
    for one in rescued.accounts:
        parts += ["", *_account(one)]
    use = "for the gateway" if rescued.at_stake else "kept, and nothing in it that the gateway lacks"
    parts += ["", *(Text(f"{use}: {path}") for path in rescued.files)]
    if rescued.dump:
        parts.append(Text(f"the dump itself: {rescued.dump}"))
    if rescued.has_keys:
        parts.append(
            "[yellow]The dump holds this terminal's private keys: give it to nobody, destroy it once the gateway has its records.[/]"
        )
    return [*parts, "", *_next(rescued)]


def _account(one: Account) -> list[RenderableType]:
    """One generation: its records by number, then sums."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title, side in (
        ("records", "left"),
        ("count", "right"),
        ("here", "left"),
        ("gateway had it", "left"),
    ):
        table.add_column(title, justify="right" if side == "right" else "left")
    has_sums = any(span.sum is not None for span in one.spans)
    if has_sums:
        table.add_column("redeemed", justify="right")
    for (found, is_waiting), run in groupby(one.spans, lambda span: (span.found, _is_waiting(span))):
        spans = list(run)
        first, last = spans[0].first, spans[-1].last
        style = "yellow" if found in (Found.MISSING, Found.TORN) and not is_waiting else _COLOURS[found]
        cells = [
            str(first) if first == last else f"{first} to {last}",
            str(last + 1 - first),
            f"[{style}]{found.value}[/]",
            _at_gateway(spans),
        ]
        amount = sum(span.sum.redeemed_rupiah for span in spans if span.sum is not None)
        has_sum = any(span.sum is not None for span in spans)
        table.add_row(*cells, *([pages.rupiah(amount) if has_sum else ""] if has_sums else []))
    said: list[RenderableType] = [f"terminal [bold]{one.kid:08X}[/], records 1 to {one.head}", table]
    total = one.sum
    recovered = f"recovered: {one.count(*RECOVERED)} of {one.head}"
    left = one.count(Found.LEFT, Found.LET_GO)
    if left:
        recovered += (
            f" (the gateway has the other {left})" if not one.lost else f" (the gateway has {left} others)"
        )
    if total is not None:
        recovered += f", {total.redeemed_count} redemptions {pages.rupiah(total.redeemed_rupiah)}"
        if total.voided_count:
            recovered += f", {total.voided_count} voided {pages.rupiah(total.voided_rupiah)}"
    said.append(recovered)
    stake = f"at stake until the gateway has them: {one.count(*RECOVERED, is_waiting=True)} records"
    if one.waiting_rupiah is not None:
        stake += f", {pages.rupiah(one.waiting_rupiah)}"
    said.append(stake)
    if one.cut_off:
        said.append(
            f"record {one.head + 1} was begun and is not whole, as a power cut leaves it: nothing is lost, unless its receipt was "
            "printed; report it then"
        )
    said += [
        f"[red]{span.found.value}, and the gateway lacks them: {span.first} to {span.last}[/]"
        for span in one.lost
    ]
    said += [
        f"[yellow]saved, but nothing proves them yet: {span.first} to {span.last}[/]" for span in one.unproved
    ]
    said += [f"[yellow]{text}[/]" for text in one.troubles]
    return said


def _is_waiting(span: Span) -> bool:
    return span.gateway is Gateway.WAITING


def _at_gateway(spans: list[Span]) -> str:
    """How far the gateway has neighbours of which it has all or none, by number where they differ."""
    counts = {
        state: sum(span.count for span in spans if span.gateway is state)
        for state in Gateway
        if any(span.gateway is state for span in spans)
    }
    if len(counts) == 1:
        return next(iter(counts)).value
    return ", ".join(f"{count} {state.value}" for state, count in counts.items())


def _next(rescued: Rescued) -> list[RenderableType]:
    """What the technician does now."""
    steps = []
    if rescued.at_stake:
        files = " ".join(str(path) for path in rescued.files)
        steps.append(f"take it to the gateway: python -m gateway import {files}")
    missing = any(one.lost for one in rescued.accounts)
    if missing and not rescued.dump and any(one.count(Found.CARRIED) for one in rescued.accounts):
        steps.append("`lumbung rescue --by flash` looks for the missing ones where the terminal does not")
    elif missing:
        steps.append(
            "report the missing numbers to the programme; only the authority closes such a gap (a write-off), and what is "
            "behind it waits at the gateway until then"
        )
    elif any(one.unproved for one in rescued.accounts):
        steps.append("report the numbers that nothing proves; the gateway keeps them and books none of them")
    if not steps:
        steps.append("nothing to carry: the gateway has every record of this terminal")
    said = [f"{'then' if place else 'next'}: {step}" for place, step in enumerate(steps)]
    return [Text(said[0]), *said[1:]] if rescued.at_stake else list(said)
