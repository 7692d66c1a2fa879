"""What comes down from the gateway: each frame is opened, checked and applied, or refused with a counted reason."""

import asyncio
import hashlib

from firmware.crypto import p256
from firmware.crypto.constant_time import equal
from firmware.hal.flash_area import FlashError
from firmware.ledger.document_area import (
    AUTHORITY_KEY,
    EPOCH_CERTIFICATE,
    TERMINAL_CERTIFICATE,
    DocumentsTooLarge,
)
from firmware.ledger.journal import JournalFull
from firmware.ledger.ledger import SealFault, TerminalLocked
from protocol import acknowledgement, certificates, chain, frame, grant, notice, parts
from protocol.errors import AuthenticationFailed, OutOfRange, ProtocolError, UnknownVersion

# How a frame may end, beside the name of the error that it was refused with.
APPLIED = "applied"
STALE = "stale"
# A numbered part was taken in, and others are awaited.
PART = "part"
# The books could not take it now: the frame was good and must come again.
_NOT_NOW = (JournalFull, FlashError, DocumentsTooLarge, SealFault)


class Downlink:
    """Applies frames to a `ledger`; `await cipher_of(epoch certificate)` gives the downlink cipher of its keys.

    `counts` tells how many frames ended how; `last_error` is the last error. `unmatched_grant` is the number of a newer
    grant that does not fit roster and policy in flash (0: none): a roster delta is awaited. `renewal_of()` gives the one
    `Renewal`; None where nothing takes new rosters.
    """

    def __init__(self, ledger, cipher_of) -> None:
        self._ledger = ledger
        self._cipher_of = cipher_of
        self._epoch = None
        self._cipher = None
        self.counts = {APPLIED: 0, STALE: 0}
        self.last_error = None
        self.unmatched_grant = 0
        self.renewal_of = None
        self._gaps = None
        self._parts = parts.Assembly()
        self._turn = asyncio.Lock()

    def take_gaps(self):
        """The gaps that an acknowledgement named, once; None where none was applied since."""
        gaps = self._gaps
        self._gaps = None
        return gaps

    async def apply(self, octets: bytes) -> tuple:
        """Apply one frame; returns (outcome, whether the frame is done with).

        The outcome is APPLIED, STALE, PART or the name of the error; it is counted. What was applied is durable, what was
        refused will never be wanted; only what the books could not take now must come again. Never raises for anything
        in the frame: a broken message must not stop the ones behind it. Frames come by several ways: one after the other.
        """
        done = True
        try:
            async with self._turn:
                outcome = await self._apply(octets)
        except ProtocolError as error:
            self.last_error = error
            outcome = type(error).__name__
        except _NOT_NOW as error:
            self.last_error = error
            outcome = type(error).__name__
            done = False
        except TerminalLocked as error:
            self.last_error = error
            outcome = type(error).__name__
        self.counts[outcome] = self.counts.get(outcome, 0) + 1
        return outcome, done

    async def _apply(self, octets: bytes) -> str:
        """Dispatch by class and kind."""
        header = frame.read_header(octets)
        if header.kid != self._ledger.kid:
            raise OutOfRange("kid", 1, "not this terminal")
        if header.frame_class == frame.CLASS_CLEAR:
            if header.codec != frame.CLEAR_EPOCH_CERTIFICATE:
                raise UnknownVersion("codec", 0, "unknown unit in clear")
            return await self._epoch_certificate(frame.open_clear(octets)[1])
        if header.frame_class != frame.CLASS_DOWN:
            raise UnknownVersion("class", 0, "not for terminals")
        await self._use_epoch()
        header, body = frame.open_counter(octets, self._cipher)
        kind = header.codec
        if kind == frame.DOWN_PART:
            whole = self._parts.take(parts.decode(body))
            if whole is None:
                return PART
            kind, body = whole
        if kind == frame.DOWN_ACKNOWLEDGEMENT:
            return await self._acknowledgement(header, body)
        if kind == frame.DOWN_GRANT:
            return await self._grant(body)
        if kind == frame.DOWN_NOTICE:
            return await self._notice(body)
        if kind == frame.DOWN_ROSTER_DELTA and self.renewal_of is not None:
            return await self.renewal_of().take(body)
        if kind == frame.DOWN_STANDING:
            return await self._standing(header, body)
        raise UnknownVersion("codec", 0, "unknown downlink")

    def _held_epoch(self) -> certificates.EpochCertificate:
        """The gateway keys that the authority certified last."""
        body, _ = certificates.split_signature(
            self._ledger.documents.get(EPOCH_CERTIFICATE), "epoch certificate"
        )
        return certificates.decode_epoch(body)

    async def _use_epoch(self) -> None:
        if self._cipher is None:
            self._epoch = self._held_epoch()
            self._cipher = await self._cipher_of(self._epoch)

    async def _acknowledgement(self, header: frame.Header, signed: bytes) -> str:
        """Epoch, order, signature, and that it speaks of our own chain; then it is stored and used."""
        ledger = self._ledger
        body, signature = certificates.split_signature(signed, "acknowledgement")
        decoded = acknowledgement.decode(body)
        if decoded.epoch != self._epoch.epoch:
            raise OutOfRange("epoch", 0, "not the certified one")
        if not ledger.marks.is_newer(decoded.epoch, header.counter):
            return STALE
        message = acknowledgement.signed_message(header.kid, header.counter, body)
        if not await verifies(self._epoch.acknowledgement_key, message, signature):
            raise AuthenticationFailed("acknowledgement signature", len(body), "does not verify")
        if decoded.sealed_through > ledger.journal.sequence:
            ledger.note_ahead(decoded.sealed_through)
            raise OutOfRange("sealed through", 6, "ahead of this terminal's chain")
        if decoded.sealed_through >= ledger.journal.first_sequence:
            own = ledger.journal.chain_at(decoded.sealed_through)
            if not equal(own[: acknowledgement.DIGEST_OCTETS], decoded.chain_digest):
                raise OutOfRange("chain digest", 9, "not this terminal's chain")
        ledger.apply_acknowledgement(body, header.counter)
        self._gaps = list(decoded.gaps)
        return APPLIED

    async def _grant(self, signed: bytes) -> str:
        """A grant for this terminal under the roster and policy in force; only a greater number replaces one."""
        ledger = self._ledger
        if ledger.is_locked:
            raise TerminalLocked
        body, signature = certificates.split_signature(signed, "grant")
        roster_digest = ledger.roster.digest
        policy_digest = ledger.policy.digest
        decoded = grant.decode(body, ledger.kid, roster_digest, policy_digest)
        held = ledger.grants.get(decoded.programme)
        if held is not None and decoded.number <= held.number:
            return STALE
        message = grant.signed_message(ledger.kid, roster_digest, policy_digest, body)
        if not await verifies(ledger.documents.get(AUTHORITY_KEY), message, signature):
            # Forged, or signed over a roster or policy that is not here: the two cannot be told apart.
            self.unmatched_grant = max(self.unmatched_grant, decoded.number)
            raise AuthenticationFailed(
                "grant signature", len(body), "does not verify with this roster and policy"
            )
        if held is not None and decoded.period < held.period:
            raise OutOfRange("period", 5, "before the one in force")
        # Between a burned Unpredictable Number and its record the chain takes no adoption.
        await ledger.quiet.wait()
        ledger.adopt_grant(signed, decoded)
        if decoded.number >= self.unmatched_grant:
            self.unmatched_grant = 0
        return APPLIED

    async def _notice(self, body: bytes) -> str:
        """Our own seal, shown to us: where our chain does not lead to it, this flash was put back, and nothing more may
        be redeemed. Nobody else can make that seal, so nothing else is asked of who sends it.
        """
        ledger = self._ledger
        journal = ledger.journal
        told = notice.decode(body)
        if ledger.is_locked:
            return STALE
        if told.sequence < journal.first_sequence:
            raise OutOfRange("sequence", 0, "before the oldest record")
        if told.sequence <= journal.sequence and journal.chain_at(told.sequence) == told.chain:
            return STALE
        own, _ = certificates.split_signature(
            ledger.documents.get(TERMINAL_CERTIFICATE), "terminal certificate"
        )
        message = chain.seal_message(ledger.kid, told.sequence, told.chain)
        if not await verifies(certificates.decode_terminal(own).seal_key, message, told.seal, True):
            raise AuthenticationFailed("seal", 35, "is not this terminal's")
        ledger.lock(body)
        return APPLIED

    async def _standing(self, header: frame.Header, signed: bytes) -> str:
        """The gateway says that this terminal was replaced or revoked: nothing that it sells is paid any more. Nothing takes
        that back, so a copy does no harm.
        """
        ledger = self._ledger
        body, signature = certificates.split_signature(signed, "standing")
        decoded = notice.decode_standing(body)
        if ledger.is_locked:
            return STALE
        if decoded.epoch != self._epoch.epoch:
            raise OutOfRange("epoch", 0, "not the certified one")
        message = notice.standing_message(header.kid, header.counter, body)
        if not await verifies(self._epoch.acknowledgement_key, message, signature):
            raise AuthenticationFailed("standing signature", len(body), "does not verify")
        ledger.lock(body)
        return APPLIED

    async def _epoch_certificate(self, signed: bytes) -> str:
        """New gateway keys: only a greater epoch, certified by the authority, with keys that are points of the curve."""
        ledger = self._ledger
        body, signature = certificates.split_signature(signed, "epoch certificate")
        decoded = certificates.decode_epoch(body)
        if decoded.epoch <= self._held_epoch().epoch:
            return STALE
        authority = ledger.documents.get(AUTHORITY_KEY)
        if not await verifies(authority, certificates.epoch_message(body), signature):
            raise AuthenticationFailed("certificate signature", len(body), "does not verify")
        for field, key in (
            ("agreement_key", decoded.agreement_key),
            ("acknowledgement_key", decoded.acknowledgement_key),
        ):
            try:
                p256.decode_public_key(key)
            except p256.InvalidPublicKey:
                raise OutOfRange(field, 11, "not a point of the curve")
        ledger.adopt_epoch(signed, decoded.epoch)
        self._cipher = None
        return APPLIED


async def verifies(key: bytes, message: bytes, signature: bytes, low_s: bool = False) -> bool:
    """Whether `signature` (raw r then s) by `key` (x then y) stands for `message`; lets other tasks run meanwhile."""
    steps = p256.verify_steps(key, hashlib.sha256(message).digest(), signature, low_s)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return bool(end.value)
        except p256.InvalidPublicKey:
            return False
        await asyncio.sleep_ms(0)
