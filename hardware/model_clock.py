"""The time that chip models live by: driven by hand in tests, taken from the host in the virtual terminal.

A clock has `now_us()` (microseconds since an arbitrary start) and `spend_us(duration_us)`, which a model calls when the
chip keeps the processor waiting, as a flash erase or a full transmit buffer does.
"""

import time


class ManualClock:
    """Time that moves only when told to; callbacks set with `at_us` run when it passes their moment."""

    def __init__(self, start_us: int = 0):
        self._now_us = start_us
        self._pending = []

    def now_us(self) -> int:
        return self._now_us

    def spend_us(self, duration_us: int) -> None:
        self.advance_us(duration_us)

    def at_us(self, moment_us: int, callback) -> None:
        """Run `callback()` once, when time reaches `moment_us`; the earliest first, equal moments in order of setting."""
        position = len(self._pending)
        while position and self._pending[position - 1][0] > moment_us:
            position -= 1
        self._pending.insert(position, (moment_us, callback))

    def advance_us(self, duration_us: int) -> None:
        """Move time on, stopping at each callback on the way so that it sees its own moment."""
        target_us = self._now_us + duration_us
        while self._pending and self._pending[0][0] <= target_us:
            moment_us, callback = self._pending.pop(0)
            self._now_us = max(self._now_us, moment_us)
            callback()
        self._now_us = max(self._now_us, target_us)


class HostClock:
    """The host's own time, for a terminal that a person uses."""

    def __init__(self):
        self._read_ns = getattr(time, "monotonic_ns", None) or time.time_ns
        self._start_ns = self._read_ns()

    def now_us(self) -> int:
        return (self._read_ns() - self._start_ns) // 1000

    def spend_us(self, duration_us: int) -> None:
        """Nothing to do: the host's time passes by itself, and a model must not slow a demonstration down."""
