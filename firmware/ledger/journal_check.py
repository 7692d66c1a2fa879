"""Goes over the journal once after a start, a sector at a time while idle, and notes what does not read back."""

from firmware.ledger import slots


class JournalCheck:
    """`missing`: (first, last, address) of runs of records that are not there, ascending; `headers`: (number, address) of
    sectors whose header does not hold, though their records may; addresses count from the beginning of the journal.

    `is_done`: all that was there at the start has been looked at.
    """

    def __init__(self, journal) -> None:
        self._journal = journal
        self._number = journal.oldest
        self._reached = 0 if journal.oldest == 1 else -1
        self.missing = []
        self.headers = []
        self.is_done = False

    def step(self) -> bool:
        """Look at one sector; True if there was one to look at."""
        if self.is_done:
            return False
        journal = self._journal
        self._number = max(self._number, journal.oldest)
        if self._number <= journal.head:
            self._look(self._number)
            self._number += 1
        self.is_done = self._number > journal.head
        return True

    def missing_in(self, first: int, last: int) -> tuple:
        """(first, last) of the first run of missing records within a range; (0, 0) where none is known to be."""
        for run in self.missing:
            if run[0] <= last and run[1] >= first:
                return max(first, run[0]), min(last, run[1])
        return 0, 0

    def _look(self, number: int) -> None:
        """One sector: whether it begins and goes on where the one before ended."""
        address, octets, header, is_passed = self._journal.sector(number)
        if is_passed:
            return
        if header is None:
            self.headers.append((number, address))
        else:
            if self._reached < 0:
                # What went before was let go once it was settled.
                self._reached = min(header.sequence, self._journal.reclaim_through)
            self._expect(header.sequence, address)
        for at in slots.whole_slots(octets, slots.SECTOR_HEADER_OCTETS):
            if octets[at] == slots.CLASS_CHAIN:
                sequence = slots.sequence_at(octets, at)
                self._expect(sequence - 1, address + at)
                self._reached = max(self._reached, sequence)

    def _expect(self, sequence: int, address: int) -> None:
        """Records up to `sequence` should have been seen by `address`."""
        if 0 <= self._reached < sequence:
            self.missing.append((self._reached + 1, sequence, address))
        self._reached = max(self._reached, sequence)
