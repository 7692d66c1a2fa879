"""Records out by MQTT: one session with the broker after another, each sending what the outbox decides."""

import asyncio

from firmware.hal.flash_area import FlashError
from firmware.ledger.journal import JournalFull
from firmware.relay.link import LinkError
from firmware.relay.mqtt_client import MqttClient
from firmware.relay.outbox import Outbox

PUBACK_TIMEOUT_MS = 20000
# Without an acknowledgement everything unsealed is sent again, after pauses that double.
RESEND_FIRST_MS = 30000
RESEND_MOST_MS = 3600000
BACKOFF_FIRST_MS = 1000
BACKOFF_MOST_MS = 60000
# A session that lasted so long was a good one: the next pause is the first again.
GOOD_SESSION_MS = 60000
STATUS_PERIOD_MS = 3600000
KEEPALIVE_S = 60
LOOK_PERIOD_MS = 1000

DOWN = "down"
CONNECTING = "connecting"
UP = "up"


class Settings:
    """Where the broker is and who we are there."""

    def __init__(self, client_id: str, username: str, password: str) -> None:
        self.client_id = client_id
        self.username = username
        self.password = password


def up_topic(kid: int) -> str:
    """Topic on which a terminal publishes its frames."""
    return "lumbung/1/up/%08x" % kid


def down_topic(kid: int) -> str:
    """Topic on which the gateway answers."""
    return "lumbung/1/down/%08x" % kid


