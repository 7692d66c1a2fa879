"""Driver: runs chip models, and the firmware's drivers before them, on MicroPython; requests and answers are JSON.

A request is [what, arguments...]; octets travel as hex.
"""

import asyncio
import json

from firmware.drivers.ds3231 import Ds3231 as RtcDriver
from firmware.drivers.ds3231 import RtcError
from firmware.drivers.escpos_printer import Printer, PrinterError
from firmware.drivers.mcp23017_keypad import Expander, Keypad
from firmware.drivers.ssd1309 import Ssd1309 as DisplayDriver
from firmware.hal import pins
from firmware.hal.i2c_device import I2cDevice
from hardware.buses import I2cBus, Pin, SpiBus, Uart
from hardware.display_ssd1309 import Ssd1309
from hardware.keypad_mcp23017 import MatrixKeypad, Mcp23017
from hardware.model_clock import ManualClock
from hardware.nor_flash import NorFlash, PowerCut
from hardware.printer_escpos import EscPosPrinter
from hardware.rtc_ds3231 import Ds3231
from tests.support.mp_time import ModelTime


def nor(size, seed, operations, cut):
    """Do programs [address, hex] and erases [sector]; returns (whether power was cut, content read thrice)."""
    flash = NorFlash(size, seed=seed)
    if cut is not None:
        flash.power_cut_after(cut[0], cut[1])
    was_cut = False
    for operation in operations:
        try:
            if len(operation) == 1:
                flash.sector_erase(operation[0])
            else:
                flash.page_program(operation[0], bytes.fromhex(operation[1]))
        except PowerCut:
            was_cut = True
            break
    flash.power_on()
    reads = []
    for _ in range(3):
        buffer = bytearray(size)
        flash.read_into(0, buffer)
        reads.append(buffer.hex())
    return [was_cut, reads]


def keypad(changes, duration_ms):
    """Let [moment_ms, key, pressed] happen; returns the keys that the driver hands out, and shorted outputs."""
    time = ModelTime()
    interrupt = Pin("INT")
    chip = Mcp23017(interrupt_b=interrupt)
    bus = I2cBus(pins.I2C_HZ)
    bus.attach(pins.EXPANDER_ADDRESS, chip)
    pad = MatrixKeypad(chip, pins.KEYPAD_COLUMN_BITS, pins.KEYPAD_ROW_BITS, pins.KEYPAD_KEYS)
    expander = Expander(I2cDevice(bus, pins.EXPANDER_ADDRESS, "expander", lambda: bus.pulse_clock(9)))
    expander.start()
    driver = Keypad(expander, interrupt, time)
    for moment_ms, key, pressed in changes:
        move = pad.press if pressed else pad.release
        time.at_ms(moment_ms, lambda move=move, key=key: move(key))

    async def main():
        scanning = asyncio.create_task(driver.run(lambda: None))
        found = ""
        while time.ticks_ms() < duration_ms:
            found += await driver.get_key(100) or ""
        scanning.cancel()
        return found

    return [time.run(main()), chip.contentions]


def _clock():
    clock = ManualClock()
    chip = Ds3231(clock)
    bus = I2cBus(pins.I2C_HZ)
    bus.attach(pins.CLOCK_ADDRESS, chip)
    return clock, bus, RtcDriver(I2cDevice(bus, pins.CLOCK_ADDRESS, "clock", lambda: None))


def clock_runs(epoch_s, elapsed_ms):
    """Set the clock, let time pass; returns (registers as hex, seconds that the driver reads, trusted)."""
    clock, bus, driver = _clock()
    driver.set(epoch_s)
    clock.advance_us(elapsed_ms * 1000)
    registers = bus.readfrom_mem(pins.CLOCK_ADDRESS, 0, 7).hex()
    return [registers, driver.read()[0], driver.read()[1]]


