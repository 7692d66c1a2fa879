"""The label on a terminal's lid: its number to read, to scan and to say on the telephone; a picture for any printer."""

from __future__ import annotations

import io

import zxingcpp
from PIL import Image, ImageDraw, ImageFont

DOTS_PER_MM = 8
WIDTH, HEIGHT = 58 * DOTS_PER_MM, 30 * DOTS_PER_MM
_MARGIN = 12
_QR_DOTS = HEIGHT - 2 * _MARGIN
_WHITE, _BLACK = 255, 0


def draw(kid: int, storage: str, day: str) -> bytes:
    """A PNG of 58 x 30 mm at 8 dots/mm, for label printers and receipt paper. Its QR code is the kid's eight digits."""
    label = Image.new("L", (WIDTH, HEIGHT), _WHITE)
    number = f"{kid:08x}".upper()
    code = zxingcpp.create_barcode(number, zxingcpp.BarcodeFormat.QRCode)
    small = Image.fromarray(zxingcpp.write_barcode_to_image(code))
    scale = _QR_DOTS // small.width
    symbol = small.resize((small.width * scale, small.height * scale), Image.Resampling.NEAREST)
    label.paste(symbol, (_MARGIN // 2, (HEIGHT - symbol.height) // 2))
    pen = ImageDraw.Draw(label)
    left = _MARGIN + symbol.width
    lines = (("LUMBUNG", 30), (number[:4], 64), (number[4:], 64), (storage, 22), (day, 22))
    top = _MARGIN
    for text, size in lines:
        font = ImageFont.load_default(size)
        pen.text((left, top), text, fill=_BLACK, font=font)
        top += size + 4
    out = io.BytesIO()
    label.save(out, "PNG", dpi=(DOTS_PER_MM * 25.4, DOTS_PER_MM * 25.4))
    return out.getvalue()
