"""A roster delta as it comes, octet by octet, and the roster in force: together the new roster, in the free area."""

from firmware.ledger.roster_area import RosterDamaged
from firmware.ledger.roster_writer import RosterWriter
from protocol import roster_delta
from protocol.certificates import SIGNATURE_OCTETS
from protocol.errors import OutOfRange, ProtocolError
from protocol.octets import Reader

_INDEX_OCTETS = 2
_LONG_OCTETS = _INDEX_OCTETS + 64
_SHORT_OCTETS = _INDEX_OCTETS + 36
_COPIED_AT_ONCE = 8


class RosterUpdate:
    """`held`: the roster in force; `area`: the free one. Everything raises `ProtocolError`, its offset that in the delta, or
    `FlashError`; then nothing can be done with it any more, and the area holds no roster.
    """

    def __init__(self, held, area) -> None:
        self._held = held
        self._area = area
        self._left = b""
        self._taken = 0
        self._head = None
        self._named = 0
        self._next = 0
        self._writer = None

    def take_steps(self, octets: bytes):
        """More of the delta, or of the signature behind it; a generator that yields between writes."""
        self._left += octets
        source = Reader(self._left)
        try:
            if self._head is None and len(self._left) >= roster_delta.HEAD_OCTETS:
                self._begin(roster_delta.decode_head(source))
            while self._head is not None and self._named < self._head.names:
                if not _is_whole(self._left, source.offset):
                    break
                index, entry = roster_delta.decode_entry(source, self._next, self._head.count)
                yield from self._copy_steps(index)
                self._writer.add(entry)
                self._named += 1
                self._next = index + 1
                yield
        except ProtocolError as error:
            raise type(error)(error.field, self._taken + error.offset, error.reason)
        self._left = self._left[source.offset :]
        self._taken += source.offset

    def end_steps(self):
        """All of it was taken: a generator that yields between writes; returns (digest, signature)."""
        source = Reader(self._left, 0)
        if self._head is None:
            source.octets("roster delta", roster_delta.HEAD_OCTETS)
        if self._named < self._head.names:
            source.octets("entry", _LONG_OCTETS)
        signature = source.octets("signature", SIGNATURE_OCTETS)
        source.end("signature")
        yield from self._copy_steps(self._head.count)
        digest = yield from self._writer.finish_steps()
        return digest, signature

    def seal(self) -> None:
        """The digest is the one that was signed."""
        self._writer.seal()

    def _begin(self, head) -> None:
        """A delta of what is in force, or a whole roster, and a later one."""
        held = self._held
        if head.base not in (roster_delta.NO_BASE, held.digest[: roster_delta.BASE_OCTETS]):
            raise OutOfRange("base", 1, "another roster is here")
        roster_delta.require_later(head.number, head.count, held.number, held.count)
        self._writer = RosterWriter(self._area, head.number, head.count)
        self._head = head

    def _copy_steps(self, end: int):
        """Entries up to `end` that the delta does not name: as they are in force."""
        held = self._held
        for index in range(self._next, end):
            if index >= held.count or self._head.base == roster_delta.NO_BASE:
                raise OutOfRange("entries", 11 - self._taken, "entry %d is nowhere" % index)
            octets = held.entry_octets(index)
            if not held.holds(index, octets):
                raise RosterDamaged(held.area.name, held.address_of(index), "entry %d does not hold" % index)
            self._writer.add(octets)
            if index % _COPIED_AT_ONCE == 0:
                yield
        self._next = end


def _is_whole(octets: bytes, at: int) -> bool:
    """Whether an entry is there from `at` on."""
    if at >= len(octets):
        return False
    return len(octets) - at >= (_LONG_OCTETS if octets[at] & roster_delta.SECOND_CARD >> 8 else _SHORT_OCTETS)
