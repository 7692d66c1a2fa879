"""What later records say of an earlier one: whether a sale was voided, its goods received, its card's lease returned.

Nothing of it is kept: the journal is read, a few records at a time, so that it cannot disagree. The steps are generators
that yield between pages; `finish` and `at_once` run them.
"""

import asyncio

from protocol import records

_PAGE = 16
_REFERRING = (records.VOID, records.GOODS_RECEIVED, records.RETURN)


class Fate:
    """The sequences of the records that voided a redemption, confirmed its goods, handed back its card's lease; or 0."""

    def __init__(self) -> None:
        self.voided_by = 0
        self.received_by = 0
        self.returned_by = 0


class References:
    """Looks through the journal of `ledger`; what was looked through for a redemption is not read again."""

    def __init__(self, ledger) -> None:
        self._ledger = ledger
        self._asked = 0
        self._through = 0
        self._fate = Fate()

    def redemption(self, sequence: int):
        """(roster index, record) of the redemption at a sequence; None where the journal holds none."""
        for slot in self._ledger.records_from(sequence, 1):
            if slot.sequence == sequence and slot.kind == records.REDEMPTION:
                return slot.index, records.decode(slot.payload)
        return None

    def fate_steps(self, sequence: int, record):
        """A generator that returns the `Fate` of a redemption as of the head of the journal."""
        if self._asked != sequence:
            self._asked = self._through = sequence
            self._fate = Fate()
        journal = self._ledger.journal
        while self._through < journal.sequence:
            held = self._ledger.records_from(self._through + 1, _PAGE)
            for slot in held:
                if slot.kind in _REFERRING:
                    self._take(sequence, record, slot)
            self._through = held[-1].sequence
            yield
        return self._fate

    def _take(self, sequence: int, record, slot) -> None:
        """A later record that may speak of the redemption."""
        later = records.decode(slot.payload)
        fate = self._fate
        if slot.kind == records.RETURN:
            if (later.card_key, later.programme, later.period) == (
                record.card_key,
                record.programme,
                record.period,
            ):
                fate.returned_by = slot.sequence
        elif later.reference_sequence == sequence:
            if slot.kind == records.VOID:
                fate.voided_by = slot.sequence
            else:
                fate.received_by = slot.sequence

    def newest_steps(self, kind: int, is_wanted):
        """A generator that returns the newest (sequence, index, record) of a kind for which `is_wanted(record)` holds;
        None where the journal holds none.
        """
        before = self._ledger.journal.sequence + 1
        while before > 1:
            start = max(1, before - _PAGE)
            held = self._ledger.records_from(start, before - start)
            for slot in reversed(held):
                if slot.kind == kind:
                    record = records.decode(slot.payload)
                    if is_wanted(record):
                        return slot.sequence, slot.index, record
            if not held:
                return None
            before = start
            yield
        return None


async def finish(steps):
    """Run a generator to its end, letting other tasks run between its steps; returns what it returns."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value
        await asyncio.sleep_ms(0)


def at_once(steps):
    """Run a generator to its end; returns what it returns."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value
