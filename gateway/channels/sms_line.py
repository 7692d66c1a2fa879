"""One modem of the gateway's pool, in a thread: list, deliver, delete after the commit; send at its own pace; recover.

A message stays in the modem until its frame is committed. What is no frame is counted and deleted; nothing of a message
or a number is ever logged.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable

import structlog

from gateway.channels.channel import Receipt
from gateway.channels.sms_message import LineSettings, Outgoing, Pending, digest_of, frame_of, submit
from gateway.channels.sms_port import AtPort, LineError, LineSilentError, RefusedError, RestartedError
from protocol import at_lines, sms_pdu
from protocol.errors import OutOfRange

_LOG = structlog.get_logger("sms")
_TURN_S = 0.05
_SEND_S = 60.0
_DELETE_S = 25.0
_RADIO_S = 15.0
_STATUS_S = 30.0
# Without trouble for that long, the next trouble begins at the lowest rung again.
_WELL_S = 300.0
# Rungs: AT, radio, a new start with the port, new power, quarantine.
_RUNG_RADIO = 2
_RUNG_POWER = 4
_NEARLY_FULL_PERCENT = 80
_REFUSALS_MAX = 3
_AT_S = 0.5
_AT_TRIES = 4
_TRIES = 15


class ModemLine:
    """`take(octets, sender, receipt)` hands a frame to the pool, which may refuse it (False: count and delete);
    `give_back(outgoing)` returns what this modem could not send; `power_cycle(path)` is the last resort, None without.

    `state`: "starting", "ready", "searching", "failed" or "quarantined". `counts`: what happened, by name.
    """

    def __init__(
        self,
        path: str,
        settings: LineSettings,
        take: Callable[[bytes, str, Receipt], bool],
        give_back: Callable[[Outgoing], None],
        new_generation: Callable[[], int],
        power_cycle: Callable[[str], None] | None = None,
    ) -> None:
        self.path = path
        self._settings = settings
        self._take = take
        self._give_back = give_back
        self._new_generation = new_generation
        self._power_cycle = power_cycle
        self._pending: dict[int, Pending] = {}
        self._delivered: set[bytes] = set()
        self._odd: dict[int, bytes] = {}
        self._token = 0
        self._acknowledged: deque[list[Receipt]] = deque()
        self._outgoing: deque[Outgoing] = deque()
        self._next_send_s = 0.0
        self._refusals = 0
        self._rung = 0
        self._troubled_s = 0.0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"sms {path}", daemon=True)
        self.generation = 0
        self.state = "starting"
        self.signal = at_lines.SIGNAL_UNKNOWN
        self.storage = (0, 0)
        self.counts: Counter[str] = Counter()
        self.last_error = ""

    # What other threads call.

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def end(self) -> None:
        """Let the thread end as soon as it can."""
        self._stopping.set()

    def stop(self, timeout_s: float = 10.0) -> None:
        """End the thread; messages that were not committed stay in the modem."""
        self.end()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)

    @property
    def is_alive(self) -> bool:
        """Tell whether the thread runs."""
        return self._thread.is_alive()

    @property
    def is_ready(self) -> bool:
        """Tell whether it can send."""
        return self.state == "ready"

    @property
    def queued(self) -> int:
        """Frames that wait to be sent."""
        return len(self._outgoing)

    def acknowledge(self, receipts: list[Receipt]) -> None:
        """These frames are committed."""
        self._acknowledged.append(receipts)

    @property
    def would_take(self) -> bool:
        """Tell whether it can send and its queue has room."""
        return self.is_ready and self.queued < self._settings.queue_max

    def send(self, outgoing: Outgoing) -> bool:
        """Queue a frame; False where the queue is full or the modem is not ready."""
        if not self.would_take:
            return False
        self._outgoing.append(outgoing)
        return True

    def health(self) -> dict[str, object]:
        """What `status` says about this modem."""
        used, total = self.storage
        return {
            "port": self.path,
            "state": self.state,
            "signal_dbm": at_lines.dbm(self.signal),
            "stored": used,
            "places": total,
            "nearly_full": self._is_nearly_full(),
            "waiting_for_commit": len(self._pending),
            "queued": self.queued,
            "error": self.last_error,
            "counts": dict(sorted(dict(self.counts).items())),
        }

    def _is_nearly_full(self) -> bool:
        used, total = self.storage
        return total > 0 and used * 100 >= total * _NEARLY_FULL_PERCENT

    # The thread.

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                with AtPort(self.path, self._settings.reply_s) as port:
                    self._live(port)
            except LineError as failure:
                self._note(failure)
            except Exception as failure:
                # One modem's driver must not take the others along: told, and tried again like any other failure.
                self._note(failure)
                _LOG.exception("modem thread", port=self.path)
            if not self._stopping.is_set():
                self._reopen_later(self._climb())
        self._return_outgoing()

    def _note(self, failure: Exception) -> None:
        self.state = "failed"
        self.last_error = f"{type(failure).__name__}: {failure}"
        self.counts["restarts" if isinstance(failure, RestartedError) else "failures"] += 1
        _LOG.warning("modem failed", port=self.path, error=self.last_error, rung=self._rung)
        self._return_outgoing()

    def _return_outgoing(self) -> None:
        while self._outgoing:
            self._give_back(self._outgoing.popleft())

    def _climb(self) -> int:
        """The rung for this trouble: one higher than for the last, unless that is long ago."""
        now_s = time.monotonic()
        if now_s - self._troubled_s >= _WELL_S:
            self._rung = 0
        self._troubled_s = now_s
        self._rung += 1
        return self._rung

    def _live(self, port: AtPort) -> None:
        """Set the modem up and serve; what AT or the radio can mend is mended with the port open."""
        while True:
            try:
                self._set_up(port)
                self._serve(port)
                return
            except RestartedError as failure:
                self._note(failure)
                port.resynchronise()
            except (LineSilentError, RefusedError) as failure:
                if self._climb() > _RUNG_RADIO:
                    raise
                self._note(failure)
                self._mend(port)

    def _mend(self, port: AtPort) -> None:
        """AT; one rung higher, the radio off and on too."""
        self.counts["resynchronised"] += 1
        port.resynchronise()
        self._say_at(port, _AT_TRIES)
        if self._rung >= _RUNG_RADIO:
            self.counts["radio_cycles"] += 1
            port.command(b"ATZ")
            port.command(b"AT+CFUN=0", _RADIO_S)
            port.command(b"AT+CFUN=1", _RADIO_S)

    def _reopen_later(self, rung: int) -> None:
        """A new start with the port; higher, with new power; in the end only after a long pause."""
        pause_s = self._settings.pause_s
        self.counts["reopened"] += 1
        if rung > _RUNG_POWER:
            self.counts["quarantines"] += 1
            self.state = "quarantined"
            pause_s = self._settings.quarantine_s
            self._rung = 0
        elif rung == _RUNG_POWER and self._power_cycle is not None:
            self.counts["power_cycles"] += 1
            self._power_cycle(self.path)
        self._stopping.wait(pause_s)

    def _say_at(self, port: AtPort, tries: int) -> None:
        for left in range(tries, 0, -1):
            try:
                port.command(b"AT", _AT_S)
            except LineSilentError:
                if left == 1 or self._stopping.is_set():
                    raise
            else:
                return

    def _set_up(self, port: AtPort) -> None:
        self.state = "starting"
        port.resynchronise()
        # A modem that starts is given time: new power in the middle of that would never let it come up.
        self._say_at(port, round(self._settings.boot_s / _AT_S))
        port.command(b"ATE0")
        port.echo_is_off()
        for command in (b"AT+CMEE=1", b"AT+CMGF=0"):
            self._patiently(port, command)
        try:
            port.command(b'AT+CPMS="ME","ME","ME"')
        except RefusedError:
            self._patiently(port, b'AT+CPMS="SM","SM","SM"')
        self._patiently(port, b"AT+CNMI=2,1,0,0,0")
        # Messages that were delivered before are delivered again: only a receipt of this generation deletes.
        self.generation = self._new_generation()
        self._pending.clear()
        self._delivered.clear()
        self._acknowledged.clear()
        self._odd.clear()
        self.state = "searching"

    def _patiently(self, port: AtPort, command: bytes) -> None:
        """SIM and message service start later than the modem."""
        for left in range(_TRIES, 0, -1):
            try:
                port.command(command)
            except RefusedError:
                if left == 1:
                    raise
                port.listen(1.0)
            else:
                return

    def _serve(self, port: AtPort) -> None:
        look_s = status_s = 0.0
        while not self._stopping.is_set():
            port.listen(_TURN_S)
            if any(event.line.startswith(b"+CMTI") for event in port.news):
                look_s = 0.0
            port.news.clear()
            self._delete_committed(port)
            now_s = time.monotonic()
            if now_s >= status_s:
                status_s = now_s + (_STATUS_S if self.is_ready else 1.0)
                self._ask_status(port)
            if now_s >= look_s:
                look_s = now_s + self._settings.look_s
                self._look(port)
            if self._outgoing and now_s >= self._next_send_s and self.is_ready:
                self._next_send_s = now_s + 60.0 / self._settings.sends_per_minute
                self._send(port, self._outgoing.popleft())
        self._delete_committed(port)

    def _ask_status(self, port: AtPort) -> None:
        try:
            lines = port.command(b"AT+CREG?")
            registered = bool(lines) and at_lines.registration(lines[0]).is_registered
            lines = port.command(b"AT+CSQ")
            self.signal = at_lines.signal(lines[0]) if lines else at_lines.SIGNAL_UNKNOWN
        except OutOfRange:
            return  # octets got lost: asked again soon
        self.state = "ready" if registered else "searching"
        if not registered:
            self._return_outgoing()

    # Messages in.

    def _look(self, port: AtPort) -> None:
        """Deliver what is new; clear away what is no frame."""
        entries = at_lines.listing(port.command(b"AT+CMGL=4", self._settings.list_s, bare=True))
        for entry in entries:
            digest = digest_of(entry.pdu)
            if digest in self._delivered:
                continue
            if not entry.is_whole and self._odd.get(entry.index) != entry.pdu:
                self._odd[entry.index] = entry.pdu  # octets got lost, unless it reads the same again
                continue
            self._token += 1
            self.counts["received"] += 1
            frame, why = frame_of(entry.pdu)
            if frame is None:
                self.counts[why] += 1
            else:
                self._pending[self._token] = Pending(entry.index, digest)
                self._delivered.add(digest)
                if self._take(frame.octets, frame.sender, (self.generation, self._token)):
                    self.counts["frames"] += 1
                    continue
                self.counts["bounded"] += 1
                del self._pending[self._token]
            self._delete(port, Pending(entry.index, digest))
        was_nearly_full = self._is_nearly_full()
        try:
            lines = port.command(b"AT+CPMS?")
            self.storage = at_lines.storage(lines[0]) if lines else self.storage
        except (RefusedError, OutOfRange):
            return
        if self._is_nearly_full() and not was_nearly_full:
            self.counts["times_nearly_full"] += 1
            _LOG.warning(
                "message store nearly full", port=self.path, used=self.storage[0], total=self.storage[1]
            )

    def _delete_committed(self, port: AtPort) -> None:
        while self._acknowledged:
            for generation, token in self._acknowledged.popleft():
                pending = self._pending.pop(token, None) if generation == self.generation else None
                if pending is not None:
                    self._delete(port, pending)

    def _delete(self, port: AtPort, pending: Pending) -> None:
        """Delete a place if it still holds that very message."""
        try:
            entry = at_lines.message(port.command(b"AT+CMGR=%d" % pending.index, bare=True), pending.index)
            if entry is not None and digest_of(entry.pdu) == pending.digest:
                port.command(b"AT+CMGD=%d" % pending.index, _DELETE_S)
                self.counts["deleted"] += 1
        except (RefusedError, OutOfRange):
            self.counts["delete_failures"] += 1
        # If it is still there, it is delivered again: a duplicate, which does no harm.
        self._delivered.discard(pending.digest)
        self._odd.pop(pending.index, None)

    # Messages out.

    def _send(self, port: AtPort, outgoing: Outgoing) -> None:
        pdu = submit(outgoing)
        outgoing.tries += 1
        try:
            port.command(
                b"AT+CMGS=%d" % sms_pdu.tpdu_length(pdu), _SEND_S, content=pdu.hex().upper().encode()
            )
        except RefusedError:
            self._fail_at(outgoing)
            self._refusals += 1
            if self._refusals >= _REFUSALS_MAX:
                self._refusals = 0
                raise
            return
        except LineError:
            self._fail_at(outgoing)
            raise
        self._refusals = 0
        self.counts["sent"] += 1

    def _fail_at(self, outgoing: Outgoing) -> None:
        self.counts["not_sent"] += 1
        outgoing.failed_at.add(self.path)
        self._give_back(outgoing)
