"""Text and parts of a screen, drawn into a 128 x 64 `framebuf.FrameBuffer` (1 is lit).

Two types: the narrow one, 21 letters to a line, and the same letters enlarged with smoothed diagonals, set
proportionally, for amounts and states: strokes of two or three dots are read by old eyes at arm's length.
"""

import framebuf

from firmware.ui import format as fmt
from firmware.ui.glyphs import BARN, BARN_HEIGHT, BARN_WIDTH, COLUMNS_PER_GLYPH, FIRST, GLYPHS

WIDTH = 128
HEIGHT = 64
COLUMNS = 21
ADVANCE = 6
HEAD_HEIGHT = 9
FOOT_TOP = 55
BODY_TOP = 12
LINE_HEIGHT = 9
_SCALES = (3, 2, 1)
_BLANK_WIDTH = 3

# One glyph at a time goes through this cell, so that drawing a screen allocates nothing for each letter.
_cell = bytearray(COLUMNS_PER_GLYPH)
_cell_picture = framebuf.FrameBuffer(_cell, COLUMNS_PER_GLYPH, 8, framebuf.MONO_VLSB)
_dark = framebuf.FrameBuffer(bytearray((1, 0)), 2, 1, framebuf.MONO_VLSB)
_barn = framebuf.FrameBuffer(bytearray(BARN), BARN_WIDTH, BARN_HEIGHT, framebuf.MONO_VLSB)


def _load(letter: str) -> None:
    """Put the glyph of `letter` into the cell; an unknown letter becomes a question mark."""
    at = (ord(letter) - FIRST) * COLUMNS_PER_GLYPH
    if at < 0 or at >= len(GLYPHS):
        at = (ord("?") - FIRST) * COLUMNS_PER_GLYPH
    for i in range(COLUMNS_PER_GLYPH):
        _cell[i] = GLYPHS[at + i]


