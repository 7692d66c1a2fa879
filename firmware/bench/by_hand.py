"""Tests of the parts that need a technician's hands and eyes: keypad, display, printer, readers, case switch.

Each is given a `firmware.bench.bench.Bench`, tells over the cable what it waits for (`bench.ask`), shows the same on the
display, and ends by itself when nobody does it.
"""

import asyncio

from firmware.bench import codes
from firmware.bench.outcome import absent, failed, passed
from firmware.card.errors import CARDS_COLLIDE, MALFORMED, READER_FAILED, CardError, CardProtocolError
from firmware.drivers.escpos_printer import PrinterError
from firmware.drivers.ssd1309 import DisplayError
from firmware.hal import pins
from firmware.hal.i2c_device import BusError
from firmware.ui import bench_screens

KEYS = "".join(pins.KEYPAD_KEYS)
# How long a test waits for hands; each key that is pressed begins the time anew.
HANDS_MS = 45_000
RELEASE_MS = 4000
_LOOKS_MS = 2000
PRINT_MS = 20_000
_LOOK_MS = 50
_CARD_SLICE_MS = 150
_KEY_SLICE_MS = 40
_CASE_SLICE_MS = 100

_SELECT = b"\x00\xa4\x04\x00"
_STRIP = (
    ("text", "LUMBUNG", "c", True, True),
    ("rule",),
    ("text", "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345", "l", False, False),
    ("text", "abcdefghijklmnopqrstuvwxyz6789/.", "l", True, False),
    ("image", 48, b"\xff" * 48 * 8 + b"\xaa" * 48 * 8 + b"\xf0" * 48 * 8),
    ("qr", b"LUMBUNG", 6),
    ("feed", 3),
    ("cut",),
)
_PRINTER_CODES = {
    PrinterError.SILENT: codes.PRINTER_SILENT,
    PrinterError.PAPER: codes.PRINTER_PAPER,
    PrinterError.COVER: codes.PRINTER_COVER,
    PrinterError.BUSY: codes.PRINTER_BUSY,
}


async def keypad(bench):
    """Each key once; keys that do not come up, and keys that never come, are named."""
    try:
        stuck = await _all_up(bench)
        if stuck:
            return failed(codes.KEYPAD_STUCK, "stays down: %s" % stuck)
        missing = await _press_all(bench)
        stuck = await _all_up(bench)
    except BusError as error:
        return failed(codes.KEYPAD_SILENT, str(error))
    if stuck:
        return failed(codes.KEYPAD_STUCK, "stays down: %s" % stuck)
    if missing:
        return failed(codes.KEYPAD_KEY_DEAD, "never came: %s" % missing)
    return passed("%d keys" % len(KEYS))


async def _all_up(bench) -> str:
    """The keys that are still down after a while; "" once all are up."""
    down = ""
    for _ in range(0, RELEASE_MS, _LOOK_MS):
        down = bench.expander.pressed_keys()
        if not down:
            return ""
        await bench.clock.sleep_ms(_LOOK_MS)
    return down


async def _press_all(bench) -> str:
    """The keys that were not pressed before the technician's time was over, or one of them stayed down."""
    missing = KEYS
    await bench.forget_keys()
    while missing:
        bench.ask("keys " + missing)
        await bench.show(bench_screens.bench_keys, pins.KEYPAD_KEYS, missing)
        key = await _next_key(bench)
        if key is None:
            break
        missing = missing.replace(key, "")
    return missing


async def _next_key(bench):
    """The next key; None when none comes, or one stays down and hides the others."""
    looks_down = 0
    for _ in range(0, HANDS_MS, _LOOKS_MS):
        key = await bench.key(_LOOKS_MS)
        if key is not None:
            return key
        looks_down = looks_down + 1 if bench.expander.pressed_keys() else 0
        if looks_down * _LOOKS_MS > RELEASE_MS:
            return None
    return None


async def display(bench):
    """A pattern and its opposite, which between them light every dot and leave every dot dark; E where it is whole."""
    try:
        for is_dark in (False, True):
            bench.ask("display")
            await bench.panel.show(bench_screens.bench_pattern, is_dark)
            answer = await _answer(bench)
            if answer == "X":
                return failed(codes.DISPLAY_NOT_SEEN, "the technician does not see it whole")
            if answer is None:
                return failed(codes.DISPLAY_UNANSWERED, "nobody answered")
    except DisplayError as error:
        return failed(codes.DISPLAY_BUS, str(error))
    return passed("seen whole")


