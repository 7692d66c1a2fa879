"""Takes the release that the broker offers, a piece at a time, and has it tried when nobody is served.

Offer and pieces are messages that the broker keeps (protocol/offer.py); nobody is asked for anything, and no piece is worth more
than the signature of the bundle's head. Records always go first. Nothing is kept of it but what the updater writes: after
a restart the flash says where to go on. Where the link goes, the next session goes on; what was refused or spoiled is
counted and tried again after pauses that double.
"""

import asyncio
import hashlib

from firmware.updater import UpdateRefused
from protocol import offer
from protocol.errors import AuthenticationFailed, OutOfRange, ProtocolError

# The offer is looked at so often, first after a part of FIRST_LOOK_MS, all jittered, so that a region does not come at once.
LOOK_MS = 3_600_000
FIRST_LOOK_MS = 600_000
# Between two pieces, and before the next one where the link went in between.
PIECE_PAUSE_MS = 100
RESUME_MS = 5_000
FETCH_TIMEOUT_MS = 30_000
RETRY_FIRST_MS = 3_600_000
RETRY_MOST_MS = 86_400_000
WAIT_MS = 1_000
# A slice of a piece, between which a sale comes in.
WRITE_OCTETS = 1024
# Nobody has touched the terminal for so long before it restarts into another release.
STILL_MS = 600_000
# A journal with fewer free sectors is short of space: that terminal needs the gateway, not a restart.
FREE_SECTORS_MIN = 32

# Why nothing is taken now.
SERVED = "served"
RECORDS = "records"
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

    def lasts(self) -> bool:
        """Look again; whether it was the same for STILL_MS."""
        seen = self._look()
        now_ms = self._clock.ticks_ms()
        lasted_ms = self._clock.ticks_diff(now_ms, self._since_ms)
        # Ticks go round in days.
        if seen is None or seen != self._seen or lasted_ms < 0:
            self._seen = seen
            self._since_ms = now_ms
            return False
        return lasted_ms >= STILL_MS


class ReleaseFetch:
    """`hindrance()`: why nothing may be taken now, "" for nothing; `may_start()`: whether a restart now harms nobody;
    `restart()` ends this life of the terminal.

    For people: `offered` (release, 0 for none), `waits` (one of the words above, "" while it goes on), `failures` and
    `last_error` of what was refused or spoiled.
    """

    def __init__(self, updater, kid: int, hindrance, may_start, restart, clock, jitter) -> None:
        self._updater = updater
        self._kid = kid
        self._hindrance = hindrance
        self._may_start = may_start
        self._restart = restart
        self._clock = clock
        self._jitter = jitter
        self._retry_ms = RETRY_FIRST_MS
        self._due_ms = 0
        self._wait(jitter(FIRST_LOOK_MS))
        self.offered = 0
        self.waits = ""
        self.failures = 0
        self.last_error = None

    def _wait(self, duration_ms: int) -> None:
        """The next look is due then, in whatever session."""
        self._due_ms = self._clock.ticks_add(self._clock.ticks_ms(), duration_ms)

    async def run(self, client, is_clear) -> None:
        """For as long as a session lasts: look at the offer now and then, and take it. `is_clear()`: no record is to be sent.
        Raises `LinkError` where the link goes.
        """
        while True:
            left_ms = self._clock.ticks_diff(self._due_ms, self._clock.ticks_ms())
            # Ticks go round in days: what is further off than any wait was due long ago.
            if 0 < left_ms <= 2 * RETRY_MOST_MS:
                await self._clock.sleep_ms(left_ms)
            # First of all, so that a broker which ends the session for it is asked no more often.
            self._wait(LOOK_MS + self._jitter(LOOK_MS))
            try:
                await self._take(_Session(client, is_clear))
                self._retry_ms = RETRY_FIRST_MS
                self._wait(LOOK_MS + self._jitter(LOOK_MS))
            except (UpdateRefused, ProtocolError, OSError, MemoryError) as error:
                self.failures += 1
                self.last_error = error
                self._wait(self._retry_ms + self._jitter(self._retry_ms))
                self._retry_ms = min(2 * self._retry_ms, RETRY_MOST_MS)

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
        octets = await session.client.fetch(offer.offer_topic(), FETCH_TIMEOUT_MS)
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
                head += await self._fetched(session, offered, len(head))
            head = head[: offered.head_octets]
            if hashlib.sha256(head).digest() != offered.head_digest:
                raise AuthenticationFailed("head", 0, "not what is offered")
        if self._updater.has_failed(head):
            raise UpdateRefused("release %d failed its trial here" % offered.release)
        await self._patiently(session, self._updater.begin_steps(head))

    async def _fetched(self, session, offered, offset: int) -> bytes:
        """A piece of the bundle, which begins at `offset`."""
        await self._clear(session)
        octets = await session.client.fetch(offer.piece_topic(offered.head_digest, offset), FETCH_TIMEOUT_MS)
        if octets is None:
            raise UpdateRefused("no piece %d at the broker" % offset)
        if len(octets) != offered.piece_octets(offset):
            raise OutOfRange("piece", offset, "has %d octets" % len(octets))
        self._wait(RESUME_MS + self._jitter(RESUME_MS))
        await self._clock.sleep_ms(PIECE_PAUSE_MS)
        return octets

    async def _piece(self, session, offered) -> None:
        """Fetch the piece that is next and write it, in slices. A cable may bring the same meanwhile."""
        at = self._next(offered)
        offset = at - at % offer.PIECE_OCTETS
        octets = await self._fetched(session, offered, offset)
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
            await self._clock.sleep_ms(WAIT_MS)
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

    async def _clear(self, session) -> None:
        """Wait until nothing speaks against going on; other tasks run in any case."""
        await asyncio.sleep_ms(0)
        while True:
            self.waits = self._hindrance() or ("" if session.is_clear() else RECORDS)
            if not self.waits:
                return
            await self._clock.sleep_ms(WAIT_MS)


class _Session:
    """One session with the broker: its client, and whether no record is to be sent in it."""

    def __init__(self, client, is_clear) -> None:
        self.client = client
        self.is_clear = is_clear
