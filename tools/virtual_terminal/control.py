"""The bench's hands and eyes on a virtual terminal: starts its process and speaks its JSON lines."""

import contextlib
import json
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from firmware.ledger import document_area
from tools.authority.issue import Authority

ROOT = Path(__file__).resolve().parents[2]
INTERPRETER = ROOT / "build" / "bin" / "micropython64"
LOOK_S = 0.02
# A screen that asks for no key, as one that prints meanwhile, is looked at for so long.
GLANCE_S = 1.0
# How long a slow machine may take from a key to the next question.
ANSWER_S = 20.0
INSIDE = Path(__file__).with_name("start.py")


class TerminalError(Exception):
    """The virtual terminal answered with an error, or ended."""


class TerminalEndedError(TerminalError):
    """Its process is no more, or ends."""


class VirtualTerminal:
    """One virtual terminal in a process of its own; its flash is an image file that outlives it.

    `fittings`: what it has beside the parts that every terminal has, see `inside.Virtual`.
    """

    def __init__(
        self, flash: Path, log: Path, interpreter: Path = INTERPRETER, fittings: dict[str, Any] | None = None
    ) -> None:
        self._log = log.open("a")
        # A line and its answer belong together, whoever asks: a cable has a thread of its own.
        self._asking = threading.Lock()
        # A file, since MicroPython takes arguments of at most 255 octets.
        fitted = flash.with_suffix(".fittings")
        fitted.write_text(json.dumps(fittings or {}))
        self._process = subprocess.Popen(
            [str(interpreter), "-X", "heapsize=8m", str(INSIDE), str(ROOT), str(flash), str(fitted)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.switch_off()

    @property
    def has_ended(self) -> bool:
        """Whether its process is no more: a power cut, a restart into what its flash holds now, or a fault."""
        return self._process.poll() is not None

    def switch_off(self) -> None:
        """Cut the power: the process is killed, as a mains failure would."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._log):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):  # of what it did not read any more
                    stream.close()

    def ask(self, do: str, **fields: Any) -> dict[str, Any]:
        """One line there and back; raises `TerminalError`."""
        if self._process.stdin is None or self._process.stdout is None:
            raise TerminalError("no pipes")
        try:
            with self._asking:
                self._process.stdin.write(json.dumps({"do": do, **fields}) + "\n")
                self._process.stdin.flush()
                line = self._process.stdout.readline()
        except (BrokenPipeError, ValueError) as error:
            raise TerminalEndedError(f"{do}: the terminal is off") from error
        if not line:
            raise TerminalEndedError(f"{do}: the terminal ended, see {self._log.name}")
        try:
            answer = json.loads(line)
        except json.JSONDecodeError as error:
            # MicroPython prints what ends a program on standard output.
            rest = line + self._process.stdout.read()
            raise TerminalEndedError(f"{do}: the terminal ended: {rest}") from error
        if "error" in answer:
            raise TerminalError(f"{do}: {answer['error']}: {answer['text']}")
        result: dict[str, Any] = answer["ok"]
        return result

    def press(self, keys: str) -> None:
        """Press keys."""
        self.ask("press", keys=keys)

    def shown(self) -> str:
        """The name of the screen that is seen."""
        return str(self.ask("shown")["shown"])

    def wait_for(self, condition: Callable[[], bool], what: str, timeout_s: float = 20.0) -> None:
        """Look until `condition()` holds; raises `TerminalError` naming `what` when it does not in time."""
        deadline = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() > deadline:
                raise TerminalError(f"waited {timeout_s:.0f} s for {what}; the screen shows {self.shown()!r}")
            time.sleep(LOOK_S)

    def wait_for_screen(self, name: str, timeout_s: float = 20.0) -> None:
        """Until the screen `name` is seen and waits for a key: what is pressed before would answer a question that nobody
        has read, and is not taken.
        """

        def stands() -> bool:
            answer = self.ask("shown")
            return bool(answer["shown"] == name and answer["listening"])

        self.wait_for(stands, f"screen {name!r}", timeout_s)

    def pause(self, limit_s: float = GLANCE_S) -> None:
        """Until the terminal waits for a key again, as after a key that leads to another screen of the same name; no longer
        than `limit_s`.
        """
        deadline = time.monotonic() + limit_s
        while not self.ask("shown")["listening"] and time.monotonic() < deadline:
            time.sleep(LOOK_S)


def provision(
    terminal: VirtualTerminal,
    authority: Authority,
    kid: int,
    issued_s: int,
    sections: dict[int, bytes],
    roster_signed: bytes,
    grants: Callable[[int], dict[int, bytes]],
    discards_records: bool = False,
) -> bytes:
    """Make keys on the terminal, certify them and install everything; returns the terminal certificate.

    `sections` are the documents that all terminals share; `grants(kid)` gives the signed grants by programme. A terminal
    that was in use takes new keys only where `discards_records` says that its records are safe elsewhere.
    """
    keys = terminal.ask("make_keys", kid=kid, discards_records=discards_records)
    certificate = authority.terminal(
        kid,
        bytes.fromhex(keys["seal_key"]),
        bytes.fromhex(keys["agreement_key"]),
        keys["storage"],
        issued_s,
    )
    given = dict(sections)
    given[document_area.TERMINAL_CERTIFICATE] = certificate
    given[document_area.AUTHORITY_KEY] = authority.public
    for programme, signed in grants(kid).items():
        given[document_area.GRANT_FIRST + programme] = signed
    terminal.ask(
        "install",
        sections={str(name): octets.hex() for name, octets in given.items()},
        roster=roster_signed.hex(),
    )
    return certificate
