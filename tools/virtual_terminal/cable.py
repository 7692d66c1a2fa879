"""A virtual terminal's USB cable as a loopback address that pyserial opens, for commands as they are typed."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from typing import Self

_LOOK_S = 0.005


class Cable:
    """While it is plugged in, a thread of its own calls `typed(text)` again and again: it gets what the laptop wrote, often
    nothing, and gives what the terminal wrote. `url` is the port's name for pyserial.
    """

    def __init__(self, typed: Callable[[str], str]) -> None:
        self._typed = typed
        self._server = socket.create_server(("127.0.0.1", 0))
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    @property
    def url(self) -> str:
        """The port's name for pyserial."""
        return f"socket://127.0.0.1:{self._server.getsockname()[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *failure: object) -> None:
        self._stopping.set()
        with socket.create_connection(self._server.getsockname()):
            pass  # wakes the accept
        self._thread.join(10)
        self._server.close()

    def _serve(self) -> None:
        while True:
            connection, _ = self._server.accept()
            with connection:
                if self._stopping.is_set():
                    return
                with contextlib.suppress(OSError):
                    self._talk(connection)

    def _talk(self, connection: socket.socket) -> None:
        connection.settimeout(_LOOK_S)
        while not self._stopping.is_set():
            try:
                octets = connection.recv(4096)
                if not octets:
                    return
            except TimeoutError:
                octets = b""
            connection.sendall(self._typed(octets.decode("ascii", "replace")).encode())
