"""The acknowledger thread: tells terminals where they stand, each at most so often, and carries grants to them."""

from __future__ import annotations

import heapq
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError
from dataclasses import dataclass, field

import structlog

from gateway import acknowledge, owed, renewals
from gateway.acknowledge import Signer
from gateway.batch_changes import Contact
from gateway.config import Acknowledge
from gateway.down_counter import DownCounter
from gateway.downlinks import Downlinks
from gateway.errors import GatewayError
from gateway.keys import GatewayCipher, KeyRing
from gateway.owed import Epoch
from gateway.store.interface import Changes, Reader, TerminalRow
from gateway.writer import RESTORED
from protocol.renewal import PIECE_OCTETS

_LOG = structlog.get_logger("acknowledger")
_IDLE_S = 0.5
_PAUSE_S_MIN = 0.005
_TERMINALS_MAX = 50_000
_WINDOWS_MAX = 8
_KEPT_EVERY = 64
"""So many more states must be known before that is written down again: a new process tells at most so many too many."""
_NEVER = float("inf")


@dataclass(slots=True)
class _Told:
    """What this process has told one terminal: `cursor` is the next record whose state is to be told, `unknown_from` the first
    one of which the terminal has not shown that it knows it. `windows`: (epoch and counter, first, behind) of the states in
    the last acknowledgements since its last report; `heard`: the echo in that. `kept`: `unknown_from` as last written down;
    `oldest`: whether, where nothing is new, the oldest unknown states go next.
    """

    cursor: int
    unknown_from: int
    kept: int
    oldest: bool = True
    windows: deque[tuple[tuple[int, int], int, int]] = field(
        default_factory=lambda: deque(maxlen=_WINDOWS_MAX)
    )
    due_s: float = 0.0
    epoch: int = 0
    grant_due_s: float = 0.0
    has_strayed: bool = False
    notice_due_s: float = 0.0
    standing_due_s: float = 0.0
    heard: tuple[int, int] | None = None
    cipher: GatewayCipher | None = None

    def rewind(self, first: int) -> None:
        """The states from a record on are to be told (again)."""
        self.cursor = min(self.cursor, first)
        self.unknown_from = min(self.unknown_from, first)

    def hear(self, echo: tuple[int, int]) -> bool:
        """(epoch, counter) of the last acknowledgement that the terminal has applied.

        What that one told is known. What later ones told is told again at once. Of earlier ones nothing follows: they may
        have been lost, or overtaken, and one that is overtaken is not applied. Tells whether the terminal has forgotten what
        it had applied: its flash did not keep it.
        """
        has_forgotten = self.heard is not None and echo < self.heard
        for order, first, behind in self.windows:
            if order > echo:
                self.cursor = min(self.cursor, first)
            elif order == echo and first <= self.unknown_from:
                self.unknown_from = max(self.unknown_from, behind)
        self.windows.clear()
        self.heard = echo
        return has_forgotten


