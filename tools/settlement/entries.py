"""What the bank's books hold: a terminal's head, what was booked for a record, what proves it; and how a record is told."""

from dataclasses import dataclass
from typing import Any

SETTLED = "settled"
REFUSED = "refused"
DISPUTED = "disputed"
RECORDED = "recorded"
HELD = "held"
"""Nothing is decided, and nothing booked: the record lies behind a gap."""


@dataclass(frozen=True)
class Terminal:
    """How far a terminal's chain is booked, and under what; `frozen_from` 0: not frozen."""

    kid: int
    certificate: bytes
    commitment: bytes
    sequence: int
    chain: bytes
    policy: bytes
    frozen_from: int = 0


@dataclass(frozen=True)
class Booking:
    """What was booked for one record; `reference`: the redemption that a void or receipt names, `voided_by`: its void."""

    sequence: int
    kind: int
    record: bytes
    digest: bytes
    chain: bytes
    outcome: str
    reason: str | None
    amount_rupiah: int
    reference: int = 0
    voided_by: int = 0


@dataclass(frozen=True)
class Evidence:
    """What came with booked records, or with others under the same identities (`conflicts`): kept for a reviewer."""

    kid: int
    first: int
    last: int
    seal: bytes
    idempotency_key: str
    numbers: str
    conflicts: bool
    records: bytes = b""


def answer_of(booking: Booking) -> dict[str, Any]:
    """One booked record as the contract has it."""
    return {
        "sequence": booking.sequence,
        "digest": booking.digest.hex(),
        "outcome": booking.outcome,
        "reason": booking.reason,
        "amount_rupiah": booking.amount_rupiah,
    }
