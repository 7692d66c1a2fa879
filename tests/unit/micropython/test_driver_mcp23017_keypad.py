"""Each press of a key counts once, whatever contacts, fingers, wires and supply do."""

import asyncio

from firmware.drivers import mcp23017_keypad as driver
from firmware.drivers.mcp23017_keypad import Expander, Keypad, Signals
from firmware.hal import pins
from firmware.hal.i2c_device import BusError, I2cDevice
from hardware.buses import I2cBus, Pin
from hardware.keypad_mcp23017 import GROUND, MatrixKeypad, Mcp23017
from tests.support.mp import raises
from tests.support.mp_time import TICKS_PERIOD, ModelTime


class Wired:
    def __init__(self, start_ms=0):
        self.time = ModelTime(start_ms)
        interrupt = Pin("EXPANDER_INTERRUPT")
        self.chip = Mcp23017(interrupt_b=interrupt)
        self.bus = I2cBus(pins.I2C_HZ)
        self.bus.attach(pins.EXPANDER_ADDRESS, self.chip)
        self.keys = MatrixKeypad(self.chip, pins.KEYPAD_COLUMN_BITS, pins.KEYPAD_ROW_BITS, pins.KEYPAD_KEYS)
        self.chip.close(pins.CASE_OPEN_BIT, GROUND)
        device = I2cDevice(self.bus, pins.EXPANDER_ADDRESS, "expander", lambda: self.bus.pulse_clock(9))
        self.expander = Expander(device)
        self.expander.start()
        self.keypad = Keypad(self.expander, interrupt, self.time)
        self.interrupt = interrupt

    def press(self, key, from_ms, to_ms):
        self.time.at_ms(from_ms, lambda: self.keys.press(key))
        self.time.at_ms(to_ms, lambda: self.keys.release(key))

    def typed(self, duration_ms=1000):
        """All keys that are handed out in `duration_ms`."""
        return self.time.run(self._typed(duration_ms))

    async def _typed(self, duration_ms):
        scanning = asyncio.create_task(self.keypad.run(lambda: None))
        end_ms = self.time.ticks_add(self.time.ticks_ms(), duration_ms)
        found = ""
        while True:
            left_ms = self.time.ticks_diff(end_ms, self.time.ticks_ms())
            if left_ms <= 0:
                break
            found += await self.keypad.get_key(left_ms) or ""
        scanning.cancel()
        return found


def test_every_key_of_the_pad_gives_its_own_letter():
    wired = Wired()
    every = "".join(pins.KEYPAD_KEYS)
    for index in range(16):
        wired.press(every[index], 100 + 200 * index, 200 + 200 * index)
    assert wired.typed(3500) == every
    assert wired.chip.contentions == 0


def test_the_named_keys_are_on_the_pad():
    named = driver.KEY_ENTER + driver.KEY_CLEAR + driver.KEY_CANCEL + driver.KEY_MENU
    named += driver.KEY_UP + driver.KEY_DOWN
    assert sorted(named + "0123456789") == sorted("".join(pins.KEYPAD_KEYS))


def test_a_key_held_down_counts_once():
    wired = Wired()
    wired.press("5", 10, 900)
    assert wired.typed() == "5"


def test_contacts_that_bounce_count_once():
    wired = Wired()
    for begin, end in ((100, 102), (103, 105), (106, 300), (301, 303), (305, 306)):
        wired.press("7", begin, end)
    assert wired.typed() == "7"


def test_a_touch_too_short_to_be_a_press_does_not_count():
    wired = Wired()
    wired.press("7", 100, 112)
    assert wired.typed() == ""


def test_the_same_key_twice_counts_twice():
    wired = Wired()
    wired.press("3", 100, 180)
    wired.press("3", 260, 340)
    assert wired.typed() == "33"


def test_a_second_finger_before_the_first_is_up_counts_when_the_first_has_gone():
    wired = Wired()
    wired.press("1", 100, 200)
    wired.press("2", 160, 300)
    assert wired.typed() == "12"


