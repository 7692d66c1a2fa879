"""Whatever goes wrong at an ATECC608 or on its wires ends in the right answer or a typed error, and then it goes on."""

from firmware.drivers import atecc608_core as core
from hardware.atecc608_faults import FaultPlan, NoFaults
from tests.support.mp import raises, seed, share
from tests.unit.micropython.atecc608_twin import COUNT, DIGEST, Twin, is_signature, operations, set_up_memory

MOMENTS = 12
FAST = 10  # percent of the time a part may take: fewer polls to simulate, and the deadlines stay


def faulty(faults=None):
    return Twin(set_up_memory(COUNT), faults, speed_percent=FAST)


def counted(twin):
    return twin.part.memory.counter(0)


def attempt(twin, operation, is_right):
    """Right, or an error of ours; a count is never lost and never doubled in silence. Whether it was right."""
    before = counted(twin)
    try:
        answers = twin.driver.run_now(operation)
    except core.AteccError as error:
        if operation[-1].once:
            assert counted(twin) in (before, before + 1)
            if counted(twin) > before:
                assert isinstance(error, core.OutcomeUnknown)
        return False
    assert is_right(answers), operation[-1].name
    if operation[-1].once:
        assert counted(twin) == before + 1
    return True


def heals(twin):
    """The next operations go through, the first time or after the rest of the plan."""
    for _ in range(4):
        try:
            assert len(set(twin.driver.random())) > 8
            return
        except core.AteccError:
            pass
    raise AssertionError("does not heal")


def test_power_lost_at_any_moment_of_any_operation():
    for operation, is_right in operations():
        clean = faulty()
        clean.driver.run_now(operation)
        duration_us = clean.time.models.now_us()
        for lands in (False, True):
            for moment in share(range(MOMENTS)):
                twin = faulty(FaultPlan(lands=lands))
                twin.later(duration_us * moment // MOMENTS, twin.part.power_cycle)
                right = attempt(twin, operation, is_right)
                assert right or operation[-1].once, (operation[-1].name, moment)
                heals(twin)


def test_a_supply_that_keeps_failing_is_an_error():
    twin = Twin()
    for moment_ms in range(0, 3000, 3):
        twin.later(moment_ms * 1000, twin.part.power_cycle)
    raises(core.AteccError, twin.driver.sign, 0, DIGEST)
    twin.time.models.advance_us(3000000)
    heals(twin)


def test_one_damaged_answer_is_read_again_and_computes_nothing_anew():
    class OneBadReading(NoFaults):
        def __init__(self):
            self.left = 1

        def on_wire(self, octets):
            if len(octets) > 40 and self.left:
                self.left -= 1
                return octets[:20] + bytes((octets[20] ^ 1,)) + octets[21:]
            return octets

    twin = Twin(faults=OneBadReading())
    assert is_signature(twin.driver.sign(0, DIGEST))
    assert twin.part.commands == 2 and twin.driver.failures == 0


def test_a_broken_crc_in_any_command_is_found_and_the_operation_repeated():
    for operation, is_right in operations():
        for at in range(1, len(operation) + 1):
            twin = faulty(FaultPlan(broken_at=(at,)))
            right = attempt(twin, operation, is_right)
            assert right is not operation[-1].once, operation[-1].name
            assert twin.driver.failures == 1
            heals(twin)


def test_a_chip_that_goes_deaf_is_told_and_heals_with_its_power():
    for operation, is_right in operations():
        for at in range(1, len(operation) + 1):
            twin = faulty(FaultPlan(deaf_at=at))
            assert not attempt(twin, operation, is_right)
            assert twin.now_ms() < 3 * 500
            twin.part.power_cycle()
            heals(twin)


def test_a_wrong_computation_is_repeated():
    for operation, is_right in operations():
        if operation[-1].name not in ("Sign", "Verify", "ECDH", "GenKey create", "GenKey public"):
            continue
        twin = faulty(FaultPlan(ecc_fault_at=(len(operation),)))
        assert attempt(twin, operation, is_right)
        assert twin.driver.failures == 1
        twin = faulty(FaultPlan(ecc_fault_at=tuple(range(1, 20))))
        error = raises(core.CommandFailed, twin.driver.run_now, operation)
        assert error.status == 0x05


def test_storms_of_refusals_are_ridden_out_or_told():
    for operation, is_right in operations():
        for first in (1, 3, 5, 20):
            for length in (1, 7, 60, 150):
                twin = faulty(FaultPlan(refused=(first, length)))
                right = attempt(twin, operation, is_right)
                if length < 60:
                    assert right or operation[-1].once, (operation[-1].name, first, length)
        heals(twin)


def test_the_token_of_a_wake_is_no_answer():
    """A wire that spoils the command's word address leaves the wake's token to be read, which could pass for two self-tests
    that failed."""
    group = b"\x04\x11" + core.crc16(b"\x04\x11")
    for operation, _ in operations():
        raises(core.AnswerDamaged, core.read_answer, operation[-1], group)


class Misaddressed(NoFaults):
    """The n-th command (from 1) reaches the chip under a word address that it does not know, so it does nothing."""

    def __init__(self, at):
        self._left = at

    def on_wire(self, octets):
        if octets[:1] != core.WORD_COMMAND or len(octets) < 2:
            return octets
        self._left -= 1
        return b"\x07" + octets[1:] if self._left == 0 else octets


def test_what_the_chip_said_before_is_no_answer():
    """A command that does not come through leaves the answer before it to be read, which may have the shape of its own."""
    for operation, is_right in operations():
        for at in range(1, len(operation) + 1):
            twin = faulty(Misaddressed(at))
            if not attempt(twin, operation, is_right):
                assert operation[-1].once
            assert twin.driver.failures == 1, (operation[-1].name, at)


def test_a_bad_wire_gives_right_answers_or_typed_errors():
    start = seed()
    right = wrong = damaged = 0
    for number in range(12):
        faults = FaultPlan(start + number, drop_permille=30, flip_permille=60, refuse_permille=20)
        twin = faulty(faults)
        for operation, is_right in operations():
            if operation[-1].name == "GenKey create" or operation[-1].name.startswith("Counter"):
                continue  # these change what the next ones are compared with
            if attempt(twin, operation, is_right):
                right += 1
            else:
                wrong += 1
        damaged += faults.damaged
    assert damaged and right > 5 * wrong, (damaged, right, wrong)


def test_a_count_is_never_lost_or_doubled_on_a_bad_wire():
    start = seed()
    for number in range(10):
        faults = FaultPlan(start + number, drop_permille=60, flip_permille=100, refuse_permille=30)
        twin = faulty(faults)
        told = 0
        for _ in range(12):
            before = counted(twin)
            try:
                value = twin.driver.increment(0)
            except core.AteccError:
                assert counted(twin) - before in (0, 1)
                continue
            assert value == counted(twin) and value - before in (0, 1)
            told += 1
        assert told >= 3


def test_failed_self_tests_are_told_with_their_status():
    twin = Twin()
    twin.part.engine.broken_tests = 0x02
    assert twin.driver.run_now(core.self_test()) == [b"\x02"]
    twin.part.memory.config[90] = 0x01  # tests itself at wake
    error = raises(core.CommandFailed, twin.driver.random)
    assert (error.command, error.status) == ("wake", 0x07)


def test_an_unhealthy_generator_is_told():
    twin = Twin()
    twin.part.engine.rng_broken = True
    assert raises(core.CommandFailed, twin.driver.random).status == 0x08
    assert raises(core.CommandFailed, twin.driver.sign, 0, DIGEST).status == 0x08
