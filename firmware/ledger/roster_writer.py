"""Writes a roster into a free area as it comes, an entry at a time, so that no more than a page of it is ever in RAM.

The header comes last and by itself: until then the area holds no roster. Everything is read back, and the digest is that of
what flash holds.
"""

import hashlib
from array import array

from firmware.ledger import crc
from firmware.ledger.roster_area import (
    DATA_AT,
    FORMAT,
    MAGIC,
    PAGE_BYTES,
    SECTOR_BYTES,
    RosterDamaged,
)
from protocol import roster
from protocol.errors import OutOfRange

_KEY_OCTETS = 8
_TURNS_AT_ONCE = 16


class RosterWriter:
    """`area` is not the one in use; `number` and `count` are the new roster's. Raises `OutOfRange` where it does not fit;
    from then on the area holds none, until `seal`.
    """

    def __init__(self, area, number: int, count: int) -> None:
        self._area = area
        self._count = count
        self._added = 0
        self._places = array("H")  # lumbung: fits - indices below 4000, twice
        self._key = bytearray(_KEY_OCTETS)
        self._entry = bytearray(roster.ENTRY_OCTETS)
        self._page = b""
        self._at = DATA_AT
        head = roster.encode_header(number, count)
        self._require_room()
        area.erase(0)
        self._put(head)

    def _require_room(self) -> None:
        """For the entries, two octets for each card so far, and the CRC of each entry."""
        octets = roster.octets(self._count) + 2 * len(self._places) + crc.OCTETS * self._count
        if DATA_AT + octets > self._area.size:
            raise OutOfRange("count", 6, "%d entries do not fit the area" % self._count)

    def add(self, octets: bytes) -> None:
        """The next entry; raises `FlashError`."""
        for place in range(roster.CARDS_PER_ENTRY):
            at = roster.CARD_AT[place]
            if any(octets[at : at + _KEY_OCTETS]):
                self._places.append(2 * self._added + place)
        self._put(octets)
        self._added += 1

    def finish_steps(self):
        """A generator that yields while it goes over all of them; returns the digest of the roster.

        Raises `OutOfRange` where a card stands in it twice or it does not fit, and `FlashError`.
        """
        if self._added != self._count:
            raise OutOfRange("count", 6, "says %d entries, there are %d" % (self._count, self._added))
        self._require_room()
        self._flush()
        places = self._places
        yield from self._sort_steps()
        for position in range(1, len(places)):
            if self._key_of(places[position]) == self._key_of(places[position - 1]):
                at = roster.octets(places[position] >> 1)
                raise OutOfRange("card key", at, "stands in the roster twice")
            if position % _TURNS_AT_ONCE == 0:
                yield
        for place in places:
            self._put(place.to_bytes(2, "big"))
        head = bytearray(roster.HEADER_OCTETS)
        self._area.read_into(DATA_AT, head)
        hasher = hashlib.sha256(head)
        for index in range(self._count):
            self._area.read_into(DATA_AT + roster.octets(index), self._entry)
            hasher.update(self._entry)
            self._put(crc.append(bytes(self._entry))[-crc.OCTETS :])
            if index % _TURNS_AT_ONCE == 0:
                yield
        self._flush()
        self._digest = hasher.digest()
        return self._digest

    def seal(self) -> None:
        """From now on the area holds this roster: nothing is missing, and the digest was found to be right. Raises `FlashError`
        where that does not read back.
        """
        head = MAGIC + bytes((FORMAT, 0, 0, 0)) + roster.octets(self._count).to_bytes(4, "big")
        self._program_checked(0, crc.append(head + len(self._places).to_bytes(4, "big") + self._digest))

    # The index, sorted by keys that are read from flash.

    def _key_of(self, place: int) -> bytes:
        at = DATA_AT + roster.octets(place >> 1) + roster.CARD_AT[place & 1]
        self._area.read_into(at, self._key)
        return bytes(self._key)

    def _sort_steps(self):
        """Heapsort: in place, and never slow."""
        places = self._places
        for root in range(len(places) // 2 - 1, -1, -1):
            self._sift(root, len(places))
            if root % _TURNS_AT_ONCE == 0:
                yield
        for end in range(len(places) - 1, 0, -1):
            places[0], places[end] = places[end], places[0]
            self._sift(0, end)
            if end % _TURNS_AT_ONCE == 0:
                yield

    def _sift(self, root: int, end: int) -> None:
        """Let the place at `root` sink until none below it, before `end`, has a greater key."""
        places = self._places
        sinking = places[root]
        key = self._key_of(sinking)
        while True:
            child = 2 * root + 1
            if child >= end:
                break
            greatest = self._key_of(places[child])
            if child + 1 < end:
                other = self._key_of(places[child + 1])
                if other > greatest:
                    child += 1
                    greatest = other
            if greatest <= key:
                break
            places[root] = places[child]
            root = child
        places[root] = sinking

    # Pages.

    def _put(self, octets: bytes) -> None:
        """Octets behind the others; full pages are programmed."""
        self._page += octets
        while len(self._page) >= PAGE_BYTES - self._at % PAGE_BYTES:
            self._program(PAGE_BYTES - self._at % PAGE_BYTES)

    def _flush(self) -> None:
        if self._page:
            self._program(len(self._page))

    def _program(self, count: int) -> None:
        """The first octets that wait, compared with what flash then holds."""
        at = self._at
        if at % SECTOR_BYTES == 0:
            self._area.erase(at // SECTOR_BYTES)
        self._program_checked(at, self._page[:count])
        self._page = self._page[count:]
        self._at = at + count

    def _program_checked(self, at: int, octets: bytes) -> None:
        self._area.program(at, octets)
        back = bytearray(len(octets))
        self._area.read_into(at, back)
        if back != octets:
            raise RosterDamaged(self._area.name, at, "does not read back")


def write(area, octets: bytes) -> None:
    """Write a whole roster whose signature was verified; a cut leaves no half roster behind.

    Raises `OutOfRange` where the roster does not fit the area (nothing is written then) or names a card twice, and
    `FlashError` where it does not read back.
    """
    header = roster.decode_header(octets[: roster.HEADER_OCTETS])
    if len(octets) != roster.octets(header.count):
        raise OutOfRange("count", 6, "says %d entries, there are %d octets" % (header.count, len(octets)))
    writer = RosterWriter(area, header.number, header.count)
    for index in range(header.count):
        at = roster.octets(index)
        writer.add(octets[at : at + roster.ENTRY_OCTETS])
    for _ in writer.finish_steps():
        pass
    writer.seal()
