"""The rupiah in records that the gateway has not sealed yet, kept up to date by reading each record once or twice."""

from protocol import records

_SLICE = 16
# Where a redemption's amount stands (protocol/records, LAYOUTS).
_AMOUNT_AT = 11


class Pending:
    """The sum over redemptions behind the gateway's mark, remembered between questions."""

    def __init__(self, journal) -> None:
        self._journal = journal
        self._sealed = 0
        self._head = 0
        self._rupiah = 0

    def steps(self, sealed_through: int):
        """A generator that returns the sum of records after `sealed_through`; it yields after every few of them."""
        if sealed_through >= self._head or sealed_through < self._sealed:
            self._sealed = self._head = sealed_through
            self._rupiah = 0
        while self._sealed < sealed_through:
            count = min(_SLICE, sealed_through - self._sealed)
            self._rupiah -= self._sum(self._sealed + 1, count)
            self._sealed += count
            yield
        while self._head < self._journal.sequence:
            count = min(_SLICE, self._journal.sequence - self._head)
            self._rupiah += self._sum(self._head + 1, count)
            self._head += count
            yield
        return self._rupiah

    def _sum(self, first: int, count: int) -> int:
        total = 0
        # What is missing is told elsewhere; the sum is over what is left.
        for slot in self._journal.read(first, count, False):
            if slot.kind == records.REDEMPTION:
                total += int.from_bytes(slot.payload[_AMOUNT_AT : _AMOUNT_AT + 4], "big")
        return total
