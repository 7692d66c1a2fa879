"""A new roster for a terminal in use, with the grants bound to it: taken in piece by piece, verified, put in force at once.

Nothing is written for a roster that no grant of the authority for this very terminal names. It is put together in the area
that is free, and counts for nothing there; one save of the documents then names it and brings its grants, so that a power cut
leaves all of the old or all of the new. What is half taken is in RAM and begins anew after a restart.
"""

import asyncio

from firmware.hal.flash_area import FlashError
from firmware.ledger.document_area import AUTHORITY_KEY, GRANT_FIRST, ROSTER_SIGNATURE
from firmware.ledger.ledger import TerminalLocked
from firmware.ledger.roster_area import RosterArea, RosterMissing
from firmware.ledger.roster_update import RosterUpdate
from firmware.provisioning import free_area
from firmware.relay.downlink import APPLIED, PART, STALE, verifies
from protocol import certificates, grant, renewal, roster
from protocol.errors import AuthenticationFailed, OutOfRange, ProtocolError, Truncated
from protocol.octets import Reader

HEAD_OCTETS_MAX = 16384


class Renewal:
    """`flash`: the board's areas; `is_busy()`: a card is being served, which writing waits for; `whole()` is called when
    `switch` may follow.

    For people: `taken` and `octets` of the unit that is being taken (0 and 0: none). `is_ready`: all of it is here.
    """

    def __init__(self, flash: dict, ledger, is_busy, whole) -> None:
        self._flash = flash
        self._ledger = ledger
        self._is_busy = is_busy
        self._whole = whole
        self._stale = b""
        # What was written for nothing: it comes again and again, and wears flash out, so not before the next start.
        self._spoiled = b""
        self.drop()

    def drop(self) -> None:
        """Forget what was taken."""
        self._name = b""
        self._head = b""
        self._update = None
        self._area = None
        self._digest = b""
        self._grants = {}
        self._signature = b""
        self.octets = 0
        self.taken = 0
        self.is_ready = False

    async def take(self, body: bytes) -> str:
        """A piece (protocol/renewal): APPLIED when it was the last one and everything fits, PART while others are awaited,
        STALE where that roster is in force. Pieces come in order, each as often as one likes.

        Raises `ProtocolError`, `FlashError` or `TerminalLocked`; then it has to begin anew.
        """
        if self._ledger.is_locked:
            raise TerminalLocked
        piece = renewal.decode_piece(body)
        if piece.name == self._stale:
            return STALE
        if piece.offset == 0 and piece.name != self._name:
            self.drop()
            self._name, self.octets = piece.name, piece.unit_octets
        if piece.name != self._name or piece.unit_octets != self.octets:
            raise OutOfRange("name", 0, "its first piece was not here")
        if piece.offset > self.taken:
            raise OutOfRange("offset", 11, "a piece before it was not here")
        if piece.offset < self.taken:
            return APPLIED if self.is_ready else PART
        if piece.name == self._spoiled:
            raise OutOfRange("name", 0, "was refused after it had been written")
        is_done = False
        try:
            outcome = await self._take(piece.octets)
            is_done = True
        except (ProtocolError, FlashError):
            if self._update is not None:
                self._spoiled = piece.name
            raise
        finally:
            if not is_done:
                self.drop()
        return outcome

    async def _take(self, octets: bytes) -> str:
        """The octets that are next."""
        self.taken += len(octets)
        if self._update is None:
            self._head += octets
            source = Reader(self._head)
            head = self._read_head(source)
            if head is None:
                return PART
            if head.roster_digest == self._ledger.roster.digest:
                stale = self._name
                self.drop()
                self._stale = stale
                return STALE
            octets = self._head[source.offset :]
            await self._begin(head)
        await self._patiently(self._update.take_steps(octets))
        if self.taken < self.octets:
            return PART
        await self._finish()
        return APPLIED

    def _read_head(self, source: Reader):
        """Digest and grants, None while they are not all there."""
        try:
            return renewal.decode_head(source)
        except Truncated:
            if len(self._head) > HEAD_OCTETS_MAX or self.taken == self.octets:
                raise
        return None

    async def _begin(self, head) -> None:
        """What the roster is worth is known before any of it is written."""
        self._head = b""
        self._digest = head.roster_digest
        for signed in head.grants:
            await self._take_grant(signed)
        self._require_later()
        ledger = self._ledger
        self._area = free_area(self._flash, ledger.documents)
        self._update = RosterUpdate(ledger.roster, self._area)

    async def _take_grant(self, signed: bytes) -> None:
        """A grant for this terminal under that roster and the policy in force."""
        ledger = self._ledger
        body, signature = certificates.split_signature(signed, "grant")
        policy_digest = ledger.policy.digest
        decoded = grant.decode(body, ledger.kid, self._digest, policy_digest)
        message = grant.signed_message(ledger.kid, self._digest, policy_digest, body)
        if not await verifies(ledger.documents.get(AUTHORITY_KEY), message, signature):
            raise AuthenticationFailed("grant signature", len(body), "does not verify with its roster")
        self._grants[decoded.programme] = (decoded, signed)

    def _require_later(self) -> None:
        """Every programme in force goes on, under a later grant; nothing that was replaced comes back."""
        held = self._ledger.grants
        for programme in sorted(held):
            if programme not in self._grants:
                raise OutOfRange("grants", 33, "none for programme %d, which is in force" % programme)
        for programme in sorted(self._grants):
            decoded = self._grants[programme][0]
            before = held.get(programme)
            if before is not None and (decoded.number <= before.number or decoded.period < before.period):
                raise OutOfRange("grant number", 1, "not later than the one in force")

    async def _finish(self) -> None:
        """The whole roster is in flash: whether it is the one that was signed."""
        digest, signature = await self._patiently(self._update.end_steps())
        if digest != self._digest:
            raise AuthenticationFailed("roster digest", 1, "is not that of the roster that came")
        authority = self._ledger.documents.get(AUTHORITY_KEY)
        if not await verifies(authority, roster.signed_message(digest), signature):
            raise AuthenticationFailed("roster signature", self.octets, "does not verify")
        self._signature = signature
        self._require_free()
        self._update.seal()
        self._update = None
        self.is_ready = True
        self._whole()

    async def _patiently(self, steps):
        """Run a generator while no card is being served; returns what it returns."""
        while True:
            await asyncio.sleep_ms(0)
            while self._is_busy():
                await asyncio.sleep_ms(50)
            self._require_free()
            try:
                next(steps)
            except StopIteration as end:
                return end.value

    def _require_free(self) -> None:
        """A cable may have brought another roster while this one waited: then the area is the one in force."""
        if free_area(self._flash, self._ledger.documents) is not self._area:
            raise OutOfRange("roster digest", 1, "another one came into force meanwhile")

    def switch(self) -> None:
        """Put it in force with the next start, which has to follow at once: until then nothing is committed.

        Raises as `take` does, where something else came into force meanwhile; then the old roster stays.
        """
        if not self.is_ready:
            raise OutOfRange("name", 0, "is not all here")
        digest, grants, signature = self._digest, self._grants, self._signature
        self._spoiled = self._name
        try:
            self._require_later()
            self._require_free()
            if not self._is_there(digest):
                raise OutOfRange("roster digest", 1, "it is not in flash any more")
            changes = {GRANT_FIRST + programme: grants[programme][1] for programme in sorted(grants)}
            changes[ROSTER_SIGNATURE] = digest + signature
            self._ledger.replace_documents(changes)
        finally:
            self.drop()

    def _is_there(self, digest: bytes) -> bool:
        """Whether flash holds it still."""
        try:
            return RosterArea(self._area).digest == digest
        except RosterMissing:
            return False
