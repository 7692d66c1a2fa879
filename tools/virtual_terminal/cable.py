"""A virtual terminal's USB cable as a loopback address that pyserial opens, for commands as they are typed."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from typing import Self

from tools.virtual_terminal import serial_server
from tools.virtual_terminal.serial_server import SetLines

_LOOK_S = 0.005


class Cable:
    """While it is plugged in, a thread of its own calls `typed(text)` again and again: it gets what the laptop wrote, often
    nothing, and gives what the terminal wrote, an octet for each character. `url` is the port's name for pyserial.

    `set_lines(dtr, rts)`: the cable has reset lines, too, and speaks RFC 2217.
    """

    def __init__(self, typed: Callable[[str], str], set_lines: SetLines | None = None) -> None:
        self._typed = typed
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
        """Pull it out under whoever uses it now; the next one finds it plugged in again."""
        self._pulled.set()

    def _serve(self) -> None:
        while True:
            connection, _ = self._server.accept()
            with connection:
                if self._stopping.is_set():
                    return
                self._pulled.clear()
                with contextlib.suppress(OSError):
                    self._talk(connection)

    def _talk(self, connection: socket.socket) -> None:
        connection.settimeout(_LOOK_S)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        lines = None if self._set_lines is None else serial_server.manager(connection, self._set_lines)
        while not self._stopping.is_set() and not self._pulled.is_set():
            try:
                octets = connection.recv(4096)
                if not octets:
                    return
            except TimeoutError:
                octets = b""
            typed = octets if lines is None else b"".join(lines.filter(octets))
            back = self._typed(typed.decode("latin-1")).encode("latin-1")
            connection.sendall(back if lines is None else b"".join(lines.escape(back)))
