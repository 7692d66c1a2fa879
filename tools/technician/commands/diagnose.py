"""`lumbung diagnose`: how a terminal is, what is wrong with it, and what to do next, in plain Indonesian or English."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from rich import box
from rich.console import RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from tools.technician import advice, cable, consoles, diagnosing, faults, laptop
from tools.technician.advice import Advice, Weight
from tools.technician.commands import pages
from tools.technician.commands.common import FOLDER, INPUT, JSON, PORT, require_one, told
from tools.technician.diagnosing import Diagnosis, Event
from tools.technician.errors import TechnicianError

_EVENTS_SHOWN = 12
_STYLES = {Weight.GRAVE: "bold red", Weight.WRONG: "yellow", Weight.CALM: "dim"}
_WORDS = {
    "id": {
        "terminal": "alat", "state": "keadaan", "running": "bekerja", "stopped": "berhenti", "unprovisioned": "belum disiapkan",
        "unknown": "tidak diketahui", "release": "rilis", "slot": "slot", "keys": "kunci", "chip": "chip ATECC608", "software": "perangkat lunak",
        "uptime": "menyala", "boots": "penyalaan ke-{}", "clock": "jam", "records": "catatan", "waiting": "menunggu",
        "sealed": "diterima gateway sampai no.", "settled": "lunas sampai no.", "space": "ruang jurnal", "sectors": "sektor bebas", "full": "penuh",
        "link": "sambungan", "ways": "jalan", "none": "tidak ada", "unsent": "belum dikirim", "heard": "kabar terakhir gateway", "never": "belum pernah", "modem": "modem",
        "signal": "sinyal", "memory": "memori", "free": "bebas", "used": "terpakai", "wrong": "Yang perlu diketahui dan dilakukan",
        "what": "yang terjadi", "to_do": "yang harus dilakukan", "crashes": "Pernah berhenti sendiri", "code": "kode", "after": "setelah menyala",
        "record": "setelah catatan", "detail": "rincian", "events": "Kejadian sejak dinyalakan", "day": "hari", "dump": "dibaca dari salinan flash",
        "kept": "disimpan di", "number": "nomor", "stop": "henti", "notice": "pemberitahuan", "console": "konsol", "refusal": "penolakan",
        "finding": "temuan", "sign": "tanda", "trust": ("belum pasti", "disimpan baterai", "diatur petugas", "dari gateway"),
    },
    "en": {
        "terminal": "terminal", "state": "state", "running": "running", "stopped": "stopped", "unprovisioned": "not provisioned",
        "unknown": "not known", "release": "release", "slot": "slot", "keys": "keys", "chip": "ATECC608 chip", "software": "software",
        "uptime": "up", "boots": "start no. {}", "clock": "clock", "records": "records", "waiting": "waiting",
        "sealed": "at the gateway through", "settled": "settled through", "space": "journal space", "sectors": "sectors free", "full": "full",
        "link": "link", "ways": "ways", "none": "none", "unsent": "not sent yet", "heard": "gateway last heard", "never": "never", "modem": "modem",
        "signal": "signal", "memory": "memory", "free": "free", "used": "used", "wrong": "What to know and what to do",
        "what": "what is so", "to_do": "what to do", "crashes": "Stopped itself before", "code": "code", "after": "up for",
        "record": "after record", "detail": "detail", "events": "Events since it was switched on", "day": "d", "dump": "read from a dump of the flash",
        "kept": "kept in", "number": "number", "stop": "stop", "notice": "notice", "console": "console", "refusal": "refusal",
        "finding": "finding", "sign": "sign", "trust": ("not sure", "kept by its battery", "set by somebody", "from the gateway"),
    },
}  # fmt: skip
# Words that terminals use, where Indonesian has others.
_STATES_ID = {
    "down": "terputus", "connecting": "menyambung", "up": "tersambung", "off": "mati", "starting": "menyala", "no-SIM": "tanpa kartu SIM",
    "SIM-locked": "SIM meminta PIN", "searching": "mencari jaringan", "denied": "ditolak jaringan", "ready": "siap", "failed": "gagal",
}  # fmt: skip
# By the number that an event has for them (firmware/watch).
_LINK = ("down", "connecting", "up")
_MODEM = ("off", "starting", "no-SIM", "SIM-locked", "searching", "denied", "ready", "failed")
# Events of the log, with what their number means.
_EVENTS = {
    "id": {
        "started": "menyala, penyalaan ke-{}", "stopped": "berhenti dengan kode {}", "crashed": "program berakhir, kode {}",
        "link": "sambungan {}", "modem": "modem {}", "sms-sent": "{} SMS terkirim", "acknowledged": "gateway menerima sampai no. {}", "refused": "penolakan {}",
        "notice": "pemberitahuan {}", "notice-over": "pemberitahuan {} selesai", "console-failed": "{} perintah konsol gagal",
        "clock": "jam: {}", "sectors-retired": "{} sektor dipensiunkan", "card-not-closed": "{} penutupan kartu gagal",
    },
    "en": {
        "started": "started, start no. {}", "stopped": "stopped with code {}", "crashed": "the program ended, code {}",
        "link": "link {}", "modem": "modem {}", "sms-sent": "{} short messages sent", "acknowledged": "the gateway has all through {}", "refused": "refusal {}",
        "notice": "notice {}", "notice-over": "notice {} is over", "console-failed": "{} console commands failed",
        "clock": "clock: {}", "sectors-retired": "{} sectors retired", "card-not-closed": "{} closings at the card failed",
    },
}  # fmt: skip


@click.command()
@JSON
@PORT
@click.option("--live", is_flag=True, help="Show what changes, second by second, until Ctrl-C.")
@click.option(
    "--seconds", type=click.FloatRange(0), default=0.0, help="With --live: stop by itself after so long."
)
@click.option(
    "--language",
    type=click.Choice(list(faults.LANGUAGES)),
    default="id",
    show_default=True,
    help="Of the page.",
)
@click.option(
    "--keep", "folder", type=FOLDER, default=None, help="Folder for a file with all of it, to report."
)
@click.option("--dump", type=INPUT, default=None, help="A dump of the flash instead of a terminal.")
@told
def diagnose(
    port: str, live: bool, seconds: float, language: str, folder: Path | None, dump: Path | None
) -> dict[str, Any]:
    """Tell how a terminal is, what is wrong with it, and what to do next. Changes nothing on it."""
    require_one(live=live, dump=dump)
    require_one(port=port, dump=dump)
    if dump is not None:
        return _told(diagnosing.read(dump.read_bytes()), language, folder)
    name = port or cable.find_port()
    with consoles.terminal_at(name) as console:
        if live:
            as_json = click.get_current_context().params["as_json"]
            diagnosing.live(console, lambda line: click.echo(_live(line, language, as_json=as_json)), seconds)
            return {"said": []}
        found = diagnosing.ask(console)
    if not found.status:
        raise TechnicianError(
            "this terminal's release tells nothing of itself",
            "renew it with `lumbung update`, then ask again",
        )
    return _told(found, language, folder)


def _told(found: Diagnosis, language: str, folder: Path | None) -> dict[str, Any]:
    """The page and the JSON, kept where that was asked for."""
    result = found.as_json(language)
    parts = page(found, language)
    if folder is not None:
        stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
        path = folder / f"{found.status.get('kid', 'unknown')}-{stamp}.json"
        report = json.dumps(result | {"at_s": int(time.time())}, indent=1, sort_keys=True)
        laptop.keep(path, report.encode(), 0o600)
        parts += ["", Text(f"{_WORDS[language]['kept']} {path}")]
    return result | {"said": pages.lines(*parts)}


def page(found: Diagnosis, language: str) -> list[RenderableType]:
    """State, what to do, crashes, events."""
    words = _WORDS[language]
    parts: list[RenderableType] = [_state(found, words, language), ""]
    parts += [f"[bold]{words['wrong']}[/]", _advice(found.advice(language), words)]
    if found.crashes:
        parts += [f"[bold]{words['crashes']}[/]", _crashes(found, words)]
    if found.events:
        parts += [f"[bold]{words['events']}[/]"]
        parts += [
            f"  {_duration(event.uptime_s, words):>12}  {_event(event, language)}"
            for event in found.events[-_EVENTS_SHOWN:]
        ]
    return parts


def _event(event: Event, language: str) -> str:
    """What happened; a newer release's events as it names them."""
    words = _EVENTS[language].get(event.name, event.name + " {}")
    named = {
        "link": [_word(state, language) for state in _LINK],
        "modem": [_word(state, language) for state in _MODEM],
        "clock": _WORDS[language]["trust"],
    }.get(event.name, ())
    return words.format(named[event.detail] if event.detail < len(named) else event.detail)


