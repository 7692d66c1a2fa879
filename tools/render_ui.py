"""Draws every screen and receipt of the terminal into PNG files, for human eyes.

    python -m tools.render_ui [folder]

The pictures are made by the firmware's own drawing code under MicroPython (the samples of its tests); only enlarging and
tinting happen here. Default folder: build/ui.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from firmware.ui.glyphs import COLUMNS_PER_GLYPH, FIRST, GLYPHS
from tools.setup.checkout import BIN, BUILD, ROOT

# The samples answer names, in hexadecimal lines, as every driver of the tests does.
COMMAND = (
    BIN / "micropython64",
    "-X",
    "heapsize=16m",
    ROOT / "tests/support/mp_driver.py",
    ROOT / "tests/property/drivers/ui_samples.py",
)
MARK = "\x1e"
WIDTH = 128
HEIGHT = 64
ZOOM = 4
# Dots of the printer's own type (font A): 12 x 24, on lines of 30 dots.
PAPER_WIDTH = 384
LETTER_WIDTH = 12
LINE_HEIGHT = 30
MARGIN = 24
OLED = (190, 235, 255)
SHEET = (44, 48, 56)
PAPER = (250, 248, 240)
INK = (40, 36, 44)


def screen_picture(octets: bytes) -> Image.Image:
    """A framebuffer (`framebuf.MONO_VLSB`) as the OLED would show it, enlarged, with the gaps between its dots."""
    picture = Image.new("RGB", (WIDTH * ZOOM, HEIGHT * ZOOM))
    draw = ImageDraw.Draw(picture)
    for y in range(HEIGHT):
        for x in range(WIDTH):
            if octets[y // 8 * WIDTH + x] >> y % 8 & 1:
                draw.rectangle((x * ZOOM, y * ZOOM, x * ZOOM + ZOOM - 2, y * ZOOM + ZOOM - 2), fill=OLED)
    return picture


def _letter(draw: ImageDraw.ImageDraw, code: int, left: int, top: int, scale: int, bold: bool) -> None:
    """One letter on paper: five columns of two dots, seven rows of three, twice that in double type."""
    columns = GLYPHS[(code - FIRST) * COLUMNS_PER_GLYPH : (code - FIRST + 1) * COLUMNS_PER_GLYPH]
    wide, high = 2 * scale, 3 * scale
    for i, column in enumerate(columns):
        for row in range(8):
            if column >> row & 1:
                x, y = left + i * wide, top + row * high
                draw.rectangle((x, y, x + wide - 1 + (1 if bold else 0), y + high - 1), fill=INK)


def receipt_picture(document: Sequence[Sequence[Any]]) -> Image.Image:
    """A document as it comes out of a 58 mm printer, in the terminal's own letters."""
    height = sum(_element_height(element) for element in document)
    picture = Image.new("RGB", (PAPER_WIDTH + 2 * MARGIN, height + 2 * MARGIN), PAPER)
    draw = ImageDraw.Draw(picture)
    y = MARGIN
    for element in document:
        if element[0] == "text":
            _, string, align, bold, double = element
            scale = 2 if double else 1
            room = PAPER_WIDTH - len(string) * LETTER_WIDTH * scale
            x = MARGIN + {"l": 0, "c": room // 2, "r": room}[align]
            for letter in string:
                _letter(draw, ord(letter), x, y, scale, bold)
                x += LETTER_WIDTH * scale
        elif element[0] == "rule":
            draw.line(
                (MARGIN, y + LINE_HEIGHT // 2, MARGIN + PAPER_WIDTH, y + LINE_HEIGHT // 2), fill=INK, width=2
            )
        y += _element_height(element)
    return picture


def _element_height(element: Sequence[Any]) -> int:
    """Dot lines of one element."""
    if element[0] == "feed":
        return int(element[1]) * LINE_HEIGHT
    if element[0] == "text" and element[4]:
        return 2 * LINE_HEIGHT
    return LINE_HEIGHT if element[0] in ("text", "rule") else 0


def sheet(pictures: Sequence[tuple[str, Image.Image]], columns: int) -> Image.Image:
    """All pictures under their names on one."""
    wide = max(picture.width for _, picture in pictures) + MARGIN
    rows = [pictures[i : i + columns] for i in range(0, len(pictures), columns)]
    heights = [max(picture.height for _, picture in row) + 2 * MARGIN for row in rows]
    whole = Image.new("RGB", (wide * columns + MARGIN, sum(heights) + MARGIN), SHEET)
    draw = ImageDraw.Draw(whole)
    top = MARGIN
    for row, height in zip(rows, heights, strict=True):
        for i, (name, picture) in enumerate(row):
            draw.text((MARGIN + i * wide, top), name, fill=(255, 214, 120))
            whole.paste(picture, (MARGIN + i * wide, top + 16))
        top += height
    return whole


def ask(names: Sequence[str]) -> list[bytes]:
    """The samples' answers to `names`, from one run of MicroPython."""
    lines = "".join((name.encode().hex() or "-") + "\n" for name in names)
    done = subprocess.run(
        COMMAND, input=lines, capture_output=True, text=True, check=True, cwd=ROOT, timeout=120
    )
    answers = [line.partition(MARK)[2] for line in done.stdout.split("\n") if MARK in line]
    return [bytes.fromhex(answer) for answer in answers[1:]]  # the first one says that it is ready


def main(arguments: Sequence[str]) -> int:
    """Write one PNG for each screen and receipt, and a sheet of all of each kind."""
    parser = argparse.ArgumentParser(prog="python -m tools.render_ui", description=main.__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=BUILD / "ui")
    folder = parser.parse_args(arguments).folder
    kinds: dict[str, list[tuple[str, Image.Image]]] = {"screen": [], "receipt": []}
    lines = ask([""])[0].decode().splitlines()
    for line, answer in zip(lines, ask(lines), strict=True):
        kind, name = line.split(" ", 1)
        drawn = screen_picture(answer) if kind == "screen" else receipt_picture(json.loads(answer))
        kinds[kind].append((name, drawn))
    for kind, pictures in kinds.items():
        (folder / kind).mkdir(parents=True, exist_ok=True)
        for name, picture in pictures:
            picture.save(folder / kind / f"{name}.png")
        sheet(pictures, 6).save(folder / f"{kind}s.png")
        print(f"{len(pictures)} {kind}s in {folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
