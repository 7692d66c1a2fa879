"""A raw area of flash: read anywhere, program inside a page, erase a sector."""

SECTOR_BYTES = 4096
PAGE_BYTES = 256

_IOCTL_BLOCK_COUNT = 4
_IOCTL_BLOCK_BYTES = 5
_IOCTL_ERASE_BLOCK = 6


class FlashError(Exception):
    """An access that the area refused or the chip failed; `area` and `address` say where."""

    def __init__(self, area: str, address: int, reason: str):
        super().__init__("%s at 0x%x: %s" % (area, address, reason))
        self.area = area
        self.address = address


class FlashArea:
    """Addresses count octets from the beginning of the area; every operation is done when it returns.

    `partition` has the methods of `esp32.Partition`, whose block size must be the erase sector.
    """

    SECTOR_BYTES = SECTOR_BYTES
    PAGE_BYTES = PAGE_BYTES

    def __init__(self, partition, name: str):
        if partition.ioctl(_IOCTL_BLOCK_BYTES, 0) != SECTOR_BYTES:
            raise FlashError(name, 0, "erase block is not 4096 octets")
        self._partition = partition
        self.name = name
        self.size = partition.ioctl(_IOCTL_BLOCK_COUNT, 0) * SECTOR_BYTES

    def read_into(self, address: int, buffer) -> None:
        """Fill `buffer` from `address`; FlashError if any of it lies outside."""
        self._require_inside(address, len(buffer))
        try:
            self._partition.readblocks(address // SECTOR_BYTES, buffer, address % SECTOR_BYTES)
        except OSError as error:
            raise FlashError(self.name, address, "read failed, %s" % error)

    def program(self, address: int, data) -> None:
        """Clear the bits that are 0 in `data`; never erases.

        FlashError if `data` leaves the area, is empty, or crosses a page of 256 octets: a program that is cut off by a
        power failure must not tear two pages.
        """
        self._require_inside(address, len(data))
        if not data or address % PAGE_BYTES + len(data) > PAGE_BYTES:
            raise FlashError(self.name, address, "program of %d octets does not stay in one page" % len(data))
        try:
            # With an offset the runtime does not erase first (ports/esp32/esp32_partition.c).
            self._partition.writeblocks(address // SECTOR_BYTES, data, address % SECTOR_BYTES)
        except OSError as error:
            raise FlashError(self.name, address, "program failed, %s" % error)

    def erase(self, sector_index: int) -> None:
        """Set one sector to FF; takes 45 to 400 ms, in which no code runs."""
        address = sector_index * SECTOR_BYTES
        self._require_inside(address, SECTOR_BYTES)
        try:
            self._partition.ioctl(_IOCTL_ERASE_BLOCK, sector_index)
        except OSError as error:
            raise FlashError(self.name, address, "erase failed, %s" % error)

    def _require_inside(self, address: int, size: int) -> None:
        if address < 0 or address + size > self.size:
            raise FlashError(self.name, address, "%d octets leave the area of %d" % (size, self.size))
