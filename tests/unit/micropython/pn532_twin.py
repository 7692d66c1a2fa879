"""The reader driver against the chip model, in model time: nothing here waits for real."""

from firmware.drivers.pn532 import Pn532Reader
from firmware.drivers.pn532_transport import HsuTransport, SpiTransport
from hardware.buses import Pin, SpiBus
from hardware.model_clock import ManualClock
from hardware.pn532 import Pn532
from hardware.pn532_bus import HsuPort, IrqPin, SpiFace, reset_pin

LINKS = ("spi", "spi_lsb", "spi_polled", "hsu")
TICKS_MASK = (1 << 30) - 1  # ticks wrap as on the ESP32


class TickClock:
    """`firmware.hal.clock.Clock` in model time."""

    def __init__(self, model, start_ms=0):
        self._model = model
        self._start_ms = start_ms
        self.at_sleep = None  # called at each sleep, to let things happen in between
        self.at_tick = None  # called at each look at the clock

    def ticks_ms(self):
        if self.at_tick:
            self.at_tick()
        return (self._start_ms + self._model.now_us() // 1000) & TICKS_MASK

    def ticks_diff(self, later, earlier):
        return ((later - earlier + (1 << 29)) & TICKS_MASK) - (1 << 29)

    async def sleep_ms(self, duration_ms):
        self._model.advance_us(duration_ms * 1000 or 50)
        if self.at_sleep:
            self.at_sleep()


class Twin:
    """A reader wired to its chip model; `link` is `spi`, `spi_lsb` (the bus turns the bits), `spi_polled` or `hsu`."""

    def __init__(self, link="spi", faults=None, start_ms=0):
        self.time = ManualClock()
        self.clock = TickClock(self.time, start_ms)
        self.chip = Pn532(self.time, faults)
        self.reset_pin = reset_pin("pn532_reset", self.chip)
        if link == "hsu":
            self.uart = HsuPort(self.chip, self.time)
            transport = HsuTransport(self.uart, self.clock)
        else:
            select = self.select = Pin("pn532_select", 1)
            self.bus = SpiBus(4000000, SpiBus.LSB if link == "spi_lsb" else SpiBus.MSB)
            self.bus.attach(select, SpiFace(self.chip), SpiFace.MAX_HZ, lsb_first=True)
            self.irq = None if link == "spi_polled" else IrqPin("pn532_irq", self.chip)
            transport = SpiTransport(self.bus, select, self.irq, self.clock, lsb_first=link == "spi_lsb")
        self.transport = transport
        self.reader = Pn532Reader(transport, self.reset_pin, self.clock)

    def now_ms(self):
        return self.time.now_us() // 1000


class EchoCard:
    """A card that answers each command with `answer(command)`; `busy_ms` as the model wants it."""

    def __init__(self, answer=None, ats="0678778002" + "00", busy_ms=0, sak=0x20):
        self._answer = answer or (lambda command: command + b"\x90\x00")
        self._ats = bytes.fromhex(ats)
        self._sak = sak
        self.busy_ms = busy_ms
        self.seen = []
        self.powered = False

    def activate(self):
        self.powered = True
        return b"\x00\x04", self._sak, b"\x08\x11\x22\x33", self._ats

    def deactivate(self):
        self.powered = False

    def exchange(self, command):
        self.seen.append(bytes(command))
        return self._answer(command)


async def with_card(link="spi", card=None, faults=None):
    """A twin with its card (`twin.card`) found and active."""
    twin = Twin(link, faults)
    twin.card = card or EchoCard()
    await twin.reader.start()
    twin.chip.place(twin.card)
    assert await twin.reader.wait_for_card(1000) is not None
    return twin


async def caught(exc_type, coroutine):
    """The exception of type `exc_type` that awaiting must raise."""
    try:
        got = await coroutine
    except exc_type as exc:
        return exc
    raise AssertionError("no %s raised, got %r" % (exc_type.__name__, got))
