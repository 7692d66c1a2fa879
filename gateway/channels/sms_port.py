"""A modem's serial port for a thread: one AT command at a time, bounded waits, and what comes unasked kept for later."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

import serial

from protocol.at_grammar import DATA, FINAL, LINE, PROMPT, UNSOLICITED, Event, Parser, command_name

BAUDRATE = 115200
REPLY_S = 5.0
_READ_S = 0.02
_READ_OCTETS = 4096
_PROMPT_S = 5.0
_NEWS_MAX = 100
_CTRL_Z = b"\x1a"
_ESCAPE = b"\x1b"
_BOOT_LINES = (b"RDY", b"*ATREADY", b"APP RDY", b"START")


class LineError(Exception):
    """The modem did not do what it was told."""


class LineSilentError(LineError):
    """No answer in time."""


class LineLostError(LineError):
    """The serial port is gone: pulled out, or its driver failed."""


class RestartedError(LineError):
    """The modem started anew by itself: its settings are gone."""


class RefusedError(LineError):
    """The modem answered with an error; `code` is its number, -1 where there is none."""

    def __init__(self, command: str, event: Event) -> None:
        super().__init__(f"{command}: {event.line.decode()} {event.code if event.code >= 0 else ''}".rstrip())
        self.code = event.code


class AtPort:
    """Open while it is used as a context manager; `reply_s`: how long a modem may take over an ordinary command.

    `news`: unsolicited lines, the oldest first; who takes them clears it.
    """

    def __init__(self, path: str, reply_s: float = REPLY_S) -> None:
        self._reply_s = reply_s
        try:
            self._serial = serial.Serial(path, BAUDRATE, timeout=_READ_S, write_timeout=5, exclusive=True)
        except (serial.SerialException, OSError) as failure:
            raise LineLostError(f"cannot open the port: {type(failure).__name__}") from failure
        self._parser = Parser()
        self._echoes = 0
        self._is_echo_off = False
        self._events: list[Event] = []
        self.news: list[Event] = []
        self.noise = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._serial.close()

    def command(
        self,
        command: bytes,
        timeout_s: float | None = None,
        *,
        bare: bool = False,
        content: bytes | None = None,
    ) -> list[bytes]:
        """Send a command, and `content` with Ctrl-Z behind its prompt; the lines of its reply."""
        name = (b"AT" + command_name(command) or command[:4]).decode()
        self._parser.begin(command, bare=bare, prompt=content is not None)
        self._events.clear()
        try:
            self._write(command + b"\r")
            if content is not None:
                asked = self._wait((PROMPT, FINAL), _PROMPT_S, name)
                if asked.kind == FINAL:
                    raise RefusedError(name, asked)
                self._write(content + _CTRL_Z)
            final = self._wait((FINAL,), self._reply_s if timeout_s is None else timeout_s, name)
        finally:
            self._parser.end()
        if not final.is_ok:
            raise RefusedError(name, final)
        return [event.line for event in self._events if event.kind in (LINE, DATA)]

    def echo_is_off(self) -> None:
        """From now on an echo betrays a modem that started anew."""
        self._echoes = self._parser.echoes
        self._is_echo_off = True

    def resynchronise(self) -> None:
        """Lead the modem out of half a command, and drop what it says to that."""
        self._is_echo_off = False
        self._parser.reset()
        self._write(_ESCAPE + b"\r")
        self.listen(0.2)

    def listen(self, duration_s: float) -> None:
        """Take what comes within a while."""
        deadline_s = time.monotonic() + duration_s
        while True:
            self._read()
            if time.monotonic() >= deadline_s:
                return

    def _wait(self, kinds: tuple[int, ...], timeout_s: float, name: str) -> Event:
        deadline_s = time.monotonic() + timeout_s
        while True:
            for event in self._events:
                if event.kind in kinds:
                    return event
            if time.monotonic() >= deadline_s:
                raise LineSilentError(f"{name}: no answer within {timeout_s:g} s")
            self._read()

    def _read(self) -> None:
        try:
            octets = self._serial.read(1)
            octets += self._serial.read(min(self._serial.in_waiting, _READ_OCTETS)) if octets else b""
        except (serial.SerialException, OSError) as failure:
            raise LineLostError(f"the port is gone: {type(failure).__name__}") from failure
        for event in self._parser.feed(octets):
            if event.kind == UNSOLICITED:
                if len(self.news) < _NEWS_MAX:
                    self.news.append(event)
                if self._is_echo_off and event.line.startswith(_BOOT_LINES):
                    raise RestartedError("the modem started anew")
            elif event.kind in (LINE, FINAL, PROMPT, DATA):
                self._events.append(event)
            else:
                self.noise += 1
        if self._is_echo_off and self._parser.echoes != self._echoes:
            raise RestartedError("the modem started anew")

    def _write(self, octets: bytes) -> None:
        try:
            self._serial.write(octets)
            self._serial.flush()
        except (serial.SerialException, OSError) as failure:
            raise LineLostError(f"the port is gone: {type(failure).__name__}") from failure
