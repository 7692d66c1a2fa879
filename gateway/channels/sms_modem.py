"""The SMS channel by a pool of modems on serial ports: frames in with receipts, frames out spread over the modems.

Who a message says it is from is only a name for counting.
"""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from collections.abc import Callable, Sequence

import structlog

from gateway.channels.channel import Receipt, Received
from gateway.channels.sms_bounds import SenderBounds
from gateway.channels.sms_line import ModemLine
from gateway.channels.sms_message import LineSettings, Outgoing
from protocol.sms_user_data import USER_DATA_OCTETS_MAX

_LOG = structlog.get_logger("sms")
_TRIES_MAX = 3


class SmsModemChannel:
    """`deliver` takes frames and may block; `power_cycle(path)` takes a modem's supply away for a moment, where something
    can.
    """

    name = "sms"

    def __init__(
        self,
        ports: Sequence[str],
        settings: LineSettings,
        bounds: SenderBounds,
        deliver: Callable[..., None],
        power_cycle: Callable[[str], None] | None = None,
    ) -> None:
        self._deliver = deliver
        self._bounds = bounds
        self._generations = itertools.count(1)
        self._turns = itertools.count()
        self._lock = threading.Lock()
        self.counts: Counter[str] = Counter()
        self.lines = [
            ModemLine(path, settings, self._take, self._give_back, self._new_generation, power_cycle)
            for path in ports
        ]

    def start(self) -> None:
        """Open the ports, each in a thread of its own."""
        for line in self.lines:
            line.start()

    def stop(self, timeout_s: float = 10.0) -> None:
        """Delete what is committed, close the ports and end the threads."""
        for line in self.lines:
            line.end()
        for line in self.lines:
            line.stop(timeout_s)

    @property
    def is_alive(self) -> bool:
        """Tell whether every thread runs."""
        return all(line.is_alive for line in self.lines)

    @property
    def is_ready(self) -> bool:
        """Tell whether at least one modem would take a message."""
        return any(line.would_take for line in self.lines)

    def acknowledge(self, receipts: list[Receipt]) -> None:
        """These frames are committed: their messages may be deleted. Generations are the pool's, so each modem knows its
        own.
        """
        for line in self.lines:
            own = [receipt for receipt in receipts if receipt[0] == line.generation]
            if own:
                line.acknowledge(own)

    def send(self, number: str, octets: bytes) -> bool:
        """Queue a message; False where it does not fit one, or no modem takes it."""
        return len(octets) <= USER_DATA_OCTETS_MAX and self._spread(Outgoing(number, octets))

    def health(self) -> list[dict[str, object]]:
        """What `status` says about each modem."""
        return [line.health() for line in self.lines]

    def _spread(self, outgoing: Outgoing) -> bool:
        """To the modem with the shortest queue; among equals, to each in turn; to one that failed at it only if no other is
        there: what refuses everything has the shortest queue of all.
        """
        with self._lock:
            turn = next(self._turns)
        count = len(self.lines)
        order = [self.lines[(turn + place) % count] for place in range(count)]
        order.sort(key=lambda line: (line.path in outgoing.failed_at, line.queued))
        return any(line.send(outgoing) for line in order)

    def _give_back(self, outgoing: Outgoing) -> None:
        """What one modem could not send another one may; after that it is the business of whoever wanted it sent."""
        if outgoing.tries >= _TRIES_MAX or not self._spread(outgoing):
            with self._lock:
                self.counts["dropped"] += 1

    def _new_generation(self) -> int:
        with self._lock:
            return next(self._generations)

    def _take(self, octets: bytes, sender: str, receipt: Receipt) -> bool:
        if not self._bounds.allow(sender):
            return False
        # The number stays here: it is a person's, and proves nothing.
        self._deliver(Received(octets, "", self, receipt))
        return True
