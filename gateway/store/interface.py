"""What the gateway asks of a store, and the rows that pass between them.

Everything is written by `apply`: one `Changes`, one transaction, durable when it returns. Reads see what was applied.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Protocol

from gateway.documents import Document
from gateway.verdicts import ChainRecord, Fault


class RecordState(enum.IntEnum):
    """What settlement has said about a sealed record."""

    PENDING = 0
    SETTLED = 1
    REFUSED = 2
    DISPUTED = 3
    RECORDED = 4
    """Booked, carries no money."""


@dataclass(slots=True)
class TerminalRow:
    """One terminal generation.

    `certificate` is body and signature; `gaps` JSON of [first, count, literal]; `booked_through` is what settlement has
    taken; a `settlement_error` stops forwarding; `status` is the body of its last report; `telephone` is the number of its
    SIM ("" for none), `channel` the one that its newest frame came by ("" for none); `retired_through` is the last record
    that counts of a generation that was retired, else -1.
    """

    kid: int
    certificate: bytes
    gateway_key_id: int
    registered_ms: int
    revoked: bool = False
    sealed_through: int = 0
    chain: bytes = b""
    booked_through: int = 0
    frozen_from: int = 0
    gaps: str = "[]"
    settlement_error: str = ""
    last_seen_ms: int = 0
    status_counter: int = -1
    status: bytes = b""
    telephone: str = ""
    channel: str = ""
    retired_through: int = -1


@dataclass(slots=True)
class HeadRow:
    """What ingest changes in a terminal."""

    kid: int
    sealed_through: int
    chain: bytes
    frozen_from: int
    gaps: str
    last_seen_ms: int
    status_counter: int
    channel: str = ""


@dataclass(slots=True)
class FrameRow:
    """A frame exactly as received; `is_waiting` while its records are not sealed."""

    frame_id: int
    kid: int
    first: int
    count: int
    received_ms: int
    channel: str
    octets: bytes
    is_waiting: bool


@dataclass(slots=True)
class RecordRow:
    """A sealed record with its derived columns; `seal` is b"" but for the last one of a run.

    `repeats_card_use` marks a card proof whose (card key, application, ATC) had been seen before.
    """

    kid: int
    sequence: int
    frame_id: int
    octets: bytes
    chain: bytes
    seal: bytes
    kind: int
    time_s: int
    amount_rupiah: int
    reference: int
    card_use: bytes | None
    repeats_card_use: bool = False
    state: RecordState = RecordState.PENDING
    reason: str = ""


@dataclass(slots=True)
class ProvisionalRow:
    """A record that is proved behind a gap: `before` is the chain value before it, `seal` b"" but for the last of a run.

    `forwarded_rupiah` is what of it was handed to settlement; `state` what settlement has said.
    """

    kid: int
    sequence: int
    frame_id: int
    octets: bytes
    before: bytes
    chain: bytes
    seal: bytes
    card_use: bytes | None
    forwarded_rupiah: int = 0
    state: RecordState = RecordState.PENDING
    reason: str = ""


@dataclass(slots=True)
class OutboxRow:
    """A run on its way to settlement; `request_id` 0 until it is part of a request.

    `before` is b"" for a sealed run, else the chain value before a provisional one.
    """

    outbox_id: int
    kid: int
    first: int
    last: int
    due_ms: int
    request_id: int = 0
    before: bytes = b""


@dataclass(slots=True)
class RequestRow:
    """One settlement request, composed once so that every retry carries the same idempotency key."""

    request_id: int
    key: str
    created_ms: int
    attempts: int = 0
    next_attempt_ms: int = 0
    last_error: str = ""
    failed: bool = False


@dataclass(slots=True)
class EvidenceRow:
    """A refused frame; `kid` is what it claims, 0 where not even that can be read."""

    evidence_id: int
    kid: int
    outcome: str
    fault: Fault | None
    received_ms: int
    channel: str
    octets: bytes


@dataclass(slots=True)
class ConflictRow:
    """A proved fork: the frame that holds the second sealed version from `sequence` on."""

    kid: int
    sequence: int
    received_ms: int
    octets: bytes


@dataclass(slots=True)
class ReviewRow:
    """A person's decision about a fork from `sequence` on: what is sealed here up to `through` stands, and may settle."""

    kid: int
    sequence: int
    through: int
    reviewed_ms: int
    reason: str


