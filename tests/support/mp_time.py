"""One time for firmware and chip models: asyncio tasks sleep on it, and it jumps when all of them do."""

import asyncio
import asyncio.core

from hardware.model_clock import ManualClock

TICKS_PERIOD = 1 << 30  # as on the ESP32, where milliseconds wrap after 12.4 days
TURNS = 8  # how often a task may yield without sleeping before time moves on


class ModelTime:
    """The firmware's clock; `models` is the chips' clock, which runs with it. Start near a wrap with `start_ms`."""

    def __init__(self, start_ms: int = 0, epoch_s: int = 1700000000):
        self.models = ManualClock()
        self._start_ms = start_ms
        self._epoch_s = epoch_s
        self._sleepers = []

    def ticks_ms(self):
        return (self.models.now_us() // 1000 + self._start_ms) % TICKS_PERIOD

    def ticks_add(self, ticks, delta_ms):
        return (ticks + delta_ms) % TICKS_PERIOD

    def ticks_diff(self, later, earlier):
        half = TICKS_PERIOD // 2
        return (later - earlier + half) % TICKS_PERIOD - half

    def epoch_seconds(self):
        return self._epoch_s + self.models.now_us() // 1000000

    def set_epoch_seconds(self, epoch_s):
        self._epoch_s += epoch_s - self.epoch_seconds()

    async def sleep_ms(self, duration_ms):
        if duration_ms <= 0:
            await asyncio.sleep(0)
            return
        awake = asyncio.Event()
        self._sleepers.append((self.models.now_us() + duration_ms * 1000, awake))
        await awake.wait()

    def at_ms(self, moment_ms, callback):
        """Call `callback()` when `moment_ms` have passed since the start: a finger on a key, an empty roll."""
        self.models.at_us(moment_ms * 1000, callback)

    def run(self, coroutine, limit_ms: int = 3600000):
        """Run to the end and return its result; fails if it takes more than `limit_ms` of this time."""
        return asyncio.run(self._drive(coroutine, limit_ms))

    async def _drive(self, coroutine, limit_ms):
        task = asyncio.create_task(coroutine)
        limit_us = self.models.now_us() + limit_ms * 1000
        while True:
            await self._settle()
            if task.done():
                return await task
            if self.models.now_us() > limit_us:
                raise AssertionError("not done after %d ms" % limit_ms)
            self._wake_next()

    async def _settle(self):
        """Let the other tasks run until they sleep, or have yielded often enough."""
        for _ in range(TURNS):
            await asyncio.sleep(0)
            if asyncio.core._task_queue.peek() is None:
                return  # nobody else can run, and a turn for nothing costs as much as one that is used

    def _wake_next(self):
        """Move time to the earliest sleeper and wake it; a task that only yields keeps time still."""
        if not self._sleepers:
            return
        earliest = 0
        for index in range(len(self._sleepers)):
            if self._sleepers[index][0] < self._sleepers[earliest][0]:
                earliest = index
        moment_us, awake = self._sleepers.pop(earliest)
        self.models.advance_us(max(0, moment_us - self.models.now_us()))
        awake.set()
