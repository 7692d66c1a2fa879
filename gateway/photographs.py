"""QR codes and pictures: reads all codes on a photograph, however it was taken, and draws codes on pages to be printed.

The decoder is zxing-cpp, the kept C++ port of ZXing: it reads skewed, turned and damaged codes and needs no model. It is
run in the command's own process, never in the daemon: a picture is a stranger's.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import zxingcpp
from PIL import Image, ImageDraw, ImageFilter, ImageFont, ImageOps

from gateway.errors import PictureError

PICTURE_FORMATS = ("PNG", "JPEG")
PIXELS_MAX = 120_000_000
_SMALL_PIXELS = 3_000_000
"""Below this a picture is looked at enlarged as well."""

_FORMATS = zxingcpp.BarcodeFormats(zxingcpp.QRCodeModel2)

# A4 at 150 dots per inch, in dots.
_PAGE_WIDE, _PAGE_HIGH = 1240, 1754
_MARGIN = 80
_HEADING_HIGH = 120
_COLUMNS, _ROWS = 2, 3
_CAPTION_HIGH = 40
_HEADING_SIZE, _CAPTION_SIZE = 34, 28
_QUIET_MODULES = 4


@dataclass(slots=True)
class Found:
    """`texts` of the codes that were read, each once, from the top of the picture down; `damaged` are the places (x, y), in
    dots, of codes that are there and cannot be read.
    """

    texts: list[str] = field(default_factory=list)
    damaged: list[tuple[int, int]] = field(default_factory=list)


def read(octets: bytes) -> Found:
    """All QR codes on a picture; raises `PictureError` where it is none that can be opened."""
    picture = _opened(octets)
    centres: dict[str, tuple[int, int]] = {}
    broken: list[tuple[int, int, int]] = []
    for version, scale in _versions(picture):
        codes = zxingcpp.read_barcodes(version, formats=_FORMATS, return_errors=True)
        for code in codes:
            x, y, reach = (value // scale for value in _centre(code.position))
            if code.valid:
                centres.setdefault(code.text, (x, y))
            elif code.error is not None and code.error.type is zxingcpp.Checksum and reach:
                # Other errors are of things that only look a little like a code.
                broken.append((x, y, reach))
    return Found(
        sorted(centres, key=lambda text: centres[text][::-1]), _apart(broken, list(centres.values()))
    )


def _opened(octets: bytes) -> Image.Image:
    """The picture in shades of grey."""
    try:
        # By name, so that no more of Pillow's decoders than these ever see a stranger's octets.
        with Image.open(io.BytesIO(octets), formats=PICTURE_FORMATS) as picture:
            if picture.width * picture.height > PIXELS_MAX:
                raise PictureError(dots=picture.width * picture.height, most=PIXELS_MAX)
            return picture.convert("L")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as failure:
        raise PictureError(reason=f"cannot be opened: {type(failure).__name__}") from failure


def _versions(picture: Image.Image) -> Iterator[tuple[Image.Image, int]]:
    """The picture as it is, then as a dim, a grainy and a small one become readable; with its magnification."""
    yield picture, 1
    stretched = ImageOps.autocontrast(picture, cutoff=1)
    yield stretched, 1
    yield stretched.filter(ImageFilter.MedianFilter(5)), 1
    if picture.width * picture.height < _SMALL_PIXELS:
        yield stretched.resize((2 * picture.width, 2 * picture.height), Image.Resampling.BICUBIC), 2


def _centre(position: zxingcpp.Position) -> tuple[int, int, int]:
    """Centre of a code, and half of its width, in dots."""
    corners = (position.top_left, position.top_right, position.bottom_right, position.bottom_left)
    across = [corner.x for corner in corners]
    down = [corner.y for corner in corners]
    return sum(across) // 4, sum(down) // 4, (max(across) - min(across)) // 2


def _apart(broken: Sequence[tuple[int, int, int]], taken: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Damaged codes, each once: not those that another look at the picture has read."""
    apart: list[tuple[int, int]] = []
    for x, y, reach in broken:
        if all(max(abs(x - other_x), abs(y - other_y)) > reach for other_x, other_y in (*taken, *apart)):
            apart.append((x, y))
    return apart


def symbol(text: str, dots_per_module: int) -> Image.Image:
    """A QR code at correction level M with its quiet zone, black on white."""
    code = zxingcpp.create_barcode(text, zxingcpp.QRCodeModel2, ec_level="M")
    drawn = Image.fromarray(zxingcpp.write_barcode_to_image(code, scale=1, add_quiet_zones=False)).convert(
        "L"
    )
    drawn = ImageOps.expand(drawn, _QUIET_MODULES, 255)
    return drawn.resize((drawn.width * dots_per_module,) * 2, Image.Resampling.NEAREST)


def pages(heading: str, texts: Sequence[str]) -> list[Image.Image]:
    """Pages of A4 at 150 dots per inch with the codes of `texts`, numbered in the order in which they are to be read."""
    per_page = _COLUMNS * _ROWS
    count = (len(texts) + per_page - 1) // per_page
    made = []
    for number in range(count):
        page = Image.new("L", (_PAGE_WIDE, _PAGE_HIGH), 255)
        draw = ImageDraw.Draw(page)
        headline = f"{heading}   {number + 1} / {count}"
        draw.text((_MARGIN, _MARGIN // 2), headline, fill=0, font=ImageFont.load_default(_HEADING_SIZE))
        for place, text in enumerate(texts[number * per_page : (number + 1) * per_page]):
            _place(page, draw, place, text, f"{number * per_page + place + 1} / {len(texts)}")
        made.append(page)
    return made


def _place(page: Image.Image, draw: ImageDraw.ImageDraw, place: int, text: str, caption: str) -> None:
    """One code in its cell of the page, as large as the cell allows in whole dots per module."""
    wide = (_PAGE_WIDE - 2 * _MARGIN) // _COLUMNS
    high = (_PAGE_HIGH - _HEADING_HIGH - _MARGIN) // _ROWS
    plain = symbol(text, 1)
    module = max(1, min(wide, high - _CAPTION_HIGH) // plain.width)
    drawn = plain.resize((plain.width * module,) * 2, Image.Resampling.NEAREST)
    left = _MARGIN + place % _COLUMNS * wide
    top = _HEADING_HIGH + place // _COLUMNS * high
    draw.text(
        (left + _QUIET_MODULES * module, top), caption, fill=0, font=ImageFont.load_default(_CAPTION_SIZE)
    )
    page.paste(drawn, (left, top + _CAPTION_HIGH))
