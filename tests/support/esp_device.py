"""A modelled ESP32 on a loopback port that speaks RFC 2217, reset lines included (`tools/virtual_terminal/serial_server`)."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Self

from hardware.rom_loader import CablePulled, Plan, RomLoader
from tools.virtual_terminal import serial_server

_POLL_S = 0.02


class EspDevice:
    """`url` is what the technician's command takes for a port; each connection gets the next plan of faults.

    `is_raw`: octets without reset lines, much faster through pyserial; the chip then waits in its loader already, as one does that
    was reset by hand.
    """

    def __init__(self, chip: RomLoader, plans: tuple[Plan, ...] = (), is_raw: bool = False) -> None:
        self.chip = chip
        self._is_raw = is_raw
        self._plans = list(plans)
        self._server = socket.create_server(("127.0.0.1", 0))
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self.connections = 0

    @property
    def url(self) -> str:
        """The port's name for pyserial."""
        scheme = "socket" if self._is_raw else "rfc2217"
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

    def _serve(self) -> None:
        while True:
            connection, _ = self._server.accept()
            with connection:
                if self._stopping.is_set():
                    return
                self.connections += 1
                self.chip.connect(self._plans.pop(0) if self._plans else Plan())
                if self._is_raw:
                    self.chip.set_lines(dtr=False, rts=True)
                    self.chip.set_lines(dtr=True, rts=False)
                with contextlib.suppress(CablePulled, OSError):
                    self._talk(connection)

    def _talk(self, connection: socket.socket) -> None:
        connection.settimeout(_POLL_S)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        manager = None if self._is_raw else serial_server.manager(connection, self.chip.set_lines)
        while not self._stopping.is_set():
            try:
                octets = connection.recv(65536)
            except TimeoutError:
                octets = b""
            else:
                if not octets:
                    return
            back = self.chip.receive(b"".join(manager.filter(octets)) if manager else octets)
            if back:
                connection.sendall(b"".join(manager.escape(back)) if manager else back)
