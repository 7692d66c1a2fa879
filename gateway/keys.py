"""The gateway's private keys on disk, and the link keys that it shares with each terminal.

A key file that anybody but its owner may read is refused: whoever has the agreement key can read every frame.
"""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESCCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from gateway import signatures
from gateway.errors import KeyFileError, KeyFileExposedError
from protocol import link_keys
from protocol.errors import AuthenticationFailed
from protocol.frame import HEADER_OCTETS, TAG_OCTETS, LinkCipher

AGREEMENT = "agreement"
ACKNOWLEDGEMENT = "acknowledgement"
_SUFFIX = ".pem"
_OPEN_TO_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_SALT_OCTETS = 4
_HMAC_BLOCK_OCTETS = 64
_INNER_PAD = bytes(octet ^ 0x36 for octet in range(256))
_OUTER_PAD = bytes(octet ^ 0x5C for octet in range(256))


@dataclass(frozen=True, slots=True)
class GatewayKey:
    """One pair of private keys under its key id."""

    key_id: int
    agreement: ec.EllipticCurvePrivateKey
    acknowledgement: ec.EllipticCurvePrivateKey

    @property
    def request(self) -> bytes:
        """What the authority certifies into an epoch certificate: key id (4), then both public keys (64 each)."""
        return (
            self.key_id.to_bytes(4, "big")
            + signatures.public_octets(self.agreement)
            + signatures.public_octets(self.acknowledgement)
        )


class GatewayCipher(LinkCipher):
    """One direction's keys of one link.

    HMAC is put together from two hash states that hold the padded key: `hmac.digest` would let go of the interpreter lock
    for a microsecond's work, and getting it back costs ten.
    """

    __slots__ = ("_ccm", "_inner", "_outer")

    def __init__(self, ccm_key: bytes, salt_key: bytes) -> None:
        self._ccm = AESCCM(ccm_key, tag_length=TAG_OCTETS)
        padded = salt_key.ljust(_HMAC_BLOCK_OCTETS, b"\x00")
        self._inner = hashlib.sha256(padded.translate(_INNER_PAD))
        self._outer = hashlib.sha256(padded.translate(_OUTER_PAD))

    def salt(self, message: bytes) -> bytes:
        """The first 4 octets of HMAC-SHA-256 under the salt key (RFC 2104)."""
        inner = self._inner.copy()
        inner.update(message)
        outer = self._outer.copy()
        outer.update(inner.digest())
        return outer.digest()[:_SALT_OCTETS]

    def encrypt(self, nonce: bytes, plaintext: bytes, associated_data: bytes) -> bytes:
        """Ciphertext and tag."""
        return self._ccm.encrypt(nonce, plaintext, associated_data)

    def decrypt(self, nonce: bytes, data: bytes, associated_data: bytes) -> bytes:
        """The plaintext; raises `AuthenticationFailed` where the tag is wrong."""
        try:
            return self._ccm.decrypt(nonce, data, associated_data)
        except InvalidTag:
            raise AuthenticationFailed("tag", HEADER_OCTETS + len(data) - TAG_OCTETS, "is wrong") from None


class KeyRing:
    """Every key pair that this gateway has had; the first stays in use for uplinks of older terminals."""

    def __init__(self, keys: dict[int, GatewayKey]) -> None:
        self._keys = keys

    def __iter__(self) -> object:
        return iter(self._keys.values())

    def get(self, key_id: int) -> GatewayKey:
        """The pair of a key id; raises `KeyFileError`."""
        try:
            return self._keys[key_id]
        except KeyError:
            raise KeyFileError(key_id=f"{key_id:08x}", reason="no such key here") from None

    @property
    def only(self) -> GatewayKey:
        """The pair, while there is one; raises `KeyFileError` where there are several."""
        if len(self._keys) != 1:
            raise KeyFileError(
                keys=len(self._keys), reason="publish an epoch certificate to say which counts"
            )
        return next(iter(self._keys.values()))


