"""What comes down from the gateway: each frame is opened, checked and applied, or refused with a counted reason."""

import hashlib

from firmware.crypto import p256
from firmware.crypto.constant_time import equal
from firmware.ledger.document_area import AUTHORITY_KEY, EPOCH_CERTIFICATE
from protocol import acknowledgement, certificates, frame, grant, records
from protocol.errors import AuthenticationFailed, OutOfRange, ProtocolError, UnknownVersion

APPLIED = "applied"
STALE = "stale"


class Downlink:
    """Applies frames to a `ledger`; `cipher_of(epoch certificate)` gives the downlink cipher of its keys.

    `counts` tells how many frames ended how; `last_error` is the last `ProtocolError`.
    """

    def __init__(self, ledger, cipher_of) -> None:
        self._ledger = ledger
        self._cipher_of = cipher_of
        self._epoch = None
        self._cipher = None
        self.counts = {APPLIED: 0, STALE: 0}
        self.last_error = None
        self._gaps = ()
        self._ahead = 0

    def take_gaps(self) -> tuple:
        """The gaps that the last acknowledgement named, once."""
        gaps = self._gaps
        self._gaps = ()
        return gaps

    def apply(self, octets: bytes) -> str:
        """Apply one frame; returns APPLIED, STALE or the name of the error, which is counted. Never raises for bad
        input: a broken message must not stop the ones behind it."""
        try:
            outcome = self._apply(octets)
        except ProtocolError as error:
            self.last_error = error
            outcome = type(error).__name__
        self.counts[outcome] = self.counts.get(outcome, 0) + 1
        return outcome

    def _apply(self, octets: bytes) -> str:
        """Dispatch by class and kind."""
        header = frame.read_header(octets)
        if header.kid != self._ledger.kid:
            raise OutOfRange("kid", 1, "not this terminal")
        if header.frame_class == frame.CLASS_CLEAR and header.codec == frame.CLEAR_EPOCH_CERTIFICATE:
            return self._epoch_certificate(frame.open_clear(octets)[1])
        if header.frame_class != frame.CLASS_DOWN:
            raise UnknownVersion("class", 0, "not for terminals")
        self._use_epoch()
        header, body = frame.open_counter(octets, self._cipher)
        if header.codec == frame.DOWN_ACKNOWLEDGEMENT:
            return self._acknowledgement(header, body)
        if header.codec == frame.DOWN_GRANT:
            return self._grant(body)
        raise UnknownVersion("codec", 0, "unknown downlink")

    def _use_epoch(self) -> None:
        """The gateway keys that the authority certified last."""
        if self._epoch is None:
            signed = self._ledger.documents.get(EPOCH_CERTIFICATE)
            body, _ = certificates.split_signature(signed, "epoch certificate")
            self._epoch = certificates.decode_epoch(body)
            self._cipher = self._cipher_of(self._epoch)

    def _acknowledgement(self, header: frame.Header, signed: bytes) -> str:
        """Signature, order, epoch, and that it speaks of our own chain; then it is stored and used."""
        ledger = self._ledger
        body, signature = certificates.split_signature(signed, "acknowledgement")
        message = acknowledgement.signed_message(header.kid, header.counter, body)
        if not _verifies(self._epoch.acknowledgement_key, message, signature):
            raise AuthenticationFailed("acknowledgement signature", frame.HEADER_OCTETS + len(body), "does not verify")
        decoded = acknowledgement.decode(body)
        if decoded.epoch != self._epoch.epoch:
            raise OutOfRange("epoch", 0, "not the certified one")
        if not ledger.marks.is_newer(decoded.epoch, header.counter):
            return STALE
        if decoded.sealed_through > ledger.journal.sequence:
            self._record_ahead(decoded)
            raise OutOfRange("sealed through", 6, "ahead of this terminal's chain")
        if decoded.sealed_through:
            own = ledger.journal.chain_at(decoded.sealed_through)
            if not equal(own[: acknowledgement.DIGEST_OCTETS], decoded.chain_digest):
                raise OutOfRange("chain digest", 9, "not this terminal's chain")
        ledger.apply_acknowledgement(body, header.counter)
        self._gaps = decoded.gaps
        return APPLIED

    def _record_ahead(self, decoded: acknowledgement.Acknowledgement) -> None:
        """An acknowledgement ahead of our head is ignored and recorded, once per mark (design, section 6)."""
        ledger = self._ledger
        if self._ahead == decoded.sealed_through:
            return
        self._ahead = decoded.sealed_through
        event = ledger.record(
            records.EVENT,
            code=records.EVENT_ACKNOWLEDGEMENT_AHEAD,
            operator=0,
            detail=decoded.sealed_through.to_bytes(3, "big"),
        )
        ledger.commit(event, 0xFFFF)

    def _grant(self, signed: bytes) -> str:
        """A grant for this terminal under the roster and policy in force."""
        ledger = self._ledger
        body, signature = certificates.split_signature(signed, "grant")
        roster_digest = ledger.roster.digest
        policy_digest = ledger.policy.digest
        message = grant.signed_message(ledger.kid, roster_digest, policy_digest, body)
        authority = ledger.documents.get(AUTHORITY_KEY)
        if not _verifies(authority, message, signature):
            raise AuthenticationFailed("grant signature", frame.HEADER_OCTETS + len(body), "does not verify")
        decoded = grant.decode(body, ledger.kid, roster_digest, policy_digest)
        held = ledger.grants.get(decoded.programme)
        if held is not None and decoded.number <= held.number:
            return STALE
        ledger.adopt_grant(signed, decoded)
        return APPLIED

    def _epoch_certificate(self, signed: bytes) -> str:
        """New gateway keys: only a greater epoch, certified by the authority."""
        ledger = self._ledger
        body, signature = certificates.split_signature(signed, "epoch certificate")
        authority = ledger.documents.get(AUTHORITY_KEY)
        if not _verifies(authority, certificates.epoch_message(body), signature):
            raise AuthenticationFailed("certificate signature", frame.HEADER_OCTETS + len(body), "does not verify")
        held, _ = certificates.split_signature(ledger.documents.get(EPOCH_CERTIFICATE), "epoch")
        if certificates.decode_epoch(body).epoch <= certificates.decode_epoch(held).epoch:
            return STALE
        ledger.documents.save({EPOCH_CERTIFICATE: signed})
        self._epoch = None
        return APPLIED


def _verifies(key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether `signature` (raw r then s) by `key` (x then y) stands for `message`."""
    return p256.verify(key, hashlib.sha256(message).digest(), signature)
