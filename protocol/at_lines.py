"""What the lines of a modem say: fields, registration, signal, clock, stored messages (3GPP TS 27.005 and 27.007).

Every function raises OutOfRange, naming the line and the octet, for a line that does not have the standard's form.
"""

from protocol import civil_date
from protocol.at_grammar import name_of
from protocol.errors import OutOfRange

_DIGITS_MAX = 9
_UCS2_DIGITS = (
    b"002B",
    b"0030",
    b"0031",
    b"0032",
    b"0033",
    b"0034",
    b"0035",
    b"0036",
    b"0037",
    b"0038",
    b"0039",
)
_LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_HEXADECIMAL = b"0123456789abcdefABCDEF"

# Registration states (TS 27.007, 7.2).
NOT_SEARCHING = 0
HOME = 1
SEARCHING = 2
DENIED = 3
UNKNOWN = 4
ROAMING = 5
EMERGENCY_ONLY = 11

SIGNAL_UNKNOWN = 99


class Registration:
    """State `stat`, area `lac`, cell `cell`, access technology `act` (-1 where not told)."""

    def __init__(self, stat: int, lac: bytes = b"", cell: bytes = b"", act: int = -1) -> None:
        self.stat = stat
        self.lac = lac
        self.cell = cell
        self.act = act

    @property
    def is_registered(self) -> bool:
        """Ordinary service at home or abroad."""
        return self.stat in (HOME, ROAMING)


class Stored:
    """A message in a modem's store: place `index`, state `status` (-1 where a modem does not tell), `tpdu_octets` as
    announced, `pdu` in hexadecimal.
    """

    def __init__(self, index: int, status: int, tpdu_octets: int, pdu: bytes) -> None:
        self.index = index
        self.status = status
        self.tpdu_octets = tpdu_octets
        self.pdu = pdu

    @property
    def is_whole(self) -> bool:
        """The PDU has the octets that were announced: none got lost on the line."""
        if len(self.pdu) & 1 or len(self.pdu) < 2:
            return False
        return self.tpdu_octets == len(self.pdu) // 2 - int(self.pdu[:2], 16) - 1


def fields(line: bytes) -> "list[bytes]":
    """What stands behind the colon, cut at commas outside of quotes and brackets; quotes are taken off.

    A field in brackets can be cut again: `fields(b":" + field[1:-1])`.
    """
    found: "list[bytes]" = []
    at = line.find(b":") + 1
    while True:
        while line[at : at + 1] == b" ":
            at += 1
        end = _end_of_field(line, at)
        part = line[at:end].strip()
        if part[:1] == b'"':
            part = part[1:-1]
        found.append(part)
        if end >= len(line):
            return found
        at = end + 1


def _end_of_field(line: bytes, at: int) -> int:
    """Where the field that begins at `at` ends: at a comma or at the end of the line."""
    if line[at : at + 1] == b'"':
        end = line.find(b'"', at + 1)
        if end < 0:
            raise _wrong(line, at, "a quote is not closed")
        end += 1
        while line[end : end + 1] == b" ":
            end += 1
        if end < len(line) and line[end] != 0x2C:
            raise _wrong(line, end, "something follows a quote")
        return end
    depth = 0
    quoted = False
    for end in range(at, len(line)):
        letter = line[end]
        if letter == 0x22:
            quoted = not quoted
        elif quoted:
            continue
        elif letter == 0x28:
            depth += 1
        elif letter == 0x29:
            depth -= 1
            if depth < 0:
                raise _wrong(line, end, "a bracket closes that was not opened")
        elif letter == 0x2C and not depth:
            return end
    if depth or quoted:
        raise _wrong(line, at, "a bracket or quote is not closed")
    return len(line)


def _wrong(line: bytes, at: int, reason: str) -> OutOfRange:
    name = name_of(line)
    is_name = 1 < len(name) <= 12 and not name[1:].strip(_LETTERS) and name[:1] in (b"+", b"^", b"*")
    return OutOfRange(name.decode() if is_name else "line", at, reason)


def number(line: bytes, place: int) -> int:
    """The field at `place` as an unsigned number."""
    found = fields(line)
    if place >= len(found):
        raise _wrong(line, len(line), "has no field %d" % place)
    return _number(line, found[place])


def _number(line: bytes, text: bytes) -> int:
    if not text.isdigit() or len(text) > _DIGITS_MAX:
        raise _wrong(line, max(0, line.find(text)), "no number")
    return int(text)


