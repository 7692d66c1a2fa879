"""A sector of flash that holds nothing, proved by erasing, programming and reading it back.

Only behind what the roster areas hold is looked for one: a sector that is erased, or that carries the mark of an earlier
test. The journal is never touched: what is erased there may be the place of the next record.
"""

AREAS = ("roster_b", "roster_a")
MARK = b"lumbung flash test"
_LOOKED_AT = 16  # sectors from an area's end


class FlashTestFailed(Exception):
    """A page does not read back as it was left; names area and address."""


def find(flash: dict) -> tuple:
    """(area, sector) that holds nothing, (None, 0) where there is none. The first sector of an area is never one: a roster's
    header goes there.
    """
    for name in AREAS:
        area = flash[name]
        last = area.size // area.SECTOR_BYTES - 1
        for sector in range(last, max(0, last - _LOOKED_AT), -1):
            if _is_spare(area, sector):
                return area, sector
    return None, 0


def prove(area, sector: int) -> None:
    """Erase, program every page with its own octets, read back, erase again; raises `FlashTestFailed` or `FlashError`.

    A power cut on the way leaves the mark or an erased sector, both of which are spare the next time.
    """
    area.erase(sector)
    _expect(area, sector, _erased)
    for page in range(area.SECTOR_BYTES // area.PAGE_BYTES):
        area.program(sector * area.SECTOR_BYTES + page * area.PAGE_BYTES, _pattern(page))
    _expect(area, sector, _pattern)
    area.erase(sector)
    _expect(area, sector, _erased)


def _pattern(page: int) -> bytes:
    """The mark, then octets that take both values in every bit and differ from page to page."""
    return MARK + bytes([(place * 37 + page * 101) & 0xFF for place in range(256 - len(MARK))])


def _erased(_page: int) -> bytes:
    return b"\xff" * 256


def _is_spare(area, sector: int) -> bool:
    """Erased as a whole, or begun by a test that was cut off: nothing else may stand there."""
    page = bytearray(area.PAGE_BYTES)
    for number in range(area.SECTOR_BYTES // area.PAGE_BYTES):
        area.read_into(sector * area.SECTOR_BYTES + number * area.PAGE_BYTES, page)
        is_erased = page == _erased(number)
        if not is_erased and page[: len(MARK)] != MARK:
            return False
    return True


def _expect(area, sector: int, wanted) -> None:
    page = bytearray(area.PAGE_BYTES)
    for number in range(area.SECTOR_BYTES // area.PAGE_BYTES):
        address = sector * area.SECTOR_BYTES + number * area.PAGE_BYTES
        area.read_into(address, page)
        if page != wanted(number):
            raise FlashTestFailed("%s 0x%x" % (area.name, address))
