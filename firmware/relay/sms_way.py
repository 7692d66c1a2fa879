"""Records out by short messages: few, sealed at the end of a run, counted in flash before each leaves, resent slowly."""

import asyncio

from firmware.hal.flash_area import FlashError
from firmware.ledger.journal import JournalFull
from firmware.relay import choice
from firmware.relay.link import LinkError
from firmware.relay.outbox import BATCH_MAX, Outbox
from protocol import bridge
from protocol.records import TRUST_UNSET

LOOK_PERIOD_MS = 5000
CHECK_MS = 200
# An order tries MQTT too: where that comes up so soon, no message is needed.
ORDER_GRACE_MS = 15000
# After a message that did not go.
BACKOFF_FIRST_MS = 60000
BACKOFF_MOST_MS = 3600000
DAY_MS = 86400000
# The wait for an answer doubles so often at most.
DOUBLINGS_MAX = 4
REPORT_AGAIN_S = 600
# An acknowledgement that is so much younger than the last message was made in its knowledge, unless that is delayed.
_ARRIVED_S = 120
# Records that one message carries: gaps of more are bridged, so that the records behind them need not wait for all of it.
_GAP_RECORDS = 9
# From the time of an unanswered try on, the gateway is told how things stand here as well.
_TRIES_BEFORE_STATUS = 2
_TIME_AT = 2  # of time_s in every record


