"""The laptop's end of carrying: what it types is what the terminal takes, and what is wrong is said."""

from __future__ import annotations

import base64
from collections.abc import Iterator

import pytest

from protocol import carry, frame
from protocol.errors import ProtocolError
from tests.support.worker import MicroPythonWorker
from tools.carry import Console, ConsoleError, as_carry_file

DRIVER = "tests/property/drivers/carry_console.py"


class Script:
    """A port whose answers stand ready, whatever is written."""

    def __init__(self, *lines: str) -> None:
        self.lines = [line.encode() + b"\r\n" for line in lines]
        self.written = b""

    def write(self, octets: bytes) -> int:
        """Keep what is typed."""
        self.written += octets
        return len(octets)

    def readline(self) -> bytes:
        """The next answer."""
        return self.lines.pop(0) if self.lines else b""


@pytest.fixture(scope="module")
def terminal() -> Iterator[MicroPythonWorker]:
    with MicroPythonWorker(DRIVER, "unix64", heap="16m") as worker:
        yield worker


def conversation(terminal: MicroPythonWorker, typed: bytes) -> Script:
    """A port with what the real console answers to `typed`."""
    return Script(*terminal.call(typed.rstrip(b"\n")).decode().split("\r\n")[:-1])


def test_records_come_out_of_the_real_console_as_a_carry_file(terminal: MicroPythonWorker) -> None:
    port = conversation(terminal, b"carry-out\n")
    heard: list[tuple[int, int]] = []
    octets, values = Console(port, lambda done, total: heard.append((done, total))).fetch("carry-out")
    assert port.written == b"carry-out\n"
    entries = carry.read(octets)
    assert [error for _, _, error in entries] == [None] * len(entries)
    headers = [frame.read_header(octets) for _, octets, _ in entries[1:]]
    assert sum(header.count for header in headers) == 53
    assert values == {"frames": str(len(entries)), "records": "53"}
    assert heard[-1] == (53, 53)


def test_the_answer_goes_into_the_real_console(terminal: MicroPythonWorker) -> None:
    answer = terminal.call(b"?")
    script = Script("PROGRESS 0 0", *["PROGRESS 9 0"] * 9, "OK")
    Console(script).deliver("carry-in", answer)
    port = conversation(terminal, script.written)
    assert Console(port).deliver("carry-in", answer) == {
        "applied": "1", "stale": "0", "refused": "0", "later": "0", "damaged": "0",
    }  # fmt: skip
    assert port.written == script.written
    assert terminal.call(b"") == b"53"


def test_texts_of_qr_codes_go_in_as_a_carry_file() -> None:
    """What a telephone passed on: one code in a line, blanks within it and lines between them."""
    frames = [bytes(range(place, place + 40)) for place in range(3)]
    texts = "\r\n\n".join(carry.qr_text(octets) for octets in frames) + "\n"
    made = as_carry_file(texts.encode())
    assert [octets for _, octets, _ in carry.read(made)] == frames
    assert as_carry_file(made) == made
    with pytest.raises(ProtocolError):
        as_carry_file(texts.encode() + b"hello\n")


def test_what_a_terminal_refuses_is_said_with_its_code() -> None:
    with pytest.raises(ConsoleError, match="still starting") as told:
        Console(Script('ERROR 6 "still starting"')).fetch("carry-out")
    assert told.value.code == 6


def test_a_line_that_says_nothing_or_something_else_is_no_answer() -> None:
    with pytest.raises(ConsoleError, match="switched on"):
        Console(Script()).fetch("carry-out")
    with pytest.raises(ConsoleError, match="instead of PROGRESS"):
        Console(Script("OK")).deliver("carry-in", b"octets")
    octets, _ = Console(Script("boot: hello", "DATA " + base64.b64encode(b"abc").decode(), "OK")).fetch("x")
    assert octets == b"abc"
