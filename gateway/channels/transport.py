"""A socket that reads and writes in large pieces, for a client library that asks for a few octets at a time.

paho reads a packet's first octet, its length and its body with a system call each, and each call hands the interpreter
lock to another thread. Buffered, one call serves hundreds of packets; measured, the gateway is about half as fast without.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Callable

READ_OCTETS = 1 << 18


class BufferedSocket:
    """The part of a socket's interface that paho uses."""

    def __init__(self, inner: socket.socket) -> None:
        self._inner = inner
        self._taken = memoryview(b"")
        self._unsent = bytearray()

    def pending(self) -> int:
        """Octets that can be read without waiting for the network."""
        if self._taken:
            return len(self._taken)
        return self._inner.pending() if isinstance(self._inner, ssl.SSLSocket) else 0

    def recv(self, most: int) -> bytes:
        """Up to `most` octets; b"" at the end of the stream, `BlockingIOError` where there are none now."""
        if not self._taken:
            self._taken = memoryview(self._inner.recv(READ_OCTETS))
        taken = self._taken[:most]
        self._taken = self._taken[most:]
        return bytes(taken)

    def send(self, octets: bytes) -> int:
        """Take octets to be sent by `flush`."""
        self._unsent += octets
        return len(octets)

    @property
    def has_unsent(self) -> bool:
        """Tell whether `flush` has work."""
        return bool(self._unsent)

    def flush(self) -> None:
        """Send as much as the network takes now; raises `OSError` where the connection is lost."""
        while self._unsent:
            try:
                sent = self._inner.send(self._unsent)
            except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
                return
            del self._unsent[:sent]

    def fileno(self) -> int:
        """The socket's file descriptor."""
        return self._inner.fileno()

    def close(self) -> None:
        """Close the socket; what is unsent goes out if the network takes it at once."""
        with contextlib.suppress(OSError):  # the connection is being given up
            self.flush()
        self._inner.close()

    def setblocking(self, flag: bool) -> None:
        """Wait for the network or not."""
        self._inner.setblocking(flag)

    def settimeout(self, timeout_s: float) -> None:
        """Time limit while connecting."""
        self._inner.settimeout(timeout_s)

    def do_handshake(self) -> None:
        """TLS handshake, where there is TLS."""
        if isinstance(self._inner, ssl.SSLSocket):
            self._inner.do_handshake()


class BufferedContext:
    """What paho takes for a TLS context: the one public place where it lets somebody else make its socket.

    With `tls` None the connection stays plain.
    """

    check_hostname = (
        True  # paho then leaves the check to the context, which does it (or there is nothing to check)
    )

    def __init__(self, tls: ssl.SSLContext | None, opened: Callable[[BufferedSocket], None]) -> None:
        self._tls = tls
        self._opened = opened

    def wrap_socket(
        self, plain: socket.socket, server_hostname: str | None = None, do_handshake_on_connect: bool = False
    ) -> BufferedSocket:
        """The socket that paho is to use."""
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        inner = plain
        if self._tls is not None:
            inner = self._tls.wrap_socket(
                plain, server_hostname=server_hostname, do_handshake_on_connect=do_handshake_on_connect
            )
        made = BufferedSocket(inner)
        self._opened(made)
        return made
