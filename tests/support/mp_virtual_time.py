"""All of a running terminal in virtual time: asyncio itself jumps to the next moment that anybody waits for.

Unlike `mp_time.ModelTime` this also moves what sleeps by asyncio's own clock (time limits, the relay), so that a whole
`App.run` with all its tasks lives through minutes in a moment. Chip models run along.
"""

import asyncio
import asyncio.core
import time

from hardware.model_clock import ManualClock

_real_ticks = asyncio.core.ticks
_RealQueue = asyncio.core.IOQueue
AHEAD_MS = 600_000


class VirtualTime:
    """The firmware's clock; `models` is the chips'. One at a time: `run` puts asyncio on it and takes it off again."""

    def __init__(self, epoch_s):
        self.models = ManualClock()
        # Tasks that are to run at once are stamped with the real time, so this one is never behind: it starts well ahead, as a
        # busy host may take seconds for what is a moment here.
        self._base = time.ticks_add(time.ticks_ms(), AHEAD_MS)
        self._epoch_s = epoch_s

    def ticks_ms(self):
        return time.ticks_add(self._base, self.models.now_us() // 1000)

    def ticks_add(self, ticks, delta_ms):
        return time.ticks_add(ticks, delta_ms)

    def ticks_diff(self, later, earlier):
        return time.ticks_diff(later, earlier)

    def epoch_seconds(self):
        return self._epoch_s + self.models.now_us() // 1000000

    def set_epoch_seconds(self, epoch_s):
        self._epoch_s += epoch_s - self.epoch_seconds()

    async def sleep_ms(self, duration_ms):
        await asyncio.sleep_ms(duration_ms)

    def run(self, coroutine, limit_ms=3600000):
        """Run to the end and return its result; AssertionError when it takes more than `limit_ms` of this time."""
        moment = self

        class Queue(_RealQueue):
            """Waiting for the next task is a jump to its moment."""

            def wait_io_event(self, dt):
                super().wait_io_event(0)
                if dt > 0:
                    moment.models.advance_us(dt * 1000)

        asyncio.core.IOQueue = Queue
        asyncio.core.ticks = self.ticks_ms
        asyncio.new_event_loop()
        try:
            return asyncio.run(self._within(coroutine, limit_ms))
        finally:
            asyncio.core.IOQueue = _RealQueue
            asyncio.core.ticks = _real_ticks
            asyncio.new_event_loop()

    async def _within(self, coroutine, limit_ms):
        try:
            return await asyncio.wait_for_ms(coroutine, limit_ms)
        except asyncio.TimeoutError:
            raise AssertionError("not done after %d ms" % limit_ms)
