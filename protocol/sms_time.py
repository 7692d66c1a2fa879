"""Times in short messages: the service centre's time stamp and the three forms of a validity period (TS 23.040)."""

from protocol import civil_date
from protocol.errors import OutOfRange
from protocol.octets import Reader

STAMP_OCTETS = 7

# TP-VPF in the first octet (9.2.3.3).
NO_VALIDITY = 0
ENHANCED = 1
RELATIVE = 2
ABSOLUTE = 3

_MINUTES_PER_DAY = 1440
# Two-digit years from here on are of the last century.
_CENTURY_FROM = 70


class Stamp:
    """A time stamp (9.2.3.11): the seven `octets` as they came, and what they say.

    It is the service centre's clock, to be stored and not to be trusted, so nonsense in it is no error: `is_valid` is
    False then and `time_s` -1. Fields are local time, `zone_minutes` east of UTC, `time_s` seconds since 1970 UTC.
    """

    def __init__(self, octets: bytes) -> None:
        self.octets = octets
        values = [(octet & 15) * 10 + (octet >> 4) for octet in octets[:6]]
        zone = octets[6]
        quarters = (zone & 7) * 10 + (zone >> 4)
        self.zone_minutes = -15 * quarters if zone & 8 else 15 * quarters
        year, self.month, self.day, self.hour, self.minute, self.second = values
        self.year = year + (1900 if year >= _CENTURY_FROM else 2000)
        self.is_valid = self._is_valid(octets)
        self.time_s = -1
        if self.is_valid:
            days = civil_date.to_days(self.year, self.month, self.day)
            minutes = days * _MINUTES_PER_DAY + self.hour * 60 + self.minute - self.zone_minutes
            self.time_s = minutes * 60 + self.second

    def _is_valid(self, octets: bytes) -> bool:
        for octet in octets[:6]:
            if octet & 15 > 9 or octet >> 4 > 9:
                return False
        if octets[6] >> 4 > 9 or not 1 <= self.month <= 12 or self.day < 1:
            return False
        # The day exists if it is still itself after a count of days.
        days = civil_date.to_days(self.year, self.month, self.day)
        if civil_date.from_days(days) != (self.year, self.month, self.day):
            return False
        return self.hour < 24 and self.minute < 60 and self.second < 60


def stamp(time_s: int, zone_minutes: int) -> Stamp:
    """The time stamp of a moment at a place east of UTC by `zone_minutes`, a multiple of 15 within 20 hours."""
    quarters, rest = divmod(abs(zone_minutes), 15)
    if rest or quarters > 79:
        raise OutOfRange("zone", -1, "no multiple of a quarter of an hour within 20 hours")
    local_s = time_s + zone_minutes * 60
    days, second = divmod(local_s, civil_date.SECONDS_PER_DAY)
    year, month, day = civil_date.from_days(days)
    if not 1970 <= year < 2070:
        raise OutOfRange("time stamp", -1, "outside of the years of two digits")
    values = (year % 100, month, day, second // 3600, second // 60 % 60, second % 60)
    octets = bytes([_swapped(value) for value in values])
    return Stamp(octets + bytes((_swapped(quarters) | (8 if zone_minutes < 0 else 0),)))


def read_stamp(source: Reader, field: str) -> Stamp:
    """The next seven octets."""
    return Stamp(source.octets(field, STAMP_OCTETS))


def _swapped(value: int) -> int:
    """Two decimal digits, the first in the low half."""
    return value // 10 | value % 10 << 4


class Validity:
    """How long the service centre keeps trying: `form` (TP-VPF) and the `octets` of TP-VP, of which the rest follows.

    `minutes` for RELATIVE, `stamp` for ABSOLUTE; of ENHANCED (9.2.3.12.3) `seconds` where it is a length of time and
    `is_single_shot`. What does not apply is -1, None or False.
    """

    def __init__(self, form: int, octets: bytes = b"") -> None:
        self.form = form
        self.octets = octets
        self.minutes = relative_minutes(octets[0]) if form == RELATIVE else -1
        self.stamp = Stamp(octets) if form == ABSOLUTE else None
        self.seconds = _enhanced_seconds(octets) if form == ENHANCED else -1
        self.is_single_shot = form == ENHANCED and bool(octets[0] & 0x40)


def read_validity(source: Reader, form: int) -> Validity:
    """TP-VP in the form that TP-VPF says."""
    lengths = (0, STAMP_OCTETS, 1, STAMP_OCTETS)
    return Validity(form, source.octets("validity period", lengths[form]))


def none() -> Validity:
    """The service centre's own choice."""
    return Validity(NO_VALIDITY)


def relative(minutes: int) -> Validity:
    """The shortest period of TP-VP relative that is not shorter than `minutes` (at most 63 weeks)."""
    low, high = 0, 255
    if not 0 < minutes <= relative_minutes(high):
        raise OutOfRange("validity period", -1, "not within 63 weeks")
    while low < high:
        middle = (low + high) // 2
        if relative_minutes(middle) < minutes:
            low = middle + 1
        else:
            high = middle
    return Validity(RELATIVE, bytes((low,)))


def absolute(until: Stamp) -> Validity:
    """Until a moment."""
    return Validity(ABSOLUTE, until.octets)


def enhanced_seconds(seconds: int, is_single_shot: bool = False) -> Validity:
    """A period of 1 to 255 seconds, for a single try where asked."""
    if not 1 <= seconds <= 255:
        raise OutOfRange("validity period", -1, "not within 255 seconds")
    return Validity(ENHANCED, bytes((0x42 if is_single_shot else 0x02, seconds, 0, 0, 0, 0, 0)))


def relative_minutes(value: int) -> int:
    """Minutes that a relative TP-VP means (9.2.3.12.1)."""
    if value < 144:
        return (value + 1) * 5
    if value < 168:
        return 720 + (value - 143) * 30
    if value < 197:
        return (value - 166) * _MINUTES_PER_DAY
    return (value - 192) * 7 * _MINUTES_PER_DAY


def _enhanced_seconds(octets: bytes) -> int:
    """The period in seconds, -1 where there is none or its form is reserved."""
    form = octets[0] & 7
    at = 2 if octets[0] & 0x80 else 1  # an extension octet may follow the indicator
    if form == 1:
        return relative_minutes(octets[at]) * 60
    if form == 2:
        return octets[at]
    if form == 3:
        hours, minutes, seconds = [(octet & 15) * 10 + (octet >> 4) for octet in octets[at : at + 3]]
        return (hours * 60 + minutes) * 60 + seconds
    return -1
