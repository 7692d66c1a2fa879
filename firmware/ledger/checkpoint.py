"""Checkpoints: what follows from the journal so far, kept in local slots so that a start need not read all of it.

A checkpoint is a run of LOCAL_CHECKPOINT slots (piece number, then octets) with nothing in between, closed by a
LOCAL_CHECKPOINT_END (pieces, number of the sector of the first). It says nothing that the slots before it do not say,
it is written while idle only, and one that is not whole is passed over.
"""

from firmware.ledger import slots

PIECE_OCTETS = slots.LOCAL_PAYLOAD_OCTETS_MAX - 2
# One is due when so many times its own size was written since the last: a ninth of the ring goes into them, and a
# start reads that much at most.
DISTANCE_SIZES = 8
DISTANCE_SECTORS_MIN = 4


class Gathering:
    """Puts the pieces of a checkpoint together."""

    def __init__(self) -> None:
        self.octets = bytearray()
        self._next = -1

    def take(self, kind: int, payload: bytes) -> bool:
        """One more slot; True when it completes a checkpoint, which is then in `octets`."""
        number = int.from_bytes(payload[:2], "big")
        if kind == slots.LOCAL_CHECKPOINT and number == 0:
            self.octets = bytearray(payload[2:])
            self._next = 1
        elif kind == slots.LOCAL_CHECKPOINT and number == self._next:
            self.octets.extend(payload[2:])
            self._next += 1
        else:
            is_whole = kind == slots.LOCAL_CHECKPOINT_END and number == self._next
            self._next = -1
            return is_whole
        return False


class Checkpointer:
    """Writes a checkpoint of `snapshot()` a piece at a time; begins anew when another slot came in between."""

    def __init__(self, journal, snapshot) -> None:
        self._journal = journal
        self._snapshot = snapshot
        self._octets = b""
        self._piece = 0
        self._first_sector = 0
        self._expected = -1
        self._sectors = 1

    def step(self) -> bool:
        """While idle: write one piece if one is due; True if something was done. Raises what the journal raises."""
        journal = self._journal
        if self._expected != journal.slots_written or not self._octets:
            if not self._is_due():
                self._octets = b""
                return False
            self._begin()
        offset = self._piece * PIECE_OCTETS
        number = self._piece.to_bytes(2, "big")
        if offset < len(self._octets):
            journal.append_local(
                slots.LOCAL_CHECKPOINT, number + self._octets[offset : offset + PIECE_OCTETS]
            )
            if self._piece == 0:
                self._first_sector = journal.head
            self._piece += 1
        else:
            journal.append_local(slots.LOCAL_CHECKPOINT_END, number + self._first_sector.to_bytes(4, "big"))
            self._octets = b""
            journal.set_checkpoint(self._first_sector)
        self._expected = journal.slots_written
        return True

    def _is_due(self) -> bool:
        """Whether enough was written since the last one, and there is room for another."""
        journal = self._journal
        if journal.is_exhausted:
            return False
        distance = max(DISTANCE_SECTORS_MIN, DISTANCE_SIZES * self._sectors)
        reserve = journal.reserve_sectors
        if journal.is_running_short() and (not journal.checkpoints[0] or journal.is_waiting_for_checkpoint()):
            # One that lets settled sectors go comes early, and may use what is kept for void, return and close.
            distance = 1 + self._sectors
            reserve = 0
        return (
            journal.head - journal.checkpoints[1] >= distance
            and journal.free_sectors() >= reserve + self._sectors
        )

    def _begin(self) -> None:
        """Take the state as it is now."""
        self._octets = self._journal.boots.to_bytes(4, "big") + self._snapshot()
        self._piece = 0
        pages = len(self._octets) // PIECE_OCTETS + 2
        self._sectors = pages // (slots.SECTOR_BYTES // slots.PAGE_OCTETS - 1) + 1
