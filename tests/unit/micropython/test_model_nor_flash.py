"""The NOR flash model behaves as the data sheet of its class says, power cuts included."""

import os

from hardware.model_clock import ManualClock
from hardware.nor_flash import PAGE_BYTES, SECTOR_BYTES, FileStore, NorFlash, Partition, PowerCut
from tests.support.mp import raises, seed

SIZE = 8 * SECTOR_BYTES


def content(flash, address, size):
    buffer = bytearray(size)
    flash.read_into(address, buffer)
    return bytes(buffer)


def test_a_new_chip_reads_erased_everywhere():
    assert content(NorFlash(SIZE), 0, SIZE) == b"\xff" * SIZE


def test_programming_clears_bits_and_never_sets_one():
    flash = NorFlash(SIZE)
    flash.page_program(16, b"\xf0\x0f")
    flash.page_program(16, b"\x3c\xff")
    assert content(flash, 15, 4) == b"\xff\x30\x0f\xff"


def test_a_page_program_wraps_inside_its_page():
    flash = NorFlash(SIZE)
    flash.page_program(PAGE_BYTES + 254, b"\x01\x02\x03\x04")
    assert content(flash, PAGE_BYTES + 254, 4) == b"\x01\x02\xff\xff"
    assert content(flash, PAGE_BYTES, 3) == b"\x03\x04\xff"


def test_a_page_program_takes_at_most_one_page():
    flash = NorFlash(SIZE)
    raises(ValueError, flash.page_program, 0, bytes(PAGE_BYTES + 1))
    raises(ValueError, flash.page_program, 0, b"")
    raises(ValueError, flash.page_program, SIZE, b"\x00")
    assert flash.page_programs == 0


