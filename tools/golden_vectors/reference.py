"""What the vectors are made with: keys, ciphers that are not ours, and how a value stands in JSON."""

from __future__ import annotations

import hmac
from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESCCM

from protocol import frame

CCM_KEY = bytes(range(16))
SALT_KEY = bytes(range(32, 64))
UN_KEY = bytes(range(64, 80))
ROSTER_KEY = bytes(range(96, 128))


class ReferenceCipher(frame.LinkCipher):
    """The link cipher from the `cryptography` package and the standard library."""

    def salt(self, message: bytes) -> bytes:
        """See `LinkCipher`."""
        return hmac.digest(SALT_KEY, message, "sha256")[:4]

    def encrypt(self, nonce: bytes, plaintext: bytes, associated_data: bytes) -> bytes:
        """See `LinkCipher`."""
        return AESCCM(CCM_KEY, tag_length=8).encrypt(nonce, plaintext, associated_data)


def encrypt_block(block: bytes) -> bytes:
    """One block under the UN key."""
    encryptor = Cipher(algorithms.AES(UN_KEY), modes.ECB()).encryptor()  # noqa: S305 - one block, as the protocol says
    return encryptor.update(block) + encryptor.finalize()


def hmac_sha256(key: bytes, message: bytes) -> bytes:
    """HMAC of the standard library."""
    return hmac.digest(key, message, "sha256")


def plain(value: Any) -> Any:
    """A unit as JSON has it: octets in hex, objects by their fields in order of name."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, tuple | list):
        return [plain(one) for one in value]
    if hasattr(value, "__dict__"):
        return {name: plain(vars(value)[name]) for name in sorted(vars(value))}
    return value
