"""Whatever goes wrong in the flash model, no cell shows what it could not, and one plan is one story everywhere."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware import nor_faults
from tests.property.drivers import hardware_nor
from tests.support.worker import MicroPythonWorker

SECTOR = 4096
PAGE = 256
SIZE = 2 * SECTOR

programs = st.tuples(st.integers(0, SIZE - 1), st.binary(min_size=1, max_size=PAGE))
operations = st.lists(st.one_of(programs, programs, st.tuples(st.integers(0, 1))), min_size=1, max_size=8)
cuts = st.builds(
    nor_faults.cut, st.integers(0, 8), st.integers(0, SECTOR + 9), st.sampled_from(nor_faults.TEARS)
)
silences = st.builds(nor_faults.silent, st.integers(0, 8), st.integers(0, SECTOR + 9))
stuck_bits = st.builds(nor_faults.stuck, st.integers(0, SIZE - 1), st.integers(1, 255), st.integers(0, 1))
seeds = st.integers(0, 2**31)
faults = st.lists(st.one_of(cuts, cuts, silences, stuck_bits), max_size=5)
passing_faults = st.lists(st.one_of(cuts, silences), max_size=5)
plans = st.builds(nor_faults.FaultPlan, seeds, faults)
plans_of_passing_faults = st.builds(nor_faults.FaultPlan, seeds, passing_faults)


@pytest.fixture(scope="module", params=["unix64", "unix32"])
def worker(request: pytest.FixtureRequest) -> Iterator[MicroPythonWorker]:
    with MicroPythonWorker("tests/property/drivers/hardware_nor.py", request.param) as started:
        yield started


def wire(done):
    return [[op[0]] if len(op) == 1 else [op[0], op[1].hex()] for op in done]


@given(done=operations, plan=plans)
def test_one_plan_is_one_story_on_every_interpreter(worker, done, plan):
    request = [SIZE, [plan.seed, plan.faults], wire(done)]
    here = hardware_nor.life(*request)
    assert json.loads(worker.call(json.dumps(request).encode())) == here, plan


@given(done=operations, plan=plans_of_passing_faults)
def test_cells_show_old_or_new_and_never_more(done, plan):
    """A bit shows 1 only where nothing has surely cleared it, and 0 only where something may have."""
    flash_story, fired = hardware_nor.life(SIZE, [plan.seed, plan.faults], wire(done))
    assert all(tuple(fault) in plan.faults for fault in fired)
    may_be_one = bytearray(b"\xff" * SIZE)  # bits that have been 1 since they were last surely decided
    may_be_zero = bytearray(SIZE)
    fault_of = plan.by_operation()
    for number, operation in enumerate(done):
        fault = fault_of.get(number)
        if len(operation) == 1:
            for place in range(operation[0] * SECTOR, (operation[0] + 1) * SECTOR):
                if fault is None:
                    may_be_one[place], may_be_zero[place] = 0xFF, 0
                    continue
                may_be_one[place] = 0xFF
                if fault[-1] in {
                    nor_faults.MARGINAL,
                    nor_faults.WEAK,
                }:  # an erase programs the sector to 00 first
                    may_be_zero[place] = 0xFF
        else:
            address, data = operation
            for index, value in enumerate(data):
                place = address // PAGE * PAGE + (address + index) % PAGE
                may_be_zero[place] |= ~value & 0xFF
                if fault is None or index < fault[2]:
                    may_be_one[place] &= value
        seen = bytes.fromhex(flash_story[number])
        for place in range(SIZE):
            assert seen[place] & ~may_be_one[place] == 0, (plan, number, hex(place))
            assert ~seen[place] & 0xFF & ~may_be_zero[place] == 0, (plan, number, hex(place))
