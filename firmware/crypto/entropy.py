"""A watch over the source of randomness: believes it until it fails once, then never again before the next boot."""

import hashlib

DRAW_OCTETS = 32
# 32 octets of a sound source hold fewer different values than this once in 10^15 draws.
_DISTINCT_VALUES_MIN = 16


class WatchedEntropy:
    """Draws from `source(count) -> bytes`, the board's os.urandom; `ok` says whether what came may be believed.

    A source that knows itself to be doubtful (radio off, chip silent) raises OSError or returns None; one that repeats
    itself, is short or is nearly constant is caught here. No test can prove randomness: what is drawn is only ever
    mixed with the private key and the boot counter.
    """

    def __init__(self, source) -> None:
        self.ok = True
        self._source = source
        self._last_hash = b""
        self.draw()  # a source that is stuck shows at the second draw

    def draw(self) -> bytes:
        """What the source gave, for mixing in: 32 octets, or any number when `ok` has become False."""
        try:
            octets = self._source(DRAW_OCTETS)
        except OSError:
            octets = None
        if octets is None:
            self.ok = False
            return b""
        # Not the octets themselves: those seed nonces.
        drawn_hash = hashlib.sha256(octets).digest()
        if (
            len(octets) != DRAW_OCTETS
            or len(set(octets)) < _DISTINCT_VALUES_MIN
            or drawn_hash == self._last_hash
        ):
            self.ok = False
        self._last_hash = drawn_hash
        return bytes(octets)
