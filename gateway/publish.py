"""Takes in what the authority has signed, and what the operator decides about a terminal: checked, then as changes."""

from __future__ import annotations

import enum
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

from gateway import disputes, documents, owed, signatures, takeovers
from gateway.documents import Document, Kind
from gateway.errors import (
    DocumentError,
    GatewayError,
    NothingToSendError,
    RecordsMissingError,
    TelephoneError,
    UnknownTerminalError,
)
from gateway.keys import KeyRing
from gateway.store.interface import Changes, Reader, ReviewRow, TerminalRow
from gateway.writer import RESTORED
from protocol import certificates

INCOMPLETE = b"incomplete"
"""What an order to retire says where somebody answers for records that are missing."""
_KID_OCTETS = 4
_ROSTERS_TRIED = 512
_POLICIES_TRIED = 16
_TELEPHONE = re.compile(rb"\+[1-9][0-9]{7,14}")


class Order(enum.StrEnum):
    """What can be asked of the gateway from outside."""

    POLICY = "policy"
    ROSTER = "roster"
    GRANT = "grant"
    EPOCH = "epoch"
    REGISTER = "register"
    REVOKE = "revoke"
    RESUME = "resume"
    TELEPHONE = "telephone"
    WRITE_OFF = "write-off"
    IMPORT = "import"
    EXPORT = "export"
    RENEWAL = "renewal"
    REVIEW = "review"
    DECIDE = "decide"
    RETIRE = "retire"
    TAKEOVER = "takeover"


@dataclass(slots=True)
class Publication:
    """Checked changes; `forget` as `Writer.submit` takes it; `addressed` have something new to hear; `told` is for the operator;
    `redirected` is reached otherwise from now on. `then` is what follows once the changes are durable.
    """

    changes: Changes
    told: dict[str, object]
    forget: list[int] | None = field(default_factory=list)
    addressed: list[int] = field(default_factory=list)
    registered: int = 0
    redirected: int = 0
    then: Callable[[], Publication] | None = None


def carry_out(publication: Publication, write: Callable[[Publication], None]) -> dict[str, object]:
    """Have a publication written, and what follows from it; returns what the last one tells."""
    write(publication)
    while publication.then is not None:
        publication = publication.then()
        write(publication)
    return publication.told


def authority_key(path: Path) -> ec.EllipticCurvePublicKey:
    """The authority's public key from its file."""
    try:
        octets = path.read_bytes()
    except OSError as failure:
        raise GatewayError(file=path, reason=failure.strerror) from failure
    return signatures.load_public(octets)


