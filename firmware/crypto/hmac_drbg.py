"""Deterministic random bit generator: HMAC-DRBG with SHA-256 (NIST SP 800-90A Rev. 1, 10.1.2)."""

from firmware.crypto.hmac_sha256 import hmac_sha256

OUTPUT_OCTETS = 32
REQUEST_OCTETS_MAX = 1 << 16  # SP 800-90A allows 2**19 bits a request
RESEED_INTERVAL = 1024  # requests; SP 800-90A allows 2**48, a terminal draws one for each seal


class ReseedRequired(Exception):
    """The generator has answered as many requests as one seed may serve."""


class RequestRefused(Exception):
    """More octets, or fewer than none, were asked for than one request may give."""


class HmacDrbg:
    """The state (K, V, reseed counter); holds secrets, so it lives in RAM only."""

    def __init__(self, entropy_input: bytes, nonce: bytes, personalization: bytes = b"") -> None:
        """Instantiate (10.1.2.3)."""
        self._key = bytes(OUTPUT_OCTETS)
        self._value = b"\x01" * OUTPUT_OCTETS
        self._update(bytes(entropy_input) + nonce + personalization)
        self._requests = 0

    def reseed(self, entropy_input: bytes, additional_input: bytes = b"") -> None:
        """Mix fresh entropy in (10.1.2.4): what was unpredictable before stays so whatever `entropy_input` is worth."""
        self._update(bytes(entropy_input) + additional_input)
        self._requests = 0

    def generate(self, length: int, additional_input: bytes = b"") -> bytes:
        """`length` octets (10.1.2.5); raises `ReseedRequired` after `RESEED_INTERVAL` requests."""
        if length < 0 or length > REQUEST_OCTETS_MAX:
            raise RequestRefused("one request gives 0..%d octets, not %d" % (REQUEST_OCTETS_MAX, length))
        if self._requests >= RESEED_INTERVAL:
            raise ReseedRequired("%d requests served since the last seed" % self._requests)
        if additional_input:
            self._update(additional_input)
        output = b""
        while len(output) < length:
            self._value = hmac_sha256(self._key, self._value)
            output += self._value
        self._update(additional_input)
        self._requests += 1
        return output[:length]

    def _update(self, provided: bytes) -> None:
        """10.1.2.2."""
        self._key = hmac_sha256(self._key, self._value + b"\x00" + provided)
        self._value = hmac_sha256(self._key, self._value)
        if provided:
            self._key = hmac_sha256(self._key, self._value + b"\x01" + provided)
            self._value = hmac_sha256(self._key, self._value)
