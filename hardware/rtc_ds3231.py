"""The DS3231 real-time clock (data sheet 19-5170): BCD time registers that run by the model's clock.

Alarms are plain registers here: no alarm fires. The temperature is constant.
"""

_REGISTERS = 0x13
_CONTROL = 0x0E
_STATUS = 0x0F
_TEMPERATURE_MSB = 0x11

_OSF = 0x80
_EN32KHZ = 0x08
_BSY = 0x04
_CENTURY = 0x80
_HOUR_12 = 0x40
_HOUR_PM = 0x20

_DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_SECONDS_PER_DAY = 86400
_MICROSECONDS = 1000000

# Time registers that are not implemented read as 0.
_TIME_MASKS = b"\x7f\x7f\x7f\x07\x3f\x9f\xff"


class Ds3231:
    """The chip; `drift_ppm` is how much too fast it runs.

    Time since the last write of the seconds register is the model clock's; the calendar is counted on from what was
    written, valid or not, as the chip's own counters do.
    """

    def __init__(self, clock, drift_ppm: int = 0):
        self._clock = clock
        self._drift_ppm = drift_ppm
        self._pointer = 0
        self._registers = bytearray(_REGISTERS)
        self._registers[_TEMPERATURE_MSB] = 27
        self.power_lost()

    def power_lost(self) -> None:
        """Supply and battery were gone: 1 January 1900 in the chip's calendar, oscillator-stop flag set."""
        self._registers[0:7] = b"\x00\x00\x00\x01\x01\x01\x00"
        self._registers[_CONTROL] = 0x1C
        self._registers[_STATUS] = _OSF | _EN32KHZ
        self._second_began_us = self._clock.now_us()
        self._latched = bytes(self._registers[0:7])

    def i2c_write(self, data) -> bool:
        self._latch()
        for index, value in enumerate(data):
            if index == 0:
                self._pointer = value % _REGISTERS
            else:
                self._write(value)
                self._advance()
        return True

    def i2c_read(self, buffer) -> None:
        self._latch()
        for index in range(len(buffer)):
            buffer[index] = (
                self._latched[self._pointer] if self._pointer < 7 else self._registers[self._pointer]
            )
            self._advance()

    def _advance(self) -> None:
        self._pointer = (self._pointer + 1) % _REGISTERS
        if self._pointer == 0:
            self._latch()

    def _latch(self) -> None:
        """A start condition, and the pointer's return to 0, copy the running time to what is read."""
        self._run()
        self._latched = bytes(self._registers[0:7])

    def _write(self, value: int) -> None:
        if self._pointer < 7:
            self._registers[self._pointer] = value & _TIME_MASKS[self._pointer]
            if self._pointer == 0:
                self._second_began_us = self._clock.now_us()  # writing seconds restarts the divider
        elif self._pointer == _CONTROL:
            self._run()
            self._registers[_CONTROL] = value
        elif self._pointer == _STATUS:
            # Flags can be cleared and not set; BSY is read only.
            kept = self._registers[_STATUS]
            self._registers[_STATUS] = kept & value & 0x83 | value & _EN32KHZ | kept & _BSY
        elif self._pointer < _TEMPERATURE_MSB:
            self._registers[self._pointer] = value

    def _run(self) -> None:
        """Bring the time registers up to now."""
        elapsed_us = self._clock.now_us() - self._second_began_us
        seconds = elapsed_us * (_MICROSECONDS + self._drift_ppm) // (_MICROSECONDS * _MICROSECONDS)
        if seconds <= 0:
            return
        self._second_began_us += seconds * _MICROSECONDS * _MICROSECONDS // (_MICROSECONDS + self._drift_ppm)
        days = self._run_time_of_day(seconds)
        for _ in range(days):
            self._next_day()

    def _run_time_of_day(self, seconds: int) -> int:
        """Add seconds to the time of day; return how many midnights that passed."""
        registers = self._registers
        hour = _hour_24(registers[2])
        total = _binary(registers[0]) + 60 * _binary(registers[1]) + 3600 * hour + seconds
        days, total = divmod(total, _SECONDS_PER_DAY)
        registers[0] = _bcd(total % 60)
        registers[1] = _bcd(total // 60 % 60)
        registers[2] = _hour_register(total // 3600, registers[2] & _HOUR_12)
        return days

    def _next_day(self) -> None:
        registers = self._registers
        registers[3] = registers[3] % 7 + 1
        year, month, day = _binary(registers[6]), _binary(registers[5] & 0x1F), _binary(registers[4]) + 1
        length = 29 if month == 2 and year % 4 == 0 else _DAYS[(month - 1) % 12]
        if day > length:
            day, month = 1, month + 1
        century = registers[5] & _CENTURY
        if month > 12:
            month, year = 1, year + 1
        if year > 99:
            year, century = 0, century ^ _CENTURY
        registers[4], registers[5], registers[6] = _bcd(day), _bcd(month) | century, _bcd(year)


def _binary(value: int) -> int:
    return (value >> 4) * 10 + (value & 0x0F)


def _bcd(value: int) -> int:
    return value // 10 << 4 | value % 10


def _hour_24(register: int) -> int:
    if not register & _HOUR_12:
        return _binary(register & 0x3F)
    return _binary(register & 0x1F) % 12 + (12 if register & _HOUR_PM else 0)


def _hour_register(hour: int, twelve: int) -> int:
    if not twelve:
        return _bcd(hour)
    return _HOUR_12 | (_HOUR_PM if hour >= 12 else 0) | _bcd((hour + 11) % 12 + 1)
