"""RSA public keys as EMV uses them: recovering signed data and checking its hash (Book 2, Annex A2.1 and B2)."""

import hashlib

from firmware.card.errors import SIGNATURE_INVALID, AuthenticationError

MODULUS_OCTETS_MAX = 248
EXPONENTS = (3, 65537)
HASH_OCTETS = 20


class PublicKey:
    """`modulus` and `exponent` as integers, `octets` the length of the modulus."""

    def __init__(self, modulus: int, exponent: int, octets: int) -> None:
        self.modulus = modulus
        self.exponent = exponent
        self.octets = octets


def recover(key: PublicKey, signature: bytes, form: int, field: str, code: int = SIGNATURE_INVALID) -> bytes:
    """The data that `signature` holds: 6A, the format octet `form`, ..., a SHA-1 hash, BC.

    Raises `AuthenticationError` with `code`, naming `field` and the offset of what is wrong.
    """
    octets = key.octets
    if len(signature) != octets:
        raise AuthenticationError(code, field, -1, "%d octets under a key of %d" % (len(signature), octets))
    number = int.from_bytes(signature, "big")
    if number >= key.modulus:
        raise AuthenticationError(code, field, -1, "not below the modulus")
    data = pow(number, key.exponent, key.modulus).to_bytes(octets, "big")
    if data[octets - 1] != 0xBC:
        raise AuthenticationError(code, field, octets - 1, "trailer is not BC")
    if data[0] != 0x6A:
        raise AuthenticationError(code, field, 0, "header is not 6A")
    if data[1] != form:
        raise AuthenticationError(code, field, 1, "format is not %02X" % form)
    return data


def check_hash(data: bytes, more: tuple, field: str, code: int = SIGNATURE_INVALID) -> None:
    """Compare the hash in recovered `data` with SHA-1 of what stands between header and hash, followed by `more`."""
    end = len(data) - 1 - HASH_OCTETS
    view = memoryview(data)
    digest = hashlib.sha1(view[1:end])
    for part in more:
        digest.update(part)
    if digest.digest() != data[end:-1]:
        raise AuthenticationError(code, field, end, "hash does not fit")
