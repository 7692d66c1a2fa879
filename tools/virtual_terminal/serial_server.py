"""A port on the loopback that pyserial opens, with reset lines where wanted, as a serial server in a workshop has them: it then
speaks RFC 2217 by pyserial's own `PortManager`. A pty would have no DTR and RTS.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from typing import Any, Self

import serial.rfc2217

_LOOK_S = 0.005

SetLines = Callable[[bool, bool], None]
"""set_lines(dtr, rts): what whoever has the port does with the two lines."""


class LoopbackPort:
    """While it is open, a thread of its own serves whoever connects to `url`, one after the other.

    `exchange(octets)` is called again and again: it gets what that one wrote, often nothing, and gives what it shall read.
    Without `set_lines` the port carries octets alone.
    """

    def __init__(self, exchange: Callable[[bytes], bytes], set_lines: SetLines | None = None) -> None:
        self._exchange = exchange
        self._set_lines = set_lines
        self._server = socket.create_server(("127.0.0.1", 0))
        self._stopping = threading.Event()
        self._pulled = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    @property
    def url(self) -> str:
        """The port's name for pyserial."""
        scheme = "socket" if self._set_lines is None else "rfc2217"
        return f"{scheme}://127.0.0.1:{self._server.getsockname()[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *failure: object) -> None:
        self._stopping.set()
        with socket.create_connection(self._server.getsockname()):
            pass  # wakes the accept
        self._thread.join(10)
        self._server.close()

    def pull(self) -> None:
        """Pull the cable out under whoever uses it now; the next one finds it plugged in again."""
        self._pulled.set()

    def opened(self) -> None:
        """Somebody has connected; for those who want to know."""

    def _serve(self) -> None:
        while True:
            connection, _ = self._server.accept()
            with connection:
                if self._stopping.is_set():
                    return
                self._pulled.clear()
                self.opened()
                with contextlib.suppress(OSError):
                    self._talk(connection)

    def _talk(self, connection: socket.socket) -> None:
        connection.settimeout(_LOOK_S)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        lines = None if self._set_lines is None else _manager(connection, self._set_lines)
        while not self._stopping.is_set() and not self._pulled.is_set():
            try:
                octets = connection.recv(65536)
                if not octets:
                    return
            except TimeoutError:
                octets = b""
            back = self._exchange(octets if lines is None else b"".join(lines.filter(octets)))
            connection.sendall(back if lines is None else b"".join(lines.escape(back)))


def _manager(connection: socket.socket, set_lines: SetLines) -> serial.rfc2217.PortManager:
    """What takes the protocol out of octets that come, and puts it into those that go."""
    line: Any = _Line(set_lines)
    wire: Any = _Wire(connection)
    return serial.rfc2217.PortManager(line, wire)


class _Wire:
    """What PortManager answers negotiations through."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def write(self, octets: bytes) -> None:
        self._connection.sendall(octets)


class _Line:
    """What PortManager takes for a serial port: settings that nobody needs, and the two lines that reset the chip."""

    cts = dsr = cd = True
    ri = False
    baudrate = 115200
    bytesize = 8
    parity = "N"
    stopbits = 1
    xonxoff = rtscts = break_condition = False

    def __init__(self, set_lines: SetLines) -> None:
        self._set_lines = set_lines
        self._dtr = self._rts = False

    @property
    def dtr(self) -> bool:
        return self._dtr

    @dtr.setter
    def dtr(self, level: bool) -> None:
        self._dtr = level
        self._set_lines(self._dtr, self._rts)

    @property
    def rts(self) -> bool:
        return self._rts

    @rts.setter
    def rts(self, level: bool) -> None:
        self._rts = level
        self._set_lines(self._dtr, self._rts)

    def reset_input_buffer(self) -> None:
        """Nothing waits here."""

    def reset_output_buffer(self) -> None:
        """Nothing waits here."""
