"""Screens of the technician's bench: while the terminal's parts are tested. Pure functions like those of `screens`."""

from firmware.ui import draw
from firmware.ui.screens import foot_keys
from firmware.ui.strings import bench_part, text

_CELL_WIDE = 30
_CELL_HIGH = 12


def bench_at_work(fb, part: str) -> None:
    """A part is tested, and nobody is needed."""
    draw.head(fb, text("bench"))
    draw.centred(fb, bench_part(part), 22)
    draw.centred(fb, text("bench_wait"), 36)


def bench_keys(fb, rows: tuple, missing: str) -> None:
    """The keypad as it lies before the technician, `rows` of keys: those that are still to be pressed are lit."""
    fb.fill(0)
    draw.centred(fb, text("bench_keys"), 2)
    for row in range(len(rows)):
        keys = rows[row]
        for column in range(len(keys)):
            x, y = 5 + column * _CELL_WIDE, 13 + row * (_CELL_HIGH + 1)
            is_missing = keys[column] in missing
            if is_missing:
                fb.fill_rect(x, y, _CELL_WIDE - 8, _CELL_HIGH, 1)
            draw.text(fb, keys[column], x + 9, y + 2, 0 if is_missing else 1)


def bench_pattern(fb, is_dark: bool) -> None:
    """A frame, squares of every other dot, bars and the answers; `is_dark`: the opposite of every dot."""
    lit = 0 if is_dark else 1
    fb.fill(1 - lit)
    fb.fill_rect(0, 0, draw.WIDTH, 1, lit)
    fb.fill_rect(0, draw.HEIGHT - 1, draw.WIDTH, 1, lit)
    fb.fill_rect(0, 0, 1, draw.HEIGHT, lit)
    fb.fill_rect(draw.WIDTH - 1, 0, 1, draw.HEIGHT, lit)
    for y in range(4, 30):
        for x in range(4 + y % 2, 40, 2):
            fb.pixel(x, y, lit)
    for bar in range(8):
        fb.fill_rect(44 + bar * 10, 4, bar + 1, 26, lit)
    for words, y in ((text("bench_pattern"), 35), (text("bench_answers"), 47)):
        draw.text(fb, words, (draw.WIDTH - draw.width(words)) // 2, y, lit)


def bench_strip(fb) -> None:
    """Whether the printed strip can be read."""
    draw.head(fb, text("bench"))
    draw.paragraph(fb, text("bench_strip"), 18, 2)
    draw.foot(fb, foot_keys("E", "bench_whole", "X", "bench_broken"))


def bench_card(fb) -> None:
    """A card is to be laid on."""
    draw.head(fb, text("bench"))
    draw.card(fb, 1, 17)
    draw.waves(fb, 38, 20)
    draw.large(fb, text("tap"), 56, 12, 2)
    draw.large(fb, text("card"), 56, 28, 2)
    draw.foot(fb, foot_keys("X", "key_cancel"))


def bench_insert(fb) -> None:
    """A card is to be put into the slot."""
    draw.head(fb, text("bench"))
    draw.card(fb, 47, 14)
    draw.centred(fb, text("bench_insert"), 42)
    draw.foot(fb, foot_keys("X", "key_cancel"))


def bench_case(fb, is_open: bool) -> None:
    """The case is to be opened, or shut."""
    draw.head(fb, text("bench"))
    draw.paragraph(fb, text("bench_shut" if is_open else "bench_open"), 22, 2)
    draw.foot(fb, foot_keys("X", "key_cancel"))
