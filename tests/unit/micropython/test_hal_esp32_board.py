"""The real board is built by the pin map, from stand-ins of `machine`, `esp32` and `network` that keep what they were told.

This shows that the file runs and wires what the map says; that the ESP32's own modules take these arguments is checked
against their type stubs, and was not tried on a board.
"""

import sys

from firmware.hal import pins
from firmware.hal.board import Board
from firmware.hal.flash_area import FlashError
from hardware.nor_flash import NorFlash, Partition
from tests.support.mp import raises


class FakePin:
    OUT, IN, OPEN_DRAIN = "out", "in", "open-drain"
    made = []
    held_low = 0  # clock pulses until a chip lets SDA go

    def __init__(self, gpio, mode=None, value=None):
        self.gpio, self.mode = gpio, mode
        FakePin.made.append((gpio, mode, value))

    def value(self, level=None):
        if level is None:
            return 0 if FakePin.held_low else 1
        FakePin.moves.append((self.gpio, level))
        if self.gpio == pins.I2C_SCL_GPIO and level and FakePin.held_low:
            FakePin.held_low -= 1
        return None


class Told:
    """A bus: keeps number and arguments, pins by their GPIO."""

    def __init__(self, number=None, **arguments):
        self.number = number
        self.arguments = {
            name: arguments[name].gpio if isinstance(arguments[name], FakePin) else arguments[name]
            for name in arguments
        }


class FakeWlan:
    def __init__(self, interface):
        self.on = False
        self.switched = []

    def active(self, on=None):
        if on is None:
            return self.on
        self.on = on
        self.switched.append(on)
        return None


class FakePartition:
    TYPE_DATA = 1
    areas = {}

    @staticmethod
    def find(kind, label):
        found = FakePartition.areas.get(label)
        return [] if found is None else [found]


class Module:
    pass


def board_module():
    """`firmware.hal.esp32_board` on stand-ins, with all partitions in place."""
    flash = NorFlash(pins.FLASH_BYTES)
    FakePin.made, FakePin.moves, FakePin.held_low = [], [], 0
    FakePartition.areas = {
        name: Partition(flash, name, offset, size) for name, offset, size in pins.PARTITIONS
    }
    machine, esp32, network, esp = Module(), Module(), Module(), Module()
    esp.flash_size = lambda: pins.FLASH_BYTES // 2
    machine.Pin, machine.SPI, machine.I2C, machine.UART, machine.WDT = FakePin, Told, Told, Told, Told
    esp32.Partition = FakePartition
    network.WLAN, network.STA_IF = FakeWlan, 0
    sys.modules["machine"], sys.modules["esp32"], sys.modules["network"] = machine, esp32, network
    sys.modules["esp"] = esp
    sys.modules.pop("firmware.hal.esp32_board", None)
    from firmware.hal import esp32_board

    return esp32_board


def test_buses_get_their_numbers_speeds_and_pins():
    board = board_module().build()
    assert board.spi.number == pins.SPI_NUMBER
    assert board.spi.arguments["baudrate"] == pins.SPI_HZ
    assert board.spi.arguments["miso"] == pins.SPI_MISO_GPIO
    assert board.i2c.number == pins.I2C_NUMBER and board.i2c.arguments["freq"] == pins.I2C_HZ
    uarts = (board.technician_uart, board.printer_uart, board.modem_uart)
    assert [uart.number for uart in uarts] == [0, 1, 2]
    assert board.printer_uart.arguments["tx"] == pins.PRINTER_TX_GPIO
    assert board.modem_uart.arguments["rx"] == pins.MODEM_RX_GPIO
    assert board.modem_uart.arguments["rxbuf"] == pins.MODEM_RXBUF
    assert board.modem_uart.arguments["timeout"] == 0, "reads never wait"
    assert board.flash_octets == pins.FLASH_BYTES // 2, "what the runtime says"


def test_outputs_start_at_their_idle_level_and_inputs_are_not_driven():
    board_module().build()
    outputs = {gpio: value for gpio, mode, value in FakePin.made if mode == FakePin.OUT}
    assert outputs == {
        pins.DISPLAY_SELECT_GPIO: pins.DISPLAY_SELECT_IDLE,
        pins.DISPLAY_DATA_GPIO: pins.DISPLAY_DATA_IDLE,
        pins.DISPLAY_RESET_GPIO: pins.DISPLAY_RESET_IDLE,
        pins.PN532_SELECT_GPIO: pins.PN532_SELECT_IDLE,
        pins.PN532_RESET_GPIO: pins.PN532_RESET_IDLE,
    }
    inputs = {gpio for gpio, mode, _ in FakePin.made if mode == FakePin.IN}
    assert inputs == {pins.PRINTER_BUSY_GPIO, pins.PN532_IRQ_GPIO, pins.EXPANDER_INTERRUPT_GPIO}


def test_flash_areas_are_the_partitions_of_their_name():
    board = board_module().build()
    for name in Board.FLASH_AREAS:
        assert board.flash[name].name == name
    assert board.flash["journal"].size == 2 * 1024 * 1024


def test_a_missing_partition_stops_the_start_with_its_name():
    module = board_module()
    del FakePartition.areas["roster_b"]
    assert raises(FlashError, module.build).area == "roster_b"


def test_a_partition_of_another_size_stops_the_start():
    module = board_module()
    FakePartition.areas["journal"] = FakePartition.areas["roster_a"]
    error = raises(FlashError, module.build)
    assert error.area == "journal" and "262144" in str(error)


def test_entropy_is_drawn_with_the_radio_on_and_leaves_it_as_it_was():
    module = board_module()
    board = module.build()
    assert len(board.entropy(32)) == 32 and board.entropy(32) != board.entropy(32)
    radio = board.network._wlan
    assert not radio.on and radio.switched[:2] == [True, False]
    radio.on = True
    board.entropy(1)
    assert radio.on


def test_a_held_bus_is_clocked_free_stopped_and_given_back():
    board = board_module().build()
    FakePin.held_low = 5
    board.recover_i2c()
    assert FakePin.held_low == 0
    rises = [move for move in FakePin.moves if move == (pins.I2C_SCL_GPIO, 1)]
    assert len(rises) == 6, "five pulses, and the clock high for the stop"
    scl, sda = pins.I2C_SCL_GPIO, pins.I2C_SDA_GPIO
    assert FakePin.moves[-4:] == [(scl, 0), (sda, 0), (scl, 1), (sda, 1)]
    assert FakePin.made[-1][1] is None, "the pins went back to the controller"


def test_the_watchdog_starts_when_it_is_asked_for():
    board = board_module().build()
    assert board.start_watchdog(30000).arguments == {"timeout": 30000}
