"""Deterministic nonces for ECDSA on P-256 with SHA-256 (RFC 6979, 3.2)."""

from firmware.crypto.hmac_drbg import HmacDrbg
from firmware.crypto.p256_curve import N


def nonces(private: int, digest: bytes):
    """Generate the candidates for k in 1..n-1, in order; only a zero r or s asks for a second one.

    RFC 6979's loop is HMAC-DRBG seeded with the private key and the reduced 32-octet `digest` (RFC 6979, 3.3).
    """
    reduced = int.from_bytes(digest, "big") % N
    drbg = HmacDrbg(private.to_bytes(32, "big"), reduced.to_bytes(32, "big"))
    while True:
        yield draw_scalar(drbg)


def draw_scalar(drbg: HmacDrbg) -> int:
    """A scalar in 1..n-1 from a generator's output, by rejection (FIPS 186-5, A.3.2)."""
    while True:
        candidate = int.from_bytes(drbg.generate(32), "big")
        if 0 < candidate < N:
            return candidate
