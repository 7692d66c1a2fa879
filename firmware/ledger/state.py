"""All that follows from the journal, as one thing that a checkpoint holds and a start brings back."""

from firmware.ledger import slots
from firmware.ledger.entitlements import Entitlements
from firmware.ledger.marks import Marks
from firmware.ledger.period_figures import PeriodFigures
from protocol import acknowledgement
from protocol.errors import ProtocolError

# Raised when `snapshot` changes; what older firmware wrote must stay readable.
FORMAT = 4
# Parts of a snapshot by format: the first had no lock, the second neither short messages nor a period's figures, the third
# no retired sectors.
_PARTS = {1: 3, 2: 4, 3: 6, 4: 7}
_LENGTH_OCTETS = 4
# Marks that the state itself keeps; a start reads a thousand others.
_OWN = (
    slots.LOCAL_ACKNOWLEDGEMENT,
    slots.LOCAL_CRASH,
    slots.LOCAL_LOCK,
    slots.LOCAL_SMS,
    slots.LOCAL_RETIRED,
)
PLACES_MAX = 100


class State:
    """`entitlements`, `marks`, and `figures` of periods; `crash`: the payload of the last crash mark, `lock`: the notice or standing
    that locked the terminal, both b"" if there was none. `sms`: (day, messages sent on it, last sequence that one carried), see `Ledger.burn_sms`.
    `retired`: places of the journal's bad sectors.

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
        self.figures = PeriodFigures()
        self.crash = b""
        self.lock = b""
        self.sms = (0, 0, 0)
        self.retired = []

    @property
    def reclaim_through(self) -> int:
        """What the journal may drop for space."""
        return self.marks.reclaim_through

    def apply(self, kind: int, sequence: int, index: int, payload: bytes) -> None:
        """Take in one slot, new or replayed."""
        if kind in _OWN:
            self._apply_own(kind, payload)
            return
        self.entitlements.apply(kind, sequence, index, payload)
        if kind < slots.LOCAL_FIRST:
            self.figures.apply(kind, payload)

    def _apply_own(self, kind: int, payload: bytes) -> None:
        """A mark that is no card's: each holds the new value."""
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
        elif kind == slots.LOCAL_SMS:
            self.sms = stored_sms(payload)
        else:
            self.retired = stored_places(payload)

    def snapshot(self) -> bytes:
        """The octets of a checkpoint."""
        parts = (
            self.crash,
            self.marks.pack(),
            self.entitlements.pack(),
            self.lock,
            store_sms(self.sms),
            self.figures.pack(),
            store_places(self.retired),
        )
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
        self.lock = parts[3] if len(parts) > 3 else b""
        self.sms = stored_sms(parts[4]) if len(parts) > 4 else (0, 0, 0)
        self.retired = stored_places(parts[6]) if len(parts) > 6 else []
        self.figures.unpack(parts[5] if len(parts) > 5 else b"")
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


def store_sms(sms: tuple) -> bytes:
    """The payload of a short message's mark: day since 1970 (2 octets), messages on it (2), last sequence carried (3)."""
    # It fits: days until 2149, and a policy's cap and the chain's sequences are narrower
    return sms[0].to_bytes(2, "big") + sms[1].to_bytes(2, "big") + sms[2].to_bytes(3, "big")


def stored_sms(payload: bytes) -> tuple:
    """What `store_sms` was given."""
    return (
        int.from_bytes(payload[:2], "big"),
        int.from_bytes(payload[2:4], "big"),
        int.from_bytes(payload[4:7], "big"),
    )


def store_places(places: list) -> bytes:
    """The payload of a mark of retired sectors: two octets each; those that do not fit are found again when needed."""
    # It fits: a flash chip has fewer sectors
    return b"".join([place.to_bytes(2, "big") for place in places[:PLACES_MAX]])


def stored_places(payload: bytes) -> list:
    """What `store_places` was given."""
    return [payload[at] << 8 | payload[at + 1] for at in range(0, len(payload), 2)]
