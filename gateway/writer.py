"""The writer: the one thread that changes the database. Frames in batches, one commit each, and only then the receipts."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial

import structlog

from gateway import loader
from gateway.batch import BatchJudge, Question
from gateway.batch_changes import Contact, Result
from gateway.channels.channel import Channel, Receipt, Received
from gateway.config import Ingest
from gateway.contexts import Library
from gateway.documents import Kind
from gateway.errors import StoreContradictionError, StoreError
from gateway.inbox import Inbox
from gateway.keys import KeyRing
from gateway.openers import Openers
from gateway.quarantine import Quarantine
from gateway.store.interface import Changes, Store
from gateway.terminals import TerminalView
from gateway.verdicts import Fault, Outcome, Verdict
from gateway.verifier import SealVerifier

_LOG = structlog.get_logger("writer")
_IDLE_S = 0.5
_STORE_PAUSE_S = 1.0

DOWN_RESERVED = "down_reserved"
"""Number in the store: every down counter ever used is below it."""
RESTORED = "restored"
"""Number in the store: 1 while acknowledging is stopped because this database is older than what terminals heard."""


@dataclass(slots=True)
class Submission:
    """Changes that another thread wants written; `forget` names terminals to be read anew, None means all."""

    changes: Changes
    forget: list[int] | None = field(default_factory=list)
    done: Future[None] = field(default_factory=Future)


@dataclass(slots=True)
class _Load:
    """One turn of the writer: frames, and changes to write behind them."""

    frames: list[Received]
    submissions: list[Submission]
    question: Question | None = None


class Writer:
    """`on_batch` is told about the terminals of each committed batch."""

    def __init__(
        self,
        store: Store,
        ring: KeyRing,
        config: Ingest,
        on_batch: Callable[[dict[int, Contact]], None],
        clock_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        monotonic: Callable[[], float] = time.monotonic,
        openers: Openers | None = None,
    ) -> None:
        self._openers = openers or Openers.none()
        self._store = store
        self._ring = ring
        self._config = config
        self._on_batch = on_batch
        self._clock_ms = clock_ms
        self._monotonic = monotonic
        self._inbox: Inbox[Received | Submission] = Inbox(config.queue_frames_max)
        self._library = Library(store.document, config.contexts_cached_max)
        self._views: OrderedDict[int, TerminalView] = OrderedDict()
        self._verifier = SealVerifier(config.verify_threads)
        frame_id, outbox_id, _, evidence_id = store.next_ids()
        self._quarantine = Quarantine(store, config, evidence_id)
        self._judge = BatchJudge(
            store, self._view, self._verifier, self._quarantine, (frame_id, outbox_id), self._openers
        )
        self._read_echo_limit()
        self._ahead: _Load | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
        self.progress_s = monotonic()
        """When the writer last got round; the watchdog is fed only while this moves."""
        self.last_error = ""
        self.batches = 0

    # What other threads call.

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self, timeout_s: float = 30.0) -> None:
        """Finish the batch at hand and end; what is still queued was not acknowledged and comes again."""
        self._stopping.set()
        for item in self._inbox.close():
            if isinstance(item, Submission):
                item.done.cancel()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        self._verifier.close()
        self._openers.close()

    @property
    def is_alive(self) -> bool:
        """Tell whether the thread runs."""
        return self._thread.is_alive()

    @property
    def queued(self) -> int:
        """Frames that wait."""
        return len(self._inbox)

    def deliver(self, *received: Received) -> None:
        """Take frames; blocks while there is no room."""
        self._inbox.put(received)

    def submit(self, changes: Changes, forget: Sequence[int] | None = ()) -> Future[None]:
        """Have changes written in a transaction of their own; the future ends when they are durable."""
        submission = Submission(changes, None if forget is None else list(forget))
        if not self._inbox.put([submission]):
            submission.done.cancel()
        return submission.done

    # The thread.

    def _run(self) -> None:
        while not self._stopping.is_set():
            self.progress_s = self._monotonic()
            load = self._ahead or self._take(_IDLE_S)
            self._ahead = None
            if load.frames:
                self._until_stored(partial(self._work_off, load))
            for submission in load.submissions:
                self._until_stored(partial(self._write, submission))
                submission.done.cancel()  # without effect but where the writer was stopped before it was stored
        for submission in self._ahead.submissions if self._ahead else ():
            submission.done.cancel()

    def _take(self, wait_s: float) -> _Load:
        """What is there, up to the bound of a batch: under light load that is one frame, and it does not wait."""
        items = self._inbox.take(self._config.batch_frames_max, wait_s)
        frames = [item for item in items if isinstance(item, Received)]
        return _Load(frames, [item for item in items if isinstance(item, Submission)])

    def _look_ahead(self) -> None:
        """Let helper processes begin with the next batch while this one is judged and written."""
        if self._openers.count and self._ahead is None:
            load = self._take(0)
            if load.frames or load.submissions:
                load.question = self._judge.ask(load.frames)
                self._ahead = load

    def _until_stored(self, work: Callable[[], None]) -> None:
        """Disk full is a state, not an end: keep trying, acknowledge nothing, say so."""
        while True:
            try:
                work()
            except StoreError as failure:
                self.last_error = str(failure)
                self._start_over()
                _LOG.error("store refuses to write", error=str(failure))
                if self._stopping.wait(_STORE_PAUSE_S):
                    return
            else:
                self.last_error = ""
                return

    def _work_off(self, load: _Load) -> None:
        """Judge and commit a batch; if it fails for a reason of its own, one by one: a bad frame stops no other."""
        frames = load.frames
        try:
            self._commit(load)
        except Exception as failure:
            if isinstance(failure, StoreError) and not isinstance(failure, StoreContradictionError):
                raise
            self._start_over()
            _LOG.exception("batch failed", frames=len(frames))
            if len(frames) > 1:
                for item in frames:
                    self._work_off(_Load([item], []))
            else:
                self._condemn(frames[0], failure)

    def _commit(self, load: _Load) -> None:
        started_s = self._monotonic()
        frames = load.frames
        question, load.question = load.question or self._judge.ask(frames), None
        entries = self._judge.open(frames, question)
        self._look_ahead()
        result = self._judge.rule(entries, self._clock_ms())
        if result.restored_by:
            result.changes.values[RESTORED] = 1
        self._store.apply(result.changes)
        self._committed(frames, result)
        _LOG.info(
            "batch",
            frames=len(frames),
            records=len(result.changes.records),
            ms=round(1000 * (self._monotonic() - started_s), 1),
            queued=len(self._inbox),
            **result.outcomes,
        )

    def _committed(self, frames: list[Received], result: Result) -> None:
        """Durable: views forget what they held back, channels get their receipts, terminals their answers."""
        self.batches += 1
        for kid in result.contacts:
            if kid in self._views:
                self._views[kid].recent.clear()
        while len(self._views) > self._config.terminals_cached_max:
            self._views.popitem(last=False)
        receipts: dict[int, tuple[Channel, list[Receipt]]] = {}
        for item in frames:
            if item.channel is not None:
                receipts.setdefault(id(item.channel), (item.channel, []))[1].append(item.receipt)
        for channel, given in receipts.values():
            channel.acknowledge(given)
        if result.restored_by:
            _LOG.critical("this database is older than what terminals heard", kid=f"{result.restored_by:08x}")
        self._on_batch(result.contacts)

    def _condemn(self, item: Received, failure: Exception) -> None:
        """A frame that makes the gateway itself fail is evidence, and is acknowledged like any other."""
        fault = Fault(type(failure).__name__, "frame", 0, "the gateway failed on it")
        item.verdict = Verdict(0, Outcome.INVALID, fault)
        kid = int.from_bytes(item.octets[1:5], "big")
        changes = Changes(counters={"frames_invalid": 1, "frames_condemned": 1})
        name = item.channel.name if item.channel else ""
        self._quarantine.keep(changes, kid, Outcome.INVALID, fault, self._clock_ms(), name, item.octets)
        self._store.apply(changes)
        self._committed([item], Result(changes))

    def _write(self, submission: Submission) -> None:
        try:
            self._store.apply(submission.changes)
        except StoreContradictionError as failure:
            submission.done.set_exception(failure)
            return
        if submission.forget is None:
            self._start_over()
        else:
            for kid in submission.forget:
                self._views.pop(kid, None)
            if submission.forget:
                self._openers.forget()
        if submission.changes.values or submission.changes.documents:
            self._read_echo_limit()
        for document in submission.changes.documents:
            if document.kind is Kind.WRITE_OFF:
                self._close_gap(document.kid)
        submission.done.set_result(None)

    def _close_gap(self, kid: int) -> None:
        """A write-off has come: no frame may ever come again that would bring it to notice."""
        result = self._judge.reconsider(kid, self._clock_ms())
        self._store.apply(result.changes)
        self._committed([], result)

    def _view(self, kid: int) -> TerminalView | None:
        view = self._views.get(kid)
        if view is None:
            view = loader.load(self._store, self._library, self._ring, kid, self._config.waiting_frames_max)
            if view is not None:
                self._views[kid] = view
        else:
            self._views.move_to_end(kid)
        return view

    def _start_over(self) -> None:
        """Forget everything that is held in memory; the store is the truth."""
        self._views.clear()
        self._library.forget()
        self._openers.forget()
        self._quarantine.forget()

    def _read_echo_limit(self) -> None:
        epochs = self._store.documents(Kind.EPOCH)
        epoch = max((document.number for document in epochs), default=0)
        self._judge.echo_limit = (epoch, self._store.value(DOWN_RESERVED))
