"""Carries records out of a terminal, and answers into it, over its USB port: python -m tools.carry PORT out|in FILE.

What comes out is a carry file for `gateway import`; what goes in is one that `gateway export` wrote, or text with what a
telephone read off its QR codes, one in a line.
"""

from __future__ import annotations

import base64
import re
import secrets
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import click
import serial
from rich.progress import Progress

from protocol import carry
from protocol.errors import ProtocolError

BAUDRATE = 115200
LINE_TIMEOUT_S = 15.0
# What the longest line that a terminal takes (160 octets, firmware/console/lines.py) has room for.
_DATA_OCTETS = 114
_ERROR = re.compile(r'ERROR (\d+) "([^"]*)"')


class Port(Protocol):
    """A serial port with a read timeout."""

    def write(self, octets: bytes, /) -> int | None:
        """Octets out."""

    def readline(self) -> bytes:
        """The next line with its end; less when none came in time."""


class ConsoleError(Exception):
    """The terminal refused a command (`code` is its number), answered something else, or did not answer (both 0)."""

    def __init__(self, text: str, code: int = 0) -> None:
        super().__init__(text)
        self.code = code


Told = Callable[[int, int], None]


class Console:
    """The terminal's line protocol, as `firmware/console/console.py` speaks it; `told(done, total)` hears of progress.

    `strays` counts lines that were no answers: something is there, but it may be no terminal.
    """

    def __init__(self, port: Port, told: Told = lambda _done, _total: None) -> None:
        self._port = port
        self._told = told
        self.strays = 0

    def settle(self) -> list[str]:
        """End what a pulled cable left half-typed, pass over the answers to it, and return the names of all commands."""
        word = secrets.token_hex(4)
        self._write("END")
        self._write(f"help {word}")
        while True:
            try:
                _, rest = self._line()
            except ConsoleError as error:
                if not error.code:
                    raise
                continue
            told = _values(rest)
            if told.get("said") == word:
                return told.get("commands", "").split(",")

    def fetch(
        self, command: str, take: Callable[[bytes], None] = lambda _octets: None, patience: int = 0
    ) -> tuple[bytes, dict[str, str]]:
        """Run a command that sends octets: (them, the values of its OK); `take` gets them as they come, line by line.

        `patience`: how often the port's timeout may pass in silence, for a command that works for long.
        """
        self._write(command)
        octets = bytearray()
        while True:
            word, rest = self._line(patience)
            if word == "DATA":
                octets += _octets(rest)
                take(_octets(rest))
            elif word == "OK":
                return bytes(octets), _values(rest)

    def deliver(self, command: str, octets: bytes) -> dict[str, str]:
        """Run a command that takes octets; the values of its OK."""
        self._write(command)
        self._expect_progress()
        for at in range(0, len(octets), _DATA_OCTETS):
            self._write("DATA " + base64.b64encode(octets[at : at + _DATA_OCTETS]).decode())
            self._expect_progress()
            self._told(min(at + _DATA_OCTETS, len(octets)), len(octets))
        self._write("END")
        while True:
            word, rest = self._line()
            if word == "OK":
                return _values(rest)

    def _write(self, line: str) -> None:
        self._port.write(line.encode() + b"\n")

    def _expect_progress(self) -> None:
        word, rest = self._line()
        if word != "PROGRESS":
            raise ConsoleError(f"instead of PROGRESS: {word} {rest}")

    def _line(self, patience: int = 0) -> tuple[str, str]:
        """(first word, rest) of the next line that is an answer; what else a line may show is passed over."""
        while True:
            raw = self._port.readline()
            if not raw and patience:
                patience -= 1
                continue
            if not raw.endswith(b"\n"):
                self.strays += bool(raw)
                raise ConsoleError("no answer: is it switched on, and is this its port?")
            line = raw.decode("ascii", "replace").rstrip("\r\n")
            refused = _ERROR.fullmatch(line)
            if refused:
                raise ConsoleError(refused[2], int(refused[1]))
            word, _, rest = line.partition(" ")
            if word == "PROGRESS":
                done, _, total = rest.partition(" ")
                if total != "0":
                    self._told(int(done), int(total))
            if word in ("PROGRESS", "DATA", "OK"):
                return word, rest
            self.strays += 1


def _octets(text: str) -> bytes:
    """What a DATA line brought; ConsoleError where it was spoiled on its way."""
    try:
        return base64.b64decode(text, validate=True)
    except ValueError as error:
        raise ConsoleError("a line was spoiled on its way") from error


def _values(text: str) -> dict[str, str]:
    """`name=value` words as a dict."""
    return dict(word.partition("=")[::2] for word in text.split())


def as_carry_file(octets: bytes) -> bytes:
    """A carry file as it is, and the texts of QR codes as one; raises `ProtocolError` where a line is no such text."""
    if not octets.lstrip().startswith(carry.QR_PREFIX.encode()):
        return octets
    lines = octets.decode("ascii", "replace").splitlines()
    return b"".join(carry.pack(carry.from_qr_text(line)) for line in lines if line.strip())


@click.command(help=__doc__)
@click.argument("port")
@click.argument("way", type=click.Choice(["out", "in"]))
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def main(port: str, way: str, file: Path) -> None:
    """Open the port and carry."""
    try:
        with serial.Serial(port, BAUDRATE, timeout=LINE_TIMEOUT_S) as line, Progress() as progress:
            bar = progress.add_task(file.name, total=None)
            console = Console(line, lambda done, total: progress.update(bar, completed=done, total=total))
            if way == "out":
                octets, values = console.fetch("carry-out")
                file.write_bytes(octets)
            else:
                values = console.deliver("carry-in", as_carry_file(file.read_bytes()))
    except (OSError, ConsoleError, ProtocolError) as failure:
        click.echo(f"{port}: {failure}", err=True)
        sys.exit(1)
    click.echo(", ".join(f"{name} {value}" for name, value in values.items()))


if __name__ == "__main__":
    main()