async def _answer(bench):
    """E or X; None when nobody answers."""
    await bench.forget_keys()
    while True:
        key = await bench.key(HANDS_MS)
        if key is None or key in "EX":
            return key


async def printer(bench):
    """It answers, is closed, has paper, and what it prints can be read."""
    try:
        await bench.printer.check()
        await asyncio.wait_for_ms(bench.printer.print_document(list(_STRIP)), PRINT_MS)
    except PrinterError as error:
        return failed(_PRINTER_CODES[error.reason], error.reason)
    except asyncio.TimeoutError:
        return failed(codes.PRINTER_BUSY, "not done in %d s" % (PRINT_MS // 1000))
    bench.ask("strip")
    await bench.show(bench_screens.bench_strip)
    answer = await _answer(bench)
    if answer == "X":
        return failed(codes.PRINTER_STRIP, "the technician cannot read the strip")
    if answer is None:
        return failed(codes.PRINTER_UNANSWERED, "nobody answered")
    return passed("answers, has paper, prints")


async def reader(bench):
    """The chip, its line, and an exchange with a card; nothing that the card says is kept or told but its kind."""
    driver = bench.reader
    try:
        await driver.start()
        if not await driver.line_is_good():
            return failed(codes.READER_LINE, "its line test does not come back whole")
        bench.ask("card")
        target = await _card(bench, driver, bench_screens.bench_card)
        if target is None:
            return failed(codes.READER_NO_CARD, "no card came")
        status = await _select(driver)
        figures = (len(target.ats), target.sak, status)
        return passed("ISO 14443-4 type A, ATS of %d octets, SAK %02X, SELECT %04X" % figures)
    except CardError as error:
        return failed(_reader_code(error), str(error))
    finally:
        await driver.field_off()


def _reader_code(error: CardError) -> int:
    if error.code == READER_FAILED:
        return codes.READER_SILENT
    return codes.READER_TWO_CARDS if error.code == CARDS_COLLIDE else codes.READER_CARD


async def contact_reader(bench):
    """The same for the reader with a slot, where the board has one."""
    driver = bench.contact
    try:
        await driver.start()
    except CardError as error:
        if bench.is_expected("contact-reader"):
            return failed(codes.CONTACT_SILENT, str(error))
        return absent("none answers")
    try:
        bench.ask("insert")
        target = await _card(bench, driver, bench_screens.bench_insert)
        if target is None:
            return failed(codes.CONTACT_NO_CARD, "no card came")
        return passed("answer to reset of %d octets, SELECT %04X" % (len(target.atr), await _select(driver)))
    except CardError as error:
        code = codes.CONTACT_SILENT if error.code == READER_FAILED else codes.CONTACT_CARD
        return failed(code, str(error))
    finally:
        await driver.field_off()


async def _card(bench, driver, screen):
    """The card that comes in time, None where none does or X gives it up."""
    await bench.show(screen)
    await bench.forget_keys()
    for _ in range(0, HANDS_MS, _CARD_SLICE_MS + _KEY_SLICE_MS):
        target = await driver.wait_for_card(_CARD_SLICE_MS)
        if target is not None:
            return target
        if await bench.key(_KEY_SLICE_MS) == "X":
            return None
    return None


async def _select(driver) -> int:
    """The status word with which the card answers SELECT of its directory of applications: data or not, it has heard."""
    name = driver.environment
    answer = await driver.transceive(_SELECT + bytes((len(name),)) + name + b"\x00")
    if len(answer) < 2:
        raise CardProtocolError(MALFORMED, "status word", 0, "missing")
    return answer[-2] << 8 | answer[-1]


async def case(bench):
    """The switch is seen open and shut."""
    try:
        first = bench.expander.case_is_open()
        bench.ask("case shut" if first else "case open")
        await bench.show(bench_screens.bench_case, first)
        await bench.forget_keys()
        for _ in range(0, HANDS_MS, _CASE_SLICE_MS):
            if bench.expander.case_is_open() != first:
                return passed("opens and shuts")
            if await bench.key(_CASE_SLICE_MS) == "X":
                break
    except BusError as error:
        return failed(codes.CASE_SILENT, str(error))
    return failed(codes.CASE_STUCK, "stays %s" % ("open" if first else "shut"))
