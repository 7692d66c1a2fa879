"""Sums of money over records, the same way for every store."""

from __future__ import annotations

from collections.abc import Iterable

from gateway.store.interface import RecordState, Totals
from protocol import records


def total(groups: Iterable[tuple[int, RecordState, int, int]]) -> Totals:
    """Sums from (kind, state, count, rupiah) groups; a void takes back what its redemption took.

    A void carries no money to book, so settlement answers it with RECORDED or SETTLED; a refused void takes nothing back.
    """
    count = 0
    rupiah = dict.fromkeys(RecordState, 0)
    for kind, state, number, amount_rupiah in groups:
        count += number
        if kind == records.REDEMPTION:
            rupiah[state] += amount_rupiah
        elif kind == records.VOID and state in (RecordState.SETTLED, RecordState.RECORDED):
            rupiah[RecordState.SETTLED] -= amount_rupiah
        elif kind == records.VOID and state is RecordState.PENDING:
            rupiah[RecordState.PENDING] -= amount_rupiah
    return Totals(
        count,
        rupiah[RecordState.SETTLED],
        rupiah[RecordState.REFUSED],
        rupiah[RecordState.DISPUTED],
        rupiah[RecordState.PENDING],
    )