def _live(line: str, language: str, *, as_json: bool) -> str:
    """A line of the live view: what changed in that second, or an event."""
    uptime, *changes = line.split()
    event = diagnosing.event_of([uptime, *changes])
    if event is not None:
        said: dict[str, Any] = asdict(event)
        text = f"{_duration(event.uptime_s, _WORDS[language]):>12}  {_event(event, language)}"
    else:
        said = {"uptime_s": int(uptime), "changed": dict(change.partition("=")[::2] for change in changes)}
        told = ", ".join(change.replace("=", " ") for change in changes)
        text = f"{_duration(int(uptime), _WORDS[language]):>12}  {told}".rstrip()
    return json.dumps(said, sort_keys=True) if as_json else text


def _word(state: str, language: str) -> str:
    """A state in the page's language."""
    return _STATES_ID.get(state, state) if language == "id" else state


def _state(found: Diagnosis, words: dict[str, Any], language: str) -> Table:
    """What the terminal is and has, line by line; what is not known is left out."""
    status = found.status
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column()

    def row(label: str, text: str) -> None:
        if text:
            table.add_row(words[label], text)

    row("terminal", status.get("kid", words["unknown"]).upper() if "kid" in status else words["unknown"])
    state = status.get("state", "")
    stopped = advice.number(status, "stopped")
    code = f" ({words['code']} {stopped})" if stopped else ""
    row("state", words["dump"] if found.source == "dump" else words.get(state, state) + code)
    if "release" in status:
        row("release", f"{status['release']} ({words['slot']} {status.get('slot', '?')})")
    row("keys", words.get(status.get("keys", ""), ""))
    if "uptime_s" in status:
        boots = ", " + words["boots"].format(status["boots"]) if "boots" in status else ""
        row("uptime", _duration(advice.number(status, "uptime_s"), words) + boots)
    if "time_s" in status:
        trust = words["trust"][advice.number(status, "trust") % len(words["trust"])]
        row("clock", f"{_moment(advice.number(status, 'time_s'))} ({trust})")
    if "head" in status:
        row("records", _records(status, words))
    if "sectors_free" in status:
        full = f", {words['full']}" if status.get("full") == "1" else ""
        row("space", f"{status['sectors_free']} {words['sectors']}{full}")
    if "link" in status:
        row("link", _link(status, words, language))
    heard = advice.number(status, "heard_s")
    if "heard_s" in status:
        row("heard", _moment(heard) if heard else words["never"])
    if "modem" in status:
        signal = status.get("signal", "99")
        strength = "?" if signal == "99" else f"{signal}/31"
        row("modem", f"{_word(status['modem'], language)}, {words['signal']} {strength}")
    if "heap_free" in status:
        free, used = advice.number(status, "heap_free") >> 10, advice.number(status, "heap_used") >> 10
        row("memory", f"{free} KB {words['free']}, {used} KB {words['used']}")
    return table


