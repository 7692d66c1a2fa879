"""`lumbung build`: the flash image of a new terminal, and the bundle that updates one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from tools import pinmap
from tools.authority.signing import SigningKey
from tools.technician import build as building
from tools.technician import runtime as runtimes
from tools.technician.commands.common import FOLDER, INPUT, JSON, told
from tools.technician.errors import TechnicianError


@click.command()
@JSON
@click.option(
    "--runtime",
    required=True,
    help="The official MicroPython image for the ESP32 with SPIRAM: a path or an http(s) address.",
)
@click.option("--sha256", default="", help="Its SHA-256; an address needs it, unless it is pinned.")
@click.option(
    "--pins",
    type=INPUT,
    default=runtimes.PINS,
    help="File of pinned runtimes, as sha256sum writes it; a runtime of a name in it must be that one.",
)
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
@told
def build(
    runtime: str, sha256: str, pins: Path, number: int, least: int, key: Path, to: Path
) -> dict[str, Any]:
    """Build the flash image of a new terminal and the bundle that updates one."""
    if least > number:
        raise TechnicianError(
            f"--least {least} is after --release {number}", "give a release before this one"
        )
    board = pinmap.load()
    signer = SigningKey.load(key)
    pinned = runtimes.read_pins(pins)
    image = runtimes.cut(runtimes.fetch(runtime, sha256, pinned), board)
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
            _said_of_pin(runtimes.name_of(runtime), built.runtime_digest.hex(), pinned, pins),
            f"written to {to}, signed; manifest.py is for a runtime with frozen code",
        ],
    }


def _said_of_pin(name: str, digest: str, pinned: dict[str, str], pins: Path) -> str:
    """Whether anybody vouches for the runtime."""
    if name in pinned:
        return f"runtime {name} is the pinned one"
    return f"runtime {name} is not pinned; if you trust it, add this line to {pins}:\n  {digest}  {name}"
