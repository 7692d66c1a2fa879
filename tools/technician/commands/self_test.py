"""`lumbung self-test`: the terminal tests its parts one by one, and the technician is told what to do with their hands."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import click
from rich import box
from rich.markup import escape
from rich.table import Table

from protocol import self_test as parts_of
from tools.technician import faults, self_testing
from tools.technician.commands import pages
from tools.technician.commands.common import FOLDER, JSON, PORT, bars, open_console, told
from tools.technician.errors import SOME_PART_FAILED_CODE
from tools.technician.self_testing import ABSENT, FAILED, MAY_BE_ABSENT, PASSED, Report

FOLDER_DEFAULT = Path("self-tests")
_STYLES = {PASSED: "green", FAILED: "bold red", ABSENT: "dim"}
# What the terminal waits for (firmware/console/self_test.py), and the words of the page.
_WORDS = {
    "id": {
        "card": "tempelkan satu kartu pada pembaca",
        "insert": "masukkan satu kartu ke celah, chip di depan",
        "keys": "tekan setiap tombol sekali; layar menunjukkan yang tersisa",
        "display": "lihat layar: E bila gambar utuh, X bila cacat",
        "strip": "lihat cetakan: E bila terbaca semua, X bila tidak",
        "case open": "buka tutup alat",
        "case shut": "tutup alat rapat-rapat",
        PASSED: "lulus", FAILED: "GAGAL", ABSENT: "tidak terpasang",
        "part": "bagian", "verdict": "hasil", "found": "yang ditemukan", "code": "kode", "to do": "yang harus dilakukan",
        "all": "Semua bagian yang diuji lulus.", "some": "Tidak lulus: {}",
        "recorded": "Disimpan di alat sebagai catatan no. {}, yang dikirim ke gateway.",
        "unrecorded": "Alat tidak menyimpan catatannya: hanya berkas ini.", "kept": "Disimpan di {}",
    },
    "en": {
        "card": "lay one card on the reader",
        "insert": "push one card into the slot, its chip first",
        "keys": "press each key once; the display shows which are left",
        "display": "look at the display: E if the picture is whole, X if not",
        "strip": "look at the strip: E if all of it can be read, X if not",
        "case open": "open the case",
        "case shut": "shut the case tightly",
        PASSED: "passed", FAILED: "FAILED", ABSENT: "not fitted",
        "part": "part", "verdict": "verdict", "found": "found", "code": "code", "to do": "what to do",
        "all": "All parts that were tested passed.", "some": "Not passed: {}",
        "recorded": "The terminal keeps it as record no. {}, which goes to the gateway.",
        "unrecorded": "The terminal keeps no record of it: only this file does.", "kept": "Kept in {}",
    },
}  # fmt: skip


def _list(_context: click.Context, _parameter: click.Parameter, value: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in value.split(",") if part.strip())


@click.command("self-test")
@JSON
@PORT
@click.option("--only", callback=_list, default="", help="Parts to be tested, with commas between them.")
@click.option("--skip", callback=_list, default="", help="Parts to be left out.")
@click.option(
    "--fitted",
    callback=_list,
    default="",
    help=f"Parts that are surely on this board, of {', '.join(MAY_BE_ABSENT)}: a silent one has failed.",
)
@click.option(
    "--keep",
    "folder",
    type=FOLDER,
    default=FOLDER_DEFAULT,
    show_default=True,
    help="Folder for the file with what was found.",
)
@click.option(
    "--language",
    type=click.Choice(list(faults.LANGUAGES)),
    default="id",
    show_default=True,
    help="Of what you are told.",
)
@told
def self_test(
    port: str,
    only: tuple[str, ...],
    skip: tuple[str, ...],
    fitted: tuple[str, ...],
    folder: Path,
    language: str,
) -> dict[str, Any]:
    """Test the parts of a terminal, with your hands where they are needed. Parts: reader, contact-reader, keypad, display,
    printer, modem, flash, clock, entropy, key-chip, supply, case.
    """
    parts = self_testing.chosen(only, skip)
    self_testing.chosen(fitted, ())
    words = _WORDS[language]
    with open_console(port) as console, bars(sys.stderr.isatty()) as progress:
        done = 0
        last_asked = ""

        def heard(word: str, part: str, asked: str) -> None:
            nonlocal done, last_asked
            what = "keys" if asked.startswith("keys ") else asked
            # The keypad asks again after each key, which the display shows better.
            if word == "ask" and (what != last_asked or what == "display"):
                click.echo(f"{part}: {words.get(what, what)}", err=True)
            last_asked = what
            done += word == "end"
            progress("self-test", done, len(parts))

        report = self_testing.run(console, parts, fitted, int(time.time()), heard)
    path = self_testing.keep(report, folder)
    return report.as_json() | {
        "file": str(path),
        "said": _page(report, path, language),
        "exit": SOME_PART_FAILED_CODE if report.failed else 0,
    }


def _page(report: Report, path: Path, language: str) -> list[str]:
    """The table, what to do about each part that failed, and where it is kept."""
    words = _WORDS[language]
    table = Table(box=box.SIMPLE_HEAD, show_edge=False)
    for name in ("part", "verdict", "code", "found"):
        table.add_column(words[name])
    order = {part: place for place, part in enumerate(parts_of.PARTS)}
    for outcome in sorted(report.outcomes, key=lambda one: order.get(one.part, len(order))):
        style = _STYLES.get(outcome.verdict, "")
        table.add_row(
            outcome.part,
            f"[{style}]{escape(words.get(outcome.verdict, outcome.verdict))}[/]"
            if style
            else outcome.verdict,
            str(outcome.code) if outcome.code else "",
            escape(outcome.text),
        )
    said = pages.lines(table)
    for outcome in report.failed:
        fault = faults.find(faults.SELF_TEST, outcome.code)
        if fault is not None:
            what, to_do = fault.texts[language]
            said += [f"{outcome.code} {outcome.part}: {what}", f"    {words['to do']}: {to_do}"]
    failed = ", ".join(outcome.part for outcome in report.failed)
    said.append(words["some"].format(failed) if failed else words["all"])
    said.append(words["recorded"].format(report.recorded) if report.recorded else words["unrecorded"])
    said.append(words["kept"].format(path))
    return said
