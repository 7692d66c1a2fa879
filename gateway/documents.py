"""Documents that the authority signed: checked once when they are published, decoded again when they are needed."""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from cryptography.hazmat.primitives.asymmetric import ec

from gateway import signatures
from gateway.errors import DocumentError, PublicKeyError, SignatureError
from gateway.rosters import RosterIndex
from protocol import certificates, grant, policy, roster, takeover, write_off
from protocol.errors import ProtocolError


class Kind(enum.StrEnum):
    """What a published document is."""

    POLICY = "policy"
    ROSTER = "roster"
    GRANT = "grant"
    EPOCH = "epoch"
    TERMINAL = "terminal"
    WRITE_OFF = "write-off"
    STATEMENT = "statement"
    TAKEOVER = "takeover"


@dataclass(frozen=True, slots=True)
class Document:
    """A verified document: `octets` are body and signature as published; `digest` is what adoption records name.

    `number` is the document's own (policy, roster, grant), or the epoch. `kid` and `programme` are 0 where the kind
    has none; `roster_digest` and `policy_digest` are what a grant was signed under, else b"".
    """

    kind: Kind
    digest: bytes
    number: int
    octets: bytes
    kid: int = 0
    programme: int = 0
    roster_digest: bytes = b""
    policy_digest: bytes = b""

    @property
    def body(self) -> bytes:
        """The octets without the signature."""
        return self.octets[: -signatures.SIGNATURE_OCTETS]


T = TypeVar("T")


def _decoded(kind: Kind, decode: Callable[[bytes], T], body: bytes) -> T:
    """What `decode` makes of a verified body; the authority can err too."""
    try:
        return decode(body)
    except ProtocolError as error:
        raise DocumentError(
            kind=kind.value, field=error.field, offset=error.offset, reason=error.reason
        ) from error


def _split(kind: Kind, octets: bytes) -> tuple[bytes, bytes]:
    try:
        body, signature = certificates.split_signature(octets, kind.value)
    except ProtocolError as error:
        raise DocumentError(kind=kind.value, field=error.field, offset=error.offset) from error
    return body, signature


def _signed_by(
    authority: ec.EllipticCurvePublicKey, kind: Kind, message: bytes, signature: bytes, at: int
) -> None:
    if not signatures.verify(authority, signature, message):
        raise SignatureError(kind=kind.value, field="signature", offset=at)


def read_policy(authority: ec.EllipticCurvePublicKey, octets: bytes) -> Document:
    """A policy with its signature."""
    body, signature = _split(Kind.POLICY, octets)
    _signed_by(authority, Kind.POLICY, policy.signed_message(body), signature, len(body))
    decoded = _decoded(Kind.POLICY, policy.decode, body)
    return Document(Kind.POLICY, decoded.digest, decoded.number, octets)


def read_roster(authority: ec.EllipticCurvePublicKey, octets: bytes) -> Document:
    """A whole roster with its signature."""
    body, signature = _split(Kind.ROSTER, octets)
    digest = roster.digest(body)
    _signed_by(authority, Kind.ROSTER, roster.signed_message(digest), signature, len(body))
    index = _decoded(Kind.ROSTER, RosterIndex, body)
    index.check()
    return Document(Kind.ROSTER, digest, index.number, octets)


def read_epoch(
    authority: ec.EllipticCurvePublicKey, octets: bytes
) -> tuple[Document, certificates.EpochCertificate]:
    """A certificate of gateway keys."""
    body, signature = _split(Kind.EPOCH, octets)
    _signed_by(authority, Kind.EPOCH, certificates.epoch_message(body), signature, len(body))
    certificate = _decoded(Kind.EPOCH, certificates.decode_epoch, body)
    return Document(Kind.EPOCH, hashlib.sha256(body).digest(), certificate.epoch, octets), certificate


def read_terminal(
    authority: ec.EllipticCurvePublicKey, octets: bytes
) -> tuple[Document, certificates.TerminalCertificate]:
    """A terminal's certificate; both of its keys must be points of the curve."""
    body, signature = _split(Kind.TERMINAL, octets)
    _signed_by(authority, Kind.TERMINAL, certificates.terminal_message(body), signature, len(body))
    certificate = _decoded(Kind.TERMINAL, certificates.decode_terminal, body)
    for name in ("seal_key", "agreement_key"):
        try:
            signatures.load_public(getattr(certificate, name))
        except PublicKeyError as error:
            raise DocumentError(kind=Kind.TERMINAL.value, field=name, reason="not on the curve") from error
    digest = hashlib.sha256(body).digest()
    return Document(Kind.TERMINAL, digest, 0, octets, kid=certificate.kid), certificate


def read_write_off(authority: ec.EllipticCurvePublicKey, octets: bytes) -> Document:
    """Records of a terminal that the authority gives up; `number` is the first of them."""
    body, signature = _split(Kind.WRITE_OFF, octets)
    decoded = _decoded(Kind.WRITE_OFF, write_off.decode, body)
    _signed_by(authority, Kind.WRITE_OFF, write_off.signed_message(body), signature, len(body))
    return Document(Kind.WRITE_OFF, decoded.digest, decoded.first, octets, kid=decoded.kid)


def read_statement(gateway: ec.EllipticCurvePublicKey, octets: bytes) -> Document:
    """What a gateway stated of a generation that it has retired; `number` is the last record that counts."""
    body, signature = _split(Kind.STATEMENT, octets)
    _signed_by(gateway, Kind.STATEMENT, takeover.statement_message(body), signature, len(body))
    decoded = _decoded(Kind.STATEMENT, takeover.decode_statement, body)
    return Document(Kind.STATEMENT, decoded.digest, decoded.sealed_through, octets, kid=decoded.kid)


def read_takeover(authority: ec.EllipticCurvePublicKey, octets: bytes) -> tuple[Document, takeover.Takeover]:
    """The authority's decision that a new generation takes over; `kid` is the old one, `number` the new one."""
    body, signature = _split(Kind.TAKEOVER, octets)
    decoded = _decoded(Kind.TAKEOVER, takeover.decode_takeover, body)
    _signed_by(authority, Kind.TAKEOVER, takeover.takeover_message(body), signature, len(body))
    return Document(Kind.TAKEOVER, decoded.digest, decoded.new, octets, kid=decoded.old), decoded


def read_grant(
    authority: ec.EllipticCurvePublicKey, octets: bytes, kid: int, under: Iterable[tuple[bytes, bytes]]
) -> Document:
    """A grant to `kid`; `under` are the (roster digest, policy digest) that it may have been signed with.

    Neither digest is in the octets (they would not fit one SMS), so the pair that verifies is the one.
    """
    body, signature = _split(Kind.GRANT, octets)
    for roster_digest, policy_digest in under:
        message = grant.signed_message(kid, roster_digest, policy_digest, body)
        if signatures.verify(authority, signature, message):
            decode = partial(grant.decode, kid=kid, roster_digest=roster_digest, policy_digest=policy_digest)
            decoded = _decoded(Kind.GRANT, decode, body)
            return Document(
                Kind.GRANT,
                decoded.digest,
                decoded.number,
                octets,
                kid=kid,
                programme=decoded.programme,
                roster_digest=roster_digest,
                policy_digest=policy_digest,
            )
    raise SignatureError(
        kind=Kind.GRANT.value,
        field="signature",
        offset=len(body),
        reason="or its roster or policy is not published",
    )


def decode_grant(document: Document) -> grant.Grant:
    """The grant in a published document."""
    return grant.decode(document.body, document.kid, document.roster_digest, document.policy_digest)
