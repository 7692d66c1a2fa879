"""The NOR flash model goes wrong exactly as its plan says, and a printed plan repeats it."""

import os

from hardware import nor_faults
from hardware.nor_faults import CLEAN, MARGINAL, RANDOM, TEARS, UNSTABLE, WEAK, FaultPlan, cut, silent, stuck
from hardware.nor_flash import PAGE_BYTES, SECTOR_BYTES, NorFlash, PowerCut
from tests.support.mp import raises, seed

SIZE = 4 * SECTOR_BYTES
DATA = bytes([0x5A ^ (index * 29 & 0xFF) for index in range(96)])


def content(flash, address, size):
    buffer = bytearray(size)
    flash.read_into(address, buffer)
    return bytes(buffer)


def torn_program(plan_seed, torn_bytes, tear, old=b""):
    """A chip on which the program of DATA at 256 was cut."""
    flash = NorFlash(SIZE)
    if old:
        flash.page_program(256, old)
    plan = FaultPlan(plan_seed, [cut(0, torn_bytes, tear)])
    flash.arm(plan)
    raises(PowerCut, flash.page_program, 256, DATA)
    flash.power_on()
    assert flash.fired == plan.faults, plan
    return flash


def torn_erase(plan_seed, torn_bytes, tear):
    """A chip on which the erase of sector 1, full of DATA, was cut."""
    flash = NorFlash(SIZE)
    for page in range(SECTOR_BYTES, 2 * SECTOR_BYTES, PAGE_BYTES):
        flash.page_program(page, DATA)
    flash.arm(FaultPlan(plan_seed, [cut(0, torn_bytes, tear)]))
    raises(PowerCut, flash.sector_erase, 1)
    flash.power_on()
    return flash


def test_a_printed_plan_makes_the_same_plan_again():
    plan = FaultPlan(77, [cut(3, 40, RANDOM), silent(5), silent(6, 17), stuck(0x1040, 0x81, 1)])
    again = eval(repr(plan))
    assert again.seed == 77 and again.faults == plan.faults
    assert repr(plan) == (
        "FaultPlan(77, [('cut', 3, 40, 'random'), ('silent', 5, 0), ('silent', 6, 17), ('stuck', 4160, 129, 1)])"
    )


def test_what_is_no_fault_is_refused():
    for fault in (
        (),
        ("cut", 1),
        ("cut", -1, 0, CLEAN),
        ("cut", 1, 0, "soft"),
        ("burn", 1, 2),
        stuck(0, 0, 1),
        stuck(0, 1, 2),
    ):
        raises(ValueError, FaultPlan, 1, [fault])


def test_a_page_is_torn_cleanly_at_every_octet():
    for torn_bytes in range(len(DATA) + 1):
        flash = torn_program(seed(), torn_bytes, CLEAN)
        expected = DATA[:torn_bytes] + b"\xff" * (len(DATA) - torn_bytes)
        assert {content(flash, 256, len(DATA)) for _ in range(5)} == {expected}, torn_bytes


def test_a_random_tear_leaves_bits_old_or_new_for_good():
    seen = set()
    for plan_seed in range(30):
        flash = torn_program(plan_seed, 10, RANDOM, b"\xf3" * 96)
        reads = {content(flash, 256, len(DATA)) for _ in range(5)}
        assert len(reads) == 1, plan_seed
        after = reads.pop()
        assert after[:10] == bytes([0xF3 & value for value in DATA[:10]])
        for index in range(10, len(DATA)):
            assert after[index] & ~0xF3 == 0 and 0xF3 & DATA[index] & ~after[index] == 0, (plan_seed, index)
        seen.add(after)
    assert len(seen) == 30, "each seed tears otherwise"


def test_an_unstable_tear_reads_differently_until_the_sector_is_erased():
    flash = torn_program(seed(), 10, UNSTABLE)
    reads = {content(flash, 256, len(DATA)) for _ in range(20)}
    assert len(reads) > 1
    assert {read[:10] for read in reads} == {DATA[:10]}
    for read in reads:
        assert all(DATA[index] & ~read[index] == 0 for index in range(len(DATA)))
    flash.sector_erase(0)
    assert {content(flash, 0, SECTOR_BYTES) for _ in range(20)} == {b"\xff" * SECTOR_BYTES}


def test_programming_decides_the_bits_that_it_clears_and_no_others():
    flash = torn_program(seed(), 0, UNSTABLE)
    flash.page_program(256, b"\x0f" * len(DATA))
    reads = [content(flash, 256, len(DATA)) for _ in range(30)]
    assert all(value & 0xF0 == 0 for read in reads for value in read)
    assert len(set(reads)) > 1, "the low bits are still in doubt"


