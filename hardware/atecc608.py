"""The ATECC608 secure element on its I2C pins: wake, sleep, idle, watchdog, groups in and out, and time to compute.

From the public data sheets (word addresses, status codes, wake) and the vendor's open library (times, wake answer). What
they leave open is decided so: a count outside 7..155 or a wrong CRC is answered at once; octets after a whole command
are ignored; a digest serves one Sign or Verify; Sign works with the data zone open, ECDH does not; memory changes when a
command ends. Traffic to other chips on a slow bus can wake the part: a test says so by `stray_wake`.
"""

import os

from hardware import atecc608_frames as frames
from hardware.atecc608_commands import COUNTER, Engine
from hardware.atecc608_faults import NoFaults
from hardware.atecc608_memory import Memory
from hardware.buses import ENODEV

GENERAL_CALL = 0x00
WAKE_LOW_US = 60  # SDA low for at least this long
WAKE_HIGH_US = 1500  # then this long until the part listens
LONG_WATCHDOG_MS = 10000

# Word addresses.
RESET = 0x00
SLEEP = 0x01
IDLE = 0x02
COMMAND = 0x03

ASLEEP, IDLING, AWAKE = "asleep", "idle", "awake"


class Atecc608:
    """One part; `attach_to` puts it on a bus.

    `speed_percent`: how much of the longest execution time it takes. `watchdog_ms`: 700 to 1700 in real parts.
    """

    def __init__(
        self,
        clock,
        memory: Memory = None,
        entropy=os.urandom,
        faults=None,
        speed_percent: int = 100,
        watchdog_ms: int = 1300,
    ):
        self._clock = clock
        self.memory = memory or Memory()
        self.engine = Engine(self.memory, entropy)
        self.faults = faults or NoFaults()
        self.speed_percent = speed_percent
        self.watchdog_ms = watchdog_ms
        self._bus = None
        self.transfers = 0
        self.commands = 0
        self.wakes = 0
        self.watchdog_struck = 0
        self._power_up()

    def attach_to(self, bus, address: int) -> None:
        """Connect to an I2cBus at a 7-bit address; SDA's level reaches the part as writes to the general call."""
        self._bus = bus
        bus.attach(address, self)
        bus.attach(GENERAL_CALL, _WakeLine(self))

    # ---------------------------------------------------------------- the world outside

    def power_cycle(self) -> None:
        """The supply fails and comes back; a command under way is not finished, but see `interrupted_lands`."""
        self._settle()
        if self._pending is not None and self.faults.interrupted_lands():
            opcode, mode, key, data = self._pending
            extra = self.faults.counts_extra() if opcode == COUNTER else 0
            self.engine.run(opcode, mode, key, data, extra=extra)
        self._power_up()

    def sda_low(self, duration_us: int) -> None:
        """The data wire was low for so long and rose again."""
        self._settle()
        if self.state == AWAKE or duration_us < WAKE_LOW_US:
            return
        now_us = self._clock.now_us()
        self.wakes += 1
        self.state = AWAKE
        self._input = b""
        self._pending = None
        self._ready_us = now_us + WAKE_HIGH_US
        watchdog_ms = LONG_WATCHDOG_MS if self.memory.long_watchdog() else self.watchdog_ms
        self._sleep_us = now_us + watchdog_ms * 1000
        self._answer(frames.status(frames.AFTER_WAKE))
        self.engine.failed_tests = 0
        if self.memory.tests_itself_at_wake() and self.engine.broken_tests:
            self.engine.failed_tests = self.engine.broken_tests
            self._answer(frames.WAKE_SELF_TEST_FAILED)

    def stray_wake(self) -> None:
        """Slow traffic to another chip held SDA low for long enough."""
        self.sda_low(WAKE_LOW_US)

    # ---------------------------------------------------------------- the bus

    def i2c_write(self, data) -> bool:
        if not self._addressed():
            return False
        octets = self.faults.on_wire(bytes(data))
        self._spend_octets(len(data))
        if self.state != AWAKE:  # the supply failed meanwhile
            return False
        if not octets:
            return True
        word = octets[0]
        if word == RESET:
            self._at = 0
            self._input = b""
        elif word == SLEEP:
            self._sleep()
        elif word == IDLE:
            self.state = IDLING
        elif word == COMMAND:
            self._input += octets[1:]
            self._take_input()
        return True

    def i2c_read(self, buffer) -> None:
        if not self._addressed() or self._input:  # half a command: nothing to tell
            raise OSError(ENODEV)
        self._spend_octets(len(buffer))
        octets = self._output[self._at : self._at + len(buffer)]
        self._at += len(octets)
        octets = self.faults.on_wire(octets)
        buffer[:] = octets + b"\xff" * (len(buffer) - len(octets))

    def bus_hz(self) -> int:
        return self._bus.freq if self._bus else 100000

    # ---------------------------------------------------------------- inside

    def _power_up(self) -> None:
        self._deaf = False
        self._output = b""
        self._at = 0
        self._ready_us = 0
        self._sleep_us = 0
        self._sleep()

    def _sleep(self) -> None:
        self.state = ASLEEP
        self._input = b""
        self._pending = None
        self.engine.forget()

    def _addressed(self) -> bool:
        """Whether the part acknowledges its address; the transfer so far takes its time."""
        self.transfers += 1
        self._clock.spend_us(11 * 1000000 // self.bus_hz())  # start, address, acknowledgement, stop
        self._settle()
        listening = self.state == AWAKE and self._pending is None and self._clock.now_us() >= self._ready_us
        return listening and not self._deaf and not self.faults.refuses(self.transfers)

    def _spend_octets(self, count: int) -> None:
        self._clock.spend_us(count * 9 * 1000000 // self.bus_hz())

    def _settle(self) -> None:
        """Bring the part up to now: commands that have ended, the watchdog."""
        if self.state != AWAKE:
            return
        now_us = self._clock.now_us()
        if self._pending is not None and self._busy_until_us <= min(now_us, self._sleep_us):
            opcode, mode, key, data = self._pending
            self._pending = None
            wrong = self.faults.computes_wrongly(self.commands)
            answer = frames.group(self.engine.run(opcode, mode, key, data, wrong))
            if self.faults.breaks_answer(self.commands):
                answer = answer[:-1] + bytes([answer[-1] ^ 0xFF])
            self._answer(answer)
        if now_us >= self._sleep_us:
            self.watchdog_struck += 1
            self._sleep()

    def _answer(self, octets: bytes) -> None:
        self._output = octets
        self._at = 0

    def _take_input(self) -> None:
        """Start the command when all of it has come."""
        if not self._input:
            return
        count = self._input[0]
        if not frames.COMMAND_COUNT_MIN <= count <= frames.COUNT_MAX:
            self._input = b""
            self._answer(frames.status(frames.COMMUNICATION_ERROR))
            return
        if len(self._input) < count:
            return
        body, crc = self._input[: count - 2], self._input[count - 2 : count]
        self._input = b""
        if frames.crc16(body) != crc:
            self._answer(frames.status(frames.COMMUNICATION_ERROR))
            return
        self.commands += 1
        self._deaf = self._deaf or self.faults.goes_deaf(self.commands)
        now_us = self._clock.now_us()
        longest_us = self.engine.duration_ms(body[1]) * 1000
        if now_us + longest_us > self._sleep_us:
            self._answer(frames.status(frames.WATCHDOG_NEAR))
            return
        self._busy_until_us = now_us + longest_us * self.speed_percent // 100
        self._pending = (body[1], body[2], body[3] | body[4] << 8, body[5:])


class _WakeLine:
    """What the part sees of a general call: eight low bits on SDA, as long as the bus is slow."""

    def __init__(self, part: Atecc608):
        self._part = part

    def i2c_write(self, data) -> bool:
        self._part.sda_low(8 * 1000000 // self._part.bus_hz())
        return False  # nobody acknowledges, so the octets after the address are not sent

    def i2c_read(self, buffer) -> None:
        raise OSError(ENODEV)
