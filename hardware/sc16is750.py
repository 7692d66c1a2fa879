"""The SC16IS750 bridge from I2C to a serial line (NXP, SC16IS740/750/760 data sheet): registers, FIFOs of 64 octets, GPIO.

Modelled: divisor, line control, FIFO control, levels, line status with overrun, GPIO direction and state, software reset.
Not modelled: interrupts (the board polls), modem lines, flow control, IrDA, sleep mode. A line of other than 8 data bits, no
parity and one stop bit, or a divisor that gives another speed than the device at the other end has, garbles every octet.
What the data sheet leaves open: the register pointer stays where it is, and what an empty FIFO reads is 0.
"""

FIFO_OCTETS = 64
_BITS_PER_OCTET = 10

_RHR = 0x00
_FCR = 0x02
_LCR = 0x03
_LSR = 0x05
_TXLVL = 0x08
_RXLVL = 0x09
_IODIR = 0x0A
_IOSTATE = 0x0B
_IOCONTROL = 0x0E

_DIVISOR_LATCH = 0x80
_ENHANCED = 0xBF
_LINE_8N1 = 0x03
_FIFO_ON = 0x01
_CLEAR_RECEIVED = 0x02
_CLEAR_SENT = 0x04
_SOFTWARE_RESET = 0x08
_LSR_DATA = 0x01
_LSR_OVERRUN = 0x02
_LSR_SENT = 0x60


class Sc16is750:
    """The chip with its crystal; `connect` a device that has `receive(value, now_us)` and a `baud`.

    `lost_octets` counts what came while the FIFO was full.
    """

    def __init__(self, clock, crystal_hz: int = 14745600):
        self._clock = clock
        self._crystal_hz = crystal_hz
        self._device = None
        self._watchers = []
        self._pointer = 0
        self.lost_octets = 0
        self.power_on()

    def power_on(self) -> None:
        """Supply came back, or a software reset: FIFOs off and empty, GPIO all inputs."""
        self._registers = bytearray(16)
        self._registers[_LCR] = 0x1D
        self._divisor = 1
        self._extras = bytearray(16)  # behind LCR = BF: taken, and without effect here
        self._outgoing = []
        self._outgoing_due_us = 0
        self._coming = []  # (moment, value): on the wire
        self._received = []
        self._overrun = False

    def connect(self, device) -> None:
        self._device = device

    def watch(self, callback) -> None:
        """Call `callback(bit, level)` after each change of a GPIO output."""
        self._watchers.append(callback)

    # ------------------------------------------------------------------ the serial line

    def deliver(self, data, from_us=None) -> None:
        """The device sends `data`, beginning now or at `from_us`."""
        moment_us = self._clock.now_us() if from_us is None else from_us
        if self._coming:
            moment_us = max(moment_us, self._coming[-1][0])
        for value in data:
            moment_us += self._octet_us(self._device.baud)
            self._coming.append((moment_us, value if self._is_in_tune() else value ^ 0xFF))

    def settle(self) -> None:
        """Move every octet whose time on the wire is over."""
        now_us = self._clock.now_us()
        while self._outgoing and self._outgoing_due_us <= now_us:
            value = self._outgoing.pop(0)
            due_us = self._outgoing_due_us
            self._outgoing_due_us += self._octet_us(self._baud())
            if self._device is not None:
                self._device.receive(value if self._is_in_tune() else value ^ 0xFF, due_us)
        while self._coming and self._coming[0][0] <= now_us:
            value = self._coming.pop(0)[1]
            room = FIFO_OCTETS if self._registers[_FCR] & _FIFO_ON else 1
            if len(self._received) < room:
                self._received.append(value)
            else:
                self._overrun = True
                self.lost_octets += 1

    def _baud(self) -> int:
        return self._crystal_hz // (16 * max(1, self._divisor))

    def _is_in_tune(self) -> bool:
        """Whether both ends agree within what a receiver bears, some 3 %."""
        if self._device is None or self._registers[_LCR] & 0x3F != _LINE_8N1:
            return False
        return abs(self._baud() - self._device.baud) * 33 <= self._device.baud

    def _octet_us(self, baud: int) -> int:
        return _BITS_PER_OCTET * 1000000 // max(1, baud)

    # ------------------------------------------------------------------ the bus

    def i2c_write(self, data) -> bool:
        self.settle()
        self._pointer = data[0] >> 3 & 0x0F
        for value in data[1:]:
            if self._pointer == _IOCONTROL and value & _SOFTWARE_RESET:
                self.power_on()
                return False  # it resets before it can acknowledge
            self._write(self._pointer, value)
        return True

    def i2c_read(self, buffer) -> None:
        self.settle()
        for index in range(len(buffer)):
            buffer[index] = self._read(self._pointer)

    def _write(self, register: int, value: int) -> None:
        latch = self._registers[_LCR] & _DIVISOR_LATCH
        if self._registers[_LCR] == _ENHANCED and register in (2, 4, 5, 6, 7):
            self._extras[register] = value
        elif latch and register == 0:
            self._divisor = self._divisor & 0xFF00 | value
        elif latch and register == 1:
            self._divisor = self._divisor & 0xFF | value << 8
        elif register == _RHR:
            self._send(value)
        elif register == _FCR:
            self._control_fifos(value)
        elif register == _IOSTATE:
            self._drive(value)
        elif register not in (_LSR, _TXLVL, _RXLVL):
            self._registers[register] = value

    def _read(self, register: int) -> int:
        latch = self._registers[_LCR] & _DIVISOR_LATCH
        if latch and register == 0:
            return self._divisor & 0xFF
        if latch and register == 1:
            return self._divisor >> 8
        if register == _RHR:
            return self._received.pop(0) if self._received else 0
        if register == _FCR:
            return 0x01 | (0xC0 if self._registers[_FCR] & _FIFO_ON else 0)  # IIR: no interrupt
        if register == _LSR:
            return self._line_status()
        if register == _TXLVL:
            return FIFO_OCTETS - len(self._outgoing)
        if register == _RXLVL:
            return len(self._received)
        return self._registers[register]

    def _line_status(self) -> int:
        status = _LSR_DATA if self._received else 0
        if not self._outgoing:
            status |= _LSR_SENT
        if self._overrun:
            status |= _LSR_OVERRUN
            self._overrun = False  # reading it clears it
        return status

    def _send(self, value: int) -> None:
        if len(self._outgoing) >= (FIFO_OCTETS if self._registers[_FCR] & _FIFO_ON else 1):
            self.lost_octets += 1
            return
        if not self._outgoing:
            self._outgoing_due_us = self._clock.now_us() + self._octet_us(self._baud())
        self._outgoing.append(value)

    def _control_fifos(self, value: int) -> None:
        if value & _CLEAR_RECEIVED:
            self._received = []
            self._overrun = False
        if value & _CLEAR_SENT:
            self._outgoing = []
        self._registers[_FCR] = value & 0xF1

    def _drive(self, value: int) -> None:
        """GPIO outputs change; inputs keep what they are."""
        before = self._registers[_IOSTATE]
        outputs = self._registers[_IODIR]
        after = before & ~outputs & 0xFF | value & outputs
        self._registers[_IOSTATE] = after
        for bit in range(8):
            if (before ^ after) >> bit & 1 or outputs >> bit & 1:
                for callback in self._watchers:
                    callback(bit, after >> bit & 1)
