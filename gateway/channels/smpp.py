"""The SMS channel by an operator's SMS centre: one thread owns the connection, binds, and binds again when it is lost."""

from __future__ import annotations

import contextlib
import random
import selectors
import socket
import ssl
import threading
import time
from collections import Counter, deque
from collections.abc import Callable

import structlog

from gateway.channels.channel import Receipt, Received
from gateway.channels.smpp_session import LinkFailedError, Receipts, SmppSession
from gateway.channels.sms_bounds import SenderBounds
from gateway.channels.sms_message import Outgoing
from gateway.config import Smpp, secret
from gateway.errors import ConfigError
from protocol.sms_user_data import USER_DATA_OCTETS_MAX

_LOG = structlog.get_logger("smpp")
_TURN_S = 0.2
_READ_OCTETS = 65_536
_READS_PER_TURN = 16
_BACKOFF_MS_FIRST = 200
# A connection that lasted this long was a good one: after it, pauses start small again.
_SETTLED_S = 10.0
_GOODBYE_S = 2.0
# SMPP 3.4, 4.1.5; a longer one would be cut off in silence.
_SYSTEM_ID_MAX = 15
_PASSWORD_MAX = 8


class SmppChannel:
    """`deliver` takes frames; it may block, which leaves the socket unread (that is the back-pressure)."""

    name = "smpp"

    def __init__(
        self,
        config: Smpp,
        bounds: SenderBounds,
        deliver: Callable[..., None],
        jitter: Callable[[], float] = random.random,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._config = config
        self._password = secret(config.password, config.password_file)
        if len(config.system_id) > _SYSTEM_ID_MAX or len(self._password) > _PASSWORD_MAX:
            raise ConfigError(
                section="smpp", system_id_max=_SYSTEM_ID_MAX, password_max=_PASSWORD_MAX, reason="too long"
            )
        self._bounds = bounds
        self._deliver = deliver
        self._jitter = jitter
        self._monotonic = monotonic
        self._acknowledged: deque[list[Receipt]] = deque()
        self._outgoing: deque[Outgoing] = deque()
        self._wake_read, self._wake_write = socket.socketpair()
        self._wake_read.setblocking(False)
        self._wake_write.setblocking(False)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="smpp", daemon=True)
        self._session: SmppSession | None = None
        self._unsent = b""
        self.counts: Counter[str] = Counter()
        self._receipts = Receipts(self.counts)
        self.generation = 0
        self.stale_receipts = 0
        self.last_error = ""

    # What other threads call.

    def start(self) -> None:
        """Connect, and stay connected, in a thread of its own."""
        self._thread.start()

    def stop(self, timeout_s: float = 10.0) -> None:
        """Answer what is committed, unbind and end the thread."""
        self._stopping.set()
        self._wake()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)

    @property
    def is_alive(self) -> bool:
        """Tell whether the thread runs."""
        return self._thread.is_alive()

    @property
    def is_ready(self) -> bool:
        """Tell whether it would take a message: the centre has bound us, and the queue has room."""
        return self.is_bound and len(self._outgoing) < self._config.queue_max

    @property
    def is_bound(self) -> bool:
        """Tell whether the centre has bound us."""
        session = self._session
        return session is not None and session.is_bound

    def acknowledge(self, receipts: list[Receipt]) -> None:
        """These frames are committed: answer their deliver_sm."""
        self._acknowledged.append(receipts)
        self._wake()

    def send(self, number: str, octets: bytes) -> bool:
        """Queue a message; False where it does not fit one, the link is down or the queue is full."""
        if not self.is_ready or len(octets) > USER_DATA_OCTETS_MAX:
            return False
        self._outgoing.append(Outgoing(number, octets))
        self._wake()
        return True

    def health(self) -> dict[str, object]:
        """What `status` says about the link."""
        session = self._session
        return {
            "bound": self.is_bound,
            "generation": self.generation,
            "stale_receipts": self.stale_receipts,
            "waiting_for_commit": session.waiting_for_commit if session else 0,
            "queued": len(self._outgoing),
            "receipts_awaited": len(self._receipts),
            "error": self.last_error,
            "counts": dict(sorted(dict(self.counts).items())),
        }

    def _wake(self) -> None:
        # A full pipe holds wake-ups enough; a closed one belongs to a channel that was stopped.
        with contextlib.suppress(OSError):
            self._wake_write.send(b"w")

    # The thread.

    def _run(self) -> None:
        pause_ms = _BACKOFF_MS_FIRST
        while not self._stopping.is_set():
            self.generation += 1
            started_s = self._monotonic()
            try:
                with self._connect() as sock:
                    self._live(sock)
            except (LinkFailedError, OSError) as failure:
                self._note(failure)
            except Exception as failure:
                # Whatever it is, a new connection is the cure; the centre delivers again what was not answered.
                self._note(failure)
                _LOG.exception("smpp thread")
            if self._monotonic() - started_s >= _SETTLED_S:
                pause_ms = _BACKOFF_MS_FIRST
            if not self._stopping.wait(pause_ms * self._jitter() / 1000):
                pause_ms = min(2 * pause_ms, self._config.reconnect_ms_max)
        self._wake_read.close()
        self._wake_write.close()

    def _note(self, failure: Exception) -> None:
        self.last_error = f"{type(failure).__name__}: {failure}"
        self.counts["connections_lost"] += 1
        _LOG.warning("link lost", error=self.last_error, generation=self.generation)

    def _connect(self) -> socket.socket:
        config = self._config
        sock = socket.create_connection((config.host, config.port), config.response_s)
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if config.tls:
                context = ssl.create_default_context(cafile=config.tls_ca_file or None)
                sock = context.wrap_socket(sock, server_hostname=config.host)
            sock.setblocking(False)
        except BaseException:
            sock.close()
            raise
        return sock

    def _live(self, sock: socket.socket) -> None:
        """From bind to the end of the connection."""
        session = SmppSession(
            self._config, self._password, self._bounds.allow, self._receipts, self.counts, self._jitter
        )
        self._acknowledged.clear()
        self._unsent = b""
        session.opened(self._monotonic())
        self._session = session
        try:
            self._serve(sock, session)
        finally:
            self._session = None
            self._outgoing.extendleft(reversed(session.abandon()))

    def _serve(self, sock: socket.socket, session: SmppSession) -> None:
        was_bound = has_more = False
        with selectors.DefaultSelector() as selector:
            selector.register(self._wake_read, selectors.EVENT_READ)
            selector.register(sock, selectors.EVENT_READ)
            while not self._stopping.is_set():
                self._write(sock, session)
                wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if self._unsent else 0)
                selector.modify(sock, wanted)
                ready = selector.select(0 if has_more else self._wait_s(session))
                if any(key.fileobj is self._wake_read for key, _ in ready):
                    self._wake_read.recv(_READ_OCTETS)
                has_more = self._read(sock, session)
                if session.is_bound and not was_bound:
                    was_bound = True
                    self.last_error = ""
                    _LOG.info(
                        "bound", generation=self.generation, host=self._config.host, port=self._config.port
                    )
                self._hand_over(session)
                session.tick(self._monotonic())
            self._hand_over(session)
            session.close()
            sock.settimeout(_GOODBYE_S)
            sock.sendall(self._unsent + session.take_output())

    def _wait_s(self, session: SmppSession) -> float:
        # What is queued waits for the rate, not for octets to arrive.
        return (
            min(_TURN_S, 1 / self._config.sends_per_second)
            if self._outgoing and session.is_bound
            else _TURN_S
        )

    def _read(self, sock: socket.socket, session: SmppSession) -> bool:
        """Take what has come, and hand frames on by the handful; tells whether there may be more."""
        for _ in range(_READS_PER_TURN):
            try:
                octets = sock.recv(_READ_OCTETS)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return False
            if not octets:
                raise LinkFailedError("the centre has hung up")
            arrived = session.feed(octets, self._monotonic())
            if arrived:
                # The number stays here: it is a person's, and proves nothing.
                self._deliver(
                    *[
                        Received(found.frame.octets, "", self, (self.generation, found.sequence))
                        for found in arrived
                    ]
                )
        return True

    def _hand_over(self, session: SmppSession) -> None:
        """What other threads left: answers of this generation, and messages as fast as they may go."""
        while self._acknowledged:
            for generation, sequence in self._acknowledged.popleft():
                if generation == self.generation:
                    session.acknowledge(sequence)
                else:
                    self.stale_receipts += 1
        self._outgoing.extendleft(reversed(session.take_back()))
        while self._outgoing and session.can_submit(self._monotonic()):
            session.submit(self._outgoing.popleft(), self._monotonic())

    def _write(self, sock: socket.socket, session: SmppSession) -> None:
        self._unsent += session.take_output()
        if self._unsent:
            with contextlib.suppress(BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                self._unsent = self._unsent[sock.send(self._unsent) :]
