"""Builds the real terminal on the ESP32, by the pin map that is made from the reference board."""

import os

import esp
import esp32
import machine
import network

from firmware.hal import pins
from firmware.hal.board import Board
from firmware.hal.clock import Clock
from firmware.hal.flash_area import FlashArea, FlashError
from firmware.hal.network import WlanNetwork

_RECOVERY_PULSES = 9


def build() -> Board:
    """Set every pin and bus to its starting state; FlashError if a partition is missing or has another size."""
    clock = Clock()
    wlan = network.WLAN(network.STA_IF)
    return Board(
        spi=machine.SPI(
            pins.SPI_NUMBER,
            baudrate=pins.SPI_HZ,
            sck=machine.Pin(pins.SPI_SCK_GPIO),
            mosi=machine.Pin(pins.SPI_MOSI_GPIO),
            miso=machine.Pin(pins.SPI_MISO_GPIO),
        ),
        i2c=_i2c(),
        recover_i2c=_recover_i2c,
        printer_uart=_uart(
            pins.PRINTER_NUMBER,
            pins.PRINTER_BAUD,
            pins.PRINTER_TX_GPIO,
            pins.PRINTER_RX_GPIO,
            pins.PRINTER_RXBUF,
            pins.PRINTER_TXBUF,
        ),
        printer_busy=_input(pins.PRINTER_BUSY_GPIO),
        modem_uart=_uart(
            pins.MODEM_NUMBER,
            pins.MODEM_BAUD,
            pins.MODEM_TX_GPIO,
            pins.MODEM_RX_GPIO,
            pins.MODEM_RXBUF,
            pins.MODEM_TXBUF,
        ),
        technician_uart=_uart(
            pins.TECHNICIAN_NUMBER,
            pins.TECHNICIAN_BAUD,
            pins.TECH_TX_GPIO,
            pins.TECH_RX_GPIO,
            pins.TECHNICIAN_RXBUF,
            pins.TECHNICIAN_TXBUF,
        ),
        display_select=_output(pins.DISPLAY_SELECT_GPIO, pins.DISPLAY_SELECT_IDLE),
        display_data=_output(pins.DISPLAY_DATA_GPIO, pins.DISPLAY_DATA_IDLE),
        display_reset=_output(pins.DISPLAY_RESET_GPIO, pins.DISPLAY_RESET_IDLE),
        pn532_select=_output(pins.PN532_SELECT_GPIO, pins.PN532_SELECT_IDLE),
        pn532_reset=_output(pins.PN532_RESET_GPIO, pins.PN532_RESET_IDLE),
        pn532_irq=_input(pins.PN532_IRQ_GPIO),
        expander_interrupt=_input(pins.EXPANDER_INTERRUPT_GPIO),
        flash={name: _area(name, size) for name, _, size in pins.PARTITIONS if name in Board.FLASH_AREAS},
        entropy=lambda size: _entropy(wlan, size),
        clock=clock,
        start_watchdog=lambda timeout_ms: machine.WDT(timeout=timeout_ms),
        network=WlanNetwork(wlan, clock),
        flash_octets=esp.flash_size(),
    )


def restart(_code: int) -> None:
    """Start the chip anew; the code is on the screen and, where the books were open, in the journal."""
    machine.reset()


def _output(gpio: int, idle: int):
    return machine.Pin(gpio, machine.Pin.OUT, value=idle)


def _input(gpio: int):
    return machine.Pin(gpio, machine.Pin.IN)


def _uart(number: int, baud: int, tx: int, rx: int, rxbuf: int, txbuf: int):
    return machine.UART(
        number,
        baudrate=baud,
        tx=machine.Pin(tx),
        rx=machine.Pin(rx),
        rxbuf=rxbuf,
        txbuf=txbuf,
        timeout=0,
    )


def _i2c():
    scl, sda = machine.Pin(pins.I2C_SCL_GPIO), machine.Pin(pins.I2C_SDA_GPIO)
    return machine.I2C(pins.I2C_NUMBER, scl=scl, sda=sda, freq=pins.I2C_HZ)


def _recover_i2c() -> None:
    """Clock a chip out of an interrupted read, send a stop, and give the pins back to the controller.

    No waits: the interpreter takes microseconds for each edge, slower than the 400 kHz that every chip here follows.
    The controller is one object for the life of the runtime, so references to it stay good.
    """
    scl = machine.Pin(pins.I2C_SCL_GPIO, machine.Pin.OPEN_DRAIN, value=1)
    sda = machine.Pin(pins.I2C_SDA_GPIO, machine.Pin.OPEN_DRAIN, value=1)
    for _ in range(_RECOVERY_PULSES):
        if sda.value():
            break
        scl.value(0)
        scl.value(1)
    scl.value(0)
    sda.value(0)
    scl.value(1)
    sda.value(1)  # while the clock is high: a stop condition
    _i2c()


def _entropy(wlan, size: int) -> bytes:
    """Octets of the hardware generator, which is one only while the radio runs (ESP-IDF, random numbers)."""
    was_active = wlan.active()
    wlan.active(True)
    octets = os.urandom(size)
    if not was_active:
        wlan.active(False)
    return octets


def _area(name: str, size: int) -> FlashArea:
    found = esp32.Partition.find(esp32.Partition.TYPE_DATA, label=name)
    if not found:
        raise FlashError(name, 0, "no such partition: the flash map is not this board's")
    area = FlashArea(found[0], name)
    if area.size != size:
        raise FlashError(name, 0, "partition has %d octets, the board's map says %d" % (area.size, size))
    return area
