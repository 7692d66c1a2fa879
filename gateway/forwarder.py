"""The forwarder thread: hands sealed runs to settlement, at least once each, and writes down what it answers.

A request is composed once and kept until it is answered, so every retry carries the same idempotency key. Retry state is
in its row and survives a restart. One request is under way at a time: segments of a terminal must arrive in order.
"""

from __future__ import annotations

import hashlib
import random
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError
from dataclasses import replace

import structlog

from gateway import settlement
from gateway.config import Settlement
from gateway.disputes import Decider
from gateway.documents import Kind
from gateway.errors import GatewayError, SettlementRefusedError, SettlementUnavailableError
from gateway.keys import KeyRing
from gateway.settlement import Segment, SegmentAnswer, SettlementClient
from gateway.store.interface import Changes, OutboxRow, Reader, RecordState, RequestRow
from gateway.writer import Writer
from protocol import policy

_LOG = structlog.get_logger("forwarder")
_COMMIT_TIMEOUT_S = 60.0
_ROWS_LOOKED_AT = 5000
_ROWS_PASSED_OVER = 100
_EVER_MS = (1 << 63) - 1
_DOUBLINGS_MAX = 16


class Forwarder:
    """`on_settled` is told kid -> lowest sequence whose state changed."""

    def __init__(
        self,
        reader: Reader,
        writer: Writer,
        ring: KeyRing,
        client: SettlementClient,
        config: Settlement,
        on_settled: Callable[[Mapping[int, int]], None],
        clock_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._ring = ring
        self._client = client
        self._config = config
        self._on_settled = on_settled
        self._clock_ms = clock_ms
        self._jitter = jitter
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="forwarder", daemon=True)
        self._decider = Decider(reader, client, config, self._commit, on_settled, clock_ms, jitter)
        self._next_request = reader.next_ids()[2]
        self.last_success_ms = 0
        self.last_error = ""

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self, timeout_s: float = 10.0) -> None:
        """End after the request under way."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        self._client.close()

    @property
    def is_alive(self) -> bool:
        """Tell whether the thread runs."""
        return self._thread.is_alive()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                has_worked = self.turn()
            except (GatewayError, CancelledError, TimeoutError) as failure:
                has_worked = False
                self.last_error = str(failure) or type(failure).__name__
                _LOG.error("cannot forward", error=self.last_error)
            if not has_worked:
                self._stopping.wait(self._config.poll_ms / 1000)

    def turn(self) -> bool:
        """Do one decision or request, an old one or a new one; tell whether there was any to do."""
        if self._decider.turn():
            return True
        now_ms = self._clock_ms()
        open_requests = [request for request in self._reader.open_requests() if not request.failed]
        if not open_requests:
            request = self._compose(now_ms)
            if request is None:
                return False
        else:
            request = open_requests[0]
            # No pause is longer than the longest: a later moment was told by a clock that stood ahead.
            if now_ms < request.next_attempt_ms <= now_ms + self._config.retry_ms_max:
                return False
        self._attempt(request)
        return True

    # Composing.

    def _compose(self, now_ms: int) -> RequestRow | None:
        """A new request from runs that are due, oldest first, without a hole in any terminal's chain."""
        rows = self._reader.outbox_due(now_ms, _ROWS_LOOKED_AT) or self._misdated(now_ms)
        due, late = self._still_due(rows)
        if late:
            self._commit(Changes(outbox_done=[row.outbox_id for row in late]))
        chosen = self._choose(due)
        if not chosen:
            return None
        segments = self._segments(chosen)
        request = RequestRow(self._next_request, settlement.idempotency_key(segments), now_ms)
        assigned = [(row.outbox_id, request.request_id) for row in chosen]
        self._commit(Changes(requests=[request], outbox_assigned=assigned))
        self._next_request += 1
        return request

    def _misdated(self, now_ms: int) -> list[OutboxRow]:
        """Runs that would be due later than any policy's delay makes them: they came while the clock stood ahead, and for
        how long they have waited nobody knows. They go now.
        """
        rows = self._reader.outbox_due(_EVER_MS, _ROWS_PASSED_OVER)
        if not rows:
            return []
        policies = [policy.decode(document.body) for document in self._reader.documents(Kind.POLICY)]
        latest_ms = now_ms + 1000 * max((known.settlement_delay_s for known in policies), default=0)
        return [row for row in rows if row.due_ms > latest_ms]

    def _still_due(self, rows: list[OutboxRow]) -> tuple[list[OutboxRow], list[OutboxRow]]:
        """(those to send, provisional ones that are sealed by now and go the ordinary way)."""
        due: list[OutboxRow] = []
        late: list[OutboxRow] = []
        for row in rows:
            terminal = self._reader.terminal(row.kid) if row.before else None
            (late if terminal and row.last <= terminal.sealed_through else due).append(row)
        return due, late

    def _choose(self, due: list[OutboxRow]) -> list[OutboxRow]:
        expected: dict[int, int] = {}
        chosen: list[OutboxRow] = []
        count = 0
        for row in due:
            if row.kid not in expected:
                terminal = self._reader.terminal(row.kid)
                expected[row.kid] = terminal.booked_through + 1 if terminal else 0
            if row.first > expected[row.kid] and not row.before:
                expected[row.kid] = self._behind_write_offs(row.kid, expected[row.kid])
                # A hole: an earlier run is not due yet or in a request that failed.
                if row.first > expected[row.kid]:
                    continue
            if chosen and count + row.last - row.first + 1 > self._config.batch_records_max:
                break
            if not row.before:
                expected[row.kid] = max(expected[row.kid], row.last + 1)
            count += row.last - row.first + 1
            chosen.append(row)
        return chosen

    def _behind_write_offs(self, kid: int, sequence: int) -> int:
        """The sequence itself, or what follows behind the write-off that begins there and took effect."""
        for given_up, _ in settlement.write_offs(self._reader, kid):
            if given_up.first == sequence and not self._reader.chain(kid, sequence, sequence):
                return given_up.last + 1
        return sequence

    def _segments(self, rows: list[OutboxRow]) -> list[Segment]:
        """Runs of one terminal that follow each other, joined: the last seal proves them all."""
        joined: list[OutboxRow] = []
        for row in sorted(rows, key=lambda row: (row.kid, bool(row.before), row.first)):
            one = joined[-1] if joined else None
            if one and one.kid == row.kid and not one.before and not row.before and row.first <= one.last + 1:
                joined[-1] = replace(one, last=max(one.last, row.last))
            else:
                joined.append(row)
        return [
            settlement.segment(self._reader, self._ring, row.kid, row.first, row.last, row.before)
            for row in joined
        ]

    # Sending.

    def _attempt(self, request: RequestRow) -> None:
        rows, late = self._still_due(self._reader.outbox_of(request.request_id))
        if late:
            self._commit(Changes(outbox_done=[row.outbox_id for row in late]))
        if not rows:
            self._commit(Changes(requests_done=[request.request_id]))
            return
        segments = self._segments(rows)
        try:
            answers = self._client.settle(segments, request.key)
            self._check_complete(segments, answers)
        except SettlementUnavailableError as failure:
            self._retry_later(request, str(failure))
        except SettlementRefusedError as failure:
            self._give_up(request, segments, str(failure))
        else:
            self._book(request, rows, segments, answers)

    def _check_complete(self, segments: list[Segment], answers: list[SegmentAnswer]) -> None:
        if [answer.kid for answer in answers] != [part.kid for part in segments]:
            raise SettlementUnavailableError(reason="its answer is about other segments")
        for part, answer in zip(segments, answers, strict=True):
            told = [record.sequence for record in answer.records]
            if not answer.error and told != [row.sequence for row in part.rows]:
                raise SettlementUnavailableError(
                    reason="its answer is about other records", kid=f"{part.kid:08x}"
                )

    def _retry_later(self, request: RequestRow, reason: str) -> None:
        ceiling_ms = min(
            self._config.retry_ms_max, self._config.retry_ms_first << min(request.attempts, _DOUBLINGS_MAX)
        )
        pause_ms = int(ceiling_ms * self._jitter())
        self.last_error = reason
        _LOG.warning("settlement unavailable", error=reason, attempts=request.attempts + 1, pause_ms=pause_ms)
        later = replace(
            request,
            attempts=request.attempts + 1,
            next_attempt_ms=self._clock_ms() + pause_ms,
            last_error=reason,
        )
        self._commit(Changes(requests=[later], counters={"settlement_retries": 1}))

    def _give_up(self, request: RequestRow, segments: list[Segment], reason: str) -> None:
        """Refused as a whole: final. The terminals in it are stopped until somebody has looked."""
        self.last_error = reason
        _LOG.critical("settlement refuses a request", error=reason, key=request.key)
        failed = replace(request, attempts=request.attempts + 1, last_error=reason, failed=True)
        self._commit(
            Changes(
                requests=[failed],
                stopped=[(part.kid, reason) for part in segments],
                counters={"settlement_refused": 1},
            )
        )

    # Booking.

    def _book(
        self,
        request: RequestRow,
        rows: list[OutboxRow],
        segments: list[Segment],
        answers: list[SegmentAnswer],
    ) -> None:
        changes = Changes(requests_done=[request.request_id])
        lowest: dict[int, int] = {}
        for part, answer in zip(segments, answers, strict=True):
            of_part = [row for row in rows if part.holds(row)]
            trouble = answer.error or _trouble(part, answer)
            if answer.error == "gap":
                self._go_back(changes, part, of_part, answer)
            elif trouble:
                self._stop(changes, part.kid, of_part, trouble)
            elif part.is_provisional:
                changes.provisional_states += [
                    (part.kid, r.sequence, r.state, r.reason) for r in answer.records
                ]
                changes.outbox_done += [row.outbox_id for row in of_part]
            else:
                changes.states += [(part.kid, r.sequence, r.state, r.reason) for r in answer.records]
                changes.booked.append((part.kid, max(part.last, part.terminal.booked_through)))
                changes.outbox_done += [row.outbox_id for row in of_part]
                lowest[part.kid] = min(lowest.get(part.kid, part.first), part.first)
        self._commit(changes)
        self.last_success_ms = self._clock_ms()
        self.last_error = ""
        _LOG.info(
            "settled", records=len(changes.states), segments=len(segments), attempts=request.attempts + 1
        )
        self._on_settled(lowest)

    def _go_back(
        self,
        changes: Changes,
        part: Segment,
        rows: list[OutboxRow],
        answer: SegmentAnswer,
    ) -> None:
        """The service's books end earlier than ours say: send from there on again."""
        expected = answer.expected_first
        if not 1 <= expected < part.first:
            self._stop(changes, part.kid, rows, f"gap with expected_first {expected} makes no sense")
            return
        _LOG.critical("settlement has lost records", kid=f"{part.kid:08x}", expected_first=expected)
        changes.counters["settlement_gaps"] = changes.counters.get("settlement_gaps", 0) + 1
        changes.booked.append((part.kid, expected - 1))
        changes.outbox_assigned += [(row.outbox_id, 0) for row in rows]
        # Negative ids stand before all others; the time makes them unique.
        outbox_id = -(self._clock_ms() * _ROWS_LOOKED_AT + len(changes.outbox))
        changes.outbox.append(OutboxRow(outbox_id, part.kid, expected, part.first - 1, 0))

    def _stop(self, changes: Changes, kid: int, rows: list[OutboxRow], reason: str) -> None:
        """Something is wrong with this terminal's evidence: nothing more of it is forwarded until it is looked at."""
        _LOG.critical("settlement stopped for a terminal", kid=f"{kid:08x}", error=reason)
        changes.stopped.append((kid, reason))
        changes.outbox_assigned += [(row.outbox_id, 0) for row in rows]
        changes.counters["settlement_stopped"] = changes.counters.get("settlement_stopped", 0) + 1

    def _commit(self, changes: Changes) -> None:
        self._writer.submit(changes).result(_COMMIT_TIMEOUT_S)


def _trouble(part: Segment, answer: SegmentAnswer) -> str:
    """What is wrong with an answer that is complete: the service must have booked what we sent."""
    for row, told in zip(part.rows, answer.records, strict=True):
        if told.digest != hashlib.sha256(row.octets).digest():
            return f"another record is booked at {row.sequence}"
        if told.state is RecordState.PENDING and not (part.is_provisional and told.is_held):
            return f"record {row.sequence}: {told.reason}"
    return ""