class Publisher:
    """Checks one order against the authority's key and what the store holds."""

    def __init__(
        self, reader: Reader, authority: ec.EllipticCurvePublicKey, ring: KeyRing, now_ms: int
    ) -> None:
        self._reader = reader
        self._authority = authority
        self._ring = ring
        self._now_ms = now_ms

    def check(self, order: Order, octets: bytes, kid: int = 0) -> Publication:
        """The changes that an order makes; raises a `GatewayError` that says why not."""
        if order is Order.POLICY:
            return self._document(documents.read_policy(self._authority, octets))
        if order is Order.ROSTER:
            return self._document(documents.read_roster(self._authority, octets))
        if order is Order.GRANT:
            return self._grant(octets, kid)
        if order is Order.EPOCH:
            return self._epoch(octets)
        if order is Order.REGISTER:
            return self._register(octets)
        if order is Order.WRITE_OFF:
            return self._write_off(octets)
        if order is Order.TAKEOVER:
            return self._takeover(octets)
        terminal = self._terminal(kid)
        if order is Order.REVOKE:
            changes = Changes(revoked=[kid], counters={"terminals_revoked": 1})
            return Publication(changes, {"kid": f"{kid:08x}", "revoked": True}, [kid], [kid])
        if order is Order.TELEPHONE:
            return self._telephone(kid, octets)
        if order is Order.REVIEW:
            return self._review(terminal, octets)
        if order is Order.DECIDE:
            decided, told = disputes.decide(self._reader, terminal, octets, self._now_ms)
            return Publication(Changes(decisions=[] if told["already"] else [decided]), told)
        if order is Order.RETIRE:
            return self._retire(terminal, is_incomplete=octets == INCOMPLETE)
        changes = Changes(stopped=[(kid, "")])
        return Publication(changes, {"kid": f"{kid:08x}", "was": terminal.settlement_error})

    def _terminal(self, kid: int) -> TerminalRow:
        terminal = self._reader.terminal(kid)
        if terminal is None:
            raise UnknownTerminalError(kid=f"{kid:08x}")
        return terminal

    def _document(self, document: Document) -> Publication:
        told: dict[str, object] = {
            "kind": document.kind.value,
            "number": document.number,
            "digest": document.digest.hex(),
        }
        # Frames that wait for this document can be read once every view is made anew.
        return Publication(Changes(documents=[document]), told, None)

    def _grant(self, octets: bytes, kid: int) -> Publication:
        if self._terminal(kid).retired_through >= 0:
            raise DocumentError(kind=Kind.GRANT.value, kid=f"{kid:08x}", reason="its terminal is retired")
        policies = [document.digest for document in self._reader.documents(Kind.POLICY)[:_POLICIES_TRIED]]
        rosters = [document.digest for document in self._reader.documents(Kind.ROSTER)[:_ROSTERS_TRIED]]
        under = [(roster, policy) for roster in rosters for policy in policies]
        document = documents.read_grant(self._authority, octets, kid, under)
        publication = self._document(document)
        publication.told |= {"kid": f"{kid:08x}", "programme": document.programme}
        publication.forget = [kid]
        publication.addressed = [kid]
        return publication

    def _write_off(self, octets: bytes) -> Publication:
        """Records that are given up; what is sealed is not missing."""
        document = documents.read_write_off(self._authority, octets)
        terminal = self._terminal(document.kid)
        if document.number <= terminal.sealed_through:
            raise DocumentError(
                kind=document.kind.value,
                field="first",
                number=document.number,
                sealed_through=terminal.sealed_through,
            )
        publication = self._document(document)
        publication.told["kid"] = f"{document.kid:08x}"
        publication.forget = [document.kid]
        return publication

    def _epoch(self, octets: bytes) -> Publication:
        document, certificate = documents.read_epoch(self._authority, octets)
        key = self._ring.get(certificate.gateway_key_id)
        ours = key.request[_KID_OCTETS:]
        if certificate.agreement_key + certificate.acknowledgement_key != ours:
            raise DocumentError(
                kind=document.kind.value, field="agreement_key", reason="not of this gateway's keys"
            )
        held = max((known.number for known in self._reader.documents(Kind.EPOCH)), default=-1)
        if document.number < held:
            raise DocumentError(kind=document.kind.value, field="epoch", number=document.number, held=held)
        publication = self._document(document)
        if document.number > held:
            # A new epoch is how the authority says that a restored database may be trusted again.
            publication.changes.values[RESTORED] = 0
        publication.forget = []
        return publication

    def _register(self, octets: bytes) -> Publication:
        document, certificate = documents.read_terminal(self._authority, octets)
        kid = certificate.kid
        known = self._reader.terminal(kid)
        told: dict[str, object] = {"kid": f"{kid:08x}", "storage": certificate.storage}
        if known is not None:
            if known.certificate != octets:
                raise DocumentError(
                    kind=document.kind.value,
                    field="kid",
                    kid=f"{kid:08x}",
                    reason="another one is registered",
                )
            return Publication(Changes(), told | {"already": True})
        row = TerminalRow(kid, octets, self._first_key_id(), self._now_ms)
        changes = Changes(terminals=[row], counters={"terminals_registered": 1})
        return Publication(changes, told, [kid], registered=kid)

    def _telephone(self, kid: int, octets: bytes) -> Publication:
        """Where a terminal is reached by SMS; nothing that is told or logged repeats a number."""
        if octets and not _TELEPHONE.fullmatch(octets):
            raise TelephoneError(expected="+ and 8 to 15 digits", octets=len(octets))
        changes = Changes(telephones=[(kid, octets.decode("ascii"))])
        return Publication(changes, {"kid": f"{kid:08x}", "reached_by_sms": bool(octets)}, redirected=kid)

    def _review(self, terminal: TerminalRow, octets: bytes) -> Publication:
        """The version of a fork that is sealed here stands; the generation stays frozen, and goes on as a new one."""
        reason = octets.decode("utf-8", "replace").strip()
        last = terminal.sealed_through
        if not terminal.frozen_from:
            raise DocumentError(kind="review", kid=f"{terminal.kid:08x}", reason="no fork is known of it")
        if not reason:
            raise DocumentError(kind="review", field="reason", reason="is missing")
        review = ReviewRow(terminal.kid, terminal.frozen_from, last, self._now_ms, reason)
        told: dict[str, object] = {
            "kid": f"{terminal.kid:08x}",
            "stands_from": terminal.frozen_from,
            "stands_through": last,
        }
        return Publication(Changes(reviews=[review], counters={"forks_reviewed": 1}), told)

    def _retire(self, terminal: TerminalRow, *, is_incomplete: bool) -> Publication:
        """Nothing more of a generation counts; then, what does. A second time the same statement is given."""
        kid = terminal.kid
        held = self._reader.documents(Kind.STATEMENT, kid)
        if held:
            return _stated(held[-1], is_new=False)
        if self._reader.value(RESTORED):
            raise NothingToSendError(reason="this database is older than what terminals heard")
        epoch = owed.current_epoch(self._reader, self._ring)
        if epoch is None:
            raise NothingToSendError(reason="no epoch certificate is published")
        is_new = terminal.retired_through < 0
        missing = takeovers.missing(self._reader, terminal)
        if is_new and missing and not is_incomplete:
            raise RecordsMissingError(kid=f"{kid:08x}", sealed_through=terminal.sealed_through, known=missing)
        changes = Changes(retired=[kid], counters={"terminals_retired": int(is_new)})
        return Publication(changes, {}, [kid], [kid], then=partial(self._state, kid, epoch))

    def _state(self, kid: int, epoch: owed.Epoch) -> Publication:
        """The statement about a generation, which is retired by now."""
        document = takeovers.state(self._reader, self._terminal(kid), epoch, self._now_ms // 1000)
        return _stated(document, is_new=True)

    def _takeover(self, octets: bytes) -> Publication:
        """The authority has given a retired generation's leases to another one, on our statement."""
        document, decided = documents.read_takeover(self._authority, octets)
        self._terminal(decided.old)
        stated = [held.digest for held in self._reader.documents(Kind.STATEMENT, decided.old)]
        if decided.statement not in stated:
            raise DocumentError(
                kind=document.kind.value, field="statement", reason="not what was stated here"
            )
        before = {held.number for held in self._reader.documents(Kind.TAKEOVER, decided.old)}
        if before - {decided.new}:
            raise DocumentError(
                kind=document.kind.value, field="new", reason="its leases went to another one"
            )
        publication = self._document(document)
        publication.told |= {"kid": f"{decided.old:08x}", "taken_over_by": f"{decided.new:08x}"}
        publication.forget = []
        return publication

    def _first_key_id(self) -> int:
        """The gateway key that a terminal's lasting link keys come from: the one certified when it is registered."""
        epochs = self._reader.documents(Kind.EPOCH)
        if not epochs:
            return self._ring.only.key_id
        newest = max(epochs, key=lambda document: document.number)
        return certificates.decode_epoch(newest.body).gateway_key_id


def _stated(document: Document, *, is_new: bool) -> Publication:
    """What tells of a statement; kept where it is new."""
    told: dict[str, object] = {
        "kid": f"{document.kid:08x}",
        "already": not is_new,
        "octets": document.octets.hex(),
    }
    return Publication(Changes(documents=[document] if is_new else []), told)