def create(directory: Path) -> GatewayKey:
    """Make a new pair and write it to `directory` (mode 0700), each key in a file of its own (mode 0600)."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    agreement, acknowledgement = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    key_id = int.from_bytes(hashlib.sha256(signatures.public_octets(agreement)).digest()[:4], "big")
    key = GatewayKey(key_id, agreement, acknowledgement)
    _write_private(directory / f"{key_id:08x}-{AGREEMENT}{_SUFFIX}", agreement)
    _write_private(directory / f"{key_id:08x}-{ACKNOWLEDGEMENT}{_SUFFIX}", acknowledgement)
    return key


def load(directory: Path) -> KeyRing:
    """All pairs in `directory`; raises `KeyFileError` where there is none or one is not usable."""
    keys = {}
    for path in sorted(directory.glob(f"*-{AGREEMENT}{_SUFFIX}")):
        name = path.name.partition("-")[0]
        try:
            key_id = int(name, 16)
        except ValueError:
            raise KeyFileError(file=path.name, reason="does not start with a key id") from None
        beside = path.with_name(f"{name}-{ACKNOWLEDGEMENT}{_SUFFIX}")
        keys[key_id] = GatewayKey(key_id, _read_private(path), _read_private(beside))
    if not keys:
        raise KeyFileError(directory=directory, reason="has no keys; `init` makes them")
    return KeyRing(keys)


def _write_private(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    text = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _read_private(path: Path) -> ec.EllipticCurvePrivateKey:
    try:
        mode = path.stat().st_mode
        text = path.read_bytes()
    except OSError as failure:
        raise KeyFileError(file=path.name, reason=failure.strerror) from failure
    if mode & _OPEN_TO_OTHERS:
        raise KeyFileExposedError(file=path.name, mode=f"{stat.S_IMODE(mode):04o}")
    try:
        key = serialization.load_pem_private_key(text, None)
    except (ValueError, TypeError) as failure:
        raise KeyFileError(file=path.name, reason="is no unencrypted PEM key") from failure
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.curve.name != "secp256r1":
        raise KeyFileError(file=path.name, reason="is no P-256 key")
    return key


class LastingKeys:
    """What a terminal and its first gateway key share for the kid's life: uplink cipher and UN key (epoch 0).

    Agreed on when they are first needed: where helper processes open the frames, the writer seldom needs them.
    """

    def __init__(self, key: GatewayKey, kid: int, terminal_agreement: bytes) -> None:
        self._key = key
        self._kid = kid
        self._terminal_agreement = terminal_agreement

    @cached_property
    def _derived(self) -> list[bytes]:
        secret, salt = _secret(self._key, self._terminal_agreement)
        return [_derive(secret, salt, label, self._kid, self._key.key_id, 0) for label in link_keys.LASTING]

    @cached_property
    def up(self) -> GatewayCipher:
        """The uplink cipher."""
        return GatewayCipher(self._derived[0], self._derived[1])

    @property
    def un_key(self) -> bytes:
        """The key of unpredictable numbers."""
        return self._derived[2]


def down(key: GatewayKey, kid: int, terminal_agreement: bytes, epoch: int) -> GatewayCipher:
    """The downlink cipher of an epoch."""
    secret, salt = _secret(key, terminal_agreement)
    return GatewayCipher(
        *[_derive(secret, salt, label, kid, key.key_id, epoch) for label in link_keys.PER_EPOCH]
    )


def _secret(key: GatewayKey, terminal_agreement: bytes) -> tuple[bytes, bytes]:
    public = signatures.load_public(terminal_agreement)
    secret = key.agreement.exchange(ec.ECDH(), public)
    return secret, link_keys.salt(terminal_agreement, signatures.public_octets(key.agreement))


def _derive(secret: bytes, salt: bytes, label: tuple[bytes, int], kid: int, key_id: int, epoch: int) -> bytes:
    name, octets = label
    info = link_keys.info(name, kid, key_id, epoch)
    return HKDF(hashes.SHA256(), octets, salt, info).derive(secret)


def aes_block(key: bytes) -> object:
    """The AES-128-ECB of one block under `key`, as `protocol.unpredictable_number` takes it."""
    encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()  # noqa: S305 - one block, as the protocol says
    return encryptor.update
