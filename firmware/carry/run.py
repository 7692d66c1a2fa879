"""All records that the gateway has not sealed, frame by frame, for somebody to carry."""

from firmware.relay.outbox import Outbox


class Run:
    """One walk from the gateway's mark, or from record `first` on, to the head. `frames`: a `firmware.relay.frames.Frames`;
    `is_short`: frames of at most 140 octets, sealed at the end of the walk; else of up to 32 records, each sealed.

    `records` went into frames so far, `last` is the last of them. What is carried is sent by other ways all the same: the
    gateway books it once.
    """

    def __init__(self, ledger, frames, is_short: bool, first: int = 0) -> None:
        self._frames = frames
        self._is_short = is_short
        self._outbox = Outbox()
        self._outbox.restart(first - 1 if first else ledger.marks.sealed_through)
        self.records = 0
        self.last = 0

    async def next(self, seal_now: bool = False) -> list:
        """The next frame, or the parts of one that is too long for a short one; [] at the end. `seal_now`: it shall be sealed
        even if it is not the last.
        """
        batch = self._frames.next_batch(self._outbox)
        if batch is None:
            return []
        if self._is_short:
            frames, count = await self._frames.short(batch, seal_now, True)
        else:
            frames, count = [await self._frames.whole(batch)], batch.count
        self._outbox.sent(batch, count)
        self.records += count
        self.last = batch.first + count - 1
        return frames
