"""The link cipher of `protocol.frame` for tests on CPython, from the `cryptography` package."""

from __future__ import annotations

import hmac

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESCCM

from protocol.errors import AuthenticationFailed
from protocol.frame import LinkCipher


class CpythonCipher(LinkCipher):
    """AES-128-CCM and the salt's HMAC under two keys."""

    def __init__(self, ccm_key: bytes = bytes(16), salt_key: bytes = bytes(32)) -> None:
        self._ccm = AESCCM(ccm_key, tag_length=8)
        self._salt_key = salt_key

    def salt(self, message: bytes) -> bytes:
        """See `LinkCipher`."""
        return hmac.digest(self._salt_key, message, "sha256")[:4]

    def encrypt(self, nonce: bytes, plaintext: bytes, associated_data: bytes) -> bytes:
        """See `LinkCipher`."""
        return self._ccm.encrypt(nonce, plaintext, associated_data)

    def decrypt(self, nonce: bytes, data: bytes, associated_data: bytes) -> bytes:
        """See `LinkCipher`."""
        try:
            return self._ccm.decrypt(nonce, data, associated_data)
        except InvalidTag:
            raise AuthenticationFailed("tag", len(nonce) + len(data) - 8, "does not fit") from None
