"""What the books are asked; nothing here changes them."""

from firmware.ledger.entitlements import Entitlements
from firmware.ledger.marks import Marks


class Questions:
    """Over the `journal`, `grants`, `findings` and state of a `Ledger`, which keeps them."""

    journal = None
    grants = None
    findings = None
    _state = None
    _pending = None

    @property
    def entitlements(self) -> Entitlements:
        """What was spent, tried and enrolled."""
        return self._state.entitlements

    @property
    def marks(self) -> Marks:
        """What the gateway acknowledged."""
        return self._state.marks

    @property
    def last_crash(self) -> bytes:
        """The payload of the last crash mark (`supervisor.decode_crash`), b"" if there was none."""
        return self._state.crash

    def remaining_rupiah(self, programme: int, index: int) -> int:
        """What the family may still draw in the grant in force; 0 without one."""
        granted = self.grants.get(programme)
        if granted is None:
            return 0
        return int(granted.amount_rupiah(index)) - self.entitlements.spent_rupiah(programme, index)

    def period_figures(self, programme: int, period: int) -> tuple:
        """What a close of the programme's newest period counts (see `PeriodFigures.of`)."""
        return self._state.figures.of(programme, period)

    def records_from(self, first: int, count: int) -> list:
        """Chain slots for the relay and the screens; those that were reclaimed are left out."""
        return self.journal.read(first, count)

    def readable(self, first: int, last: int) -> tuple:
        """(first, last) of the first run of records within a range that can be read; (0, 0) where there is none. Flash that
        was found sound is not asked.
        """
        if self.findings.journal.is_done and not self.findings.journal.missing:
            return first, last
        found = [slot.sequence for slot in self.journal.read(first, last + 1 - first, False)]
        count = 0
        while count < len(found) and found[count] == found[0] + count:
            count += 1
        return (found[0], found[0] + count - 1) if found else (0, 0)

    def pending_steps(self):
        """A generator that returns the redeemed rupiah in records that the gateway has not sealed yet."""
        return self._pending.steps(self.marks.sealed_through)
