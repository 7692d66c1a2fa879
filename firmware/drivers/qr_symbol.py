"""A QR symbol (ISO/IEC 18004) for printers that cannot draw one: level M, versions 1 to 10, always mask 0.

The standard has the mask chosen among eight by how well each reads. Readers take any, and trying all would keep the
terminal busy for seconds.
"""

# By version: all codewords, check codewords in a block, blocks (tables 1 and 9), centres of alignment (annex E).
_VERSIONS = (
    (26, 10, 1, ()),
    (44, 16, 1, (6, 18)),
    (70, 26, 1, (6, 22)),
    (100, 18, 2, (6, 26)),
    (134, 24, 2, (6, 30)),
    (172, 16, 4, (6, 34)),
    (196, 18, 4, (6, 22, 38)),
    (242, 22, 4, (6, 24, 42)),
    (292, 22, 5, (6, 26, 46)),
    (346, 26, 5, (6, 28, 50)),
)
# Version information of versions 7 to 10, with its check bits (annex D).
_VERSION_BITS = (0x07C94, 0x085BC, 0x09A99, 0x0A4D3)
# Format information of level M and mask 0 (annex C).
_FORMAT_BITS = 0x5412
_LETTERS = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"

_DARK = 1
_TAKEN = 2


class QrSymbol:
    """The symbol of some octets; `modules` along one side. ValueError if they do not fit.

    What consists of the 45 characters of the alphanumeric mode takes five ninths of the room.
    """

    def __init__(self, octets: bytes) -> None:
        version, bits, length = _fitted(octets)
        self.modules = 21 + 4 * version
        self._grid = bytearray(self.modules * self.modules)
        self._draw_patterns(version)
        self._draw_data(_with_checks(version, _padded(version, bits, length)))

    def is_dark(self, row: int, column: int) -> bool:
        """Whether a module is dark."""
        return bool(self._grid[row * self.modules + column] & _DARK)

    def _set(self, row: int, column: int, dark: int) -> None:
        self._grid[row * self.modules + column] = _TAKEN | dark

    def _draw_patterns(self, version: int) -> None:
        """Everything that is not data: finders, timing, alignment, version and format."""
        last = self.modules - 1
        for place in range(8, last - 7):
            self._set(6, place, 1 - place % 2)
            self._set(place, 6, 1 - place % 2)
        for row, column in ((3, 3), (3, last - 3), (last - 3, 3)):
            self._square(row, column, 4, 0b01011)
        centres = _VERSIONS[version][3]
        finders = ((6, 6), (6, last - 6), (last - 6, 6))
        for row in centres:
            for column in centres:
                if (row, column) not in finders:
                    self._square(row, column, 2, 0b101)
        if version >= 6:
            bits = _VERSION_BITS[version - 6]
            for place in range(18):
                near, far = place // 3, last - 10 + place % 3
                self._set(near, far, bits >> place & 1)
                self._set(far, near, bits >> place & 1)
        for place in range(15):
            dark = _FORMAT_BITS >> place & 1
            # Down column 8 and along row 8, past the timing lines.
            if place < 8:
                self._set(place + (place > 5), 8, dark)
                self._set(8, last - place, dark)
            else:
                self._set(8, 15 - place - (place > 8), dark)
                self._set(last - 14 + place, 8, dark)
        self._set(last - 7, 8, 1)

    def _square(self, row: int, column: int, reach: int, rings: int) -> None:
        """Squares around a centre; bit i of `rings`: the ring at distance i is dark."""
        for down in range(max(-reach, -row), min(reach, self.modules - 1 - row) + 1):
            for across in range(max(-reach, -column), min(reach, self.modules - 1 - column) + 1):
                self._set(row + down, column + across, rings >> max(abs(down), abs(across)) & 1)

    def _draw_data(self, codewords: bytearray) -> None:
        """Bit by bit in columns of two, from the right, upwards and downwards in turn."""
        size = self.modules
        at = 0
        column = size - 1
        upwards = True
        while column > 0:
            if column == 6:
                column = 5  # the timing line has its column to itself
            for step in range(size):
                row = size - 1 - step if upwards else step
                for place in (column, column - 1):
                    if not self._grid[row * size + place]:
                        bit = codewords[at >> 3] >> (7 - at % 8) & 1 if at >> 3 < len(codewords) else 0
                        at += 1
                        self._grid[row * size + place] = bit ^ (1 - (row + place) % 2) | _TAKEN
            upwards = not upwards
            column -= 2


