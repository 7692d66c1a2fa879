"""What ingest says about a frame, and what follows from it for the store."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import NamedTuple

from protocol.errors import ProtocolError
from protocol.status import Status
from protocol.write_off import WriteOff


class Outcome(enum.StrEnum):
    """How a frame ended. All of them are acknowledged to the channel once they are committed."""

    SEALED = "sealed"
    """Its records, and any before it that waited, are proved and stored."""
    CANDIDATE = "candidate"
    """Kept until a seal or the records before it arrive."""
    DUPLICATE = "duplicate"
    """Nothing in it is new."""
    SUPERSEDED = "superseded"
    """Unsealed, and other records have been sealed at its place."""
    CONFLICT = "conflict"
    """A second sealed version of a record: both are kept, the generation is frozen."""
    UNKNOWN_CONTEXT = "unknown_context"
    """From the terminal, but coded under documents that are not held; asked for in codec 0."""
    INVALID = "invalid"
    """Not what the protocol allows; kept as evidence."""
    UNKNOWN_TERMINAL = "unknown_terminal"
    """No certificate for its kid; judged again when one is registered."""
    REVOKED_TERMINAL = "revoked_terminal"
    """Its certificate was withdrawn."""
    STATUS = "status"
    """A terminal's status report."""
    BEHIND = "behind"
    """A status report whose head is below what that terminal has sealed: its flash was put back to an older image."""
    WRITTEN_OFF = "written_off"
    """Records that the authority has given up came after all: kept, never settled."""
    ASSEMBLED = "assembled"
    """A part of a frame that is whole by now, and is kept instead."""
    EVICTED = "evicted"
    """A candidate dropped for room; the terminal still has it."""


EVIDENCE = frozenset(
    {
        Outcome.INVALID,
        Outcome.UNKNOWN_TERMINAL,
        Outcome.REVOKED_TERMINAL,
        Outcome.SUPERSEDED,
        Outcome.CONFLICT,
        Outcome.BEHIND,
        Outcome.WRITTEN_OFF,
    }
)
"""Outcomes whose frames are kept as evidence instead of as records."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a frame was refused: the error's name, the field and the octet offset (-1: a value, not a place)."""

    error: str
    field: str
    offset: int
    reason: str

    @classmethod
    def of(cls, error: ProtocolError) -> Fault:
        """The fault that a protocol error tells."""
        return cls(type(error).__name__, error.field, error.offset, error.reason)

    def __str__(self) -> str:
        return f"{self.error}: {self.field} at octet {self.offset}: {self.reason}"


class ChainRecord(NamedTuple):
    """A record at its place in the chain: `chain` is the value after it, `frame_id` where it was received."""

    sequence: int
    octets: bytes
    chain: bytes
    frame_id: int


class SealedRun(NamedTuple):
    """Records that one seal proved; the seal is of the last one."""

    records: list[ChainRecord]
    seal: bytes

    @property
    def first(self) -> int:
        """Sequence of the first record."""
        return self.records[0].sequence

    @property
    def last(self) -> int:
        """Sequence of the last record."""
        return self.records[-1].sequence


class ProvisionalRun(NamedTuple):
    """Records behind a gap that a seal proves from the chain value `before` them on; the seal is of the last one."""

    before: bytes
    records: list[ChainRecord]
    seal: bytes

    @property
    def first(self) -> int:
        """Sequence of the first record."""
        return self.records[0].sequence

    @property
    def last(self) -> int:
        """Sequence of the last record."""
        return self.records[-1].sequence


@dataclass(slots=True)
class Verdict:
    """What became of one frame."""

    frame_id: int
    outcome: Outcome
    fault: Fault | None = None


@dataclass(slots=True)
class Judgement:
    """The verdict on a frame and everything that it set in motion."""

    verdict: Verdict
    runs: list[SealedRun] = field(default_factory=list)
    moved: list[Verdict] = field(default_factory=list)
    """Frames that had been waiting and do no longer."""
    has_passed: bool = False
    """The head has moved through what was provisional, or up to it."""
    provisional: list[ProvisionalRun] = field(default_factory=list)
    written_off: list[WriteOff] = field(default_factory=list)
    """What was given up for good; the head is behind it now."""
    conflict_at: int = 0
    """Sequence of a proved fork, 0 for none."""
    status: Status | None = None
    status_counter: int = 0
    whole: bytes = b""
    """The frame of which the last part has come."""
