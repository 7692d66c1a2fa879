"""Setting an ATECC608 up: what would change is told first, and nothing is locked that was not read back as wanted."""

from firmware.drivers import atecc608_core as core
from firmware.drivers import atecc608_setup as setup
from hardware.atecc608_faults import FaultPlan, NoFaults
from hardware.atecc608_memory import Memory
from tests.support.mp import raises
from tests.unit.micropython.atecc608_twin import DIGEST, PEER_KEY, Twin


def new():
    return Twin(Memory(), speed_percent=10)


def do(twin, coroutine):
    return twin.time.run(coroutine)


def refused(twin, coroutine):
    try:
        twin.time.run(coroutine)
    except setup.SetupRefused as error:
        return str(error)
    raise AssertionError("not refused")


def test_the_plan_says_what_a_new_part_needs_and_writes_nothing():
    twin = new()
    before = bytes(twin.part.memory.config)
    changes = setup.plan(do(twin, setup.read(twin.driver)))
    assert [change.offset for change in changes] == [20, 22, 96, 98]
    assert str(changes[0]).startswith(" 20: 8320 -> 8120  slot 0")
    assert bytes(twin.part.memory.config) == before


def test_wanted_octets_do_not_overlap_and_can_be_written():
    at = 16
    for offset, octets, meaning in setup.WANTED:
        assert offset >= at and offset + len(octets) <= core.CONFIG_OCTETS and meaning
        assert not offset <= 84 < offset + len(octets) and not offset <= 87 < offset + len(octets)
        at = offset + len(octets)


def test_what_is_no_atecc608_or_locked_otherwise_is_refused():
    config = bytes(Memory().config)
    assert "octet 6" in str(raises(setup.SetupRefused, setup.plan, config[:6] + b"\x50" + config[7:]))
    assert "127" in str(raises(setup.SetupRefused, setup.plan, config[:127]))
    locked = config[:87] + b"\x00" + config[88:]
    assert "octet 20" in str(raises(setup.SetupRefused, setup.plan, locked))
    done = setup.wanted(config)
    assert setup.plan(done) == []
    assert setup.plan(done[:87] + b"\x00" + done[88:]) == []


def test_writing_changes_what_was_planned_and_nothing_else():
    twin = new()
    before = bytes(twin.part.memory.config)
    changes = do(twin, setup.write(twin.driver))
    assert len(changes) == 4
    after = bytes(twin.part.memory.config)
    assert after == setup.wanted(before)
    different = [at for at in range(128) if before[at] != after[at]]
    assert different == [20, 22, 96, 98]
    assert do(twin, setup.write(twin.driver)) == []


async def all_steps(chip):
    await setup.write(chip)
    await setup.lock_configuration(chip)
    keys = await setup.create_keys(chip)
    await setup.lock_data(chip)
    return keys


def test_a_part_that_was_set_up_signs_and_agrees():
    twin = new()
    seal_key, agreement_key, counts = do(twin, all_steps(twin.driver))
    assert (twin.driver.public_key(0), twin.driver.public_key(1)) == (seal_key, agreement_key)
    assert counts == (0, 0)
    assert twin.part.memory.config_locked() and twin.part.memory.data_locked()
    assert len(twin.driver.sign(0, DIGEST)) == 64
    assert len(twin.driver.shared_x(1, PEER_KEY)) == 32
    assert raises(core.CommandFailed, twin.driver.sign, 1, DIGEST).status == 0x0F
    assert raises(core.CommandFailed, twin.driver.shared_x, 0, PEER_KEY).status == 0x0F


def test_a_new_generation_gets_new_keys_after_all_locks():
    twin = new()
    first = do(twin, all_steps(twin.driver))
    twin.driver.increment(0)
    twin.driver.increment(1)
    twin.driver.increment(1)
    second = do(twin, setup.create_keys(twin.driver))
    assert second[0] != first[0] and second[1] != first[1]
    assert second[2] == (1, 2)


