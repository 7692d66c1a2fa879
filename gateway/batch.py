"""Turns a batch of received frames into verdicts and into the changes of one transaction."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field

from gateway import columns, ingest
from gateway.channels.channel import Channel, Received
from gateway.ingest import Opened
from gateway.opener import Answer
from gateway.openers import Asked, Openers
from gateway.quarantine import Quarantine
from gateway.store.interface import Changes, ConflictRow, FrameRow, HeadRow, OutboxRow, Reader, RecordRow
from gateway.terminals import TerminalView
from gateway.verdicts import EVIDENCE, Fault, Judgement, Outcome, SealedRun, Verdict
from gateway.verifier import SealVerifier
from gateway.waiting import WaitingFrame
from protocol import frame, status
from protocol.errors import ProtocolError
from protocol.frame import Header

_KID_DIGITS = 8
_WAITING = (Outcome.CANDIDATE, Outcome.UNKNOWN_CONTEXT)
_UNREADABLE_KID = slice(1, 5)

Views = Callable[[int], TerminalView | None]
Entry = tuple[Received, Header | None, TerminalView | None, Opened | None]
"""A frame, its header where it has one, its terminal where that is known, and what was opened."""


@dataclass(frozen=True, slots=True)
class Question:
    """Which frames of a batch helper processes are at work on; `headers` are those of all its frames."""

    places: list[int]
    headers: list[Header | None]
    asked: Asked


@dataclass(slots=True)
class Contact:
    """What the acknowledger learns from a batch about one terminal.

    `repeated_from` is the lowest sequence that was sent although it was sealed already (0: none), so the terminal has
    not heard of it. `has_strayed`: its seals fork, or it has fallen behind its own seals. `channels`: by name, those that
    it was heard on.
    """

    repeated_from: int = 0
    has_strayed: bool = False
    report: status.Status | None = None
    channels: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Result:
    """What a batch comes to."""

    changes: Changes
    contacts: dict[int, Contact] = field(default_factory=dict)
    outcomes: dict[str, int] = field(default_factory=dict)
    restored_by: int = 0
    """The kid whose report told of an acknowledgement that this database does not know."""


class BatchJudge:
    """Judges batches one after the other; the views that it is given move on with each frame."""

    def __init__(
        self,
        reader: Reader,
        views: Views,
        verifier: SealVerifier,
        quarantine: Quarantine,
        ids: tuple[int, int],
        openers: Openers | None = None,
    ) -> None:
        self._openers = openers or Openers.none()
        self._reader = reader
        self._views = views
        self._verifier = verifier
        self._quarantine = quarantine
        self._next_frame, self._next_outbox = ids
        self._heads: dict[int, tuple[int, bytes]] = {}
        self.echo_limit = (0, 0)
        """(epoch, counter) below which every acknowledgement ever sent must lie."""

    def judge(self, frames: list[Received], now_ms: int) -> Result:
        """Open all frames, verify their seals side by side, then judge them in order."""
        return self.rule(self.open(frames, self.ask(frames)), now_ms)

    def ask(self, frames: list[Received]) -> Question | None:
        """Hand the frames of known terminals to helper processes, where there are some and they are free.

        Their chains are taken to go on where the batch before ends, which is not judged yet: if it does not, they are
        followed again here.
        """
        if not self._openers.count:
            return None
        places, tasks = [], []
        seen: set[int] = set()
        headers = [_header(item.octets) for item in frames]
        for place, (item, header) in enumerate(zip(frames, headers, strict=True)):
            view = self._views(header.kid) if header else None
            if header is None or view is None or view.revoked or header.frame_class != frame.CLASS_RECORDS:
                continue
            head, value = self._heads.get(view.kid) or (view.sealed_through, view.chain)
            tasks.append((view.kid, item.octets, -1 if view.kid in seen else head, value, view.history.count))
            seen.add(view.kid)
            places.append(place)
        asked = self._openers.ask(tasks)
        return Question(places, headers, asked) if asked else None

    def open(self, frames: list[Received], question: Question | None) -> list[Entry]:
        """Decrypt and decode; expect the seals that will be asked about if nothing is out of order."""
        answers: list[Answer] = [None] * len(frames)
        headers = question.headers if question else [_header(item.octets) for item in frames]
        if question is not None:
            for place, answer in zip(question.places, self._openers.gather(question.asked), strict=True):
                answers[place] = answer
        self._heads.clear()
        entries: list[Entry] = []
        for item, header, answer in zip(frames, headers, answers, strict=True):
            view = self._views(header.kid) if header else None
            if header is None or view is None or view.revoked:
                entries.append((item, header, view, None))
                continue
            if answer is None:
                opened = ingest.open_frame(item.octets, header, view)
            else:
                opened = Opened(header, batch=ingest.batch_of(item.octets, header, answer[0]))
            opened.frame_id = self._next_frame
            self._next_frame += 1
            entries.append((item, header, view, opened))
            if opened.batch is not None:
                opened.batch.frame_id = opened.frame_id
                self._foresee(opened.batch, view, answer)
        self._verifier.gather()
        return entries

    def rule(self, entries: list[Entry], now_ms: int) -> Result:
        """Judge opened frames in order."""
        work = _Work(self, self._reader, self._quarantine, now_ms)
        for item, header, view, found in entries:
            if found is None or header is None or view is None:
                work.refuse(item, header, view)
                continue
            # A context may have come with an earlier frame of this batch.
            is_unread = found.batch is not None and found.batch.records is None
            again = ingest.open_frame(item.octets, header, view) if is_unread else found
            work.judge(item, again, view, found.frame_id, self._verifier)
        self._verifier.forget()
        return work.finish()

    def take_outbox_id(self) -> int:
        """The next free id of a run."""
        self._next_outbox += 1
        return self._next_outbox - 1

    def _foresee(self, batch: WaitingFrame, view: TerminalView, answer: Answer) -> None:
        """Follow the chain ahead, and have the seal verified ahead, where the frame follows what came before."""
        kid = view.kid
        head, value = self._heads.get(kid) or (view.sealed_through, view.chain)
        if batch.first != head + 1:
            return
        if answer is not None and answer[1] and ingest.continues(batch, value, answer[1]):
            sealed = ingest.adopt_chain(batch, answer[1])
            if answer[2]:
                self._verifier.learn(view, batch.last, sealed, batch.seal)
            self._heads[kid] = (batch.last, sealed)
            return
        foreseen = ingest.foresee(batch, value)
        if foreseen is not None:
            self._heads[kid] = (batch.last, foreseen)
            self._verifier.expect(view, batch.last, foreseen, batch.seal)


def _header(raw: bytes) -> Header | None:
    try:
        return frame.read_header(raw)
    except ProtocolError:
        return None


class _Work:
    """The changes of one batch while they grow."""

    def __init__(self, owner: BatchJudge, reader: Reader, quarantine: Quarantine, now_ms: int) -> None:
        self._owner = owner
        self._reader = reader
        self._quarantine = quarantine
        self._now_ms = now_ms
        self._result = Result(Changes())
        self._frames: dict[int, FrameRow] = {}
        self._touched: dict[int, TerminalView] = {}

    def refuse(self, item: Received, header: Header | None, view: TerminalView | None) -> None:
        """A frame of nobody we listen to."""
        outcome = Outcome.UNKNOWN_TERMINAL if view is None else Outcome.REVOKED_TERMINAL
        fault: Fault | None = None
        kid = header.kid if header else int.from_bytes(item.octets[_UNREADABLE_KID], "big")
        if header is None:
            outcome = Outcome.INVALID
            try:
                frame.read_header(item.octets)
            except ProtocolError as error:
                fault = Fault.of(error)
            # Terminals that speak a newer version are answered; strangers never.
            if fault and fault.error == "UnknownVersion" and self._owner_knows(kid):
                self._contact(kid)
        item.verdict = Verdict(0, outcome, fault)
        self._count(outcome, fault)
        self._keep_evidence(kid, outcome, fault, item)

    def _owner_knows(self, kid: int) -> bool:
        return self._reader.terminal(kid) is not None

    def judge(
        self, item: Received, opened: Opened, view: TerminalView, frame_id: int, verifier: SealVerifier
    ) -> None:
        """A frame of a known terminal."""
        kid = view.kid
        if item.sender and item.sender[-_KID_DIGITS:] != f"{kid:08x}":
            self._add("topic_mismatch", 1)
        before = view.frozen_from
        judgement = ingest.judge(
            opened, frame_id, view, lambda first, last: self._reader.chain(kid, first, last), verifier.verify
        )
        verdict = item.verdict = judgement.verdict
        self._count(verdict.outcome, verdict.fault)
        if verdict.outcome is Outcome.SEALED or verdict.outcome in _WAITING:
            self._frames[frame_id] = FrameRow(
                frame_id,
                kid,
                opened.header.first,
                opened.header.count,
                self._now_ms,
                item.channel.name if item.channel else "",
                item.octets,
                verdict.outcome is not Outcome.SEALED,
            )
        elif verdict.outcome is Outcome.CONFLICT and judgement.conflict_at and view.frozen_from != before:
            self._conflict(view, item.octets)
        elif verdict.outcome in EVIDENCE:
            self._keep_evidence(kid, verdict.outcome, verdict.fault, item)
        for run in judgement.runs:
            self._take(run, view)
        for moved in judgement.moved:
            self._move(moved, view, before)
        if opened.fault is None or opened.fault.error == "UnknownVersion":
            self._authentic(opened, judgement, view, item.channel)

    def _authentic(
        self, opened: Opened, judgement: Judgement, view: TerminalView, channel: Channel | None
    ) -> None:
        """Something that the terminal itself has sent: it is told where it stands."""
        self._touched[view.kid] = view
        contact = self._contact(view.kid)
        if channel is not None:
            view.channel = channel.name
            contact.channels.add(channel.name)
        if view.frozen_from or judgement.verdict.outcome is Outcome.BEHIND:
            contact.has_strayed = True
        if judgement.status is not None:
            contact.report = judgement.status
            self._result.changes.statuses.append((view.kid, status.encode(judgement.status)))
            echo = (judgement.status.echo_epoch, judgement.status.echo_counter)
            epoch = self._owner.echo_limit[0]
            # A mark above ours under our own epoch is told us by nobody else: counters alone would not show a backup
            # made inside a block of them.
            is_ahead = echo[0] == epoch and judgement.status.sealed_through > view.sealed_through
            if epoch and (echo >= self._owner.echo_limit or is_ahead):
                self._result.restored_by = view.kid
        elif judgement.verdict.outcome is Outcome.DUPLICATE and opened.batch is not None:
            first = opened.batch.first
            contact.repeated_from = min(contact.repeated_from or first, first)

    def _contact(self, kid: int) -> Contact:
        return self._result.contacts.setdefault(kid, Contact())

    def _take(self, run: SealedRun, view: TerminalView) -> None:
        """Rows of a sealed run."""
        changes = self._result.changes
        last = run.last
        for record in run.records:
            derived = columns.derive(record.octets)
            changes.records.append(
                RecordRow(
                    view.kid,
                    record.sequence,
                    record.frame_id,
                    record.octets,
                    record.chain,
                    run.seal if record.sequence == last else b"",
                    derived.kind,
                    derived.time_s,
                    derived.amount_rupiah,
                    derived.reference,
                    derived.card_use,
                )
            )
        known = view.history.policy()
        due_ms = self._now_ms + (1000 * known.settlement_delay_s if known else 0)
        changes.outbox.append(OutboxRow(self._owner.take_outbox_id(), view.kid, run.first, last, due_ms))
        self._add("records", len(run.records))

    def _move(self, moved: Verdict, view: TerminalView, frozen_before: int) -> None:
        """A frame that had been waiting."""
        row = self._frames.get(moved.frame_id)
        is_new = row is not None
        if row is None:
            row = self._reader.frames([moved.frame_id])[0]
        self._count(moved.outcome, moved.fault)
        if moved.outcome is Outcome.CONFLICT and view.frozen_from != frozen_before:
            self._conflict(view, row.octets)
        elif moved.outcome in EVIDENCE:
            received = Received(row.octets, "")
            self._keep_evidence(view.kid, moved.outcome, moved.fault, received, row.channel)
        # Records that are sealed may have come from this frame, even if it was of no more use in the end.
        if moved.outcome in (Outcome.SEALED, Outcome.DUPLICATE) or row.first <= view.sealed_through:
            row.is_waiting = False
            if not is_new:
                self._result.changes.frames_arrived.append(row.frame_id)
        elif is_new:
            del self._frames[row.frame_id]
        else:
            self._result.changes.frames_dropped.append(row.frame_id)

    def _conflict(self, view: TerminalView, octets: bytes) -> None:
        self._result.changes.conflicts.append(ConflictRow(view.kid, view.frozen_from, self._now_ms, octets))

    def _keep_evidence(
        self, kid: int, outcome: Outcome, fault: Fault | None, item: Received, channel: str = ""
    ) -> None:
        name = channel or (item.channel.name if item.channel else "")
        self._quarantine.keep(self._result.changes, kid, outcome, fault, self._now_ms, name, item.octets)

    def _count(self, outcome: Outcome, fault: Fault | None) -> None:
        self._result.outcomes[outcome] = self._result.outcomes.get(outcome, 0) + 1
        if fault is not None:
            self._add(f"fault_{fault.error}_{fault.field}", 1)

    def _add(self, counter: str, more: int) -> None:
        counters = self._result.changes.counters
        counters[counter] = counters.get(counter, 0) + more

    def finish(self) -> Result:
        """Rows that are known only at the end: frames, heads, card uses seen before."""
        changes = self._result.changes
        for outcome, count in self._result.outcomes.items():
            self._add(f"frames_{outcome}", count)
        changes.frames = list(self._frames.values())
        for view in self._touched.values():
            gaps = json.dumps(view.gaps()) if view.waiting else "[]"
            changes.heads.append(
                HeadRow(
                    view.kid,
                    view.sealed_through,
                    view.chain,
                    view.frozen_from,
                    gaps,
                    self._now_ms,
                    view.status_counter,
                    view.channel,
                )
            )
        self._mark_repeats()
        return self._result

    def _mark_repeats(self) -> None:
        """A card gives each transaction counter out once; a second record with it is marked as disputed."""
        rows = [row for row in self._result.changes.records if row.card_use is not None]
        seen = self._reader.first_use([row.card_use for row in rows if row.card_use is not None])
        for row in rows:
            assert row.card_use is not None
            if row.card_use in seen:
                row.repeats_card_use = True
                self._add("card_use_repeated", 1)
            else:
                seen[row.card_use] = (row.kid, row.sequence)