def test_three_keys_at_once_give_no_ghost():
    wired = Wired()
    wired.press("1", 100, 400)
    wired.press("2", 200, 390)
    wired.press("4", 200, 380)
    assert wired.typed() == "1"


def test_keys_of_one_row_held_together_short_no_outputs():
    wired = Wired()
    for key in "123X":
        wired.press(key, 100, 300)
    wired.typed()
    assert wired.chip.contentions == 0


def test_get_key_gives_up_after_its_time_and_not_before():
    wired = Wired()

    async def main():
        started = wired.time.ticks_ms()
        assert await wired.keypad.get_key(250) is None
        return wired.time.ticks_diff(wired.time.ticks_ms(), started)

    assert 250 <= wired.time.run(main()) <= 250 + driver.SCAN_INTERVAL_MS


def test_it_can_be_seen_that_a_key_was_taken_and_let_go_and_that_one_is_waited_for():
    wired = Wired()
    keypad = wired.keypad
    wired.press("5", 100, 300)
    seen = []

    async def main():
        scanning = asyncio.create_task(keypad.run(lambda: None))
        waiting = asyncio.create_task(keypad.get_key(1000))
        for _ in range(5):
            await wired.time.sleep_ms(90)
            seen.append((keypad.taken, keypad.held, keypad.is_listening))
        scanning.cancel()
        assert await waiting == "5"

    wired.time.run(main())
    assert seen == [(0, "", True), (1, "5", False), (1, "5", False), (1, "", False), (1, "", False)]


def test_keys_typed_while_nobody_asked_are_handed_out_later_up_to_a_limit():
    wired = Wired()
    for index in range(10):
        wired.press(str(index), 100 + 100 * index, 150 + 100 * index)

    async def main():
        scanning = asyncio.create_task(wired.keypad.run(lambda: None))
        await wired.time.sleep_ms(1500)
        scanning.cancel()
        found = ""
        while True:
            key = await wired.keypad.get_key(0)
            if key is None:
                return found
            found += key

    assert wired.time.run(main()) == "01234567"
    assert wired.keypad.dropped == 2 and wired.keypad.taken == 8 and not wired.keypad.is_listening


def test_the_bus_is_quiet_while_nobody_presses():
    wired = Wired()
    before = wired.bus.transfers
    wired.typed(driver.CHECK_INTERVAL_MS - 50)
    assert wired.bus.transfers == before


def test_keys_are_right_over_a_wrap_of_the_milliseconds():
    wired = Wired(start_ms=TICKS_PERIOD - 300)
    wired.press("4", 200, 280)
    wired.press("2", 400, 480)
    assert wired.typed() == "42"


def test_a_chip_that_lost_its_supply_is_set_up_again():
    wired = Wired()
    wired.expander.set_output(pins.GREEN_LED_BIT, True)
    wired.time.at_ms(100, wired.chip.power_on)
    wired.press("9", 1500, 1600)
    assert wired.typed(2000) == "9"
    assert wired.expander.restarts == 1
    assert wired.chip.level(pins.GREEN_LED_BIT) == 1, "outputs come back as they were"


def test_a_short_disturbance_of_the_bus_loses_no_key():
    wired = Wired()
    wired.time.at_ms(130, lambda: wired.bus.hold_sda(20))
    wired.press("6", 100, 300)
    assert wired.typed() == "6"
    assert wired.keypad.failures >= 1


def test_an_expander_that_stays_silent_ends_the_task_with_its_name():
    wired = Wired()
    wired.time.at_ms(100, lambda: wired.bus.detach(pins.EXPANDER_ADDRESS))
    error = raises(BusError, wired.time.run, wired.keypad.run(lambda: None))
    assert error.chip == "expander"
    assert wired.keypad.failures == driver.FAILURES_MAX


