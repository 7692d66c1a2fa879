"""The way down to each terminal, and the pace on it: what costs money per message goes to registered numbers, seldom.

A terminal is answered by the way its newest frame came; where MQTT and SMS both work, by MQTT. Used by one thread.
"""

from __future__ import annotations

import random
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from gateway.channels.channel import FreeChannel, MessageChannel
from gateway.config import Sms
from gateway.store.interface import TerminalRow
from protocol.sms_user_data import USER_DATA_OCTETS_MAX

_DAY_S = 86_400.0
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
    message again, `sent_s` are the messages of the last day, `is_owed` while it waits for an answer.
    """

    channel: str
    number: str
    free_s: float = _LONG_AGO
    next_s: float = _LONG_AGO
    is_owed: bool = False
    sent_s: deque[float] = field(default_factory=deque)


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
    ) -> None:
        self._terminal = terminal
        self._free = free
        self._messages = messages
        self._config = config or Sms()
        self._jitter = jitter
        self._monotonic = monotonic
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
        now_s = self._monotonic()
        hold_s = max(0.0, reached.next_s - now_s, self._until_allowed_s(reached, now_s))
        if not hold_s and not any(channel.is_ready for channel in self._messages):
            hold_s = self._later_s()
        return Manner(hold_s, USER_DATA_OCTETS_MAX, self._config.grant_interval_s)

    def send(self, kid: int, octets: bytes) -> bool:
        """Send a frame by the terminal's way; False where that is not possible now."""
        reached = self._reached(kid)
        if not self._is_by_message(reached):
            reached.is_owed = False
            return self._free.send(kid, octets)
        now_s = self._monotonic()
        if len(octets) > USER_DATA_OCTETS_MAX:
            self.counts["too_long_for_sms"] += 1
            return False
        if self._until_allowed_s(reached, now_s) > 0:
            self.counts["over_daily_bound"] += 1
            return False
        # The link that the terminal used first: its operator routes to that terminal.
        for channel in sorted(self._messages, key=lambda channel: channel.name != reached.channel):
            if channel.is_ready and channel.send(reached.number, octets):
                reached.sent_s.append(now_s)
                reached.next_s = now_s + self._config.interval_s
                reached.is_owed = False
                self.counts[f"by_{channel.name}"] += 1
                return True
        return False

    def _is_by_message(self, reached: _Reached) -> bool:
        """Whether this terminal is answered by SMS: it has a number, speaks by SMS, and was not on MQTT just now."""
        if not reached.number or reached.channel not in [channel.name for channel in self._messages]:
            return False
        is_fresh = self._monotonic() - reached.free_s < self._config.mqtt_fresh_s
        return not (is_fresh and self._free.is_ready)

    def _until_allowed_s(self, reached: _Reached, now_s: float) -> float:
        """How long until one more message is within the bound of a day."""
        sent_s = reached.sent_s
        while sent_s and now_s - sent_s[0] >= _DAY_S:
            sent_s.popleft()
        return sent_s[0] + _DAY_S - now_s if len(sent_s) >= self._config.sent_per_day_max else 0.0

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
            if len(self._known) > _KNOWN_MAX:
                self._known.popitem(last=False)
        else:
            self._known.move_to_end(kid)
        return reached


_FREELY = Manner()
