"""The model of the INA219 converts, ranges and computes as its data sheet says; runs on CPython too."""

from hardware.buses import I2cBus
from hardware.ina219 import Ina219
from hardware.model_clock import ManualClock
from tests.support.mp import raises

CONFIGURATION, SHUNT, BUS, POWER, CURRENT, CALIBRATION = 0, 1, 2, 3, 4, 5
CONVERTED = 2


class Wired:
    def __init__(self, millivolts=12000, microvolts=0):
        self.clock = ManualClock()
        self.chip = Ina219(self.clock, millivolts, microvolts)
        self.bus = I2cBus(100000)
        self.bus.attach(0x40, self.chip)

    def word(self, register):
        octets = self.bus.readfrom_mem(0x40, register, 2)
        return octets[0] << 8 | octets[1]

    def write(self, register, value):
        self.bus.writeto_mem(0x40, register, bytes((value >> 8, value & 0xFF)))

    def pass_ms(self, milliseconds):
        self.clock.advance_us(milliseconds * 1000)


def test_it_starts_with_the_settings_of_the_data_sheet_and_measures_by_itself():
    wired = Wired()
    assert wired.word(CONFIGURATION) == 0x399F
    assert not wired.word(BUS) & CONVERTED, "the first conversion of shunt and bus takes 1.06 ms"
    wired.pass_ms(2)
    assert wired.word(BUS) == 12000 // 4 << 3 | CONVERTED
    wired.chip.millivolts = 11002
    assert wired.word(BUS) >> 3 == 2750


def test_the_range_ends_where_it_is_set():
    wired = Wired(30000)
    wired.pass_ms(2)
    assert wired.word(BUS) >> 3 == 7500
    wired.write(CONFIGURATION, 0x199F)  # 16 V
    wired.pass_ms(2)
    assert wired.word(BUS) >> 3 == 4000
    wired.chip.millivolts = -500
    assert wired.word(BUS) >> 3 == 0


def test_writing_the_configuration_starts_a_conversion_and_reading_power_ends_the_flag():
    wired = Wired()
    wired.pass_ms(2)
    wired.write(CONFIGURATION, 0x399F)
    assert not wired.word(BUS) & CONVERTED
    wired.pass_ms(2)
    assert wired.word(BUS) & CONVERTED
    wired.write(CONFIGURATION, 0x3998 | 3)  # triggered, one conversion of both
    wired.pass_ms(2)
    assert wired.word(BUS) & CONVERTED
    wired.word(POWER)
    wired.chip.millivolts = 5000
    wired.write(CONFIGURATION, 0x3998)  # powered down: nothing is converted
    wired.pass_ms(50)
    assert wired.word(BUS) >> 3 == 3000


def test_a_triggered_conversion_holds_what_it_found():
    wired = Wired()
    wired.write(CONFIGURATION, 0x3998 | 2)  # triggered, bus alone
    wired.pass_ms(1)
    assert wired.word(BUS) >> 3 == 3000
    wired.chip.millivolts = 5000
    wired.pass_ms(5)
    assert wired.word(BUS) >> 3 == 3000


def test_averaging_takes_as_much_longer():
    wired = Wired()
    wired.write(CONFIGURATION, 0x2000 | 0x0F << 7 | 6)  # bus alone, 128 samples of 532 us
    wired.pass_ms(68)
    assert not wired.word(BUS) & CONVERTED
    wired.pass_ms(1)
    assert wired.word(BUS) & CONVERTED


def test_current_and_power_follow_the_calibration():
    wired = Wired(12000, 20000)  # 20 mV across 0.1 Ohm: 200 mA
    wired.write(CALIBRATION, 4096)  # 0.1 mA a step
    wired.pass_ms(2)
    assert wired.word(SHUNT) == 2000 and wired.word(CURRENT) == 2000
    assert wired.word(POWER) == 2000 * 3000 // 5000  # steps of 2 mW: 2.4 W
    wired.chip.microvolts = -20000
    assert wired.word(SHUNT) == 0x10000 - 2000


def test_a_register_that_does_not_exist_is_not_acknowledged():
    wired = Wired()
    raises(OSError, wired.word, 6)
    raises(OSError, wired.bus.writeto_mem, 0x40, CONFIGURATION, b"\x39")


def test_a_reset_and_a_lost_supply_bring_the_start_back():
    wired = Wired()
    for restart in (lambda: wired.write(CONFIGURATION, 0x8000), wired.chip.power_lost):
        wired.write(CONFIGURATION, 0x0000)
        wired.write(CALIBRATION, 0x1234)
        restart()
        assert wired.word(CONFIGURATION) == 0x399F and wired.word(CALIBRATION) == 0
