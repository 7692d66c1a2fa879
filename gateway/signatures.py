"""ECDSA over P-256 as the protocol has it: raw r‖s of 64 octets, low s, SHA-256; public keys as x‖y."""

from __future__ import annotations

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils

from gateway.errors import PublicKeyError

KEY_OCTETS = 64
SIGNATURE_OCTETS = 64
_COORDINATE_OCTETS = 32
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_HALF_ORDER = _ORDER // 2
_ALGORITHM = ec.ECDSA(hashes.SHA256())
_CURVE = ec.SECP256R1()


def load_public(octets: bytes) -> ec.EllipticCurvePublicKey:
    """The key x‖y; raises `PublicKeyError` where that is no point of the curve."""
    if len(octets) != KEY_OCTETS:
        raise PublicKeyError(octets=len(octets), expected=KEY_OCTETS)
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(_CURVE, b"\x04" + octets)
    except ValueError as failure:
        raise PublicKeyError(reason="not on the curve") from failure


def public_octets(key: ec.EllipticCurvePrivateKey) -> bytes:
    """The public half of `key` as x‖y."""
    numbers = key.public_key().public_numbers()
    return numbers.x.to_bytes(_COORDINATE_OCTETS, "big") + numbers.y.to_bytes(_COORDINATE_OCTETS, "big")


def verify(key: ec.EllipticCurvePublicKey, signature: bytes, message: bytes) -> bool:
    """Tell whether `signature` (64 octets, low s) is the key's over `message`."""
    if len(signature) != SIGNATURE_OCTETS:
        return False
    r = int.from_bytes(signature[:_COORDINATE_OCTETS], "big")
    s = int.from_bytes(signature[_COORDINATE_OCTETS:], "big")
    # A high s is the same signature in other octets: it would make two encodings of one seal.
    if not 0 < r < _ORDER or not 0 < s <= _HALF_ORDER:
        return False
    try:
        key.verify(utils.encode_dss_signature(r, s), message, _ALGORITHM)
    except InvalidSignature:
        return False
    return True


def sign(key: ec.EllipticCurvePrivateKey, message: bytes) -> bytes:
    """The key's signature over `message`, raw and with a low s."""
    r, s = utils.decode_dss_signature(key.sign(message, _ALGORITHM))
    if s > _HALF_ORDER:
        s = _ORDER - s
    return r.to_bytes(_COORDINATE_OCTETS, "big") + s.to_bytes(_COORDINATE_OCTETS, "big")
