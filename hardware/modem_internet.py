"""Where the modem model's sockets lead to: byte pipes for tests, or the host's own TCP.

An internet has `connect(host, port) -> connection or None`. A connection has `send(octets)`, `receive(size) -> octets`,
which never waits, `is_open` (False once the peer has closed and all was received) and `close()`.
"""

import socket

_EAGAIN = 11


class Pipe:
    """One connection; the test is the peer: it reads `sent`, calls `push(octets)` and `hang_up()`."""

    def __init__(self):
        self.sent = bytearray()
        self.closed = False
        self._coming = b""
        self._hung_up = False

    def push(self, octets: bytes) -> None:
        """The peer sends."""
        self._coming += octets

    def hang_up(self) -> None:
        """The peer closes."""
        self._hung_up = True

    def send(self, octets: bytes) -> None:
        self.sent.extend(octets)

    def receive(self, size: int) -> bytes:
        taken, self._coming = self._coming[:size], self._coming[size:]
        return taken

    @property
    def is_open(self) -> bool:
        return not self._hung_up or bool(self._coming)

    def close(self) -> None:
        self.closed = True


class PipeInternet:
    """Every connection is a new `Pipe`, the latest one last in `pipes`; `is_up` False refuses them."""

    def __init__(self):
        self.is_up = True
        self.pipes = []

    def connect(self, host: str, port: int):
        """A pipe, or None when nobody answers."""
        if not self.is_up:
            return None
        pipe = Pipe()
        pipe.place = (host, port)
        self.pipes.append(pipe)
        return pipe


class TcpConnection:
    """A TCP connection of the host."""

    def __init__(self, host: str, port: int):
        self._socket = socket.socket()
        address = socket.getaddrinfo(host, port)[0][-1]
        self._socket.connect(address)
        self._socket.setblocking(False)
        self._unsent = b""
        self.is_open = True

    def send(self, octets: bytes) -> None:
        self._unsent += octets
        self._push()

    def receive(self, size: int) -> bytes:
        self._push()
        if not self.is_open:
            return b""
        try:
            octets = self._socket.recv(size)
        except OSError as error:
            if error.errno != _EAGAIN:
                self.is_open = False
            return b""
        if not octets:
            self.is_open = False
        return octets

    def _push(self) -> None:
        """Send on what the host's buffer did not take."""
        while self._unsent and self.is_open:
            try:
                count = self._socket.send(self._unsent)
            except OSError as error:
                if error.errno != _EAGAIN:
                    self.is_open = False
                return
            self._unsent = self._unsent[count:]

    def close(self) -> None:
        self.is_open = False
        self._socket.close()


class TcpInternet:
    """The host's network: for loopback tests and for demonstrations."""

    def connect(self, host: str, port: int):
        """A connection, or None when nobody answers."""
        try:
            return TcpConnection(host, port)
        except OSError:
            return None
