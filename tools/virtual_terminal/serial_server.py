"""The far end of a port that speaks RFC 2217, reset lines included, as a serial server in a workshop does; pyserial's own
`PortManager` speaks the protocol. A pty would have no DTR and RTS.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import serial.rfc2217

SetLines = Callable[[bool, bool], None]
"""set_lines(dtr, rts): what whoever has the port does with the two lines."""


def manager(connection: socket.socket, set_lines: SetLines) -> Any:
    """What takes the protocol out of octets that come, and puts it into those that go."""
    port: Any = _Line(set_lines)
    wire: Any = _Wire(connection)
    return serial.rfc2217.PortManager(port, wire)


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
