"""The virtual terminal's hardware: a `Board` whose buses lead to byte-level chip models; runs under MicroPython.

It stands where `firmware.hal.esp32_board` stands on the ESP32 and is wired by the same pin map. What people do to a
terminal is done to `VirtualBoard`: place a card, press keys, tear off receipts, cut the power.
"""

import os
import time

from firmware.drivers.ds3231 import Ds3231 as RtcDriver
from firmware.hal import pins
from firmware.hal.board import Board
from firmware.hal.clock import Clock
from firmware.hal.flash_area import FlashArea
from firmware.hal.i2c_device import I2cDevice
from firmware.hal.network import NetworkError
from hardware.atecc608 import Atecc608
from hardware.buses import I2cBus, Pin, SpiBus, Uart, Watchdog
from hardware.contact_card import T0Card
from hardware.display_ssd1309 import Ssd1309
from hardware.ina219 import Ina219
from hardware.keypad_mcp23017 import GROUND, MatrixKeypad, Mcp23017
from hardware.model_clock import HostClock, ManualClock
from hardware.modem import Modem
from hardware.modem_uart import ModemUart
from hardware.nor_flash import FileStore, NorFlash, Partition
from hardware.pn532 import Pn532
from hardware.pn532_bus import IrqPin, SpiFace, reset_pin
from hardware.printer_escpos import EscPosPrinter
from hardware.rtc_ds3231 import Ds3231
from hardware.sc16is750 import Sc16is750
from hardware.tda8029 import Tda8029


class HostNetwork:
    """The host's own network in the place of Wi-Fi; `in_reach` False takes the access point away."""

    def __init__(self) -> None:
        self.in_reach = True

    def configure(self, ssid: str, password: str) -> None:
        """Nothing to configure."""

    def is_up(self) -> bool:
        """Whether a connection can be tried."""
        return self.in_reach

    async def up(self, timeout_ms: int) -> None:  # noqa: ARG002 - the shape of WlanNetwork
        """Join; NetworkError when out of reach."""
        if not self.in_reach:
            raise NetworkError("host", "out of reach")

    def down(self) -> None:
        """Nothing to leave."""


