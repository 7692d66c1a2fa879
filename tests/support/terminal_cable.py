"""A virtual terminal's USB cable as a port that pyserial opens: for the technician's commands as they are typed."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from typing import Self

from tools.virtual_terminal.control import VirtualTerminal

_LOOK_S = 0.005


class TerminalCable:
    """`url` is what a command takes for `--port`; while it is open, only its thread may ask the terminal anything: so that
    thread calls `beside(line)` for each line that the terminal wrote, where somebody stands who acts on them.
    """

    def __init__(self, terminal: VirtualTerminal, beside: Callable[[str], None] | None = None) -> None:
        self._terminal = terminal
        self._beside = beside
        self._written = ""
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
            heard = self._terminal.ask("cable", typed=octets.decode("ascii", "replace"))["heard"]
            connection.sendall(heard.encode())
            if self._beside is not None:
                *lines, self._written = (self._written + heard).split("\r\n")
                for line in lines:
                    self._beside(line)
