"""Opens the console of a terminal that runs, and finds out whether there is one: nobody who babbles or is silent holds it up."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterator
from typing import Any

import serial

from tools.carry import BAUDRATE, Console, ConsoleError
from tools.technician.errors import CableError

PROBE_S = 30.0
LOOK_S = 2.0
_LINE_S = 15.0


class _Cable:
    """A serial line: one that is pulled out is silent, and so is one that has babbled for longer than `patience_s`."""

    def __init__(self, line: Any, patience_s: float = math.inf) -> None:
        self._line = line
        self._until = time.monotonic() + patience_s

    def write(self, octets: bytes) -> int | None:
        """Octets out."""
        with contextlib.suppress(OSError):
            self._line.write(octets)
        return len(octets)

    def readline(self) -> bytes:
        """The next line, b"" where none comes in time."""
        if time.monotonic() > self._until:
            return b""
        try:
            octets: bytes = self._line.readline()
        except OSError:
            return b""
        return octets


@contextlib.contextmanager
def console_at(port: str) -> Iterator[Console | None]:
    """The console of a terminal at a port, None where nothing speaks as one; whatever happens, the port is closed."""
    try:
        line = serial.serial_for_url(port, BAUDRATE, timeout=LOOK_S, write_timeout=_LINE_S)
    except (serial.SerialException, OSError, ValueError) as error:
        raise CableError(
            f"{port} cannot be opened ({error})", "look at the cable and the port's name"
        ) from error
    with line:
        is_there = answers(line, PROBE_S)
        line.timeout = _LINE_S
        yield Console(_Cable(line)) if is_there else None


def answers(line: Any, probe_s: float) -> bool:
    """Whether a console answers; opening the port may have started the terminal anew, so it is given time.

    What a pulled cable left half-typed ends here too: `help` is no octets, so the terminal gives those up.
    """
    deadline = time.monotonic() + probe_s
    while time.monotonic() < deadline:
        try:
            Console(_Cable(line, LOOK_S)).fetch("help")
        except ConsoleError as error:
            if error.code:
                return True
        else:
            return True
    return False