def clock_reads(registers):
    """The driver's reading of any registers: seconds, or the name of the field that it refuses."""
    _, bus, driver = _clock()
    bus.writeto_mem(pins.CLOCK_ADDRESS, 0, bytes.fromhex(registers))
    try:
        return driver.read()[0]
    except RtcError as error:
        return error.field


def display_ram(transactions):
    """Send [is_data, hex] transactions; returns (RAM as hex, errors)."""
    spi = SpiBus(pins.SPI_HZ)
    select, data, reset = Pin("CS"), Pin("DC", 0), Pin("RES")
    chip = Ssd1309(data, reset)
    spi.attach(select, chip, pins.DISPLAY_HZ_MAX)
    for is_data, octets in transactions:
        data.value(is_data)
        select.off()
        spi.write(bytes.fromhex(octets))
        select.on()
    return [chip.ram.hex(), chip.errors]


def display_shows(frames):
    """Draw rectangles [x, y, w, h, colour], frame by frame; returns for each (glass equals drawing, octets sent)."""
    time = ModelTime()
    spi = SpiBus(pins.SPI_HZ)
    select, data, reset = Pin("CS"), Pin("DC", 0), Pin("RES")
    chip = Ssd1309(data, reset)
    spi.attach(select, chip, pins.DISPLAY_HZ_MAX)
    driver = DisplayDriver(spi, select, data, reset, time)
    time.run(driver.start())
    answers = []
    for rectangles in frames:
        for rectangle in rectangles:
            driver.framebuffer.fill_rect(*rectangle)
        before = chip.data_octets
        time.run(driver.show())
        pixel = driver.framebuffer.pixel
        same = all(pixel(x, y) == chip.pixel(x, y) for y in range(64) for x in range(128))
        answers.append([same, chip.data_octets - before])
    return answers


class _PrinterRoom:
    def __init__(self):
        self.time = ModelTime()
        self.uart = Uart(self.time.models, pins.PRINTER_BAUD, pins.PRINTER_TXBUF, pins.PRINTER_RXBUF)
        busy = Pin("BUSY", 0)
        self.model = EscPosPrinter(self.time.models, busy)
        self.model.connect(self.uart)
        self.driver = Printer(self.uart, busy, self.time)

    def seen(self):
        return [
            [
                list(part[:2]) + [part[2][0][0].decode()] if part[0] == "text" else list(part)
                for part in receipt
            ]
            for receipt in self.model.receipts()
        ]


def printer_noise(octets):
    """Any octets reach the printer; it must survive. Returns how much it has recorded."""
    room = _PrinterRoom()
    for octet in bytes.fromhex(octets):
        room.model.receive(octet, room.time.models.now_us())
        room.time.models.advance_us(1041)
    room.time.models.advance_us(60000000)
    return [len(room.model.unfinished()), len(room.model.receipts()), len(room.model.errors)]


def printer_prints(lines, paper_dots, cancelled_ms):
    """Print lines [text, align, bold, double], first perhaps a copy that is cancelled; returns (error or None, receipts)."""
    room = _PrinterRoom()
    document = [("text", line[0], line[1], line[2], line[3]) for line in lines] + [("cut",)]
    room.model.set_paper(paper_dots)

    async def main():
        if cancelled_ms:
            printing = asyncio.create_task(room.driver.print_document(document))
            await room.time.sleep_ms(cancelled_ms)
            printing.cancel()
            try:
                await printing
            except asyncio.CancelledError:
                pass
        try:
            await room.driver.print_document(document)
        except PrinterError as error:
            return error.reason
        return None

    outcome = room.time.run(main())
    return [outcome, room.seen(), room.model.errors, room.uart.blocked_us, room.model.lost_octets]


_CALLS = {
    "nor": nor,
    "keypad": keypad,
    "clock_runs": clock_runs,
    "clock_reads": clock_reads,
    "display_ram": display_ram,
    "display_shows": display_shows,
    "printer_noise": printer_noise,
    "printer_prints": printer_prints,
}


def handle(request):
    arguments = json.loads(request)
    return json.dumps(_CALLS[arguments[0]](*arguments[1:])).encode()
