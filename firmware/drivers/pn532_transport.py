"""How frames get to the PN532 and back: over SPI with IRQ pin (the reference board), or over a serial line (HSU).

Both have `wake()`, `send(frame)`, `receive(core, timeout_ms)`, which returns what `Core.poll` told, and `clear()`.
Buses and pins have the shapes of `machine`; `clock` is `firmware.hal.clock.Clock` or its equal.
"""

import micropython

from firmware.drivers.pn532_core import (
    FRAME_OCTETS_MAX,
    PENDING,
    Core,
    FrameDamaged,
    ReaderTimeout,
)

_DATA_WRITE = 0x01
_STATUS_READ = 0x02
_DATA_READ = 0x03
_READY = 0x01
_ACK_OCTETS = 6
# The first looks come at once, as an acknowledgement takes less than a millisecond.
_EAGER_LOOKS = 3
_STALE_FRAMES_MAX = 3
# From the first edge on its interface to listening (data sheet, 8.3.2: oscillator start-up).
_WAKE_MS = 2
# Stirs a sleeping chip and outlasts its start-up: 24 octets are 2 ms at 115200 baud.
_HSU_PREAMBLE = b"\x55\x55" + bytes(22)


# Native code: a loop of the interpreter takes fifteen times as long and would be half of this driver's work.
@micropython.viper
def turn_round(octets, size: int):
    """Reverse the bits of the first `size` octets in place."""
    at = ptr8(octets)  # noqa: F821 - a word of viper's  # type: ignore[name-defined]
    for index in range(size):
        value = at[index]
        value = (value & 0xF0) >> 4 | (value & 0x0F) << 4
        value = (value & 0xCC) >> 2 | (value & 0x33) << 2
        at[index] = (value & 0xAA) >> 1 | (value & 0x55) << 1


@micropython.viper
def wipe(octets, size: int):
    """Overwrite the first `size` octets: a command may have held a PIN (VERIFY of the programme's card)."""
    at = ptr8(octets)  # noqa: F821 - a word of viper's  # type: ignore[name-defined]
    for index in range(size):
        at[index] = 0


async def _wait(clock, is_ready, timeout_ms: int) -> bool:
    """Look until `is_ready()` or the time is over; looks once more after it, as a collection may have eaten the time."""
    started = clock.ticks_ms()
    looks = 0
    while not is_ready():
        if clock.ticks_diff(clock.ticks_ms(), started) >= timeout_ms:
            return bool(is_ready())
        await clock.sleep_ms(0 if looks < _EAGER_LOOKS else 1)
        looks += 1
    return True


