"""Telephone numbers and names as short messages carry them: type of address and semi-octets (TS 23.040, 9.1.2.5)."""

from protocol import sms_alphabet
from protocol.errors import OutOfRange
from protocol.octets import Reader

INTERNATIONAL = 0x91
UNKNOWN = 0x81
ALPHANUMERIC = 0xD0
SEMI_OCTETS_MAX = 20
CENTRE_OCTETS_MAX = 11

_TYPE_OF_NUMBER = 0x70
# By semi-octet (9.1.2.3). 15 fills up an odd count; where one stands inside a number it is kept to be seen, because a
# spoilt sender must not cost the message.
_DIGITS = "0123456789*#abcf"


class Address:
    """`number`: digits with a leading + where international, or the name where alphanumeric; `toa`: type of address."""

    def __init__(self, number: str, toa: int = -1) -> None:
        if toa < 0:
            toa = INTERNATIONAL if number.startswith("+") else UNKNOWN
        self.number = number
        self.toa = toa

    @property
    def is_alphanumeric(self) -> bool:
        """A name, which nobody can answer."""
        return self.toa & _TYPE_OF_NUMBER == ALPHANUMERIC & _TYPE_OF_NUMBER


def read(source: Reader, field: str) -> Address:
    """An address as a TPDU has it: count of semi-octets, type, digits."""
    count = source.number(field + " length", 1, 0, SEMI_OCTETS_MAX)
    toa = source.number(field + " type", 1)
    octets = source.octets(field, (count + 1) // 2)
    if toa & _TYPE_OF_NUMBER == ALPHANUMERIC & _TYPE_OF_NUMBER:
        septets = sms_alphabet.unpack(octets, count * 4 // 7)
        return Address(sms_alphabet.text_of_septets(septets), toa)
    return Address(_sign(toa) + _digits(octets, count), toa)


def write(address: Address, field: str) -> bytes:
    """The address as a TPDU has it."""
    if address.is_alphanumeric:
        septets = sms_alphabet.septets_of_text(address.number)
        count = (len(septets) * 7 + 3) // 4
        octets = sms_alphabet.pack(septets)
    else:
        digits = _bare(address, field)
        count = len(digits)
        octets = _semi_octets(digits, field)
    if count > SEMI_OCTETS_MAX:
        raise OutOfRange(field, -1, "has %d semi-octets, at most %d" % (count, SEMI_OCTETS_MAX))
    return bytes((count, address.toa)) + octets


def read_centre(source: Reader) -> "Address | None":
    """The service centre before a TPDU, counted in octets (TS 27.005, 3.1); None where the SIM's own is meant."""
    count = source.number("service centre length", 1, 0, CENTRE_OCTETS_MAX)
    if not count:
        return None
    toa = source.number("service centre type", 1)
    octets = source.octets("service centre", count - 1)
    return Address(_sign(toa) + _digits(octets, 2 * len(octets)), toa)


def write_centre(address: "Address | None") -> bytes:
    """The service centre before a TPDU."""
    if address is None:
        return b"\x00"
    octets = _semi_octets(_bare(address, "service centre"), "service centre")
    if len(octets) >= CENTRE_OCTETS_MAX:
        raise OutOfRange("service centre", -1, "has %d octets of digits" % len(octets))
    return bytes((len(octets) + 1, address.toa)) + octets


def _sign(toa: int) -> str:
    return "+" if toa & _TYPE_OF_NUMBER == INTERNATIONAL & _TYPE_OF_NUMBER else ""


def _bare(address: Address, field: str) -> str:
    """Digits without the sign, which the type must agree with."""
    sign = _sign(address.toa)
    if address.number.startswith("+") != bool(sign):
        raise OutOfRange(field, -1, "sign and type of address disagree")
    return address.number[len(sign) :]


def _digits(octets: bytes, count: int) -> str:
    """Low half first."""
    letters = []
    for octet in octets:
        letters.append(_DIGITS[octet & 15])
        letters.append(_DIGITS[octet >> 4])
    if count and letters[count - 1] == _DIGITS[15]:  # some count the filler as a digit
        count -= 1
    return "".join(letters[:count])


def _semi_octets(digits: str, field: str) -> bytes:
    halves = []
    for place, letter in enumerate(digits):
        half = _DIGITS.find(letter)
        if half < 0:
            raise OutOfRange(field, -1, "character %d is no digit" % place)
        halves.append(half)
    if len(halves) & 1:
        halves.append(15)
    return bytes([halves[at] | halves[at + 1] << 4 for at in range(0, len(halves), 2)])
