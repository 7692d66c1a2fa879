"""Draws what the display's glass shows as a PNG, dot by dot (CPython only: needs Pillow)."""

from PIL import Image, ImageDraw

LIT = (255, 214, 102)  # the amber of the 2.42 inch panel
DARK = (22, 20, 16)
GLASS = (10, 9, 8)
BEZEL_DOTS = 4
DOT = 4
GAP = 1


def render_display(rows: list, path: str) -> None:
    """Write a PNG of the picture that `hardware.display_ssd1309.Ssd1309.rows` returns: 4 x 4 dots with gaps."""
    pitch = DOT
    width = (len(rows[0]) + 2 * BEZEL_DOTS) * pitch
    height = (len(rows) + 2 * BEZEL_DOTS) * pitch
    image = Image.new("RGB", (width, height), GLASS)
    draw = ImageDraw.Draw(image)
    for y, row in enumerate(rows):
        for x, letter in enumerate(row):
            left, top = (x + BEZEL_DOTS) * pitch, (y + BEZEL_DOTS) * pitch
            corner = (left + DOT - GAP - 1, top + DOT - GAP - 1)
            draw.rectangle([(left, top), corner], fill=LIT if letter == "#" else DARK)
    image.save(path)