class VirtualBoard:
    """Chip models wired as on the reference board; `board` is what the firmware gets.

    `flash_image`: path of an image of the whole flash, made if it is not there; what is written survives the process.
    Without it the flash is in RAM and new. `flash`: a NorFlash that was used before (a power cut between two lives).
    `clock` and `model_clock`: the firmware's time and the chips'; the host's by default.
    `pn532_model`: a `hardware.pn532.Pn532` with faults of its own; a sound one by default.
    `rtc_epoch_s`: what the battery-backed clock holds at the start; the host's time by default, 0 for a dead battery.
    `entropy`: entropy(size) -> bytes; a test may hand in what repeats.
    `modem`: a `hardware.modem.Modem`, if one is fitted; it has a supply of its own, so it may outlive the board.
    `secure_element`: a `hardware.atecc608.Atecc608`, if one is fitted. `has_contact_reader`: whether the contact reader and its
    bridge are fitted; `contact_faults`: a `hardware.tda8029_faults.FaultPlan` for it.
    """

    def __init__(
        self,
        flash_image: "str | None" = None,
        flash: "NorFlash | None" = None,
        clock: "Clock | None" = None,
        model_clock: "HostClock | ManualClock | None" = None,
        pn532_model: "Pn532 | None" = None,
        rtc_epoch_s: "int | None" = None,
        entropy: object = os.urandom,
        modem: "Modem | None" = None,
        secure_element: "Atecc608 | None" = None,
        has_contact_reader: bool = False,
        contact_faults: "object | None" = None,
    ) -> None:
        self.model_clock = HostClock() if model_clock is None else model_clock
        self.clock = Clock() if clock is None else clock
        if flash is None:
            store = None if flash_image is None else FileStore(flash_image, pins.FLASH_BYTES)
            flash = NorFlash(pins.FLASH_BYTES, store, self.model_clock)
        self.flash = flash
        self.network = HostNetwork()
        self.watchdogs: list[Watchdog] = []  # as many as the firmware started: one in a life
        self._wire_spi(Pn532(self.model_clock) if pn532_model is None else pn532_model)
        self.secure_element = secure_element
        self._wire_i2c(int(time.time()) if rtc_epoch_s is None else rtc_epoch_s)
        self.contact_bridge: Sc16is750 | None = None
        self.contact_reader: Tda8029 | None = None
        if has_contact_reader:
            self._wire_contact_reader(contact_faults)
        self._wire_uarts()
        self._wire_modem(modem)
        self.board = self._board(entropy)

    # -- what people do

    def place_card(self, card: object) -> None:
        """Lay a card (an object of `hardware.emv_card`) on the reader."""
        self.pn532.place(card)

    def remove_card(self) -> None:
        """Take all cards away."""
        self.pn532.remove()

    def insert_card(self, card: object) -> None:
        """Push a card (an object of `hardware.emv_card`) into the slot."""
        self._slot().insert(T0Card(card))

    def pull_card(self) -> None:
        """Pull the card out of the slot."""
        self._slot().remove()

    def _slot(self) -> Tda8029:
        if self.contact_reader is None:
            raise ValueError("no contact reader is fitted")
        return self.contact_reader

    async def press(self, keys: str, hold_ms: int = 60) -> None:
        """Press keys one after the other, as a finger does."""
        for key in keys:
            self.keypad.press(key)
            await self.clock.sleep_ms(hold_ms)
            self.keypad.release(key)
            await self.clock.sleep_ms(hold_ms)

    def open_case(self) -> None:
        """Trip the case switch."""
        self.expander.open(pins.CASE_OPEN_BIT, GROUND)

    def lights(self) -> "tuple[int, int]":
        """(green, red), 1 where it is lit."""
        return self.expander.level(pins.GREEN_LED_BIT), self.expander.level(pins.RED_LED_BIT)

    # -- wiring

    def _wire_spi(self, pn532: Pn532) -> None:
        self.spi = SpiBus(pins.SPI_HZ)
        self._display_select = Pin("DISPLAY_SELECT", pins.DISPLAY_SELECT_IDLE)
        self._display_data = Pin("DISPLAY_DATA", pins.DISPLAY_DATA_IDLE)
        self._display_reset = Pin("DISPLAY_RESET", pins.DISPLAY_RESET_IDLE)
        self.display = Ssd1309(self._display_data, self._display_reset)
        self.spi.attach(self._display_select, self.display, pins.DISPLAY_HZ_MAX)

        self.pn532 = pn532
        self._pn532_select = Pin("PN532_SELECT", pins.PN532_SELECT_IDLE)
        self._pn532_irq = IrqPin("PN532_IRQ", pn532)
        self._pn532_reset = reset_pin("PN532_RESET", pn532, pins.PN532_RESET_IDLE)
        self.spi.attach(self._pn532_select, SpiFace(pn532), pins.CARD_READER_HZ_MAX, lsb_first=True)

    def _wire_i2c(self, rtc_epoch_s: int) -> None:
        self.i2c = I2cBus(pins.I2C_HZ)
        self._expander_interrupt = Pin("EXPANDER_INTERRUPT")
        self.expander = Mcp23017(interrupt_b=self._expander_interrupt)
        self.expander.close(pins.CASE_OPEN_BIT, GROUND)
        self.i2c.attach(pins.EXPANDER_ADDRESS, self.expander)
        self.keypad = MatrixKeypad(
            self.expander, pins.KEYPAD_COLUMN_BITS, pins.KEYPAD_ROW_BITS, pins.KEYPAD_KEYS
        )
        self.rtc = Ds3231(self.model_clock)
        self.i2c.attach(pins.CLOCK_ADDRESS, self.rtc)
        self.supply_monitor = Ina219(self.model_clock)  # its `millivolts` can be set
        self.i2c.attach(pins.SUPPLY_MONITOR_ADDRESS, self.supply_monitor)
        if self.secure_element is not None:
            self.secure_element.attach_to(self.i2c, pins.SECURE_ELEMENT_ADDRESS)
        if rtc_epoch_s:  # as the technician set it, long ago
            RtcDriver(I2cDevice(self.i2c, pins.CLOCK_ADDRESS, "clock", self._recover_i2c)).set(rtc_epoch_s)

    def _wire_contact_reader(self, faults: "object | None") -> None:
        bridge = Sc16is750(self.model_clock)
        reader = Tda8029(self.model_clock, bridge, faults)

        def drive(bit: int, level: int) -> None:
            if bit == 0:
                reader.drive_sdwn(level)

        bridge.watch(drive)
        self.i2c.attach(pins.CONTACT_BRIDGE_ADDRESS, bridge)
        self.contact_bridge, self.contact_reader = bridge, reader

    def _wire_uarts(self) -> None:
        self._printer_uart = Uart(
            self.model_clock, pins.PRINTER_BAUD, txbuf=pins.PRINTER_TXBUF, rxbuf=pins.PRINTER_RXBUF
        )
        self._printer_busy = Pin("PRINTER_BUSY", 0)
        self.printer = EscPosPrinter(self.model_clock, self._printer_busy)
        self.printer.connect(self._printer_uart)
        self.technician_uart = Uart(
            self.model_clock, pins.TECHNICIAN_BAUD, txbuf=pins.TECHNICIAN_TXBUF, rxbuf=pins.TECHNICIAN_RXBUF
        )

    def _wire_modem(self, modem: "Modem | None") -> None:
        self.modem = modem
        self.modem_uart = ModemUart(
            self.model_clock, pins.MODEM_BAUD, txbuf=pins.MODEM_TXBUF, rxbuf=pins.MODEM_RXBUF
        )
        if modem is None:
            return
        modem.connect(self.modem_uart)

        def drive(bit: int, level: int) -> None:
            if bit == pins.MODEM_POWER_KEY_BIT:
                modem.press_power_key(bool(level))
            elif bit == pins.MODEM_RESET_BIT:
                modem.drive_reset(bool(level))

        self.expander.watch(drive)

    def _board(self, entropy: object) -> Board:
        areas = {}
        for name, offset, size in pins.PARTITIONS:
            if name in Board.FLASH_AREAS:
                areas[name] = FlashArea(Partition(self.flash, name, offset, size), name)
        return Board(
            spi=self.spi,
            i2c=self.i2c,
            recover_i2c=self._recover_i2c,
            printer_uart=self._printer_uart,
            printer_busy=self._printer_busy,
            modem_uart=self.modem_uart,
            technician_uart=self.technician_uart,
            display_select=self._display_select,
            display_data=self._display_data,
            display_reset=self._display_reset,
            pn532_select=self._pn532_select,
            pn532_reset=self._pn532_reset,
            pn532_irq=self._pn532_irq,
            expander_interrupt=self._expander_interrupt,
            flash=areas,
            entropy=entropy,
            clock=self.clock,
            start_watchdog=self._start_watchdog,
            network=self.network,
            flash_octets=self.flash.size,
        )

    def _recover_i2c(self) -> None:
        self.i2c.pulse_clock(I2cBus.RECOVERY_PULSES)

    def _start_watchdog(self, timeout_ms: int) -> Watchdog:
        self.watchdogs.append(Watchdog(self.model_clock, timeout_ms))
        return self.watchdogs[-1]
