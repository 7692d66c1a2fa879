"""What the gateway has acknowledged: how far records are sealed and settled, and the settlement state of each."""

import struct

from protocol import acknowledgement

_FORM = ">HIIIII"
# The lower bit of each state in as many octets as an acknowledgement can fill, wherever it begins.
_LOW_BITS = int.from_bytes(b"\x55" * (acknowledgement.STATES_MAX // 4 + 2), "little")


class Marks:
    """`sealed_through`, `reclaim_through`: sequences; (`epoch`, `counter`) of the newest acknowledgement; its `time_s`."""

    def __init__(self) -> None:
        self.epoch = 0
        self.counter = 0
        self.sealed_through = 0
        self.reclaim_through = 0
        self.time_s = 0
        # Two bits for each record from `_first` (a multiple of 4) on.
        self._first = 0
        self._states = bytearray()

    def apply(self, acknowledged: acknowledgement.Acknowledgement, head: int) -> None:
        """Take in an acknowledgement whose signature, order and chain digest were checked; `head`: the last record."""
        if acknowledged.epoch > self.epoch:
            # A gateway that was restored says what it has: all behind it is sent again, even what settlement has.
            self.sealed_through = acknowledged.sealed_through
        self.epoch = acknowledged.epoch
        self.counter = acknowledged.counter
        self.time_s = max(self.time_s, acknowledged.time_s)
        self.sealed_through = max(self.sealed_through, acknowledged.sealed_through)
        self.reclaim_through = max(self.reclaim_through, acknowledged.reclaim_through)
        count = min(len(acknowledged.states), head + 1 - acknowledged.states_first)
        self._take(acknowledged.states_first, acknowledged.packed, count)

    def begin_epoch(self, epoch: int) -> None:
        """The authority certified gateway keys of `epoch`; where nothing of that epoch was heard yet, what its gateway
        may have lost is sent again, from what settlement has.
        """
        if epoch > self.epoch:
            self.sealed_through = self.reclaim_through

    def is_newer(self, epoch: int, counter: int) -> bool:
        """Whether (epoch, counter) is greater than what was applied last."""
        return (epoch, counter) > (self.epoch, self.counter)

    def settlement(self, sequence: int) -> int:
        """acknowledgement.PENDING, SETTLED, REFUSED or DISPUTED."""
        place = (sequence - self._first) // 4
        if place < 0 or place >= len(self._states):
            return acknowledgement.PENDING
        return self._states[place] >> (2 * (sequence % 4)) & 3

    def holds(self, state: int) -> bool:
        """Whether any record that is still held has this settlement state."""
        shifts = (0, 2, 4, 6)
        for octet in self._states:
            for shift in shifts:
                if octet >> shift & 3 == state:
                    return True
        return False

    def _take(self, first: int, packed: bytes, count: int) -> None:
        """Settlement states of `count` records from sequence `first` on. Pending says nothing new: what was settled stays
        settled.
        """
        past = max(0, self._first - first)
        if count <= past:
            return
        # All at once, as one number: a start reads many acknowledgements, each of a hundred records.
        told = (int.from_bytes(packed, "little") & (1 << 2 * count) - 1) >> 2 * past
        place, within = divmod(first + past - self._first, 4)
        told <<= 2 * within
        size = (within + count - past + 3) // 4
        held = self._states
        held.extend(bytes(max(0, place + size - len(held))))
        known = int.from_bytes(held[place : place + size], "little")
        news = (told | told >> 1) & _LOW_BITS
        known ^= (known ^ told) & (news | news << 1)
        held[place : place + size] = known.to_bytes(size, "little")

    def forget_before(self, sequence: int) -> None:
        """Records before `sequence` were reclaimed: nothing asks for their states any more."""
        first = sequence // 4 * 4
        if first > self._first:
            self._states = self._states[(first - self._first) // 4 :]
            self._first = first

    def pack(self) -> bytes:
        """All of it, for a checkpoint."""
        # lumbung: fits - each was read from a field of that width
        fixed = struct.pack(
            _FORM,
            self.epoch,
            self.counter,
            self.sealed_through,
            self.reclaim_through,
            self.time_s,
            self._first,
        )
        return fixed + bytes(self._states)

    def unpack(self, octets: bytes) -> None:
        """What `pack` gave."""
        head = struct.calcsize(_FORM)
        fields = struct.unpack(_FORM, octets[:head])
        self.epoch, self.counter, self.sealed_through, self.reclaim_through, self.time_s, self._first = fields
        self._states = bytearray(octets[head:])
