"""Drives code on real MicroPython from a CPython test, so that hypothesis can search against the real interpreter.

    with MicroPythonWorker("tests/property/drivers/frame.py", "unix32") as worker:
        answer = worker.call(request)          # bytes in, bytes out

The driver is a MicroPython file that defines `handle(request: bytes) -> bytes`. What it raises arrives here as
`DriverError` with the exception's type name and text; the driver goes on.
"""

from __future__ import annotations

from pathlib import Path
from typing import Self

import pytest

from tests.support import process

LOOP = process.ROOT / "tests" / "support" / "mp_driver.py"


class DriverError(Exception):
    """What the driver's `handle` raised."""

    def __init__(self, type_name: str, text: str) -> None:
        super().__init__(f"{type_name}: {text}")
        self.type_name = type_name
        self.text = text


class MicroPythonWorker:
    """One MicroPython process around one driver; started at first use, started anew after a crash."""

    def __init__(
        self,
        driver_path: str | Path,
        variant: str = "unix64",
        *,
        heap: str | None = None,
        timeout_s: float = 20,
        env: dict[str, str] | None = None,
    ) -> None:
        self._driver = process.ROOT / driver_path
        self._variant = variant
        self._heap = heap
        self._timeout_s = timeout_s
        self._env = env
        self._child: process.Child | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def call(self, request: bytes) -> bytes:
        """Return what `handle(request)` returns on MicroPython."""
        child = self._child or self._start()
        try:
            child.write_line(request.hex() or "-")
            answer = child.read_marked(self._timeout_s)
        except process.ChildError:
            self.close()
            raise
        if answer.startswith("!"):
            type_name, _, text = bytes.fromhex(answer[1:]).decode().partition(": ")
            raise DriverError(type_name, text)
        return b"" if answer == "-" else bytes.fromhex(answer)

    def take_log(self) -> str:
        """Return what the driver printed since the last call."""
        return self._child.take_log() if self._child else ""

    def close(self) -> None:
        """End the interpreter, by its process id if it does not leave by itself."""
        if self._child:
            self._child.kill()
            self._child = None

    def _start(self) -> process.Child:
        reason = process.missing_reason(self._variant)
        if reason:
            pytest.skip(reason)
        child = process.Child(process.argv(self._variant, self._heap, LOOP, self._driver), self._env)
        try:
            child.read_marked(self._timeout_s)
        except process.ChildError:
            child.kill()
            raise
        self._child = child
        return child
