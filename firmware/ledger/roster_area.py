"""The roster in flash: written once (`roster_writer`), then read an entry at a time; cards are found by binary search.

```
0       "LRAR"  format(1)  0(3)  roster octets(4)  cards(4)  digest(32)  CRC-32 of these(4)       written last
4096    the roster's octets (protocol/roster), then the index: per card entry index x 2 + place (2 octets), by card key,
        then in format 2 the CRC-32 of each entry (4 octets, low first)
```
Of two areas one is in use, the one whose digest the documents name; a new roster goes to the other. An entry whose bits rot
is refused by itself, the others go on: each read of an entry checks it, and `RosterCheck` goes over all of them while idle.
"""

import hashlib

from firmware.hal.flash_area import FlashError
from firmware.ledger import crc
from protocol import roster
from protocol.context import RosterView

MAGIC = b"LRAR"
FORMAT = 2
FORMATS = (1, 2)
HEADER_OCTETS = 52
DATA_AT = 4096
PAGE_BYTES = 256
SECTOR_BYTES = 4096
CHECKED_AT_ONCE = 16


class RosterMissing(Exception):
    """The area holds no whole roster."""


class RosterDamaged(FlashError):
    """What was written does not read back, then or later; `address` says where."""


class RosterArea(RosterView):
    """A roster read from `area` of flash; only a few octets of it are ever in RAM. `is_damaged`: the index may lead astray, so
    cards that it does not find are looked for one by one.
    """

    def __init__(self, area) -> None:
        """Open the area; raises `RosterMissing`."""
        self.area = area
        self.is_damaged = False
        header = bytearray(HEADER_OCTETS)
        area.read_into(0, header)
        if header[:4] != MAGIC or header[4] not in FORMATS or not crc.fits(header):
            raise RosterMissing
        self._length = int.from_bytes(header[8:12], "big")
        self.cards = int.from_bytes(header[12:16], "big")
        self.digest = bytes(header[16:48])
        self._crcs_at = DATA_AT + self._length + 2 * self.cards if header[4] > 1 else 0
        head = bytearray(roster.HEADER_OCTETS)
        area.read_into(DATA_AT, head)
        decoded = roster.decode_header(bytes(head))
        self.count = decoded.count
        self.number = decoded.number
        self._two = bytearray(2)
        self._eight = bytearray(8)

    def entry(self, index: int) -> roster.Entry:
        """The entry at a roster index; raises `RosterDamaged` for one that does not hold."""
        data = self.entry_octets(index)
        if not self.holds(index, data):
            raise RosterDamaged(self.area.name, self.address_of(index), "entry %d does not hold" % index)
        return roster.decode_entry(data)

    def entry_octets(self, index: int) -> bytes:
        """The octets of an entry as they read now."""
        data = bytearray(roster.ENTRY_OCTETS)
        self.area.read_into(self.address_of(index), data)
        return bytes(data)

    def holds(self, index: int, data: bytes) -> bool:
        """Whether the octets of an entry are what was written; areas of format 1 cannot tell."""
        if not self._crcs_at:
            return True
        four = bytearray(crc.OCTETS)
        self.area.read_into(self._crcs_at + crc.OCTETS * index, four)
        return crc.fits(data + four)

    def find_card(self, card_key: bytes) -> tuple:
        """(index, place) of a card key (8 octets), or (-1, 0)."""
        low = 0
        high = self.cards
        while low < high:
            middle = (low + high) // 2
            index, place = self._indexed(middle)
            key = self._key(index, place)
            if key == card_key:
                return index, place
            if key < card_key:
                low = middle + 1
            else:
                high = middle
        return self._look_for(card_key) if self.is_damaged else (-1, 0)

    def _look_for(self, card_key: bytes) -> tuple:
        """The same without the index, among the entries that hold; raises `RosterDamaged` where it may be another."""
        damaged = -1
        for index in range(self.count):
            data = self.entry_octets(index)
            if not self.holds(index, data):
                damaged = index
            else:
                for place in range(roster.CARDS_PER_ENTRY):
                    at = roster.CARD_AT[place]
                    if data[at : at + 8] == card_key and any(card_key):
                        return index, place
        if damaged >= 0:
            raise RosterDamaged(
                self.area.name, self.address_of(damaged), "the card may be of entry %d" % damaged
            )
        return -1, 0

    def find(self, card_key: bytes) -> int:
        """Index of the entry that has `card_key`, or -1 (so that its records travel literally)."""
        try:
            return int(self.find_card(card_key)[0])
        except RosterDamaged:
            return -1

    def card_key(self, index: int, place: int) -> bytes:
        """The card key at `place` of entry `index`; b"" where there is none."""
        key = self._key(index, place)
        return key if any(key) else b""

    def applications(self, index: int, place: int) -> int:
        """Bit map of the policy applications of that card; 0 where there is none."""
        one = memoryview(self._two)[:1]
        at = self.address_of(index) + roster.CARD_AT[place] + 8
        self.area.read_into(at, one)
        return one[0]

    def address_of(self, index: int) -> int:
        """Address of an entry in its area."""
        return DATA_AT + roster.HEADER_OCTETS + index * roster.ENTRY_OCTETS

    def _key(self, index: int, place: int) -> bytes:
        """Eight octets of a card slot."""
        at = self.address_of(index) + roster.CARD_AT[place]
        self.area.read_into(at, self._eight)
        return bytes(self._eight)

    def header_octets(self) -> bytes:
        """The octets before the first entry, as they read now."""
        head = bytearray(roster.HEADER_OCTETS)
        self.area.read_into(DATA_AT, head)
        return bytes(head)

    def _indexed(self, position: int) -> tuple:
        """(entry index, place) at a position of the sorted index."""
        self.area.read_into(DATA_AT + self._length + 2 * position, self._two)
        value = self._two[0] << 8 | self._two[1]
        return value >> 1, value & 1


class LostRoster(RosterView):
    """Stands for the roster that the documents name where no area has it: no card is found."""

    number = 0
    cards = 0
    count = 0

    def __init__(self, digest: bytes) -> None:
        self.digest = digest

    def find_card(self, _card_key: bytes) -> tuple:
        """No card."""
        return -1, 0


class RosterCheck:
    """Goes over the roster in force once after a start, some entries at a time while idle.

    `damaged`: (entry index, address) of entries that do not hold, and (-1, address) where the whole does not fit its digest
    though every entry holds.
    """

    def __init__(self, area: RosterArea) -> None:
        self._roster = area
        self._hasher = hashlib.sha256(area.header_octets())
        self._index = 0
        self.damaged = []
        self.is_done = False

    def step(self) -> bool:
        """Look at some entries; True if there were any left."""
        if self.is_done:
            return False
        held = self._roster
        for index in range(self._index, min(self._index + CHECKED_AT_ONCE, held.count)):
            data = held.entry_octets(index)
            self._hasher.update(data)
            if not held.holds(index, data):
                self.damaged.append((index, held.address_of(index)))
        self._index += CHECKED_AT_ONCE
        if self._index >= held.count:
            self.is_done = True
            if self._hasher.digest() != held.digest:
                self.damaged = self.damaged or [(-1, DATA_AT)]
            held.is_damaged = bool(self.damaged)
        return True
