"""An entropy coder whose whole state is one big integer (range variant of asymmetric numeral systems).

Pushing a symbol of frequency f out of total t multiplies the number by about t/f, so a frame costs its information
content and nothing per symbol. Frames are small and both interpreters have big integers, so no renormalisation is
needed. Written here because no library offers it on MicroPython and the record protocol is ours to define.

One `Coder` serves both directions: each method takes the value to encode (ignored when decoding) and returns the value,
so that one model function describes both and they cannot drift apart. It can keep the `steps` it took, (low, frequency,
total): octets and steps determine each other, so a decoder's steps can be held against those of an encoder that is
given the decoded values.
"""

from protocol.errors import NotCanonical, OutOfRange


class Coder:
    """Encodes without `data`: collects steps, then folds them, last first. Decodes `data`, first step first."""

    def __init__(self, data: "bytes | None" = None, keep_steps: bool = True) -> None:
        self.encoding = data is None
        self.steps: list[tuple[int, int, int]] = []
        self._keeps_steps = keep_steps
        if data and data[0] == 0:
            raise NotCanonical("coded records", 0, "leading zero octet")
        self._state = int.from_bytes(data, "big") if data else 0

    def choice(
        self, field: str, value: int, table: tuple[tuple[tuple[int, int, int], ...], bytes, int, int]
    ) -> int:
        """One symbol of a `table` made by `cumulate`."""
        steps, symbols, shift, slots = table
        if self.encoding:
            if not 0 <= value < len(steps):
                raise OutOfRange(field, -1, "symbol not in the table")
            self.steps.append(steps[value])
            return value
        state = self._state
        slot = state & slots
        value = symbols[slot]
        step = steps[value]
        # The small numbers first: each operation on the state costs as much as it is long.
        self._state = (state >> shift) * step[1] + (slot - step[0])
        if self._keeps_steps:
            self.steps.append(step)
        return value

    def uniform(self, field: str, value: int, size: int) -> int:
        """A number in 0..size-1, all alike."""
        if not self.encoding:
            self._state, value = divmod(self._state, size)
        elif not 0 <= value < size:
            raise OutOfRange(field, -1, "not in 0..%d" % (size - 1))
        if self._keeps_steps:
            self.steps.append((value, 1, size))
        return value

    def bits(self, field: str, value: int, width: int) -> int:
        """A number of `width` bits, all alike: like `uniform`, but cheaper."""
        size = 1 << width
        if not self.encoding:
            state = self._state
            value = state & size - 1
            self._state = state >> width
        elif not 0 <= value < size:
            raise OutOfRange(field, -1, "not in %d bits" % width)
        if self._keeps_steps:
            self.steps.append((value, 1, size))
        return value

    def octets(self, field: str, value: bytes, length: int) -> bytes:
        """Exactly `length` octets without any expectation."""
        number = 0
        if self.encoding:
            if len(value) != length:
                raise OutOfRange(field, -1, "has %d octets, not %d" % (len(value), length))
            number = int.from_bytes(value, "big")
        return self.bits(field, number, 8 * length).to_bytes(length, "big")

    def encoded(self, taken: int = -1) -> bytes:
        """The octets of the first `taken` steps (-1: all): the number, big-endian, without leading zero octets."""
        steps = self.steps
        state = 0
        i = len(steps) if taken < 0 else taken
        while i:
            i -= 1
            low, frequency, total = steps[i]
            if frequency == 1:
                state = state * total + low
            else:
                above, rest = divmod(state, frequency)
                state = above * total + low + rest
        return state.to_bytes((len("%x" % state) + 1) // 2, "big") if state else b""

    def end(self) -> None:
        """Refuse octets that hold more than was decoded: the number must come out as zero."""
        if self._state:
            raise NotCanonical("coded records", 0, "more information than records")


def cumulate(frequencies: tuple[int, ...]) -> tuple[tuple[tuple[int, int, int], ...], bytes, int, int]:
    """The table that `choice` takes, of up to 256 symbols 0.. with these frequencies: (steps by symbol, symbols by slot,
    bits of the total, total - 1). A symbol of frequency 0 never occurs. The total must be a power of two, since
    dividing a big integer by it is then a shift.
    """
    total = sum(frequencies)
    shift = 0
    while total >> shift > 1:
        shift += 1
    if total != 1 << shift:
        raise ValueError("the total %d is not a power of two" % total)
    steps = []
    symbols = bytearray(total)
    low = 0
    for symbol in range(len(frequencies)):
        frequency = frequencies[symbol]
        steps.append((low, frequency, total))
        for slot in range(low, low + frequency):
            symbols[slot] = symbol
        low += frequency
    return tuple(steps), bytes(symbols), shift, total - 1


def scaled(weights: list[int], total: int) -> tuple[int, ...]:
    """Whole frequencies that sum to `total` (more than twice the number of weights) in proportion to `weights`, each at
    least 1; the heaviest takes what rounding leaves.
    """
    everything = sum(weights)
    room = total - len(weights)
    frequencies = [1 + weight * room // everything for weight in weights]
    frequencies[weights.index(max(weights))] += total - sum(frequencies)
    return tuple(frequencies)
