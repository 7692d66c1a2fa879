"""Issuer and ICC public key certificates: recovered, checked and, for issuers, remembered (Book 2, 5.3, 6.3, 6.4)."""

import hashlib

from firmware.card.dates import certificate_expired
from firmware.card.errors import (
    CERTIFICATE_EXPIRED,
    CERTIFICATE_INVALID,
    CERTIFICATE_REVOKED,
    AuthenticationError,
)
from firmware.card.rsa import EXPONENTS, HASH_OCTETS, PublicKey, check_hash, recover

ISSUER_FORM = 0x02
ICC_FORM = 0x04
ISSUER_FIELD = "tag 90"
ICC_FIELD = "tag 9F46"
PAN_OCTETS = 10
CACHE_ENTRIES_MAX = 8


class CertifiedKey(PublicKey):
    """A public key out of a certificate: `subject` is the issuer identifier (4 octets) or the PAN (10), both padded
    with F; `expiry` MMYY; `serial` 3 octets.
    """

    def __init__(self, key: tuple, subject: bytes, expiry: bytes, serial: bytes) -> None:
        super().__init__(key[0], key[1], key[2])
        self.subject = subject
        self.expiry = expiry
        self.serial = serial


def _fail(field: str, offset: int, reason: str) -> AuthenticationError:
    return AuthenticationError(CERTIFICATE_INVALID, field, offset, reason)


def _certified_key(
    signer: PublicKey,
    certificate: bytes,
    remainder: bytes,
    exponent: bytes,
    form: int,
    subject_octets: int,
    static_data: bytes,
    field: str,
) -> CertifiedKey:
    """Recover one certificate; both kinds have the same layout behind a subject of different length.

    6A, form, subject, expiry (2), serial (3), hash algorithm, key algorithm, key length, exponent length, leftmost
    octets of the key, hash (20), BC.
    """
    at = 2 + subject_octets
    room = signer.octets - at - 9 - HASH_OCTETS - 1
    if room < 0:
        raise _fail(field, -1, "key of the signer too short")
    data = recover(signer, certificate, form, field, CERTIFICATE_INVALID)
    check_hash(data, (remainder, exponent, static_data), field, CERTIFICATE_INVALID)
    if data[at + 5] != 1:
        raise _fail(field, at + 5, "hash algorithm is not SHA-1")
    if data[at + 6] != 1:
        raise _fail(field, at + 6, "key algorithm is not RSA")
    octets = data[at + 7]
    # A key longer than its signer's could not have been signed, and one too short for header, hash and trailer
    # could sign nothing.
    if octets > signer.octets or octets < HASH_OCTETS + 5:
        raise _fail(field, at + 7, "key of %d octets" % octets)
    if data[at + 8] != len(exponent):
        raise _fail(field, at + 8, "exponent is of another length")
    value = int.from_bytes(exponent, "big")
    if value not in EXPONENTS:
        raise _fail(field, at + 8, "exponent not allowed")
    start = at + 9
    if octets <= room:
        modulus = data[start : start + octets]
    else:
        if len(remainder) != octets - room:
            raise _fail(
                field, start + room, "remainder of %d octets, not %d" % (len(remainder), octets - room)
            )
        modulus = data[start : start + room] + remainder
    key = (int.from_bytes(modulus, "big"), value, octets)
    return CertifiedKey(key, data[2:at], data[at : at + 2], data[at + 2 : at + 5])


def issuer_key(ca_key: PublicKey, certificate: bytes, remainder: bytes, exponent: bytes) -> CertifiedKey:
    """The issuer's public key out of tags 90, 92 and 9F32; who and when it is good for is `check_issuer`'s."""
    return _certified_key(ca_key, certificate, remainder, exponent, ISSUER_FORM, 4, b"", ISSUER_FIELD)


def check_issuer(issuer: CertifiedKey, rid: bytes, ca_index: int, pan: bytes, date: bytes, revoked) -> None:
    """What depends on card and day: issuer identifier against the PAN (10 octets, padded with F), expiry, revocation.

    `revoked` holds entries of 9 octets: RID, CA index, certificate serial number (Book 2, 5.1.2).
    """
    for i in range(8):
        digit = issuer.subject[i // 2] >> (0 if i % 2 else 4) & 0x0F
        if digit == 0x0F and i >= 3:
            break
        if digit != pan[i // 2] >> (0 if i % 2 else 4) & 0x0F:
            raise _fail(ISSUER_FIELD, 2 + i // 2, "issuer is not the one of the PAN")
    if certificate_expired(date, issuer.expiry):
        raise AuthenticationError(CERTIFICATE_EXPIRED, ISSUER_FIELD, 6, "expired")
    if rid + bytes((ca_index,)) + issuer.serial in revoked:
        raise AuthenticationError(CERTIFICATE_REVOKED, ISSUER_FIELD, 8, "revoked")


def icc_key(
    issuer: PublicKey,
    certificate: bytes,
    remainder: bytes,
    exponent: bytes,
    static_data: bytes,
    pan: bytes,
    date: bytes,
) -> CertifiedKey:
    """The card's public key out of tags 9F46, 9F48 and 9F47; its hash covers the static data to be authenticated."""
    key = _certified_key(
        issuer, certificate, remainder, exponent, ICC_FORM, PAN_OCTETS, static_data, ICC_FIELD
    )
    if key.subject != pan:
        raise _fail(ICC_FIELD, 2, "certificate of another PAN")
    if certificate_expired(date, key.expiry):
        raise AuthenticationError(CERTIFICATE_EXPIRED, ICC_FIELD, 12, "expired")
    return key


class IssuerCache:
    """Issuer keys already recovered, found by the hash of everything they were recovered from; the one not used for
    longest makes room. A handful of banks issue all cards, so most taps skip one RSA operation and one hash.
    """

    def __init__(self, entries_max: int = CACHE_ENTRIES_MAX) -> None:
        self._entries = []
        self._entries_max = entries_max
        self.hits = 0
        self.misses = 0

    def issuer_key(self, ca_key, certificate: bytes, remainder: bytes, exponent: bytes) -> CertifiedKey:
        """As the function of this name; only a certificate that verified is remembered."""
        digest = hashlib.sha256(ca_key.checksum)
        # The exponent's length goes first, the certificate's follows from the CA key: no two inputs share a name.
        digest.update(bytes((len(exponent),)))
        digest.update(exponent)
        digest.update(certificate)
        digest.update(remainder)
        name = digest.digest()
        entries = self._entries
        for i in range(len(entries)):
            if entries[i][0] == name:
                self.hits += 1
                entries.append(entries.pop(i))
                return entries[-1][1]
        self.misses += 1
        key = issuer_key(ca_key, certificate, remainder, exponent)
        if len(entries) >= self._entries_max:
            entries.pop(0)
        entries.append((name, key))
        return key
