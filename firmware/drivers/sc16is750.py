"""The bridge from I2C to the contact reader's serial line: its speed, its FIFOs, and one pin.

Polled: no pin of the module is left for its interrupt. Its FIFO holds 64 octets, 16 ms at 38400 baud; what comes while nobody
reads for longer is lost, and told by `read`.
"""

from firmware.card.errors import ReaderError

# Registers (NXP, SC16IS740/750/760 data sheet, table 10); on the bus the number stands above three bits of channel.
_FIFO = 0x00
_DIVISOR_LOW = 0x00
_DIVISOR_HIGH = 0x01
_FIFO_CONTROL = 0x02
_LINE_CONTROL = 0x03
_LINE_STATUS = 0x05
_FREE = 0x08
_WAITING = 0x09
_PIN_DIRECTION = 0x0A
_PIN_STATE = 0x0B

_DIVISOR_LATCH = b"\x83"
_LINE_8N1 = 0x03
_FIFOS_EMPTY_AND_ON = b"\x07"
_OVERRUN = 0x02
FIFO_OCTETS = 64
_PIN_0 = b"\x01"


class BridgeOverrun(ReaderError):
    """Octets were lost because nobody read them in time."""

    def __init__(self) -> None:
        super().__init__("SC16IS750: octets lost, its FIFO was full")


class Sc16is750:
    """`device` is an I2cDevice, whose BusError every method may raise; `crystal_hz` the crystal beside the chip. `overruns` counts
    losses.
    """

    def __init__(self, device, crystal_hz: int):
        self._device = device
        self._crystal_hz = crystal_hz
        self._one = bytearray(1)
        self.overruns = 0

    def start(self, baud: int) -> None:
        """Set the line to `baud`, 8 data bits, no parity, one stop bit; empty both FIFOs; pin 0 becomes an output, high.

        ReaderError if what answers does not keep what is written to it.
        """
        divisor = (self._crystal_hz + 8 * baud) // (16 * baud)
        self._write(_LINE_CONTROL, _DIVISOR_LATCH)
        self._write(_DIVISOR_LOW, bytes((divisor & 0xFF,)))
        self._write(_DIVISOR_HIGH, bytes((divisor >> 8,)))
        self._write(_LINE_CONTROL, bytes((_LINE_8N1,)))
        if self._read(_LINE_CONTROL) != _LINE_8N1:
            raise ReaderError("SC16IS750: another chip answered")
        self.clear()
        self._write(_PIN_DIRECTION, _PIN_0)
        self.drive(1)

    def drive(self, level: int) -> None:
        """Set pin 0."""
        self._write(_PIN_STATE, bytes((1 if level else 0,)))

    def clear(self) -> None:
        """Forget what was received and not read, and what was not sent yet."""
        self._write(_FIFO_CONTROL, _FIFOS_EMPTY_AND_ON)

    def send(self, data) -> int:
        """Hand over as much of `data` as there is room for; how many octets that was."""
        size = min(len(data), self._read(_FREE))
        if size:
            self._write(_FIFO, data[:size])
        return size

    def read(self) -> bytes:
        """What was received. BridgeOverrun if something before it was lost."""
        size = min(self._read(_WAITING), FIFO_OCTETS)
        if not size:
            return b""
        if size == FIFO_OCTETS and self._read(_LINE_STATUS) & _OVERRUN:
            self.overruns += 1
            self.clear()
            raise BridgeOverrun
        octets = bytearray(size)
        self._device.read_into(_FIFO << 3, octets)
        return octets

    def _write(self, register: int, data) -> None:
        self._device.write(register << 3, data)

    def _read(self, register: int) -> int:
        self._device.read_into(register << 3, self._one)
        return self._one[0]
