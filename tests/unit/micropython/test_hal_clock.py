"""Time above the HAL is unsigned seconds since 1970 on every port, and intervals survive a wrap."""

import asyncio
import time

from firmware.hal import clock as clock_module
from firmware.hal.clock import Clock


def test_seconds_count_from_1970_whatever_the_port_counts_from():
    port_epoch_year = time.gmtime(0)[0]
    expected = int(time.time()) + (946684800 if port_epoch_year == 2000 else 0)
    assert 0 <= Clock().epoch_seconds() - expected <= 1


def test_a_port_that_counts_from_2000_gives_the_same_seconds():
    kept = clock_module._PORT_EPOCH_S
    clock_module._PORT_EPOCH_S = 946684800
    try:
        shifted = Clock().epoch_seconds()
    finally:
        clock_module._PORT_EPOCH_S = kept
    assert 0 <= shifted - int(time.time()) - 946684800 <= 1


def test_setting_the_seconds_leaves_running_intervals_alone():
    clock = Clock()
    before = clock.ticks_ms()
    clock.set_epoch_seconds(1700000000)
    assert 0 <= clock.epoch_seconds() - 1700000000 <= 1
    clock.set_epoch_seconds(1600000000)
    assert 0 <= clock.epoch_seconds() - 1600000000 <= 1
    assert 0 <= clock.ticks_diff(clock.ticks_ms(), before) < 1000


def test_an_interval_over_the_wrap_of_ticks_is_right():
    clock = Clock()
    last_before_wrap = time.ticks_add(0, -1)
    assert clock.ticks_diff(clock.ticks_add(last_before_wrap, 250), last_before_wrap) == 250
    assert clock.ticks_diff(last_before_wrap, clock.ticks_add(last_before_wrap, 250)) == -250


def test_sleep_lets_other_tasks_run():
    order = []

    async def other():
        order.append("other")

    async def main():
        task = asyncio.create_task(other())
        await Clock().sleep_ms(1)
        order.append("awake")
        await task

    asyncio.run(main())
    assert order == ["other", "awake"]
