"""Flash cells that do not hold what was asked of them: undecided, weak and stuck bits, and how a cut leaves them.

The chip's store keeps an octet for each address; this keeps the difference between it and what a read shows.
"""

from hardware import nor_faults

PAGE_BYTES = 256
SECTOR_BYTES = 4096

# After a marginal tear this many octets hold cells that were caught half way.
MARGINAL_BYTES = 8
# A weak cell shows what was asked of it in at least one and at most this many reads.
_QUIET_READS_MAX = 8
# Of the octets of a sector that looks erased, one in this many has a weak bit.
_WEAK_ONE_IN = 48


class Cells:
    """The imperfect cells of one chip, by page. `dice` (a `nor_faults.Dice`, set before use) decides."""

    def __init__(self):
        self.dice = None
        self._doubtful = {}  # page -> {offset: [mask of bits, reads in which they still show what the store says]}
        self._stuck = {}  # page -> [(offset, mask, level)]

    # -- what reads show

    def overlay(self, address: int, buffer) -> None:
        """Change what was read from the store at `address` into what the chip answers."""
        end = address + len(buffer)
        for page in range(address // PAGE_BYTES, (end - 1) // PAGE_BYTES + 1):
            begin = page * PAGE_BYTES - address
            doubtful = self._doubtful.get(page)
            if doubtful:
                for offset in sorted(doubtful):  # in one order on every interpreter, so that a seed repeats
                    if 0 <= begin + offset < len(buffer):
                        buffer[begin + offset] ^= self._flicker(doubtful[offset])
            for offset, mask, level in self._stuck.get(page, ()):
                if 0 <= begin + offset < len(buffer):
                    kept = buffer[begin + offset] & ~mask & 0xFF
                    buffer[begin + offset] = kept | mask if level else kept

    def _flicker(self, cell: list) -> int:
        """Bits of a doubtful octet that this read shows otherwise than the store."""
        if cell[1]:
            cell[1] -= 1
            return 0
        return cell[0] & self.dice.octet()

    # -- what operations change

    def stick(self, address: int, mask: int, level: int) -> None:
        """Bits that are beyond repair."""
        self._stuck.setdefault(address // PAGE_BYTES, []).append((address % PAGE_BYTES, mask, level))

    def programmed(self, page: int, offset: int, value: int) -> None:
        """A finished program clears the zero bits of `value`: they are decided now, the others stay in doubt."""
        doubtful = self._doubtful.get(page)
        if doubtful and offset in doubtful:
            self._doubt(page, offset, doubtful[offset][0] & value, doubtful[offset][1])

    def erased(self, sector: int, size: int = SECTOR_BYTES) -> None:
        """An erase has finished the first `size` octets of a sector: nothing is in doubt there."""
        first = sector * (SECTOR_BYTES // PAGE_BYTES)
        for page in range(first, first + (size + PAGE_BYTES - 1) // PAGE_BYTES):
            doubtful = self._doubtful.get(page, {})
            for offset in list(doubtful):
                if (page - first) * PAGE_BYTES + offset < size:
                    self._doubt(page, offset, 0, 0)

    def forget(self) -> None:
        """A programmer has written the whole chip; only what is stuck remains."""
        self._doubtful = {}

    def _doubt(self, page: int, offset: int, mask: int, quiet_reads: int) -> None:
        cells = self._doubtful.setdefault(page, {})
        if mask:
            cells[offset] = [mask, quiet_reads]
        else:
            cells.pop(offset, None)
        if not cells:
            del self._doubtful[page]

    # -- how a cut leaves them

    def tear_program(self, page: int, offset: int, old: int, new: int, past_tear: int, tear: str) -> int:
        """What the store keeps of an octet on its way from `old` to `new`, `past_tear` octets behind the finished ones."""
        changing = old ^ new
        if tear == nor_faults.CLEAN or (tear == nor_faults.MARGINAL and past_tear >= MARGINAL_BYTES):
            return old
        if tear == nor_faults.WEAK:
            self._doubt_more(
                page, offset, changing & self.dice.octet(), 1 + self.dice.below(_QUIET_READS_MAX)
            )
            return new
        if tear != nor_faults.RANDOM:
            self._doubt_more(page, offset, changing & self.dice.octet(), 0)
        return old ^ (changing & self.dice.octet())

    def _doubt_more(self, page: int, offset: int, mask: int, quiet_reads: int) -> None:
        """Bits that come into doubt beside those that are already."""
        held = self._doubtful.get(page, {}).get(offset)
        if held is not None:
            mask |= held[0]
            quiet_reads = min(quiet_reads, held[1])
        if mask:
            self._doubt(page, offset, mask, quiet_reads)

    def tear_erase(self, sector: int, image, torn_bytes: int, tear: str) -> None:
        """Change `image`, the 4 KiB of a sector, into what a cut erase leaves in the store."""
        first = sector * (SECTOR_BYTES // PAGE_BYTES)
        self.erased(sector)
        if tear == nor_faults.WEAK:
            for place in range(SECTOR_BYTES):
                image[place] = 0xFF
                if place >= torn_bytes and self.dice.below(_WEAK_ONE_IN) == 0:
                    bit = 1 << self.dice.below(8)
                    self._doubt(
                        first + place // PAGE_BYTES,
                        place % PAGE_BYTES,
                        bit,
                        1 + self.dice.below(_QUIET_READS_MAX),
                    )
            return
        # An erase first programs the sector to 00, then erases it; a marginal cut comes in either phase.
        is_first_phase = tear == nor_faults.MARGINAL and self.dice.below(2) == 0
        for place in range(SECTOR_BYTES):
            old, new = (image[place], 0) if is_first_phase else (image[place], 0xFF)
            if tear == nor_faults.MARGINAL and not is_first_phase:
                old = 0
            if place < torn_bytes:
                image[place] = new
            elif tear in (nor_faults.CLEAN, nor_faults.MARGINAL):
                page, offset = first + place // PAGE_BYTES, place % PAGE_BYTES
                image[place] = self.tear_program(page, offset, old, new, place - torn_bytes, tear)
            else:
                image[place] = self._mixed(first + place // PAGE_BYTES, place % PAGE_BYTES, old, tear)

    def _mixed(self, page: int, offset: int, old: int, tear: str) -> int:
        """One octet of a sector in which the erase had got differently far from cell to cell."""
        outcome = self.dice.below(4)
        if outcome == 0:
            return 0xFF
        if outcome == 1:
            return old
        return self.tear_program(page, offset, old, 0xFF, 0, tear)
