"""The self-test of the parts that need nobody: flash, randomness, key chip, modem, each sound and broken."""

from firmware import main

main.load()

from firmware.bench import codes, spare_sector  # noqa: E402
from firmware.crypto import health_tests  # noqa: E402
from firmware.hal import pins  # noqa: E402
from firmware.hal.flash_area import FlashArea, FlashError  # noqa: E402
from hardware import modem_dialects, modem_internet, modem_network, nor_faults  # noqa: E402
from hardware.atecc608 import Atecc608  # noqa: E402
from hardware.atecc608_faults import FaultPlan  # noqa: E402
from hardware.atecc608_memory import Memory  # noqa: E402
from hardware.modem import Modem  # noqa: E402
from hardware.nor_flash import NorFlash, Partition, PowerCut  # noqa: E402
from tests.support.mp import raises, seed  # noqa: E402
from tests.support.mp_bench import Bench  # noqa: E402
from tests.support.mp_terminal import copy_of, provisioned_flash  # noqa: E402
from tests.unit.micropython.atecc608_twin import Stream, set_up_memory  # noqa: E402

HEAP = "24m"
SECTOR = 4096


def outcome(bench, part, words=""):
    """(verdict, code, text) of one part."""
    found, _ = bench.run("%s %s" % (part, words))
    return found[part]


def place_of(name):
    """(offset, size) of a partition."""
    return [(offset, size) for label, offset, size in pins.PARTITIONS if label == name][0]


def content(flash):
    """All sectors that are not erased."""
    sectors = flash._store._sectors
    return {index: bytes(sectors[index]) for index in sectors if bytes(sectors[index]) != b"\xff" * SECTOR}


# Flash.


def test_the_flash_test_leaves_every_octet_as_it_was():
    flash = copy_of(provisioned_flash())
    before = content(flash)
    journal = place_of("journal")
    erased = []
    inner = flash.sector_erase

    def watch(address):
        erased.append(address)
        inner(address)

    flash.sector_erase = watch
    assert outcome(Bench(flash=flash), "flash") == ("passed", 0, "8192 KB, roster_b sector 63")
    assert content(flash) == before
    assert len(erased) == 2, erased
    assert not [address for address in erased if journal[0] <= address < journal[0] + journal[1]]


