"""Verifies seals in a few threads: the cryptography library lets go of the interpreter lock while it computes."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor

from gateway import signatures
from gateway.terminals import TerminalView
from protocol import chain

Question = tuple[TerminalView, int, bytes, bytes]
"""Terminal, sequence, chain value at it, seal."""
CHUNK = 32


class SealVerifier:
    """Answers are computed ahead for the seals that a batch will probably ask about; any other is computed when asked."""

    def __init__(self, threads: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="verify")
        self._pending: list[Question] = []
        self._running: list[tuple[list[Question], Future[list[bool]]]] = []
        self._answers: dict[tuple[int, int, bytes, bytes], bool] = {}

    def expect(self, view: TerminalView, sequence: int, value: bytes, seal: bytes) -> None:
        """This question will probably come."""
        self._pending.append((view, sequence, value, seal))
        if len(self._pending) >= CHUNK:
            self._submit()

    def learn(self, view: TerminalView, sequence: int, value: bytes, seal: bytes) -> None:
        """The answer is known to be yes: a helper process has verified it."""
        self._answers[view.kid, sequence, value, seal] = True

    def gather(self) -> None:
        """Wait for everything that was expected."""
        if self._running:
            self._submit()
            for questions, future in self._running:
                for (view, sequence, value, seal), answer in zip(questions, future.result(), strict=True):
                    self._answers[view.kid, sequence, value, seal] = answer
            self._running.clear()

    def forget(self) -> None:
        """The batch is done."""
        self._pending.clear()
        self._answers.clear()

    def verify(self, view: TerminalView, sequence: int, value: bytes, seal: bytes) -> bool:
        """Tell whether the terminal has sealed the chain value at a sequence."""
        answer = self._answers.get((view.kid, sequence, value, seal))
        return is_sealed(view, sequence, value, seal) if answer is None else answer

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown()

    def _submit(self) -> None:
        if self._pending:
            self._running.append((self._pending, self._pool.submit(_verify_all, self._pending)))
            self._pending = []


def is_sealed(view: TerminalView, sequence: int, value: bytes, seal: bytes) -> bool:
    """Verify one seal."""
    return signatures.verify(view.seal_key, seal, chain.seal_message(view.kid, sequence, value))


def _verify_all(questions: list[Question]) -> list[bool]:
    return [is_sealed(*question) for question in questions]
