"""MicroPython's own asyncio in a time that another process gives: nothing in it depends on how fast this one runs.

The built-in task queue stamps what is to run at once with the host's clock, so the order of such tasks would change from
run to run. Here queue and task are in the place of the built-in ones: first come, first served, by virtual time. Import
this before anything that imports asyncio.
"""

import sys

from hardware.model_clock import ManualClock


class Time:
    """The firmware's clock from `start_ms` of the world on; `models` is the chips', whose waits are this one's too."""

    running = None

    def __init__(self, start_ms, epoch_s):
        self.models = ManualClock()
        self._start_ms = start_ms
        self._epoch_s = epoch_s
        Time.running = self

    def ticks_ms(self):
        return self._start_ms + self.models.now_us() // 1000

    def ticks_add(self, ticks, delta_ms):
        return ticks + delta_ms

    def ticks_diff(self, later, earlier):
        return later - earlier

    def epoch_seconds(self):
        return self._epoch_s + self.models.now_us() // 1000000

    def set_epoch_seconds(self, epoch_s):
        self._epoch_s += epoch_s - self.epoch_seconds()

    async def sleep_ms(self, duration_ms):
        await asyncio.sleep_ms(duration_ms)


def now_ms():
    """Milliseconds since the world began."""
    return Time.running.ticks_ms()


class TaskQueue:
    """Tasks by the moment at which they are due; of equal ones the one that came first."""

    def __init__(self):
        self._tasks = []

    def peek(self):
        return self._tasks[0] if self._tasks else None

    def push(self, task, due=None):
        task.data = None
        task.ph_key = now_ms() if due is None else due
        at = len(self._tasks)
        while at and self._tasks[at - 1].ph_key > task.ph_key:
            at -= 1
        self._tasks.insert(at, task)

    def pop(self):
        return self._tasks.pop(0)

    def remove(self, task):
        self._tasks.remove(task)


class Task:
    """A coroutine under way. `state`: True while it runs and nobody waits for it, the queue of those who do, None or
    False when it is over; `data`: the queue or task that it waits in, at the end what it ended with.
    """

    def __init__(self, coro, context=None):
        self.coro = coro
        self.data = None
        self.state = True
        self.ph_key = 0

    def __iter__(self):
        if not self.state:
            self.state = False
        elif self.state is True:
            self.state = TaskQueue()
        return self

    def __next__(self):
        if not self.state:
            raise self.data
        waiting = core.cur_task
        self.state.push(waiting)
        waiting.data = self

    def done(self):
        return not self.state

    def cancel(self):
        if not self.state:
            return False
        task = self
        if task is core.cur_task:
            raise RuntimeError("a task cannot cancel itself")
        while isinstance(task.data, Task):
            task = task.data
        if isinstance(task.data, TaskQueue):
            task.data.remove(task)
            core._task_queue.push(task)
        elif task.ph_key > now_ms():
            core._task_queue.remove(task)
            core._task_queue.push(task)
        task.data = core.CancelledError
        return True


class _Parts:
    TaskQueue = TaskQueue
    Task = Task


assert "asyncio" not in sys.modules, "somebody has imported asyncio before"
sys.modules["_asyncio"] = _Parts

import asyncio  # noqa: E402
from asyncio import core  # noqa: E402

assert core.TaskQueue is TaskQueue


class Idle:
    """Stands where asyncio polls sockets: a wait is a jump to its end."""

    def __init__(self):
        self.map = {}

    def wait_io_event(self, duration_ms):
        if duration_ms > 0:
            Time.running.models.advance_us(1000 * duration_ms)


core.ticks = now_ms
core.IOQueue = Idle


def new_loop():
    """Forget all tasks: the power is gone."""
    asyncio.new_event_loop()
    core.cur_task = None
