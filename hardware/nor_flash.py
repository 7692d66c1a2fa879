"""A serial NOR flash chip of the W25Q64 class, and a partition of it in the shape of `esp32.Partition`.

What the model holds true to: programming only clears bits and wraps inside its 256-octet page; only a whole 4 KiB sector
erases, to FF; every operation costs time and wear; power can fail inside any of them, and what `nor_faults` plans can go
wrong. The octets live in a store: `MemoryStore` (only what is not FF takes room) or `FileStore` (an image file that
outlives the process).
"""

from hardware import nor_cells, nor_faults

SECTOR_BYTES = 4096
PAGE_BYTES = 256
ERASED = 0xFF
_ERASED_SECTOR = b"\xff" * SECTOR_BYTES

# Typical times of the class (W25Q64JV data sheet, AC characteristics); the maximum of an erase is 400 ms.
PAGE_PROGRAM_US = 700
SECTOR_ERASE_US = 45000


class PowerCut(BaseException):
    """The supply failed. No `except Exception` of the firmware may catch it, as none survives the real event."""


class MemoryStore:
    """Sectors in RAM, absent while erased."""

    def __init__(self):
        self._sectors = {}

    def read_into(self, address: int, buffer) -> None:
        index, offset = divmod(address, SECTOR_BYTES)
        done = 0
        while done < len(buffer):
            size = min(SECTOR_BYTES - offset, len(buffer) - done)
            sector = self._sectors.get(index, _ERASED_SECTOR)
            buffer[done : done + size] = memoryview(sector)[offset : offset + size]
            done += size
            index += 1
            offset = 0

    def write(self, address: int, data) -> None:
        """Replace octets; `data` stays within one sector."""
        index, offset = divmod(address, SECTOR_BYTES)
        sector = self._sectors.get(index)
        if sector is None:
            sector = self._sectors[index] = bytearray(_ERASED_SECTOR)
        sector[offset : offset + len(data)] = data

    def erase(self, index: int) -> None:
        self._sectors.pop(index, None)


