"""A roster as the codec reads it, held compactly: a gateway has thousands of them in memory."""

from __future__ import annotations

from array import array
from bisect import bisect_left

from gateway.errors import DocumentError
from protocol import roster
from protocol.context import RosterView

_KEY_OCTETS = 8
_APPLICATIONS_AT = 8
_NO_CARD = bytes(_KEY_OCTETS)


class RosterIndex(RosterView):
    """Cards by key (binary search) and by index and place, from the roster's signed octets."""

    __slots__ = ("_applications", "_entries", "_keys", "_slots", "count", "digest", "number")

    def __init__(self, octets: bytes) -> None:
        header = roster.decode_header(octets[: roster.HEADER_OCTETS])
        if len(octets) != roster.octets(header.count):
            raise DocumentError(kind="roster", octets=len(octets), expected=roster.octets(header.count))
        self.count = header.count
        self.number = header.number
        self.digest = roster.digest(octets)
        slots = bytearray()
        applications = bytearray()
        for entry_at in range(roster.HEADER_OCTETS, len(octets), roster.ENTRY_OCTETS):
            for card_at in roster.CARD_AT:
                at = entry_at + card_at
                slots += octets[at : at + _KEY_OCTETS]
                applications.append(octets[at + _APPLICATIONS_AT])
        self._slots = bytes(slots)
        self._applications = bytes(applications)
        found = sorted(
            (int.from_bytes(key, "big"), place)
            for place in range(2 * self.count)
            if (key := self._slot(place)) != _NO_CARD
        )
        self._keys = array("Q", [key for key, _ in found])
        self._entries = array("H", [place // 2 for _, place in found])

    def check(self) -> None:
        """Refuse what a decoder would read in two ways: the same card twice."""
        for position in range(1, len(self._keys)):
            if self._keys[position] == self._keys[position - 1]:
                raise DocumentError(
                    kind="roster", field="card key", entry=self._entries[position], reason="stands twice"
                )

    def find(self, card_key: bytes) -> int:
        """Index of the entry that has `card_key`, or -1."""
        key = int.from_bytes(card_key, "big")
        position = bisect_left(self._keys, key)
        if position < len(self._keys) and self._keys[position] == key and len(card_key) == _KEY_OCTETS:
            return self._entries[position]
        return -1

    def card_key(self, index: int, place: int) -> bytes:
        """The card key at `place` (0 or 1) of entry `index`; b"" where there is none."""
        key = self._slot(2 * index + place)
        return b"" if key == _NO_CARD else key

    def applications(self, index: int, place: int) -> int:
        """Bit map of the policy applications of that card; 0 where there is none."""
        return self._applications[2 * index + place]

    def _slot(self, slot: int) -> bytes:
        return self._slots[_KEY_OCTETS * slot : _KEY_OCTETS * (slot + 1)]
