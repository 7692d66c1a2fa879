"""The day's totals, counted anew only when something has moved: counting reads all records of the day."""


class Figures:
    """Keeps the last count of `terminal.totals()` until a record is added or acknowledged, or `recount`."""

    def __init__(self, terminal) -> None:
        self._terminal = terminal
        self._counted_at = None
        self._totals = None

    def totals(self):
        """The totals, as fresh as the number of waiting records and the newest record's state."""
        last = self._terminal.last_receipt()
        newest = (last.sequence, last.state) if last is not None else ()
        moved = (self._terminal.link_state().waiting, newest)
        if moved != self._counted_at:
            self._totals = self._terminal.totals()
            self._counted_at = moved
        return self._totals

    def recount(self) -> None:
        """Count anew at the next question: older records may have been settled meanwhile."""
        self._counted_at = None
