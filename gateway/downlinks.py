"""The way down to each terminal, and the pace on it: what costs money per message goes to registered numbers, seldom.

A terminal is answered by the way its newest frame came; where MQTT and SMS both work, by MQTT. Used by one thread.
"""

from __future__ import annotations

import random
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.channels.channel import FreeChannel, MessageChannel
from gateway.config import Sms
from gateway.store.interface import Changes, TerminalRow
from protocol.sms_user_data import USER_DATA_OCTETS_MAX

_DAY_S = 86_400
_COUNTS_MAX = 10_000
_AWAY_S = 5.0
"""A terminal whose way is down is looked at again after this time, or up to twice of it."""
_KNOWN_MAX = 50_000
_LONG_AGO = float("-inf")


@dataclass(frozen=True, slots=True)
class Manner:
    """How to speak to a terminal now: not before `hold_s` seconds from now, in frames of at most `octets_max`, a grant
    again only after `grant_interval_s`.
    """

    hold_s: float = 0.0
    octets_max: int = 1 << 16
    grant_interval_s: float = 0.0


@dataclass(slots=True)
class _Reached:
    """What is known about one terminal: `free_s` is when it was heard on the free channel, `next_s` when it may be sent a
    message again, `sent` are the messages of `day` (since 1970, UTC), `is_owed` while it waits for an answer.
    """

    channel: str
    number: str
    free_s: float = _LONG_AGO
    next_s: float = _LONG_AGO
    is_owed: bool = False
    day: int = 0
    sent: int = 0


class DayCounts(Protocol):
    """How many messages each terminal was sent in a day; it outlives the process."""

    def read(self, kid: int) -> tuple[int, int]:
        """(day, messages) as last written, zeros before."""

    def write(self, kid: int, day: int, messages: int) -> None:
        """Keep it; returns at once."""


class StoredDayCounts:
    """Day counts as numbers in the store."""

    def __init__(self, value: Callable[[str], int], submit: Callable[[Changes], object]) -> None:
        self._value = value
        self._submit = submit

    def read(self, kid: int) -> tuple[int, int]:
        """(day, messages) as last written, zeros before."""
        return divmod(self._value(_name(kid)), _COUNTS_MAX)

    def write(self, kid: int, day: int, messages: int) -> None:
        """Keep it; a process that is killed right now forgets a message or two."""
        self._submit(Changes(values={_name(kid): day * _COUNTS_MAX + messages}))


def _name(kid: int) -> str:
    return f"messages/{kid:08x}"


class Downlinks:
    """`terminal(kid)` reads a terminal's row; `free` is MQTT, `messages` are the ways by SMS."""

    def __init__(
        self,
        terminal: Callable[[int], TerminalRow | None],
        free: FreeChannel,
        messages: Sequence[MessageChannel] = (),
        config: Sms | None = None,
        jitter: Callable[[], float] = random.random,
        monotonic: Callable[[], float] = time.monotonic,
        clock_s: Callable[[], float] = time.time,
        day_counts: DayCounts | None = None,
    ) -> None:
        self._terminal = terminal
        self._free = free
        self._messages = messages
        self._config = config or Sms()
        self._day_counts = day_counts
        self._jitter = jitter
        self._monotonic = monotonic
        self._clock_s = clock_s
        self._known: OrderedDict[int, _Reached] = OrderedDict()
        self._redirected: deque[int] = deque()
        self.counts: Counter[str] = Counter()

    @property
    def is_ready(self) -> bool:
        """Tell whether any way is open."""
        return self._free.is_ready or any(channel.is_ready for channel in self._messages)

    def redirected(self, kid: int) -> None:
        """A terminal's number was registered or erased; may be called from any thread."""
        self._redirected.append(kid)

    def heard(self, kid: int, channels: Iterable[str]) -> None:
        """A terminal's frames came by these channels, and are committed.

        Messages come one after the other over minutes, so the answer waits a while and then serves them all; at random, so
        that a region whose network comes back is not answered in one go.
        """
        if not self._messages:
            return
        reached = self._reached(kid)
        now_s = self._monotonic()
        names = set(channels)
        if self._free.name in names:
            reached.free_s = now_s
            reached.channel = self._free.name
            return
        reached.channel = next(iter(names), reached.channel)
        if not reached.is_owed:
            reached.is_owed = True
            settle_s = self._config.settle_s * (0.5 + self._jitter())
            reached.next_s = max(reached.next_s, now_s + settle_s)

    def manner(self, kid: int) -> Manner:
        """How to speak to a terminal now."""
        if not self._messages:
            return _FREELY
        reached = self._reached(kid)
        if not self._is_by_message(reached):
            return _FREELY if self._free.is_ready else Manner(self._later_s())
        hold_s = max(0.0, reached.next_s - self._monotonic(), self._until_allowed_s(reached))
        if not hold_s and not any(channel.is_ready for channel in self._messages):
            hold_s = self._later_s()
        return Manner(hold_s, USER_DATA_OCTETS_MAX, self._config.grant_interval_s)

    def send(self, kid: int, octets: bytes) -> bool:
        """Send a frame by the terminal's way; False where that is not possible now."""
        reached = self._reached(kid)
        if not self._is_by_message(reached):
            reached.is_owed = False
            return self._free.send(kid, octets)
        if len(octets) > USER_DATA_OCTETS_MAX:
            self.counts["too_long_for_sms"] += 1
            return False
        if self._until_allowed_s(reached) > 0:
            self.counts["over_daily_bound"] += 1
            return False
        # The link that the terminal used first: its operator routes to that terminal.
        for channel in sorted(self._messages, key=lambda channel: channel.name != reached.channel):
            if channel.is_ready and channel.send(reached.number, octets):
                reached.next_s = self._monotonic() + self._config.interval_s
                reached.is_owed = False
                reached.sent += 1
                if self._day_counts is not None:
                    self._day_counts.write(kid, reached.day, reached.sent)
                self.counts[f"by_{channel.name}"] += 1
                return True
        return False

    def _is_by_message(self, reached: _Reached) -> bool:
        """Whether this terminal is answered by SMS: it has a number, speaks by SMS, and was not on MQTT just now."""
        if not reached.number or reached.channel not in [channel.name for channel in self._messages]:
            return False
        is_fresh = self._monotonic() - reached.free_s < self._config.mqtt_fresh_s
        return not (is_fresh and self._free.is_ready)

    def _until_allowed_s(self, reached: _Reached) -> float:
        """How long until one more message is within the bound of a day."""
        now_s = self._clock_s()
        day = int(now_s) // _DAY_S
        # A clock that is put back across midnight opens no second day.
        if not 0 <= reached.day - day <= 1:
            reached.day, reached.sent = day, 0
        if reached.sent < self._config.sent_per_day_max:
            return 0.0
        return (reached.day + 1) * _DAY_S - now_s

    def _later_s(self) -> float:
        return _AWAY_S * (1 + self._jitter())

    def _reached(self, kid: int) -> _Reached:
        while self._redirected:
            again = self._redirected.popleft()
            known, row = self._known.get(again), self._terminal(again)
            if known is not None and row is not None:
                known.number = row.telephone
        reached = self._known.get(kid)
        if reached is None:
            row = self._terminal(kid)
            reached = self._known[kid] = _Reached(row.channel, row.telephone) if row else _Reached("", "")
            if self._day_counts is not None:
                reached.day, reached.sent = self._day_counts.read(kid)
            if len(self._known) > _KNOWN_MAX:
                self._known.popitem(last=False)
        else:
            self._known.move_to_end(kid)
        return reached


_FREELY = Manner()
