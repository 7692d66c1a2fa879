"""The battery-backed clock: seconds since 1970, and whether it ran all the time."""

from protocol import civil_date

# Registers and bits of the DS3231 (data sheet 19-5170, figure 1).
_SECONDS = 0x00
_CONTROL = 0x0E
_STATUS = 0x0F
_OSCILLATOR_STOPPED = 0x80
_OSCILLATOR_ON_BATTERY = b"\x04"  # EOSC# low, no alarm interrupt, no square wave
_HOUR_12 = 0x40

_NAMES = ("seconds", "minutes", "hours", "day of week", "date", "month", "year")
_LAST_YEAR = 2099


class RtcError(Exception):
    """The clock holds no time, or was given one that it cannot hold; `field` names the register."""

    def __init__(self, field: str, value: int):
        super().__init__("DS3231 %s: 0x%02x is out of range" % (field, value))
        self.field = field
        self.value = value


class Ds3231:
    """`device` is an I2cDevice, whose BusError every method may raise."""

    def __init__(self, device):
        self._device = device

    def read(self) -> tuple:
        """(unsigned seconds since 1970 UTC, whether the oscillator ran since the time was set).

        RtcError if the registers hold no time: after a loss of the battery they may hold anything.
        """
        status = bytearray(1)
        self._device.read_into(_STATUS, status)
        registers = bytearray(7)
        self._device.read_into(_SECONDS, registers)
        return _decode(registers), not status[0] & _OSCILLATOR_STOPPED

    def set(self, epoch_s: int) -> None:
        """Set the time and declare it trusted: the oscillator-stop flag is cleared. RtcError outside 2000 to 2099."""
        self._device.write(_SECONDS, _encode(epoch_s))
        self._device.write(_CONTROL, _OSCILLATOR_ON_BATTERY)
        status = bytearray(1)
        self._device.read_into(_STATUS, status)
        status[0] &= ~_OSCILLATOR_STOPPED & 0xFF
        self._device.write(_STATUS, status)


def _decode(registers: bytearray) -> int:
    if registers[2] & _HOUR_12:
        raise RtcError("hours", registers[2])  # we never set 12-hour mode: this is not our time
    second = _binary(registers, 0, 0, 59)
    minute = _binary(registers, 1, 0, 59)
    hour = _binary(registers, 2, 0, 23)
    month = _binary(registers, 5, 1, 12)
    year = 2000 + _binary(registers, 6, 0, 99)
    day = _binary(registers, 4, 1, _days_in(year, month))
    days = civil_date.to_days(year, month, day)
    return days * civil_date.SECONDS_PER_DAY + hour * 3600 + minute * 60 + second


def _encode(epoch_s: int) -> bytes:
    days, second = divmod(epoch_s, civil_date.SECONDS_PER_DAY)
    year, month, day = civil_date.from_days(days)
    if not 2000 <= year <= _LAST_YEAR:
        raise RtcError("year", year)
    weekday = (days + 3) % 7 + 1  # 1 is Monday; 1 January 1970 was a Thursday
    return bytes(
        (
            _bcd(second % 60),
            _bcd(second // 60 % 60),
            _bcd(second // 3600),
            weekday,
            _bcd(day),
            _bcd(month),
            _bcd(year - 2000),
        )
    )


def _days_in(year: int, month: int) -> int:
    after = (year + 1, 1) if month == 12 else (year, month + 1)
    return civil_date.to_days(after[0], after[1], 1) - civil_date.to_days(year, month, 1)


def _binary(registers: bytearray, index: int, lowest: int, highest: int) -> int:
    """A two-digit BCD register, within its range."""
    raw = registers[index]
    value = (raw >> 4) * 10 + (raw & 0x0F)
    if raw & 0x0F > 9 or not lowest <= value <= highest:
        raise RtcError(_NAMES[index], raw)
    return value


def _bcd(value: int) -> int:
    return value // 10 << 4 | value % 10
