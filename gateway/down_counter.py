"""Counters of downlink frames: never used twice, whatever crashes, because a block is reserved durably before use."""

from __future__ import annotations

import threading

from gateway.errors import StoreError
from gateway.store.interface import Changes, Reader
from gateway.writer import DOWN_RESERVED, Writer

BLOCK = 4096
_RESERVE_TIMEOUT_S = 30.0
_COUNTER_MAX = 0xFFFFFFFF


class DownCounter:
    """One rising number for all terminals, so that each terminal's own counters rise too; any thread may take one.

    There is one in a process: with two, what is sent later could have the lower counter, and would count as old.
    """

    def __init__(self, reader: Reader, writer: Writer) -> None:
        self._writer = writer
        self._lock = threading.Lock()
        self._next = self._reserved = max(1, reader.value(DOWN_RESERVED))

    def take(self) -> int:
        """The next counter; raises `StoreError` where none can be reserved."""
        with self._lock:
            if self._next >= self._reserved:
                reserved = self._next + BLOCK
                if reserved > _COUNTER_MAX:
                    raise StoreError(counter="down", reason="spent; publish a new epoch")
                self._writer.submit(Changes(values={DOWN_RESERVED: reserved})).result(_RESERVE_TIMEOUT_S)
                self._reserved = reserved
            self._next += 1
            return self._next - 1
