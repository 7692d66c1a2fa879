"""The supervisor: named essential tasks check in, the watchdog is fed only while all of them do.

A task that ends or falls silent is written to flash as a crash record and the terminal restarts, with the code on its
screen: silence is never the answer.
"""

import asyncio
import io
import sys

# Crash codes, shown on the screen and kept in the journal: 1xx a task ended, 2xx a task fell silent.
TASK_ENDED = 100
TASK_SILENT = 200

CHECK_PERIOD_MS = 500
# Held back, and let go when something ends: where the heap is full, a crash could be neither described, kept nor shown.
RESERVE_OCTETS = 3072
DETAIL_OCTETS_MAX = 64
# How a line of a printed traceback begins that names a place.
_PLACE = b'  File "'


class Task:
    """An essential task: `number` 1..99 names it in crash codes, `limit_ms` is the longest silence it is allowed."""

    def __init__(self, name: str, number: int, limit_ms: int) -> None:
        self.name = name
        self.number = number
        self.limit_ms = limit_ms
        self.heard_ms = 0
        self.handle = None


class Supervisor:
    """`watchdog.feed()` keeps the terminal running; `restart(code)` ends it; `record_crash(octets)` makes it durable.

    `crash_code` is 0 until the terminal is to restart; from then on the watchdog is not fed any more, so that it ends
    what `restart` could not.
    """

    def __init__(self, clock, watchdog, record_crash, restart) -> None:
        self._clock = clock
        self._watchdog = watchdog
        self._record_crash = record_crash
        self._restart = restart
        self._tasks = []
        self._seen_ms = clock.ticks_ms()
        self._uptime_ms = 0
        self._reserve = bytearray(RESERVE_OCTETS)
        self.crash_code = 0

    def add(self, name: str, number: int, limit_ms: int, work) -> Task:
        """Start `work(check_in)` as an essential task that must call `check_in()` at least every `limit_ms`."""
        task = Task(name, number, limit_ms)
        task.heard_ms = self._clock.ticks_ms()

        def check_in() -> None:
            task.heard_ms = self._clock.ticks_ms()

        task.handle = asyncio.create_task(self._guard(task, work(check_in)))
        self._tasks.append(task)
        return task

    async def _guard(self, task: Task, work) -> None:
        """Run the task; however it ends, that is a crash."""
        detail = b"ended"
        try:
            await work
        except asyncio.CancelledError:
            raise
        except Exception as error:  # lumbung: catch-all - kept in flash as a crash record
            self.make_room()
            if self.crash_code:
                return
            detail = describe(error)
        self._crash(TASK_ENDED + task.number, detail)

    async def run(self) -> None:
        """Feed the watchdog while every task was heard in time; ends when the terminal is to restart."""
        while self.crash_code == 0:
            silent = self._silent()
            if silent is not None:
                self._crash(TASK_SILENT + silent.number, b"silent")
                return
            self._count_uptime()
            self._watchdog.feed()
            await self._clock.sleep_ms(CHECK_PERIOD_MS)

    def _count_uptime(self) -> int:
        """Milliseconds since the start; counted in small steps, because ticks wrap after days."""
        now = self._clock.ticks_ms()
        self._uptime_ms += self._clock.ticks_diff(now, self._seen_ms)
        self._seen_ms = now
        return self._uptime_ms

    def _silent(self) -> "Task | None":
        """The first task that has not checked in for longer than its limit."""
        now = self._clock.ticks_ms()
        for task in self._tasks:
            if self._clock.ticks_diff(now, task.heard_ms) > task.limit_ms:
                return task
        return None

    def _crash(self, code: int, detail: bytes) -> None:
        """Keep what happened, then restart; the first crash is the one that counts."""
        if self.crash_code:
            return
        self.crash_code = code
        try:
            self._record_crash(encode_crash(code, self._count_uptime() // 1000, detail))
        finally:
            # A flash that fails must not keep a terminal running that cannot go on.
            self._restart(code)

    def make_room(self) -> None:
        """Let go of what was held back: the heap may be the very thing that ran out."""
        self._reserve = None

    def stop(self) -> None:
        """Cancel every task (used when the virtual terminal is switched off)."""
        for task in self._tasks:
            task.handle.cancel()


class _LastPlace(io.IOBase):
    """Takes a printed traceback as it comes and keeps its last place alone: whole, it would take kilobytes of the heap, which
    may be what ran out. `line` is as `  File "relay.py", line 120, in run`.
    """

    def __init__(self) -> None:
        self.line = b""
        self._coming = bytearray()
        self._is_over = False

    def write(self, octets) -> int:
        """The next octets of the traceback."""
        self._coming.extend(octets)
        if self._coming[-1] == 0x0A:
            if not self._coming.startswith(_PLACE):
                self._is_over = self.line != b""  # what follows is the exception, and may say anything
            elif not self._is_over:
                self.line = self._coming
            self._coming = bytearray()
        return len(octets)


def describe(error: Exception) -> bytes:
    """Type of an exception and the place that raised it, as `TypeError relay.py:120`; never its message."""
    trace = _LastPlace()
    sys.print_exception(error, trace)
    name = type(error).__name__.encode()
    if trace.line:
        path, rest = bytes(trace.line[len(_PLACE) :]).split(b'", line ', 1)
        name += b" %s:%s" % (path.split(b"/")[-1], rest.split(b",")[0])
    return name[:DETAIL_OCTETS_MAX]


def encode_crash(code: int, uptime_s: int, detail: bytes) -> bytes:
    """The payload of a LOCAL_CRASH slot: code (2), uptime in seconds (4), what and where."""
    return code.to_bytes(2, "big") + uptime_s.to_bytes(4, "big") + detail


def decode_crash(payload: bytes) -> tuple:
    """(code, uptime_s, detail) of a LOCAL_CRASH slot."""
    return int.from_bytes(payload[:2], "big"), int.from_bytes(payload[2:6], "big"), bytes(payload[6:])
