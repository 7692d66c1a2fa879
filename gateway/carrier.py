"""Frames that people carry, in and out: hands them to the writer and says what became of each, makes what goes back."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from gateway import keys, owed
from gateway.channels.channel import Receipt, Received
from gateway.config import Config
from gateway.down_counter import DownCounter
from gateway.errors import StoreError
from gateway.keys import KeyRing
from gateway.publish import Order
from gateway.store.interface import Reader
from gateway.store.sqlite import SqliteReader, SqliteStore
from gateway.verdicts import Verdict
from gateway.writer import Writer
from protocol import carry, frame

ORDERS = (Order.IMPORT, Order.EXPORT, Order.RENEWAL)
FRAMES_MAX = 256
"""Frames of one order: it is answered when all of them are durable."""
_COMMIT_TIMEOUT_S = 25.0


class Carrier:
    """A channel whose other end is the command line; used by one thread at a time. Nothing goes out by itself."""

    name = "carry"

    def __init__(
        self,
        reader: Reader,
        ring: KeyRing,
        writer: Writer,
        counter: DownCounter,
        clock_s: Callable[[], int] = lambda: int(time.time()),
        timeout_s: float = _COMMIT_TIMEOUT_S,
    ) -> None:
        self._reader = reader
        self._ring = ring
        self._writer = writer
        self._counter = counter
        self._clock_s = clock_s
        self._timeout_s = timeout_s
        self._round = 0
        self._open: set[Receipt] = set()
        self._changed = threading.Condition()

    def acknowledge(self, receipts: list[Receipt]) -> None:
        """These are durable."""
        with self._changed:
            self._open.difference_update(receipts)
            self._changed.notify_all()

    def obey(self, order: Order, octets: bytes, kid: int) -> dict[str, Any]:
        """Carry out an order; what it came to, as it goes back to the command."""
        if order is Order.IMPORT:
            frames = [raw for _, raw, error in carry.read(octets) if error is None]
            return {"verdicts": [_told(verdict) for verdict in self.take(frames)]}
        if order is Order.RENEWAL:
            found, made = owed.renewal_frames(self._reader, self._ring, kid, self._counter.take)
            return found.told(kid) | {"name": found.name, "frames": [octets.hex() for octets in made]}
        made = owed.frames(
            self._reader, self._ring, kid, self._counter.take, self._clock_s(), frame.SMS_OCTETS_MAX
        )
        return {"kid": f"{kid:08x}", "octets": b"".join(map(carry.pack, made)).hex()}

    def take(self, frames: Sequence[bytes]) -> list[Verdict]:
        """Have frames judged and stored; raises `StoreError` where that cannot be, or does not happen in time."""
        if self._writer.last_error:
            # Its queue may be full for as long as the disk is; who waits there says nothing any more.
            raise StoreError(reason=self._writer.last_error)
        self._round += 1
        items = [Received(raw, "", self, (self._round, place)) for place, raw in enumerate(frames)]
        with self._changed:
            self._open = {item.receipt for item in items}
        self._writer.deliver(*items)
        with self._changed:
            if not self._changed.wait_for(lambda: not self._open, self._timeout_s):
                raise StoreError(
                    reason="not stored in time; import again, what is stored counts as duplicate"
                )
        return [item.verdict for item in items if item.verdict is not None]


def _told(verdict: Verdict) -> dict[str, Any]:
    fault = asdict(verdict.fault) if verdict.fault else None
    return {"outcome": verdict.outcome.value, "fault": fault}


@contextmanager
def standing_in(config: Config, store: SqliteStore) -> Iterator[Carrier]:
    """A carrier where no gateway runs: the same writer, for as long as the command takes."""
    ring = keys.load(config.keys)
    reader = SqliteReader.open(config.data)
    writer = Writer(store, ring, config.ingest, lambda _: None)
    writer.start()
    try:
        yield Carrier(reader, ring, writer, DownCounter(reader, writer))
    finally:
        writer.stop()
        reader.close()
