"""ECDSA on P-256 in two halves: the nonce's share, worked out ahead, and the message's, one multiplication at the tap.

The half in between is an entry (r, 1/k, r*d/k) mod n, r as 32 octets: secret, for one signature only. Only `signer` and the pool call
this; the rest of the firmware has no way to sign.
"""

from firmware.crypto.p256 import generator_multiply_x_steps
from firmware.crypto.p256_curve import N, inverse


def entry_steps(private: int, k: int):
    """Generate, and return at the end, the entry of nonce k (1..n-1), or None where r would be zero."""
    r = (yield from generator_multiply_x_steps(k)) % N
    if r == 0:
        return None
    yield
    k_inverse = inverse(k, N)
    return r.to_bytes(32, "big"), k_inverse, k_inverse * r % N * private % N


def finish_signature(entry: tuple, digest: bytes):
    """The 64 octets r || s with s <= n/2 over a 32-octet digest, or None where s would be zero."""
    r, k_inverse, r_d_over_k = entry
    s = (k_inverse * int.from_bytes(digest, "big") + r_d_over_k) % N
    if s == 0:
        return None
    if s > N >> 1:
        s = N - s
    return r + s.to_bytes(32, "big")