def text(fb, string: str, x: int, y: int, lit: int = 1) -> None:
    """Narrow text with its upper left corner at (x, y); what does not fit on the line is cut and marked."""
    for letter in fmt.shorten(string, (WIDTH - x + 1) // ADVANCE):
        _load(letter)
        if lit:
            fb.blit(_cell_picture, x, y, 0)
        else:
            fb.blit(_cell_picture, x, y, 1, _dark)
        x += ADVANCE


def width(string: str) -> int:
    """Dots that narrow text takes, without the gap behind its last letter."""
    return len(string) * ADVANCE - 1


def centred(fb, string: str, y: int) -> None:
    """Narrow text in the middle of the line."""
    string = fmt.shorten(string, COLUMNS)
    text(fb, string, (WIDTH - width(string)) // 2, y)


def both(fb, left: str, right: str, y: int, chosen: bool = False) -> None:
    """One line with a label at its start and a value at its end; a chosen one is dark on lit."""
    if chosen:
        fb.fill_rect(0, y - 1, WIDTH, LINE_HEIGHT, 1)
    lit = 0 if chosen else 1
    right = fmt.shorten(right, COLUMNS)
    text(fb, fmt.shorten(left, COLUMNS - len(right) - 1 if right else COLUMNS), 1, y, lit)
    text(fb, right, WIDTH - width(right) - 1, y, lit)


def money(fb, label: str, amount_rupiah: int, y: int) -> None:
    """One line with a label and an amount; an amount is never cut, it rather loses its Rp."""
    amount = fmt.rupiah(amount_rupiah)
    if len(label) + 1 + len(amount) > COLUMNS:
        amount = fmt.grouped(amount_rupiah)
    both(fb, label, amount, y)


def paragraph(fb, string: str, y: int, lines: int) -> None:
    """Wrapped narrow text of at most `lines` lines from `y` down, each line in the middle."""
    for line in fmt.wrap(string, COLUMNS)[:lines]:
        centred(fb, line, y)
        y += LINE_HEIGHT


def _span() -> tuple:
    """First column in use and columns in use of the glyph in the cell; (0, 3) for a blank."""
    first = 0
    end = COLUMNS_PER_GLYPH
    while first < end and not _cell[first]:
        first += 1
    while end > first and not _cell[end - 1]:
        end -= 1
    return (first, end - first) if end > first else (0, _BLANK_WIDTH)


def large_width(string: str, scale: int) -> int:
    """Dots that enlarged text takes."""
    total = -1
    for letter in string:
        _load(letter)
        total += _span()[1] + 1
    return total * scale


def large(fb, string: str, x: int, y: int, scale: int) -> int:
    """Enlarged text with its upper left corner at (x, y), 7 * `scale` dots high; returns the x behind it."""
    for letter in string:
        _load(letter)
        first, columns = _span()
        for i in range(columns):
            before = _cell[first + i - 1] if i else 0
            _large_column(fb, _cell[first + i], before, x + i * scale, y, scale)
        x += (columns + 1) * scale
    return x - scale


def _large_column(fb, column: int, before: int, x: int, y: int, scale: int) -> None:
    """One enlarged column, and the corners where its dots meet those of the column `before` it only diagonally."""
    corner = scale // 2
    for row in range(8):
        here = column >> row & 1
        if here:
            fb.fill_rect(x, y + row * scale, scale, scale, 1)
        if row == 7:
            break
        below = column >> (row + 1) & 1
        left = before >> row & 1
        left_below = before >> (row + 1) & 1
        joint = y + (row + 1) * scale
        if here and left_below and not below and not left:
            fb.fill_rect(x - corner, joint - corner, corner, corner, 1)
            fb.fill_rect(x, joint, corner, corner, 1)
        elif left and below and not here and not left_below:
            fb.fill_rect(x, joint - corner, corner, corner, 1)
            fb.fill_rect(x - corner, joint, corner, corner, 1)


def largest(fb, string: str, y: int, height: int) -> None:
    """`string` in the middle of a band of `height` dots from `y` down, as large as band and width allow."""
    narrowest = large_width(string, 1)
    for scale in _SCALES:
        wide = narrowest * scale
        if scale == 1 or (wide <= WIDTH and 7 * scale <= height):
            large(fb, string, max(0, (WIDTH - wide) // 2), y + (height - 7 * scale) // 2, scale)
            return


def largest_money(fb, amount_rupiah: int, y: int, height: int) -> None:
    """An amount as `largest` draws it; it rather loses its Rp than become small."""
    amount = fmt.rupiah(amount_rupiah)
    if large_width(amount, 2) > WIDTH:
        amount = fmt.grouped(amount_rupiah)
    largest(fb, amount, y, height)


def head(fb, left: str, right: str = "") -> None:
    """Empty the screen and draw its title line, dark on lit."""
    fb.fill(0)
    fb.fill_rect(0, 0, WIDTH, HEAD_HEIGHT, 1)
    if right:
        text(fb, right, WIDTH - width(right) - 1, 1, 0)
        left = fmt.shorten(left, COLUMNS - len(right) - 1)
    text(fb, left, 1, 1, 0)


def foot(fb, keys: tuple) -> None:
    """The keys that do something now, as ((key, word), ...), spread over the last line: each key as a dark cap."""
    wide = [width(cap) + 4 + width(word) for cap, word in keys]
    gap = (WIDTH - sum(wide)) // max(1, len(keys) - 1)
    x = 0 if len(keys) > 1 else gap // 2
    for i in range(len(keys)):
        cap, word = keys[i]
        fb.fill_rect(x, FOOT_TOP, width(cap) + 2, HEIGHT - FOOT_TOP, 1)
        text(fb, cap, x + 1, FOOT_TOP + 1, 0)
        text(fb, word, x + width(cap) + 4, FOOT_TOP + 1)
        x += wide[i] + gap


def barn(fb, x: int, y: int) -> None:
    """The rice barn, 26 x 24 dots."""
    fb.blit(_barn, x, y, 0)


def card(fb, x: int, y: int) -> None:
    """A chip card, 34 x 22 dots."""
    fb.fill_rect(x + 1, y, 32, 22, 1)
    fb.fill_rect(x, y + 1, 34, 20, 1)
    fb.fill_rect(x + 2, y + 2, 30, 18, 0)
    fb.fill_rect(x + 5, y + 6, 9, 7, 1)
    fb.fill_rect(x + 8, y + 6, 1, 7, 0)
    fb.fill_rect(x + 5, y + 9, 9, 1, 0)
    fb.fill_rect(x + 5, y + 16, 24, 2, 1)


def waves(fb, x: int, y: int) -> None:
    """Three waves going out to the right, 11 x 16 dots: a card is laid on here."""
    for i in range(3):
        fb.fill_rect(x + 4 * i, y + 6 - 2 * i, 2, 4 + 4 * i, 1)
        fb.fill_rect(x + 4 * i - 1, y + 5 - 2 * i, 1, 1, 1)
        fb.fill_rect(x + 4 * i - 1, y + 10 + 2 * i, 1, 1, 1)