def registration(line: bytes) -> Registration:
    """+CREG, +CGREG or +CEREG, in the form of a reply (mode first) or of its own accord."""
    found = fields(line)
    if len(found) > 1 and found[1].isdigit() and len(found[1]) <= 2:
        found = found[1:]
    found = found + [b"", b"", b""]
    # An access technology is one digit or two; what is longer is a modem's own addition.
    act = _number(line, found[3]) if found[3].isdigit() and len(found[3]) <= 2 else -1
    return Registration(_number(line, found[0]), found[1], found[2], act)


def signal(line: bytes) -> int:
    """+CSQ: the strength as it stands there, SIGNAL_UNKNOWN for none."""
    return number(line, 0)


def dbm(strength: int) -> int:
    """Received power of a +CSQ strength of 0 to 31 (TS 27.007, 8.5); 0 where there is none."""
    return 2 * strength - 113 if 0 <= strength <= 31 else 0


def clock(line: bytes) -> int:
    """+CCLK: seconds since 1970 UTC (TS 27.007, 8.15); without a zone the time counts as UTC."""
    text = fields(line)[0]
    if (
        len(text) not in (17, 20)
        or text[2:3] + text[5:6] != b"//"
        or text[11:12] + text[14:15] != b"::"
        or text[8:9] != b","
    ):
        raise _wrong(line, 0, "no date and time")
    parts = [_number(line, text[at : at + 2]) for at in (0, 3, 6, 9, 12, 15)]
    year, month, day, hour, minute, second = parts
    if not 1 <= month <= 12 or not 1 <= day <= 31 or hour > 23 or minute > 59 or second > 59:
        raise _wrong(line, 0, "no date and time")
    minutes = 0
    if len(text) > 17:
        quarters = _number(line, text[18:20])
        if text[17:18] not in (b"+", b"-"):
            raise _wrong(line, 17, "no zone")
        minutes = 15 * quarters if text[17:18] == b"+" else -15 * quarters
    days = civil_date.to_days(year + (1900 if year >= 70 else 2000), month, day)
    return days * civil_date.SECONDS_PER_DAY + (hour * 60 + minute - minutes) * 60 + second


def service_centre(line: bytes) -> str:
    """+CSCA: the number, also from modems that write it as UCS-2 in hexadecimal; refused where there is none."""
    text = fields(line)[0]
    groups = [text[at : at + 4] for at in range(0, len(text), 4)]
    if groups and not [group for group in groups if group not in _UCS2_DIGITS]:
        text = bytes([int(group, 16) for group in groups])
    if not text or text.strip(b"+0123456789"):
        raise _wrong(line, 0, "no number")
    return text.decode()


def storage(line: bytes) -> "tuple[int, int]":
    """+CPMS: (used, total) of the store that messages come into, which is the last that is told."""
    found = fields(line)
    if len(found) < 2:
        raise _wrong(line, len(line), "no used and total")
    return _number(line, found[-2]), _number(line, found[-1])


def listing(lines: "list[bytes]") -> "list[Stored]":
    """The messages of a +CMGL reply; lines that belong to none are passed over, and so are headers without a PDU."""
    found: "list[Stored]" = []
    header = None
    for line in lines:
        if line.startswith(b"+CMGL:"):
            header = line
        elif header is not None and not line.strip(_HEXADECIMAL):
            try:
                parts = fields(header)
                found.append(_stored(header, parts, 1, _number(header, parts[0]), line))
            except OutOfRange:
                pass  # half a line: the message lies where it is and comes again
            header = None
    return found


def message(lines: "list[bytes]", index: int) -> "Stored | None":
    """The message of a +CMGR reply for the place `index`; None where it is empty. A modem in text mode is refused."""
    header = None
    for line in lines:
        if line.startswith(b"+CMGR:"):
            header = line
        elif header is not None and not line.strip(_HEXADECIMAL):
            return _stored(header, fields(header), 0, index, line)
    if header is not None:
        raise _wrong(header, len(header), "no PDU")
    return None


def _stored(header: bytes, parts: "list[bytes]", at: int, index: int, pdu: bytes) -> Stored:
    """The state stands at `at`, the length is the last field; a name of the sender may stand between, or may not."""
    if len(parts) < at + 2:
        raise _wrong(header, len(header), "no length")
    status = _number(header, parts[at]) if parts[at] else -1
    return Stored(index, status, _number(header, parts[-1]), pdu)
