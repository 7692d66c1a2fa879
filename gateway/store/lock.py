"""One writer per data directory: a lock that ends with the process, however that ends."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable
from pathlib import Path

from gateway.errors import StoreError, StoreLockedError

_POLL_S = 0.05
_WAL_RESET_BUG_FROM = (3, 7, 0)
_WAL_RESET_BUG_FIXED = (3, 51, 3)
# Releases of older lines to which the fix was carried back.
_WAL_RESET_BUG_BACKPORTS = ((3, 44, 6), (3, 50, 7))


def has_wal_reset_bug(version: tuple[int, int, int]) -> bool:
    """Tell whether this SQLite can damage a database in WAL mode when two connections write or checkpoint at once."""
    if not _WAL_RESET_BUG_FROM <= version < _WAL_RESET_BUG_FIXED:
        return False
    return not any(version[:2] == fixed[:2] and version >= fixed for fixed in _WAL_RESET_BUG_BACKPORTS)


class WriterLock:
    """Held from `acquire` to `release` or the end of the process.

    A second writer is refused whatever the version of SQLite; on one with the WAL reset bug it would destroy records.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = -1

    def acquire(self, patience_s: float = 0.0, sleep: Callable[[float], None] = time.sleep) -> None:
        """Take the lock; raises `StoreLockedError` where another process still has it after `patience_s`."""
        for _ in range(int(patience_s / _POLL_S)):
            try:
                return self._take()
            except StoreLockedError:
                sleep(_POLL_S)
        return self._take()

    def _take(self) -> None:
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as failure:
            raise StoreError(file=self._path.name, reason=failure.strerror) from failure
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as failure:
            os.close(descriptor)
            raise StoreLockedError(file=self._path) from failure
        self._descriptor = descriptor

    def release(self) -> None:
        """Let go of it."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    @classmethod
    def is_held(cls, path: Path) -> bool:
        """Tell whether a process holds the lock now. Looking takes the lock for a moment: who wants it is patient."""
        probe = cls(path)
        try:
            probe.acquire()
        except StoreLockedError:
            return True
        probe.release()
        return False
