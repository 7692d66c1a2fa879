"""Verifies seals in a few threads: the cryptography library lets go of the interpreter lock while it computes."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor

from gateway import signatures
from gateway.terminals import TerminalView

Task = tuple[TerminalView, bytes, bytes]
"""Terminal, message, seal."""
CHUNK = 32


class SealVerifier:
    """Answers are computed ahead for the seals that a batch will probably ask about; any other is computed when asked."""

    def __init__(self, threads: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="verify")
        self._pending: list[Task] = []
        self._running: list[tuple[list[Task], Future[list[bool]]]] = []
        self._answers: dict[tuple[int, bytes, bytes], bool] = {}

    def expect(self, view: TerminalView, message: bytes, seal: bytes) -> None:
        """This question will probably come."""
        self._pending.append((view, message, seal))
        if len(self._pending) >= CHUNK:
            self._submit()

    def learn(self, view: TerminalView, message: bytes, seal: bytes) -> None:
        """The answer is known to be yes: a helper process has verified it."""
        self._answers[view.kid, message, seal] = True

    def gather(self) -> None:
        """Wait for everything that was expected."""
        if self._running:
            self._submit()
            for tasks, future in self._running:
                for (view, message, seal), answer in zip(tasks, future.result(), strict=True):
                    self._answers[view.kid, message, seal] = answer
            self._running.clear()

    def forget(self) -> None:
        """The batch is done."""
        self._pending.clear()
        self._answers.clear()

    def verify(self, view: TerminalView, message: bytes, seal: bytes) -> bool:
        """Tell whether the terminal's seal key signed the message."""
        answer = self._answers.get((view.kid, message, seal))
        return signatures.verify(view.seal_key, seal, message) if answer is None else answer

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown()

    def _submit(self) -> None:
        if self._pending:
            self._running.append((self._pending, self._pool.submit(_verify_all, self._pending)))
            self._pending = []


def _verify_all(tasks: list[Task]) -> list[bool]:
    return [signatures.verify(view.seal_key, seal, message) for view, message, seal in tasks]
