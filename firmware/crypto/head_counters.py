"""The chip's two counters under the journal's head: what no flash image can turn back tells one that was put back.

Both count the commits of a generation, one after the other, after each commit and before it is shown. So at rest both
stand at the journal's head; where power failed in between, they are behind it, and the next `bind` catches up. An increment
that loses its power may count more than one (data sheet, Counter): then one counter is ahead of the journal, never both,
and its base is moved, durably, before anything is counted again. Both ahead means that the journal was put back.
"""

# Increments in a row that change nothing.
STALLS_MAX = 3


class JournalRolledBack(Exception):
    """The chip has counted more commits than the journal holds; `records` tells how many more."""

    def __init__(self, records: int) -> None:
        super().__init__("journal is %d records behind the chip's counters" % records)
        self.records = records


class CounterStuck(Exception):
    """A counter of the chip does not move."""


class HeadCounters:
    """`chip`: an Atecc608 of `firmware.drivers`. `bases`: both counters when the generation began; `save_bases(bases)`
    makes others durable, and may raise what flash raises.

    A record whose power was cut before both had counted it is not covered; it had not been shown either.
    """

    def __init__(self, chip, bases: tuple, save_bases) -> None:
        self._chip = chip
        self._bases = list(bases)
        self._save_bases = save_bases
        self._values = []

    def bind(self, sequence: int) -> None:
        """Let both counters count up to the journal's head `sequence`; 25 ms for each step of each.

        Raises `JournalRolledBack`, `CounterStuck`, an `AteccError` or what `save_bases` raises; to be repeated then.
        """
        if not self._values:
            self._values = [int(self._chip.counter(0)), int(self._chip.counter(1))]
        stalls = 0
        while True:
            counts = self._counts()
            if min(counts) > sequence:
                raise JournalRolledBack(min(counts) - sequence)
            self._drop_excess(counts, sequence)
            behind = 0 if counts[0] < counts[1] else 1
            if counts[behind] >= sequence:
                return
            before = self._values[behind]
            self._values[behind] = int(self._chip.increment(behind))
            stalls = 0 if self._values[behind] > before else stalls + 1
            if stalls == STALLS_MAX:
                raise CounterStuck("counter %d of the chip stays at %d" % (behind, before))

    def _counts(self) -> list:
        return [self._values[0] - self._bases[0], self._values[1] - self._bases[1]]

    def _drop_excess(self, counts: list, sequence: int) -> None:
        """What an interrupted increment counted too much goes into the base."""
        for index in (0, 1):
            if counts[index] > sequence:
                bases = list(self._bases)
                bases[index] += counts[index] - sequence
                self._save_bases(tuple(bases))
                self._bases = bases
                counts[index] = sequence
