"""Builds the QR symbol that a printer with its own QR command prints (ISO/IEC 18004): byte mode, versions 1 to 10."""

LEVELS = "LMQH"
VERSION_MAX = 10

_CODEWORDS = (26, 44, 70, 100, 134, 172, 196, 242, 292, 346)
# Per level and version: check codewords in a block, and number of blocks (table 9).
_CHECKS = {
    "L": (7, 10, 15, 20, 26, 18, 20, 24, 30, 18),
    "M": (10, 16, 26, 18, 24, 16, 18, 22, 22, 26),
    "Q": (13, 22, 18, 26, 18, 24, 18, 22, 20, 24),
    "H": (17, 28, 22, 16, 22, 28, 26, 26, 24, 28),
}
_BLOCKS = {
    "L": (1, 1, 1, 1, 1, 2, 2, 2, 2, 4),
    "M": (1, 1, 1, 2, 2, 4, 4, 4, 5, 5),
    "Q": (1, 1, 2, 2, 4, 4, 6, 6, 8, 8),
    "H": (1, 1, 2, 4, 4, 4, 5, 6, 8, 8),
}
_ALIGNMENT = (
    (), (6, 18), (6, 22), (6, 26), (6, 30), (6, 34), (6, 22, 38), (6, 24, 42), (6, 26, 46), (6, 28, 50),
)  # fmt: skip
_LEVEL_BITS = {"L": 1, "M": 0, "Q": 3, "H": 2}

