"""Key derivation: HKDF with SHA-256 (RFC 5869)."""

from firmware.crypto.hmac_sha256 import hmac_sha256

LENGTH_MAX = 255 * 32


class LengthRefused(Exception):
    """HKDF cannot give this many octets."""


def hkdf_extract(salt: bytes, secret: bytes) -> bytes:
    """The 32-octet pseudo-random key (RFC 5869, 2.2); an empty salt stands for 32 zero octets."""
    return hmac_sha256(salt, secret)


def hkdf_expand(pseudo_random_key: bytes, info: bytes, length: int) -> bytes:
    """`length` octets of key for `info` (RFC 5869, 2.3); raises `LengthRefused` outside 0..8160."""
    if length < 0 or length > LENGTH_MAX:
        raise LengthRefused("HKDF-SHA-256 gives 0..%d octets, not %d" % (LENGTH_MAX, length))
    block = b""
    key = b""
    number = 1
    while len(key) < length:
        block = hmac_sha256(pseudo_random_key, block + info + bytes((number,)))
        key += block
        number += 1
    return key[:length]


def hkdf_sha256(secret: bytes, salt: bytes, info: bytes, length: int) -> bytes:
    """Extract and expand: `length` octets of key from a secret that need not be uniform."""
    return hkdf_expand(hkdf_extract(salt, secret), info, length)