def test_a_weak_program_reads_whole_at_first_and_not_for_long():
    flash = torn_program(seed(), 10, WEAK)
    assert content(flash, 256, len(DATA)) == DATA
    later = {content(flash, 256, len(DATA)) for _ in range(60)}
    assert any(read != DATA for read in later)
    assert {read[:10] for read in later} == {DATA[:10]}


def test_a_weak_sector_looks_erased_and_is_not():
    flash = torn_erase(seed(), 100, WEAK)
    assert content(flash, SECTOR_BYTES, SECTOR_BYTES) == b"\xff" * SECTOR_BYTES
    later = {content(flash, SECTOR_BYTES, SECTOR_BYTES) for _ in range(30)}
    assert len(later) > 2
    assert {read[:100] for read in later} == {b"\xff" * 100}
    flash.sector_erase(1)
    assert {content(flash, SECTOR_BYTES, SECTOR_BYTES) for _ in range(30)} == {b"\xff" * SECTOR_BYTES}


def test_a_half_erased_sector_is_a_mix_of_erased_old_and_unstable_octets():
    old = (DATA + b"\xff" * 160) * 16
    for tear in (RANDOM, UNSTABLE):
        flash = torn_erase(seed(), 100, tear)
        reads = [content(flash, SECTOR_BYTES, SECTOR_BYTES) for _ in range(10)]
        assert all(read[:100] == b"\xff" * 100 for read in reads)
        kinds = {"erased": 0, "old": 0, "torn": 0, "unstable": 0}
        for index in range(100, SECTOR_BYTES):
            values = {read[index] for read in reads}
            assert all(old[index] & ~value == 0 for value in values), "an erase only sets bits"
            if old[index] == 0xFF:
                continue
            if len(values) > 1:
                kinds["unstable"] += 1
            elif values == {0xFF}:
                kinds["erased"] += 1
            elif values == {old[index]}:
                kinds["old"] += 1
            else:
                kinds["torn"] += 1
        assert kinds["erased"] > 100 and kinds["old"] > 100 and kinds["torn"] > 10, (tear, kinds)
        assert (kinds["unstable"] > 100) == (tear == UNSTABLE), (tear, kinds)


def test_a_cleanly_torn_erase_stops_at_its_octet():
    flash = torn_erase(seed(), 100, CLEAN)
    assert content(flash, SECTOR_BYTES, SECTOR_BYTES) == b"\xff" * 100 + ((DATA + b"\xff" * 160) * 16)[100:]


def test_other_sectors_are_never_touched():
    for tear in TEARS:
        flash = NorFlash(SIZE)
        for page in range(0, SIZE, PAGE_BYTES):
            flash.page_program(page, DATA)
        flash.arm(FaultPlan(seed(), [cut(0, 0, tear), cut(1, 0, tear)]))
        raises(PowerCut, flash.sector_erase, 1)
        flash.power_on()
        raises(PowerCut, flash.page_program, 2 * SECTOR_BYTES + 512, bytes(256))
        flash.power_on()
        page = DATA + b"\xff" * 160
        assert content(flash, 0, SECTOR_BYTES) == page * 16
        assert content(flash, 2 * SECTOR_BYTES, 512) == page * 2
        assert content(flash, 2 * SECTOR_BYTES + 768, SECTOR_BYTES) == page * 13 + content(
            flash, 3 * SECTOR_BYTES, 768
        )


def test_operations_that_silently_do_nothing_report_success():
    flash = NorFlash(SIZE, faults=FaultPlan(1, [silent(0), silent(1, 5), silent(3), silent(4, 100)]))
    flash.page_program(0, DATA)
    assert content(flash, 0, len(DATA)) == b"\xff" * len(DATA)
    flash.page_program(0, DATA)
    assert content(flash, 0, len(DATA)) == DATA[:5] + b"\xff" * (len(DATA) - 5)
    flash.page_program(0, DATA)
    assert content(flash, 0, len(DATA)) == DATA
    flash.sector_erase(0)
    assert content(flash, 0, len(DATA)) == DATA
    flash.page_program(90, b"\x00" * 20)
    flash.sector_erase(0)
    assert flash.powered and flash.operations() == 6
    assert content(flash, 0, 120) == b"\xff" * 120


def test_an_erase_that_stops_silently_leaves_the_rest():
    flash = NorFlash(SIZE, faults=FaultPlan(1, [silent(1, 50)]))
    flash.page_program(0, DATA)
    flash.sector_erase(0)
    assert content(flash, 0, len(DATA)) == b"\xff" * 50 + DATA[50:]


