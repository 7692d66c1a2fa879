"""The changes of one batch while they grow: what verdicts mean for frames, records, outbox, evidence and heads."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field

from gateway import columns, ingest
from gateway.channels.channel import Channel, Received
from gateway.opening import Opened
from gateway.quarantine import Quarantine
from gateway.store.interface import (
    Changes,
    ConflictRow,
    FrameRow,
    HeadRow,
    OutboxRow,
    ProvisionalRow,
    Reader,
    RecordRow,
    RecordState,
)
from gateway.terminals import TerminalView
from gateway.verdicts import EVIDENCE, Fault, Judgement, Outcome, ProvisionalRun, SealedRun, Verdict
from gateway.verifier import SealVerifier
from protocol import frame, records, status
from protocol.errors import ProtocolError
from protocol.frame import Header

_KID_DIGITS = 8
_WAITING = (Outcome.CANDIDATE, Outcome.UNKNOWN_CONTEXT)
_UNREADABLE_KID = slice(1, 5)
# A stranger's kid is only what he claims: a bound per kid would be none.
_NOBODY = 0
_LATE = "came after its leases had gone to another terminal"


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


class BatchChanges:
    """The changes of one batch while they grow."""

    def __init__(
        self,
        reader: Reader,
        quarantine: Quarantine,
        now_ms: int,
        take_outbox_id: Callable[[], int],
        echo_limit: tuple[int, int],
    ) -> None:
        self._take_outbox_id = take_outbox_id
        self._echo_limit = echo_limit
        self._reader = reader
        self._quarantine = quarantine
        self._now_ms = now_ms
        self._result = Result(Changes())
        self._frames: dict[int, FrameRow] = {}
        self._touched: dict[int, TerminalView] = {}

    def refuse(self, item: Received, header: Header | None, view: TerminalView | None) -> None:
        """A frame of nobody we listen to."""
        outcome = Outcome.UNKNOWN_TERMINAL if view is None else Outcome.REVOKED_TERMINAL
        if view is not None:
            self._contact(view.kid)  # it is told so
        fault: Fault | None = None
        kid = header.kid if header else int.from_bytes(item.octets[_UNREADABLE_KID], "big")
        if header is None:
            outcome = Outcome.INVALID
            try:
                frame.read_header(item.octets)
            except ProtocolError as error:
                fault = Fault.of(error)
            # Terminals that speak a newer version are answered; strangers never.
            if not self._knows(kid):
                kid = _NOBODY
            elif fault and fault.error == "UnknownVersion":
                self._contact(kid)
        item.verdict = Verdict(0, outcome, fault)
        self._count(outcome, fault)
        self._keep_evidence(kid, outcome, fault, item)

    def _knows(self, kid: int) -> bool:
        return self._reader.terminal(kid) is not None

    def judge(
        self, item: Received, opened: Opened, view: TerminalView, frame_id: int, verifier: SealVerifier
    ) -> bytes:
        """A frame of a known terminal; gives the frame of which this was the last part."""
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
            first, count = opened.range
            self._frames[frame_id] = FrameRow(
                frame_id,
                kid,
                first,
                count,
                self._now_ms,
                item.channel.name if item.channel else "",
                item.octets,
                verdict.outcome is not Outcome.SEALED,
            )
        elif verdict.outcome is Outcome.CONFLICT and judgement.conflict_at and view.frozen_from != before:
            self._conflict(view, item.octets)
        elif verdict.outcome in EVIDENCE:
            self._keep_evidence(kid, verdict.outcome, verdict.fault, item)
        self._consequences(judgement, view, before)
        if opened.fault is None or opened.fault.error == "UnknownVersion":
            self._authentic(opened, judgement, view, item.channel)
        return judgement.whole

    def reconsider(self, view: TerminalView, verifier: SealVerifier) -> None:
        """Something has been published for a terminal."""
        before = view.frozen_from
        judgement = ingest.reconsider(
            view, lambda first, last: self._reader.chain(view.kid, first, last), verifier.verify
        )
        self._consequences(judgement, view, before)
        self._touched[view.kid] = view
        self._contact(view.kid)

    def _consequences(self, judgement: Judgement, view: TerminalView, frozen_before: int) -> None:
        """What a judgement has set in motion."""
        for run in judgement.runs:
            self._take(run, view)
        for island in judgement.provisional:
            self._take_provisional(island, view)
        if judgement.has_passed:
            changes = self._result.changes
            changes.proved.append((view.kid, view.sealed_through))
            changes.provisional = [
                row
                for row in changes.provisional
                if row.kid != view.kid or row.sequence > view.sealed_through
            ]
        for moved in judgement.moved:
            self._move(moved, view, frozen_before)
        for given_up in judgement.written_off:
            self._add("records_written_off", given_up.last - given_up.first + 1)

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
            epoch = self._echo_limit[0]
            # A mark above ours under our own epoch is told us by nobody else: counters alone would not show a backup
            # made inside a block of them.
            is_ahead = echo[0] == epoch and judgement.status.sealed_through > view.sealed_through
            if epoch and (echo >= self._echo_limit or is_ahead):
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
            is_late = derived.kind == records.REDEMPTION and view.is_late(record.sequence)
            if is_late:
                self._add("records_late", 1)
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
                    state=RecordState.DISPUTED if is_late else RecordState.PENDING,
                    reason=_LATE if is_late else "",
                )
            )
        self._forward(view, run.first, last)
        self._add("records", len(run.records))

    def _take_provisional(self, run: ProvisionalRun, view: TerminalView) -> None:
        """Rows of a run behind a gap; it is forwarded while what was forwarded before leaves room under the cap."""
        known = view.history.policy()
        cap_rupiah = known.channels.provisional_cap_rupiah if known else 0
        is_forwarded = view.islands.rupiah < cap_rupiah and not view.is_retired
        before = run.before
        for record in run.records:
            derived = columns.derive(record.octets)
            rupiah = derived.amount_rupiah if is_forwarded and derived.kind == records.REDEMPTION else 0
            view.islands.proved[record.sequence] = rupiah
            self._result.changes.provisional.append(
                ProvisionalRow(
                    view.kid,
                    record.sequence,
                    record.frame_id,
                    record.octets,
                    before,
                    record.chain,
                    run.seal if record.sequence == run.last else b"",
                    derived.card_use,
                    rupiah,
                )
            )
            before = record.chain
        if is_forwarded:
            self._forward(view, run.first, run.last, run.before)
        self._add("records_provisional", len(run.records))

    def _forward(self, view: TerminalView, first: int, last: int, before: bytes = b"") -> None:
        """Put a run on its way to settlement; `before` is the chain value before a provisional one."""
        known = view.history.policy()
        due_ms = self._now_ms + (1000 * known.settlement_delay_s if known else 0)
        self._result.changes.outbox.append(
            OutboxRow(self._take_outbox_id(), view.kid, first, last, due_ms, before=before)
        )

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
        if moved.outcome in (Outcome.SEALED, Outcome.DUPLICATE) or 0 < row.first <= view.sealed_through:
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
