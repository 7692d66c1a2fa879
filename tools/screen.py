"""Shows a terminal's display to people: as a picture, or as text for a terminal window."""

from pathlib import Path

from PIL import Image

_SCALE = 4
_HALVES = {("0", "0"): " ", ("1", "0"): "▀", ("0", "1"): "▄", ("1", "1"): "█"}


def as_text(rows: list[str]) -> list[str]:
    """Two pixel rows a line, in half blocks."""
    return [
        "".join(_HALVES[(upper, lower)] for upper, lower in zip(rows[place], rows[place + 1], strict=True))
        for place in range(0, len(rows), 2)
    ]


def save(rows: list[str], path: Path) -> None:
    """A PNG, four dots for each pixel."""
    image = Image.new("1", (len(rows[0]), len(rows)))
    for y, row in enumerate(rows):
        for x, pixel in enumerate(row):
            image.putpixel((x, y), int(pixel))
    path.parent.mkdir(parents=True, exist_ok=True)
    image.resize((image.width * _SCALE, image.height * _SCALE)).save(path)
