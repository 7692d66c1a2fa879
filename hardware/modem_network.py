"""The mobile network behind the modem models: a message centre that loses, doubles, delays and reorders by a seed.

It reads what modems submit and writes what they deliver on its own, by 3GPP TS 23.040, so that a mistake of the firmware's
codec shows.
"""

from hardware.chance import Draw

CMS_BAD_PARAMETER = 304
CMS_UNKNOWN = 500

_RETRY_US = 30 * 1000000
_DAYS_BEFORE = (0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334)


class GsmNetwork:
    """One network for any number of modems.

    Rates per thousand messages: `lose` vanishes after it was accepted, `double` arrives twice, `refuse` is not accepted
    (+CMS ERROR: 500). Each takes `least_ms` to `most_ms`. A message for a modem that is off, out of reach or full waits and
    is tried again. What happened: `submitted` and `delivered` as (number, user data), `lost`, `doubled`.
    """

    def __init__(
        self,
        clock,
        seed: int = 1,
        *,
        lose: int = 0,
        double: int = 0,
        refuse: int = 0,
        least_ms: int = 1000,
        most_ms: int = 4000,
        epoch_s: int = 1794645040,
        zone_quarters: int = 28,
    ):
        self._clock = clock
        self._draw = Draw(seed)
        self.lose = lose
        self.double = double
        self.refuse = refuse
        self.least_ms = least_ms
        self.most_ms = most_ms
        self._epoch_s = epoch_s
        self._zone_quarters = zone_quarters
        self._modems = {}
        self._waiting = []  # [moment_us, modem's number, TPDU]
        self._reference = 0
        self.submitted = []
        self.delivered = []
        self.lost = 0
        self.doubled = 0

    def attach(self, modem) -> None:
        """A SIM of this network."""
        self._modems[modem.number] = modem

    def clock_text(self) -> bytes:
        """Local time as +CCLK shows it."""
        parts = _local(self._now_s(), self._zone_quarters)
        return b"%02d/%02d/%02d,%02d:%02d:%02d" % parts + b"%+03d" % self._zone_quarters

    def submit(self, modem, tpdu: bytes, now_us: int) -> int:
        """A modem's SUBMIT: its reference, or a negative CMS error."""
        try:
            first, recipient, rest, has_report = _read_submit(tpdu)
        except IndexError:
            return -CMS_BAD_PARAMETER
        if self._draw.happens(self.refuse):
            return -CMS_UNKNOWN
        self._reference = (self._reference + 1) % 256
        self.submitted.append((recipient, _user_data(rest)))
        if self._draw.happens(self.lose):
            self.lost += 1
            return self._reference
        deliver = bytes((0x04 | first & 0x40,)) + _address(modem.number) + rest[:2] + self._stamp() + rest[2:]
        copies = 1
        if self._draw.happens(self.double):
            self.doubled += 1
            copies = 2
        for _ in range(copies):
            self._wait(now_us, recipient, deliver)
        if has_report:
            report = bytes((0x06, self._reference)) + _address(recipient) + self._stamp() * 2 + b"\x00"
            self._wait(now_us + self.most_ms * 1000, modem.number, report)
        return self._reference

    def inject(self, recipient: bytes, sender: bytes, user_data: bytes, dcs: int = 4, flags: int = 0) -> None:
        """A message from outside: `user_data` with its length in front."""
        tpdu = bytes((0x04 | flags,)) + _address(sender) + bytes((0, dcs)) + self._stamp() + user_data
        self._wait(self._clock.now_us(), recipient, tpdu)

    def inject_raw(self, recipient: bytes, tpdu: bytes) -> None:
        """Octets that may be no message at all."""
        self._wait(self._clock.now_us(), recipient, tpdu)

    def waiting(self) -> int:
        """Messages under way."""
        return len(self._waiting)

    def advance(self, now_us: int) -> None:
        """Deliver what is due."""
        while self._waiting and self._waiting[0][0] <= now_us:
            _, number, tpdu = self._waiting.pop(0)
            modem = self._modems.get(number)
            if modem is None:
                continue
            if modem.radio.is_registered(now_us) and modem.messages.take(tpdu):
                self.delivered.append((number, tpdu))
            else:
                self._insert(now_us + _RETRY_US, number, tpdu)

    def _wait(self, now_us: int, number: bytes, tpdu: bytes) -> None:
        delay_ms = self.least_ms + self._draw.below(max(1, self.most_ms - self.least_ms))
        self._insert(now_us + delay_ms * 1000, number, tpdu)

    def _insert(self, moment_us: int, number: bytes, tpdu: bytes) -> None:
        position = len(self._waiting)
        while position and self._waiting[position - 1][0] > moment_us:
            position -= 1
        self._waiting.insert(position, (moment_us, number, tpdu))

    def _now_s(self) -> int:
        return self._epoch_s + self._clock.now_us() // 1000000

    def _stamp(self) -> bytes:
        """Service centre time stamp (9.2.3.11)."""
        quarters = abs(self._zone_quarters)
        zone = _swapped(quarters) | (8 if self._zone_quarters < 0 else 0)
        return bytes([_swapped(part) for part in _local(self._now_s(), self._zone_quarters)]) + bytes((zone,))


def _read_submit(tpdu: bytes) -> tuple:
    """(first octet, recipient, PID, DCS and user data with its length, whether a report is asked for)."""
    first = tpdu[0]
    digits = tpdu[2]
    octets = (digits + 1) // 2
    number = b"+" if tpdu[3] & 0x70 == 0x10 else b""
    for octet in tpdu[4 : 4 + octets]:
        number += b"%X%X" % (octet & 15, octet >> 4)
    sign = len(number) - 2 * octets
    at = 4 + octets
    head = tpdu[at : at + 2]
    at += 2 + (0, 7, 1, 7)[first >> 3 & 3]
    length = tpdu[at]
    needed = (length * 7 + 7) // 8 if head[1] & 0x0C == 0 else length
    if first & 3 != 1 or len(tpdu) != at + 1 + needed or needed > 140:
        raise IndexError("no SUBMIT")
    return first, number[: sign + digits], head + tpdu[at:], bool(first & 0x20)


def _user_data(rest: bytes) -> bytes:
    """Behind PID, DCS and length."""
    return rest[3:]


def _address(number: bytes) -> bytes:
    """Length, type and semi-octets."""
    digits = number[1:] if number[:1] == b"+" else number
    octets = bytearray()
    for at in range(0, len(digits), 2):
        high = digits[at + 1] - 0x30 if at + 1 < len(digits) else 15
        octets.append(digits[at] - 0x30 | high << 4)
    return bytes((len(digits), 0x91 if number[:1] == b"+" else 0x81)) + bytes(octets)


def _swapped(value: int) -> int:
    return value // 10 | value % 10 << 4


def _local(now_s: int, zone_quarters: int) -> tuple:
    """(year of the century, month, day, hour, minute, second)."""
    days, seconds = divmod(now_s + zone_quarters * 900, 86400)
    year = 1970
    while True:
        leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
        if days < 365 + leap:
            break
        days -= 365 + leap
        year += 1
    month = 12
    while days < _DAYS_BEFORE[month - 1] + (leap and month > 2):
        month -= 1
    day = days - _DAYS_BEFORE[month - 1] - (leap and month > 2) + 1
    return year % 100, month, day, seconds // 3600, seconds // 60 % 60, seconds % 60
