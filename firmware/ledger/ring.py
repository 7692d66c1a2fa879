"""The journal's ring of sectors as it lies in flash: where a record stands, what it says, what the chain was then.

Sector n of all time lies at place (n - 1) modulo the ring's size, so the number of the newest sector says which others
are in use. One sector always stays free, because the erase of the next one may be cut off at any moment. A number whose
place would not take it is passed over: the header behind it says so.
"""

from firmware.hal.flash_area import FlashError
from firmware.ledger import slots
from protocol import chain

SECTOR_BYTES = slots.SECTOR_BYTES
PAGE_BYTES = slots.PAGE_OCTETS


class JournalDamaged(FlashError):
    """What was programmed does not read back, or something that was stored is missing; `address` says where."""

    def __init__(self, address: int, reason: str) -> None:
        super().__init__("journal", address, reason)


class Ring:
    """Reads the ring; who writes it keeps `_head`, the newest sector's number (0: none yet), `sequence` and `chain`."""

    def __init__(self, area, kid: int, chain_start: bytes) -> None:
        self._area = area
        self._kid = kid
        self._sectors = area.size // SECTOR_BYTES
        self._page = bytearray(PAGE_BYTES)
        self._head = 0
        self._oldest = 1
        self._chain_start = chain_start
        self.sequence = 0
        self.chain = chain_start
        self.damage = None

    @property
    def oldest(self) -> int:
        """Number of the oldest sector in use: the ring less the one that stays free, and what was erased ahead of it."""
        return max(self._oldest, self._head - self._sectors + 2)

    @property
    def head(self) -> int:
        """Number of the newest sector, 0 in a new journal."""
        return self._head

    @property
    def first_sequence(self) -> int:
        """The oldest record that is still held."""
        return self._before(self.oldest) + 1 if self._head else 1

    def read(self, first: int, count: int, is_strict: bool = True) -> list:
        """Up to `count` chain slots from sequence `first`, in order; what was reclaimed or is not there yet is left
        out. Raises `JournalDamaged` for a record that should be there, or leaves it out where not `is_strict`.
        """
        end = min(first + count, self.sequence + 1)
        wanted = max(first, self.first_sequence)
        found = []
        if wanted >= end:
            return found
        for number in range(self._sector_of(wanted), self._head + 1):
            for start in range(0, SECTOR_BYTES, PAGE_BYTES):
                self._area.read_into(self._base(number) + start, self._page)
                if start == 0 and self._header_in(number, self._page) is None and self._is_passed(number):
                    break
                for at in slots.whole_slots(self._page, slots.SECTOR_HEADER_OCTETS if start == 0 else 0):
                    sequence = slots.sequence_at(self._page, at)
                    if self._page[at] != slots.CLASS_CHAIN or sequence < wanted:
                        continue
                    if sequence != wanted and is_strict:
                        continue
                    if sequence < end:
                        found.append(slots.chain_slot(self._page, at))
                    wanted = sequence + 1
                    if wanted >= end:
                        return found
        if not is_strict:
            return found
        raise JournalDamaged(0, "record %d is missing" % wanted)

    def chain_at(self, sequence: int) -> bytes:
        """The chain value after record `sequence` (0: before the first), from its sector's header on."""
        if sequence == self.sequence and self.damage is None:
            return self.chain
        number = self._sector_of(sequence + 1)
        header = self._header(number)
        if header is None or header.sequence > sequence:
            raise JournalDamaged(self._base(number), "record %d is missing" % sequence)
        value = header.chain
        for slot in self.read(header.sequence + 1, sequence - header.sequence):
            value = chain.extend(value, slot.payload)
        return value

    def sector(self, number: int) -> tuple:
        """(address, octets, header or None, whether it was passed over) of a sector in use."""
        octets = bytearray(SECTOR_BYTES)
        self._area.read_into(self._base(number), octets)
        header = self._header_in(number, octets)
        return self._base(number), octets, header, header is None and self._is_passed(number)

    def _base(self, number: int) -> int:
        """Address of a sector."""
        return (number - 1) % self._sectors * SECTOR_BYTES

    def _header(self, number: int) -> "slots.SectorHeader | None":
        """The header of sector `number`, None where it does not hold."""
        octets = bytearray(slots.SECTOR_HEADER_OCTETS)
        self._area.read_into(self._base(number), octets)
        return self._header_in(number, octets)

    def _header_in(self, number: int, octets: bytearray) -> "slots.SectorHeader | None":
        """The same from octets that were read already."""
        header = slots.decode_sector_header(memoryview(octets)[: slots.SECTOR_HEADER_OCTETS])
        return header if header is not None and header.number == number and header.kid == self._kid else None

    def _is_passed(self, number: int) -> bool:
        """Whether a sector without a header of its number was never opened, as the next header tells."""
        for later in range(number + 1, self._head + 1):
            header = self._header(later)
            if header is not None:
                return later - number <= header.passed
        return False

    def _before(self, number: int) -> int:
        """The sequence before a sector; that before a later one where its header does not hold."""
        for candidate in range(number, self._head + 1):
            header = self._header(candidate)
            if header is not None:
                return int(header.sequence)
        return self.sequence

    def _sector_of(self, sequence: int) -> int:
        """The last sector that begins before record `sequence`."""
        low = self.oldest
        high = self._head
        while low < high:
            middle = (low + high + 1) // 2
            if self._before(middle) < sequence:
                low = middle
            else:
                high = middle - 1
        return low