class FileStore:
    """An image file of the whole chip, made (all FF) if it is not there; what is written survives a killed process."""

    def __init__(self, path: str, size: int):
        try:
            self._file = open(path, "r+b", 0)  # noqa: SIM115 - open as long as the chip is
        except OSError:
            with open(path, "wb") as file:
                for _ in range(size // SECTOR_BYTES):
                    file.write(_ERASED_SECTOR)
            self._file = open(path, "r+b", 0)  # noqa: SIM115
        if self._file.seek(0, 2) != size:
            raise ValueError("%s is not an image of %d octets" % (path, size))

    def read_into(self, address: int, buffer) -> None:
        self._file.seek(address)
        self._file.readinto(buffer)

    def write(self, address: int, data) -> None:
        self._file.seek(address)
        self._file.write(data)  # unbuffered: the operating system has it when this returns

    def erase(self, index: int) -> None:
        self.write(index * SECTOR_BYTES, _ERASED_SECTOR)

    def close(self) -> None:
        self._file.close()


class NorFlash:
    """The chip. Counters are public attributes; `wear` maps a sector index to its number of erases.

    `faults`: a `nor_faults.FaultPlan`, armed at once; without one, and until `arm` or `power_cut_after`, no operation
    looks for faults. `seed` decides how `power_cut_after` tears cells.
    """

    def __init__(self, size: int, store=None, clock=None, seed: int = 1, faults=None):
        self.size = size
        self._store = MemoryStore() if store is None else store
        self._clock = clock
        self._seed = seed
        self._cells = None
        self._due = None  # operation -> fault
        self._operation = 0
        self._simple_cut_at = -1
        self.fired = []  # the faults of the plan that have happened
        self.powered = True
        self.wear = {}
        self.reset_counters()
        if faults is not None:
            self.arm(faults)

    def reset_counters(self) -> None:
        """Zero all counters but the wear, which the chip keeps for life."""
        self.reads = 0
        self.bytes_read = 0
        self.page_programs = 0
        self.bytes_programmed = 0
        self.sector_erases = 0
        self.busy_us = 0

    # -- what the processor can do

    def read_into(self, address: int, buffer) -> None:
        """Read `len(buffer)` octets from `address`."""
        self._require_power()
        if address < 0 or address + len(buffer) > self.size:
            raise ValueError("read beyond the chip at 0x%x" % address)
        self.reads += 1
        self.bytes_read += len(buffer)
        self._store.read_into(address, buffer)
        if self._cells is not None:
            self._cells.overlay(address, buffer)

    def page_program(self, address: int, data) -> None:
        """Clear bits from `address` on; beyond the end of the page the chip goes on at its beginning."""
        self._require_power()
        if not 0 <= address < self.size:
            raise ValueError("program beyond the chip at 0x%x" % address)
        if not 0 < len(data) <= PAGE_BYTES:
            raise ValueError("a page program takes 1 to 256 octets, not %d" % len(data))
        self.page_programs += 1
        self.bytes_programmed += len(data)
        if self._cells is None:
            self._program_whole(address, data)
            self._spend(PAGE_PROGRAM_US)
            return
        fault = self._next_fault()
        self._program_faulty(address, data, fault)
        self._spend(PAGE_PROGRAM_US)
        self._fail_if_cut(fault)

    def sector_erase(self, index: int) -> None:
        """Set the 4 KiB of sector `index` to FF."""
        self._require_power()
        if not 0 <= index < self.size // SECTOR_BYTES:
            raise ValueError("no sector %d" % index)
        self.sector_erases += 1
        self.wear[index] = self.wear.get(index, 0) + 1
        fault = None if self._cells is None else self._next_fault()
        if fault is None:
            self._store.erase(index)
            if self._cells is not None:
                self._cells.erased(index)
        else:
            image = bytearray(SECTOR_BYTES)
            self._store.read_into(index * SECTOR_BYTES, image)
            if nor_faults.is_cut(fault):
                self._cells.tear_erase(index, image, fault[2], fault[3])
            else:
                size = min(fault[2], SECTOR_BYTES)
                image[:size] = _ERASED_SECTOR[:size]
                self._cells.erased(index, size)
            self._store.write(index * SECTOR_BYTES, image)
        self._spend(SECTOR_ERASE_US)
        self._fail_if_cut(fault)

    # -- what a test can do

    def arm(self, plan) -> None:
        """Let the faults of a `nor_faults.FaultPlan` happen from the next operation on, which has number 0; what an
        earlier plan had still to come is dropped, what it did to cells stays. None: no more faults.
        """
        self._simple_cut_at = -1
        self._operation = 0
        self.fired = []
        if plan is None:
            self._due = {}
            return
        if self._cells is None:
            self._cells = nor_cells.Cells()
        self._cells.dice = nor_faults.Dice(plan.seed)
        self._due = plan.by_operation()
        for address, mask, level in plan.stuck_bits():
            self._cells.stick(address, mask, level)

    def power_cut_after(self, operations: int, torn_bytes: int = 0) -> None:
        """Let `operations` more programs and erases succeed; the next is cut after `torn_bytes` octets, marginally."""
        self.arm(nor_faults.FaultPlan(self._seed, [nor_faults.cut(operations, torn_bytes)]))
        self._simple_cut_at = operations

    def power_on(self) -> None:
        """Supply is back after a cut. A cut of `power_cut_after` that has not come yet does not come; a plan goes on."""
        self.powered = True
        if self._simple_cut_at >= 0:
            self._due = {}

    def operations(self) -> int:
        """Programs and erases so far: the moments at which power can be cut."""
        return self.page_programs + self.sector_erases

    def wear_spread(self, first: int, count: int) -> tuple:
        """(least, most, total) erases of `count` sectors from sector `first` on."""
        erases = [self.wear.get(index, 0) for index in range(first, first + count)]
        return min(erases), max(erases), sum(erases)

    def save(self, path: str) -> None:
        """Write the image of the whole chip, as it reads this time, to a file."""
        buffer = bytearray(SECTOR_BYTES)
        with open(path, "wb") as file:
            for index in range(self.size // SECTOR_BYTES):
                self._store.read_into(index * SECTOR_BYTES, buffer)
                if self._cells is not None:
                    self._cells.overlay(index * SECTOR_BYTES, buffer)
                file.write(buffer)

    def load(self, path: str) -> None:
        """Replace the chip's content by an image file, as a technician's programmer does."""
        buffer = bytearray(SECTOR_BYTES)
        with open(path, "rb") as file:
            for index in range(self.size // SECTOR_BYTES):
                if file.readinto(buffer) != SECTOR_BYTES:
                    raise ValueError("%s ends inside sector %d" % (path, index))
                self._store.erase(index)
                if buffer != _ERASED_SECTOR:
                    self._store.write(index * SECTOR_BYTES, buffer)
        if self._cells is not None:
            self._cells.forget()

    # -- inside

    def _require_power(self) -> None:
        if not self.powered:
            raise PowerCut

    def _next_fault(self):
        """The fault that the plan has for this operation, or None."""
        fault = self._due.pop(self._operation, None)
        self._operation += 1
        if fault is not None:
            self.fired.append(fault)
        return fault

    def _fail_if_cut(self, fault) -> None:
        if fault is not None and nor_faults.is_cut(fault):
            self.powered = False
            raise PowerCut

    def _spend(self, duration_us: int) -> None:
        self.busy_us += duration_us
        if self._clock is not None:
            self._clock.spend_us(duration_us)

    def _program_whole(self, address: int, data) -> None:
        """A program without faults. Mostly it goes to erased octets, which then hold just what was sent."""
        room = PAGE_BYTES - address % PAGE_BYTES
        if len(data) > room:
            view = memoryview(data)
            self._program_whole(address, view[:room])
            self._program_whole(address // PAGE_BYTES * PAGE_BYTES, view[room:])
            return
        image = bytearray(len(data))
        self._store.read_into(address, image)
        if image == _ERASED_SECTOR[: len(data)]:
            self._store.write(address, data)
            return
        for index in range(len(data)):
            image[index] &= data[index]
        self._store.write(address, image)

    def _program_faulty(self, address: int, data, fault) -> None:
        """A program on cells that may be imperfect, torn if `fault` says so."""
        page = address // PAGE_BYTES
        image = bytearray(PAGE_BYTES)
        self._store.read_into(page * PAGE_BYTES, image)
        finished = len(data) if fault is None else fault[2]
        for index in range(len(data)):
            offset = (address + index) % PAGE_BYTES
            if index < finished:
                image[offset] &= data[index]
                self._cells.programmed(page, offset, data[index])
            elif nor_faults.is_cut(fault):
                new = image[offset] & data[index]
                image[offset] = self._cells.tear_program(
                    page, offset, image[offset], new, index - finished, fault[3]
                )
        self._store.write(page * PAGE_BYTES, image)


class Partition:
    """A window on the chip with the interface and the habits of MicroPython's `esp32.Partition`.

    `writeblocks` with two arguments erases before it writes, with an offset it does not; `ioctl(6, n)` erases a block.
    """

    def __init__(self, flash: NorFlash, label: str, offset: int, size: int):
        if offset % SECTOR_BYTES or size % SECTOR_BYTES or offset + size > flash.size:
            raise ValueError("partition %s does not fit the chip" % label)
        self._flash = flash
        self._label = label
        self._offset = offset
        self._size = size

    def info(self) -> tuple:
        """(type, subtype, address, size, label, encrypted), type 1 being data and subtype 6 undefined."""
        return (1, 6, self._offset, self._size, self._label, False)

    def readblocks(self, block: int, buffer, offset: int = 0) -> None:
        self._flash.read_into(self._place(block, offset, len(buffer)), buffer)

    def writeblocks(self, block: int, data, offset=None) -> None:
        place = self._place(block, offset or 0, len(data))
        if offset is None:
            if len(data) % SECTOR_BYTES:
                raise OSError(-0x104)  # ESP_ERR_INVALID_SIZE
            for index in range(len(data) // SECTOR_BYTES):
                self._flash.sector_erase(place // SECTOR_BYTES + index)
        view = memoryview(data)
        done = 0
        while done < len(view):  # ESP-IDF cuts a write at page ends
            size = min(PAGE_BYTES - (place + done) % PAGE_BYTES, len(view) - done)
            self._flash.page_program(place + done, view[done : done + size])
            done += size

    def ioctl(self, request: int, argument: int):
        if request == 4:
            return self._size // SECTOR_BYTES
        if request == 5:
            return SECTOR_BYTES
        if request == 6:
            self._flash.sector_erase(self._place(argument, 0, SECTOR_BYTES) // SECTOR_BYTES)
            return 0
        return 0 if request in (1, 2, 3) else None

    def _place(self, block: int, offset: int, size: int) -> int:
        begin = block * SECTOR_BYTES + offset
        if begin < 0 or begin + size > self._size:
            raise OSError(-0x104)
        return self._offset + begin
