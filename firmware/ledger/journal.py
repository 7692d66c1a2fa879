"""The journal: a ring of flash sectors that holds every chain record and every local mark in the order they were made.

A slot counts only when its CRC holds, so a power cut loses at most the slot being written. Where things stand and how
they are read back, `ring` says.
"""

from array import array

from firmware.hal.flash_area import FlashError
from firmware.ledger import slots
from firmware.ledger.checkpoint import Gathering
from firmware.ledger.ring import PAGE_BYTES, SECTOR_BYTES, JournalDamaged
from firmware.ledger.space import WRITE_TRIES, JournalFull, Space
from protocol import chain

# Marks that mean nothing to the books, and need no second copy where they stand last.
_OWN = (slots.LOCAL_CHECKPOINT, slots.LOCAL_CHECKPOINT_END, slots.LOCAL_ERASED)
_NOT_COPIED = (slots.LOCAL_BOOT, slots.LOCAL_CHECKPOINT, slots.LOCAL_ERASED)


class Journal(Space):
    """`area` has `size`, `read_into`, `program`, `erase` (see hal/flash_area).

    After `open`: `sequence` and `chain` are the head of the chain, `boots` the boot counter that was burned,
    `is_exhausted` that not even that could be, `damage` why no record may follow (a `FlashError`, None: one may).
    """

    def __init__(self, area, kid: int, chain_start: bytes) -> None:
        super().__init__(area, kid, chain_start)
        # Where writing goes on in the newest sector, and the sector that it notes as erased ahead.
        self._at = SECTOR_BYTES
        self._noted = 0
        # The chain before its head, and up to which record it was followed.
        self._chain_before = chain_start
        self._chained = 0
        self.boots = 0
        self.slots_written = 0
        self.damage = None

    # Opening.

    def open(self, books) -> None:
        """Bring `books` to the state of the last run, make what was found last safe, burn a boot.

        `books` has `reset()`, `restore(checkpoint) -> bool`, `apply(kind, sequence, index, payload)`, which is called
        in order for each slot behind the checkpoint, `reclaim_through` (see `set_reclaim`) and `retired` (see `Space`).
        Where neither checkpoint nor records suffice there is `damage`, and the books hold what can be read.
        """
        # The newest sector is read once: what was torn in it may read differently the next time.
        newest = bytearray(SECTOR_BYTES)
        self._head = self._find_head(newest)
        self._replay(books, newest)
        self.retired = [place for place in books.retired if place < self._sectors]
        self.set_reclaim(books.reclaim_through)
        self.boots += 1
        try:
            self._settle_tail(newest)
        except JournalFull:
            # Not even a mark fits: nothing will be written or sealed, but all can still be shown, printed and sent.
            self.is_exhausted = True
        except FlashError as error:
            # Flash takes no mark: the same, and no record may follow.
            self.is_exhausted = True
            if self.damage is None:
                self.damage = error

    def require_same_head(self, sequence: int) -> None:
        """Take no record when the books end with another one than the chain: it would be the second with its number."""
        if sequence != self.sequence and self.damage is None:
            self._note_damage(
                self._head, "the books end with record %d, the chain with %d" % (sequence, self.sequence)
            )

    def _find_head(self, newest: bytearray) -> int:
        """Number of the newest sector that is surely open, whose octets are then in `newest`; 0 for a new journal."""
        name = bytearray(slots.SECTOR_NAME_OCTETS)
        numbers = array("I", bytes(4 * self._sectors))  # lumbung: fits - zeros
        for place in range(self._sectors):
            self._area.read_into(place * SECTOR_BYTES, name)
            number = slots.sector_number(name)
            if number and (number - 1) % self._sectors == place:
                numbers[place] = number
        while True:
            number = max(numbers)
            if number == 0 or self._is_open(number, newest):
                return int(number)
            numbers[(number - 1) % self._sectors] = 0

    def _is_open(self, number: int, buffer: bytearray) -> bool:
        """Whether a sector has a whole header of this kid and a whole slot.

        A header with nothing behind it may be what the last cut left: it could read differently next time, so its
        sector is erased and opened again.
        """
        self._area.read_into(self._base(number), buffer)
        return self._header_in(number, buffer) is not None and slots.tail_of(buffer)[1] != b""

    def _replay(self, books, newest: bytearray) -> None:
        """Checkpoint and what follows it into `books`."""
        if self._head:
            for start in self._checkpoint_sectors(newest):
                books.reset()
                if self._run(books, start, newest, True):
                    self._skip_front()
                    return
        books.reset()
        self._run(books, self.oldest, newest, False)
        if self.oldest > 1:
            self._note_damage(self.oldest, "no whole checkpoint, and older records are reclaimed")

    def _skip_front(self) -> None:
        """In front there may be numbers that were passed over, or whose places were erased for numbers that no header
        names yet. No checkpoint needs them.
        """
        while self.oldest < self.checkpoints[1] and self._header(self.oldest) is None:
            self._oldest = self.oldest + 1

    def _checkpoint_sectors(self, newest: bytearray):
        """Generate the sectors in which whole checkpoints should begin, newest first."""
        pointer = self._header_in(self._head, newest).checkpoint
        for at in slots.whole_slots(newest, slots.SECTOR_HEADER_OCTETS):
            if newest[at + 1] == slots.LOCAL_CHECKPOINT_END:
                pointer = int.from_bytes(slots.payload_at(newest, at)[2:6], "big")
        while pointer >= self.oldest and pointer > 0:
            header = self._header(pointer)
            older = header.checkpoint if header is not None else 0
            self.checkpoints = (older, pointer)
            yield pointer
            pointer = older
        self.checkpoints = (0, 0)

    def _run(self, books, first: int, newest: bytearray, from_checkpoint: bool) -> bool:
        """Walk from sector `first` to the head, applying slots (behind the first whole checkpoint, where asked so);
        returns False when there was none.
        """
        self.damage = None
        self.sequence = self._chained = 0
        self.chain = self._chain_before = self._chain_start
        gathering = Gathering()
        live = not from_checkpoint
        older = bytearray(SECTOR_BYTES) if first < self._head else newest
        for number in range(first, self._head + 1):
            is_head = number == self._head
            buffer = newest if is_head else older
            if not is_head:
                self._area.read_into(self._base(number), buffer)
            header = self._header_in(number, buffer)
            if header is None and self._is_passed(number):
                continue
            if live:
                self._enter(number, header)
            elif header is not None:
                self.sequence = self._chained = header.sequence
                self.chain = header.chain
            view = memoryview(buffer)
            for at in slots.whole_slots(buffer, slots.SECTOR_HEADER_OCTETS):
                kind = buffer[at + 1]
                sequence = 0
                if kind < slots.LOCAL_FIRST:
                    sequence = slots.sequence_at(buffer, at)
                    if not self._accept(sequence, view, at, is_head or not live):
                        continue
                elif kind == slots.LOCAL_BOOT:
                    self.boots = int.from_bytes(slots.payload_at(buffer, at), "big")
                elif kind == slots.LOCAL_ERASED:
                    self._noted = int.from_bytes(slots.payload_at(buffer, at), "big")
                    continue
                if live:
                    if kind not in _OWN:
                        index = buffer[at + 6] << 8 | buffer[at + 7]
                        books.apply(kind, sequence, index, slots.payload_at(view, at))
                elif gathering.take(kind, slots.payload_at(buffer, at)):
                    self.boots = int.from_bytes(gathering.octets[:4], "big")
                    live = books.restore(bytes(gathering.octets[4:]))
        return live

    def _enter(self, number: int, header: "slots.SectorHeader | None") -> None:
        """Hold a sector's header against what was read before it."""
        if header is None:
            self._note_damage(number, "sector header does not hold")
            return
        if header.sequence > self.sequence:
            self._note_damage(number, "record %d is missing" % (self.sequence + 1))
            self.sequence = header.sequence
        if number == 1 and header.chain != self._chain_start:
            self._note_damage(number, "the chain does not begin with this terminal's keys")
        # One less than what was read where a tail record's copy opened the sector (see `_settle_tail`).
        self._chained = header.sequence
        self.chain = header.chain

    def _accept(self, sequence: int, octets: memoryview, at: int, hashing: bool) -> bool:
        """Advance the head by a chain slot; copies of a record that is already there are passed over.

        `hashing` only in the newest sector: the headers of the others hold the chain's value behind them.
        """
        if hashing and sequence == self._chained + 1:
            self._chained = sequence
            self._chain_before = self.chain
            self.chain = chain.extend(self.chain, slots.payload_at(octets, at))
        if sequence <= self.sequence:
            return False
        if sequence != self.sequence + 1:
            self._note_damage(self._head, "record %d is missing" % (self.sequence + 1))
        self.sequence = sequence
        return True

    def _note_damage(self, number: int, reason: str) -> None:
        """The books are not complete: all that is left can be read and sent, but no record may follow."""
        if self.damage is None:
            self.damage = JournalDamaged(self._base(number), reason)

    def _settle_tail(self, newest: bytearray) -> None:
        """Make sure that the next run finds what this one found; `newest`: the newest sector as it was counted.

        The operation that the last cut tore may read differently next time, and so may those of starts that were cut
        in their turn. So all that may hold a torn slot (from the last whole one to the page behind the last that was
        touched) is struck out, and the last whole slot, which may be torn itself, is written again before anything is
        built on it.
        """
        if self._head:
            touched, octets, end = slots.tail_of(newest)
            limit = min(SECTOR_BYTES, (touched + 2) * PAGE_BYTES)
            base = self._base(self._head)
            torn = self._checked.strike_out(base + end, base + limit)
            if torn:
                raise JournalDamaged(torn, "a torn slot cannot be struck out")
            self._at = limit
            self._resume(self._noted, touched)
            if octets[1] < slots.LOCAL_FIRST:
                self._copy_record(octets)
            elif octets[1] not in _NOT_COPIED:
                self._write(octets)
        self.append_local(slots.LOCAL_BOOT, self.boots.to_bytes(4, "big"))

    def _copy_record(self, octets: bytes) -> None:
        """Write the last record again. A sector that this opens begins before it: its first slot may be gone later."""
        sequence, head = self.sequence, self.chain
        self.sequence, self.chain = sequence - 1, self._chain_before
        try:
            self._write(octets)
        finally:
            self.sequence, self.chain = sequence, head

    # Writing.

    def append_chain(self, kind: int, record: bytes, index: int, seal_of) -> tuple:
        """Commit one canonical record; returns (sequence, chain, seal).

        `seal_of(sequence, chain) -> 64 octets` signs; nothing has changed if it raises. This is the point of no
        return of design 4.6. Raises `JournalFull` or `JournalDamaged`.
        """
        self.require_room()
        sequence = self.sequence + 1
        head = chain.extend(self.chain, record)
        seal = seal_of(sequence, head)
        self.slots_written += 1
        self._write(slots.encode_slot(kind, sequence, index, record, seal))
        self.sequence = sequence
        self.chain = head
        return sequence, head, seal

    def require_room(self) -> None:
        """Raise `JournalFull` or `JournalDamaged` where the next chain record would."""
        if self.damage is not None:
            raise self.damage
        if self.is_exhausted or self.free_sectors() < self._marks_sectors:
            raise JournalFull

    def append_local(self, kind: int, payload: bytes, index: int = slots.NO_INDEX) -> None:
        """Burn one local mark. Raises `JournalFull` or `JournalDamaged`."""
        if self.is_exhausted:
            raise self.damage if self.damage is not None else JournalFull()
        self.slots_written += 1
        self._write(slots.encode_slot(kind, 0, index, payload, b""))

    def _write(self, octets: bytes) -> None:
        """One page program, read back and compared; elsewhere again where that fails, in the end in another sector."""
        taken = slots.slot_octets(len(octets))
        address = 0
        for done in range(2 * WRITE_TRIES):
            if done == WRITE_TRIES:
                self._at = SECTOR_BYTES
            if self._at % PAGE_BYTES + taken > PAGE_BYTES:
                self._at += PAGE_BYTES - self._at % PAGE_BYTES
            if self._head == 0 or self._at + taken > SECTOR_BYTES:
                if done:
                    # A start tells by the last page that a header may have been begun (see `_resume`).
                    base = self._base(self._head)
                    self._checked.strike_out(base + SECTOR_BYTES - slots.SLOT_UNIT, base + SECTOR_BYTES)
                try:
                    self._open_sector()
                except JournalFull:
                    if done:
                        break
                    raise
            address = self._base(self._head) + self._at
            self._at += taken
            if self._checked.program(address, octets):
                return
            self._at = (self._at + PAGE_BYTES - 1) // PAGE_BYTES * PAGE_BYTES
        # The slot may read back at the next start all the same: until then nothing may follow it.
        self.damage = JournalDamaged(address, "does not read back")
        raise self.damage

    def _open_sector(self) -> None:
        """Go on in the next sector."""
        header = slots.SectorHeader()
        header.sequence = self.sequence
        header.chain = self.chain
        header.kid = self._kid
        header.checkpoint = self.checkpoints[1]

        def header_of(number: int) -> bytes:
            header.number = number
            header.passed = number - self._head - 1
            return slots.encode_sector_header(header)

        try:
            self._head = self._open_next(header_of)
        except JournalDamaged as error:
            self.is_exhausted = True
            self.damage = error
            raise
        self._at = slots.SECTOR_HEADER_OCTETS
        self._skip_front()

    def erase_ahead(self) -> bool:
        """While idle: erase the next sector ahead of need, and note that it is; True if something was done."""
        number = self._erase_next()
        if number > 0 and not self.is_exhausted and self._at + slots.SLOT_UNIT <= SECTOR_BYTES:
            # No slot of the books, so it may stand between the pieces of a checkpoint.
            note = slots.encode_slot(slots.LOCAL_ERASED, 0, slots.NO_INDEX, number.to_bytes(4, "big"), b"")
            self._write(note)
        return number != 0
