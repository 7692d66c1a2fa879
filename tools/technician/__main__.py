"""The `lumbung` command: what a technician does with a laptop and a cable, each job a sub-command."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Iterator
from functools import wraps
from pathlib import Path
from typing import Any

import click
import serial
from rich.console import Console as Screen
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn

from tools import pinmap
from tools.authority.signing import KeyFileError, SigningKey
from tools.carry import BAUDRATE, LINE_TIMEOUT_S, Console
from tools.technician import build as building
from tools.technician import cable, erasing, flashing, updating
from tools.technician import image as images
from tools.technician import runtime as runtimes
from tools.technician.errors import CableError, TechnicianError

INPUT = click.Path(exists=True, dir_okay=False, path_type=Path)
FOLDER = click.Path(file_okay=False, path_type=Path)
JSON = click.option("--json", "as_json", is_flag=True, help="Print what happened as JSON.")


def _told(command: Callable[..., dict[str, Any]]) -> Callable[..., None]:
    """Print what a command returns, as sentences or as JSON; a refusal is a sentence, advice and an exit code."""

    @wraps(command)
    def wrapped(as_json: bool, **options: Any) -> None:
        try:
            result = command(**options)
        except (TechnicianError, KeyFileError) as error:
            advice = getattr(error, "advice", "")
            if as_json:
                click.echo(json.dumps({"error": str(error), "advice": advice}))
            else:
                click.echo(f"error: {error}", err=True)
                if advice:
                    click.echo(f"what to do: {advice}", err=True)
            sys.exit(getattr(error, "code", 1))
        if as_json:
            click.echo(json.dumps(result, sort_keys=True))
        else:
            for line in result["said"]:
                click.echo(line)

    return wrapped


PORT = click.option(
    "--port", default="", help="Serial port, or any address that pyserial knows; left out: the only USB one."
)
BAUD = click.option(
    "--baud",
    default=460_800,
    show_default=True,
    help="Speed after the first handshake; lower it for a bad cable.",
)
STUB = click.option(
    "--no-stub", is_flag=True, help="Use the chip's own loader alone: slower, for chips that refuse the stub."
)


@contextlib.contextmanager
def _bars(is_shown: bool) -> Iterator[cable.Progress]:
    """Progress bars on the error stream; none where nobody looks."""
    columns = (TextColumn("{task.description:<16}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Screen(stderr=True), disable=not is_shown) as progress:
        tasks: dict[str, TaskID] = {}

        def show(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = progress.add_task(what, total=total)
            progress.update(tasks[what], completed=done)

        yield show


@click.group()
def main() -> None:
    """Build, flash and look after Lumbung terminals. No network is needed."""


@main.command()
@JSON
@click.option(
    "--runtime",
    required=True,
    help="The official MicroPython image for the ESP32 with SPIRAM: a path or an http(s) address.",
)
@click.option("--sha256", default="", help="Its SHA-256; must be given for an address.")
@click.option(
    "--release",
    "number",
    type=click.IntRange(1),
    required=True,
    help="Number of the release; each is greater than the one before.",
)
@click.option(
    "--least",
    type=click.IntRange(0),
    default=0,
    help="Oldest release that an update may replace with this one.",
)
@click.option(
    "--key",
    type=INPUT,
    required=True,
    help="The release key (PEM; python -m tools.authority init makes one).",
)
@click.option("--to", type=FOLDER, required=True, help="Folder for what is built.")
@_told
def build(runtime: str, sha256: str, number: int, least: int, key: Path, to: Path) -> dict[str, Any]:
    """Build the flash image of a new terminal and the bundle that updates one."""
    if least > number:
        raise TechnicianError(
            f"--least {least} is after --release {number}", "give a release before this one"
        )
    board = pinmap.load()
    signer = SigningKey.load(key)
    image = runtimes.cut(runtimes.fetch(runtime, sha256), board)
    built = building.build(image, building.compile_application(), board, number, least, signer)
    building.write(built, board, signer, to)
    (to / "manifest.py").write_text(building.frozen_manifest(), encoding="utf-8")
    heap_share = 100 * built.heap_octets // building.HEAP_BUDGET_OCTETS
    return {
        "release": number,
        "revision": building.source_revision(),
        "runtime_sha256": built.runtime_digest.hex(),
        "pieces": {
            piece.name: {"offset": piece.offset, "octets": len(piece.octets)} for piece in built.pieces
        },
        "bundle_octets": len(built.bundle),
        "files": built.files,
        "source_lines": built.lines,
        "code_heap_octets_estimated": built.heap_octets,
        "code_heap_octets_budget": building.HEAP_BUDGET_OCTETS,
        "said": [
            f"release {number} of {built.files} files, {built.lines} source lines, from revision {building.source_revision()}",
            *(
                f"  {piece.name:<16} at 0x{piece.offset:06x}  {len(piece.octets):>9} octets"
                for piece in built.pieces
            ),
            f"  update bundle                 {len(built.bundle):>9} octets",
            f"code on the heap: about {built.heap_octets // 1024} KB, {heap_share} % of its budget of {building.HEAP_BUDGET_OCTETS // 1024} KB (estimated)",
            f"written to {to}, signed; manifest.py is for a runtime with frozen code",
        ],
    }


@main.command()
@JSON
@PORT
@BAUD
@STUB
@click.option("--release-key", type=INPUT, required=True, help="The authority's public key (authority.pub).")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@_told
def flash(port: str, baud: int, no_stub: bool, release_key: Path, folder: Path) -> dict[str, Any]:
    """Put a build onto a new terminal, or renew the one on a terminal; its records are never touched."""
    image = images.load(folder, release_key.read_bytes())
    with (
        cable.connected(port or cable.find_port(), baud, is_stub_used=not no_stub) as chip,
        _bars(sys.stderr.isatty()) as progress,
    ):
        outcome = flashing.flash(chip, image, pinmap.load(), progress)
        chip.restart()
    kind = "a new terminal" if outcome.is_new else "a terminal; its records and keys are as they were"
    return {
        "mac": outcome.mac,
        "is_new": outcome.is_new,
        "release": image.release,
        "written_octets": outcome.written,
        "image_octets": outcome.size,
        "said": [
            f"chip {outcome.mac}: release {image.release} is on it and verified, {outcome.written} of {outcome.size} octets had to be written",
            f"this is {kind}",
            "next: provision it" if outcome.is_new else "next: switch it on; its screen shows the last sale",
        ],
    }


@main.command()
@JSON
@PORT
@BAUD
@STUB
@click.option(
    "--export",
    "folder",
    type=FOLDER,
    required=True,
    help="Folder for the dump and for all records that it holds.",
)
@click.option(
    "--name",
    default="",
    help="The terminal's number as its label shows it, or the chip's MAC if it has none; asked for if left out.",
)
@_told
def erase(port: str, baud: int, no_stub: bool, folder: Path, name: str) -> dict[str, Any]:
    """Erase a terminal for good: first everything on it is read, its records exported, and its name typed."""
    with (
        cable.connected(port or cable.find_port(), baud, is_stub_used=not no_stub) as chip,
        _bars(sys.stderr.isatty()) as progress,
    ):
        saved = erasing.save(chip, folder, progress)
        typed = name or click.prompt(
            f"{saved.records} records are in {folder}. Type {saved.name} to erase", err=True
        )
        erasing.erase(chip, saved, typed)
    return {
        "name": saved.name,
        "records": saved.records,
        "files": saved.files,
        "said": [
            f"{saved.name} is erased; its dump and {saved.records} records are in {folder}",
            "next: `python -m gateway import` takes what was exported" if saved.records else "next: flash it",
        ],
    }


@contextlib.contextmanager
def _console(port: str) -> Iterator[Console]:
    """The console of a terminal that runs."""
    name = port or cable.find_port()
    try:
        with serial.serial_for_url(name, BAUDRATE, timeout=LINE_TIMEOUT_S) as line:
            yield Console(line)
    except (serial.SerialException, OSError) as error:
        raise CableError(
            f"{name} cannot be used ({error})", "look at the cable and the port's name"
        ) from error


@main.command()
@JSON
@PORT
@click.argument("bundle", type=INPUT)
@_told
def update(port: str, bundle: Path) -> dict[str, Any]:
    """Renew the application of a terminal that runs; it falls back by itself if the new one does not start well."""
    with _console(port) as console, _bars(sys.stderr.isatty()) as progress:
        before = updating.running(console)
        number = updating.update(console, bundle.read_bytes(), progress)
    return {
        "before": before.release,
        "release": number,
        "said": [
            f"release {number} is on the terminal, which starts anew and tries it; it ran {before.release}",
            "next: `lumbung release` in two minutes tells whether it has proved itself",
        ],
    }


@main.command("release")
@JSON
@PORT
@_told
def show_release(port: str) -> dict[str, Any]:
    """Tell which release a terminal runs, and whether it is on trial."""
    with _console(port) as console:
        updating.settle(console)
        now = updating.running(console)
    state = "has proved itself" if now.trial < 0 else f"is on trial, {now.trial} starts are left"
    other = (
        f"slot {'b' if now.slot == 'a' else 'a'} holds release {now.other}"
        if now.other
        else "the other slot is empty"
    )
    return {
        "slot": now.slot, "release": now.release, "other": now.other, "trial": now.trial,
        "said": [f"release {now.release} runs from slot {now.slot} and {state}; {other}"],
    }  # fmt: skip


if __name__ == "__main__":
    main()
