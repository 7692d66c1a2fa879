"""Raw ECDSA P-256 signatures as the protocol wants them: r ‖ s, low-s, over SHA-256 of the message."""

import os
from pathlib import Path

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

CURVE_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


class KeyFileError(Exception):
    """A key file that cannot be used; the message names the file, never what is in it."""


class SigningKey:
    """A P-256 private key that signs messages; its public half is x ‖ y, 64 octets."""

    def __init__(self, private: ec.EllipticCurvePrivateKey) -> None:
        self._private = private

    @classmethod
    def generate(cls) -> "SigningKey":
        """A new key from the operating system's randomness."""
        return cls(ec.generate_private_key(ec.SECP256R1()))

    @classmethod
    def load(cls, path: Path) -> "SigningKey":
        """The key in a PEM file that only its owner can read; raises `KeyFileError`."""
        if path.stat().st_mode & 0o077:
            raise KeyFileError(f"{path}: others may read it (mode should be 0600)")
        try:
            key = serialization.load_pem_private_key(path.read_bytes(), None)
        except (ValueError, TypeError) as error:
            raise KeyFileError(f"{path}: no private key in PEM form") from error
        if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
            raise KeyFileError(f"{path}: not a P-256 private key")
        return cls(key)

    def save(self, path: Path) -> None:
        """Write the key to a new PEM file that only its owner can read; a file that is there is never replaced."""
        octets = self._private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        try:
            opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError as error:
            raise KeyFileError(f"{path}: is there already") from error
        with os.fdopen(opened, "wb") as file:
            file.write(octets)
            file.flush()
            os.fsync(file.fileno())

    @property
    def public(self) -> bytes:
        """The public half, x ‖ y, 64 octets."""
        numbers = self._private.public_key().public_numbers()
        return numbers.x.to_bytes(32, "big") + numbers.y.to_bytes(32, "big")

    def sign(self, message: bytes) -> bytes:
        """Signature r ‖ s with s at most half the order, 64 octets; of one message always the same (RFC 6979), so that whoever
        has the key can build a release again and compare every octet.
        """
        algorithm = ec.ECDSA(hashes.SHA256(), deterministic_signing=True)
        r, s = decode_dss_signature(self._private.sign(message, algorithm))
        return r.to_bytes(32, "big") + min(s, CURVE_ORDER - s).to_bytes(32, "big")


def is_on_curve(key: bytes) -> bool:
    """Whether x ‖ y is a point of P-256 (never the point at infinity, which has no such form)."""
    try:
        ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), b"\x04" + key)
    except ValueError:
        return False
    return True
