"""The clock model keeps time in BCD as the DS3231 does, through midnight, leap days and the turn of the century."""

from hardware.buses import I2cBus
from hardware.model_clock import ManualClock
from hardware.rtc_ds3231 import Ds3231

SECOND = 1000000
DAY = 86400 * SECOND


class Wired:
    def __init__(self, drift_ppm=0):
        self.clock = ManualClock()
        self.chip = Ds3231(self.clock, drift_ppm)
        self.bus = I2cBus(100000)
        self.bus.attach(0x68, self.chip)

    def set(self, *registers):
        self.bus.writeto_mem(0x68, 0, bytes(registers))

    def time(self):
        return " ".join(["%02x" % value for value in self.bus.readfrom_mem(0x68, 0, 7)])

    def after(self, duration_us):
        self.clock.advance_us(duration_us)
        return self.time()

    def status(self):
        return self.bus.readfrom_mem(0x68, 0x0F, 1)[0]


def test_a_chip_without_battery_says_that_its_oscillator_stopped():
    wired = Wired()
    assert wired.status() & 0x80
    wired.bus.writeto_mem(0x68, 0x0F, b"\x00")
    assert not wired.status() & 0x80
    wired.bus.writeto_mem(0x68, 0x0F, b"\x80")
    assert not wired.status() & 0x80, "the flag can be cleared and not set"
    wired.chip.power_lost()
    assert wired.status() & 0x80 and wired.time() == "00 00 00 01 01 01 00"


def test_seconds_carry_into_minutes_hours_days_months_and_years():
    wired = Wired()
    wired.set(0x58, 0x59, 0x23, 0x07, 0x31, 0x12, 0x24)
    assert wired.after(SECOND) == "59 59 23 07 31 12 24"
    assert wired.after(SECOND) == "00 00 00 01 01 01 25"


def test_february_has_29_days_in_leap_years_only():
    wired = Wired()
    wired.set(0x00, 0x00, 0x00, 0x03, 0x28, 0x02, 0x24)
    assert wired.after(DAY) == "00 00 00 04 29 02 24"
    assert wired.after(DAY) == "00 00 00 05 01 03 24"
    wired.set(0x00, 0x00, 0x00, 0x05, 0x28, 0x02, 0x25)
    assert wired.after(DAY) == "00 00 00 06 01 03 25"


def test_the_century_bit_turns_over_with_the_year():
    wired = Wired()
    wired.set(0x59, 0x59, 0x23, 0x04, 0x31, 0x12, 0x99)
    assert wired.after(SECOND) == "00 00 00 05 01 81 00"


def test_twelve_hour_mode_runs_from_am_to_pm_and_to_the_next_day():
    wired = Wired()
    wired.set(0x59, 0x59, 0x51, 0x01, 0x01, 0x01, 0x24)
    assert wired.after(SECOND) == "00 00 72 01 01 01 24", "11:59:59 am, then 12 pm"
    wired.set(0x59, 0x59, 0x71, 0x01, 0x01, 0x01, 0x24)
    assert wired.after(SECOND) == "00 00 52 02 02 01 24", "11:59:59 pm, then 12 am of the next day"


def test_writing_seconds_restarts_the_second():
    wired = Wired()
    wired.clock.advance_us(SECOND * 9 // 10)
    wired.set(0x10)
    assert wired.after(SECOND * 9 // 10)[:2] == "10"
    assert wired.after(SECOND * 2 // 10)[:2] == "11"


def test_a_drift_shows_after_a_month():
    wired = Wired(drift_ppm=20)
    wired.set(0x00, 0x00, 0x00, 0x01, 0x01, 0x01, 0x24)
    for _ in range(29):
        wired.after(DAY)
    assert wired.after(DAY) == "51 00 00 03 31 01 24", "30 days at 20 ppm are 51.8 seconds"


def test_a_read_across_the_end_of_a_second_is_of_one_moment():
    wired = Wired()
    wired.set(0x59, 0x59, 0x23, 0x07, 0x31, 0x12, 0x24)
    wired.chip.i2c_write(b"\x00")
    buffer = bytearray(1)
    wired.chip.i2c_read(buffer)
    assert buffer[0] == 0x59
    wired.clock.advance_us(SECOND)
    wired.chip.i2c_read(memoryview(buffer))
    assert buffer[0] == 0x00, "a new start condition copies anew, and the pointer went on to minutes"


def test_reading_goes_round_after_the_last_register():
    wired = Wired()
    wired.set(0x30)
    data = wired.bus.readfrom_mem(0x68, 0x12, 2)
    assert data[1] == 0x30


def test_bits_that_do_not_exist_are_not_stored():
    wired = Wired()
    wired.set(0x80, 0x80, 0x80, 0xF8, 0xC0, 0x61, 0x00)
    assert wired.time() == "00 00 00 00 00 01 00"
    wired.bus.writeto_mem(0x68, 0x11, b"\x55")
    assert wired.bus.readfrom_mem(0x68, 0x11, 1) == b"\x1b", "the temperature cannot be written"
