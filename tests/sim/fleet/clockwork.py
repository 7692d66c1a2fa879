"""One time for everything: events by the moment at which they happen, and dice that one seed decides."""

from __future__ import annotations

import hashlib
import heapq
import random
from collections import Counter, deque
from collections.abc import Callable

LAST_LINES = 80


class Clockwork:
    """`now_ms` since the beginning; what happens is noted, counted and goes into a digest of the whole history."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.now_ms = 0
        self.counts: Counter[str] = Counter()
        self.lines: deque[str] = deque(maxlen=LAST_LINES)
        self._history = hashlib.sha256()
        self._events: list[tuple[int, int, Callable[[], None]]] = []
        self._number = 0

    def dice(self, name: str) -> random.Random:
        """A series of its own for each purpose, so that one more draw in one place changes nothing elsewhere."""
        return random.Random(f"{self.seed}/{name}")

    def at(self, moment_ms: int, happens: Callable[[], None]) -> None:
        """Let something happen; at equal moments in the order of asking."""
        self._number += 1
        heapq.heappush(self._events, (max(moment_ms, self.now_ms), self._number, happens))

    def after(self, wait_ms: int, happens: Callable[[], None]) -> None:
        """Let something happen in a while."""
        self.at(self.now_ms + wait_ms, happens)

    @property
    def next_ms(self) -> int | None:
        """When the next event happens; None where there is none."""
        return self._events[0][0] if self._events else None

    def take(self) -> None:
        """Let the next event happen."""
        moment_ms, _, happens = heapq.heappop(self._events)
        self.now_ms = max(self.now_ms, moment_ms)
        happens()

    def note(self, what: str, *values: object) -> None:
        """Write a line of the history. Nothing that a signature's randomness touches may stand in it."""
        line = " ".join((str(self.now_ms), what, *(str(value) for value in values)))
        self.lines.append(line)
        self._history.update(line.encode() + b"\n")

    def count(self, what: str, more: int = 1) -> None:
        """Count."""
        self.counts[what] += more

    @property
    def digest(self) -> str:
        """A digest of all that was noted: equal histories, equal digests."""
        return self._history.hexdigest()[:16]
