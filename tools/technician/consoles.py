"""Opens the console of a terminal that runs, and finds out whether there is one: nobody who babbles or is silent holds it up."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Iterator
from typing import Any

import serial

from tools.carry import BAUDRATE, Console
from tools.technician.errors import CableError, TechnicianError, WrongDeviceError

PROBE_S = 30.0
LOOK_S = 2.0
_LINE_S = 15.0
# pyserial's serial servers know none.
_NO_WRITE_TIMEOUT = "rfc2217://"
# The longest answer that a terminal may be giving when it is called: all its records.
_ANSWER_S = 600.0
# Behind the answer to `help` nothing follows.
_SILENT_S = 0.2
_HELP = b"OK commands="
_ANSWER = re.compile(rb'(OK\b|ERROR \d+ "|DATA [A-Za-z0-9+/=]+\r|PROGRESS \d+ \d+\r)')


class Cable:
    """A serial line; one that is pulled out is silent. `has_spoken`: something came over it, if only noise."""

    def __init__(self, line: Any) -> None:
        self._line = line
        self.has_spoken = False

    def write(self, octets: bytes) -> int | None:
        """Octets out."""
        try:
            self._line.write(octets)
        except OSError as error:
            self._broke(error)
        return len(octets)

    def readline(self) -> bytes:
        """The next line, b"" where none comes in time."""
        try:
            octets: bytes = self._line.readline()
        except OSError as error:
            self._broke(error)
            return b""
        self.has_spoken = self.has_spoken or bool(octets)
        return octets

    def wait_for(self, seconds: float) -> None:
        """How long a line may take to come."""
        self._line.timeout = seconds

    def _broke(self, error: OSError) -> None:
        """The port is gone."""


class _BrokeOffError(Exception):
    """The port went away while it was in use."""


class _WatchedCable(Cable):
    """One whose end is told at once: whoever waits for a terminal that starts would wait in vain."""

    def _broke(self, error: OSError) -> None:
        raise _BrokeOffError(str(error)) from error


@contextlib.contextmanager
def console_at(port: str) -> Iterator[Console | None]:
    """The console of a terminal at a port, None where nothing speaks as one; whatever happens, the port is closed."""
    with _line_at(port) as line:
        cable = Cable(line)
        yield Console(cable) if _is_ready(cable) else None


@contextlib.contextmanager
def terminal_at(port: str) -> Iterator[Console]:
    """The console of a terminal that must be there; a port that goes away meanwhile is a `CableError` like one that is not there."""
    with _line_at(port) as line:
        cable = _WatchedCable(line)
        try:
            if not _is_ready(cable):
                raise no_terminal(port, has_spoken=cable.has_spoken)
            yield Console(cable)
        except _BrokeOffError as error:
            raise CableError(
                f"{port} broke off ({error})", "look at the cable and run the same command again"
            ) from error


def no_terminal(port: str, *, has_spoken: bool) -> TechnicianError:
    """What to say where no console answered."""
    if has_spoken:
        return WrongDeviceError(
            f"what answers at {port} is no Lumbung terminal, or one that does not start",
            "look which device hangs on this port; a terminal that shows nothing, or a number of hardware/FAULTS.md, "
            "is for `lumbung flash` or `lumbung rescue`",
        )
    return CableError(
        f"no terminal answers at {port}",
        "switch it on and look at the cable; a number on its screen is in hardware/FAULTS.md; "
        "`lumbung rescue` reads the flash of one that does not start, `lumbung flash` makes one of a new chip",
    )


@contextlib.contextmanager
def _line_at(port: str) -> Iterator[Any]:
    """The port, for nobody else meanwhile: two commands would take each other's answers."""
    try:
        line = serial.serial_for_url(port, BAUDRATE, timeout=LOOK_S, exclusive=True)
        if not port.startswith(_NO_WRITE_TIMEOUT):
            line.write_timeout = _LINE_S
    except (serial.SerialException, OSError, ValueError) as error:
        raise CableError(
            f"{port} cannot be opened ({error})",
            "look at the cable and the port's name, and end whatever else uses the port",
        ) from error
    with line:
        yield line


def _is_ready(cable: Cable) -> bool:
    is_there = answers(cable, PROBE_S)
    cable.wait_for(_LINE_S)
    return is_there


def answers(cable: Cable, probe_s: float) -> bool:
    """Whether a console answers; afterwards it is silent, and what is asked next gets its own answer.

    Opening the port may have started the terminal anew, so it is given time. An earlier cable may have been pulled in the middle
    of anything: octets that the terminal waits for are given up by it, since `help` is none; an answer that is still under way is
    heard to its end.
    """
    now = time.monotonic()
    until, longest = now + probe_s, now + max(probe_s, _ANSWER_S)
    is_there = False
    while not is_there and time.monotonic() < until:
        cable.write(b"\nhelp\n")
        cable.wait_for(LOOK_S)
        while raw := cable.readline():
            now = time.monotonic()
            if _ANSWER.match(raw):
                is_there = True
                until = now + probe_s
                if raw.startswith(_HELP):
                    cable.wait_for(_SILENT_S)
            if now > min(until, longest):
                return False  # whoever babbles so long is no terminal
    return is_there
