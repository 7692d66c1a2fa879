"""What every look at messages that the broker keeps has in common: when it is due, what it waits for, what follows a failure.

Nobody is asked for anything. Records always go first. Where the link goes, the next session goes on; what was refused or
spoiled is counted and tried again after pauses that double.
"""

import asyncio

from firmware.updater import UpdateRefused
from protocol.errors import ProtocolError

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

# Why nothing is taken now, beside what a `hindrance` says.
RECORDS = "records"


class KeptFetch:
    """`hindrance()`: why nothing may be taken now, "" for nothing. Who derives from it gives `_take(session)`: one look, and
    all that follows from it.

    For people: `waits` (one of the words above, "" while it goes on), `failures` and `last_error` of what was refused or
    spoiled.
    """

    def __init__(self, hindrance, clock, jitter) -> None:
        self._hindrance = hindrance
        self._clock = clock
        self._jitter = jitter
        self._retry_ms = RETRY_FIRST_MS
        self._due_ms = 0
        self._wait(jitter(FIRST_LOOK_MS))
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
                await self._take(Session(client, is_clear))
                self._retry_ms = RETRY_FIRST_MS
                self._wait(LOOK_MS + self._jitter(LOOK_MS))
            except (UpdateRefused, ProtocolError, OSError, MemoryError) as error:
                self.failures += 1
                self.last_error = error
                self._wait(self._retry_ms + self._jitter(self._retry_ms))
                self._retry_ms = min(2 * self._retry_ms, RETRY_MOST_MS)

    async def _take(self, session) -> None:
        raise NotImplementedError

    async def _fetched(self, session, topic: str):
        """What is kept on a topic, None for nothing; where the link goes now, it goes on soon."""
        await self._clear(session)
        octets = await session.client.fetch(topic, FETCH_TIMEOUT_MS)
        if octets is not None:
            self._wait(RESUME_MS + self._jitter(RESUME_MS))
            await self._clock.sleep_ms(PIECE_PAUSE_MS)
        return octets

    async def _clear(self, session) -> None:
        """Wait until nothing speaks against going on; other tasks run in any case."""
        await asyncio.sleep_ms(0)
        while True:
            self.waits = self._hindrance() or ("" if session.is_clear() else RECORDS)
            if not self.waits:
                return
            await self._clock.sleep_ms(WAIT_MS)


class Session:
    """One session with the broker: its client, and whether no record is to be sent in it."""

    def __init__(self, client, is_clear) -> None:
        self.client = client
        self.is_clear = is_clear