def test_a_sector_that_holds_something_is_never_taken():
    flash = NorFlash(pins.FLASH_BYTES)
    for name in ("roster_b", "roster_a"):
        offset, size = place_of(name)
        for sector in range(size // SECTOR - 16, size // SECTOR):
            flash.page_program(offset + sector * SECTOR + 15 * 256, b"\xfe")
    before = content(flash)
    assert outcome(Bench(flash=flash), "flash")[:2] == ("failed", codes.FLASH_NO_SPARE)
    assert content(flash) == before


def test_what_a_cut_test_left_is_free_for_the_next():
    flash = NorFlash(pins.FLASH_BYTES)
    offset, size = place_of("roster_b")
    flash.page_program(offset + size - SECTOR, spare_sector._pattern(0))
    bench = Bench(flash=flash)
    assert outcome(bench, "flash")[2].endswith("roster_b sector 63")
    assert content(flash) == {}


def test_power_cut_at_any_moment_of_the_test_harms_nothing_and_the_next_one_passes():
    offset, size = place_of("roster_b")
    spare = (offset + size) // SECTOR - 1
    for operation in range(18):
        flash = copy_of(provisioned_flash())
        before = content(flash)
        bench = Bench(flash=flash)
        area, sector = spare_sector.find(bench.board.board.flash)
        flash.arm(nor_faults.FaultPlan(operation + 1, [nor_faults.cut(operation, 100)]))
        assert raises(PowerCut, spare_sector.prove, area, sector), operation
        flash.power_on()
        after = content(flash)
        after.pop(spare, None)
        assert after == before, operation
        assert outcome(Bench(flash=flash), "flash")[0] == "passed", operation


def test_cells_that_are_stuck_or_do_nothing_are_found():
    offset, size = place_of("roster_b")
    for address, level in ((size - SECTOR + 1000, 0), (size - 1, 1), (size - SECTOR, 1)):
        plan = nor_faults.FaultPlan(1, [nor_faults.stuck(offset + address, 0xFF, level)])
        flash = NorFlash(pins.FLASH_BYTES)
        bench = Bench(flash=flash)
        area, sector = spare_sector.find(bench.board.board.flash)
        flash.arm(plan)
        assert raises(spare_sector.FlashTestFailed, spare_sector.prove, area, sector), address


def test_flash_that_answers_with_an_error():
    class Refusing(Partition):
        def writeblocks(self, *_):
            raise OSError(5)

    bench = Bench()
    offset, size = place_of("roster_b")
    bench.place.bench.flash = dict(bench.place.bench.flash)
    bench.place.bench.flash["roster_b"] = FlashArea(
        Refusing(bench.board.flash, "roster_b", offset, size), "roster_b"
    )
    assert outcome(bench, "flash")[:2] == ("failed", codes.FLASH_REFUSES)
    assert issubclass(FlashError, Exception)


def test_a_chip_of_another_size_is_found_before_anything_is_written():
    bench = Bench()
    bench.place.bench.flash_octets = pins.FLASH_BYTES // 2
    assert outcome(bench, "flash") == ("failed", codes.FLASH_SIZE, "4096 KB, the board's map says 8192")
    assert content(bench.board.flash) == {}


# Randomness.


def test_health_tests_count_as_the_standard_says():
    assert health_tests.longest_run(b"") == 0
    assert health_tests.longest_run(b"abbbcbb") == 3
    assert health_tests.longest_run(b"aaaa") == 4
    window = b"a" + bytes([98 + place % 100 for place in range(510)]) + b"a"
    assert health_tests.most_frequent_first(window) == 2
    assert health_tests.most_frequent_first(window[:-1]) == 0, "a window that is not full"
    assert health_tests.most_frequent_first(window + b"z" * 512) == 512


def test_a_generator_that_is_stuck_biased_short_or_silent():
    series = seed()

    def stuck(size):
        return b"\x55" * size

    def biased(size):
        # Every other octet is the same: no run, but far too many of one value.
        return bytes(
            [0x33 if place % 2 == 0 else (series >> place % 20) + place & 0xFF for place in range(size)]
        )

    def short(size):
        return bytes(size - 1)

    def silent(_size):
        raise OSError(5)

    for source, code in (
        (stuck, codes.ENTROPY_REPEATS),
        (biased, codes.ENTROPY_UNEVEN),
        (short, codes.ENTROPY_NONE),
        (silent, codes.ENTROPY_NONE),
    ):
        assert outcome(Bench(entropy=source), "entropy")[:2] == ("failed", code), source


# Key chip.


def chip(memory=None, faults=None):
    """A fitting with an ATECC608."""

    def fit(models):
        part = Atecc608(models, memory or set_up_memory(), Stream(seed()), faults, 5)
        return {"secure_element": part}

    return fit


def test_a_key_chip_tells_revision_serial_locks_and_counters():
    found = outcome(Bench(fittings=chip()), "key-chip")
    assert found[0] == "passed", found
    for words in ("revision ", "serial 0123", ", locked, ", "counters 0 0"):
        assert words in found[2], found


def test_a_new_key_chip_passes_but_not_one_that_holds_keys_unlocked():
    bench = Bench(fittings=chip(Memory()))
    found = outcome(bench, "key-chip")
    assert found[0] == "passed" and ", open, " in found[2], found
    bench.place.bench.keys_in_chip = True
    assert outcome(bench, "key-chip")[:2] == ("failed", codes.KEY_CHIP_OPEN)


def test_a_key_chip_that_is_not_there_is_absent_or_broken_where_it_is_fitted():
    assert outcome(Bench(), "key-chip") == ("absent", 0, "none answers")
    assert outcome(Bench(), "key-chip", "fitted=key-chip")[:2] == ("failed", codes.KEY_CHIP_SILENT)
    bench = Bench()
    bench.place.bench.keys_in_chip = True
    assert outcome(bench, "key-chip")[:2] == ("failed", codes.KEY_CHIP_SILENT)


def test_a_key_chip_that_goes_deaf_on_the_way():
    found = outcome(Bench(fittings=chip(faults=FaultPlan(drop_permille=1000))), "key-chip", "fitted=key-chip")
    assert found[0] == "failed" and found[1] in (codes.KEY_CHIP_SILENT, codes.KEY_CHIP_FAILS), found


# Modem.


def modem(name="has_sim", value=True):
    """A fitting with a modem; `name` and `value` are of its radio."""

    def fit(models):
        part = Modem(
            models,
            modem_dialects.BY_NAME["A7670"],
            modem_network.GsmNetwork(models, 1),
            b"+628111",
            modem_internet.PipeInternet(),
        )
        part.start(models.now_us())
        setattr(part.radio, name, value)
        return {"modem": part}

    return fit


def test_a_modem_that_is_taken_in_by_a_network():
    bench = Bench(fittings=modem())
    assert outcome(bench, "modem") == ("absent", 0, "no settings name one")
    assert outcome(bench, "modem", "fitted=modem") == ("passed", 0, "registered, signal -77 dBm")


def test_a_modem_without_sim_with_a_locked_one_refused_or_out_of_reach():
    for name, value, code in (
        ("has_sim", False, codes.MODEM_NO_SIM),
        ("sim_pin", True, codes.MODEM_SIM_LOCKED),
        ("is_denied", True, codes.MODEM_DENIED),
        ("in_reach", False, codes.MODEM_NOT_REGISTERED),
    ):
        bench = Bench(fittings=modem(name, value))
        found = outcome(bench, "modem", "fitted=modem")
        assert found[:2] == ("failed", code), (name, found)


def test_a_modem_that_is_not_there():
    assert outcome(Bench(), "modem", "fitted=modem")[:2] == ("failed", codes.MODEM_SILENT)
