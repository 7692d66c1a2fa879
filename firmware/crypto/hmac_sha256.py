"""HMAC with SHA-256 (FIPS 198-1)."""

import hashlib

_BLOCK_OCTETS = 64
# The pads as integers: one exclusive-or of a big integer costs less than 64 turns of a loop.
_INNER = int.from_bytes(b"\x36" * _BLOCK_OCTETS, "big")
_OUTER = int.from_bytes(b"\x5c" * _BLOCK_OCTETS, "big")


def hmac_sha256(key: bytes, message: bytes) -> bytes:
    """The 32-octet tag of `message` under a key of any length."""
    if len(key) > _BLOCK_OCTETS:
        key = hashlib.sha256(key).digest()
    padded = int.from_bytes(key, "big") << 8 * (_BLOCK_OCTETS - len(key))
    inner = hashlib.sha256((padded ^ _INNER).to_bytes(_BLOCK_OCTETS, "big"))
    inner.update(message)
    outer = hashlib.sha256((padded ^ _OUTER).to_bytes(_BLOCK_OCTETS, "big"))
    outer.update(inner.digest())
    return outer.digest()