def _records(status: dict[str, str], words: dict[str, Any]) -> str:
    """How many there are, what waits, what the gateway and the bank have."""
    waiting = f"{status.get('waiting', '?')} {words['waiting']}"
    if "waiting_rupiah" in status:
        waiting += f" ({pages.rupiah(advice.number(status, 'waiting_rupiah'))})"
    return (
        f"{status['head']}; {waiting}; {words['sealed']} {status.get('sealed', '?')}; "
        f"{words['settled']} {status.get('reclaim', '?')}"
    )


def _link(status: dict[str, str], words: dict[str, Any], language: str) -> str:
    """The session's state, which ways there are, and how many records each has not sent yet."""
    has_error = status["link"] != "up" and status.get("link_error", "-") != "-"
    error = f" ({status['link_error']})" if has_error else ""
    ways = ", ".join(advice.words(status, "ways")) or words["none"]
    head = advice.number(status, "head")
    pending = [
        f"{way} {max(0, head - advice.number(status, name))}"
        for way, name in (("MQTT", "mqtt_carried"), ("SMS", "sms_carried"))
        if name in status
    ]
    unsent = f"; {words['unsent']}: {', '.join(pending)}" if pending else ""
    return f"{_word(status['link'], language)}{error}; {words['ways']}: {ways}{unsent}"


def _advice(given: list[Advice], words: dict[str, Any]) -> Table:
    """A row each, the gravest first."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_lines=False)
    table.add_column(words["number"], no_wrap=True)
    table.add_column(words["what"], ratio=1)
    table.add_column(words["to_do"], ratio=1)
    sorts = {faults.STOPPED: "stop", faults.SIGN: ""}
    for one in given:
        sort = words.get(sorts.get(one.sort, one.sort), "")
        key = "" if one.sort == faults.FINDING else "•" if one.sort == faults.SIGN else f" {one.key}"
        detail = f" [dim]{escape(one.detail)}[/]" if one.detail else ""
        table.add_row(f"[{_STYLES[one.weight]}]{sort}{key}[/]", one.what + detail, one.to_do)
    return table


def _crashes(found: Diagnosis, words: dict[str, Any]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for label in ("code", "after", "record", "detail"):
        table.add_column(words[label])
    for crash in found.crashes:
        after = str(crash.after) if crash.after else "?"
        table.add_row(str(crash.code), _duration(crash.uptime_s, words), after, escape(crash.detail))
    return table


def _duration(seconds: int, words: dict[str, Any]) -> str:
    """Days, hours, minutes, seconds, as far as needed."""
    days, rest = divmod(seconds, 86400)
    clock = f"{rest // 3600:02d}:{rest // 60 % 60:02d}:{rest % 60:02d}"
    return f"{days} {words['day']} {clock}" if days else clock


def _moment(seconds: int) -> str:
    """A moment of the terminal's clock, in the laptop's own zone."""
    return datetime.fromtimestamp(seconds, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S %Z")
