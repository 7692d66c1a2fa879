"""Register access frees a held bus, tries once more, and names chip and register when it fails for good."""

from firmware.hal.i2c_device import BusError, I2cDevice
from hardware.buses import I2cBus
from tests.support.mp import raises


class Registers:
    def __init__(self):
        self.values = bytearray(16)
        self.pointer = 0

    def i2c_write(self, data):
        self.pointer = data[0]
        self.values[self.pointer : self.pointer + len(data) - 1] = data[1:]
        return True

    def i2c_read(self, buffer):
        buffer[:] = self.values[self.pointer : self.pointer + len(buffer)]


def device():
    bus = I2cBus(100000)
    bus.attach(0x20, Registers())
    return I2cDevice(bus, 0x20, "expander", lambda: bus.pulse_clock(9)), bus


def read(chip, register, size):
    buffer = bytearray(size)
    chip.read_into(register, buffer)
    return bytes(buffer)


def test_what_is_written_is_read_back():
    chip, bus = device()
    chip.write(4, b"\x12\x34")
    assert read(chip, 3, 4) == b"\x00\x12\x34\x00"
    assert (chip.failures, chip.errors, bus.recoveries) == (0, 0, 0)


def test_one_lost_transfer_is_repeated_and_counted():
    chip, bus = device()
    chip.write(0, b"\x77")
    bus.fail_next(1)
    assert read(chip, 0, 1) == b"\x77"
    assert (chip.failures, chip.errors, bus.recoveries) == (1, 0, 1)


def test_a_bus_held_by_a_chip_is_freed():
    chip, bus = device()
    bus.hold_sda(9)
    chip.write(0, b"\x01")
    assert read(chip, 0, 1) == b"\x01"
    assert (chip.failures, chip.errors) == (1, 0)


def test_a_silent_chip_gives_an_error_with_chip_register_and_number():
    chip, bus = device()
    bus.detach(0x20)
    error = raises(BusError, chip.write, 0x0A, b"\x00")
    assert (error.chip, error.register, error.errno) == ("expander", 0x0A, 19)
    assert "expander" in str(error) and "0x0a" in str(error) and "write" in str(error)
    assert (chip.failures, chip.errors) == (1, 1)
    assert "read" in str(raises(BusError, read, chip, 3, 1))


def test_a_bus_that_stays_held_gives_the_error_with_its_number():
    chip, bus = device()
    bus.hold_sda(100)
    assert raises(BusError, read, chip, 0, 1).errno == 116
