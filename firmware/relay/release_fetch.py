"""Takes the release that the broker offers, a piece at a time, and has it tried when nobody is served.

Offer and pieces are messages that the broker keeps (protocol/offer.py); nobody is asked for anything, and no piece is worth more
than the signature of the bundle's head. Nothing is kept of it but what the updater writes: after
a restart the flash says where to go on.
"""

import hashlib

from firmware.relay import kept_fetch
from firmware.relay.kept_fetch import KeptFetch
from firmware.updater import UpdateRefused
from protocol import offer
from protocol.errors import AuthenticationFailed, OutOfRange

# A slice of a piece, between which a sale comes in.
WRITE_OCTETS = 1024
# Nobody has touched the terminal for so long before it restarts into another release.
STILL_MS = 600_000
# A journal with fewer free sectors is short of space: that terminal needs the gateway, not a restart.
FREE_SECTORS_MIN = 32

# Why nothing is taken now.
SERVED = "served"
WAY = "way"
JOURNAL = "journal"
FINDINGS = "findings"
SEALS = "seals"
LOCKED = "locked"
QUIET = "quiet"


def hindrance_of(ledger) -> str:
    """What of the books speaks against taking or trying a release now, "" for nothing.

    Who has such a trouble is helped by records that leave or by a technician; a restart costs the journal a slot, and would
    change what the technician is to find.
    """
    if ledger.is_locked:
        return LOCKED
    if ledger.seal_fault:
        return SEALS
    if ledger.journal.free_sectors() < FREE_SECTORS_MIN:
        return JOURNAL
    return "" if ledger.findings.is_done and ledger.findings.is_sound else FINDINGS


class Stillness:
    """For how long nobody has done anything: `look()` gives what changes when somebody does, None while somebody is at it."""

    def __init__(self, clock, look) -> None:
        self._clock = clock
        self._look = look
        self._seen = None
        self._since_ms = 0

    def lasts(self, duration_ms: int) -> bool:
        """Look again; whether it was the same for so long."""
        seen = self._look()
        now_ms = self._clock.ticks_ms()
        lasted_ms = self._clock.ticks_diff(now_ms, self._since_ms)
        # Ticks go round in days.
        if seen is None or seen != self._seen or lasted_ms < 0:
            self._seen = seen
            self._since_ms = now_ms
            return False
        return lasted_ms >= duration_ms


class ReleaseFetch(KeptFetch):
    """`hindrance()`: why nothing may be taken now, "" for nothing; `may_start()`: whether a restart now harms nobody;
    `restart()` ends this life of the terminal.

    For people: `offered` (release, 0 for none), `waits` (one of the words above, "" while it goes on), `failures` and
    `last_error` of what was refused or spoiled.
    """

    def __init__(self, updater, kid: int, hindrance, may_start, restart, clock, jitter) -> None:
        super().__init__(hindrance, clock, jitter)
        self._updater = updater
        self._kid = kid
        self._may_start = may_start
        self._restart = restart
        self.offered = 0

    async def _take(self, session) -> None:
        """One look at the offer, and all that follows from it."""
        updater = self._updater
        offered = await self._offer(session)
        if offered is None:
            return
        if updater.head_digest != offered.head_digest:
            await self._begin(session, offered)
        if updater.release != offered.release:
            raise OutOfRange("release", 1, "not the head's")
        while not updater.is_complete:
            await self._piece(session, offered)
        await self._patiently(session, updater.check_steps())
        await self._try(session, offered)

    async def _offer(self, session):
        """The offer where there is one for this terminal, None else."""
        self.offered = 0
        await self._clear(session)
        octets = await session.client.fetch(offer.offer_topic(), kept_fetch.FETCH_TIMEOUT_MS)
        if octets is None:
            return None
        offered = offer.decode(octets)
        if offered.release <= self._updater.running or not offered.is_for(self._kid):
            return None
        self.offered = offered.release
        return offered

    async def _begin(self, session, offered) -> None:
        """The bundle's head, from flash where it is there already; then the updater knows what is lacking."""
        head = self._updater.kept_head()
        if hashlib.sha256(head).digest() != offered.head_digest:
            head = b""
            while len(head) < offered.head_octets:
                head += await self._fetched_piece(session, offered, len(head))
            head = head[: offered.head_octets]
            if hashlib.sha256(head).digest() != offered.head_digest:
                raise AuthenticationFailed("head", 0, "not what is offered")
        if self._updater.has_failed(head):
            raise UpdateRefused("release %d failed its trial here" % offered.release)
        await self._patiently(session, self._updater.begin_steps(head))

    async def _fetched_piece(self, session, offered, offset: int) -> bytes:
        """A piece of the bundle, which begins at `offset`."""
        octets = await self._fetched(session, offer.piece_topic(offered.head_digest, offset))
        if octets is None:
            raise UpdateRefused("no piece %d at the broker" % offset)
        if len(octets) != offered.piece_octets(offset):
            raise OutOfRange("piece", offset, "has %d octets" % len(octets))
        return octets

    async def _piece(self, session, offered) -> None:
        """Fetch the piece that is next and write it, in slices. A cable may bring the same meanwhile."""
        at = self._next(offered)
        offset = at - at % offer.PIECE_OCTETS
        octets = await self._fetched_piece(session, offered, offset)
        while True:
            await self._clear(session)
            place = self._next(offered) - offset
            if not 0 <= place < len(octets):
                return
            self._updater.write(self._updater.next_offset, octets[place : place + WRITE_OCTETS])

    def _next(self, offered) -> int:
        """Where in the bundle to go on."""
        if self._updater.head_digest != offered.head_digest:
            raise UpdateRefused("another bundle was begun by cable")
        return offered.head_octets + int(self._updater.next_offset)

    async def _try(self, session, offered) -> None:
        """When nobody is served and all records are sealed at the gateway: the offer once more, then the restart.

        What a new release makes of the journal cannot cost a record that the gateway has.
        """
        while True:
            await self._clear(session)
            if self._may_start():
                latest = await self._offer(session)
                if latest is None or latest.head_digest != offered.head_digest:
                    raise UpdateRefused("release %d is not offered any more" % offered.release)
                if self._may_start():
                    break
            self.waits = QUIET
            await self._clock.sleep_ms(kept_fetch.WAIT_MS)
        self._next(offered)
        self._updater.try_next()
        self._restart()

    async def _patiently(self, session, steps) -> None:
        """Run a generator to its end; sales and records go between its steps."""
        while True:
            await self._clear(session)
            try:
                next(steps)
            except StopIteration:
                return