@dataclass(slots=True)
class DecisionRow:
    """A person's decision on the disputed redemptions from `first` to `last`: "pay" or "refuse", by whom and why.

    `key` names it for settlement; `takeover` is the digest of the one whose exposure pays (b"" for none). `answered_ms` is 0
    until settlement has answered; the rest is retry state, as of a request.
    """

    key: str
    kid: int
    first: int
    last: int
    verdict: str
    reviewer: str
    reason: str
    decided_ms: int
    takeover: bytes = b""
    attempts: int = 0
    next_attempt_ms: int = 0
    last_error: str = ""
    answered_ms: int = 0


@dataclass(slots=True)
class Changes:
    """Everything that one transaction does."""

    terminals: list[TerminalRow] = field(default_factory=list)
    """Newly registered terminals."""
    revoked: list[int] = field(default_factory=list)
    retired: list[int] = field(default_factory=list)
    """Of these nothing counts any more but what is sealed now, or was on its way to settlement from behind a gap."""
    heads: list[HeadRow] = field(default_factory=list)
    statuses: list[tuple[int, bytes]] = field(default_factory=list)
    """(kid, body of its report)."""
    telephones: list[tuple[int, str]] = field(default_factory=list)
    """(kid, number that it is reached at, "" for none)."""
    booked: list[tuple[int, int]] = field(default_factory=list)
    """(kid, sequence through which settlement has the evidence)."""
    stopped: list[tuple[int, str]] = field(default_factory=list)
    """(kid, why nothing more is forwarded)."""
    frames: list[FrameRow] = field(default_factory=list)
    frames_arrived: list[int] = field(default_factory=list)
    """Waiting frames whose records are sealed now."""
    frames_dropped: list[int] = field(default_factory=list)
    records: list[RecordRow] = field(default_factory=list)
    provisional: list[ProvisionalRow] = field(default_factory=list)
    provisional_states: list[tuple[int, int, RecordState, str]] = field(default_factory=list)
    """(kid, sequence, state, reason); what is not provisional any more is left alone."""
    proved: list[tuple[int, int]] = field(default_factory=list)
    """(kid, sequence up to which nothing is provisional any more)."""
    documents: list[Document] = field(default_factory=list)
    outbox: list[OutboxRow] = field(default_factory=list)
    outbox_assigned: list[tuple[int, int]] = field(default_factory=list)
    """(outbox id, request id)."""
    outbox_done: list[int] = field(default_factory=list)
    requests: list[RequestRow] = field(default_factory=list)
    """New or changed requests; whole rows."""
    requests_done: list[int] = field(default_factory=list)
    states: list[tuple[int, int, RecordState, str]] = field(default_factory=list)
    """(kid, sequence, state, reason)."""
    evidence: list[EvidenceRow] = field(default_factory=list)
    evidence_dropped: list[int] = field(default_factory=list)
    conflicts: list[ConflictRow] = field(default_factory=list)
    reviews: list[ReviewRow] = field(default_factory=list)
    decisions: list[DecisionRow] = field(default_factory=list)
    """New or changed ones; whole rows."""
    counters: dict[str, int] = field(default_factory=dict)
    """What to add to each counter."""
    values: dict[str, int] = field(default_factory=dict)
    """Single numbers by name; overwritten."""


@dataclass(frozen=True, slots=True)
class Totals:
    """Records of one terminal, or of all, by state.

    Money is redemptions minus those voided: redeemed minus voided is the sum of the four.
    """

    records: int
    settled_rupiah: int
    refused_rupiah: int
    disputed_rupiah: int
    pending_rupiah: int