class SpiTransport:
    """SPI (6.2.5): the first octet says what follows; the chip's octets come low bit first.

    The bus is shared: the select line goes low and high again within one call that never yields, so no lock is needed.
    `lsb_first` tells that the bus itself turns the bits; else this driver does. Without `irq` the status octet is polled.
    """

    def __init__(self, spi, select, irq, clock, *, lsb_first: bool = False) -> None:
        self.irq_failures = 0
        self._spi = spi
        self._select = select
        self._irq = irq
        self._clock = clock
        self._lsb_first = lsb_first
        self._buffer = bytearray(FRAME_OCTETS_MAX + 1)
        self._view = memoryview(self._buffer)
        self._status = bytearray(2)
        self._read_command = self._turned(bytes((_DATA_READ,)))
        self._status_command = self._turned(bytes((_STATUS_READ, 0x00)))

    async def wake(self) -> None:
        """Stir a chip that sleeps or has just been reset."""
        self._select.value(0)
        self._select.value(1)
        await self._clock.sleep_ms(_WAKE_MS)

    def clear(self) -> None:
        """Nothing lies about between frames."""

    async def send(self, frame: bytes) -> None:
        """Write one frame."""
        size = len(frame) + 1
        buffer = self._buffer
        buffer[0] = _DATA_WRITE
        buffer[1:size] = frame
        if not self._lsb_first:
            turn_round(buffer, size)
        self._select.value(0)
        try:
            self._spi.write(self._view[:size])
        finally:
            self._select.value(1)
            wipe(buffer, size)

    async def receive(self, core: Core, timeout_ms: int) -> int:
        """Wait for the chip and read a frame; ReaderTimeout, or FrameDamaged when no frame can be made out."""
        for _ in range(_STALE_FRAMES_MAX):
            if not await self._wait_ready(timeout_ms):
                raise ReaderTimeout("answer", timeout_ms)
            event = self._read(core)
            if event != PENDING:
                return event
        raise FrameDamaged("PN532: nothing but answers to other commands")

    async def _wait_ready(self, timeout_ms: int) -> bool:
        if self._irq is None:
            return await _wait(self._clock, self._status_is_ready, timeout_ms)
        if await _wait(self._clock, self._irq_is_low, timeout_ms):
            return True
        if not self._status_is_ready():
            return False
        # The chip is ready and its IRQ line does not say so: a broken wire. Go on without it.
        self.irq_failures += 1
        self._irq = None
        return True

    def _read(self, core: Core) -> int:
        """Read as many octets as the frame turns out to have, in one go of the select line.

        PENDING means that it was whole, but no answer to this command.
        """
        stale = core.stale_answers
        total = 0
        want = _ACK_OCTETS
        self._select.value(0)
        try:
            self._spi.write(self._read_command)
            while total + want <= FRAME_OCTETS_MAX:
                part = self._view[:want]
                self._spi.readinto(part, 0)
                if not self._lsb_first:
                    turn_round(self._buffer, want)
                core.feed(bytes(part))
                event = core.poll()
                if event != PENDING or core.stale_answers != stale:
                    return event
                total += want
                want = core.needed()
        finally:
            self._select.value(1)
        raise FrameDamaged("PN532: no frame within %d octets" % total)

    def _irq_is_low(self) -> bool:
        return not self._irq.value()

    def _status_is_ready(self) -> bool:
        """Ask by the status octet (6.2.5.1)."""
        self._select.value(0)
        try:
            self._spi.write_readinto(self._status_command, self._status)
        finally:
            self._select.value(1)
        return self._turned(self._status)[1] & 0x7F == _READY

    def _turned(self, octets: bytes) -> bytes:
        """A copy in the order of the bus."""
        copy = bytearray(octets)
        if not self._lsb_first:
            turn_round(copy, len(copy))
        return bytes(copy)


class HsuTransport:
    """Serial line (6.2.3): frames come as they are; a sleeping chip needs a preamble."""

    def __init__(self, uart, clock) -> None:
        self._uart = uart
        self._clock = clock

    async def wake(self) -> None:
        """Stir a chip that sleeps or has just been reset; the octets themselves outlast its start-up."""
        self._uart.write(_HSU_PREAMBLE)
        await self._clock.sleep_ms(_WAKE_MS)

    def clear(self) -> None:
        """Drop what has arrived uncalled for."""
        while self._uart.any():
            self._uart.read()

    async def send(self, frame: bytes) -> None:
        """Write one frame. What the port's own buffer keeps of it is out of reach."""
        self._uart.write(frame)

    async def receive(self, core: Core, timeout_ms: int) -> int:
        """Take octets as they come until they make a frame; ReaderTimeout, however much else has come by then."""
        started = self._clock.ticks_ms()
        late = False
        while True:
            event = core.poll()
            if event != PENDING:
                return event
            left_ms = timeout_ms - self._clock.ticks_diff(self._clock.ticks_ms(), started)
            # What is there when the time is over still counts: this processor may have been late, not the chip.
            if late or not await _wait(self._clock, self._uart.any, max(left_ms, 0)):
                raise ReaderTimeout("answer", timeout_ms)
            late = left_ms <= 0
            octets = self._uart.read()
            if octets:
                core.feed(octets)
