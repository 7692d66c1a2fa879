"""What happens by chance around the models, repeatable from a seed: a series of numbers, and a wire that damages octets."""


class Draw:
    """A small xorshift generator, as the `random` module of MicroPython cannot be seeded alike everywhere."""

    def __init__(self, seed: int):
        self._state = seed & 0x3FFFFFFF or 1

    def below(self, limit: int) -> int:
        """A number from 0 to `limit` - 1."""
        x = self._state
        x ^= x << 13 & 0x3FFFFFFF
        x ^= x >> 17
        x ^= x << 5 & 0x3FFFFFFF
        self._state = x
        return (x >> 7) % limit

    def happens(self, permille: int) -> bool:
        """Whether something of that likelihood happens now."""
        return permille > 0 and self.below(1000) < permille


class BadWire:
    """Carries transfers of octets; of a thousand, `drop_permille` lose one octet and in `flip_permille` one bit is flipped."""

    def __init__(self, draw: Draw, drop_permille: int, flip_permille: int):
        self._draw = draw
        self._drop_permille = drop_permille
        self._flip_permille = flip_permille
        self.damaged = 0  # transfers that were changed

    def carry(self, octets: bytes) -> bytes:
        """What arrives."""
        if not octets:
            return octets
        drawn = self._draw.below(1000)
        if drawn >= self._drop_permille + self._flip_permille:
            return octets
        self.damaged += 1
        at = self._draw.below(len(octets))
        kept = b"" if drawn < self._drop_permille else bytes((octets[at] ^ 1 << self._draw.below(8),))
        return octets[:at] + kept + octets[at + 1 :]
