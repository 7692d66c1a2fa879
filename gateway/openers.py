"""The gateway's end of its helper processes: shares a batch out by terminal and gathers what they made of it."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from gateway import opener
from gateway.opener import Answer, Task

_LOG = structlog.get_logger("openers")
_WORTH_SHARING = 16
_END_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Asked:
    """A question under way: which helper has which of the tasks."""

    count: int
    helpers: list[subprocess.Popen[bytes]]
    shares: list[list[int]]


class Openers:
    """Any number of helpers, also none. One that dies is left out from then on; its share is done here."""

    def __init__(self, count: int, data: Path, key_directory: Path) -> None:
        command = [sys.executable, "-m", "gateway.opener", str(data), str(key_directory)]
        root = Path(__file__).resolve().parents[1]
        self._helpers = [
            subprocess.Popen(command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            for _ in range(count)
        ]
        self._generation = 0
        self._is_busy = False
        for helper in list(self._helpers):
            self._receive(helper)

    @classmethod
    def none(cls) -> Openers:
        """No helpers: everything is done in this process."""
        return cls(0, Path(), Path())

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self._helpers)

    def forget(self) -> None:
        """What is published, or a terminal's keys, may have changed."""
        self._generation += 1

    def ask(self, tasks: list[Task]) -> Asked | None:
        """Hand tasks out; None where that is not worth it, or where an earlier question is still open."""
        if len(tasks) < _WORTH_SHARING or not self._helpers or self._is_busy:
            return None
        # All frames of a terminal go to the same helper: it knows its keys, and sees its chain in order.
        helpers = list(self._helpers)
        shares: list[list[int]] = [[] for _ in helpers]
        for place, task in enumerate(tasks):
            shares[task[0] % len(helpers)].append(place)
        for helper, share in zip(helpers, shares, strict=True):
            self._send(helper, [tasks[place] for place in share])
        self._is_busy = True
        return Asked(len(tasks), helpers, shares)

    def gather(self, asked: Asked) -> list[Answer]:
        """An answer for each task, in their order; None where the frame is to be opened here."""
        answers: list[Answer] = [None] * asked.count
        for helper, share in zip(asked.helpers, asked.shares, strict=True):
            for place, answer in zip(share, self._receive(helper) or (), strict=False):
                answers[place] = answer
        self._is_busy = False
        return answers

    def close(self) -> None:
        """End them."""
        for helper in self._helpers:
            assert helper.stdin is not None
            assert helper.stdout is not None
            helper.stdin.close()
            try:
                helper.wait(_END_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                helper.kill()
                helper.wait()
            helper.stdout.close()
        self._helpers.clear()

    def _send(self, helper: subprocess.Popen[bytes], tasks: list[Task]) -> None:
        assert helper.stdin is not None
        try:
            opener.send(helper.stdin, (self._generation, tasks))
        except OSError:
            self._lose(helper)

    def _receive(self, helper: subprocess.Popen[bytes]) -> Any:
        assert helper.stdout is not None
        if helper not in self._helpers:
            return None
        try:
            return opener.receive(helper.stdout)
        except (OSError, EOFError, ValueError):
            self._lose(helper)
            return None

    def _lose(self, helper: subprocess.Popen[bytes]) -> None:
        helper.kill()
        _LOG.critical("a helper process has ended", status=helper.wait())
        self._helpers.remove(helper)
