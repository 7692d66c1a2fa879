"""Draws a printed receipt as a PNG, like a strip of 58 mm paper (CPython only: needs Pillow).

Lines, images and QR symbols stand dot for dot where the printer puts them; only the letter shapes are another font's, since
the printer's own are not public.
"""

from PIL import Image, ImageDraw, ImageFilter, ImageFont

from hardware.printer_escpos import CELL_HIGH, CELL_WIDE, DOTS_WIDE, LEFT, LINE_SPACING, RIGHT
from hardware.qr_code import qr_matrix

PAPER = (249, 247, 240)
INK = (52, 48, 58)
TABLE = (196, 188, 176)
MARGIN = 40  # dots from the paper's edge to the first that can be printed: (58 mm - 48 mm) / 2
TOOTH = 6
SCALE = 2
_FONT_NAME = "DejaVuSansMono.ttf"
_FONT_SIZE = 20
_BASELINE = 19


def render_receipt(receipt: list, path: str) -> None:
    """Write a PNG of a receipt as `hardware.printer_escpos.EscPosPrinter.receipts` returns it."""
    dots = raster(receipt)
    width, height = DOTS_WIDE + 2 * MARGIN, dots.height + 4 * TOOTH
    paper = Image.new("RGB", (width, height), PAPER)
    paper.paste(INK, (MARGIN, 2 * TOOTH), dots)
    paper = paper.resize((width * SCALE, height * SCALE), Image.Resampling.NEAREST)
    paper = paper.filter(ImageFilter.GaussianBlur(0.7))  # heat spreads a little
    _on_table(paper).save(path)


def raster(receipt: list) -> Image.Image:
    """All dots of a receipt, 384 wide; 255 is black on paper."""
    strips = [strip for strip in [_strip(element) for element in receipt] if strip is not None]
    image = Image.new("L", (DOTS_WIDE, max(1, sum(strip.height for strip in strips))))
    top = 0
    for strip in strips:
        image.paste(strip, (0, top))
        top += strip.height
    return image


def _strip(element: tuple):
    """The dots of one element over the whole width, None if it takes no paper."""
    kind = element[0]
    if kind == "text":
        return _text(element[1], element[2])
    if kind == "feed":
        return Image.new("L", (DOTS_WIDE, element[1]))
    if kind == "image":
        _, align, octets_per_row, rows, octets = element
        picture = Image.frombytes("1", (8 * octets_per_row, rows), bytes(octets))
        return _placed(picture.convert("L"), align, rows)
    if kind == "qr":
        _, align, data, module, level = element
        return _placed(_qr(data, level, module), align, None)
    return None


def _placed(picture: Image.Image, align: int, height) -> Image.Image:
    strip = Image.new("L", (DOTS_WIDE, height or picture.height))
    free = DOTS_WIDE - picture.width
    strip.paste(picture, (0 if align == LEFT else free if align == RIGHT else free // 2, 0))
    return strip


def _qr(data: bytes, level: str, module: int) -> Image.Image:
    rows = qr_matrix(bytes(data), level)
    picture = Image.new("L", (len(rows), len(rows)))
    picture.putdata([255 * dark for row in rows for dark in row])
    return picture.resize((len(rows) * module,) * 2, Image.Resampling.NEAREST)


def _text(align: int, spans: list) -> Image.Image:
    wide = sum(len(span[0]) * CELL_WIDE * span[2] for span in spans)
    high = max(CELL_HIGH * span[3] for span in spans)
    line = Image.new("L", (wide, high))
    left = 0
    for octets, bold, width, height in spans:
        for octet in octets:
            cell = _letter(chr(octet), bold)
            cell = cell.resize((CELL_WIDE * width, CELL_HIGH * height), Image.Resampling.NEAREST)
            line.paste(cell, (left, high - cell.height))  # letters of all sizes stand on one line
            left += cell.width
    return _placed(line, align, max(high, LINE_SPACING))


_letters: dict = {}


def _letter(letter: str, bold: bool) -> Image.Image:
    """One cell of 12 x 24 dots, each of them black or white as on thermal paper."""
    if (letter, bold) not in _letters:
        big = Image.new("L", (2 * CELL_WIDE, CELL_HIGH))
        draw = ImageDraw.Draw(big)
        font = _font()
        wide = draw.textlength(letter, font=font)
        draw.text(((2 * CELL_WIDE - wide) // 2, _BASELINE), letter, fill=255, font=font, anchor="ls")
        if wide > CELL_WIDE:  # a proportional font stood in: squeeze what is too wide
            big = big.resize((round(4 * CELL_WIDE * CELL_WIDE / wide / 2), CELL_HIGH))
        offset = (big.width - CELL_WIDE) // 2
        cell = big.crop((offset, 0, offset + CELL_WIDE, CELL_HIGH)).point(
            lambda value: 255 if value > 110 else 0
        )
        if bold:
            shifted = Image.new("L", cell.size)
            shifted.paste(cell, (1, 0))
            cell.paste(255, (0, 0), shifted)
        _letters[letter, bold] = cell
    return _letters[letter, bold]


def _font():
    try:
        return ImageFont.truetype(_FONT_NAME, _FONT_SIZE)
    except OSError:
        return ImageFont.load_default(_FONT_SIZE)


def _on_table(paper: Image.Image) -> Image.Image:
    """The strip with its torn ends, and the shadow that it throws."""
    mask = Image.new("L", paper.size, 255)
    draw = ImageDraw.Draw(mask)
    tooth = TOOTH * SCALE
    for left in range(0, paper.width, tooth):
        draw.polygon([(left, 0), (left + tooth // 2, tooth // 2), (left + tooth, 0)], fill=0)
        low = paper.height
        draw.polygon([(left, low), (left + tooth // 2, low - tooth // 2), (left + tooth, low)], fill=0)
    border = 2 * tooth
    table = Image.new("RGB", (paper.width + 2 * border, paper.height + 2 * border), TABLE)
    shadow = Image.new("L", table.size)
    shadow.paste(110, (border + 4, border + 6), mask)
    table.paste((90, 82, 72), (0, 0), shadow.filter(ImageFilter.GaussianBlur(5)))
    table.paste(paper, (border, border), mask)
    return table