class SmsWay:
    """`link`: a `SmsLink`; `frames`: a `Frames`; `is_mqtt_up()`; `jitter(most_ms)` a random part of a wait.

    `choice` is what was decided last (see `choice.choose`); `sent` counts messages, `failures` those that did not go,
    `last_error` says why the last one failed.
    """

    def __init__(self, ledger, frames, link, is_mqtt_up, clock, jitter) -> None:
        self._ledger = ledger
        self._frames = frames
        self._link = link
        self._is_mqtt_up = is_mqtt_up
        self._clock = clock
        self._jitter = jitter
        self._outbox = Outbox()
        # A restart sends nothing again: what was under way is asked about when its answer is overdue.
        through = min(ledger.sms_through, ledger.journal.sequence)
        self._outbox.restart(max(through, ledger.marks.sealed_through))
        self._tail_first = self._outbox.carried_through
        self._wake = asyncio.Event()
        self._is_ordered = False
        self._ordered = None
        self._is_probing = False
        self._has_begun = False
        self._bridge = []
        # Where parts of a frame are still to go: the batch, these parts, records in them.
        self._parted = None
        self._sent_s = 0
        self._tries = 0
        # The oldest waiting record: sequence, time that it shows, and how long it was seen to wait.
        self._oldest = [0, 0, 0]
        self._soon_since = None
        # Waits of REPORT_AGAIN_S, from the last message and from the last report on.
        self._sent = None
        self._reported = None
        # A day of running from the last message on, whether it went or not.
        self._spare = None
        self._wait_ms = 0
        self._pause_ms = 0
        self._pause = None
        self._silent_ms = 0
        self._looked_ms = clock.ticks_ms()
        self.choice = None
        self.sent = 0
        self.failures = 0
        self.last_error = None

    @property
    def left_today(self) -> int:
        """Messages that the policy still allows today.

        Without a clock no day ends until an answer brings the time, and without a message there is no answer: each start and each
        day of running then has one message more, until the cap is spent twice.
        """
        ledger = self._ledger
        most = ledger.policy.channels.sms_per_day
        left = most - ledger.sms_sent_today
        if left <= 0 and ledger.time_trust == TRUST_UNSET and self._is_over(self._spare):
            return 1 if left + most > 0 else 0
        return max(0, left)

    @property
    def is_awaiting(self) -> bool:
        """Whether messages carried records that the gateway has not sealed."""
        return self._ledger.marks.sealed_through < self._outbox.carried_through

    @property
    def carried_through(self) -> int:
        """The last record that left by this way or need not; whether it arrived, acknowledgements tell."""
        return self._outbox.carried_through

    def hurry(self) -> None:
        """The operator wants to send now: no more waiting, and the gateway is told how things stand here; where it has been
        silent for a while, the last frame goes again.
        """
        if not self._is_ordered:
            self._is_ordered = True
            self._ordered = [self._clock.ticks_ms(), ORDER_GRACE_MS]
        self._pause = None
        self._pause_ms = 0
        if self.is_awaiting and not self._has_begun and self._is_over(self._sent):
            self._rewind()
        self._wake.set()

    def wake(self) -> None:
        """Something changed: look now."""
        self._wake.set()

    def acknowledged(self, sealed_before: int, gaps: list) -> None:
        """An acknowledgement was applied, by whichever way it came."""
        marks = self._ledger.marks
        sealed_through = marks.sealed_through
        is_again = gaps and marks.time_s > self._sent_s + _ARRIVED_S and self._sent_s
        if is_again:
            self._outbox.forget_filled()
        self._outbox.acknowledged(sealed_through, gaps)
        self._parted = None
        is_large = sum([gap[1] for gap in gaps]) > _GAP_RECORDS
        self._bridge = self._bridges(gaps) if self._outbox.is_asked and (is_again or is_large) else []
        if sealed_through > sealed_before:
            self._tries = 0
            self._silent_ms = 0
        self._wake.set()

    def _bridges(self, gaps: list) -> list:
        """The last missing sequences of the gaps behind which something lies here."""
        journal = self._ledger.journal
        ends = sorted([gap[0] + gap[1] - 1 for gap in gaps])
        held = [end for end in ends if journal.first_sequence <= end < journal.sequence]
        return [end for end in held if self._frames.knows_chain_at(end)][: bridge.VALUES_MAX]

    def restart(self) -> None:
        """New gateway keys were certified: what the gateway may have lost goes again."""
        self._outbox.restart(self._ledger.marks.sealed_through)
        self._tail_first = self._outbox.carried_through
        self._parted = None
        self._wake.set()

    async def run(self, check_in) -> None:
        """For ever: look what is to be done, and send one message after another while there is."""
        while True:
            check_in()
            try:
                self._look()
                if self.choice == choice.SMS:
                    await self._send_next(check_in)
                    continue
            except MemoryError:
                raise  # the supervisor's: it starts the terminal anew
            # The terminal works without its messages, whatever ailed one.
            except Exception as error:  # lumbung: catch-all - kept and counted here
                self.last_error = error
                self.failures += 1
                self._pause_ms = min(max(2 * self._pause_ms, BACKOFF_FIRST_MS), BACKOFF_MOST_MS)
                self._pause = [self._clock.ticks_ms(), self._pause_ms]
            try:
                await asyncio.wait_for_ms(self._wake.wait(), LOOK_PERIOD_MS)
            except asyncio.TimeoutError:
                pass
            self._wake.clear()

    # -- deciding

    def _look(self) -> None:
        """Decide anew; draws the random wait when there is first something to wait with."""
        now = self._clock.ticks_ms()
        elapsed_ms = self._clock.ticks_diff(now, self._looked_ms)
        self._looked_ms = now
        rules = self._ledger.policy.channels
        self._oldest[2] += elapsed_ms
        for wait in (self._sent, self._reported, self._spare):
            self._is_over(wait)
        situation = self._situation(now)
        if situation.is_mqtt_up or not self.is_awaiting:
            self._silent_ms = 0
        else:
            self._silent_ms += elapsed_ms
            self._probe_if_overdue(rules, situation)
        self.choice = choice.choose(rules, situation)
        if self.choice == choice.SOON:
            if self._soon_since is None:
                self._soon_since = now
                self._wait_ms = self._jitter(1000 * rules.jitter_s)
        elif self.choice != choice.SMS:
            self._soon_since = None
            if self.choice == choice.MQTT:
                self._end_run()
            elif situation.sms_left <= 0:
                # What is left begins again tomorrow, with a random wait: not with everybody else at midnight.
                self._end_run()

    def _situation(self, now) -> choice.Situation:
        ledger = self._ledger
        situation = choice.Situation()
        situation.is_mqtt_up = self._is_mqtt_up()
        situation.can_send = self._is_over(self._pause) and self._link.can_send
        situation.sms_left = self.left_today
        situation.waiting = self._outbox.waiting(ledger.journal.first_sequence, self._frames.limit)
        situation.is_ordered = self._is_ordered and self._is_over(self._ordered)
        situation.has_begun = self._has_begun
        situation.is_asked = self._outbox.is_asked or self._is_probing
        if situation.waiting:
            situation.oldest_age_s = self._oldest_age_s()
        if self._soon_since is None:
            situation.wait_ms = 1  # it is drawn when it is needed
        else:
            situation.wait_ms = self._wait_ms
            situation.waited_ms = self._clock.ticks_diff(now, self._soon_since)
        return situation

    def _is_over(self, wait) -> bool:
        """Whether a wait, [since, ms], is over; looked at every few seconds, and once over it stays so: ticks come round."""
        if wait is None or wait[1] == 0:
            return True
        if self._clock.ticks_diff(self._clock.ticks_ms(), wait[0]) >= wait[1]:
            wait[1] = 0
        return wait[1] == 0

    def _oldest_age_s(self) -> int:
        """By its own time, or by how long it was seen to wait: a clock that is behind its records stands still."""
        ledger = self._ledger
        oldest = max(self._outbox.carried_through + 1, ledger.journal.first_sequence)
        if self._oldest[0] != oldest:
            # Asked every few seconds for hours: flash is read once, and no further than a batch.
            first, _ = ledger.readable(oldest, min(oldest + BATCH_MAX - 1, ledger.journal.sequence))
            made_s = ledger.now_s()
            if first:
                octets = ledger.records_from(first, 1)[0].payload
                made_s = int.from_bytes(octets[_TIME_AT : _TIME_AT + 4], "big")
            self._oldest = [oldest, made_s, 0]
        return max(self._oldest[2] // 1000, ledger.now_s() - self._oldest[1])

    def _probe_if_overdue(self, rules, situation: choice.Situation) -> None:
        """No answer in time."""
        wait_s = rules.sms_resend_s << min(self._tries, DOUBLINGS_MAX)
        if self._silent_ms < 1000 * wait_s or not situation.can_send or situation.sms_left <= 0:
            return
        self._silent_ms = 0
        self._tries += 1
        self._rewind()
        self._is_probing = True
        situation.is_asked = True

    def _rewind(self) -> None:
        """The last frame goes again. Where more than that is missing, the gateway then names it."""
        first = max(self._tail_first, self._ledger.marks.sealed_through + 1)
        self._outbox.restart(first - 1)
        self._parted = None

    # -- sending

    async def _send_next(self, check_in) -> None:
        """One message: what spares records behind gaps the wait, records that the gateway asked for, then what waits, then
        the report that ends an order.
        """
        if self._bridge and not self._is_mqtt_up():
            sequences = self._bridge
            self._bridge = []
            await self._submit(await self._frames.bridge(sequences), self._outbox.carried_through, check_in)
            return
        parted = self._parted
        batch = parted[0] if parted else self._frames.next_batch(self._outbox)
        if batch is None:
            is_wanted = self._is_ordered or self._tries >= _TRIES_BEFORE_STATUS
            self._end_run()
            if is_wanted and self._may_report():
                await self._submit(
                    await self._frames.report(check_in), self._outbox.carried_through, check_in
                )
            return
        try:
            frames, count = parted[1:] if parted else await self._frames.short(batch, self.left_today == 1)
        except (JournalFull, FlashError) as error:
            # No counters can be burned for the parts of one record: those behind it need not wait for that.
            self.last_error = error
            self._outbox.sent(batch, 1)
            await asyncio.sleep_ms(0)
            return
        if len(frames) > 1:
            self._parted = parted = (batch, frames, count)
            await self._submit(frames[0], self._outbox.carried_through, check_in)
            # An answer may have come meanwhile that makes the others useless.
            if self._parted is parted:
                self._parted = (batch, frames[1:], count)
            self._has_begun = True
            return
        await self._submit(frames[0], max(batch.first + count - 1, self._outbox.carried_through), check_in)
        self._parted = None
        if batch.gap is None:
            self._tail_first = batch.first
            self._has_begun = not batch.is_end or count < batch.count
        self._outbox.sent(batch, count)

    def _end_run(self) -> None:
        self._has_begun = self._is_probing = self._is_ordered = False

    def _may_report(self) -> bool:
        """Not at every impatient key."""
        if not self._is_over(self._reported):
            return False
        self._reported = self._rest()
        return True

    def _rest(self) -> list:
        """A wait of REPORT_AGAIN_S from now on; by ticks, since the time of day may stand still."""
        return [self._clock.ticks_ms(), 1000 * REPORT_AGAIN_S]

    async def _submit(self, frame: bytes, through: int, check_in) -> None:
        """Burn the count, then send; LinkError where it did not go or nobody knows."""
        self._ledger.burn_sms(through)
        self._spare = [self._clock.ticks_ms(), DAY_MS]
        errors = []
        task = asyncio.create_task(_caught(self._link.send(frame), errors))
        try:
            while not task.done():
                check_in()
                await asyncio.sleep_ms(CHECK_MS)
        finally:
            if not task.done():
                task.cancel()
        if errors:
            raise errors[0]
        self.sent += 1
        self._sent_s = self._ledger.now_s()
        self._sent = self._rest()
        self._pause_ms = 0
        self._silent_ms = 0


async def _caught(work, errors: list) -> None:
    """Keep the error for whoever waits: a task that ends with one unattended would be a crash of the terminal."""
    try:
        await work
    except LinkError as error:
        errors.append(error)