def test_stuck_bits_take_neither_program_nor_erase():
    flash = NorFlash(SIZE, faults=FaultPlan(1, [stuck(10, 0x01, 0), stuck(20, 0x80, 1), stuck(20, 0x02, 0)]))
    assert content(flash, 0, 32) == b"\xff" * 10 + b"\xfe" + b"\xff" * 9 + b"\xfd" + b"\xff" * 11
    flash.page_program(0, bytes(32))
    assert content(flash, 0, 32) == bytes(20) + b"\x80" + bytes(11)
    flash.sector_erase(0)
    assert content(flash, 0, 32) == b"\xff" * 10 + b"\xfe" + b"\xff" * 9 + b"\xfd" + b"\xff" * 11
    assert content(flash, 9, 3) == b"\xff\xfe\xff", "also when a read begins elsewhere"


def test_a_saved_image_is_what_the_chip_reads():
    path = "build/test_nor_%d.img" % (id(object()) & 0xFFFFFFF)
    flash = NorFlash(SIZE, faults=FaultPlan(1, [stuck(SECTOR_BYTES + 3, 0x10, 0)]))
    flash.save(path)
    with open(path, "rb") as file:
        image = file.read()
    os.remove(path)
    assert image == content(flash, 0, SIZE) and image[SECTOR_BYTES + 3] == 0xEF


def test_a_plan_counts_operations_over_power_cycles():
    flash = NorFlash(SIZE)
    flash.page_program(0, DATA)
    flash.arm(FaultPlan(seed(), [cut(1, 0, CLEAN), cut(2, 0, CLEAN), cut(4, 0, CLEAN)]))
    flash.page_program(256, DATA)
    raises(PowerCut, flash.page_program, 512, DATA)
    raises(PowerCut, flash.page_program, 512, DATA)  # no power: no operation
    flash.power_on()
    raises(PowerCut, flash.sector_erase, 2)
    flash.power_on()
    flash.page_program(512, DATA)
    raises(PowerCut, flash.page_program, 768, DATA)
    flash.power_on()
    flash.page_program(768, DATA)
    assert [fault[1] for fault in flash.fired] == [1, 2, 4]


def test_a_new_plan_replaces_what_was_to_come_and_heals_nothing():
    flash = torn_program(seed(), 0, UNSTABLE)
    flash.arm(FaultPlan(1, [cut(0)]))
    flash.arm(None)
    flash.page_program(1024, DATA)
    assert content(flash, 1024, len(DATA)) == DATA
    assert len({content(flash, 256, len(DATA)) for _ in range(20)}) > 1


def test_the_same_plan_does_the_same():
    def life(plan):
        flash = NorFlash(SIZE, faults=plan)
        seen = []
        for number in range(40):
            try:
                if number % 7 == 6:
                    flash.sector_erase(number % 4)
                else:
                    flash.page_program(number * 160 % SIZE, DATA)
            except PowerCut:
                flash.power_on()
            seen.append(content(flash, 0, SIZE))
        return seen, flash.fired

    plan = nor_faults.drawn(seed(), 40, 0, SIZE, cuts=4, silences=2, stuck_bits=3)
    first, fired = life(plan)
    assert len(fired) >= 2, plan
    assert (first, fired) == life(eval(repr(plan))), plan
    assert first != life(nor_faults.drawn(seed() + 1, 40, 0, SIZE, cuts=4, silences=2, stuck_bits=3))[0]


def test_plans_are_drawn_within_their_limits():
    tears = set()
    levels = set()
    for number in range(200):
        plan = nor_faults.drawn(seed() + number, 50, 4096, 8192, cuts=2, silences=1, stuck_bits=2)
        assert len(plan.faults) == 5
        for fault in plan.faults:
            if fault[0] == "stuck":
                assert 4096 <= fault[1] < 8192
                levels.add(fault[3])
            else:
                assert 0 <= fault[1] < 50
            if fault[0] == "cut":
                tears.add(fault[3])
    assert tears == set(TEARS) and levels == {0, 1}


def test_wear_is_told_as_its_spread():
    flash = NorFlash(SIZE)
    for index in (1, 1, 1, 2):
        flash.sector_erase(index)
    assert flash.wear_spread(0, 4) == (0, 3, 4)
    assert flash.wear_spread(1, 2) == (1, 3, 4)


def test_faults_cost_time_as_work_does():
    flash = torn_erase(seed(), 5, MARGINAL)
    assert flash.busy_us == 16 * 700 + 45000
