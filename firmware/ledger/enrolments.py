"""Which record enrolled a card last; kept in pages, since many terminals serve few cards that must be enrolled."""

from array import array

from firmware.ledger import slots

PAGE = 64
_NUMBER_OCTETS = 4


class Enrolments:
    """Sequences of enrol records: of first cards by family (0 .. families - 1), of the few second cards by family, too."""

    def __init__(self, families: int) -> None:
        self._families = families
        self._pages = {}
        self._second = {}
        self._first_held = 1

    def note(self, index: int, sequence: int) -> None:
        """A record enrolled a card; `index` as in its slot: the family's, with slots.SECOND_CARD for a second card."""
        if index < self._families:
            self._page(index // PAGE)[index % PAGE] = sequence
        elif index != slots.NO_INDEX:
            self._second[index & ~slots.SECOND_CARD] = sequence

    def _page(self, number: int) -> array:
        if number not in self._pages:
            self._pages[number] = array("I", bytes(_NUMBER_OCTETS * PAGE))  # lumbung: fits - zeros
        return self._pages[number]

    def of(self, index: int, place: int) -> int:
        """Sequence of the last one of a card (`place` 0 or 1), 0 where there is none (any more: then it is made again)."""
        if place:
            sequence = self._second.get(index, 0)
        else:
            page = self._pages.get(index // PAGE)
            sequence = page[index % PAGE] if page is not None else 0
        return int(sequence) if sequence >= self._first_held else 0

    def forget_before(self, sequence: int) -> None:
        """Records before `sequence` were reclaimed."""
        self._first_held = sequence
        for number in sorted(self._pages):
            if max(self._pages[number]) < sequence:
                del self._pages[number]

    def pack(self) -> bytes:
        """For a checkpoint: how many families (16 bits), a number for each, low octet first; how many second cards (16), and
        of each its family (16) and number (32).
        """
        nothing = bytes(_NUMBER_OCTETS * PAGE)
        numbers = range((self._families + PAGE - 1) // PAGE)
        parts = [bytes(self._pages.get(number, nothing)) for number in numbers]
        first = b"".join(parts)[: _NUMBER_OCTETS * self._families]
        second = sorted(self._second)
        return b"".join(
            [self._families.to_bytes(2, "big"), first, len(second).to_bytes(2, "big")]
            + [index.to_bytes(2, "big") + self._second[index].to_bytes(4, "big") for index in second]
        )

    def unpack(self, octets: bytes, at: int) -> tuple:
        """(families, where it ends) of what `pack` wrote at `at`, perhaps for another number of families."""
        families = octets[at] << 8 | octets[at + 1]
        at += 2
        nothing = bytes(_NUMBER_OCTETS * PAGE)
        for first in range(0, min(families, self._families), PAGE):
            count = min(PAGE, families - first, self._families - first)
            start = at + _NUMBER_OCTETS * first
            held = octets[start : start + _NUMBER_OCTETS * count]
            if held != nothing[: len(held)]:
                # lumbung: fits - copied as they are
                self._page(first // PAGE)[:count] = array("I", held)
        at += _NUMBER_OCTETS * families
        count = octets[at] << 8 | octets[at + 1]
        at += 2
        for _ in range(count):
            index = octets[at] << 8 | octets[at + 1]
            self._second[index] = int.from_bytes(octets[at + 2 : at + 6], "big")
            at += 6
        return families, at
