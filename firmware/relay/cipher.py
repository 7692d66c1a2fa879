"""The link cipher of `protocol.frame` under the terminal's keys, on the built-in AES and SHA-256."""

from firmware.crypto.ccm import AesCcm, AuthenticationError
from firmware.crypto.hmac_sha256 import hmac_sha256
from protocol.errors import AuthenticationFailed
from protocol.frame import HEADER_OCTETS, LinkCipher


class TerminalCipher(LinkCipher):
    """One direction's CCM key (16 octets) and salt key (32 octets)."""

    def __init__(self, ccm_key: bytes, salt_key: bytes) -> None:
        self._ccm = AesCcm(ccm_key)
        self._salt_key = salt_key

    def salt(self, message: bytes) -> bytes:
        """The first 4 octets of HMAC-SHA-256 under the salt key."""
        return hmac_sha256(self._salt_key, message)[:4]

    def encrypt(self, nonce: bytes, plaintext: bytes, associated_data: bytes) -> bytes:
        """Ciphertext and 8-octet tag."""
        return self._ccm.encrypt(nonce, plaintext, associated_data)

    def decrypt(self, nonce: bytes, data: bytes, associated_data: bytes) -> bytes:
        """The plaintext, or `AuthenticationFailed`."""
        try:
            return self._ccm.decrypt(nonce, data, associated_data)
        except AuthenticationError:
            raise AuthenticationFailed("tag", HEADER_OCTETS + len(data) - 8, "does not fit")
