"""A QR symbol of the printer model is read back by a reader written apart from it, and bears damage as its level says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware.qr_code import VERSION_MAX, QrError, capacity, qr_matrix, version_for

# Made with this encoder and equal, dot for dot, to what the Python package qrcode makes of it with mask 4.
LUMBUNG = (
    "#######.#####.#######",
    "#.....#.#.#.#.#.....#",
    "#.###.#.#.....#.###.#",
    "#.###.#.####..#.###.#",
    "#.###.#.....#.#.###.#",
    "#.....#.##.#..#.....#",
    "#######.#.#.#.#######",
    ".........####........",
    "##..###..#.#...#.####",
    ".####..###.##....##.#",
    "..###.#.##.#..###..#.",
    "#.#.#..#.....##......",
    ".#....##..#.####..#..",
    "........#...###..#.##",
    "#######...#.##..#..#.",
    "#.....#.##.##..#...##",
    "#.###.#.#..#..###.#.#",
    "#.###.#..####.....###",
    "#.###.#...##..#.###..",
    "#.....#.#....##.#....",
    "#######.#...####.##.#",
)

# Alignment centres, and for each level (check codewords per block, data codewords of each block), from ISO/IEC 18004.
CENTRES = {1: [], 2: [6, 18], 5: [6, 30], 7: [6, 22, 38], 10: [6, 28, 50]}
BLOCKS = {
    (1, "L"): (7, [19]),
    (1, "H"): (17, [9]),
    (2, "M"): (16, [28]),
    (5, "Q"): (18, [15, 15, 16, 16]),
    (7, "M"): (18, [31] * 4),
    (10, "L"): (18, [68, 68, 69, 69]),
    (10, "H"): (28, [15] * 6 + [16] * 2),
}
LEVEL_OF_BITS = {1: "L", 0: "M", 3: "Q", 2: "H"}

EXP = [1] * 255
for index in range(1, 255):
    EXP[index] = EXP[index - 1] << 1 ^ (0x11D if EXP[index - 1] & 0x80 else 0)


def is_function(row: int, column: int, version: int) -> bool:
    """Whether a module belongs to a pattern and not to the data."""
    size = 17 + 4 * version
    if row == 6 or column == 6:
        return True
    if (row < 9 and (column < 9 or column >= size - 8)) or (row >= size - 8 and column < 9):
        return True
    if version >= 7 and ((row < 6 and column >= size - 11) or (column < 6 and row >= size - 11)):
        return True
    centres = CENTRES[version]
    ends = {(6, 6), (6, size - 7), (size - 7, 6)}
    return any(
        abs(row - y) <= 2 and abs(column - x) <= 2 for y in centres for x in centres if (y, x) not in ends
    )


def masked(mask: int, i: int, j: int) -> bool:
    return (
        (i + j) % 2 == 0,
        i % 2 == 0,
        j % 3 == 0,
        (i + j) % 3 == 0,
        (i // 2 + j // 3) % 2 == 0,
        (i * j) % 2 + (i * j) % 3 == 0,
        ((i * j) % 2 + (i * j) % 3) % 2 == 0,
        ((i + j) % 2 + (i * j) % 3) % 2 == 0,
    )[mask]


def format_of(rows: list[bytearray]) -> tuple[str, int]:
    """(level, mask) from the 15 bits beside the upper left finder, checked as a codeword."""
    places = [(8, c) for c in (0, 1, 2, 3, 4, 5, 7, 8)] + [(r, 8) for r in (7, 5, 4, 3, 2, 1, 0)]
    value = int("".join(str(rows[r][c]) for r, c in places), 2) ^ 0x5412
    remainder = value
    for shift in range(4, -1, -1):
        if remainder >> (shift + 10) & 1:
            remainder ^= 0x537 << shift
    assert remainder == 0
    return LEVEL_OF_BITS[value >> 13], value >> 10 & 7


def codewords_of(rows: list[bytearray], version: int, mask: int) -> list[int]:
    size = len(rows)
    bits: list[int] = []
    columns = [c for c in range(size - 1, 0, -1) if c > 6] + list(range(5, -1, -1))
    for pair in range(0, len(columns), 2):
        order = range(size) if pair % 4 else range(size - 1, -1, -1)
        for row in order:
            bits.extend(
                rows[row][column] ^ masked(mask, row, column)
                for column in columns[pair : pair + 2]
                if not is_function(row, column, version)
            )
    return [int("".join(map(str, bits[at : at + 8])), 2) for at in range(0, len(bits) - 7, 8)]


def read(rows: list[bytearray]) -> bytes:
    """The symbol's data; asserts that every block is a codeword of its Reed-Solomon code."""
    version = (len(rows) - 17) // 4
    level, mask = format_of(rows)
    codewords = codewords_of(rows, version, mask)
    checks, sizes = BLOCKS[version, level]
    assert len(codewords) == sum(sizes) + checks * len(sizes)
    blocks: list[list[int]] = [[] for _ in sizes]
    stream = iter(codewords)
    for position in range(max(sizes)):
        for block, size in zip(blocks, sizes, strict=True):
            if position < size:
                block.append(next(stream))
    data = [value for block in blocks for value in block]
    for _ in range(checks):
        for block in blocks:
            block.append(next(stream))
    for block in blocks:
        for root in range(checks):
            assert syndrome(block, root) == 0
    bits = "".join(f"{value:08b}" for value in data)
    wide = 8 if version < 10 else 16
    assert bits[:4] == "0100"
    count = int(bits[4 : 4 + wide], 2)
    begin = 4 + wide
    rest = bits[begin + 8 * count :]
    padding = rest[4:].lstrip("0") if len(rest) >= 12 else ""
    assert padding == ("1110110000010001" * 300)[: len(padding)]
    return bytes(int(bits[at : at + 8], 2) for at in range(begin, begin + 8 * count, 8))


def syndrome(block: list[int], root: int) -> int:
    """The block as a polynomial, at alpha to the power of `root`."""
    value = 0
    for codeword in block:
        if value:
            value = EXP[(EXP.index(value) + root) % 255]
        value ^= codeword
    return value


def test_a_known_symbol():
    rows = qr_matrix(b"LUMBUNG", "L")
    assert tuple("".join("#" if dark else "." for dark in row) for row in rows) == LUMBUNG


@pytest.mark.parametrize(("version", "level"), sorted(BLOCKS))
@given(data=st.data())
def test_what_is_encoded_is_read_back(version, level, data):
    least = capacity(version - 1, level) + 1 if version > 1 else 0
    octets = data.draw(st.binary(min_size=least, max_size=capacity(version, level)))
    rows = qr_matrix(octets, level)
    assert len(rows) == 17 + 4 * version
    assert read(rows) == octets


def test_the_dark_module_finders_and_timing_are_where_readers_look_for_them():
    rows = qr_matrix(bytes(100), "M")
    size = len(rows)
    assert rows[size - 8][8] == 1
    assert all(rows[6][index] == (index + 1) % 2 for index in range(8, size - 8))
    for row, column in ((0, 0), (0, size - 7), (size - 7, 0)):
        assert bytes(rows[row + 3][column : column + 7]) == b"\x01\x00\x01\x01\x01\x00\x01"


def test_data_that_fits_no_symbol_is_refused():
    assert version_for(capacity(VERSION_MAX, "L"), "L") == VERSION_MAX
    with pytest.raises(QrError, match="272 octets"):
        qr_matrix(bytes(272), "L")
