"""A helper process that opens frames and verifies their seals: Python runs one thread at a time, and this work is most.

`python -m gateway.opener DATA KEYS` reads tasks from standard input and writes results to standard output until its input
ends, which it does with the gateway, however that ends. It decides nothing: what it cannot open, the gateway looks at itself.
"""

from __future__ import annotations

import marshal
import signal
import sys
from collections import OrderedDict
from pathlib import Path
from typing import IO, Any

from gateway import garbage, keys, loader, opening, verifier
from gateway.contexts import Library
from gateway.keys import KeyRing
from gateway.store.interface import Reader
from gateway.store.sqlite import SqliteReader
from gateway.terminals import TerminalView
from gateway.waiting import WaitingFrame
from protocol import frame

LENGTH_OCTETS = 4
_CONTEXTS_CACHED_MAX = 512
_TERMINALS_CACHED_MAX = 8000

Task = tuple[int, bytes, int, bytes, int]
"""(kid, frame, head, chain value at the head, number of adoptions so far); head -1: behind the task before of this kid."""
Answer = tuple[list[bytes], list[bytes], bool] | None
"""(records, chain values before the first and after each, whether the seal proves them); None: the gateway has to look at
it itself. There are no chain values where the frame does not follow the head.
"""

_Opened = tuple[TerminalView, WaitingFrame]


class Opener:
    """Opens frames with views of its own, read from the database as it was committed last."""

    def __init__(self, reader: Reader, ring: KeyRing) -> None:
        self._ring = ring
        self._reader = reader
        self._library = Library(self._reader.document, _CONTEXTS_CACHED_MAX)
        self._views: OrderedDict[int, tuple[int, TerminalView]] = OrderedDict()
        self._generation = -1

    def work(self, generation: int, tasks: list[Task]) -> list[Answer]:
        """One answer for each task; a new generation means that what is published has changed."""
        if generation != self._generation:
            self._generation = generation
            self._views.clear()
            self._library.forget()
        heads: dict[int, tuple[int, bytes]] = {}
        opened: list[_Opened | None] = []
        for kid, raw, head, value, adoptions in tasks:
            if head >= 0:
                heads[kid] = (head, value)
            try:
                opened.append(self._open(kid, raw, adoptions, heads))
            except Exception:
                # Whatever it was, the gateway meets it again where it is counted and kept as evidence.
                opened.append(None)
        # Seals last: opening and verifying push each other out of the processor's caches.
        return [_answer(*each) if each else None for each in opened]

    def _open(
        self, kid: int, raw: bytes, adoptions: int, heads: dict[int, tuple[int, bytes]]
    ) -> _Opened | None:
        view = self._view(kid, adoptions)
        opened = opening.open_frame(raw, frame.read_header(raw), view) if view else None
        if view is None or opened is None or opened.batch is None:
            return None
        batch = opened.batch
        head, value = heads.get(kid, (-1, b""))
        if batch.first == head + 1:
            batch.foreseen = opening.foresee(batch, value)
        if batch.foreseen is not None:
            heads[kid] = (batch.last, batch.foreseen[-1])
        return view, batch

    def _view(self, kid: int, adoptions: int) -> TerminalView | None:
        held = self._views.get(kid)
        if held is not None and held[0] == adoptions:
            self._views.move_to_end(kid)
            return held[1]
        view = loader.load(self._reader, self._library, self._ring, kid, 0)
        if view is not None:
            self._views[kid] = (adoptions, view)
            if len(self._views) > _TERMINALS_CACHED_MAX:
                self._views.popitem(last=False)
        return view


def _answer(view: TerminalView, batch: WaitingFrame) -> Answer:
    """What is told of a frame; its seal is verified where the chain could be followed up to it."""
    if batch.records is None:
        return None
    if batch.foreseen is None:
        return batch.records, [], False
    value = batch.foreseen[-1]
    return batch.records, batch.foreseen, verifier.is_sealed(view, batch.last, value, batch.seal)


def send(stream: IO[bytes], content: Any) -> None:
    """Write one message; both ends are this program in this version, so marshal's format is theirs alone."""
    octets = marshal.dumps(content)
    stream.write(len(octets).to_bytes(LENGTH_OCTETS, "big") + octets)
    stream.flush()


def receive(stream: IO[bytes]) -> Any:
    """Read one message; raises `EOFError` at the end of the stream."""
    head = stream.read(LENGTH_OCTETS)
    length = int.from_bytes(head, "big")
    octets = stream.read(length)
    if len(head) < LENGTH_OCTETS or len(octets) < length:
        raise EOFError
    return marshal.loads(octets)  # noqa: S302 - see `send`


def main() -> None:
    """Serve the gateway that started this process."""
    # The gateway is told to stop, and ends this by closing its input.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    opener = Opener(SqliteReader.open(Path(sys.argv[1])), keys.load(Path(sys.argv[2])))
    garbage.look_seldom()
    send(sys.stdout.buffer, "ready")
    while True:
        try:
            generation, tasks = receive(sys.stdin.buffer)
        except EOFError:
            return
        send(sys.stdout.buffer, opener.work(generation, tasks))


if __name__ == "__main__":
    main()