def test_the_lock_is_refused_before_the_configuration_is_written():
    twin = new()
    assert "octet 20: 0x83 read back, 0x81 wanted" in refused(twin, setup.lock_configuration(twin.driver))
    assert not twin.part.memory.config_locked()


def test_the_lock_is_refused_for_each_octet_that_differs():
    for offset, octets, _ in setup.WANTED:
        twin = new()
        do(twin, setup.write(twin.driver))
        twin.part.memory.config[offset + len(octets) - 1] ^= 0x40
        assert "octet %d" % (offset + len(octets) - 1) in refused(twin, setup.lock_configuration(twin.driver))
        assert not twin.part.memory.config_locked()


def test_the_chip_compares_what_changed_behind_our_back():
    """After the reading and before the lock one bit turns: the chip's own check of the summary finds it."""
    twin = new()
    do(twin, setup.write(twin.driver))
    chip = twin.driver
    run = chip.run

    async def turning(operation):
        answers = await run(operation)
        chip.run = run
        twin.part.memory.config[100] ^= 1
        return answers

    chip.run = turning
    try:
        do(twin, setup.lock_configuration(chip))
    except core.CommandFailed as error:
        assert error.status == 0x0F and error.command == "Lock configuration"
    else:
        raise AssertionError("locked")
    assert not twin.part.memory.config_locked()


def test_memory_that_does_not_take_what_is_written_is_found():
    class Worn(Memory):
        def write(self, zone, address, octets):
            Memory.write(self, zone, address, octets)
            self.config[20] = 0x83

    twin = Twin(Worn(), speed_percent=10)
    assert "octet 20" in refused(twin, setup.write(twin.driver))
    assert not twin.part.memory.config_locked()


def test_keys_come_after_the_configuration_lock_and_before_the_data_lock():
    twin = new()
    assert "before the configuration is locked" in refused(twin, setup.create_keys(twin.driver))
    do(twin, setup.write(twin.driver))
    do(twin, setup.lock_configuration(twin.driver))
    assert "slot 0: no key" in refused(twin, setup.lock_data(twin.driver))
    assert not twin.part.memory.data_locked()


def test_locks_may_be_asked_for_again():
    twin = new()
    do(twin, all_steps(twin.driver))
    do(twin, setup.lock_configuration(twin.driver))
    do(twin, setup.lock_data(twin.driver))


class LosesAnswersTo(NoFaults):
    """Damages every reading of the answer to commands of one opcode."""

    def __init__(self, opcode):
        self._opcode = opcode
        self._now = 0

    def on_wire(self, octets):
        if octets[:1] == b"\x03" and len(octets) > 7:
            self._now = octets[2]
            return octets
        if self._now == self._opcode and octets and octets != b"\x04\x11\x33\x43" and len(octets) > 1:
            return octets[:-1] + bytes((octets[-1] ^ 1,))
        return octets


def test_a_lock_whose_answer_is_lost_is_looked_up_not_repeated():
    twin = Twin(Memory(), LosesAnswersTo(0x17), speed_percent=10)
    do(twin, all_steps(twin.driver))
    assert twin.part.memory.config_locked() and twin.part.memory.data_locked()


def test_power_may_fail_at_any_moment_and_all_steps_are_done_again():
    clean = new()
    do(clean, all_steps(clean.driver))
    duration_us = clean.time.models.now_us()
    for lands in (False, True):
        for moment in range(12):
            twin = Twin(Memory(), FaultPlan(lands=lands), speed_percent=10)
            for again in range(3):  # more than one operation can outlast
                twin.later(duration_us * moment // 12 + again * 3000, twin.part.power_cycle)
            try:
                do(twin, all_steps(twin.driver))
            except (core.AteccError, setup.SetupRefused):
                pass
            keys = do(twin, all_steps(twin.driver))
            assert twin.driver.public_key(0) == keys[0]
            assert twin.part.memory.config_locked() and twin.part.memory.data_locked()
