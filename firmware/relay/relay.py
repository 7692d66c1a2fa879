"""The relay task: keeps one session with the broker, sends what the outbox decides, applies what comes down.

Online and offline are one path: records are in the journal before this task sees them, and only the gateway's signed
acknowledgement moves the mark. Nothing that happens to a session may stop the terminal.
"""

import asyncio

from firmware.hal.flash_area import FlashError
from firmware.ledger.journal import JournalFull
from firmware.relay.downlink import APPLIED
from firmware.relay.link import LinkError
from firmware.relay.mqtt_client import MqttClient
from firmware.relay.outbox import Outbox
from protocol import codec, frame, status

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


class Relay:
    """`make_link()` gives a fresh link; `cipher_of()` the uplink cipher; `jitter(most_ms)` a random part of a wait;
    `verified_through()` the last sequence whose seal was found good, `await verify(sequence)` checks any before it is
    sent.

    `state` is DOWN, CONNECTING or UP; `failures` counts sessions that ended, `last_error` says why the last one did.
    """

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
        verify,
    ) -> None:
        self._ledger = ledger
        self._downlink = downlink
        self._make_link = make_link
        self._cipher_of = cipher_of
        self._verified_through = verified_through
        self._verify = verify
        self._settings = settings
        self._clock = clock
        self._jitter = jitter
        self._outbox = Outbox()
        self._wake = asyncio.Event()
        self._hurry = asyncio.Event()
        self._sent_ms = 0
        self._resend_ms = RESEND_FIRST_MS
        self.state = DOWN
        self.sessions = 0
        self.failures = 0
        self.last_error = None
        self._check_in = None

    def hurry(self) -> None:
        """The operator wants to send now: the pause before the next try, and the wait for an answer, end here."""
        self._hurry.set()
        self._outbox.restart(self._ledger.marks.sealed_through)
        self._resend_ms = RESEND_FIRST_MS
        self._wake.set()

    def wake(self) -> None:
        """A record was committed or a seal verified: look for work now."""
        self._wake.set()

    async def run(self, check_in) -> None:
        """For ever: one session after another, with growing pauses while the broker is out of reach."""
        self._check_in = check_in
        pause_ms = BACKOFF_FIRST_MS
        while True:
            started_ms = self._clock.ticks_ms()
            try:
                await self._session()
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
            self._make_link(),
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
            works = (client.serve(self._received), client.keep_alive(), self._send(client))
            tasks = [asyncio.create_task(_watched(work, outcome, failed)) for work in works]
            await failed.wait()
            raise outcome[0]
        finally:
            for task in tasks:
                task.cancel()
            await client.close()

    async def _received(self, payload: bytes) -> bool:
        """A frame from the gateway; whether it is done with (and durable), so that the broker may forget it."""
        marks = self._ledger.marks
        before = marks.sealed_through
        outcome, done = await self._downlink.apply(payload)
        if outcome == APPLIED:
            if marks.sealed_through < before:
                # New gateway keys were certified: what the gateway may have lost goes again.
                self._outbox.restart(marks.sealed_through)
            self._outbox.acknowledged(marks.sealed_through, self._downlink.take_gaps())
            if marks.sealed_through > before:
                self._sent_ms = self._clock.ticks_ms()
                self._resend_ms = RESEND_FIRST_MS
            self._wake.set()
        return done

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
            batch = self._next_batch()
            if batch is not None:
                is_good = await self._verify(batch.last)
                # No heavy work between a burned Unpredictable Number and its record.
                await ledger.quiet.wait()
                await client.publish(topic, self._records_frame(batch, is_good), PUBACK_TIMEOUT_MS)
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

    def _next_batch(self):
        ledger = self._ledger
        # While something in force is not adopted, no context is what the gateway would derive: all travels literally.
        border = ledger.entitlements.last_adoption if ledger.context is not None else ledger.journal.sequence
        return self._outbox.next(
            ledger.journal.first_sequence, ledger.journal.sequence, self._verified_through(), border
        )

    def _restart_if_overdue(self) -> None:
        """Without an acknowledgement in time, everything unsealed is sent again."""
        ledger = self._ledger
        waiting = ledger.marks.sealed_through < ledger.journal.sequence
        elapsed_ms = self._clock.ticks_diff(self._clock.ticks_ms(), self._sent_ms)
        if waiting and elapsed_ms > self._resend_ms:
            self._outbox.restart(ledger.marks.sealed_through)
            self._sent_ms = self._clock.ticks_ms()
            self._resend_ms = min(2 * self._resend_ms, RESEND_MOST_MS)

    def _records_frame(self, batch, is_good: bool) -> bytes:
        """A sealed frame: the seal of the last record proves all before it. One whose seal does not verify is never
        sent: its records go unsealed, and a later seal proves them.
        """
        ledger = self._ledger
        slots = ledger.records_from(batch.first, batch.count)
        number = codec.LITERAL if batch.literal else codec.PREDICTED
        context = None if batch.literal else ledger.context
        octets = [slot.payload for slot in slots]
        seal = slots[-1].seal if is_good else b""
        return frame.encode_records(ledger.kid, batch.first, octets, seal, number, context, self._cipher_of())

    async def _send_status(self, client: MqttClient, topic: str) -> None:
        """What this terminal last heard, so that a restored gateway notices. Records go out even without it."""
        ledger = self._ledger
        steps = ledger.pending_steps()
        while True:
            self._check_in()
            try:
                next(steps)
            except StopIteration as end:
                pending_rupiah = end.value
                break
            await asyncio.sleep_ms(0)
        try:
            counter = ledger.next_counter()
        except (JournalFull, FlashError) as error:
            self.last_error = error
            return
        report = status.Status()
        report.time_s = ledger.now_s()
        report.time_trust = ledger.time_trust
        report.head = ledger.journal.sequence
        report.sealed_through = ledger.marks.sealed_through
        report.echo_epoch = ledger.marks.epoch
        report.echo_counter = max(0, ledger.marks.counter)
        report.boot_counter = ledger.journal.boots
        report.pending_rupiah = pending_rupiah
        report.last_error = int.from_bytes(ledger.last_crash[:2], "big")
        octets = frame.encode_counter(
            frame.CLASS_UP, frame.UP_STATUS, ledger.kid, counter, status.encode(report), self._cipher_of()
        )
        await client.publish(topic, octets, PUBACK_TIMEOUT_MS)


async def _watched(work, outcome: list, failed: asyncio.Event) -> None:
    """Run one of the session's coroutines; its end, however it comes, ends the session."""
    try:
        await work
        outcome.append(LinkError("session ended"))
    except Exception as error:  # lumbung: catch-all - the session raises it
        outcome.append(error)
    failed.set()
