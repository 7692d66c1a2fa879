"""Sums of money over records, the same way for every store."""

from __future__ import annotations

from collections.abc import Iterable

from gateway.store.interface import RecordState, Totals
from protocol import records

_NO_VOID = (RecordState.REFUSED, RecordState.DISPUTED)


def total(groups: Iterable[tuple[int, RecordState, RecordState, int, int]]) -> Totals:
    """Sums from groups of (kind, state, state of the redemption that a void names, count, rupiah).

    A void takes its amount out of wherever its redemption counts; one that settlement does not accept takes nothing out.
    """
    count = 0
    rupiah = dict.fromkeys(RecordState, 0)
    for kind, state, target, number, amount_rupiah in groups:
        count += number
        if kind == records.REDEMPTION:
            rupiah[state] += amount_rupiah
        elif kind == records.VOID and state not in _NO_VOID:
            rupiah[target] -= amount_rupiah
    return Totals(
        count,
        rupiah[RecordState.SETTLED],
        rupiah[RecordState.REFUSED],
        rupiah[RecordState.DISPUTED],
        rupiah[RecordState.PENDING],
    )
