"""Rows of the SQLite tables and what they are in Python: the statements of a commit, and what is read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gateway.documents import Document, Kind
from gateway.store.interface import (
    Changes,
    EvidenceRow,
    FrameRow,
    ProvisionalRow,
    RecordRow,
    RecordState,
    RequestRow,
    TerminalRow,
)
from gateway.verdicts import Fault

# What sqlite3 takes as it is. Of bytes, as of a bool or an enumerated number, it first asks whether they are to be adapted,
# and that costs as much as storing them.
Blob = bytearray


def written(changes: Changes) -> list[tuple[str, list[Any]]]:
    """(statement, rows) in the order in which they are executed."""
    c = changes
    return [
        ("add_terminal", [_columns(row) for row in c.terminals]),
        ("revoke", [(kid,) for kid in c.revoked]),
        ("keep_forwarded", [(kid,) for kid in c.retired]),
        ("retire", [(kid,) for kid in c.retired]),
        (
            "set_head",
            [
                (
                    h.sealed_through, Blob(h.chain), h.frozen_from, h.gaps, h.last_seen_ms, h.status_counter, h.channel,
                    h.kid,
                )
                for h in c.heads
            ],
        ),
        ("set_telephone", [(number, kid) for kid, number in c.telephones]),
        ("set_status", [(body, kid) for kid, body in c.statuses]),
        ("set_booked", [(through, kid) for kid, through in c.booked]),
        ("set_stopped", [(reason, kid) for kid, reason in c.stopped]),
        ("frame_arrived", [(frame_id,) for frame_id in c.frames_arrived]),
        ("drop_frame", [(frame_id,) for frame_id in c.frames_dropped]),
        (
            "add_frame",
            [
                (f.frame_id, f.kid, f.first, f.count, f.received_ms, f.channel, Blob(f.octets), int(f.is_waiting))
                for f in c.frames
            ],
        ),
        (
            "add_record",
            [
                (
                    r.kid, r.sequence, r.frame_id, Blob(r.octets), Blob(r.chain), Blob(r.seal), r.kind, r.time_s,
                    r.amount_rupiah, r.reference, r.card_use and Blob(r.card_use), int(r.repeats_card_use), int(r.state),
                    r.reason,
                )
                for r in c.records
            ],
        ),
        ("set_state", [(state, reason, kid, sequence) for kid, sequence, state, reason in c.states]),
        ("drop_provisional", c.proved),
        ("add_provisional", [_columns(row) for row in c.provisional]),
        (
            "set_provisional_state",
            [(state, reason, kid, sequence) for kid, sequence, state, reason in c.provisional_states],
        ),
        ("add_document", [_columns(document) for document in c.documents]),
        ("drop_outbox", [(outbox_id,) for outbox_id in c.outbox_done]),
        (
            "add_outbox",
            [(o.outbox_id, o.kid, o.first, o.last, o.due_ms, o.request_id, Blob(o.before)) for o in c.outbox],
        ),
        ("assign_outbox", [(request_id, outbox_id) for outbox_id, request_id in c.outbox_assigned]),
        ("put_request", [_columns(row) for row in c.requests]),
        ("drop_request", [(request_id,) for request_id in c.requests_done]),
        ("drop_evidence", [(evidence_id,) for evidence_id in c.evidence_dropped]),
        ("add_evidence", [_evidence_columns(row) for row in c.evidence]),
        ("add_conflict", [_columns(row) for row in c.conflicts]),
        ("add_review", [_columns(row) for row in c.reviews]),
        ("put_decision", [_columns(row) for row in c.decisions]),
        ("count", list(c.counters.items())),
        ("set_number", list(c.values.items())),
    ]  # fmt: skip


def _columns(row: Any) -> tuple[object, ...]:
    """The fields of a row in their order, which is that of its table."""
    return tuple(getattr(row, name) for name in row.__slots__)


def _evidence_columns(row: EvidenceRow) -> tuple[object, ...]:
    fault = row.fault
    told = (fault.error, fault.field, fault.offset, fault.reason) if fault else (None, None, None, None)
    return (row.evidence_id, row.kid, row.outcome, *told, row.received_ms, row.channel, row.octets)


def terminal(row: Sequence[Any]) -> TerminalRow:
    """A row of `terminals`."""
    values = list(row)
    values[4] = bool(values[4])
    return TerminalRow(*values)


def frame(row: Sequence[Any]) -> FrameRow:
    """A row of `frames`."""
    values = list(row)
    values[7] = bool(values[7])
    return FrameRow(*values)


def record(row: Sequence[Any]) -> RecordRow:
    """A row of `records`."""
    values = list(row)
    values[11] = bool(values[11])
    values[12] = RecordState(values[12])
    return RecordRow(*values)


def provisional(row: Sequence[Any]) -> ProvisionalRow:
    """A row of `provisional`."""
    values = list(row)
    values[9] = RecordState(values[9])
    return ProvisionalRow(*values)


def request(row: Sequence[Any]) -> RequestRow:
    """A row of `requests`."""
    values = list(row)
    values[6] = bool(values[6])
    return RequestRow(*values)


def document(row: Sequence[Any]) -> Document:
    """A row of `documents`."""
    return Document(Kind(row[0]), *row[1:])


def evidence(row: Sequence[Any]) -> EvidenceRow:
    """A row of `evidence`."""
    evidence_id, kid, outcome, error, field, offset, reason, received_ms, channel, octets = row
    fault = None if error is None else Fault(error, field, offset, reason)
    return EvidenceRow(evidence_id, kid, outcome, fault, received_ms, channel, octets)
