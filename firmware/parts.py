"""The chips of a board put together once: what the application, the workshop and a self-test all work with."""

from firmware.drivers.atecc608 import Atecc608
from firmware.drivers.ds3231 import Ds3231, RtcError
from firmware.drivers.either_reader import EitherReader
from firmware.drivers.escpos_printer import Printer
from firmware.drivers.ina219 import Ina219
from firmware.drivers.mcp23017_keypad import Expander, Keypad, Signals
from firmware.drivers.pn532 import Pn532Reader
from firmware.drivers.pn532_transport import SpiTransport
from firmware.drivers.sc16is750 import Sc16is750
from firmware.drivers.ssd1309 import Ssd1309
from firmware.drivers.tda8029 import Tda8029Reader
from firmware.hal import pins
from firmware.hal.i2c_device import BusError, I2cDevice
from firmware.time_keeper import TimeKeeper

# What the battery-backed clock raises when it holds no time, or does not answer.
CLOCK_ERRORS = (RtcError, BusError)


class Parts:
    """The drivers of one board; making them touches no chip.

    `display`, `expander`, `keypad`, `signals`, `printer`, `rtc`, `time_keeper` (over `rtc`), `supply`, `reader`; `key_chip`,
    which not every board has.
    """

    def __init__(self, board) -> None:
        clock = board.clock

        def device(address: int, chip: str) -> I2cDevice:
            return I2cDevice(board.i2c, address, chip, board.recover_i2c)

        self.display = Ssd1309(
            board.spi, board.display_select, board.display_data, board.display_reset, clock
        )
        self.expander = Expander(device(pins.EXPANDER_ADDRESS, "MCP23017"))
        self.keypad = Keypad(self.expander, board.expander_interrupt, clock)
        self.signals = Signals(self.expander, clock)
        self.printer = Printer(board.printer_uart, board.printer_busy, clock)
        self.rtc = Ds3231(device(pins.CLOCK_ADDRESS, "DS3231"))
        self.time_keeper = TimeKeeper(clock, self.rtc, CLOCK_ERRORS)
        self.supply = Ina219(device(pins.SUPPLY_MONITOR_ADDRESS, "INA219"))
        self.key_chip = Atecc608(board.i2c, pins.SECURE_ELEMENT_ADDRESS, clock, board.recover_i2c)
        transport = SpiTransport(board.spi, board.pn532_select, board.pn532_irq, clock)
        bridge = Sc16is750(device(pins.CONTACT_BRIDGE_ADDRESS, "SC16IS750"), pins.CONTACT_BRIDGE_CRYSTAL_HZ)
        self.reader = EitherReader(
            Pn532Reader(transport, board.pn532_reset, clock),
            Tda8029Reader(bridge, pins.CONTACT_BRIDGE_SERIAL_BAUD, clock),
            clock,
        )
