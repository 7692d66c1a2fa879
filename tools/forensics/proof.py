"""The chain and the seals, computed here from their description (protocol/README.md) alone."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils

KEY_OCTETS = 64
SIGNATURE_OCTETS = 64
_SEAL_DOMAIN = b"lumbung/seal/1".ljust(16, b"\x00")
_CERTIFICATE_DOMAIN = b"lumbung/cert/1".ljust(16, b"\x00")
_CERTIFICATE_OCTETS = 1 + 4 + 1 + 4 + 2 * KEY_OCTETS
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_HALF = KEY_OCTETS // 2


class KeyFileError(Exception):
    """Octets that hold no public key or certificate; the text says why."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """A terminal's keys under its kid; `octets` is the whole certificate with the authority's signature."""

    kid: int
    seal_key: bytes
    agreement_key: bytes
    octets: bytes

    def is_signed_by(self, authority: bytes) -> bool:
        """Tell whether the authority's key (64 octets) signed it."""
        body, signature = self.octets[:_CERTIFICATE_OCTETS], self.octets[_CERTIFICATE_OCTETS:]
        return verify(authority, _CERTIFICATE_DOMAIN + body, signature)


def read_certificate(octets: bytes) -> Certificate:
    """A terminal certificate: version(1) kid(4) storage(1) issued(4) seal key(64) agreement key(64) signature(64)."""
    if len(octets) != _CERTIFICATE_OCTETS + SIGNATURE_OCTETS or octets[0] != 1:
        raise KeyFileError(f"{len(octets)} octets are no terminal certificate of version 1")
    keys = octets[10:_CERTIFICATE_OCTETS]
    return Certificate(int.from_bytes(octets[1:5], "big"), keys[:KEY_OCTETS], keys[KEY_OCTETS:], octets)


def extend(chain: bytes, record: bytes) -> bytes:
    """The chain value after one more record."""
    return hashlib.sha256(chain + record).digest()


def seal_holds(key: bytes, kid: int, sequence: int, chain: bytes, seal: bytes) -> bool:
    """Tell whether a seal is the key's over kid, sequence and the chain's value behind that record."""
    message = _SEAL_DOMAIN + kid.to_bytes(4, "big") + sequence.to_bytes(4, "big") + chain
    return verify(key, message, seal)


def verify(key: bytes, message: bytes, signature: bytes) -> bool:
    """ECDSA over P-256 with SHA-256: key x‖y, signature r‖s with s in the lower half of the order."""
    r = int.from_bytes(signature[:_HALF], "big")
    s = int.from_bytes(signature[_HALF:], "big")
    if len(signature) != SIGNATURE_OCTETS or not 0 < r < _ORDER or not 0 < s <= _ORDER // 2:
        return False
    try:
        public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), b"\x04" + key)
        public.verify(utils.encode_dss_signature(r, s), message, ec.ECDSA(hashes.SHA256()))
    except (InvalidSignature, ValueError):
        return False
    return True
