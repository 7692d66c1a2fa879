"""`lumbung flash` and `lumbung erase`: what is done to the flash of a chip that its own ROM loader opens."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from tools import pinmap
from tools.technician import cable, erasing, flashing
from tools.technician import image as images
from tools.technician.commands.common import BAUD, FOLDER, INPUT, JSON, PORT, STUB, bars, told
from tools.technician.errors import HoldsRecordsError


@click.command()
@JSON
@PORT
@BAUD
@STUB
@click.option("--release-key", type=INPUT, required=True, help="The authority's public key (authority.pub).")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@told
def flash(port: str, baud: int, no_stub: bool, release_key: Path, folder: Path) -> dict[str, Any]:
    """Put a build onto a new terminal, or renew the one on a terminal; its records are never touched."""
    image = images.load(folder, release_key.read_bytes())
    with (
        cable.borrowed(port or cable.find_port(), baud, is_stub_used=not no_stub) as chip,
        bars(sys.stderr.isatty()) as progress,
    ):
        outcome = flashing.flash(chip, image, pinmap.load(), progress)
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


@click.command()
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
@told
def erase(port: str, baud: int, no_stub: bool, folder: Path, name: str) -> dict[str, Any]:
    """Erase a terminal for good: first everything on it is read, its records exported, and its name typed."""
    with (
        cable.borrowed(port or cable.find_port(), baud, is_stub_used=not no_stub) as chip,
        bars(sys.stderr.isatty()) as progress,
    ):
        saved = erasing.save(chip, folder, progress)
        erasing.erase(chip, saved, name or _typed(saved, folder))
    return {
        "name": saved.name,
        "records": saved.records,
        "files": saved.files,
        "said": [
            f"{saved.name} is erased; its dump and {saved.records} records are in {folder}",
            f"next: python -m gateway import {folder / 'records'}/*" if saved.records else "next: flash it",
        ],
    }


def _typed(saved: erasing.Saved, folder: Path) -> str:
    """What somebody types who is asked for the terminal's name."""
    try:
        return str(
            click.prompt(f"{saved.records} records are in {folder}. Type {saved.name} to erase", err=True)
        )
    except click.Abort as error:
        click.echo(err=True)
        raise HoldsRecordsError(
            "nobody answered: nothing was erased", f"give --name {saved.name} where nobody can be asked"
        ) from error
