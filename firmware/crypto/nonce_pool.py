"""A pool, in RAM only, of nonces worked out between taps, so that a seal costs one multiplication.

An entry (see `signing`) is worth as much as the private key. It leaves the pool, and its octets there are overwritten,
before it is handed out.
"""

from firmware.crypto.hmac_drbg import HmacDrbg
from firmware.crypto.rfc6979 import draw_scalar
from firmware.crypto.signing import entry_steps

SIZE = 16
_ENTRY_OCTETS = 96
_WIPED = bytes(_ENTRY_OCTETS)
_PERSONALIZATION = b"lumbung/nonce/1\x00"


def seed_nonces(private: int, entropy_input: bytes, boot_counter: int) -> HmacDrbg:
    """The generator of one boot's nonces: unpredictable by key or entropy, different by boot counter (64 bits).

    The counter must have been burned in flash: it is what keeps two boots apart when the entropy repeats.
    """
    personalization = _PERSONALIZATION + private.to_bytes(32, "big")
    return HmacDrbg(entropy_input, boot_counter.to_bytes(8, "big"), personalization)


class NoncePool:
    """At most `size` entries for one private key, their scalars drawn from one generator."""

    def __init__(self, private: int, drbg: HmacDrbg, size: int = SIZE) -> None:
        self._private = private
        self._drbg = drbg
        self._size = size
        self._count = 0
        self._octets = bytearray(size * _ENTRY_OCTETS)
        self._work = None

    def __len__(self) -> int:
        return self._count

    def step(self, budget: int) -> bool:
        """Take up to `budget` steps of work (see `p256`); whether more is left. An entry takes 67.

        Raises `ReseedRequired` when the generator must be seeded anew.
        """
        while budget > 0 and self._count < self._size:
            budget -= 1
            # Not held while it runs: whatever goes wrong inside, this nonce is never seen again.
            work, self._work = self._work, None
            if work is None:
                work = entry_steps(self._private, draw_scalar(self._drbg))
            try:
                next(work)
                self._work = work
            except StopIteration as end:
                if end.value is not None:
                    self._put(end.value)
        return self._count < self._size

    def take(self):
        """An entry that nobody else will ever get, or None when the pool is empty."""
        if self._count == 0:
            return None
        self._count -= 1
        start = self._count * _ENTRY_OCTETS
        octets = self._octets
        try:
            r = bytes(octets[start : start + 32])
            k_inverse = int.from_bytes(octets[start + 32 : start + 64], "big")
            return r, k_inverse, int.from_bytes(octets[start + 64 : start + 96], "big")
        finally:
            octets[start : start + _ENTRY_OCTETS] = _WIPED

    def drop(self) -> None:
        """Forget all entries and the one in work: on tamper, doubt about the entropy or a watchdog's warning."""
        self._work = None
        self._count = 0
        for start in range(0, len(self._octets), _ENTRY_OCTETS):
            self._octets[start : start + _ENTRY_OCTETS] = _WIPED

    def _put(self, entry: tuple) -> None:
        r, k_inverse, r_d_over_k = entry
        start = self._count * _ENTRY_OCTETS
        self._octets[start : start + 32] = r
        self._octets[start + 32 : start + 64] = k_inverse.to_bytes(32, "big")
        self._octets[start + 64 : start + 96] = r_d_over_k.to_bytes(32, "big")
        self._count += 1