def test_an_erase_sets_one_sector_and_no_other():
    flash = NorFlash(SIZE)
    for sector in range(3):
        flash.page_program(sector * SECTOR_BYTES, b"\x00" * 8)
    flash.sector_erase(1)
    assert content(flash, 0, 8) == b"\x00" * 8
    assert content(flash, SECTOR_BYTES, SECTOR_BYTES) == b"\xff" * SECTOR_BYTES
    assert content(flash, 2 * SECTOR_BYTES, 8) == b"\x00" * 8
    raises(ValueError, flash.sector_erase, SIZE // SECTOR_BYTES)


def test_work_is_counted_and_costs_time():
    clock = ManualClock()
    flash = NorFlash(SIZE, clock=clock)
    flash.page_program(0, b"\x00" * 32)
    flash.page_program(32, b"\x00" * 64)
    flash.sector_erase(3)
    flash.sector_erase(3)
    content(flash, 0, 100)
    assert (flash.page_programs, flash.bytes_programmed) == (2, 96)
    assert (flash.sector_erases, flash.wear) == (2, {3: 2})
    assert (flash.reads, flash.bytes_read) == (1, 100)
    assert flash.busy_us == clock.now_us() == 2 * 700 + 2 * 45000


def test_a_cut_program_has_a_whole_beginning_and_an_untouched_rest():
    flash = NorFlash(SIZE, seed=seed())
    flash.power_cut_after(1, torn_bytes=10)
    flash.page_program(0, b"\x00" * 4)
    raises(PowerCut, flash.page_program, 256, b"\x55" * 64)
    flash.power_on()
    after = content(flash, 256, 64)
    assert after[:10] == b"\x55" * 10
    assert after[18:] == b"\xff" * 46
    for value in after:
        assert value & 0x55 == 0x55, after


def test_cells_at_the_tear_read_differently_from_time_to_time():
    flash = NorFlash(SIZE, seed=seed())
    flash.power_cut_after(0, torn_bytes=3)
    raises(PowerCut, flash.page_program, 0, b"\x00" * 64)
    flash.power_on()
    assert len({content(flash, 0, 64) for _ in range(50)}) > 1
    flash.sector_erase(0)
    assert {content(flash, 0, 64) for _ in range(50)} == {b"\xff" * 64}


def test_nothing_works_between_cut_and_power_on():
    flash = NorFlash(SIZE)
    flash.power_cut_after(0)
    raises(PowerCut, flash.sector_erase, 0)
    raises(PowerCut, flash.page_program, 0, b"\x00")
    raises(PowerCut, content, flash, 0, 1)
    flash.power_on()
    flash.page_program(SECTOR_BYTES, b"\x00")


def test_a_power_cut_passes_through_except_exception():
    assert not issubclass(PowerCut, Exception)


def test_a_cut_erase_leaves_a_sector_that_is_neither():
    seen = set()
    for first_seed in range(40):
        flash = NorFlash(SIZE, seed=first_seed)
        flash.page_program(0, b"\xa5" * PAGE_BYTES)
        flash.power_cut_after(0, torn_bytes=100)
        raises(PowerCut, flash.sector_erase, 0)
        flash.power_on()
        after = content(flash, 0, PAGE_BYTES)
        assert after[:100] in (b"\x00" * 100, b"\xff" * 100)
        assert after[108:] == (b"\xa5" if after[0] == 0 else b"\x00") * (PAGE_BYTES - 108)
        seen.add(after[0])
    assert seen == {0x00, 0xFF}, "both phases of an erase must be cut"


def test_an_image_saved_and_loaded_is_the_same_chip():
    path = "build/test_nor_%d.img" % (id(object()) & 0xFFFFFFF)
    first = NorFlash(SIZE)
    first.page_program(SECTOR_BYTES + 7, b"lumbung")
    first.save(path)
    second = NorFlash(SIZE)
    second.page_program(0, b"\x00")
    second.load(path)
    assert content(second, 0, SIZE) == content(first, 0, SIZE)
    os.remove(path)


def test_a_file_store_keeps_what_was_programmed_when_the_process_dies():
    path = "build/test_nor_%d.img" % (id(object()) & 0xFFFFFFF)
    flash = NorFlash(SIZE, store=FileStore(path, SIZE))
    flash.page_program(300, b"catat")
    flash.sector_erase(2)
    # No close, no save: the file alone must hold it.
    again = NorFlash(SIZE, store=FileStore(path, SIZE))
    assert content(again, 299, 7) == b"\xffcatat\xff"
    raises(ValueError, FileStore, path, SIZE * 2)
    os.remove(path)


def test_a_partition_erases_on_a_plain_write_and_not_with_an_offset():
    flash = NorFlash(SIZE)
    part = Partition(flash, "journal", SECTOR_BYTES, 4 * SECTOR_BYTES)
    part.writeblocks(0, b"\x0f" * 4, 8)
    part.writeblocks(0, b"\xf0" * 4, 8)
    assert content(flash, SECTOR_BYTES + 8, 4) == b"\x00" * 4
    part.writeblocks(0, b"\x5a" * SECTOR_BYTES)
    assert content(flash, SECTOR_BYTES, SECTOR_BYTES) == b"\x5a" * SECTOR_BYTES
    part.ioctl(6, 0)
    assert content(flash, SECTOR_BYTES, SECTOR_BYTES) == b"\xff" * SECTOR_BYTES


def test_a_partition_keeps_to_its_window():
    flash = NorFlash(SIZE)
    part = Partition(flash, "identity_a", SECTOR_BYTES, 2 * SECTOR_BYTES)
    assert part.ioctl(4, 0) == 2 and part.ioctl(5, 0) == SECTOR_BYTES
    assert part.info()[2:5] == (SECTOR_BYTES, 2 * SECTOR_BYTES, "identity_a")
    raises(OSError, part.writeblocks, 1, bytes(2), SECTOR_BYTES - 1)
    raises(OSError, part.readblocks, 2, bytearray(1), 0)
    raises(OSError, part.ioctl, 6, 2)
    raises(ValueError, Partition, flash, "too long", 0, SIZE + SECTOR_BYTES)


def test_a_partition_splits_a_long_write_at_page_ends():
    flash = NorFlash(SIZE)
    Partition(flash, "vfs", 0, SIZE).writeblocks(0, bytes(range(200)) * 2, 100)
    assert content(flash, 100, 400) == bytes(range(200)) * 2
    assert flash.page_programs == 2
