"""Which sector of the ring comes next and when: erased ahead, bad ones retired, settled ones let go, room kept."""

from firmware.ledger import slots
from firmware.ledger.checked_area import CheckedArea
from firmware.ledger.ring import PAGE_BYTES, SECTOR_BYTES, JournalDamaged, Ring

# Shares of the ring kept free: so that void, return, close and event records fit when redemptions are refused, and of
# it the part that only local marks may take: a terminal whose journal is full still starts, shows, prints and sends, and
# has room for the checkpoint that lets settled sectors go.
RESERVE_SHARE = 32
RESERVE_SECTORS_MIN = 3
MARKS_SHARE = 64
MARKS_SECTORS_MIN = 2
# A header or slot that does not read back is written so often before its sector or the flash is given up.
WRITE_TRIES = 3
# Sectors that are given up one after the other before it must be the chip itself.
RETIRED_AT_ONCE = 8
# Pages in which the first slot of a sector may have been begun: its header's, and one more for each try.
_BEGUN_PAGES = 1 + WRITE_TRIES
# A sector that a power cut has used up waits for its next turn where so many times the reserve is free.
_PLENTY = 4


class JournalFull(Exception):
    """No sector is free; records must be relayed and settled before more can be kept."""

    def __init__(self) -> None:
        super().__init__("journal: no sector is free")


