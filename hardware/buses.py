"""Pins, SPI, I2C, UART and watchdog in the shape of MicroPython's `machine`, with chip models behind them.

The firmware's drivers hold these objects where the real board gives them `machine.Pin`, `machine.SPI` and so on. What a
chip model must offer to be attached:

- SPI:  `select()`, `deselect()`, `exchange(sent, received)`; `sent` is a buffer in the chip's own bit order, `received`
  a writable buffer of the same length, or None when the host does not read.
- I2C:  `i2c_write(data) -> bool` (False is a NACK), `i2c_read(buffer)`.
- UART: `receive(value, now_us)`, one octet when its stop bit has passed; it answers with `uart.deliver(data)`.
"""

ENODEV = 19  # what MicroPython's ESP32 port raises when no chip acknowledges its address
ETIMEDOUT = 116  # ESP-IDF's number, not Linux's: what the port raises when the bus does not come free


class WiringError(Exception):
    """The host did something that damages or garbles real hardware: two chips selected, a clock too fast for a chip."""


class Pin:
    """One wire. The firmware calls `value`; the chip at the other end calls `drive` and is told of changes by `watch`."""

    IRQ_RISING = 1
    IRQ_FALLING = 2

    def __init__(self, name: str, level: int = 1):
        self.name = name
        self._level = level
        self._watchers = []
        self._refresh = None
        self._handler = None
        self._trigger = 0

    def value(self, level=None):
        if level is None:
            if self._refresh is not None:
                self._refresh()
            return self._level
        self.drive(level)
        return None

    def on(self) -> None:
        self.drive(1)

    def off(self) -> None:
        self.drive(0)

    def irq(self, handler=None, trigger=IRQ_RISING | IRQ_FALLING) -> None:
        self._handler = handler
        self._trigger = trigger

    def watch(self, callback) -> None:
        """Call `callback(level)` after each change of level."""
        self._watchers.append(callback)

    def refresh_with(self, callback) -> None:
        """Call `callback()` before a read, for a chip whose output changes with time alone."""
        self._refresh = callback

    def drive(self, level) -> None:
        level = 1 if level else 0
        if level == self._level:
            return
        self._level = level
        for callback in self._watchers:
            callback(level)
        edge = self.IRQ_RISING if level else self.IRQ_FALLING
        if self._handler is not None and self._trigger & edge:
            self._handler(self)


def reverse_bits(value: int) -> int:
    """The octet read from the other end."""
    result = 0
    for _ in range(8):
        result = result << 1 | value & 1
        value >>= 1
    return result


REVERSED = bytes([reverse_bits(value) for value in range(256)])


class SpiBus:
    """A shared SPI bus; each chip has its own active-low select pin, clock limit and bit order."""

    MSB = 0
    LSB = 1

    def __init__(self, baudrate: int, firstbit: int = MSB):
        self.baudrate = baudrate
        self.firstbit = firstbit
        self.octets = 0  # all that crossed the bus, for tests of traffic
        self._good_before = 0
        self._slots = []  # [select pin, chip, max_hz, lsb_first]
        self._fail_next = 0

    def init(self, baudrate=None, polarity=0, phase=0, firstbit=None) -> None:
        if polarity or phase:
            raise WiringError("every chip on this bus uses SPI mode 0")
        self.baudrate = self.baudrate if baudrate is None else baudrate
        self.firstbit = self.firstbit if firstbit is None else firstbit

    def attach(self, select_pin: Pin, chip, max_hz: int, lsb_first: bool = False) -> None:
        self._slots.append((select_pin, chip, max_hz, lsb_first))
        select_pin.watch(lambda level: chip.deselect() if level else chip.select())

    def fail_next(self, count: int, after: int = 0) -> None:
        """After `after` good ones, `count` transfers raise OSError, as when the controller is in a bad state."""
        self._good_before = after
        self._fail_next = count

    def write(self, data) -> None:
        self._transfer(data, None)

    def read(self, size: int, write: int = 0) -> bytes:
        received = bytearray(size)
        self.readinto(received, write)
        return bytes(received)

    def readinto(self, buffer, write: int = 0) -> None:
        self._transfer(bytes([write]) * len(buffer), buffer)

    def write_readinto(self, data, buffer) -> None:
        if len(data) != len(buffer):
            raise ValueError("buffers must be the same length")
        self._transfer(data, buffer)

    def _transfer(self, sent, received) -> None:
        if self._good_before:
            self._good_before -= 1
        elif self._fail_next:
            self._fail_next -= 1
            raise OSError(ETIMEDOUT)
        selected = [slot for slot in self._slots if not slot[0].value()]
        if len(selected) > 1:
            raise WiringError("%d chips selected at once" % len(selected))
        self.octets += len(sent)
        if not selected:
            if received is not None:
                received[:] = b"\xff" * len(received)  # nothing drives MISO; its pull-up does
            return
        select_pin, chip, max_hz, lsb_first = selected[0]
        if self.baudrate > max_hz:
            raise WiringError("%s: %d Hz, chip allows %d Hz" % (select_pin.name, self.baudrate, max_hz))
        crossed = lsb_first != (self.firstbit == self.LSB)
        if crossed:
            sent = bytes([REVERSED[value] for value in sent])
        chip.exchange(sent, received)
        if crossed and received is not None:
            for index in range(len(received)):
                received[index] = REVERSED[received[index]]


