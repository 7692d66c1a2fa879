"""The clock driver gives seconds since 1970 and says when they are not to be trusted."""

from firmware.drivers.ds3231 import Ds3231, RtcError
from firmware.hal.i2c_device import BusError, I2cDevice
from hardware.buses import I2cBus
from hardware.model_clock import ManualClock
from hardware.rtc_ds3231 import Ds3231 as ChipModel
from tests.support.mp import raises


class Wired:
    def __init__(self):
        self.clock = ManualClock()
        self.chip = ChipModel(self.clock)
        self.bus = I2cBus(100000)
        self.bus.attach(0x68, self.chip)
        self.rtc = Ds3231(I2cDevice(self.bus, 0x68, "clock", lambda: self.bus.pulse_clock(9)))

    def registers(self, *values):
        self.bus.writeto_mem(0x68, 0, bytes(values))


def test_what_is_set_is_read_back_and_trusted_and_goes_on():
    wired = Wired()
    for epoch_s in (946684800, 1709164799, 1709164800, 1735689599, 2147483647, 4102444799):
        wired.rtc.set(epoch_s)
        assert wired.rtc.read() == (epoch_s, True)
    wired.rtc.set(1709164799)  # 28 February 2024, 23:59:59
    wired.clock.advance_us(86401 * 1000000)
    assert wired.rtc.read() == (1709164799 + 86401, True)


def test_registers_hold_the_date_and_weekday_that_people_would_read():
    wired = Wired()
    wired.rtc.set(1735644645)  # Tuesday, 31 December 2024, 11:30:45
    assert wired.bus.readfrom_mem(0x68, 0, 7) == bytes((0x45, 0x30, 0x11, 0x02, 0x31, 0x12, 0x24))


def test_time_without_battery_is_read_but_not_trusted_until_it_is_set():
    wired = Wired()
    assert wired.rtc.read() == (946684800, False)
    wired.rtc.set(1700000000)
    assert wired.rtc.read()[1]
    wired.chip.power_lost()
    assert not wired.rtc.read()[1]


def test_setting_keeps_the_oscillator_running_on_battery():
    wired = Wired()
    wired.bus.writeto_mem(0x68, 0x0E, b"\x80")
    wired.rtc.set(1700000000)
    assert not wired.bus.readfrom_mem(0x68, 0x0E, 1)[0] & 0x80


def test_each_register_that_holds_no_time_is_named():
    good = (0x00, 0x00, 0x00, 0x01, 0x01, 0x01, 0x24)
    bad = (
        (0, 0x60, "seconds"),
        (1, 0x0A, "minutes"),
        (2, 0x24, "hours"),
        (2, 0x52, "hours"),
        (4, 0x00, "date"),
    )
    bad += ((4, 0x32, "date"), (5, 0x13, "month"), (5, 0x00, "month"), (5, 0x81, "month"), (6, 0xA0, "year"))
    for index, value, field in bad:
        wired = Wired()
        registers = list(good)
        registers[index] = value
        wired.registers(*registers)
        error = raises(RtcError, wired.rtc.read)
        assert (error.field, error.value) == (field, value)


def test_a_day_that_its_month_does_not_have_is_refused():
    wired = Wired()
    wired.registers(0, 0, 0, 1, 0x29, 0x02, 0x24)
    wired.rtc.read()
    wired.registers(0, 0, 0, 1, 0x29, 0x02, 0x25)
    assert raises(RtcError, wired.rtc.read).field == "date"


def test_a_time_that_the_chip_cannot_hold_is_refused_and_nothing_is_written():
    wired = Wired()
    wired.rtc.set(1700000000)
    for epoch_s in (946684799, 4102444800, 0):
        assert raises(RtcError, wired.rtc.set, epoch_s).field == "year"
    assert wired.rtc.read() == (1700000000, True)


def test_a_silent_chip_is_a_bus_error_with_its_name():
    wired = Wired()
    wired.bus.detach(0x68)
    assert raises(BusError, wired.rtc.read).chip == "clock"
    assert raises(BusError, wired.rtc.set, 1700000000).chip == "clock"


def test_one_lost_transfer_is_healed():
    wired = Wired()
    wired.rtc.set(1700000000)
    wired.bus.hold_sda(5)
    assert wired.rtc.read() == (1700000000, True) and wired.bus.recoveries == 1
