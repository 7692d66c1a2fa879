"""The firmware's drivers run on the virtual board as they would on the real one, all chips on their shared buses."""

import asyncio
import os

from firmware.drivers.ds3231 import Ds3231
from firmware.drivers.escpos_printer import Printer
from firmware.drivers.mcp23017_keypad import Expander, Keypad, Signals
from firmware.drivers.pn532 import Pn532Reader
from firmware.drivers.pn532_transport import SpiTransport
from firmware.drivers.ssd1309 import Ssd1309
from firmware.hal import pins
from firmware.hal.board import Board
from firmware.hal.clock import Clock
from firmware.hal.i2c_device import I2cDevice
from hardware.nor_flash import PowerCut
from hardware.printer_escpos import receipt_text
from tests.support.mp import raises
from tests.support.mp_time import ModelTime
from tools.virtual_board import VirtualBoard


def virtual(**options):
    time = ModelTime()
    return VirtualBoard(clock=time, model_clock=time.models, rtc_epoch_s=1700000000, **options), time


def device(board, address, chip):
    return I2cDevice(board.i2c, address, chip, board.recover_i2c)


class Person:
    """All drivers on one board, as the firmware puts them together."""

    def __init__(self, board):
        self.display = Ssd1309(
            board.spi, board.display_select, board.display_data, board.display_reset, board.clock
        )
        expander = Expander(device(board, pins.EXPANDER_ADDRESS, "expander"))
        expander.start()
        self.keypad = Keypad(expander, board.expander_interrupt, board.clock)
        self.signals = Signals(expander, board.clock)
        self.printer = Printer(board.printer_uart, board.printer_busy, board.clock)
        transport = SpiTransport(board.spi, board.pn532_select, board.pn532_irq, board.clock)
        self.reader = Pn532Reader(transport, board.pn532_reset, board.clock)
        self.rtc = Ds3231(device(board, pins.CLOCK_ADDRESS, "clock"))


async def everything(terminal, drivers):
    """Display, reader, keys, lights, clock and printer, in the time of one sale."""
    scanning = asyncio.create_task(drivers.keypad.run(lambda: None))
    playing = asyncio.create_task(drivers.signals.run(lambda: None))
    await drivers.display.start()
    await drivers.reader.start()
    drivers.display.framebuffer.text("PIN ******", 0, 0)
    await drivers.display.show()
    await terminal.press("123456E")
    typed = ""
    while True:
        key = await drivers.keypad.get_key(50)
        if key is None:
            break
        typed += key
    drivers.signals.granted()
    await terminal.clock.sleep_ms(100)
    lights = terminal.lights()
    await drivers.printer.print_document([("text", "TERCATAT", "c", False, False), ("cut",)])
    scanning.cancel()
    playing.cancel()
    return typed, lights, drivers.rtc.read()


def test_all_drivers_work_side_by_side():
    terminal, time = virtual()
    drivers = Person(terminal.board)
    typed, lights, (epoch_s, is_trusted) = time.run(everything(terminal, drivers))
    assert typed == "123456E" and lights == (1, 0)
    assert is_trusted and 0 <= epoch_s - 1700000000 < 60
    assert "#" in terminal.display.rows()[0] and terminal.display.errors == []
    assert receipt_text(terminal.printer.receipts()[0]).split() == ["TERCATAT"] + ["-"] * 16
    assert terminal.printer.errors == [] and terminal.expander.contentions == 0


def test_the_same_happens_in_the_hosts_own_time():
    terminal = VirtualBoard()
    typed, _, (_, is_trusted) = asyncio.run(everything(terminal, Person(terminal.board)))
    assert typed == "123456E" and is_trusted and len(terminal.printer.receipts()) == 1
    assert isinstance(terminal.board.clock, Clock)


def test_each_flash_area_is_its_partition_of_one_chip():
    terminal, _ = virtual()
    for name, offset, size in pins.PARTITIONS:
        if name in Board.FLASH_AREAS:
            area = terminal.board.flash[name]
            assert (area.name, area.size) == (name, size)
            area.program(0, name.encode())
            buffer = bytearray(len(name))
            terminal.flash.read_into(offset, buffer)
            assert bytes(buffer) == name.encode()


def test_flash_outlives_a_power_cut_and_its_board():
    terminal, _ = virtual()
    terminal.board.flash["journal"].program(256, b"tetap ada")
    terminal.flash.power_cut_after(0)
    raises(PowerCut, terminal.board.flash["journal"].program, 512, b"hilang")
    terminal.flash.power_on()
    again, _ = virtual(flash=terminal.flash)
    buffer = bytearray(9)
    again.board.flash["journal"].read_into(256, buffer)
    assert bytes(buffer) == b"tetap ada"


def test_a_flash_image_holds_what_was_written_for_the_next_process():
    path = "build/test_virtual_board_%d.img" % (id(object()) & 0xFFFFFFF)
    try:
        VirtualBoard(flash_image=path).board.flash["roster_b"].program(0, b"842 keluarga")
        buffer = bytearray(12)
        VirtualBoard(flash_image=path).board.flash["roster_b"].read_into(0, buffer)
        assert bytes(buffer) == b"842 keluarga"
        assert os.stat(path)[6] == pins.FLASH_BYTES
    finally:
        os.remove(path)


def test_a_dead_battery_shows_as_a_time_that_is_not_trusted():
    time = ModelTime()
    terminal = VirtualBoard(clock=time, model_clock=time.models, rtc_epoch_s=0)
    assert terminal.rtc is not None
    assert not Ds3231(device(terminal.board, pins.CLOCK_ADDRESS, "clock")).read()[1]


def test_a_board_lacks_no_part():
    terminal, _ = virtual()
    parts = dict(terminal.board.__dict__)
    raises(TypeError, Board)
    flash = dict(parts["flash"])
    del flash["identity_b"]
    parts["flash"] = flash
    error = raises(ValueError, lambda: Board(**parts))
    assert "identity_b" in str(error)


def test_a_watchdog_that_is_not_fed_expires():
    terminal, time = virtual()
    dog = terminal.board.start_watchdog(2000)
    time.models.advance_us(1900000)
    dog.feed()
    time.models.advance_us(2100000)
    assert terminal.watchdogs[0].expired()


def test_out_of_reach_the_network_says_so():
    from firmware.hal.network import NetworkError

    terminal, time = virtual()
    time.run(terminal.board.network.up(1000))
    terminal.network.in_reach = False
    assert not terminal.board.network.is_up()
    raises(NetworkError, time.run, terminal.board.network.up(1000))