class I2cBus:
    """An I2C bus with 7-bit addresses; faults are injected with `fail_next` and `hold_sda`."""

    RECOVERY_PULSES = 9

    def __init__(self, freq: int):
        self.freq = freq
        self.transfers = 0
        self.recoveries = 0
        self._chips = {}
        self._fail_next = 0
        self._held_pulses = 0

    def attach(self, address: int, chip) -> None:
        if address in self._chips:
            raise WiringError("two chips at I2C address 0x%02x" % address)
        self._chips[address] = chip

    def detach(self, address: int) -> None:
        """The chip at `address` no longer answers: broken, or its wire cut."""
        del self._chips[address]

    def fail_next(self, count: int) -> None:
        """The next `count` transfers are not acknowledged."""
        self._fail_next = count

    def hold_sda(self, pulses: int) -> None:
        """A chip was cut off inside a read and holds SDA low until it has seen `pulses` clock pulses."""
        self._held_pulses = pulses

    def pulse_clock(self, pulses: int) -> None:
        """What the HAL does on the real pins to free a held bus (UM10204, 3.1.16)."""
        self.recoveries += 1
        self._held_pulses = max(0, self._held_pulses - pulses)

    def scan(self) -> list:
        return sorted(self._chips)

    def writeto(self, address: int, data, stop: bool = True) -> int:
        self._write(address, data)
        return len(data)

    def readfrom(self, address: int, size: int) -> bytes:
        buffer = bytearray(size)
        self.readfrom_into(address, buffer)
        return bytes(buffer)

    def readfrom_into(self, address: int, buffer) -> None:
        self._chip(address).i2c_read(buffer)

    def writeto_mem(self, address: int, register: int, data) -> None:
        self._write(address, bytes([register]) + bytes(data))

    def readfrom_mem(self, address: int, register: int, size: int) -> bytes:
        buffer = bytearray(size)
        self.readfrom_mem_into(address, register, buffer)
        return bytes(buffer)

    def readfrom_mem_into(self, address: int, register: int, buffer) -> None:
        self._write(address, bytes([register]))
        self._chip(address).i2c_read(buffer)

    def _write(self, address: int, data) -> None:
        if not self._chip(address).i2c_write(data):
            raise OSError(ENODEV)

    def _chip(self, address: int):
        self.transfers += 1
        if self._held_pulses:
            raise OSError(ETIMEDOUT)
        if self._fail_next:
            self._fail_next -= 1
            raise OSError(ENODEV)
        if address not in self._chips:
            raise OSError(ENODEV)
        return self._chips[address]


class Uart:
    """The host's end of a serial line; octets take their time on the wire, and full buffers block or lose."""

    BITS_PER_OCTET = 10  # start, eight data bits, stop

    def __init__(self, clock, baudrate: int, txbuf: int = 256, rxbuf: int = 256):
        self._clock = clock
        self._octet_us = self.BITS_PER_OCTET * 1000000 // baudrate
        self._txbuf = txbuf
        self._rxbuf = rxbuf
        self._outgoing = bytearray()
        self._outgoing_due_us = 0  # when the stop bit of the first outgoing octet passes
        self._incoming = []  # (moment_us, value)
        self._device = None
        self.blocked_us = 0  # how long write() kept the processor: must stay 0 in an asynchronous driver
        self.lost_octets = 0

    def connect(self, device) -> None:
        self._device = device

    def write(self, data) -> int:
        self.settle()
        for value in data:
            while len(self._outgoing) >= self._txbuf:
                wait_us = max(1, self._outgoing_due_us - self._clock.now_us())
                self.blocked_us += wait_us
                self._clock.spend_us(wait_us)
                self.settle()
            if not self._outgoing:
                self._outgoing_due_us = self._clock.now_us() + self._octet_us
            self._outgoing.append(value)
        return len(data)

    def txdone(self) -> bool:
        """True when the last octet has left (as machine.UART.txdone)."""
        self.settle()
        return not self._outgoing

    def any(self) -> int:
        self.settle()
        now_us = self._clock.now_us()
        return sum([1 for moment_us, _ in self._incoming if moment_us <= now_us])

    def read(self, size=None):
        ready = self.any()
        size = ready if size is None else min(size, ready)
        if not size:
            return None
        return bytes([self._incoming.pop(0)[1] for _ in range(size)])

    def readinto(self, buffer, size=None):
        data = self.read(len(buffer) if size is None else size)
        if data is None:
            return None
        buffer[: len(data)] = data
        return len(data)

    def deliver(self, data, from_us=None) -> None:
        """The device at the other end sends `data`, beginning now or at `from_us`.

        What does not fit the receive buffer is lost, as on the chip.
        """
        moment_us = self._clock.now_us() if from_us is None else from_us
        if self._incoming:
            moment_us = max(moment_us, self._incoming[-1][0])
        for value in data:
            moment_us += self._octet_us
            if len(self._incoming) >= self._rxbuf:
                self.lost_octets += 1
            else:
                self._incoming.append((moment_us, value))

    def settle(self) -> None:
        """Hand the device every octet whose time on the wire is over."""
        now_us = self._clock.now_us()
        while self._outgoing and self._outgoing_due_us <= now_us:
            value = self._outgoing[0]
            self._outgoing = self._outgoing[1:]
            due_us = self._outgoing_due_us
            self._outgoing_due_us += self._octet_us
            if self._device is not None:
                self._device.receive(value, due_us)


class Watchdog:
    """machine.WDT: once started it only can be fed; `expired()` tells a test whether the board would have been reset."""

    def __init__(self, clock, timeout_ms: int):
        self._clock = clock
        self._timeout_us = timeout_ms * 1000
        self._fed_us = clock.now_us()
        self._missed = False
        self.feeds = 0

    def feed(self) -> None:
        self._missed = self.expired()
        self._fed_us = self._clock.now_us()
        self.feeds += 1

    def expired(self) -> bool:
        return self._missed or self._clock.now_us() - self._fed_us > self._timeout_us
