"""Tests of the parts that need nobody: flash, clock, entropy, key chip, supply, modem. Each is given a `firmware.bench.bench.Bench`
and returns an `Outcome`.
"""

import asyncio

from firmware.bench import codes, spare_sector
from firmware.bench.outcome import absent, failed, passed
from firmware.crypto import health_tests
from firmware.drivers import atecc608_core as core
from firmware.drivers import atecc608_setup as setup
from firmware.drivers.ds3231 import RtcError
from firmware.drivers.ina219 import SupplyError
from firmware.drivers.modem import modem as modem_driver
from firmware.drivers.modem.errors import ModemSilent
from firmware.hal import pins
from firmware.hal.flash_area import FlashError
from firmware.hal.i2c_device import BusError
from protocol import at_lines

CLOCK_WATCH_MS = 2200
CLOCK_OFF_MOST_S = 120
ENTROPY_OCTETS = 2048
_DRAW_OCTETS = 512
# The battery is empty at the first (hardware/board/power.toml, start_volts), the converters end near the second.
SUPPLY_LEAST_MV = 10_800
SUPPLY_MOST_MV = 17_000
_SUPPLY_TRIES = 3
_SUPPLY_WAIT_MS = 10
MODEM_WAIT_MS = 90_000
_MODEM_LOOK_MS = 500
_MODEM_ENDS = {
    modem_driver.NO_SIM: (codes.MODEM_NO_SIM, "no SIM card"),
    modem_driver.SIM_LOCKED: (codes.MODEM_SIM_LOCKED, "the SIM card wants a PIN"),
    modem_driver.DENIED: (codes.MODEM_DENIED, "the network refuses this SIM card"),
}