def test_every_scan_checks_in_with_the_supervisor():
    wired = Wired()
    calls = []

    async def main():
        scanning = asyncio.create_task(wired.keypad.run(lambda: calls.append(wired.time.ticks_ms())))
        await wired.time.sleep_ms(105)
        scanning.cancel()

    wired.time.run(main())
    assert calls == list(range(0, 105, driver.SCAN_INTERVAL_MS))


def test_the_case_switch_tells_open_from_shut():
    wired = Wired()
    assert not wired.expander.case_is_open()
    wired.chip.open(pins.CASE_OPEN_BIT, GROUND)
    assert wired.interrupt.value() == 0, "opening raises the interrupt"
    assert wired.expander.case_is_open()


class Heard:
    """What comes out of buzzer and LEDs, as (moment in ms, bit, level)."""

    def __init__(self, wired):
        self.events = []
        self.wired = wired
        self.signals = Signals(wired.expander, wired.time)
        wired.chip.watch(self.note)

    def note(self, bit, level):
        if bit in (pins.BUZZER_BIT, pins.GREEN_LED_BIT, pins.RED_LED_BIT):
            self.events.append((self.wired.time.ticks_ms(), bit, level))

    def run(self, duration_ms):
        async def main():
            playing = asyncio.create_task(self.signals.run(lambda: None))
            await self.wired.time.sleep_ms(duration_ms)
            playing.cancel()
            await asyncio.sleep(0)

        self.wired.time.run(main())

    def durations(self, bit):
        """Milliseconds for which `bit` was high, each time."""
        moments = [event[0] for event in self.events if event[1] == bit]
        return [moments[index + 1] - moments[index] for index in range(0, len(moments) - 1, 2)]


def test_granted_lights_green_and_sounds_twice_then_all_is_dark_and_silent():
    heard = Heard(Wired())
    heard.signals.granted()
    heard.run(3000)
    assert heard.durations(pins.BUZZER_BIT) == [80, 160]
    lit = heard.durations(pins.GREEN_LED_BIT)
    assert len(lit) == 1 and driver.LIGHT_MS <= lit[0] <= driver.LIGHT_MS + 20
    assert heard.durations(pins.RED_LED_BIT) == []


def test_refused_lights_red_with_one_long_sound():
    heard = Heard(Wired())
    heard.signals.refused()
    heard.run(3000)
    assert heard.durations(pins.BUZZER_BIT) == [600] and len(heard.durations(pins.RED_LED_BIT)) == 1


def test_a_new_verdict_replaces_the_light_of_the_old():
    heard = Heard(Wired())
    heard.wired.time.at_ms(1000, heard.signals.refused)
    heard.signals.granted()
    heard.run(4000)
    assert heard.durations(pins.GREEN_LED_BIT)[0] < 1100
    lit = [event for event in heard.events if event[1] != pins.BUZZER_BIT]
    assert [event[1:] for event in lit] == [
        (pins.GREEN_LED_BIT, 1),
        (pins.GREEN_LED_BIT, 0),
        (pins.RED_LED_BIT, 1),
        (pins.RED_LED_BIT, 0),
    ]


def test_a_key_click_leaves_the_light_alone():
    heard = Heard(Wired())
    heard.wired.time.at_ms(500, heard.signals.key)
    heard.signals.granted()
    heard.run(3000)
    assert heard.durations(pins.BUZZER_BIT) == [80, 160, 15]
    assert heard.durations(pins.GREEN_LED_BIT)[0] >= driver.LIGHT_MS


def test_a_buzzer_is_silenced_when_its_task_is_cancelled():
    heard = Heard(Wired())
    heard.signals.refused()
    heard.run(100)
    assert heard.wired.chip.level(pins.BUZZER_BIT) == 0 and heard.durations(pins.BUZZER_BIT) != []


def test_a_signal_that_the_bus_does_not_carry_is_missed_and_counted():
    heard = Heard(Wired())
    heard.wired.bus.detach(pins.EXPANDER_ADDRESS)
    heard.signals.granted()
    heard.run(1000)
    assert heard.events == [] and heard.signals.failures > 0
