"""Tables for people: rich ones on a terminal, plain columns elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

_WIDE = 200


def console() -> Console:
    """Standard output; wide enough for whole rows where it is no terminal."""
    plain = Console()
    return plain if plain.is_terminal else Console(width=_WIDE, no_color=True)


def show(title: str, names: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """One table."""
    table = Table(title=title, title_justify="left")
    for name in names:
        table.add_column(name, justify="right" if name.endswith(("Rp", "#")) else "left", no_wrap=True)
    for row in rows:
        table.add_row(*[Text(plain(value)) for value in row])
    console().print(table)


def plain(value: object) -> str:
    """What settlement, a broker or a person said, for a terminal's screen: nothing in it moves the cursor or begins a line."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in str(value))


def rupiah(amount: int) -> str:
    """Indonesian digits: 1.250.000."""
    return f"{amount:,}".replace(",", ".")


def moment(time_ms: int) -> str:
    """A time of this machine, or a dash for never."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(time_ms / 1000)) if time_ms else "-"


def _sms_links(links: dict[str, Any]) -> list[str]:
    """One line for each SMS link."""
    lines = [
        f"modem      {modem['state']}  {modem['port']}, "
        f"{str(modem['signal_dbm']) + ' dBm' if modem['signal_dbm'] else 'no signal'}, "
        f"store {modem['stored']} of {modem['places']}{' NEARLY FULL' if modem['nearly_full'] else ''}, "
        f"{modem['counts'].get('frames', 0)} frames in, {modem['counts'].get('sent', 0)} out  {modem['error']}"
        for modem in links.get("modems", [])
    ]
    if smpp := links.get("smpp"):
        counts = smpp["counts"]
        lines.append(
            f"SMS centre {'bound' if smpp['bound'] else 'not bound'}  {counts.get('frames', 0)} frames in, "
            f"{counts.get('sent', 0)} out, {counts.get('delivered', 0)} receipts  {smpp['error']}"
        )
    return lines


def _summary(told: dict[str, Any]) -> list[str]:
    """How gateway, broker, SMS links and settlement do, what needs attention, and the sums, one line each."""
    health = told["health"]
    broker, settlement = health.get("broker", {}), health.get("settlement", {})
    acknowledgements = health.get("acknowledgements", {})
    lines = [
        f"gateway    {'running' if health['running'] else 'not running'}",
        f"broker     {'ready' if broker.get('ready') else 'not ready'}  {broker.get('error', '')}",
        *_sms_links(health.get("sms", {})),
        f"settlement last success {moment(settlement.get('last_success_ms', 0))}  {settlement.get('error', '')}",
    ]
    if told["restored"]:
        lines.append(
            "acknowledging is STOPPED: this database is older than what terminals heard; publish a new epoch"
        )
    if notices := acknowledgements.get("rollback_notices"):
        lines.append(f"rollback notices sent: {notices}; see the evidence of outcome behind")
    if notices := acknowledgements.get("withdrawal_notices"):
        lines.append(f"terminals that were withdrawn and live were told so: {notices}")
    totals = told["totals"]
    money = [
        f"{name} Rp {rupiah(totals[name + '_rupiah'])}"
        for name in ("settled", "pending", "refused", "disputed")
    ]
    lines.append(f"records    {totals['records']}, outbox {told['outbox_runs']} runs; {', '.join(money)}")
    return lines


def _show_terminals(terminals: list[dict[str, Any]]) -> None:
    show(
        "terminals",
        (
            "kid",
            "state",
            "sealed #",
            "booked #",
            "waiting #",
            "settled Rp",
            "pending Rp",
            "last seen",
            "release",
            "gaps",
        ),
        (
            (
                row["kid"],
                row["state"],
                row["sealed_through"],
                row["booked_through"],
                row["waiting_frames"],
                rupiah(row["totals"]["settled_rupiah"]),
                rupiah(row["totals"]["pending_rupiah"]),
                moment(row["last_seen_ms"]),
                str((row["report"] or {}).get("release") or ""),
                ", ".join(
                    f"{first}+{count}{'L' if literal else ''}" for first, count, literal in row["gaps"]
                ),
            )
            for row in terminals
        ),
    )


def status(told: dict[str, Any]) -> None:
    """The overview of `status`."""
    out = console()
    for line in _summary(told):
        out.print(Text(plain(line)))
    _show_terminals(told["terminals"])
    if told["conflicts"]:
        rows = [(row["kid"], row["sequence"], moment(row["received_ms"])) for row in told["conflicts"]]
        show("conflicts", ("kid", "from record", "proved"), rows)
    if told["decisions"]:
        show(
            "decisions that wait for settlement",
            ("kid", "first #", "last #", "verdict", "by", "error"),
            (
                (row["kid"], row["first"], row["last"], row["verdict"], row["reviewer"], row["last_error"])
                for row in told["decisions"]
            ),
        )
    show("counters", ("name", "count #"), told["counters"].items())
