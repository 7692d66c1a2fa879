"""Connects the PN532 model to the host: as an SPI slave with IRQ and reset pins, or as a serial line (HSU)."""

from hardware.buses import Pin

_STATUS_READ = 0x02
_DATA_WRITE = 0x01
_DATA_READ = 0x03
_READY = 0x01
_NOT_AWAKE = 0xAA  # what a real chip was seen to send while its oscillator starts
_IDLE = 0xFF


class SpiFace:
    """The SPI slave (UM0701-02, 6.2.5), low bit first: `SpiBus.attach(select_pin, face, 5000000, lsb_first=True)`."""

    MAX_HZ = 5000000

    def __init__(self, chip):
        self._chip = chip
        self._prefix = None
        self._awake = True
        self._frame = b""
        self._read = 0

    def select(self) -> None:
        """The select line falls, which also wakes a sleeping chip."""
        self._prefix = None
        self._awake = self._chip.wake()

    def deselect(self) -> None:
        """The select line rises; a frame of which anything was read is gone."""
        if self._prefix == _DATA_WRITE:
            self._chip.burst_ends()
        elif self._prefix == _DATA_READ and self._awake:
            self._chip.falls_asleep()
        self._prefix = None

    def exchange(self, sent, received) -> None:
        """Octets go both ways at once; the first after select says what follows."""
        if not self._awake:
            if received is not None:
                received[:] = bytes([_NOT_AWAKE]) * len(received)
            return
        at = 0
        if self._prefix is None and len(sent):
            self._prefix = sent[0]
            self._read = 0
            self._frame = b""
            if self._prefix == _DATA_READ:
                self._frame = self._chip.faults.on_wire(self._chip.take_output())
            if received is not None:
                received[0] = _IDLE
            at = 1
        if self._prefix == _DATA_WRITE:
            self._chip.host_sends(self._chip.faults.on_wire(bytes(sent[at:])))
        if received is None:
            self._read += len(sent) - at
            return
        if self._prefix == _STATUS_READ:
            octets = bytes([_READY if self._chip.has_output() else 0]) * (len(sent) - at)
        else:
            octets = self._frame[self._read : self._read + len(sent) - at]
            octets += bytes([_IDLE]) * (len(sent) - at - len(octets))
        self._read += len(octets)
        received[at:] = octets


class IrqPin(Pin):
    """P70_IRQ: low while a frame waits for the host. The chip is asked when the host looks."""

    def __init__(self, name: str, chip):
        super().__init__(name, 1)
        self._chip = chip

    def value(self, level=None):
        """The level now; the host cannot drive this pin."""
        self.drive(0 if self._chip.irq_enabled and self._chip.has_output() else 1)
        return super().value()


def reset_pin(name: str, chip, level: int = 1) -> Pin:
    """RSTPD_N, driven by the host."""
    pin = Pin(name, level)
    pin.watch(chip.reset_line)
    chip.reset_line(level)
    return pin


class HsuPort:
    """The host's end of a serial line to the chip, in the shape of `machine.UART`; octets take their time."""

    _BITS = 10  # start, eight data bits, stop

    def __init__(self, chip, clock, baudrate: int = 115200):
        self._chip = chip
        self._clock = clock
        self._octet_us = self._BITS * 1000000 // baudrate
        self._outgoing = []  # (moment_us, octet)
        self._sending_us = 0  # when the last octet has crossed, each way
        self._answering_us = 0
        self._incoming = []  # (moment_us, octet)

    def write(self, data) -> int:
        """Send octets; the chip has each when it has crossed the line."""
        self._sending_us = max(self._sending_us, self._clock.now_us())
        for octet in self._chip.faults.on_wire(bytes(data)):
            self._sending_us += self._octet_us
            self._outgoing.append((self._sending_us, octet))
        return len(data)

    def any(self) -> int:
        """Number of octets that can be read."""
        self._settle()
        now_us = self._clock.now_us()
        return sum([1 for moment_us, _ in self._incoming if moment_us <= now_us])

    def read(self, size=None):
        """Octets that have arrived, or None."""
        ready = self.any()
        size = ready if size is None else min(size, ready)
        if not size:
            return None
        octets = bytes([octet for _, octet in self._incoming[:size]])
        self._incoming = self._incoming[size:]
        return octets

    def _settle(self) -> None:
        """Carry over what has had its time, octet by octet: a sleeping chip loses what comes before it is awake."""
        now_us = self._clock.now_us()
        while self._outgoing and self._outgoing[0][0] <= now_us:
            moment_us, octet = self._outgoing.pop(0)
            self._chip.host_sends(bytes([octet]), moment_us)
        while self._chip.has_output():
            self._answering_us = max(self._answering_us, now_us)
            for octet in self._chip.faults.on_wire(self._chip.take_output()):
                self._answering_us += self._octet_us
                self._incoming.append((self._answering_us, octet))
            self._chip.falls_asleep()
