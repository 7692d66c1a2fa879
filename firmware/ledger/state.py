"""All that follows from the journal, as one thing that a checkpoint holds and a start brings back."""

from firmware.ledger import slots
from firmware.ledger.entitlements import Entitlements
from firmware.ledger.marks import Marks
from protocol import acknowledgement
from protocol.errors import ProtocolError

# Raised when `snapshot` changes; what older firmware wrote must stay readable.
FORMAT = 2
# Parts of a snapshot by format: the first had no lock.
_PARTS = {1: 3, 2: 4}
_LENGTH_OCTETS = 4


class State:
    """`entitlements` and `marks`; `crash`: the payload of the last crash mark, `lock`: the notice that locked the terminal,
    both b"" if there was none.

    `periods()` gives programme -> period of the grants in force; `rapid_run`: policy's (see `Entitlements`).
    """

    def __init__(self, families: int, periods, rapid_run: int = 0) -> None:
        self._families = families
        self._periods = periods
        self._rapid_run = rapid_run
        self.unreadable_marks = 0
        self.reset()

    def reset(self) -> None:
        """The state of a terminal that has done nothing."""
        self.entitlements = Entitlements(self._families, self._periods(), self._rapid_run)
        self.marks = Marks()
        self.crash = b""
        self.lock = b""

    @property
    def reclaim_through(self) -> int:
        """What the journal may drop for space."""
        return self.marks.reclaim_through

    def apply(self, kind: int, sequence: int, index: int, payload: bytes) -> None:
        """Take in one slot, new or replayed."""
        if kind == slots.LOCAL_ACKNOWLEDGEMENT:
            try:
                self.marks.apply(stored_acknowledgement(payload), self.entitlements.sequence)
            except ProtocolError:
                # Only our own code wrote it and its CRC held, so this is a format of another version: count, go on.
                self.unreadable_marks += 1
        elif kind == slots.LOCAL_CRASH:
            self.crash = payload
        elif kind == slots.LOCAL_LOCK:
            self.lock = payload
        else:
            self.entitlements.apply(kind, sequence, index, payload)

    def snapshot(self) -> bytes:
        """The octets of a checkpoint."""
        parts = (self.crash, self.marks.pack(), self.entitlements.pack(), self.lock)
        return bytes((FORMAT,)) + b"".join(
            [len(part).to_bytes(_LENGTH_OCTETS, "big") + part for part in parts]
        )

    def restore(self, octets: bytes) -> bool:
        """What `snapshot` gave, into a state that was reset; False, and nothing done, for an unknown format."""
        if octets[0] not in _PARTS:
            return False
        parts = []
        at = 1
        while at < len(octets):
            length = int.from_bytes(octets[at : at + _LENGTH_OCTETS], "big")
            at += _LENGTH_OCTETS
            parts.append(octets[at : at + length])
            at += length
        self.lock = parts[3] if len(parts) == _PARTS[FORMAT] else b""
        self.crash = parts[0]
        self.marks.unpack(parts[1])
        self.entitlements.unpack(parts[2])
        return True


def store_acknowledgement(body: bytes, counter: int) -> bytes:
    """The payload of an acknowledgement's mark: counter (4 octets) and body."""
    return counter.to_bytes(4, "big") + body


def stored_acknowledgement(payload: bytes) -> acknowledgement.Acknowledgement:
    """The acknowledgement in a mark's payload."""
    decoded = acknowledgement.decode(payload[4:])
    decoded.counter = int.from_bytes(payload[:4], "big")
    return decoded
