"""What is drawn is what the glass shows, and only what changed crosses the bus."""

import asyncio
import gc

from firmware.drivers.ssd1309 import HEIGHT, WIDTH, DisplayError, Ssd1309
from hardware.buses import Pin, SpiBus
from hardware.display_ssd1309 import Ssd1309 as ChipModel
from tests.support.mp import raises
from tests.support.mp_time import ModelTime


class Wired:
    def __init__(self):
        self.time = ModelTime()
        self.spi = SpiBus(4000000)
        self.select, data, self.reset = Pin("CS"), Pin("DC", 0), Pin("RES")
        self.chip = ChipModel(data, self.reset)
        self.spi.attach(self.select, self.chip, max_hz=10000000)
        self.display = Ssd1309(self.spi, self.select, data, self.reset, self.time)

    def start(self):
        self.time.run(self.display.start())
        return self

    def show(self):
        """Bring the frame buffer to the glass; returns the octets of picture data that crossed the bus."""
        before = self.chip.data_octets
        self.time.run(self.display.show())
        return self.chip.data_octets - before

    def drawn(self):
        fb = self.display.framebuffer
        return ["".join(["#" if fb.pixel(x, y) else "." for x in range(WIDTH)]) for y in range(HEIGHT)]


def test_after_the_start_the_panel_is_lit_and_empty():
    wired = Wired().start()
    assert wired.chip.on and wired.chip.rows() == ["." * WIDTH] * HEIGHT
    assert wired.chip.errors == [] and wired.select.value() == 1


def test_the_glass_shows_what_was_drawn_upright():
    wired = Wired().start()
    fb = wired.display.framebuffer
    fb.text("RP 200.000", 3, 5)
    fb.rect(0, 0, WIDTH, HEIGHT, 1)
    fb.line(0, 63, 40, 20, 1)
    wired.show()
    assert wired.chip.rows() == wired.drawn() and "#" in wired.drawn()[10]
    assert wired.chip.errors == []


def test_only_pages_that_changed_are_sent():
    wired = Wired().start()
    assert wired.show() == 0
    wired.display.framebuffer.pixel(5, 5, 1)
    assert wired.show() == WIDTH
    wired.display.framebuffer.vline(7, 0, 17, 1)
    assert wired.show() == 3 * WIDTH
    wired.display.framebuffer.pixel(5, 5, 1)
    assert wired.show() == 0, "drawn again, and the same"


def test_other_tasks_run_while_a_full_screen_is_sent():
    wired = Wired().start()
    turns = []

    async def other():
        while True:
            turns.append(wired.chip.data_octets)
            await asyncio.sleep(0)

    async def main():
        task = asyncio.create_task(other())
        wired.display.framebuffer.fill(1)
        await wired.display.show()
        task.cancel()

    wired.time.run(main())
    assert len(set(turns)) >= 7, "another task's turn between any two pages"
    assert wired.chip.rows() == ["#" * WIDTH] * HEIGHT


def test_drawing_while_a_frame_is_sent_is_shown_by_the_next():
    wired = Wired().start()

    async def main():
        wired.display.framebuffer.fill(1)
        showing = asyncio.create_task(wired.display.show())
        await asyncio.sleep(0)
        wired.display.framebuffer.fill(0)
        await showing
        await wired.display.show()

    wired.time.run(main())
    assert wired.chip.rows() == ["." * WIDTH] * HEIGHT


def test_a_failing_bus_is_a_typed_error_that_lets_the_bus_go_and_loses_nothing():
    wired = Wired().start()
    wired.display.framebuffer.fill(1)
    wired.spi.fail_next(1)
    error = raises(DisplayError, wired.time.run, wired.display.show())
    assert "window" in str(error) and wired.display.errors == 1
    assert wired.select.value() == 1, "the card reader shares the bus"
    wired.show()
    assert wired.chip.rows() == ["#" * WIDTH] * HEIGHT


def test_a_page_that_was_lost_on_the_way_is_sent_again():
    wired = Wired().start()
    wired.display.framebuffer.fill(1)
    wired.spi.fail_next(1, after=1)
    error = raises(DisplayError, wired.time.run, wired.display.show())
    assert "page" in str(error)
    assert wired.show() == 8 * WIDTH
    assert wired.chip.rows() == ["#" * WIDTH] * HEIGHT


def test_a_second_start_revives_a_panel_that_was_disturbed():
    wired = Wired().start()
    wired.display.framebuffer.text("TERCATAT", 0, 0)
    wired.show()
    wired.reset.value(0)
    wired.chip.ram[:] = b"\x5a" * 1024
    wired.reset.value(1)
    assert not wired.chip.on
    wired.start()
    assert wired.chip.on and wired.chip.rows() == wired.drawn()


def test_contrast_and_power():
    wired = Wired().start()
    wired.display.set_contrast(0x30)
    assert wired.chip.contrast == 0x30
    wired.display.set_power(False)
    assert not wired.chip.on
    wired.display.set_power(True)
    assert wired.chip.on


def test_showing_an_unchanged_frame_allocates_next_to_nothing():
    # No garbage is collected between PIN and commit, so what a frame leaves behind adds up.
    class NoWait:
        async def sleep_ms(self, duration_ms):
            pass

    wired = Wired().start()
    wired.display._clock = NoWait()

    async def main():
        await wired.display.show()
        gc.collect()
        gc.disable()
        before = gc.mem_alloc()
        for _ in range(100):
            await wired.display.show()
        used = gc.mem_alloc() - before
        gc.enable()
        return used

    assert asyncio.run(main()) < 100 * 256