class Acknowledger:
    """`down` chooses the way to each terminal and says when and how it may be spoken to.

    While `is_busy` says that a backlog is worked off, records come before answers. `keep(changes)` writes down what
    terminals know, and returns at once.
    """

    def __init__(
        self,
        reader: Reader,
        ring: KeyRing,
        counter: DownCounter,
        config: Acknowledge,
        down: Downlinks,
        is_busy: Callable[[], bool] = lambda: False,
        clock_s: Callable[[], int] = lambda: int(time.time()),
        monotonic: Callable[[], float] = time.monotonic,
        keep: Callable[[Changes], object] = lambda _: None,
    ) -> None:
        self._reader = reader
        self._ring = ring
        self._counter = counter
        self._config = config
        self._down = down
        self._is_busy = is_busy
        self._clock_s = clock_s
        self._monotonic = monotonic
        self._keep = keep
        self._changed = threading.Condition()
        self._news: list[tuple[int, Contact | None, int]] = []
        self._told: OrderedDict[int, _Told] = OrderedDict()
        self._due: list[tuple[float, int]] = []
        self._dirty: dict[int, float] = {}
        self._tokens = float(config.per_second_max)
        self._filled_s = monotonic()
        self._epoch: Epoch | None = None
        self._epoch_stale = True
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="acknowledger", daemon=True)
        self.sent = 0
        self.notices = 0
        self.withdrawals = 0
        self.last_error = ""

    # What other threads call.

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self, timeout_s: float = 10.0) -> None:
        """End; what is owed then is asked for again by the terminals."""
        self._stopping.set()
        with self._changed:
            self._changed.notify()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)

    @property
    def is_alive(self) -> bool:
        """Tell whether the thread runs."""
        return self._thread.is_alive()

    def contacts(self, contacts: Mapping[int, Contact]) -> None:
        """These terminals were heard, and what they sent is committed."""
        self._note([(kid, contact, 0) for kid, contact in contacts.items()])

    def settled(self, lowest: Mapping[int, int]) -> None:
        """Settlement has answered: kid -> lowest sequence whose state changed."""
        self._note([(kid, None, sequence) for kid, sequence in lowest.items()])

    def published(self, kids: list[int]) -> None:
        """Documents or orders have come in; `kids` have something new to hear."""
        self._epoch_stale = True
        self._note([(kid, None, 0) for kid in kids])

    def _note(self, news: list[tuple[int, Contact | None, int]]) -> None:
        with self._changed:
            self._news += news
            self._changed.notify()

    # The thread.

    def _run(self) -> None:
        while not self._stopping.is_set():
            with self._changed:
                if not self._news:
                    self._changed.wait(self._pause_s())
            try:
                self.turn()
            except (GatewayError, CancelledError, TimeoutError) as failure:
                self.last_error = str(failure) or type(failure).__name__
                _LOG.error("cannot acknowledge", error=self.last_error)
                self._stopping.wait(_IDLE_S)

    def turn(self) -> None:
        """Take in what has come, and answer whose turn it is; the thread does nothing else."""
        with self._changed:
            news, self._news = self._news, []
        for kid, contact, settled_from in news:
            self._take(kid, contact, settled_from)
        self._answer()

    def _pause_s(self) -> float:
        """Until somebody's turn comes, or until one more may be sent."""
        if not self._due:
            return _IDLE_S
        if self._tokens < 1:
            return 1 / self._config.busy_per_second_max
        return min(_IDLE_S, max(_PAUSE_S_MIN, self._due[0][0] - self._monotonic()))

    def _take(self, kid: int, contact: Contact | None, settled_from: int) -> None:
        """One piece of news: rewind what is to be told, and put the terminal in line."""
        told = self._told_of(kid)
        if told is None:
            return
        if contact is not None:
            self._down.heard(kid, contact.channels)
            told.has_strayed = told.has_strayed or contact.has_strayed
        if settled_from:
            told.rewind(settled_from)
        elif contact is None:
            told.grant_due_s = 0.0
        elif contact.report is not None:
            if not self._down.manner(kid).grant_interval_s:  # else each report would cost a grant
                told.grant_due_s = min(told.grant_due_s, self._monotonic())
            if told.hear((contact.report.echo_epoch, contact.report.echo_counter)):
                self._recall(kid, told)
            self._keep_known(kid, told)
        elif contact.repeated_from:
            told.rewind(contact.repeated_from)
        self._line_up(kid, told)

    def _told_of(self, kid: int) -> _Told | None:
        told = self._told.get(kid)
        if told is None:
            row = self._reader.terminal(kid)
            if row is None:
                return None
            unknown_from = owed.unknown_from(self._reader, row)
            report = owed.last_report(row)
            heard = (report.echo_epoch, report.echo_counter) if report else None
            told = self._told[kid] = _Told(owed.first_state(row), unknown_from, unknown_from, heard=heard)
            if len(self._told) > _TERMINALS_MAX:
                self._told.popitem(last=False)
        return told

    def _recall(self, kid: int, told: _Told) -> None:
        """Of the last states nothing is known any more."""
        row = self._reader.terminal(kid)
        if row is not None:
            told.unknown_from = min(told.unknown_from, owed.first_state(row))

    def _keep_known(self, kid: int, told: _Told) -> None:
        """Write down what a terminal knows; not every step of it."""
        if told.unknown_from < told.kept or told.unknown_from >= told.kept + _KEPT_EVERY:
            self._keep(owed.known(kid, told.unknown_from - 1))
            told.kept = told.unknown_from

    def _line_up(self, kid: int, told: _Told) -> None:
        """Put a terminal in line for when it may be spoken to; earlier than it stands there if a quicker way has opened."""
        now_s = self._monotonic()
        due_s = max(told.due_s, now_s + self._down.manner(kid).hold_s)
        if due_s < self._dirty.get(kid, _NEVER):
            self._dirty[kid] = due_s
            heapq.heappush(self._due, (due_s, kid))

    def _answer(self) -> None:
        """Send to everybody whose turn has come, as fast as is allowed."""
        now_s = self._monotonic()
        rate = self._config.busy_per_second_max if self._is_busy() else self._config.per_second_max
        self._tokens = min(float(rate), self._tokens + (now_s - self._filled_s) * rate)
        self._filled_s = now_s
        if not self._due or not self._down.is_ready or self._reader.value(RESTORED):
            return
        epoch = self._current_epoch()
        if epoch is None:
            return
        while self._due and self._due[0][0] <= now_s and self._tokens >= 1:
            due_s, kid = heapq.heappop(self._due)
            if self._dirty.get(kid) != due_s:
                continue  # it stands elsewhere in line
            del self._dirty[kid]
            told = self._told_of(kid)
            row = self._reader.terminal(kid)
            if told is None or row is None:
                continue
            if self._down.manner(kid).hold_s > 0:
                self._line_up(kid, told)
            else:
                self._tokens -= 1
                self._tell(row, told, epoch)
        self.last_error = ""

    def _tell(self, row: TerminalRow, told: _Told, epoch: Epoch) -> None:
        """One acknowledgement, and what else the terminal should have; to one that was revoked only that it was."""
        now_s = self._monotonic()
        manner = self._down.manner(row.kid)
        octets_max = min(self._config.octets_max, manner.octets_max)
        if told.cipher is None or told.epoch != epoch.number:
            told.cipher = owed.down_cipher(row, epoch)
            told.epoch = epoch.number
            told.grant_due_s = now_s  # a new epoch is carried at once
        is_carrying = now_s >= told.grant_due_s
        if is_carrying:
            told.grant_due_s = now_s + max(self._config.grant_interval_s, manner.grant_interval_s)
            self._carry_epoch(row, told, epoch)
        signer = Signer(epoch.number, epoch.key.acknowledgement)
        self._withdraw(row, told, signer, manner.grant_interval_s)
        told.due_s = now_s + self._config.interval_ms / 1000
        if row.revoked:
            return
        if told.has_strayed:
            # Before anything that a terminal without its newest records would take ill or put into its chain.
            told.has_strayed = False
            self._warn(row, told, told.cipher)
        if is_carrying:
            self._carry_grants(row, told.cipher, manner.octets_max)
        counter = self._counter.take()
        first = acknowledge.window(row, told.cursor, told.unknown_from, octets_max, told.oldest)
        octets, behind = acknowledge.build(
            self._reader, row, signer, told.cipher, counter, self._clock_s(), first, octets_max
        )
        if not self._down.send(row.kid, octets):
            self._line_up(row.kid, told)
            return
        self.sent += 1
        if told.cursor > row.booked_through:
            told.oldest = not told.oldest
        told.cursor = max(told.cursor, behind)
        if behind > first:
            told.windows.append(((epoch.number, counter), first, behind))
        if told.cursor <= row.booked_through:
            self._line_up(row.kid, told)

    def _withdraw(self, row: TerminalRow, told: _Told, signer: Signer, least_s: float) -> None:
        """Tell a terminal that it was replaced or revoked; not too often, since nobody knows whether it has heard."""
        why, now_s = owed.withdrawn(row), self._monotonic()
        if not why or now_s < told.standing_due_s or told.cipher is None:
            return
        octets = acknowledge.build_standing(row.kid, why, signer, told.cipher, self._counter.take())
        if self._down.send(row.kid, octets):
            told.standing_due_s = now_s + max(self._config.notice_interval_s, least_s)
            self.withdrawals += 1

    def _warn(self, row: TerminalRow, told: _Told, cipher: GatewayCipher) -> None:
        """Show a terminal its own last seal, so that it locks if it has forgotten it; not too often."""
        now_s = self._monotonic()
        if now_s < told.notice_due_s or not row.sealed_through:
            return
        if self._down.send(
            row.kid, acknowledge.build_notice(self._reader, row, cipher, self._counter.take())
        ):
            told.notice_due_s = now_s + self._config.notice_interval_s
            self.notices += 1
            _LOG.warning("a terminal has strayed from its own seals", kid=f"{row.kid:08x}")

    def _carry_epoch(self, row: TerminalRow, told: _Told, epoch: Epoch) -> None:
        """Send the epoch certificate to a terminal that echoes an older epoch."""
        if told.heard is not None and told.heard[0] < epoch.number and not epoch.is_first:
            self._down.send(row.kid, acknowledge.build_epoch(row.kid, epoch.octets, self._counter.take()))

    def _carry_grants(self, row: TerminalRow, cipher: GatewayCipher, octets_max: int) -> None:
        """Send grants that fit the terminal's roster and that it has not adopted yet, and where they fit a new one, what is new in
        that, if it is little; more of it waits for the terminal at the broker (`gateway roster offer`).
        """
        has = renewals.held(self._reader, row.kid)
        take = self._counter.take
        made: list[bytes] = []
        for grant in owed.owed_grants(row, has):
            made += acknowledge.build_grant(row.kid, grant.octets, cipher, take, octets_max)
        unit = renewals.owed_to(self._reader, row, has).unit
        if len(unit) <= PIECE_OCTETS:
            made += renewals.frames(row.kid, unit, cipher, take, octets_max)
        for octets in made:
            self._down.send(row.kid, octets)

    def _current_epoch(self) -> Epoch | None:
        """The greatest epoch that the authority has certified, if our clock is not before it."""
        if self._epoch_stale:
            self._epoch_stale = False
            self._epoch = None
            self._epoch = owed.current_epoch(self._reader, self._ring)
        if self._epoch is not None and self._clock_s() < self._epoch.issued_s:
            # A signed time that is wrong would move the terminals' clocks.
            self.last_error = "the clock stands before the epoch certificate; set it"
            return None
        return self._epoch
