"""Time for everything above the HAL: wrapping milliseconds for intervals, unsigned seconds since 1970 for records."""

import asyncio
import time

# The ESP32 port counts from 2000-01-01, the unix port from 1970-01-01.
_PORT_EPOCH_S = 946684800 if time.gmtime(0)[0] == 2000 else 0


class Clock:
    """The processor's own time.

    `ticks_ms` wraps (after 12.4 days on the ESP32): compare only by `ticks_diff`. Seconds are right after
    `set_epoch_seconds`; whether they can be trusted is for the caller to know.
    """

    def __init__(self):
        self._correction_s = 0

    # Ticks have a type of their own in the runtime's stubs, so these three carry no annotations.

    def ticks_ms(self):
        return time.ticks_ms()

    def ticks_add(self, ticks, delta_ms):
        return time.ticks_add(ticks, delta_ms)

    def ticks_diff(self, later, earlier):
        """Milliseconds from `earlier` to `later`, right over a wrap, negative if the order is the other."""
        return time.ticks_diff(later, earlier)

    async def sleep_ms(self, duration_ms: int) -> None:
        """Let other tasks run for at least `duration_ms`."""
        await asyncio.sleep_ms(duration_ms)

    def epoch_seconds(self) -> int:
        """Unsigned seconds since 1970-01-01 UTC."""
        # lumbung: float-ok - whole at once, and the unix float holds seconds exactly
        return int(time.time()) + _PORT_EPOCH_S + self._correction_s

    def set_epoch_seconds(self, epoch_s: int) -> None:
        """Let `epoch_seconds` go on from `epoch_s`; ticks are not touched, so running intervals stay right."""
        self._correction_s += epoch_s - self.epoch_seconds()