class Space(Ring):
    """`retired`: places of sectors that take no erase or no header, ascending; the ledger keeps them in a mark.

    `checkpoints`: sectors in which the two newest whole checkpoints begin: the older one is the newer one's second chance.
    """

    def __init__(self, area, kid: int, chain_start: bytes) -> None:
        super().__init__(area, kid, chain_start)
        self._checked = CheckedArea(area)
        self.reserve_sectors = max(RESERVE_SECTORS_MIN, self._sectors // RESERVE_SHARE)
        self._marks_sectors = max(MARKS_SECTORS_MIN, self._sectors // MARKS_SHARE)
        self.checkpoints = (0, 0)
        self.retired = []
        self.is_exhausted = False
        # The number that is opened next unless its place is retired, and the sector that is surely erased.
        self._next = 1
        self._erased = 0
        self._failed_erases = 0
        self._reclaim_through = 0
        self._reclaimable = 1

    # The next sector.

    def _candidate(self) -> int:
        """The number that is opened next; what lies between it and the head is passed over."""
        number = max(self._next, self._head + 1)
        while self._place(number) in self.retired and number - self._dropped_to() < self._sectors:
            number += 1
        return number

    def _place(self, number: int) -> int:
        """Where in the ring a number lies."""
        return (number - 1) % self._sectors

    def _erase(self, number: int) -> bool:
        """Erase a sector for its number; the sector that its place held before is gone then."""
        self._oldest = max(self._oldest, number - self._sectors + 1)
        return self._checked.erase(self._place(number))

    def _retire(self, number: int) -> None:
        """Its place takes no erase or no header: never try it again."""
        self.retired = sorted(self.retired + [self._place(number)])
        self._next = number + 1
        self._failed_erases = 0

    def _erase_next(self) -> int:
        """Erase the next sector; returns its number, -1 where that failed once more (in the end it is retired), 0 where
        nothing was to be done.
        """
        number = self._candidate()
        if number == self._erased or number - self._dropped_to() >= self._sectors:
            return 0
        if self._erase(number):
            self._erased = number
            return number
        self._failed_erases += 1
        if self._failed_erases == WRITE_TRIES:
            self._retire(number)
        return -1

    def _open_next(self, header_of) -> int:
        """Erase the next sector if that was not done while idle, and write its header (`header_of(number)` gives the
        octets); returns its number.

        No slot goes into a sector whose header does not read back, because the next start would not find it.
        """
        number = 0
        for _ in range(RETIRED_AT_ONCE):
            number = self._candidate()
            if number - self._dropped_to() >= self._sectors - 1:
                raise JournalFull
            octets = header_of(number)
            for _ in range(WRITE_TRIES):
                is_erased = self._erased == number or self._erase(number)
                self._erased = 0
                if is_erased and self._checked.program(self._base(number), octets):
                    return number
            self._retire(number)
        raise JournalDamaged(self._base(number), "no sector can be opened here")

    def _resume(self, erased: int, touched: int) -> None:
        """After a start: go on with the sector that the last run had erased (`erased`, 0: none that it noted).

        The note was written when the erase had been read back, and a header is begun only when the last page of the head
        (`touched`: the last one that is not erased) has been. A sector that a cut may have left half erased or half
        opened reads as it likes. It is struck out and waits for its next turn, so that no sector is erased twice in a
        round; where room is short it is erased again.
        """
        if erased > self._head and touched < SECTOR_BYTES // PAGE_BYTES - 1:
            self._next = self._erased = erased
            return
        while self.free_sectors() > max(_PLENTY * self.reserve_sectors, self._sectors // 2):
            number = self._candidate()
            if number > erased and not self._is_begun(number):
                return
            base = self._base(number)
            self._oldest = max(self._oldest, number - self._sectors + 1)
            if self._checked.strike_out(base, base + _BEGUN_PAGES * PAGE_BYTES):
                return
            self._next = number + 1

    def _is_begun(self, number: int) -> bool:
        """Whether a sector shows that it was erased or opened since its turn in the round before."""
        octets = bytearray(slots.SECTOR_HEADER_OCTETS)
        self._area.read_into(self._base(number), octets)
        header = slots.decode_sector_header(octets)
        if header is not None:
            return header.number == number and header.kid == self._kid
        return number > self._sectors or not self._checked.is_blank(self._place(number))

    # Room.

    @property
    def reclaim_through(self) -> int:
        """Records up to there are settled."""
        return self._reclaim_through

    def _dropped_to(self) -> int:
        """The first sector whose content is still needed, if the ring needs the ones before."""
        return max(self.oldest, self._reclaimable)

    def set_reclaim(self, through: int) -> None:
        """Records up to `through` are settled: their sectors may be dropped when space is needed, once two later
        checkpoints hold what follows from them (or the only one there is).
        """
        self._reclaim_through = max(self._reclaim_through, min(through, self.sequence))
        settled = self._sector_of(self._reclaim_through + 1) if self._head else 1
        self._reclaimable = max(self._reclaimable, min(settled, self.checkpoints[0] or self.checkpoints[1]))

    def is_running_short(self) -> bool:
        """Whether less than a quarter of the ring is free, or in a small one little more than the reserve."""
        return self.free_sectors() < max(self._sectors // 4, 2 * self.reserve_sectors)

    def is_waiting_for_checkpoint(self) -> bool:
        """Whether settled sectors are kept only because no later checkpoint holds what follows from them."""
        return self._head > 0 and self._sector_of(self._reclaim_through + 1) > max(
            self.checkpoints[0], self.oldest
        )

    def set_checkpoint(self, number: int) -> None:
        """A checkpoint that begins in sector `number` is whole."""
        self.checkpoints = (self.checkpoints[1], number)
        self.set_reclaim(self._reclaim_through)

    def free_sectors(self) -> int:
        """Sectors that are free or may be dropped, less the one that stays free and those that are retired."""
        if self._head == 0:
            return self._sectors - 1
        dropped = self._dropped_to()
        number = self._candidate()
        # How far behind the next sector the retired ones lie; those before it are behind it already.
        retired = [
            place
            for place in self.retired
            if (place + 1 - number) % self._sectors < dropped + self._sectors - 1 - number
        ]
        return max(0, self._sectors - 1 - (number - dropped) - len(retired))

    def is_full(self) -> bool:
        """Whether only the reserve is left: no redemption may start."""
        return self.is_exhausted or self.free_sectors() < self.reserve_sectors
