"""A raw flash area whose programs and erases are read back: a chip that fails is the same as one that does nothing."""

from firmware.hal.flash_area import FlashError
from firmware.ledger import slots

TRIES = 3
ERASE_TRIES = 2

_ZEROS = bytes(slots.PAGE_OCTETS)


class CheckedArea:
    """`area` is a `hal/flash_area`; addresses count from its beginning."""

    def __init__(self, area) -> None:
        self._area = area
        self._page = bytearray(slots.PAGE_OCTETS)

    def program(self, address: int, octets: bytes) -> bool:
        """Program octets that stay within one page; whether they read back."""
        back = memoryview(self._page)[: len(octets)]
        try:
            self._area.program(address, octets)
            self._area.read_into(address, back)
        except FlashError:
            return False
        return back == octets

    def erase(self, place: int) -> bool:
        """Erase the sector at a place, again where that left something; whether nothing in it reads as a slot.

        A stuck bit does not cost the sector: a slot over it does not read back, and is written elsewhere.
        """
        for _ in range(ERASE_TRIES):
            try:
                self._area.erase(place)
                is_blank, holds_slot = self._look(place * slots.SECTOR_BYTES)
            except FlashError:
                is_blank, holds_slot = False, True
            if is_blank:
                return True
        return not holds_slot

    def is_blank(self, place: int) -> bool:
        """Whether nothing was ever programmed in a sector, as far as one look tells."""
        return bool(self._look(place * slots.SECTOR_BYTES)[0])

    def _look(self, base: int) -> tuple:
        """(whether a sector is blank, whether it holds a whole slot)."""
        is_blank = True
        holds_slot = False
        for start in range(0, slots.SECTOR_BYTES, slots.PAGE_OCTETS):
            self._area.read_into(base + start, self._page)
            if self._page != slots.ERASED_PAGE:
                is_blank = False
                for _ in slots.whole_slots(self._page, 0):
                    holds_slot = True
        return is_blank, holds_slot

    def strike_out(self, address: int, end: int) -> int:
        """Program zeros from `address` to `end`, so that nothing in between is ever a slot.

        Returns 0, or the address of an octet that could still begin a slot. A bit that stays 1 elsewhere does no harm.
        """
        while address < end:
            zeros = _ZEROS[address % slots.PAGE_OCTETS :]
            for _ in range(TRIES):
                if self.program(address, zeros):
                    break
            else:
                for place in range(0, len(zeros), slots.SLOT_UNIT):
                    if self._page[place] in (slots.CLASS_CHAIN, slots.CLASS_LOCAL):
                        return address + place
            address += len(zeros)
        return 0
