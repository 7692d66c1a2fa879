"""The supply monitor's driver gives millivolts, and names what it got where that is no voltage."""

from firmware.drivers.ina219 import Ina219, SupplyError
from firmware.hal import pins
from firmware.hal.i2c_device import BusError, I2cDevice
from hardware.buses import I2cBus
from hardware.ina219 import Ina219 as ChipModel
from hardware.model_clock import ManualClock
from tests.support.mp import raises
from tests.support.mp_time import ModelTime
from tools.virtual_board import VirtualBoard


class Wired:
    def __init__(self):
        self.clock = ManualClock()
        self.chip = ChipModel(self.clock)
        self.bus = I2cBus(100000)
        self.bus.attach(0x40, self.chip)
        self.monitor = Ina219(I2cDevice(self.bus, 0x40, "INA219", lambda: self.bus.pulse_clock(9)))
        self.clock.advance_us(2000)


def test_every_voltage_is_read_in_steps_of_four_millivolts():
    wired = Wired()
    for millivolts in (0, 3, 4, 9700, 12345, 13800, 26000):
        wired.chip.millivolts = millivolts
        assert wired.monitor.read_millivolts() == millivolts // 4 * 4


def test_more_than_the_chip_bears_is_an_error():
    wired = Wired()
    wired.chip.millivolts = 26004
    assert raises(SupplyError, wired.monitor.read_millivolts).field == "bus voltage"


def test_a_chip_that_is_set_otherwise_is_named_and_set_right_for_the_next_read():
    wired = Wired()
    wired.bus.writeto_mem(0x40, 0, b"\x19\x9f")
    error = raises(SupplyError, wired.monitor.read_millivolts)
    assert (error.field, error.value) == ("configuration", 0x199F)
    assert raises(SupplyError, wired.monitor.read_millivolts).field == "conversion"
    wired.clock.advance_us(2000)
    assert wired.monitor.read_millivolts() == 12300


def test_a_silent_chip_is_a_bus_error_with_its_name_and_one_lost_transfer_is_healed():
    wired = Wired()
    wired.bus.hold_sda(5)
    assert wired.monitor.read_millivolts() == 12300 and wired.bus.recoveries == 1
    wired.bus.detach(0x40)
    assert raises(BusError, wired.monitor.read_millivolts).chip == "INA219"


def test_the_virtual_terminal_has_one_whose_voltage_can_be_set():
    time = ModelTime()
    terminal = VirtualBoard(clock=time, model_clock=time.models, rtc_epoch_s=1700000000)
    board = terminal.board
    monitor = Ina219(I2cDevice(board.i2c, pins.SUPPLY_MONITOR_ADDRESS, "INA219", board.recover_i2c))
    time.models.advance_us(2000)
    terminal.supply_monitor.millivolts = 10800
    assert monitor.read_millivolts() == 10800