class Reader(Protocol):
    """What can be asked."""

    def terminal(self, kid: int) -> TerminalRow | None:
        """One terminal."""

    def terminals(self) -> list[TerminalRow]:
        """All terminals by kid."""

    def waiting(self, kid: int) -> list[FrameRow]:
        """Waiting frames of a terminal in the order in which they came."""

    def adoptions(self, kid: int) -> list[bytes]:
        """Sealed adoption records of a terminal in the order of its chain."""

    def chain(self, kid: int, first: int, last: int) -> list[ChainRecord]:
        """Sealed records of a terminal in a range, rising; those that exist."""

    def records(self, kid: int, first: int, last: int) -> list[RecordRow]:
        """The same with all columns."""

    def provisional(self, kid: int, first: int, last: int) -> list[ProvisionalRow]:
        """Records of a range that are proved behind a gap, rising."""

    def kept(self, kid: int) -> list[int]:
        """Records behind a gap that count although the terminal is retired, rising."""

    def recent_records(self, kid: int | None, limit: int) -> list[RecordRow]:
        """The newest sealed records, of one terminal or of all, newest first."""

    def first_use(self, card_uses: list[bytes]) -> dict[bytes, tuple[int, int]]:
        """(kid, sequence) of the first record of each card use that was seen."""

    def frames(self, frame_ids: list[int]) -> list[FrameRow]:
        """Frames by id."""

    def document(self, digest: bytes) -> Document | None:
        """A published document by digest."""

    def documents(self, kind: str, kid: int = 0) -> list[Document]:
        """Documents of a kind, newest first; `kid` 0: of all terminals."""

    def outbox_due(self, now_ms: int, limit: int) -> list[OutboxRow]:
        """Runs that may go into a request: due, terminal not stopped nor frozen below their end, or that was reviewed;
        oldest first.
        """

    def outbox_of(self, request_id: int) -> list[OutboxRow]:
        """The runs of a request."""

    def outbox_count(self) -> int:
        """Runs that settlement has not taken yet."""

    def open_requests(self) -> list[RequestRow]:
        """Requests without a final answer, oldest first."""

    def evidence(self, kid: int | None, limit: int) -> list[EvidenceRow]:
        """Refused frames, newest first."""

    def evidence_one(self, evidence_id: int) -> EvidenceRow | None:
        """One refused frame."""

    def evidence_ids(self, kid: int) -> list[int]:
        """Ids of a terminal's refused frames, oldest first."""

    def stranger_ids(self) -> list[int]:
        """Ids of refused frames of unknown terminals, oldest first."""

    def evidence_since(self, since_ms: int) -> int:
        """Refused frames received since then."""

    def conflicts(self, kid: int | None) -> list[ConflictRow]:
        """Proved forks, newest first."""

    def reviews(self, kid: int) -> list[ReviewRow]:
        """What was decided about a terminal's forks, newest first."""

    def decisions(self, *, is_open: bool = False) -> list[DecisionRow]:
        """What was decided about disputed redemptions, newest first; `is_open`: what settlement has not answered, oldest
        first.
        """

    def disputed(self, kid: int) -> list[RecordRow]:
        """Redemptions of a terminal that are disputed and not voided, rising."""

    def counters(self) -> dict[str, int]:
        """Counts since the database was made."""

    def value(self, name: str, default: int = 0) -> int:
        """A single number."""

    def totals(self, kid: int | None) -> Totals:
        """Sums over records."""

    def next_ids(self) -> tuple[int, int, int, int]:
        """The next free ids: frame, outbox, request, evidence."""

    def close(self) -> None:
        """Let go of the database."""


class Store(Reader, Protocol):
    """A reader that may also write; exactly one exists per database."""

    def apply(self, changes: Changes) -> None:
        """Do all of it or nothing; returns when it is durable. Raises `StoreError`."""
