"""How much one number may send us: numbers are forged easily, and each message costs a verification."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

_HOUR_S = 3600.0
_SENDERS_MAX = 10_000


class SenderBounds:
    """So many frames an hour from one number over all links. Numbers are forgotten, the longest unheard first."""

    def __init__(self, per_hour: int, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._per_hour = per_hour
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._heard: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def allow(self, sender: str) -> bool:
        """Count one more."""
        now_s = self._monotonic()
        with self._lock:
            began_s, count = self._heard.pop(sender, (now_s, 0))
            if now_s - began_s >= _HOUR_S:
                began_s, count = now_s, 0
            self._heard[sender] = (began_s, count + 1)
            if len(self._heard) > _SENDERS_MAX:
                self._heard.popitem(last=False)
        return count < self._per_hour
