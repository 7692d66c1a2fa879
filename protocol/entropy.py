"""An entropy coder whose whole state is one big integer (range variant of asymmetric numeral systems).

Pushing a symbol of frequency f out of total t multiplies the number by about t/f, so a frame costs its information
content and nothing per symbol. Frames are small and both interpreters have big integers, so no renormalisation is
needed. Written here because no library offers it on MicroPython and the record protocol is ours to define.

`Encoder` and `Decoder` have the same methods: each takes the value to encode (ignored when decoding) and returns the
value, so one model function describes both directions and they cannot drift apart.
"""

from protocol.errors import NotCanonical, OutOfRange


class Encoder:
    """Collects symbols, then folds them, last first, into the octets that `Decoder` reads first to last."""

    encoding = True

    def __init__(self) -> None:
        self._steps = []

    def choice(self, field: str, value: int, cumulative: tuple) -> int:
        """One of len(cumulative) - 1 symbols; `cumulative` starts with 0 and ends with the total frequency."""
        if value < 0 or value >= len(cumulative) - 1:
            raise OutOfRange(field, -1, "symbol not in the table")
        low = cumulative[value]
        self._steps.append((low, cumulative[value + 1] - low, cumulative[-1]))
        return value

    def uniform(self, field: str, value: int, size: int) -> int:
        """A number in 0..size-1, all alike."""
        if value < 0 or value >= size:
            raise OutOfRange(field, -1, "not in 0..%d" % (size - 1))
        self._steps.append((value, 1, size))
        return value

    def octets(self, field: str, value: bytes, length: int) -> bytes:
        """Exactly `length` octets without any expectation."""
        if len(value) != length:
            raise OutOfRange(field, -1, "has %d octets, not %d" % (len(value), length))
        self._steps.append((int.from_bytes(value, "big"), 1, 1 << (8 * length)))
        return value

    def finish(self) -> bytes:
        """The coded octets: the number, big-endian, without leading zero octets."""
        state = 0
        for i in range(len(self._steps) - 1, -1, -1):
            low, frequency, total = self._steps[i]
            if frequency == 1:
                state = state * total + low
            else:
                state = (state // frequency) * total + low + state % frequency
        return state.to_bytes((len("%x" % state) + 1) // 2, "big") if state else b""


class Decoder:
    """Reads back what `Encoder` wrote; the number must come out as zero, else the octets were not its output."""

    encoding = False

    def __init__(self, data: bytes) -> None:
        if data and data[0] == 0:
            raise NotCanonical("coded records", 0, "leading zero octet")
        self._state = int.from_bytes(data, "big")

    def choice(self, field: str, value: int, cumulative: tuple) -> int:
        """The next symbol of the table `cumulative`."""
        total = cumulative[-1]
        above, slot = divmod(self._state, total)
        symbol = 0
        while cumulative[symbol + 1] <= slot:
            symbol += 1
        low = cumulative[symbol]
        self._state = above * (cumulative[symbol + 1] - low) + slot - low
        return symbol

    def uniform(self, field: str, value: int, size: int) -> int:
        """The next number in 0..size-1."""
        self._state, value = divmod(self._state, size)
        return value

    def octets(self, field: str, value: bytes, length: int) -> bytes:
        """The next `length` octets."""
        bits = 8 * length
        value = (self._state & ((1 << bits) - 1)).to_bytes(length, "big")
        self._state >>= bits
        return value

    def finish(self) -> None:
        """Refuse octets that hold more than was decoded."""
        if self._state:
            raise NotCanonical("coded records", 0, "more information than records")


def cumulate(frequencies: tuple) -> tuple:
    """Frequencies as the cumulative table that `choice` takes."""
    table = [0]
    for frequency in frequencies:
        table.append(table[-1] + frequency)
    return tuple(table)
