"""The assembly guide's pictures: all of them by file name, and whether those in the repository are still the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PIL import Image, ImageChops

from tools.board import case, steps
from tools.board.layout import Layout
from tools.board.parts import Catalogue
from tools.board.schematic import Netlist
from tools.pinmap import ROOT

COMMITTED = ROOT / "hardware" / "drawings"


def drawn(layout: Layout, sheet: Netlist, catalogue: Catalogue) -> dict[str, Image.Image]:
    """Every picture by its file name; `sheet` is of the fitting that has all parts."""
    told: dict[str, Any] = layout.told
    pictures = {
        "case-lid.png": case.draw_lid(told),
        "case-floor.png": case.draw_floor(told),
        "case-reader.png": case.draw_reader(told),
        "board.png": steps.draw_board(layout, sheet, catalogue),
    }
    for index, step in enumerate(layout.steps):
        pictures[f"step-{index + 1}-{step.name}.png"] = steps.draw_step(step, layout, sheet, catalogue)
    return {name: canvas.picture() for name, canvas in pictures.items()}


def write(pictures: dict[str, Image.Image], directory: Path) -> None:
    """Write those that are not there yet as they should be; the same picture keeps its file."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, picture in pictures.items():
        if not _is_same(directory / name, picture):
            picture.save(directory / name, optimize=True)


def stale(pictures: dict[str, Image.Image], directory: Path = COMMITTED) -> list[str]:
    """One sentence for each file that is not what would be drawn, or that nothing draws."""
    found = [
        f"{name} is out of date: run python -m tools.board"
        for name, picture in pictures.items()
        if not _is_same(directory / name, picture)
    ]
    there = {path.name for path in directory.glob("*.png")}
    return found + [f"{name} is drawn by nothing" for name in sorted(there - set(pictures))]


def _is_same(path: Path, picture: Image.Image) -> bool:
    """Compare what can be seen, not the file's octets: another zlib packs the same picture otherwise."""
    if not path.is_file():
        return False
    with Image.open(path) as there:
        if there.size != picture.size:
            return False
        return ImageChops.difference(there.convert("RGB"), picture.convert("RGB")).getbbox() is None
