"""Multiples of points of P-256 by signed combs (Lim and Lee 1994, with digits +1 and -1), in steps for idle time.

An odd scalar is a sum of +-2^i over all `teeth * blocks * columns` bit positions, so every column of the comb has a
non-zero digit, the table needs only 2^(teeth-1) points a block, and every scalar takes the same point operations. For
an even scalar its negative n - k is odd.

All work is in generators that yield after each point operation; the longest stretch between two yields is an
inversion, about five point operations. `finish` runs one at once.
"""

from firmware.crypto import p256_table
from firmware.crypto.p256_curve import N, P, add_affine, double, to_affine_steps

_KEY_TEETH = 5
_KEY_COLUMNS = 52  # 5 * 52 = 260 bit positions hold every scalar


class Comb:
    """The table of one point: `blocks` times 2^(teeth-1) affine points of 64 octets, x and y big-endian.

    Entry i of block b is 2^(b*columns) * sum(+-2^(tooth*blocks*columns)) * point: plus for the top tooth, and for tooth
    t plus where bit t of i is set.
    """

    def __init__(self, table: bytes, teeth: int, blocks: int, columns: int) -> None:
        self.columns = columns
        self.blocks = blocks
        self._table = table
        self._teeth = teeth

    def digits(self, scalar: int) -> tuple:
        """(octets, is_negated) for a scalar in 1..n-1: little-endian bits, set for +1 and clear for -1."""
        is_negated = scalar & 1 == 0
        if is_negated:
            scalar = N - scalar
        top = self._teeth * self.blocks * self.columns - 1
        return ((scalar >> 1) | (1 << top)).to_bytes(top // 8 + 1, "little"), is_negated

    def entry(self, digits: tuple, block: int, column: int) -> tuple:
        """The affine point that one column of one block of a scalar asks for."""
        octets, is_negated = digits
        position = block * self.columns + column
        spacing = self.blocks * self.columns
        index = 0
        for tooth in range(self._teeth):
            index |= (octets[position >> 3] >> (position & 7) & 1) << tooth
            position += spacing
        half = 1 << (self._teeth - 1)
        if index & half:
            index ^= half
        else:
            index ^= half - 1
            is_negated = not is_negated
        start = (block * half + index) * 64
        x = int.from_bytes(self._table[start : start + 32], "big")
        y = int.from_bytes(self._table[start + 32 : start + 64], "big")
        return x, P - y if is_negated else y


GENERATOR = Comb(p256_table.TABLE, p256_table.TEETH, p256_table.BLOCKS, p256_table.COLUMNS)


def multiply_steps(terms: list):
    """Generate, and return at the end, the Jacobian sum of scalar * point over the (comb, scalar) in `terms`.

    Scalars are in 1..n-1; the terms share their doublings.
    """
    combs = [(comb, comb.digits(scalar)) for comb, scalar in terms]
    x, y, z = 1, 1, 0
    for column in range(max([comb.columns for comb, _ in combs]) - 1, -1, -1):
        if z:
            x, y, z = double(x, y, z)
            yield
        for comb, digits in combs:
            if column < comb.columns:
                for block in range(comb.blocks):
                    x2, y2 = comb.entry(digits, block, column)
                    x, y, z = add_affine(x, y, z, x2, y2)
                    yield
    return x, y, z


def comb_steps(x: int, y: int):
    """Generate, and return at the end, the one-block `Comb` of an affine point of the curve."""
    bases = []
    doubles = []
    point = x, y, 1
    for tooth in range(_KEY_TEETH):
        bases.append(point)
        if tooth == _KEY_TEETH - 1:
            break
        for column in range(_KEY_COLUMNS):
            point = double(*point)
            # Only one-block allocations move the place from where MicroPython searches for free memory. Without one
            # here, a run of doublings searches ever longer: 1.3 times the instructions for 200, twice for 1,000.
            _ = []
            if column == 0:
                doubles.append(point)
            yield
    affine = yield from to_affine_steps(bases + doubles)
    # Entry 0 has minus for every tooth but the top one; setting bit t adds twice the base of tooth t.
    x, y = affine[_KEY_TEETH - 1]
    first = x, y, 1
    for x, y in affine[: _KEY_TEETH - 1]:
        first = add_affine(*first, x, P - y)
        yield
    entries = [first]
    for x, y in affine[_KEY_TEETH:]:
        for index in range(len(entries)):
            entries.append(add_affine(*entries[index], x, y))
            yield
    affine = yield from to_affine_steps(entries)
    table = b"".join([x.to_bytes(32, "big") + y.to_bytes(32, "big") for x, y in affine])
    return Comb(table, _KEY_TEETH, 1, _KEY_COLUMNS)


def finish(steps):
    """Run a generator to its end and return what it returns."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value
