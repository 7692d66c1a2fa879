"""Whatever becomes of an essential task, the terminal restarts with a record of it, and the watchdog is fed only till then."""

import asyncio

from firmware import supervisor
from firmware.supervisor import CHECK_PERIOD_MS, Supervisor, decode_crash, describe, encode_crash
from tests.support.mp_virtual_time import VirtualTime


class Scene:
    """A supervisor whose watchdog, flash and restart are lists."""

    def __init__(self):
        self.time = VirtualTime(1_790_000_000)
        self.fed = 0
        self.crashes = []
        self.restarts = []
        self.flash_fails = False

    def feed(self):
        self.fed += 1

    def record(self, octets):
        if self.flash_fails:
            raise OSError(5)
        self.crashes.append(decode_crash(octets))

    def live(self, works, duration_ms, limit_ms):
        """Supervise `works` for so long; returns the supervisor."""

        async def story():
            one = Supervisor(self.time, self, self.record, self.restarts.append)
            for number in range(len(works)):
                one.add("task %d" % (number + 1), number + 1, limit_ms, works[number])
            watching = asyncio.create_task(one.run())
            await asyncio.sleep_ms(duration_ms)
            one.ended = watching.done()
            watching.cancel()
            one.stop()
            return one

        return self.time.run(story(), duration_ms + 1000)


async def diligent(check_in):
    while True:
        check_in()
        await asyncio.sleep_ms(200)


def test_the_watchdog_is_fed_while_all_is_well():
    scene = Scene()
    one = scene.live([diligent, diligent], 60_000, 1000)
    assert scene.fed == 60_000 // CHECK_PERIOD_MS
    assert (scene.crashes, scene.restarts, one.crash_code) == ([], [], 0)


def test_a_task_that_ends_is_a_crash():
    async def ending(check_in):
        await asyncio.sleep_ms(3000)

    scene = Scene()
    one = scene.live([diligent, ending], 60_000, 5000)
    assert scene.crashes == [(supervisor.TASK_ENDED + 2, 3, b"ended")]
    assert scene.restarts == [supervisor.TASK_ENDED + 2]
    assert one.ended


def test_a_task_that_fails_is_a_crash_with_type_and_place_but_not_the_message():
    async def failing(check_in):
        await asyncio.sleep_ms(10)
        raise ValueError("123456 is somebody's PIN")

    scene = Scene()
    scene.live([failing], 2000, 1000)
    code, _, detail = scene.crashes[0]
    assert code == supervisor.TASK_ENDED + 1
    assert detail.startswith(b"ValueError test_supervisor.py:"), detail
    assert b"PIN" not in detail


def test_a_task_that_falls_silent_is_a_crash():
    async def falling_silent(check_in):
        for _ in range(10):
            check_in()
            await asyncio.sleep_ms(500)
        await asyncio.sleep_ms(1 << 28)

    scene = Scene()
    one = scene.live([diligent, falling_silent], 60_000, 2000)
    assert [crash[0] for crash in scene.crashes] == [supervisor.TASK_SILENT + 2]
    assert 6 <= scene.crashes[0][1] <= 8
    assert one.crash_code == supervisor.TASK_SILENT + 2
    assert scene.fed < 20


def test_the_first_crash_is_the_one_that_counts():
    async def ending(check_in):
        await asyncio.sleep_ms(1000)

    scene = Scene()
    scene.live([ending, ending], 60_000, 500)
    assert len(scene.crashes) == len(scene.restarts) == 1


def test_flash_that_fails_keeps_nothing_running():
    async def ending(check_in):
        await asyncio.sleep_ms(1000)

    scene = Scene()
    scene.flash_fails = True
    scene.live([ending], 60_000, 5000)
    assert scene.restarts == [supervisor.TASK_ENDED + 1]
    assert scene.fed <= 3


class Wrapping:
    """A clock as on the ESP32, whose milliseconds wrap after 12.4 days; every sleep takes an hour."""

    PERIOD = 1 << 30

    def __init__(self):
        self._now = self.PERIOD - 5

    def ticks_ms(self):
        return self._now

    def ticks_diff(self, later, earlier):
        half = self.PERIOD // 2
        return (later - earlier + half) % self.PERIOD - half

    async def sleep_ms(self, duration_ms):
        self._now = (self._now + 3_600_000) % self.PERIOD
        await asyncio.sleep(0)


def test_the_uptime_is_right_after_ticks_have_wrapped():
    scene = Scene()
    clock = Wrapping()

    async def hours(check_in):
        for _ in range(40 * 24):
            check_in()
            await clock.sleep_ms(1)

    async def story():
        one = Supervisor(clock, scene, scene.record, scene.restarts.append)
        one.add("task", 1, 24 * 3_600_000, hours)
        await one.run()

    asyncio.run(story())
    # Task and supervisor each slept 40 days of hours.
    assert abs(scene.crashes[0][1] - 80 * 24 * 3600) <= 2 * 3600


def test_a_crash_record_comes_back():
    octets = encode_crash(203, 86_400 * 400, b"relay")
    assert decode_crash(octets) == (203, 86_400 * 400, b"relay")


def test_a_description_fits_its_slot_whatever_the_name():
    class AnErrorWithAVeryLongNameThatSaysEverythingAboutItselfAndMoreThanThat(Exception):
        pass

    try:
        raise AnErrorWithAVeryLongNameThatSaysEverythingAboutItselfAndMoreThanThat
    except Exception as error:
        assert len(describe(error)) == supervisor.DETAIL_OCTETS_MAX


def test_a_message_that_looks_like_a_place_is_none():
    for message in ('\n  File "1234", line 56, in pin\n', '  File "1234', '\n  File "'):
        try:
            raise ValueError(message)
        except Exception as error:
            assert describe(error).startswith(b"ValueError test_supervisor.py:"), message


def test_an_error_that_was_never_raised_has_its_type_alone():
    assert describe(ValueError("123456")) == b"ValueError"
