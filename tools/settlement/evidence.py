"""Checks a segment of a terminal's chain as a bank would: certificate, chain, seal; nothing is taken on trust."""

from collections.abc import Callable
from typing import TypeVar

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from protocol import certificates, chain, takeover, write_off
from protocol.errors import ProtocolError
from tools.authority.signing import CURVE_ORDER

T = TypeVar("T")


class EvidenceError(Exception):
    """The evidence does not prove what it should; `code` is the contract's word for it.

    `expected_first`: with "gap", the sequence that is wanted.
    """

    def __init__(self, code: str, reason: str, expected_first: int | None = None) -> None:
        super().__init__(f"{code}: {reason}")
        self.code = code
        self.expected_first = expected_first


def verify(key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether `signature` (r ‖ s, low-s) by `key` (x ‖ y) stands for `message`."""
    r = int.from_bytes(signature[:32], "big")
    s = int.from_bytes(signature[32:], "big")
    if (
        len(signature) != certificates.SIGNATURE_OCTETS
        or not 0 < r < CURVE_ORDER
        or not 0 < s <= CURVE_ORDER // 2
    ):
        return False
    try:
        public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), b"\x04" + key)
        public.verify(encode_dss_signature(r, s), message, ec.ECDSA(hashes.SHA256()))
    except (InvalidSignature, ValueError):
        return False
    return True


def certified(signed: bytes, authority_key: bytes) -> certificates.TerminalCertificate:
    """The terminal certificate that the authority signed; raises `EvidenceError`."""
    try:
        body, signature = certificates.split_signature(signed, "terminal certificate")
        certificate = certificates.decode_terminal(body)
    except ProtocolError as error:
        raise EvidenceError("certificate", str(error)) from error
    if not verify(authority_key, certificates.terminal_message(body), signature):
        raise EvidenceError("certificate", "the authority's signature does not verify")
    return certificate


def given_up(signed: bytes, authority_key: bytes) -> write_off.WriteOff:
    """The write-off that the authority signed; raises `EvidenceError`."""
    return _decided(signed, authority_key, "write_off", write_off.decode, write_off.signed_message)


def taken_over(signed: bytes, authority_key: bytes) -> takeover.Takeover:
    """The takeover that the authority signed; raises `EvidenceError`."""
    return _decided(signed, authority_key, "takeover", takeover.decode_takeover, takeover.takeover_message)


def _decided(
    signed: bytes,
    authority_key: bytes,
    code: str,
    decode: Callable[[bytes], T],
    message_of: Callable[[bytes], bytes],
) -> T:
    try:
        body, signature = certificates.split_signature(signed, code)
        decoded = decode(body)
    except ProtocolError as error:
        raise EvidenceError(code, str(error)) from error
    if not verify(authority_key, message_of(body), signature):
        raise EvidenceError(code, "the authority's signature does not verify")
    return decoded


def chain_start(certificate: certificates.TerminalCertificate, un_key_commitment: bytes) -> bytes:
    """`chain_0` of a terminal."""
    return chain.start_from_commitment(
        certificate.kid, certificate.seal_key, certificate.agreement_key, un_key_commitment
    )


def sealed_chain(
    certificate: certificates.TerminalCertificate,
    before: bytes,
    first: int,
    records: tuple[bytes, ...],
    seal: bytes,
) -> list[bytes]:
    """The chain value after each record; raises `EvidenceError` unless the last one is what the seal signs."""
    values = []
    for record in records:
        before = chain.extend(before, record)
        values.append(before)
    last = first + len(records) - 1
    if not verify(certificate.seal_key, chain.seal_message(certificate.kid, last, before), seal):
        raise EvidenceError("seal", f"the seal of record {last} does not verify")
    return values