def modules_for(octets: bytes) -> int:
    """Modules along one side of the symbol; ValueError if the octets do not fit."""
    return 21 + 4 * _fitted(octets)[0]


def _fitted(octets: bytes) -> tuple:
    """(version less 1, message as a number, its bits) of the smallest symbol."""
    for version in range(len(_VERSIONS)):
        bits, length = _message(octets, version >= 9)
        if length <= 8 * _data_codewords(version):
            return version, bits, length
    raise ValueError("%d octets are too many for a QR symbol" % len(octets))


def _data_codewords(version: int) -> int:
    total, checks, blocks, _ = _VERSIONS[version]
    return total - checks * blocks


def _message(octets: bytes, is_large: bool) -> tuple:
    """(number, bits) of mode, count and contents."""
    values = [_LETTERS.find(bytes((octet,))) for octet in octets]
    if -1 in values:
        length = 16 if is_large else 8
        bits = (0b0100 << length | len(octets)) << 8 * len(octets) | int.from_bytes(octets, "big")
        return bits, 4 + length + 8 * len(octets)
    length = 11 if is_large else 9
    bits = 0b0010 << length | len(octets)
    for at in range(0, len(values) - 1, 2):
        bits = bits << 11 | values[at] * 45 + values[at + 1]
    count = 4 + length + 11 * (len(values) // 2)
    if len(values) % 2:
        return bits << 6 | values[-1], count + 6
    return bits, count


def _padded(version: int, bits: int, length: int) -> bytearray:
    """The data codewords: message, terminator, filling."""
    size = _data_codewords(version)
    end = min(4, 8 * size - length)
    end += -(length + end) % 8
    data = bytearray((bits << end).to_bytes((length + end) // 8, "big"))
    filling = 0xEC
    while len(data) < size:
        data.append(filling)
        filling ^= 0xEC ^ 0x11
    return data


def _with_checks(version: int, data: bytearray) -> bytearray:
    """Blocks and their Reed-Solomon codewords, woven together; the shorter blocks come first."""
    _, checks, count, _ = _VERSIONS[version]
    powers, logarithms = _field()
    generator = _generator(checks, powers, logarithms)
    blocks = []
    begin = 0
    for place in range(count):
        end = begin + (len(data) + place) // count
        blocks.append(data[begin:end])
        begin = end
    tails = [_remainder(block, generator, powers, logarithms) for block in blocks]
    woven = bytearray()
    for part in (blocks, tails):
        for place in range(max([len(one) for one in part])):
            for one in part:
                if place < len(one):
                    woven.append(one[place])
    return woven


def _field() -> tuple:
    """(powers of 2, twice in a row; logarithms) in GF(256) modulo x^8 + x^4 + x^3 + x^2 + 1."""
    powers = bytearray(510)
    logarithms = bytearray(256)
    value = 1
    for power in range(255):
        powers[power] = powers[power + 255] = value
        logarithms[value] = power
        value = value << 1 ^ (0x11D if value & 0x80 else 0)
    return powers, logarithms


def _generator(degree: int, powers: bytearray, logarithms: bytearray) -> bytearray:
    """Logarithms of the coefficients of (x - 1)(x - 2)(x - 4)... below the leading one, the highest first."""
    coefficients = bytearray(b"\x01")
    for root in range(degree):
        longer = coefficients + bytearray(1)
        for place in range(len(coefficients)):
            if coefficients[place]:
                longer[place + 1] ^= powers[logarithms[coefficients[place]] + root]
        coefficients = longer
    return bytearray([logarithms[value] for value in coefficients[1:]])


def _remainder(block: bytearray, generator: bytearray, powers: bytearray, logarithms: bytearray) -> bytearray:
    """What is left of a block after division; no coefficient of these generators is 0."""
    degree = len(generator)
    work = block + bytearray(degree)
    for place in range(len(block)):
        if work[place]:
            factor = logarithms[work[place]]
            for step in range(degree):
                work[place + 1 + step] ^= powers[generator[step] + factor]
    return work[len(block) :]
