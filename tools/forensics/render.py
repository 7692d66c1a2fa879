"""The report as tables for a technician's screen."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from rich.console import Console
from rich.table import Table

from tools.forensics import report
from tools.forensics.sectors import SECTOR_OCTETS

_VERDICTS = {
    report.ALL_PROVED: "[green]every record is there, linked and sealed by its terminal",
    report.SOMETHING_WRONG: "[red]something is missing, damaged or does not prove itself: see below",
    report.NO_JOURNAL: "[red]no journal of a known format in this dump",
    report.NO_KEY: "[yellow]every record is there and linked; no key to verify the seals with (--certificate)",
}


def show(told: dict[str, Any], console: Console) -> None:
    """Print a report."""
    console.print(_VERDICTS[told["verdict"]])
    laid = told["sectors"]
    console.print(f"{laid['all']} sectors: {laid['headed']} in use, {laid['erased']} erased")
    for documents in told["documents"]:
        signed = "signed" if documents["certificate_signed"] else "NOT signed"
        console.print(
            f"{documents['area']}: kid {documents['kid']}, generation {documents['generation']},"
            f" certificate {signed} by the authority named there"
        )
    for roster in told["rosters"]:
        state = "empty" if roster.get("empty") else roster.get("reason", "whole")
        more = f", number {roster['number']}, {roster['families']} families" if roster["whole"] else ""
        console.print(f"{roster['area']}: {state}{more}{', in force' if roster.get('in_force') else ''}")
    for generation in told["generations"]:
        _show_generation(generation, console)
    _show_remains(told["remains"], console)


def _show_generation(generation: dict[str, Any], console: Console) -> None:
    base = generation["journal_address"]
    console.rule(f"kid {generation['kid']}")
    console.print(
        f"records {generation['first_sequence']} to {generation['sequence']}, boots {generation['boots']},"
        f" sectors {generation['oldest_sector']} to {generation['newest_sector']},"
        f" {len(generation['marks'])} marks, {len(generation['checkpoints'])} checkpoints"
    )
    table = Table("records", "count", "standing", "from", "to")
    for standing, run in groupby(generation["records"], key=lambda record: record["standing"]):
        held = list(run)
        span = f"{held[0]['sequence']} to {held[-1]['sequence']}"
        table.add_row(
            span, str(len(held)), standing, _hex(base + held[0]["address"]), _hex(base + held[-1]["address"])
        )
    console.print(table)
    for place in generation["retired"]:
        console.print(f"retired: the sector at {_hex(base + place * SECTOR_OCTETS)}")
    for gap in generation["missing"]:
        after = "the beginning" if gap["after"] is None else _hex(base + gap["after"])
        before = "the end" if gap["before"] is None else _hex(base + gap["before"])
        console.print(f"[red]missing: records {gap['first']} to {gap['last']}, between {after} and {before}")
    for trouble in generation["troubles"]:
        console.print(f"[red]{_hex(base + trouble['address'])}: {trouble['text']}")
    for mark in generation["marks"]:
        if mark["mark"] == "crash":
            code, uptime_s = mark.get("code", "?"), mark.get("uptime_s", "?")
            where = _hex(base + mark["address"])
            console.print(f"crash {code} after {uptime_s} s: {mark.get('detail', '?')} ({where})")


def _show_remains(remains: list[dict[str, Any]], console: Console) -> None:
    if not remains:
        return
    table = Table("address in the journal", "octets", "what", "claims to be", title="torn and stray octets")
    for item in remains:
        claim = "" if item["kind"] is None else f"kind {item['kind']:02x}, number {item['sequence']}"
        table.add_row(_hex(item["address"]), str(item["octets"]), item["reason"], claim)
    console.print(table)


def _hex(address: int) -> str:
    return f"0x{address:06x}"