_MASKS = (
    lambda row, column: (row + column) % 2,
    lambda row, column: row % 2,  # noqa: ARG005 - all masks are called alike
    lambda row, column: column % 3,  # noqa: ARG005
    lambda row, column: (row + column) % 3,
    lambda row, column: (row // 2 + column // 3) % 2,
    lambda row, column: row * column % 2 + row * column % 3,
    lambda row, column: (row * column % 2 + row * column % 3) % 2,
    lambda row, column: ((row + column) % 2 + row * column % 3) % 2,
)


class QrError(Exception):
    """The data does not fit the largest symbol."""


def capacity(version: int, level: str) -> int:
    """Octets that a symbol holds in byte mode."""
    return _data_codewords(version, level) - (2 if version < 10 else 3)


def version_for(size: int, level: str) -> int:
    """The smallest version that holds `size` octets."""
    for version in range(1, VERSION_MAX + 1):
        if size <= capacity(version, level):
            return version
    raise QrError("%d octets do not fit version %d-%s" % (size, VERSION_MAX, level))


def modules_wide(version: int) -> int:
    """Modules along one side, without the quiet zone."""
    return 17 + 4 * version


def qr_matrix(data: bytes, level: str) -> list:
    """Rows of the symbol as bytearrays, 1 is dark; without quiet zone. QrError if the data does not fit."""
    version = version_for(len(data), level)
    bits = _bits(_with_checks(_codewords(data, version, level), version, level))
    best = None
    for mask in range(8):
        symbol = _Symbol(version)
        symbol.place(bits, _MASKS[mask])
        symbol.write_format(_LEVEL_BITS[level] << 3 | mask)
        score = _penalty(symbol.rows)
        if best is None or score < best[0]:
            best = (score, symbol.rows)
    return best[1]


# -- data


def _data_codewords(version: int, level: str) -> int:
    return _CODEWORDS[version - 1] - _CHECKS[level][version - 1] * _BLOCKS[level][version - 1]


def _codewords(data: bytes, version: int, level: str) -> bytearray:
    """Mode, length, data, end and padding (section 7.4)."""
    size = _data_codewords(version, level)
    value = 0b0100
    value = value << (8 if version < 10 else 16) | len(data)
    for octet in data:
        value = value << 8 | octet
    bits = 4 + (8 if version < 10 else 16) + 8 * len(data)
    end = min(4, 8 * size - bits)
    fill = -(bits + end) % 8
    stream = bytearray((value << (end + fill)).to_bytes((bits + end + fill) // 8, "big"))
    padding = (0xEC, 0x11)
    while len(stream) < size:
        stream.append(padding[(size - len(stream)) % 2 ^ (size - (bits + end + fill) // 8) % 2])
    return stream


def _with_checks(data: bytearray, version: int, level: str) -> bytearray:
    """Blocks with their Reed-Solomon codewords, interleaved (section 7.6)."""
    count, checks = _BLOCKS[level][version - 1], _CHECKS[level][version - 1]
    short, long_blocks = divmod(len(data), count)
    blocks, begin = [], 0
    for index in range(count):
        end = begin + short + (1 if index >= count - long_blocks else 0)
        blocks.append(data[begin:end])
        begin = end
    generator = _generator(checks)
    remainders = [_remainder(block, generator) for block in blocks]
    result = bytearray()
    for position in range(short + 1):
        for block in blocks:
            if position < len(block):
                result.append(block[position])
    for position in range(checks):
        for remainder in remainders:
            result.append(remainder[position])
    return result


def _multiply(one: int, two: int) -> int:
    """In GF(256) with x^8 + x^4 + x^3 + x^2 + 1."""
    product = 0
    while two:
        if two & 1:
            product ^= one
        one = one << 1 ^ (0x11D if one & 0x80 else 0)
        two >>= 1
    return product


def _generator(degree: int) -> bytearray:
    """Coefficients below the leading one, highest first, of (x - 1)(x - 2)(x - 4)..."""
    coefficients = bytearray(degree)
    coefficients[-1] = 1
    root = 1
    for _ in range(degree):
        for index in range(degree):
            coefficients[index] = _multiply(coefficients[index], root)
            if index + 1 < degree:
                coefficients[index] ^= coefficients[index + 1]
        root = _multiply(root, 2)
    return coefficients


def _remainder(block, generator: bytearray) -> bytearray:
    remainder = bytearray(len(generator))
    for octet in block:
        factor = octet ^ remainder[0]
        remainder = remainder[1:] + bytearray(1)
        for index in range(len(generator)):
            remainder[index] ^= _multiply(generator[index], factor)
    return remainder


def _bits(codewords: bytearray) -> list:
    return [octet >> shift & 1 for octet in codewords for shift in range(7, -1, -1)]


def _check_bits(value: int, generator: int, degree: int) -> int:
    """`value` followed by its remainder, for format and version information (annexes C and D)."""
    remainder = value << degree
    for shift in range(_bit_length(remainder) - degree - 1, -1, -1):
        if remainder >> (shift + degree) & 1:
            remainder ^= generator << shift
    return value << degree | remainder


def _bit_length(value: int) -> int:
    """Position after the highest set bit."""
    bits = 0
    while value:
        value >>= 1
        bits += 1
    return bits


# -- symbol


class _Symbol:
    """The square: function patterns first, then data wherever none of them is."""

    def __init__(self, version: int):
        self.size = modules_wide(version)
        self.rows = [bytearray(self.size) for _ in range(self.size)]
        self._taken = [bytearray(self.size) for _ in range(self.size)]
        for row, column in ((3, 3), (3, self.size - 4), (self.size - 4, 3)):
            self._rings(row, column, 4, (1, 1, 0, 1, 0))
        for index in range(self.size):
            for row, column in ((6, index), (index, 6)):
                if not self._taken[row][column]:
                    self._set(row, column, 1 - index % 2)
        self._alignments(_ALIGNMENT[version - 1])
        self.write_format(0)
        if version >= 7:
            self._write_version(version)

    def place(self, bits: list, mask) -> None:
        """Fill in the data, two columns at a time from the right, up and down in turn (section 7.7.3)."""
        position, upward = 0, True
        for pair in range(self.size - 1, 0, -2):
            right = pair - 1 if pair <= 6 else pair  # the vertical timing pattern has a column of its own
            for step in range(self.size):
                row = self.size - 1 - step if upward else step
                for column in (right, right - 1):
                    if not self._taken[row][column]:
                        bit = bits[position] if position < len(bits) else 0
                        position += 1
                        self.rows[row][column] = bit ^ (mask(row, column) == 0)
            upward = not upward

    def write_format(self, value: int) -> None:
        """Level and mask, twice, and the module that is always dark (section 7.9)."""
        bits = _check_bits(value, 0x537, 10) ^ 0x5412
        last = self.size - 1
        first = [(0, 8), (1, 8), (2, 8), (3, 8), (4, 8), (5, 8), (7, 8), (8, 8), (8, 7)]
        first += [(8, column) for column in (5, 4, 3, 2, 1, 0)]
        second = [(8, last - index) for index in range(8)] + [(last - 6 + index, 8) for index in range(7)]
        for index in range(15):
            self._set(first[index][0], first[index][1], bits >> index & 1)
            self._set(second[index][0], second[index][1], bits >> index & 1)
        self._set(self.size - 8, 8, 1)

    def _write_version(self, version: int) -> None:
        bits = _check_bits(version, 0x1F25, 12)
        for index in range(18):
            near, far = index // 3, self.size - 11 + index % 3
            self._set(near, far, bits >> index & 1)
            self._set(far, near, bits >> index & 1)

    def _alignments(self, centres) -> None:
        corners = ((6, 6), (6, self.size - 7), (self.size - 7, 6))  # where the finders are
        for row in centres:
            for column in centres:
                if (row, column) not in corners:
                    self._rings(row, column, 2, (1, 0, 1))

    def _rings(self, row: int, column: int, reach: int, shades) -> None:
        """Concentric squares around a centre, as far as they lie in the symbol."""
        for down in range(-reach, reach + 1):
            for across in range(-reach, reach + 1):
                if 0 <= row + down < self.size and 0 <= column + across < self.size:
                    self._set(row + down, column + across, shades[max(abs(down), abs(across))])

    def _set(self, row: int, column: int, dark: int) -> None:
        self.rows[row][column] = dark
        self._taken[row][column] = 1


def _penalty(rows: list) -> int:
    """How badly a masked symbol reads (section 7.8.3)."""
    size = len(rows)
    columns = [bytearray([row[index] for row in rows]) for index in range(size)]
    score = 0
    for line in rows + columns:
        score += _runs(line) + _false_finders(line)
    for row in range(size - 1):
        for column in range(size - 1):
            dark = (
                rows[row][column] + rows[row][column + 1] + rows[row + 1][column] + rows[row + 1][column + 1]
            )
            score += 3 if dark in (0, 4) else 0
    dark = sum([sum(row) for row in rows])
    return score + 10 * (abs(20 * dark - 10 * size * size) // (size * size))


def _runs(line: bytearray) -> int:
    score, length = 0, 0
    for index in range(len(line)):
        length = length + 1 if index and line[index] == line[index - 1] else 1
        score += 3 if length == 5 else 1 if length > 5 else 0
    return score


def _false_finders(line: bytearray) -> int:
    score = 0
    for pattern in (
        b"\x01\x00\x01\x01\x01\x00\x01\x00\x00\x00\x00",
        b"\x00\x00\x00\x00\x01\x00\x01\x01\x01\x00\x01",
    ):
        score += 40 * sum([1 for begin in range(len(line) - 10) if line[begin : begin + 11] == pattern])
    return score
