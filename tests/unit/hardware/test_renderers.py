"""Pictures of display and receipts show what the chip models hold."""

from __future__ import annotations

from PIL import Image

from hardware import render_display
from hardware.printer_escpos import CENTRE, DOTS_WIDE, LEFT, RIGHT
from hardware.qr_code import qr_matrix
from hardware.render_receipt import raster, render_receipt


def test_each_lit_dot_of_the_display_is_lit_in_the_picture(tmp_path):
    rows = ["." * 128 for _ in range(64)]
    rows[10] = "." * 5 + "#" + "." * 122
    path = tmp_path / "display.png"
    render_display.render_display(rows, str(path))
    picture = Image.open(path)
    assert picture.size == (136 * 4, 72 * 4)
    for x, y, colour in ((5, 10, render_display.LIT), (6, 10, render_display.DARK)):
        assert picture.getpixel(((x + 4) * 4 + 1, (y + 4) * 4 + 1)) == colour
    assert picture.getpixel(((5 + 4) * 4 + 3, (10 + 4) * 4 + 3)) == render_display.GLASS, "a gap between dots"


def ink(receipt: list) -> set[tuple[int, int]]:
    dots = raster(receipt)
    return {(x, y) for y in range(dots.height) for x in range(DOTS_WIDE) if dots.getpixel((x, y))}


def test_text_stands_where_its_alignment_puts_it():
    spans = [(b"HHHH", False, 1, 1)]
    left = {x for x, _ in ink([("text", LEFT, spans)])}
    right = {x for x, _ in ink([("text", RIGHT, spans)])}
    centre = {x for x, _ in ink([("text", CENTRE, spans)])}
    assert max(left) < 48
    assert min(right) >= DOTS_WIDE - 48
    assert {x + 168 for x in left} == centre
    assert {x + 336 for x in left} == right


def test_double_type_is_twice_as_wide_and_high_and_bold_has_more_ink():
    plain = ink([("text", LEFT, [(b"A", False, 1, 1)])])
    double = ink([("text", LEFT, [(b"A", False, 2, 2)])])
    bold = ink([("text", LEFT, [(b"A", True, 1, 1)])])
    assert len(double) == 4 * len(plain)
    assert plain < bold


def test_feed_moves_what_follows_down():
    line = ("text", LEFT, [(b"x", False, 1, 1)])
    assert {(x, y + 77) for x, y in ink([line])} == ink([("feed", 77), line])


def test_an_image_is_drawn_dot_for_dot():
    assert ink([("image", LEFT, 2, 2, b"\x80\x01\x40\x02")]) == {(0, 0), (15, 0), (1, 1), (14, 1)}


def test_a_qr_symbol_is_drawn_module_for_module():
    rows = qr_matrix(b"LUMBUNG", "M")
    dots = ink([("qr", LEFT, b"LUMBUNG", 3, "M")])
    assert dots == {
        (3 * column + dx, 3 * row + dy)
        for row, line in enumerate(rows)
        for column, dark in enumerate(line)
        for dx in range(3)
        for dy in range(3)
        if dark
    }


def test_a_whole_receipt_becomes_a_strip_of_paper(tmp_path):
    path = tmp_path / "receipt.png"
    render_receipt([("text", CENTRE, [(b"LUMBUNG", True, 2, 2)]), ("feed", 30), ("cut",)], str(path))
    picture = Image.open(path)
    assert picture.width > 2 * DOTS_WIDE
    assert picture.height > 2 * (48 + 30)
