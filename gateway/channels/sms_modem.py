"""The SMS channel by a pool of modems on serial ports: frames in with receipts, frames out spread over the modems.

Who a message says it is from is only a name for counting. Frames go out to registered numbers alone.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from gateway.channels.channel import Receipt, Received
from gateway.channels.sms_line import ModemLine
from gateway.channels.sms_message import LineSettings, Outgoing
from protocol.sms_user_data import USER_DATA_OCTETS_MAX

_LOG = structlog.get_logger("sms")
_HOUR_S = 3600.0
_SENDERS_MAX = 10_000
_TRIES_MAX = 2


@dataclass(frozen=True, slots=True)
class PoolSettings:
    """The pool: serial ports, and how many frames an hour one number may send."""

    ports: tuple[str, ...]
    line: LineSettings = field(default_factory=LineSettings)
    frames_per_sender_hour: int = 120


class SmsModemChannel:
    """`deliver` takes frames and may block; `number_of(kid)` is the registered number of a terminal or None;
    `power_cycle(path)` takes a modem's supply away for a moment, where something can.
    """

    name = "sms"

    def __init__(
        self,
        settings: PoolSettings,
        deliver: Callable[..., None],
        number_of: Callable[[int], str | None],
        power_cycle: Callable[[str], None] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._deliver = deliver
        self._number_of = number_of
        self._bounds = SenderBounds(settings.frames_per_sender_hour, monotonic)
        self._generations = itertools.count(1)
        self._turns = itertools.count()
        self._lock = threading.Lock()
        self.counts: Counter[str] = Counter()
        self.lines = [
            ModemLine(path, settings.line, self._take, self._give_back, self._new_generation, power_cycle)
            for path in settings.ports
        ]

    def start(self) -> None:
        """Open the ports, each in a thread of its own."""
        for line in self.lines:
            line.start()

    def stop(self, timeout_s: float = 10.0) -> None:
        """Delete what is committed, close the ports and end the threads."""
        for line in self.lines:
            line.stop(timeout_s)

    @property
    def is_alive(self) -> bool:
        """Tell whether every thread runs."""
        return all(line.is_alive for line in self.lines)

    @property
    def is_ready(self) -> bool:
        """Tell whether at least one modem can send."""
        return any(line.is_ready for line in self.lines)

    def acknowledge(self, receipts: list[Receipt]) -> None:
        """These frames are committed: their messages may be deleted. Generations are the pool's, so each modem knows its
        own.
        """
        for line in self.lines:
            own = [receipt for receipt in receipts if receipt[0] == line.generation]
            if own:
                line.acknowledge(own)

    def send(self, kid: int, octets: bytes) -> bool:
        """Queue a frame for a terminal; False where it has no number, does not fit one message, or no modem takes it."""
        number = self._number_of(kid)
        if number is None or len(octets) > USER_DATA_OCTETS_MAX:
            return False
        return self._spread(Outgoing(number, octets))

    def health(self) -> list[dict[str, object]]:
        """What `status` says about each modem."""
        return [line.health() for line in self.lines]

    def _spread(self, outgoing: Outgoing) -> bool:
        """To the modem with the shortest queue; among equals, to each in turn."""
        with self._lock:
            turn = next(self._turns)
        count = len(self.lines)
        order = [self.lines[(turn + place) % count] for place in range(count)]
        return any(line.send(outgoing) for line in sorted(order, key=lambda line: line.queued))

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


class SenderBounds:
    """So many frames an hour from one number: each costs a verification. Numbers are forgotten, the longest unheard first."""

    def __init__(self, per_hour: int, monotonic: Callable[[], float]) -> None:
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
