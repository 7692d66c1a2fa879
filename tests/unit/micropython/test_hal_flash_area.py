"""A flash area refuses what would leave it or tear two pages, and tells where a failure was."""

from firmware.hal.flash_area import FlashArea, FlashError
from hardware.nor_flash import NorFlash, Partition
from tests.support.mp import raises

SECTOR = FlashArea.SECTOR_BYTES


def area():
    flash = NorFlash(8 * SECTOR)
    return FlashArea(Partition(flash, "journal", 2 * SECTOR, 4 * SECTOR), "journal"), flash


def test_what_is_programmed_is_read_back_at_the_same_address():
    journal, flash = area()
    assert journal.size == 4 * SECTOR
    journal.program(SECTOR + 256, b"catatan")
    buffer = bytearray(9)
    journal.read_into(SECTOR + 255, buffer)
    assert bytes(buffer) == b"\xffcatatan\xff"
    assert (flash.page_programs, flash.sector_erases) == (1, 0), (
        "one program is one page program and no erase"
    )


def test_read_into_fills_a_slice_of_a_larger_buffer():
    journal, _ = area()
    journal.program(0, b"\x01\x02\x03\x04")
    buffer = bytearray(8)
    journal.read_into(1, memoryview(buffer)[2:5])
    assert bytes(buffer) == b"\x00\x00\x02\x03\x04\x00\x00\x00"


def test_programming_twice_clears_bits_of_both():
    journal, _ = area()
    journal.program(0, b"\xf3")
    journal.program(0, b"\x3f")
    buffer = bytearray(1)
    journal.read_into(0, buffer)
    assert buffer[0] == 0x33


def test_erase_takes_a_sector_of_the_area_and_not_of_the_chip():
    journal, flash = area()
    journal.program(3 * SECTOR, b"\x00")
    journal.program(2 * SECTOR, b"\x00")
    journal.erase(3)
    assert flash.wear == {5: 1}
    buffer = bytearray(1)
    journal.read_into(2 * SECTOR, buffer)
    assert buffer[0] == 0


def test_a_program_across_a_page_end_is_refused_and_writes_nothing():
    journal, flash = area()
    error = raises(FlashError, journal.program, 255, b"\x00\x00")
    assert (error.area, error.address) == ("journal", 255)
    assert "0xff" in str(error) and "page" in str(error)
    raises(FlashError, journal.program, 0, bytes(257))
    raises(FlashError, journal.program, 0, b"")
    assert flash.page_programs == 0
    journal.program(0, bytes(256))


def test_every_access_outside_is_refused_with_its_address():
    journal, flash = area()
    end = journal.size
    assert raises(FlashError, journal.program, end, b"\x00").address == end
    assert raises(FlashError, journal.read_into, end - 3, bytearray(4)).address == end - 3
    assert raises(FlashError, journal.read_into, -1, bytearray(1)).address == -1
    assert raises(FlashError, journal.erase, 4).address == end
    assert raises(FlashError, journal.erase, -1).address == -SECTOR
    assert flash.operations() == 0


class BrokenPartition:
    def ioctl(self, request, argument):
        if request == 6:
            raise OSError(-0x102)
        return 4 if request == 4 else SECTOR

    def readblocks(self, block, buffer, offset):
        raise OSError(-0x103)

    def writeblocks(self, block, data, offset):
        raise OSError(-0x104)


def test_a_failing_chip_gives_the_typed_error_for_each_operation():
    broken = FlashArea(BrokenPartition(), "roster_a")
    assert raises(FlashError, broken.read_into, 5, bytearray(1)).address == 5
    assert raises(FlashError, broken.program, 512, b"\x00").address == 512
    assert raises(FlashError, broken.erase, 1).address == SECTOR


class SmallBlockPartition(BrokenPartition):
    def ioctl(self, request, argument):
        return 512


def test_a_partition_with_another_block_size_is_refused():
    raises(FlashError, FlashArea, SmallBlockPartition(), "vfs")
