"""The bounded queue in front of the writer: filled by the handful, emptied by the batch."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")


class Inbox(Generic[T]):
    """First in, first out. One lock for a whole handful: a queue that locks per frame costs as much as decrypting it."""

    def __init__(self, items_max: int, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._items_max = items_max
        self._monotonic = monotonic
        self._items: deque[T] = deque()
        self._lock = threading.Lock()
        self._has_items = threading.Condition(self._lock)
        self._has_room = threading.Condition(self._lock)
        self._closed = False

    def __len__(self) -> int:
        return len(self._items)

    def put(self, items: Sequence[T]) -> bool:
        """Append all of them, waiting while the inbox is full; False where it was closed instead."""
        with self._lock:
            while len(self._items) >= self._items_max and not self._closed:
                self._has_room.wait()
            if self._closed:
                return False
            self._items.extend(items)
            self._has_items.notify()
            return True

    def take(self, most: int, wait_s: float) -> list[T]:
        """Up to `most` items, as many as are there; waits up to `wait_s` for the first one."""
        with self._lock:
            if not self._items and not self._closed:
                self._has_items.wait(wait_s)
            taken = [self._items.popleft() for _ in range(min(most, len(self._items)))]
            self._has_room.notify_all()
            return taken

    def close(self) -> list[T]:
        """Take nothing more and wake everybody; returns what was left."""
        with self._lock:
            self._closed = True
            self._has_items.notify_all()
            self._has_room.notify_all()
            left = list(self._items)
            self._items.clear()
            return left
