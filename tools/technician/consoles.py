"""Opens the console of a terminal that runs, and finds out whether there is one: nobody who babbles or is silent holds it up."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Iterator
from typing import Any

import serial

from tools.carry import BAUDRATE, Console
from tools.technician.errors import CableError

PROBE_S = 30.0
LOOK_S = 2.0
_LINE_S = 15.0
# The longest answer that a terminal may be giving when it is called: all its records.
_ANSWER_S = 600.0
# Behind the answer to `help` nothing follows.
_SILENT_S = 0.2
_HELP = b"OK commands="
_ANSWER = re.compile(rb'(OK\b|ERROR \d+ "|DATA [A-Za-z0-9+/=]+\r|PROGRESS \d+ \d+\r)')


class _Cable:
    """A serial line; one that is pulled out is silent."""

    def __init__(self, line: Any) -> None:
        self._line = line

    def write(self, octets: bytes) -> int | None:
        """Octets out."""
        with contextlib.suppress(OSError):
            self._line.write(octets)
        return len(octets)

    def readline(self) -> bytes:
        """The next line, b"" where none comes in time."""
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
    """Whether a console answers; afterwards it is silent, and what is asked next gets its own answer.

    Opening the port may have started the terminal anew, so it is given time. An earlier cable may have been pulled in the middle
    of anything: octets that the terminal waits for are given up by it, since `help` is none; an answer that is still under way is
    heard to its end.
    """
    now = time.monotonic()
    until, longest = now + probe_s, now + max(probe_s, _ANSWER_S)
    is_there = False
    while not is_there and time.monotonic() < until:
        _Cable(line).write(b"\nhelp\n")
        line.timeout = LOOK_S
        while raw := _Cable(line).readline():
            now = time.monotonic()
            if _ANSWER.match(raw):
                is_there = True
                until = now + probe_s
                if raw.startswith(_HELP):
                    line.timeout = _SILENT_S
            if now > min(until, longest):
                return False  # whoever babbles so long is no terminal
    return is_there
