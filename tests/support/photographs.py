"""Photographs of printed QR codes as people take them: skewed, turned, dim, blurred, grainy, torn; by a printed seed."""

from __future__ import annotations

import io
import random

from PIL import Image, ImageChops, ImageDraw, ImageEnhance, ImageFilter

from hardware.printer_escpos import CENTRE
from hardware.render_receipt import raster
from protocol import carry

TABLE = 118
DOTS_PER_MODULE = 6


def receipt(frames: list[bytes], dots_per_module: int = DOTS_PER_MODULE) -> Image.Image:
    """A strip of paper with the frames as the printer's own symbols, black on white, as it lies on a table; a module is half as
    large again on the picture as on the paper.
    """
    elements: list[tuple[object, ...]] = []
    for number, octets in enumerate(frames, 1):
        caption = f"{number}/{len(frames)}".encode()
        elements += [
            ("text", CENTRE, [(caption, False, 1, 1)]),
            ("qr", CENTRE, carry.qr_text(octets).encode(), dots_per_module, "M"),
            ("feed", 48),
        ]
    dots = ImageChops.invert(raster(elements))
    paper = Image.new("L", (dots.width + 80, dots.height + 40), 245)
    paper.paste(dots.point(lambda shade: min(shade, 245)), (40, 20))
    table = Image.new("L", (paper.width + 160, paper.height + 160), TABLE)
    table.paste(paper, (80, 80))
    return table.resize((table.width * 3 // 2, table.height * 3 // 2), Image.Resampling.BILINEAR)


def skewed(picture: Image.Image, rng: random.Random, share: float) -> Image.Image:
    """Seen from aside: each corner moved inwards by up to `share` of the picture."""
    wide, high = picture.size

    def inward() -> tuple[float, float]:
        return rng.uniform(0, share) * wide, rng.uniform(0, share) * high

    (ax, ay), (bx, by), (cx, cy), (dx, dy) = inward(), inward(), inward(), inward()
    corners = (-ax, -ay, -bx, high + by, wide + cx, high + cy, wide + dx, -dy)
    return picture.transform(
        picture.size, Image.Transform.QUAD, corners, Image.Resampling.BICUBIC, fillcolor=TABLE
    )


def turned(picture: Image.Image, degrees: float) -> Image.Image:
    """Lying askew."""
    return picture.rotate(degrees, Image.Resampling.BICUBIC, expand=True, fillcolor=TABLE)


def dim(picture: Image.Image, share: float) -> Image.Image:
    """In bad light: so much of the brightness is left."""
    return ImageEnhance.Brightness(picture).enhance(share)


def shaded(picture: Image.Image) -> Image.Image:
    """Half in the shadow: from full light at one end down to a third at the other."""
    light = Image.linear_gradient("L").resize(picture.size).point(lambda value: 85 + value * 170 // 255)
    return ImageChops.multiply(picture, light)


def blurred(picture: Image.Image, dots: float) -> Image.Image:
    """Out of focus."""
    return picture.filter(ImageFilter.GaussianBlur(dots))


def grainy(picture: Image.Image, rng: random.Random, share: float) -> Image.Image:
    """Noise of a cheap sensor, mixed in by its share."""
    wide, high = picture.size
    tile = Image.frombytes("L", (256, 256), rng.randbytes(65536))
    noise = Image.new("L", picture.size)
    for left in range(0, wide, 256):
        for top in range(0, high, 256):
            noise.paste(tile, (left, top))
    return Image.blend(picture, noise, share)


def torn(picture: Image.Image, rng: random.Random, dots: int, count: int) -> Image.Image:
    """With `count` holes of so many dots across."""
    hurt = picture.copy()
    draw = ImageDraw.Draw(hurt)
    for _ in range(count):
        x, y = rng.randrange(picture.width), rng.randrange(picture.height)
        draw.ellipse((x - dots // 2, y - dots // 2, x + dots // 2, y + dots // 2), fill=TABLE)
    return hurt


def png(picture: Image.Image) -> bytes:
    """Its file."""
    out = io.BytesIO()
    picture.save(out, "PNG", compress_level=1)
    return out.getvalue()


def jpeg(picture: Image.Image, quality: int = 60) -> bytes:
    """Its file as telephones and messengers send it."""
    out = io.BytesIO()
    picture.convert("RGB").save(out, "JPEG", quality=quality)
    return out.getvalue()