class MqttWay:
    """`make_link()` gives a fresh link; `jitter(most_ms)` a random part of a wait; `await received(frame)` tells whether a
    frame from the gateway is done with (and durable), so that the broker may forget it.

    `fetches`: looks at what the broker keeps (`KeptFetch`), which share the sessions. `state` is DOWN, CONNECTING
    or UP; `failures` counts sessions that ended, `last_error` says why the last one did.
    """

    def __init__(self, ledger, frames, make_link, settings: Settings, clock, jitter, received) -> None:
        self._ledger = ledger
        self._frames = frames
        self.make_link = make_link
        self._settings = settings
        self._clock = clock
        self._jitter = jitter
        self._received = received
        self._outbox = Outbox()
        self._wake = asyncio.Event()
        self._hurry = asyncio.Event()
        self._sent_ms = 0
        self._resend_ms = RESEND_FIRST_MS
        self.state = DOWN
        self.sessions = 0
        self.failures = 0
        self.last_error = None
        self.fetches = []
        self._check_in = None

    @property
    def carried_through(self) -> int:
        """The last record that left by this way or need not; whether it arrived, acknowledgements tell."""
        return self._outbox.carried_through

    def hurry(self) -> None:
        """The operator wants to send now: the pause before the next try, and the wait for an answer, end here."""
        self._hurry.set()
        self._outbox.restart(self._ledger.marks.sealed_through)
        self._resend_ms = RESEND_FIRST_MS
        self._wake.set()

    def wake(self) -> None:
        """A record was committed or a seal verified: look for work now."""
        self._wake.set()

    def acknowledged(self, sealed_before: int, gaps: list) -> None:
        """An acknowledgement was applied, by whichever way it came."""
        sealed_through = self._ledger.marks.sealed_through
        self._outbox.acknowledged(sealed_through, gaps)
        if sealed_through > sealed_before:
            self._sent_ms = self._clock.ticks_ms()
            self._resend_ms = RESEND_FIRST_MS
        self._wake.set()

    def restart(self) -> None:
        """New gateway keys were certified: what the gateway may have lost goes again."""
        self._outbox.restart(self._ledger.marks.sealed_through)
        self._wake.set()

    async def run(self, check_in) -> None:
        """For ever: one session after another, with growing pauses while the broker is out of reach."""
        self._check_in = check_in
        pause_ms = BACKOFF_FIRST_MS
        while True:
            started_ms = self._clock.ticks_ms()
            try:
                await self._session()
            except MemoryError:
                raise  # the supervisor's: it starts the terminal anew
            # The terminal works without its relay, whatever ended the session.
            except Exception as error:  # lumbung: catch-all - kept and counted here
                self.last_error = error
                self.failures += 1
            self.state = DOWN
            if self._clock.ticks_diff(self._clock.ticks_ms(), started_ms) >= GOOD_SESSION_MS:
                pause_ms = BACKOFF_FIRST_MS
            await self._rest(pause_ms + self._jitter(pause_ms))
            pause_ms = min(2 * pause_ms, BACKOFF_MOST_MS)

    async def _rest(self, duration_ms: int) -> None:
        """Wait, checking in with the supervisor every second; `hurry` ends it."""
        self._hurry.clear()
        while duration_ms > 0 and not self._hurry.is_set():
            self._check_in()
            try:
                await asyncio.wait_for_ms(self._hurry.wait(), min(duration_ms, 1000))
            except asyncio.TimeoutError:
                pass
            duration_ms -= 1000
        self._check_in()

    async def _session(self) -> None:
        """Connect, then read, keep alive and send side by side until one of them fails."""
        self.state = CONNECTING
        self._check_in()
        settings = self._settings
        client = MqttClient(
            self.make_link(),
            settings.client_id,
            settings.username,
            settings.password,
            KEEPALIVE_S,
            self._clock,
        )
        tasks = []
        try:
            await client.open(down_topic(self._ledger.kid))
            self._check_in()
            self.state = UP
            self.sessions += 1
            failed = asyncio.Event()
            outcome = []
            works = [client.serve(self._received), client.keep_alive(), self._send(client)]
            works.extend([fetch.run(client, self._is_clear) for fetch in self.fetches])
            tasks = [asyncio.create_task(_watched(work, outcome, failed)) for work in works]
            await failed.wait()
            raise outcome[0]
        finally:
            for task in tasks:
                task.cancel()
            await client.close()

    def _is_clear(self) -> bool:
        """Whether every record has gone out in this session, so that something else may use it."""
        outbox = self._outbox
        return not outbox.is_asked and outbox.carried_through >= self._ledger.journal.sequence

    async def _send(self, client: MqttClient) -> None:
        """Publish status, then batches as they become due."""
        ledger = self._ledger
        topic = up_topic(ledger.kid)
        self._outbox.restart(ledger.marks.sealed_through)
        self._sent_ms = self._clock.ticks_ms()
        await self._send_status(client, topic)
        status_ms = self._clock.ticks_ms()
        while True:
            self._check_in()
            batch = self._frames.next_batch(self._outbox)
            if batch is not None:
                await client.publish(topic, await self._frames.whole(batch), PUBACK_TIMEOUT_MS)
                self._outbox.sent(batch, batch.count)
                self._sent_ms = self._clock.ticks_ms()
                continue
            self._restart_if_overdue()
            if self._clock.ticks_diff(self._clock.ticks_ms(), status_ms) >= STATUS_PERIOD_MS:
                await self._send_status(client, topic)
                status_ms = self._clock.ticks_ms()
            try:
                await asyncio.wait_for_ms(self._wake.wait(), LOOK_PERIOD_MS)
            except asyncio.TimeoutError:
                pass
            self._wake.clear()

    def _restart_if_overdue(self) -> None:
        """Without an acknowledgement in time, everything unsealed is sent again."""
        ledger = self._ledger
        waiting = ledger.marks.sealed_through < ledger.journal.sequence
        elapsed_ms = self._clock.ticks_diff(self._clock.ticks_ms(), self._sent_ms)
        if waiting and elapsed_ms > self._resend_ms:
            self._outbox.restart(ledger.marks.sealed_through)
            self._sent_ms = self._clock.ticks_ms()
            self._resend_ms = min(2 * self._resend_ms, RESEND_MOST_MS)

    async def _send_status(self, client: MqttClient, topic: str) -> None:
        """Records go out even without it."""
        try:
            report = await self._frames.report(self._check_in)
        except (JournalFull, FlashError) as error:
            self.last_error = error
            return
        await client.publish(topic, report, PUBACK_TIMEOUT_MS)


async def _watched(work, outcome: list, failed: asyncio.Event) -> None:
    """Run one of the session's coroutines; its end, however it comes, ends the session."""
    try:
        await work
        outcome.append(LinkError("session ended"))
    except Exception as error:  # lumbung: catch-all - the session raises it
        outcome.append(error)
    failed.set()
