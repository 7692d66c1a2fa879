"""A sheet of paper in millimetres that Pillow draws on: boxes, lines, dots and words, with soft edges."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from PIL import Image, ImageDraw, ImageFont

_FINE = 2
"""Drawn so many times larger, and made smaller at the end: edges come out soft."""
_COLOURS = 96
Colour = str


class Canvas:
    """`scale` is pixels for a millimetre of the finished picture; `origin` the millimetres at its upper left corner."""

    def __init__(
        self, width: float, height: float, scale: float, origin: tuple[float, float] = (0.0, 0.0)
    ) -> None:
        self._scale = scale * _FINE
        self._origin = origin
        size = (round(width * self._scale), round(height * self._scale))
        self._image = Image.new("RGB", size, "#ffffff")
        self._draw = ImageDraw.Draw(self._image)
        self._fonts: dict[float, ImageFont.FreeTypeFont | ImageFont.ImageFont] = {}

    def box(
        self,
        x: float,
        y: float,
        width: float,
        height: float,
        fill: Colour | None,
        edge: Colour,
        line: float = 0.3,
    ) -> None:
        """A rectangle with slightly round corners."""
        (left, top), (right, bottom) = self._at(x, y), self._at(x + width, y + height)
        self._draw.rounded_rectangle(
            (left, top, right, bottom), self._long(0.7), fill, edge, max(1, round(self._long(line)))
        )

    def blank(self, x: float, y: float, width: float, height: float) -> None:
        """Make a part of the sheet white again."""
        self._draw.rectangle((*self._at(x, y), *self._at(x + width, y + height)), "#ffffff")

    def dashed_box(
        self, x: float, y: float, width: float, height: float, edge: Colour, line: float = 0.25
    ) -> None:
        """A rectangle that is not there yet."""
        corners = ((x, y), (x + width, y), (x + width, y + height), (x, y + height), (x, y))
        for start, end in pairwise(corners):
            self.dashed(start, end, edge, line)

    def dashed(
        self, start: tuple[float, float], end: tuple[float, float], colour: Colour, line: float = 0.25
    ) -> None:
        """A broken line."""
        length = ((end[0] - start[0]) ** 2 + (end[1] - start[1]) ** 2) ** 0.5
        pieces = max(1, int(length / 2.2))
        for index in range(pieces):
            one, other = index / pieces, (index + 0.55) / pieces
            self.line(
                [
                    (start[0] + (end[0] - start[0]) * share, start[1] + (end[1] - start[1]) * share)
                    for share in (one, other)
                ],
                colour,
                line,
            )

    def line(self, points: list[tuple[float, float]], colour: Colour, line: float = 0.4) -> None:
        """A line through points."""
        self._draw.line(
            [self._at(*point) for point in points], colour, max(1, round(self._long(line))), joint="curve"
        )

    def wire(self, points: list[tuple[float, float]], colour: Colour) -> None:
        """A line that can be followed where others cross it."""
        self.line(points, "#ffffff", 1.2)
        self.line(points, colour, 0.55)

    def dot(self, x: float, y: float, radius: float, fill: Colour, edge: Colour | None = None) -> None:
        """A filled circle."""
        centre_x, centre_y = self._at(x, y)
        long = self._long(radius)
        self._draw.ellipse(
            (centre_x - long, centre_y - long, centre_x + long, centre_y + long),
            fill,
            edge,
            max(1, round(long / 4)),
        )

    def words(
        self,
        x: float,
        y: float,
        text: str,
        size: float,
        colour: Colour = "#222222",
        anchor: str = "mm",
        halo: bool = False,
    ) -> None:
        """Text of `size` millimetres; `anchor` as Pillow has it (l, m, r and t, m, b, s)."""
        self._draw.text(
            self._at(x, y), text, colour, self._font(size), anchor,
            stroke_width=round(self._long(0.35)) if halo else 0, stroke_fill="#ffffff" if halo else None,
        )  # fmt: skip

    def upright(
        self, x: float, y: float, text: str, size: float, colour: Colour = "#222222", anchor: str = "b"
    ) -> None:
        """Text that runs upwards, its begin (`b`) or its end (`t`) at the point."""
        font = self._font(size)
        width, height = self.width_of(text, size), size * 1.3
        sheet = Image.new("L", (round(self._long(width)) + 2, round(self._long(height))), 0)
        ImageDraw.Draw(sheet).text((1, sheet.height / 2), text, 255, font, "lm")
        turned = sheet.rotate(90, expand=True)
        centre_x, at_y = self._at(x, y)
        top = at_y - turned.height if anchor == "b" else at_y
        self._image.paste(
            Image.new("RGB", turned.size, colour), (round(centre_x - turned.width / 2), round(top)), turned
        )

    def width_of(self, text: str, size: float) -> float:
        """Millimetres that a text takes."""
        return float(self._font(size).getlength(text)) / self._scale

    def picture(self) -> Image.Image:
        """The finished picture; each point has the nearest of its most frequent colours, so that its file is small."""
        size = (self._image.width // _FINE, self._image.height // _FINE)
        small = self._image.resize(size, Image.Resampling.BOX)
        often = sorted(small.getcolors(small.width * small.height) or [], reverse=True)[:_COLOURS]
        palette = np.array([colour for _, colour in often], dtype=np.int32)
        parts = np.asarray(small, dtype=np.int32).reshape(-1, 3)
        colours, which = np.unique(parts @ np.array([65536, 256, 1], dtype=np.int32), return_inverse=True)
        split = np.stack([colours >> 16, colours >> 8 & 255, colours & 255], axis=1)
        nearest = ((split[:, None, :] - palette[None, :, :]) ** 2).sum(axis=2).argmin(axis=1)
        indexed = Image.frombytes("P", small.size, nearest.astype(np.uint8)[which.ravel()].tobytes())
        indexed.putpalette(palette.astype(np.uint8).tobytes())
        return indexed

    def _font(self, size: float) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
        if size not in self._fonts:
            self._fonts[size] = ImageFont.load_default(self._long(size))
        return self._fonts[size]

    def _at(self, x: float, y: float) -> tuple[float, float]:
        return (x - self._origin[0]) * self._scale, (y - self._origin[1]) * self._scale

    def _long(self, millimetres: float) -> float:
        return millimetres * self._scale
