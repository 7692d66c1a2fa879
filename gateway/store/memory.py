"""A store in memory: the model that the SQLite store is tested against, and what unit tests use."""

from __future__ import annotations

from collections.abc import Container, Hashable, Sequence
from dataclasses import replace

from gateway.documents import Document
from gateway.errors import StoreContradictionError
from gateway.store.interface import (
    Changes,
    ConflictRow,
    DecisionRow,
    EvidenceRow,
    FrameRow,
    OutboxRow,
    ProvisionalRow,
    RecordRow,
    RecordState,
    RequestRow,
    ReviewRow,
    TerminalRow,
    Totals,
)
from gateway.store.totals import total
from gateway.verdicts import ChainRecord, Outcome
from protocol import records


class MemoryStore:
    """Dictionaries with the behaviour of the interface; nothing survives the process."""

    def __init__(self) -> None:
        self._terminals: dict[int, TerminalRow] = {}
        self._frames: dict[int, FrameRow] = {}
        self._records: dict[tuple[int, int], RecordRow] = {}
        self._provisional: dict[tuple[int, int], ProvisionalRow] = {}
        self._kept: dict[int, list[int]] = {}
        self._documents: dict[bytes, Document] = {}
        self._outbox: dict[int, OutboxRow] = {}
        self._requests: dict[int, RequestRow] = {}
        self._evidence: dict[int, EvidenceRow] = {}
        self._conflicts: list[ConflictRow] = []
        self._reviews: list[ReviewRow] = []
        self._decisions: dict[str, DecisionRow] = {}
        self._counters: dict[str, int] = {}
        self._numbers: dict[str, int] = {}

    def close(self) -> None:
        """Nothing to let go of."""

    def apply(self, changes: Changes) -> None:
        """Do all of it or nothing."""
        self._check(changes)
        for terminal in changes.terminals:
            self._terminals[terminal.kid] = replace(terminal)
        self._move_terminals(changes)
        for frame_id in changes.frames_arrived:
            self._frames[frame_id].is_waiting = False
        for frame_id in changes.frames_dropped:
            self._frames.pop(frame_id, None)
        for frame in changes.frames:
            self._frames[frame.frame_id] = replace(frame)
        for record in changes.records:
            self._records[record.kid, record.sequence] = replace(record)
        for kid, sequence, state, reason in changes.states:
            row = self._records[kid, sequence]
            row.state, row.reason = state, reason
        self._move_provisional(changes)
        for document in changes.documents:
            self._documents.setdefault(document.digest, document)
        self._move_outbox(changes)
        for evidence_id in changes.evidence_dropped:
            self._evidence.pop(evidence_id, None)
        for evidence in changes.evidence:
            self._evidence[evidence.evidence_id] = replace(evidence)
        self._conflicts += [replace(conflict) for conflict in changes.conflicts]
        self._reviews += [replace(review) for review in changes.reviews]
        self._decisions |= {row.key: replace(row) for row in changes.decisions}
        for name, more in changes.counters.items():
            self._counters[name] = self._counters.get(name, 0) + more
        self._numbers |= changes.values

    def _check(self, changes: Changes) -> None:
        """Refuse what the database's keys would refuse, before anything is changed."""
        identities = [(record.kid, record.sequence) for record in changes.records]
        _refuse_repeats("records", identities, self._records)
        proved = dict(changes.proved)
        held = {key for key in self._provisional if key[1] > proved.get(key[0], 0)}
        _refuse_repeats("provisional", [(row.kid, row.sequence) for row in changes.provisional], held)
        _refuse_repeats("frames", [frame.frame_id for frame in changes.frames], self._frames)
        _refuse_repeats("terminals", [terminal.kid for terminal in changes.terminals], self._terminals)
        _refuse_repeats("outbox", [row.outbox_id for row in changes.outbox], self._outbox)
        _refuse_repeats("evidence", [row.evidence_id for row in changes.evidence], self._evidence)

    def _move_terminals(self, changes: Changes) -> None:
        for kid in changes.revoked:
            self._terminals[kid].revoked = True
        for kid in changes.retired:
            self._retire(self._terminals[kid])
        for head in changes.heads:
            row = self._terminals[head.kid]
            row.sealed_through, row.chain, row.frozen_from = head.sealed_through, head.chain, head.frozen_from
            row.gaps, row.last_seen_ms, row.status_counter = head.gaps, head.last_seen_ms, head.status_counter
            row.channel = head.channel
        for kid, number in changes.telephones:
            self._terminals[kid].telephone = number
        for kid, body in changes.statuses:
            self._terminals[kid].status = body
        for kid, through in changes.booked:
            self._terminals[kid].booked_through = through
        for kid, reason in changes.stopped:
            self._terminals[kid].settlement_error = reason

    def _retire(self, row: TerminalRow) -> None:
        if row.retired_through < 0:
            row.retired_through = row.sealed_through
            held = [self._provisional[key] for key in sorted(self._provisional) if key[0] == row.kid]
            self._kept[row.kid] = [each.sequence for each in held if each.forwarded_rupiah > 0]

    def _move_provisional(self, changes: Changes) -> None:
        for kid, through in changes.proved:
            for key in [key for key in self._provisional if key[0] == kid and key[1] <= through]:
                del self._provisional[key]
        for row in changes.provisional:
            self._provisional[row.kid, row.sequence] = replace(row)
        for kid, sequence, state, reason in changes.provisional_states:
            held = self._provisional.get((kid, sequence))
            if held is not None:
                held.state, held.reason = state, reason

    def _move_outbox(self, changes: Changes) -> None:
        for outbox_id in changes.outbox_done:
            self._outbox.pop(outbox_id, None)
        for row in changes.outbox:
            self._outbox[row.outbox_id] = replace(row)
        for outbox_id, request_id in changes.outbox_assigned:
            self._outbox[outbox_id].request_id = request_id
        for request in changes.requests:
            self._requests[request.request_id] = replace(request)
        for request_id in changes.requests_done:
            self._requests.pop(request_id, None)

    def terminal(self, kid: int) -> TerminalRow | None:
        """One terminal."""
        row = self._terminals.get(kid)
        return replace(row) if row else None

    def terminals(self) -> list[TerminalRow]:
        """All terminals by kid."""
        return [replace(self._terminals[kid]) for kid in sorted(self._terminals)]

    def waiting(self, kid: int) -> list[FrameRow]:
        """Waiting frames of a terminal in the order in which they came."""
        found = [frame for frame in self._frames.values() if frame.kid == kid and frame.is_waiting]
        return [replace(frame) for frame in sorted(found, key=lambda frame: frame.frame_id)]

    def adoptions(self, kid: int) -> list[bytes]:
        """Sealed adoption records of a terminal in the order of its chain."""
        return [row.octets for row in self._of(kid) if row.kind == records.ADOPTION]

    def chain(self, kid: int, first: int, last: int) -> list[ChainRecord]:
        """Sealed records of a terminal in a range, rising; those that exist."""
        return [
            ChainRecord(r.sequence, r.octets, r.chain, r.frame_id) for r in self.records(kid, first, last)
        ]

    def records(self, kid: int, first: int, last: int) -> list[RecordRow]:
        """The same with all columns."""
        return [replace(row) for row in self._of(kid) if first <= row.sequence <= last]

    def provisional(self, kid: int, first: int, last: int) -> list[ProvisionalRow]:
        """Records of a range that are proved behind a gap, rising."""
        return [
            replace(self._provisional[key])
            for key in sorted(self._provisional)
            if key[0] == kid and first <= key[1] <= last
        ]

    def kept(self, kid: int) -> list[int]:
        """Records behind a gap that count although the terminal is retired, rising."""
        return list(self._kept.get(kid, ()))

    def recent_records(self, kid: int | None, limit: int) -> list[RecordRow]:
        """The newest sealed records, of one terminal or of all, newest first."""
        rows = list(self._records.values()) if kid is None else self._of(kid)
        return [replace(row) for row in reversed(rows)][:limit]

    def _of(self, kid: int) -> list[RecordRow]:
        return sorted(
            (row for key, row in self._records.items() if key[0] == kid), key=lambda row: row.sequence
        )

    def first_use(self, card_uses: list[bytes]) -> dict[bytes, tuple[int, int]]:
        """(kid, sequence) of the first record of each card use that was seen."""
        wanted = set(card_uses)
        found: dict[bytes, tuple[int, int]] = {}
        for key, row in self._records.items():
            if row.card_use in wanted and row.card_use is not None:
                found.setdefault(row.card_use, key)
        return found

    def frames(self, frame_ids: list[int]) -> list[FrameRow]:
        """Frames by id."""
        return [replace(self._frames[frame_id]) for frame_id in frame_ids if frame_id in self._frames]

    def document(self, digest: bytes) -> Document | None:
        """A published document by digest."""
        return self._documents.get(digest)

    def documents(self, kind: str, kid: int = 0) -> list[Document]:
        """Documents of a kind, newest first; `kid` 0: of all terminals."""
        found = [document for document in self._documents.values() if document.kind == kind]
        return [document for document in reversed(found) if kid in (0, document.kid)]

    def outbox_due(self, now_ms: int, limit: int) -> list[OutboxRow]:
        """Runs that may go into a request: due, terminal not stopped nor frozen below their end, or that was reviewed;
        oldest first.
        """
        found = []
        for outbox_id in sorted(self._outbox):
            row = self._outbox[outbox_id]
            terminal = self._terminals.get(row.kid)
            if row.request_id or row.due_ms > now_ms or terminal is None or terminal.settlement_error:
                continue
            stands = [each.through for each in self.reviews(row.kid) if each.sequence <= terminal.frozen_from]
            if (
                not terminal.frozen_from
                or row.last < terminal.frozen_from
                or row.last <= max(stands, default=0)
            ):
                found.append(replace(row))
        return found[:limit]

    def outbox_of(self, request_id: int) -> list[OutboxRow]:
        """The runs of a request."""
        found = [row for row in self._outbox.values() if row.request_id == request_id]
        return [replace(row) for row in sorted(found, key=lambda row: (row.kid, row.first))]

    def outbox_count(self) -> int:
        """Runs that settlement has not taken yet."""
        return len(self._outbox)

    def open_requests(self) -> list[RequestRow]:
        """Requests without a final answer, oldest first."""
        return [replace(self._requests[request_id]) for request_id in sorted(self._requests)]

    def evidence(self, kid: int | None, limit: int) -> list[EvidenceRow]:
        """Refused frames, newest first."""
        rows = [self._evidence[evidence_id] for evidence_id in sorted(self._evidence, reverse=True)]
        return [replace(row) for row in rows if kid is None or row.kid == kid][:limit]

    def evidence_one(self, evidence_id: int) -> EvidenceRow | None:
        """One refused frame."""
        row = self._evidence.get(evidence_id)
        return replace(row) if row else None

    def evidence_ids(self, kid: int) -> list[int]:
        """Ids of a terminal's refused frames, oldest first."""
        return sorted(row.evidence_id for row in self._evidence.values() if row.kid == kid)

    def stranger_ids(self) -> list[int]:
        """Ids of refused frames of unknown terminals, oldest first."""
        strange = (row for row in self._evidence.values() if row.outcome == Outcome.UNKNOWN_TERMINAL)
        return sorted(row.evidence_id for row in strange)

    def evidence_since(self, since_ms: int) -> int:
        """Refused frames received since then."""
        return sum(row.received_ms >= since_ms for row in self._evidence.values())

    def conflicts(self, kid: int | None) -> list[ConflictRow]:
        """Proved forks, newest first."""
        return [replace(row) for row in reversed(self._conflicts) if kid is None or row.kid == kid]

    def reviews(self, kid: int) -> list[ReviewRow]:
        """What was decided about a terminal's forks, newest first."""
        return [replace(row) for row in reversed(self._reviews) if row.kid == kid]

    def decisions(self, *, is_open: bool = False) -> list[DecisionRow]:
        """What was decided about disputed redemptions, newest first; `is_open`: what settlement has not answered, oldest
        first.
        """
        rows = sorted(self._decisions.values(), key=lambda row: row.key)
        if is_open:
            rows = [row for row in rows if not row.answered_ms]
        rows.sort(key=lambda row: row.decided_ms, reverse=not is_open)
        return [replace(row) for row in rows]

    def disputed(self, kid: int) -> list[RecordRow]:
        """Redemptions of a terminal that are disputed and not voided, rising."""
        rows = [row for row in self._records.values() if row.kid == kid]
        voided = {row.reference for row in rows if row.kind == records.VOID}
        return sorted(
            (
                replace(row)
                for row in rows
                if row.state is RecordState.DISPUTED
                and row.kind == records.REDEMPTION
                and row.sequence not in voided
            ),
            key=lambda row: row.sequence,
        )

    def counters(self) -> dict[str, int]:
        """Counts since the store was made."""
        return dict(sorted(self._counters.items()))

    def value(self, name: str, default: int = 0) -> int:
        """A single number."""
        return self._numbers.get(name, default)

    def totals(self, kid: int | None) -> Totals:
        """Sums over records."""
        rows = list(self._records.values()) if kid is None else self._of(kid)
        groups = []
        for row in rows:
            target = self._records.get((row.kid, row.reference)) if row.kind == records.VOID else None
            groups.append(
                (row.kind, row.state, target.state if target else RecordState.PENDING, 1, row.amount_rupiah)
            )
        return total(groups)

    def next_ids(self) -> tuple[int, int, int, int]:
        """The next free ids: frame, outbox, request, evidence."""
        return (
            max(self._frames, default=0) + 1,
            max(self._outbox, default=0) + 1,
            max(self._requests, default=0) + 1,
            max(self._evidence, default=0) + 1,
        )


def _refuse_repeats(what: str, new: Sequence[Hashable], held: Container[object]) -> None:
    if len(set(new)) != len(new) or any(key in held for key in new):
        raise StoreContradictionError(reason=f"{what}: not unique")
