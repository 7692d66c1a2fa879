"""The MCP23017 port expander and what the board wires to it: a key matrix, switches, LEDs, buzzer (DS20001952, 3.5).

Bits 0 to 7 are GPA0 to GPA7, bits 8 to 15 are GPB0 to GPB7. Keys and switches are contacts between two bits or between
a bit and ground, so that ghost keys and shorted outputs come out as they do in copper.
"""

GROUND = -1

# Registers in the order of bank 1; bank 0 interleaves the two ports.
IODIR, IPOL, GPINTEN, DEFVAL, INTCON, IOCON, GPPU, INTF, INTCAP, GPIO, OLAT = range(11)
_KINDS = 11

_IOCON_BANK = 0x80
_IOCON_MIRROR = 0x40
_IOCON_SEQOP = 0x20
_IOCON_ODR = 0x04
_IOCON_INTPOL = 0x02

# GPA7 and GPB7 can be set to input, but then do not read the pin (data sheet revision D).
_OUTPUT_ONLY = 0x80


class Mcp23017:
    """The chip. `contentions` counts moments at which a contact joined an output that is high to one that is low."""

    def __init__(self, interrupt_a=None, interrupt_b=None):
        self._interrupt_pins = (interrupt_a, interrupt_b)
        self._contacts = []
        self._watchers = []
        self.contentions = 0
        self.power_on()

    def power_on(self) -> None:
        """Registers after power-up: all pins inputs, everything else 0."""
        self._registers = [bytearray(2) for _ in range(_KINDS)]
        self._registers[IODIR][:] = b"\xff\xff"
        self._pointer = 0
        self._levels = 0
        self._reference = bytearray(2)  # what "interrupt on change" compares with
        self._update()

    # -- the board around the chip

    def close(self, first: int, second: int) -> None:
        """A contact joins two bits, or a bit and GROUND."""
        if (first, second) not in self._contacts:
            self._contacts.append((first, second))
            self._update()

    def open(self, first: int, second: int) -> None:
        if (first, second) in self._contacts:
            self._contacts.remove((first, second))
            self._update()

    def level(self, bit: int) -> int:
        """The level on the wire of `bit`."""
        return self._levels >> bit & 1

    def watch(self, callback) -> None:
        """Call `callback(bit, level)` when a wire changes."""
        self._watchers.append(callback)

    # -- I2C

    def i2c_write(self, data) -> bool:
        for index, value in enumerate(data):
            if index == 0:
                self._pointer = value
            else:
                self._write(value)
                self._advance()
        return True

    def i2c_read(self, buffer) -> None:
        for index in range(len(buffer)):
            buffer[index] = self._read()
            self._advance()

    # -- registers

    def _control(self) -> int:
        return self._registers[IOCON][0]

    def _place(self) -> tuple:
        """(kind, port) that the pointer names, kind being out of range where no register is."""
        if self._control() & _IOCON_BANK:
            return self._pointer & 0x0F, self._pointer >> 4 & 1
        return self._pointer >> 1, self._pointer & 1

    def _advance(self) -> None:
        control = self._control()
        if control & _IOCON_SEQOP:
            if not control & _IOCON_BANK:
                self._pointer ^= 1  # byte mode goes to and fro between the two ports of a pair
            return
        last = 0x1A if control & _IOCON_BANK else 2 * _KINDS - 1
        self._pointer = 0 if self._pointer >= last else self._pointer + 1

    def _write(self, value: int) -> None:
        kind, port = self._place()
        if kind >= _KINDS or kind in (INTF, INTCAP):
            return
        if kind == IOCON:
            self._registers[IOCON][0] = self._registers[IOCON][1] = value & 0xFE
        else:
            self._registers[OLAT if kind == GPIO else kind][port] = value
        self._update()

    def _read(self) -> int:
        kind, port = self._place()
        if kind >= _KINDS:
            return 0
        value = self._port_value(port) if kind == GPIO else self._registers[kind][port]
        if kind in (GPIO, INTCAP):
            self._registers[INTF][port] = 0
            self._reference[port] = self._port_value(port)
            self._update()
        return value

    def _port_value(self, port: int) -> int:
        inputs = self._registers[IODIR][port]
        seen = (self._levels >> 8 * port & 0xFF) ^ self._registers[IPOL][port] & inputs
        return seen & ~(inputs & _OUTPUT_ONLY)

    # -- wires

    def _update(self) -> None:
        """Let the wires settle, tell who watches them, and raise interrupts."""
        before = self._levels
        self._levels = self._settled()
        for bit in range(16):
            if (before ^ self._levels) >> bit & 1:
                for callback in self._watchers:
                    callback(bit, self.level(bit))
        for port in range(2):
            self._interrupt(port)
        self._drive_interrupt_pins()

    def _settled(self) -> int:
        inputs = self._registers[IODIR][0] | self._registers[IODIR][1] << 8
        latches = self._registers[OLAT][0] | self._registers[OLAT][1] << 8
        pulled_up = self._registers[GPPU][0] | self._registers[GPPU][1] << 8
        levels = 0
        shorted = False
        for group in self._groups():
            driven = [latches >> bit & 1 for bit in group if bit != GROUND and not inputs >> bit & 1]
            if GROUND in group:
                driven.append(0)
            if driven:
                high = all(driven)
                shorted = shorted or any(driven) != high
            else:
                # A wire that nothing holds reads low, so that a driver without its pull-ups sees keys that are not there.
                high = any(pulled_up >> bit & 1 for bit in group)
            if high:
                for bit in group:
                    levels |= 1 << bit
        self.contentions += shorted
        return levels

    def _groups(self) -> list:
        """Bits that contacts join, as lists."""
        groups = [[bit] for bit in range(GROUND, 16)]
        for first, second in self._contacts:
            one = next(group for group in groups if first in group)
            two = next(group for group in groups if second in group)
            if one is not two:
                groups.remove(two)
                one.extend(two)
        return groups

    # -- interrupts

    def _interrupt(self, port: int) -> None:
        value = self._port_value(port)
        enabled = self._registers[GPINTEN][port]
        against_default = self._registers[INTCON][port]
        # Where no interrupt is enabled, the comparison follows the pin.
        self._reference[port] = self._reference[port] & enabled | value & ~enabled & 0xFF
        compared = self._reference[port] & ~against_default | self._registers[DEFVAL][port] & against_default
        different = (value ^ compared) & enabled
        if different and not self._registers[INTF][port]:
            self._registers[INTF][port] = different
            self._registers[INTCAP][port] = value

    def _drive_interrupt_pins(self) -> None:
        control = self._control()
        flags = [bool(self._registers[INTF][port]) for port in range(2)]
        if control & _IOCON_MIRROR:
            flags = [any(flags)] * 2
        for pin, active in zip(self._interrupt_pins, flags):
            if pin is not None:
                # An open-drain output is always active low; its pull-up is on the board.
                inverted = control & _IOCON_INTPOL and not control & _IOCON_ODR
                pin.drive(active if inverted else not active)


class MatrixKeypad:
    """Keys between column and row bits of an expander; `keys` has one string per row, one character per column."""

    def __init__(self, expander: Mcp23017, column_bits, row_bits, keys):
        self._expander = expander
        self._places = {}
        for row_bit, labels in zip(row_bits, keys):
            for column_bit, label in zip(column_bits, labels):
                self._places[label] = (column_bit, row_bit)

    def press(self, key: str) -> None:
        self._expander.close(*self._places[key])

    def release(self, key: str) -> None:
        self._expander.open(*self._places[key])
