"""Flash clears bits and nothing else, whatever is programmed and wherever the power fails."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware.nor_flash import NorFlash, PowerCut
from tests.support.worker import MicroPythonWorker

SECTOR = 4096
PAGE = 256
SIZE = 2 * SECTOR

programs = st.tuples(st.integers(0, SIZE - 1), st.binary(min_size=1, max_size=PAGE))
erases = st.tuples(st.integers(0, 1))
operations = st.lists(st.one_of(programs, programs, programs, erases), max_size=12)


@pytest.fixture(scope="module", params=["unix64", "unix32"])
def models(request: pytest.FixtureRequest) -> Iterator[Callable[..., Any]]:
    with MicroPythonWorker("tests/property/drivers/hardware_models.py", request.param) as worker:
        yield lambda *arguments: json.loads(worker.call(json.dumps(arguments).encode()))


def expected(done: list[Any]) -> bytearray:
    """What a flash that had these operations holds, told without the model."""
    image = bytearray(b"\xff" * SIZE)
    for operation in done:
        if len(operation) == 1:
            image[operation[0] * SECTOR : (operation[0] + 1) * SECTOR] = b"\xff" * SECTOR
        else:
            address, data = operation
            for index, value in enumerate(data):
                image[address // PAGE * PAGE + (address + index) % PAGE] &= value
    return image


def wire(done: list[Any]) -> list[Any]:
    return [[op[0]] if len(op) == 1 else [op[0], op[1].hex()] for op in done]


@given(done=operations)
def test_content_is_the_and_of_all_since_the_last_erase(models, done):
    was_cut, reads = models("nor", SIZE, 1, wire(done), None)
    assert not was_cut
    assert {bytes.fromhex(read) for read in reads} == {bytes(expected(done))}


@given(
    done=operations,
    seed=st.integers(0, 70000),
    cut_after=st.integers(0, 12),
    torn=st.integers(0, SECTOR + 10),
)
def test_a_cut_leaves_each_bit_old_or_new(models, done, seed, cut_after, torn):
    was_cut, reads = models("nor", SIZE, seed, wire(done), [cut_after, torn])
    assert was_cut == (cut_after < len(done))
    old = expected(done[:cut_after])
    new = expected(done[: cut_after + 1])
    for read in reads:
        seen = bytes.fromhex(read)
        if was_cut and len(done[cut_after]) == 1:
            begin = done[cut_after][0] * SECTOR
            assert seen[:begin] + seen[begin + SECTOR :] == old[:begin] + old[begin + SECTOR :]
            continue
        for index in range(SIZE):
            # Cleared bits only, and only those that were asked for.
            assert new[index] & ~seen[index] == 0, hex(index)
            assert seen[index] & ~old[index] == 0, hex(index)


@given(done=operations, seed=st.integers(0, 70000), cut_after=st.integers(0, 12))
def test_cpython_and_micropython_tear_alike(models, done, seed, cut_after):
    flash = NorFlash(SIZE, seed=seed)
    flash.power_cut_after(cut_after, 20)
    try:
        for operation in done:
            if len(operation) == 1:
                flash.sector_erase(*operation)
            else:
                flash.page_program(*operation)
    except PowerCut:
        pass
    flash.power_on()
    reads = []
    for _ in range(3):
        buffer = bytearray(SIZE)
        flash.read_into(0, buffer)
        reads.append(buffer.hex())
    assert models("nor", SIZE, seed, wire(done), [cut_after, 20])[1] == reads


def test_a_cut_at_every_operation_of_a_history_clears_bits_only():
    history = [(index * 96 % SIZE, bytes([index, 0x5A, 0xFF ^ index]) * 20) for index in range(60)]
    for cut_after in range(len(history)):
        for torn in (0, 1, 30, 59, 60):
            flash = NorFlash(SIZE, seed=cut_after)
            flash.power_cut_after(cut_after, torn)
            for address, data in history[:cut_after]:
                flash.page_program(address, data)
            with pytest.raises(PowerCut):
                flash.page_program(*history[cut_after])
            flash.power_on()
            seen = bytearray(SIZE)
            flash.read_into(0, seen)
            old = expected([list(op) for op in history[:cut_after]])
            new = expected([list(op) for op in history[: cut_after + 1]])
            differing = [index for index in range(SIZE) if seen[index] != old[index]]
            assert all(new[index] & ~seen[index] == 0 for index in range(SIZE))
            assert all(seen[index] & ~old[index] == 0 for index in range(SIZE))
            page = history[cut_after][0] // PAGE
            assert all(index // PAGE == page for index in differing), "no other page is touched"
