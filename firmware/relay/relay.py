"""The relay task: keeps one session with the broker, sends what the outbox decides, applies what comes down.

Online and offline are one path: records are in the journal before this task sees them, and only the gateway's signed
acknowledgement moves the mark.
"""

import asyncio

from firmware.relay.link import LinkError
from firmware.relay.mqtt_client import MqttClient
from firmware.relay.mqtt_packets import MqttError
from firmware.relay.outbox import Outbox
from protocol import codec, frame, status

PUBACK_TIMEOUT_MS = 20000
RESEND_AFTER_MS = 30000
BACKOFF_FIRST_MS = 1000
BACKOFF_MOST_MS = 60000
KEEPALIVE_S = 60

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


class Relay:
    """`make_link()` gives a fresh link; `cipher_of()` the uplink cipher; `jitter(most_ms)` a random part of a wait;
    `verified_through()` the last sequence whose seal was checked. `state` is DOWN, CONNECTING or UP."""

    def __init__(
        self,
        ledger,
        downlink,
        make_link,
        cipher_of,
        verified_through,
        settings: Settings,
        clock,
        jitter,
    ) -> None:
        self._ledger = ledger
        self._downlink = downlink
        self._make_link = make_link
        self._cipher_of = cipher_of
        self._verified_through = verified_through
        self._settings = settings
        self._clock = clock
        self._jitter = jitter
        self._outbox = Outbox()
        self._wake = asyncio.Event()
        self._hurry = asyncio.Event()
        self._sent_ms = 0
        self.state = DOWN
        self.sessions = 0
        self.failures = 0
        self.last_error = None
        self._check_in = None

    def hurry(self) -> None:
        """The operator wants to send now: the pause before the next try, and the wait for an answer, end here."""
        self._hurry.set()
        self._outbox.restart(self._ledger.marks.sealed_through)
        self._wake.set()

    def wake(self) -> None:
        """A record was committed or a seal verified: look for work now."""
        self._wake.set()

    async def run(self, check_in) -> None:
        """For ever: one session after another, with growing pauses while the broker is out of reach."""
        self._check_in = check_in
        pause_ms = BACKOFF_FIRST_MS
        while True:
            sessions = self.sessions
            try:
                await self._session()
            except (LinkError, MqttError, asyncio.TimeoutError) as error:
                self.last_error = error
                self.failures += 1
            self.state = DOWN
            if self.sessions > sessions:
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

    async def _session(self) -> None:
        """Connect, then read, keep alive and send side by side until one of them fails."""
        self.state = CONNECTING
        self._check_in()
        settings = self._settings
        link = self._make_link()
        client = MqttClient(
            link, settings.client_id, settings.username, settings.password, KEEPALIVE_S, self._clock
        )
        tasks = []
        try:
            await client.open(down_topic(self._ledger.kid))
            self.state = UP
            self.sessions += 1
            failed = asyncio.Event()
            outcome = []
            for work in (client.serve(self._received), client.keep_alive(), self._send(client)):
                tasks.append(asyncio.create_task(_watched(work, outcome, failed)))
            await failed.wait()
            raise outcome[0]
        finally:
            for task in tasks:
                task.cancel()
            await client.close()

    async def _received(self, payload: bytes) -> None:
        """A frame from the gateway: applied (and durable) before this returns, so before PUBACK."""
        sealed_before = self._ledger.marks.sealed_through
        outcome = self._downlink.apply(payload)
        if outcome == "applied":
            marks = self._ledger.marks
            self._outbox.acknowledged(marks.sealed_through, self._downlink.take_gaps())
            if marks.sealed_through > sealed_before:
                self._sent_ms = self._clock.ticks_ms()
            self._wake.set()

    async def _send(self, client: MqttClient) -> None:
        """Publish status, then batches as they become due."""
        ledger = self._ledger
        topic = up_topic(ledger.kid)
        self._outbox.restart(ledger.marks.sealed_through)
        await client.publish(topic, self._status_frame(), PUBACK_TIMEOUT_MS)
        while True:
            self._check_in()
            batch = self._outbox.next(
                ledger.journal.sequence,
                self._verified_through(),
                ledger.entitlements.last_adoption,
            )
            if batch is not None:
                await client.publish(topic, self._records_frame(batch), PUBACK_TIMEOUT_MS)
                self._sent_ms = self._clock.ticks_ms()
                continue
            self._restart_if_overdue()
            try:
                await asyncio.wait_for_ms(self._wake.wait(), 1000)
            except asyncio.TimeoutError:
                pass
            self._wake.clear()

    def _restart_if_overdue(self) -> None:
        """Without an acknowledgement in time, everything unsealed is sent again."""
        ledger = self._ledger
        waiting = ledger.marks.sealed_through < ledger.journal.sequence
        elapsed_ms = self._clock.ticks_diff(self._clock.ticks_ms(), self._sent_ms)
        if waiting and elapsed_ms > RESEND_AFTER_MS:
            self._outbox.restart(ledger.marks.sealed_through)
            self._sent_ms = self._clock.ticks_ms()

    def _records_frame(self, batch) -> bytes:
        """A sealed frame: the seal of the last record proves all before it."""
        ledger = self._ledger
        slots = ledger.records_from(batch.first, batch.count)
        octets = [slot.payload for slot in slots]
        cipher = self._cipher_of()
        number = codec.LITERAL if batch.literal else codec.PREDICTED
        context = None if batch.literal else ledger.context
        return frame.encode_records(
            ledger.kid,
            batch.first,
            octets,
            slots[-1].seal,
            number,
            context,
            cipher,
        )

    def _status_frame(self) -> bytes:
        """What this terminal last heard, so that a restored gateway notices."""
        ledger = self._ledger
        report = status.Status()
        report.time_s = ledger.now_s()
        report.time_trust = ledger.time_trust
        report.head = ledger.journal.sequence
        report.sealed_through = ledger.marks.sealed_through
        report.echo_epoch = ledger.marks.epoch
        report.echo_counter = ledger.marks.counter
        report.boot_counter = ledger.journal.boots
        report.pending_rupiah = ledger.pending_rupiah()
        report.last_error = 0
        return frame.encode_counter(
            frame.CLASS_UP,
            frame.UP_STATUS,
            ledger.kid,
            ledger.next_counter(),
            status.encode(report),
            self._cipher_of(),
        )


async def _watched(work, outcome: list, failed: asyncio.Event) -> None:
    """Run one of the session's coroutines; its end, however it comes, ends the session."""
    try:
        await work
        outcome.append(LinkError("session ended"))
    except (LinkError, MqttError, asyncio.TimeoutError) as error:
        outcome.append(error)
    failed.set()
