"""Bounds what refused frames may take: per terminal, for all strangers together, and per hour."""

from __future__ import annotations

from collections import OrderedDict, deque

from gateway.config import Ingest
from gateway.store.interface import Changes, EvidenceRow, Reader
from gateway.verdicts import Fault, Outcome

HOUR_MS = 3_600_000
_RINGS_CACHED_MAX = 1000
_STRANGERS = -1


class Quarantine:
    """Decides which refused frames are kept as evidence and which older ones go for them; all are counted."""

    def __init__(self, reader: Reader, config: Ingest, next_id: int) -> None:
        self._reader = reader
        self._config = config
        self._next_id = next_id
        self._rings: OrderedDict[int, deque[int]] = OrderedDict()
        self._hour = -1
        self._kept_this_hour = 0

    def forget(self) -> None:
        """Read everything anew: what was noted since the last commit did not happen."""
        self._rings.clear()
        self._hour = -1

    def keep(
        self,
        changes: Changes,
        kid: int,
        outcome: Outcome,
        fault: Fault | None,
        now_ms: int,
        channel: str,
        raw: bytes,
    ) -> None:
        """Note a refused frame in `changes`."""
        if now_ms // HOUR_MS != self._hour:
            self._hour = now_ms // HOUR_MS
            self._kept_this_hour = self._reader.evidence_since(self._hour * HOUR_MS)
        if self._kept_this_hour >= self._config.evidence_per_hour_max:
            changes.counters["evidence_not_kept"] = changes.counters.get("evidence_not_kept", 0) + 1
            return
        is_strange = outcome is Outcome.UNKNOWN_TERMINAL
        # A stranger's kid is only what he claims: a bound per kid would be none.
        ring = self._ring(_STRANGERS if is_strange else kid)
        bound = self._config.evidence_per_hour_max if is_strange else self._config.evidence_per_terminal_max
        while len(ring) >= bound:
            self._drop(changes, ring.popleft())
        changes.evidence.append(EvidenceRow(self._next_id, kid, outcome.value, fault, now_ms, channel, raw))
        ring.append(self._next_id)
        self._next_id += 1
        self._kept_this_hour += 1

    def _drop(self, changes: Changes, evidence_id: int) -> None:
        """Out of the database, or out of what is about to be written there."""
        before = len(changes.evidence)
        changes.evidence = [row for row in changes.evidence if row.evidence_id != evidence_id]
        if len(changes.evidence) == before:
            changes.evidence_dropped.append(evidence_id)

    def _ring(self, kid: int) -> deque[int]:
        ring = self._rings.get(kid)
        if ring is None:
            ids = self._reader.stranger_ids() if kid == _STRANGERS else self._reader.evidence_ids(kid)
            ring = self._rings[kid] = deque(ids)
            if len(self._rings) > _RINGS_CACHED_MAX:
                self._rings.popitem(last=False)
        return ring