async def flash(bench):
    """The chip has the size of the board's map, and a sector that holds nothing is erased, programmed and read back."""
    if bench.flash_octets and bench.flash_octets != pins.FLASH_BYTES:
        figures = (bench.flash_octets // 1024, pins.FLASH_BYTES // 1024)
        return failed(codes.FLASH_SIZE, "%d KB, the board's map says %d" % figures)
    area, sector = spare_sector.find(bench.flash)
    if area is None:
        return failed(codes.FLASH_NO_SPARE, "no sector of the roster areas is free")
    try:
        spare_sector.prove(area, sector)
    except spare_sector.FlashTestFailed as error:
        return failed(codes.FLASH_READ_BACK, "does not read back: %s" % error)
    except FlashError as error:
        return failed(codes.FLASH_REFUSES, str(error))
    return passed("%d KB, %s sector %d" % (bench.flash_octets // 1024, area.name, sector))


async def clock(bench):
    """It answers, never stopped, goes on, and agrees with the laptop where one told the time."""
    try:
        before_s, _ = bench.rtc.read()
        began_ms = bench.clock.ticks_ms()
        await bench.clock.sleep_ms(CLOCK_WATCH_MS)
        now_s, ran = bench.rtc.read()
        waited_ms = bench.clock.ticks_diff(bench.clock.ticks_ms(), began_ms)
    except BusError as error:
        return failed(codes.CLOCK_SILENT, str(error))
    except RtcError as error:
        return failed(codes.CLOCK_STOPPED, "holds no time: %s" % error)
    if not ran:
        return failed(codes.CLOCK_STOPPED, "its oscillator had stopped: the time is lost")
    if not waited_ms // 1000 - 1 <= now_s - before_s <= waited_ms // 1000 + 2:
        return failed(codes.CLOCK_STANDS, "%d s in %d ms" % (now_s - before_s, waited_ms))
    off_s = bench.off_laptop_s(now_s)
    if off_s is None:
        return passed("runs")
    if abs(off_s) > CLOCK_OFF_MOST_S:
        return failed(codes.CLOCK_WRONG, "%d s %s the laptop" % (abs(off_s), _than(off_s)))
    return passed("runs, %d s off the laptop" % abs(off_s))


def _than(off_s: int) -> str:
    return "ahead of" if off_s > 0 else "behind"


async def entropy(bench):
    """Repetition count and adaptive proportion of the hardware generator's octets (SP 800-90B)."""
    samples = b""
    try:
        while len(samples) < ENTROPY_OCTETS:
            drawn = bench.entropy(_DRAW_OCTETS)
            if not drawn or len(drawn) != _DRAW_OCTETS:
                return failed(codes.ENTROPY_NONE, "the generator gives too little")
            samples += drawn
            await asyncio.sleep_ms(0)
    except OSError as error:
        return failed(codes.ENTROPY_NONE, "the generator gives nothing, error %s" % error.errno)
    run = health_tests.longest_run(samples)
    most = health_tests.most_frequent_first(samples)
    figures = "%d octets, run %d of %d, window %d of %d" % (
        len(samples),
        run,
        health_tests.REPETITIONS_MAX,
        most,
        health_tests.OCCURRENCES_MAX,
    )
    if run > health_tests.REPETITIONS_MAX:
        return failed(codes.ENTROPY_REPEATS, figures)
    if most > health_tests.OCCURRENCES_MAX:
        return failed(codes.ENTROPY_UNEVEN, figures)
    return passed(figures)


async def key_chip(bench):
    """It wakes, is an ATECC608, tells serial number, locks and counters, and draws two different numbers."""
    chip = bench.key_chip
    try:
        # Once in a way that lets others run: what is not there is awaited three times.
        await chip.run(core.info())
        revision = chip.identify()
    except core.ChipSilent as error:
        if bench.is_expected("key-chip"):
            return failed(codes.KEY_CHIP_SILENT, str(error))
        return absent("none answers")
    except core.WrongChip as error:
        return failed(codes.KEY_CHIP_OTHER, str(error))
    except core.AteccError as error:
        return failed(codes.KEY_CHIP_FAILS, str(error))
    try:
        config = await setup.read(chip)
        first = await chip.run(core.read_counter(0) + core.random())
        second = await chip.run(core.read_counter(1) + core.random())
    except core.AteccError as error:
        return failed(codes.KEY_CHIP_FAILS, str(error))
    is_locked = setup.is_locked(config)
    if is_locked and first[1] == second[1]:
        return failed(codes.KEY_CHIP_FAILS, "draws the same number twice")
    if bench.keys_in_chip and not (is_locked and setup.is_data_locked(config)):
        return failed(codes.KEY_CHIP_OPEN, "holds this terminal's keys, and is not locked")
    locks = "locked" if setup.is_data_locked(config) else "data open" if is_locked else "open"
    serial = config[0:4] + config[8:13]
    counters = (int.from_bytes(first[0], "little"), int.from_bytes(second[0], "little"))
    figures = (revision.hex(), serial.hex(), locks) + counters
    return passed("revision %s, serial %s, %s, counters %d %d" % figures)


async def supply(bench):
    """The voltage behind the polarity diode."""
    millivolts = 0
    for tries_left in range(_SUPPLY_TRIES - 1, -1, -1):
        try:
            millivolts = bench.supply.read_millivolts()
            break
        except BusError as error:
            return failed(codes.SUPPLY_SILENT, str(error))
        except SupplyError as error:
            if not tries_left:
                return failed(codes.SUPPLY_OTHER, str(error))
        await bench.clock.sleep_ms(_SUPPLY_WAIT_MS)
    if millivolts < SUPPLY_LEAST_MV:
        return failed(codes.SUPPLY_LOW, "%d mV, at least %d" % (millivolts, SUPPLY_LEAST_MV))
    if millivolts > SUPPLY_MOST_MV:
        return failed(codes.SUPPLY_HIGH, "%d mV, at most %d" % (millivolts, SUPPLY_MOST_MV))
    return passed("%d mV" % millivolts)


async def modem(bench):
    """It answers, has a SIM card, and a network has taken it in."""
    driver = bench.modem
    if driver is not None:
        return await _registered(bench, driver, MODEM_WAIT_MS)
    if bench.make_modem is None or not bench.is_expected("modem"):
        return absent("no settings name one")
    driver = bench.make_modem()
    serving = asyncio.create_task(driver.run(_nothing))
    try:
        return await _registered(bench, driver, MODEM_WAIT_MS)
    finally:
        serving.cancel()


async def _registered(bench, driver, limit_ms: int):
    """Until it is registered, or what keeps it from that is known and time enough has passed."""
    for _ in range(0, limit_ms, _MODEM_LOOK_MS):
        if driver.state == modem_driver.READY or driver.state in _MODEM_ENDS:
            break
        await bench.clock.sleep_ms(_MODEM_LOOK_MS)
    state = driver.state
    if state == modem_driver.READY:
        return passed("registered, signal %s" % _strength(driver.service.signal))
    if state in _MODEM_ENDS:
        return failed(*_MODEM_ENDS[state])
    if state == modem_driver.SEARCHING:
        return failed(codes.MODEM_NOT_REGISTERED, "no network, signal %s" % _strength(driver.service.signal))
    if isinstance(driver.last_error, ModemSilent) or driver.last_error is None:
        return failed(codes.MODEM_SILENT, "does not answer")
    return failed(codes.MODEM_SILENT, "does not get ready: %s" % type(driver.last_error).__name__)


def _strength(signal: int) -> str:
    return "%d dBm" % at_lines.dbm(signal) if at_lines.dbm(signal) else "unknown"


def _nothing() -> None:
    pass
