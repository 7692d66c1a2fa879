"""What `status`, `records` and `evidence` say, as plain values; the command line turns them into tables or JSON."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gateway import events
from gateway.config import HEALTH_FILE
from gateway.decode import record_values
from gateway.documents import Kind
from gateway.store.interface import (
    ConflictRow,
    DecisionRow,
    EvidenceRow,
    Reader,
    RecordRow,
    RecordState,
    TerminalRow,
)
from gateway.store.lock import WriterLock
from gateway.store.sqlite import LOCK_NAME
from gateway.writer import RESTORED
from protocol import records, status, takeover
from protocol.errors import ProtocolError

_HEALTH_OLD_MS = 10_000


def overview(reader: Reader, data: Path) -> dict[str, Any]:
    """Everything about the gateway at a glance."""
    return {
        "health": health(data),
        "restored": bool(reader.value(RESTORED)),
        "totals": asdict(reader.totals(None)),
        "outbox_runs": reader.outbox_count(),
        "requests": [asdict(request) for request in reader.open_requests()],
        "terminals": [_terminal(reader, row) for row in reader.terminals()],
        "conflicts": [conflict(reader, row) for row in reader.conflicts(None)],
        "decisions": [decision(row) for row in reader.decisions(is_open=True)],
        "counters": reader.counters(),
    }


def decision(row: DecisionRow) -> dict[str, Any]:
    """One decision about disputed redemptions."""
    return asdict(row) | {"kid": f"{row.kid:08x}", "takeover": row.takeover.hex()}


def conflict(reader: Reader, row: ConflictRow) -> dict[str, Any]:
    """One fork, and whether somebody has decided about it."""
    return {
        "kid": f"{row.kid:08x}",
        "sequence": row.sequence,
        "received_ms": row.received_ms,
        "reviewed": any(review.sequence <= row.sequence for review in reader.reviews(row.kid)),
    }


def health(data: Path) -> dict[str, Any]:
    """What the running daemon last said about itself; `running` is whether there is one."""
    try:
        told: dict[str, Any] = json.loads((data / HEALTH_FILE).read_text("utf-8"))
    except (OSError, ValueError):
        told = {}
    told["running"] = bool(told.get("running")) and WriterLock.is_held(data / LOCK_NAME)
    told["stale"] = time.time_ns() // 1_000_000 - told.get("time_ms", 0) > _HEALTH_OLD_MS
    return told


def _terminal(reader: Reader, row: TerminalRow) -> dict[str, Any]:
    told = standing(row) | {
        "frozen_from": row.frozen_from,
        "retired_through": row.retired_through,
        "taken_over_by": _successors(reader, row.kid),
        "waiting_frames": len(reader.waiting(row.kid)),
        "settlement_error": row.settlement_error,
        "last_seen_ms": row.last_seen_ms,
        "channel": row.channel,
        "reached_by_sms": bool(row.telephone),
        "report": None,
        "behind_gaps": _behind_gaps(reader, row.kid),
        "totals": asdict(reader.totals(row.kid)),
    }
    try:
        told["report"] = vars(status.decode(row.status)) if row.status else None
    except ProtocolError:
        told["report"] = None
    return told


def _successors(reader: Reader, kid: int) -> list[dict[str, Any]]:
    """Who has a retired terminal's leases now, and what the authority reckoned may have been spent of them unseen."""
    decided = [takeover.decode_takeover(document.body) for document in reader.documents(Kind.TAKEOVER, kid)]
    return [
        {"kid": f"{each.new:08x}", "exposure_rupiah": each.exposure_rupiah, "issued_s": each.issued_s}
        for each in decided
    ]


def _behind_gaps(reader: Reader, kid: int) -> list[dict[str, Any]]:
    """Runs that are proved behind a gap; `chain_before` is what a write-off of the gap names."""
    runs: list[dict[str, Any]] = []
    for row in reader.provisional(kid, 1, records.SEQUENCE_MAX):
        if not runs or runs[-1]["last"] != row.sequence - 1:
            runs.append(
                {"first": row.sequence, "last": row.sequence, "chain_before": row.before.hex(), "settled": 0}
            )
        runs[-1]["last"] = row.sequence
        runs[-1]["settled"] += row.state is RecordState.SETTLED
    return runs


def standing(row: TerminalRow) -> dict[str, Any]:
    """How far a terminal's records are here, and what is missing before those that wait."""
    return {
        "kid": f"{row.kid:08x}",
        "state": _state(row),
        "sealed_through": row.sealed_through,
        "booked_through": row.booked_through,
        "gaps": json.loads(row.gaps),
    }


def _state(row: TerminalRow) -> str:
    if row.revoked:
        return "revoked"
    if row.frozen_from:
        return "frozen"
    if row.retired_through >= 0:
        return "retired"
    return "stopped" if row.settlement_error else "active"


def record(row: RecordRow) -> dict[str, Any]:
    """One sealed record for a list."""
    return {
        "kid": f"{row.kid:08x}",
        "sequence": row.sequence,
        "kind": records.name(row.kind),
        "time_s": row.time_s,
        "amount_rupiah": row.amount_rupiah,
        "state": row.state.name.lower(),
        "reason": row.reason,
        "event": events.told(row.octets),
        "repeats_card_use": row.repeats_card_use,
        "has_seal": bool(row.seal),
    }


def record_in_full(row: RecordRow) -> dict[str, Any]:
    """One sealed record with every field and its octets."""
    return record(row) | {
        "fields": record_values(row.octets),
        "octets": row.octets.hex(),
        "chain": row.chain.hex(),
    }


def evidence(row: EvidenceRow) -> dict[str, Any]:
    """One refused frame for a list."""
    return {
        "id": row.evidence_id,
        "kid": f"{row.kid:08x}",
        "outcome": row.outcome,
        "fault": asdict(row.fault) if row.fault else None,
        "received_ms": row.received_ms,
        "channel": row.channel,
        "octets": len(row.octets),
    }
