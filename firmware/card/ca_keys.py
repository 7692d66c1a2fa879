"""CA public keys: handed in as data, checked against their own checksum, found by RID and index (Book 2, 11.2)."""

import hashlib

from firmware.card.dates import certificate_expired
from firmware.card.errors import CA_KEY_INVALID, CA_KEY_UNKNOWN, AuthenticationError
from firmware.card.rsa import EXPONENTS, MODULUS_OCTETS_MAX, PublicKey

MODULUS_OCTETS_MIN = 64


class CaKey(PublicKey):
    """One CA public key. `expiry` is MMYY (2 BCD octets), or empty for a key that policy keeps without a date."""

    def __init__(
        self, rid: bytes, index: int, modulus: bytes, exponent: bytes, checksum: bytes, expiry: bytes = b""
    ) -> None:
        name = "CA key %s/%02X" % (rid.hex().upper(), index)
        if hashlib.sha1(rid + bytes((index,)) + modulus + exponent).digest() != checksum:
            raise AuthenticationError(CA_KEY_INVALID, name, -1, "checksum does not fit")
        if len(rid) != 5 or not MODULUS_OCTETS_MIN <= len(modulus) <= MODULUS_OCTETS_MAX:
            raise AuthenticationError(CA_KEY_INVALID, name, -1, "RID or modulus of a length not allowed")
        value = int.from_bytes(exponent, "big")
        if value not in EXPONENTS:
            raise AuthenticationError(CA_KEY_INVALID, name, -1, "exponent not allowed")
        super().__init__(int.from_bytes(modulus, "big"), value, len(modulus))
        self.rid = rid
        self.index = index
        self.checksum = checksum
        self.expiry = expiry


class CaKeys:
    """The CA public keys that this terminal trusts."""

    def __init__(self, keys: tuple = ()) -> None:
        self._keys = {}
        for key in keys:
            self.add(key)

    def add(self, key: CaKey) -> None:
        """Trust `key`; a key of the same RID and index is replaced."""
        self._keys[(key.rid, key.index)] = key

    def find(self, rid: bytes, index: int, transaction_date: bytes) -> CaKey:
        """The key of `rid` and `index`, not expired on the day YYMMDD."""
        key = self._keys.get((rid, index))
        if key is None:
            raise AuthenticationError(CA_KEY_UNKNOWN, "tag 8F", -1, "no CA key of index %02X" % index)
        if key.expiry and certificate_expired(transaction_date, key.expiry):
            raise AuthenticationError(
                CA_KEY_UNKNOWN, "tag 8F", -1, "CA key of index %02X has expired" % index
            )
        return key
