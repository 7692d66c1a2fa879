"""Shows a terminal's display to people: as a picture, or as text for a terminal window."""

from pathlib import Path

from PIL import Image

_SCALE = 4
_BRAILLE_FIRST = 0x2800
# Bit of a braille pattern for each pixel of a cell of 2 x 4 (Unicode, Braille Patterns).
_BRAILLE_BITS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))


def as_text(rows: list[str]) -> list[str]:
    """The display in braille characters, two by four pixels each: 64 columns, 16 lines."""
    return [
        "".join(_cell(rows, x, y) for x in range(0, len(rows[0]), 2))
        for y in range(0, len(rows), len(_BRAILLE_BITS))
    ]


def _cell(rows: list[str], x: int, y: int) -> str:
    """One character."""
    pattern = 0
    for below, bits in enumerate(_BRAILLE_BITS):
        for right, bit in enumerate(bits):
            if rows[y + below][x + right] == "1":
                pattern |= bit
    return chr(_BRAILLE_FIRST + pattern)


def save(rows: list[str], path: Path) -> None:
    """A PNG, four dots for each pixel."""
    image = Image.new("1", (len(rows[0]), len(rows)))
    for y, row in enumerate(rows):
        for x, pixel in enumerate(row):
            image.putpixel((x, y), int(pixel))
    path.parent.mkdir(parents=True, exist_ok=True)
    image.resize((image.width * _SCALE, image.height * _SCALE)).save(path)
