"""The journal: a ring of flash sectors that holds every chain record and every local mark, in order, for good.

Nothing is rewritten in place and a slot counts only when its CRC holds, so a power cut loses at most the slot being
written. The writer never shares a page with a torn slot. Chain records carry their seal; sequences have no holes.
"""

from array import array

from firmware.ledger import slots
from protocol import chain

SECTOR_BYTES = 4096
PAGE_BYTES = slots.PAGE_OCTETS
# Sectors kept free so that void, return, close and event records fit when redemptions are refused, and of these the
# ones that only local marks may take: a terminal whose journal is full must still start, show, print and send.
RESERVE_SECTORS = 4
MARKS_SECTORS = 1


class JournalFull(Exception):
    """No erased sector is left; records must be relayed and acknowledged before redemptions go on."""


class JournalDamaged(Exception):
    """A slot that was just programmed does not read back, or a stored record is missing; names the address."""

    def __init__(self, address: int, reason: str) -> None:
        super().__init__("journal at 0x%x: %s" % (address, reason))
        self.address = address


class Journal:
    """`area` has `size`, `read_into`, `program`, `erase` (see hal/flash_area).

    After `open`: `sequence` and `chain` are the head of the chain, `boots` the boot counter that was burned.
    """

    def __init__(self, area, kid: int, chain_start: bytes) -> None:
        self._area = area
        self._kid = kid
        self._sectors = area.size // SECTOR_BYTES
        self._chain_start = chain_start
        self._page = bytearray(PAGE_BYTES)
        # Per sector: its number (0: not in use) and the sequence before it; index into flash without a scan.
        self._numbers = array("I", [0] * self._sectors)
        self._befores = array("I", [0] * self._sectors)
        self._sector = -1
        self._at = SECTOR_BYTES
        self._erased = set()
        self.sequence = 0
        self.chain = chain_start
        self.boots = 0
        self.slots_skipped = 0
        self.is_exhausted = False

    # Opening.

    def open(self, replay) -> None:
        """Scan the ring oldest first, call `replay(slot)` for every whole slot once, repair the tail, burn a boot."""
        order = self._read_headers()
        last = None
        for position in range(len(order)):
            sector = order[position]
            for slot in self._slots_of(sector):
                if slot.slot_class == slots.CLASS_CHAIN and not self._accept(slot):
                    continue
                if slot.slot_class == slots.CLASS_LOCAL and slot.kind == slots.LOCAL_BOOT:
                    self.boots = int.from_bytes(slot.payload, "big")
                last = slot
                replay(slot)
        if order:
            self._sector = order[-1]
            self._at = self._after_last_program(self._sector)
        self.boots += 1
        try:
            self._settle_tail(last)
        except JournalFull:
            # Not even a mark fits: nothing will be written or sealed, but all can still be shown, printed and sent.
            self.is_exhausted = True

    def _settle_tail(self, last: "slots.Slot | None") -> None:
        """Copy what the scan found last, since a page torn by the cut that ended the last run may read differently next
        time; then burn the boot counter."""
        if last is not None:
            self._write(last.slot_class, last.kind, last.sequence, last.index, last.payload, last.seal)
        self.append_local(slots.LOCAL_BOOT, self.boots.to_bytes(4, "big"))

    def _read_headers(self) -> list:
        """Sectors in use, oldest first; fills the sector tables."""
        header_octets = memoryview(self._page)[: slots.SECTOR_HEADER_OCTETS]
        order = []
        for sector in range(self._sectors):
            self._area.read_into(sector * SECTOR_BYTES, header_octets)
            header = slots.decode_sector_header(header_octets)
            if header is not None and header.kid == self._kid:
                self._numbers[sector] = header.number
                self._befores[sector] = header.sequence
                order.append((header.number, sector))
        order.sort()
        if order:
            first = order[0][1]
            self.sequence = self._befores[first]
            self._area.read_into(first * SECTOR_BYTES, header_octets)
            self.chain = slots.decode_sector_header(header_octets).chain
        return [sector for _, sector in order]

    def _accept(self, slot: slots.Slot) -> bool:
        """Advance the head by a chain slot; copies of a record that is already there are passed over."""
        if slot.sequence != self.sequence + 1:
            self.slots_skipped += 0 if slot.sequence <= self.sequence else 1
            return False
        self.sequence = slot.sequence
        self.chain = chain.extend(self.chain, slot.payload)
        return True

    def _slots_of(self, sector: int) -> object:
        """Every whole slot of a sector in order."""
        page = memoryview(self._page)
        for start in range(0, SECTOR_BYTES, PAGE_BYTES):
            self._area.read_into(sector * SECTOR_BYTES + start, page)
            offset = slots.SECTOR_HEADER_OCTETS if start == 0 else 0
            while offset < PAGE_BYTES and page[offset] != slots.CLASS_ERASED:
                slot = slots.decode_slot(page, offset, sector * SECTOR_BYTES + start + offset)
                if slot is None:
                    offset += slots.SLOT_UNIT
                    continue
                offset += slots.slot_octets(len(slot.payload), bool(slot.seal))
                yield slot

    def _after_last_program(self, sector: int) -> int:
        """Where writing goes on in a sector: behind the last octet that is not erased; after a torn slot, a new page."""
        page = memoryview(self._page)
        erased = b"\xff" * PAGE_BYTES
        for start in range(SECTOR_BYTES - PAGE_BYTES, -1, -PAGE_BYTES):
            self._area.read_into(sector * SECTOR_BYTES + start, page)
            if page == erased:
                continue
            offset = slots.SECTOR_HEADER_OCTETS if start == 0 else 0
            while offset < PAGE_BYTES:
                slot = slots.decode_slot(page, offset, 0)
                if slot is None:
                    break
                offset += slots.slot_octets(len(slot.payload), bool(slot.seal))
            if page[offset:] == erased[offset:]:
                return start + offset
            return start + PAGE_BYTES
        return slots.SECTOR_HEADER_OCTETS

    # Writing.

    def append_chain(self, kind: int, record: bytes, index: int, seal_of) -> tuple:
        """Commit one canonical record; returns (sequence, chain, seal).

        `seal_of(sequence, chain) -> 64 octets` signs; nothing has changed if it raises. This is the point of no
        return of design 4.6.
        """
        if self.free_sectors() < MARKS_SECTORS:
            raise JournalFull()
        sequence = self.sequence + 1
        head = chain.extend(self.chain, record)
        seal = seal_of(sequence, head)
        self._write(slots.CLASS_CHAIN, kind, sequence, index, record, seal)
        self.sequence = sequence
        self.chain = head
        return sequence, head, seal

    def append_local(self, kind: int, payload: bytes, index: int = slots.NO_INDEX) -> None:
        """Burn one local mark."""
        self._write(slots.CLASS_LOCAL, kind, 0, index, payload, b"")

    def _write(self, slot_class: int, kind: int, sequence: int, index: int, payload: bytes, seal: bytes) -> None:
        """One page program, read back and compared."""
        octets = slots.encode_slot(slot_class, kind, sequence, index, payload, seal)
        taken = (len(octets) + slots.SLOT_UNIT - 1) // slots.SLOT_UNIT * slots.SLOT_UNIT
        if self._at % PAGE_BYTES + taken > PAGE_BYTES:
            self._at += PAGE_BYTES - self._at % PAGE_BYTES
        if self._sector < 0 or self._at + taken > SECTOR_BYTES:
            self._open_sector()
        address = self._sector * SECTOR_BYTES + self._at
        self._area.program(address, octets)
        self._at += taken
        back = memoryview(self._page)[: len(octets)]
        self._area.read_into(address, back)
        if back != octets:
            self._at += PAGE_BYTES - self._at % PAGE_BYTES if self._at % PAGE_BYTES else 0
            raise JournalDamaged(address, "does not read back")

    def _open_sector(self) -> None:
        """Go on in the next sector, erasing it if that was not done while idle."""
        following = (self._sector + 1) % self._sectors
        if self._numbers[following]:
            raise JournalFull()
        if following not in self._erased:
            self._area.erase(following)
        self._erased.discard(following)
        number = self._numbers[self._sector] + 1 if self._sector >= 0 else 1
        header = slots.encode_sector_header(number, self.sequence, self.chain, self._kid)
        self._area.program(following * SECTOR_BYTES, header)
        self._numbers[following] = number
        self._befores[following] = self.sequence
        self._sector = following
        self._at = slots.SECTOR_HEADER_OCTETS

    # Idle work and space.

    def prepare(self) -> bool:
        """While idle: erase the next sector ahead of need, one per call; True if something was done."""
        following = (self._sector + 1) % self._sectors
        if self._numbers[following] or following in self._erased:
            return False
        self._area.erase(following)
        self._erased.add(following)
        return True

    def free_sectors(self) -> int:
        """Sectors that hold nothing any more."""
        return self._sectors - sum([1 for number in self._numbers if number])

    def is_full(self) -> bool:
        """Whether only the reserve is left: no redemption may start."""
        return self.free_sectors() < RESERVE_SECTORS

    # Reading back.

    def read(self, first: int, count: int) -> list:
        """Up to `count` chain slots from sequence `first`, in order (fewer at the head)."""
        found = []
        if first > self.sequence:
            return found
        for sector in self._sectors_from(first):
            for slot in self._slots_of(sector):
                wanted = first + len(found)
                if slot.slot_class == slots.CLASS_CHAIN and slot.sequence == wanted:
                    found.append(slot)
                    if len(found) == count or slot.sequence == self.sequence:
                        return found
        raise JournalDamaged(0, "record %d is missing" % (first + len(found)))

    def chain_at(self, sequence: int) -> bytes:
        """The chain value after record `sequence` (0: before the first), from its sector's header on."""
        if sequence == self.sequence:
            return self.chain
        sector = self._sectors_from(sequence + 1)[0]
        octets = bytearray(slots.SECTOR_HEADER_OCTETS)
        self._area.read_into(sector * SECTOR_BYTES, octets)
        header = slots.decode_sector_header(octets)
        value = header.chain
        reached = header.sequence
        for slot in self._slots_of(sector):
            if reached == sequence:
                break
            if slot.slot_class == slots.CLASS_CHAIN and slot.sequence == reached + 1:
                value = chain.extend(value, slot.payload)
                reached += 1
        if reached != sequence:
            raise JournalDamaged(sector * SECTOR_BYTES, "record %d is missing" % (reached + 1))
        return value

    def _sectors_from(self, first: int) -> list:
        """Sectors, in order of writing, from the one that holds sequence `first`."""
        used = [(self._numbers[sector], sector) for sector in range(self._sectors) if self._numbers[sector]]
        used.sort()
        start = 0
        for position in range(len(used)):
            if self._befores[used[position][1]] < first:
                start = position
        return [sector for _, sector in used[start:]]
