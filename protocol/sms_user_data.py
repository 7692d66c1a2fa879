"""User data of short messages: coding scheme, header with its elements, and the octets or septets behind it."""

from protocol import sms_alphabet
from protocol.errors import OutOfRange, Truncated, UnknownVersion
from protocol.octets import Reader

USER_DATA_OCTETS_MAX = 140
SEPTETS_MAX = 160

# Alphabets of a data coding scheme (TS 23.038, 4).
GSM_7BIT = 0
DATA_8BIT = 1
UCS2 = 2

# Coding schemes that we write.
DCS_7BIT = 0x00
DCS_8BIT = 0x04
DCS_UCS2 = 0x08

# Elements of the header (TS 23.040, 9.2.3.24).
IE_CONCATENATED_8BIT = 0x00
IE_PORTS_8BIT = 0x04
IE_PORTS_16BIT = 0x05
IE_CONCATENATED_16BIT = 0x08
# National tables, which we do not have (9.2.3.24.15 and .16).
_IE_SINGLE_SHIFT = 0x24
_IE_LOCKING_SHIFT = 0x25


class Concatenation:
    """Part `part` of `total` parts of the message `reference`, whose reference has `bits` bits."""

    def __init__(self, reference: int, total: int, part: int, bits: int) -> None:
        self.reference = reference
        self.total = total
        self.part = part
        self.bits = bits


class Ports:
    """Application ports of `bits` bits."""

    def __init__(self, destination: int, source: int, bits: int) -> None:
        self.destination = destination
        self.source = source
        self.bits = bits


class UserData:
    """`dcs`: coding scheme; `elements`: (identifier, octets) of the header in their order, None without a header.

    `content`: the octets behind the header, or one septet an octet in the 7-bit alphabet. `length` is TP-UDL as it came
    (-1: to be worked out); `missing` counts octets that it promises and that are not there: some telephones write it
    wrong, so that is not refused here, and who needs the whole message looks at it.
    """

    def __init__(
        self, content: bytes, dcs: int = DCS_8BIT, elements: "list[tuple[int, bytes]] | None" = None
    ) -> None:
        self.content = content
        self.dcs = dcs
        self.elements = elements
        self.length = -1
        self.missing = 0

    @property
    def alphabet(self) -> int:
        """GSM_7BIT, DATA_8BIT or UCS2."""
        return alphabet_of(self.dcs)

    def element(self, identifier: int, length: int) -> "bytes | None":
        """The last element of that kind, which is the one that counts, if it has the right length."""
        found = None
        for kind, octets in self.elements or ():
            if kind == identifier and len(octets) == length:
                found = octets
        return found

    @property
    def concatenation(self) -> "Concatenation | None":
        """Which part of what; None for a message that stands alone or whose parts make no sense (9.2.3.24.1)."""
        for identifier, width in ((IE_CONCATENATED_8BIT, 1), (IE_CONCATENATED_16BIT, 2)):
            octets = self.element(identifier, width + 2)
            if octets is not None and 1 <= octets[-1] <= octets[-2]:
                reference = int.from_bytes(octets[:width], "big")
                return Concatenation(reference, octets[-2], octets[-1], 8 * width)
        return None

    @property
    def ports(self) -> "Ports | None":
        """The application ports, if there are any."""
        for identifier, width in ((IE_PORTS_16BIT, 2), (IE_PORTS_8BIT, 1)):
            octets = self.element(identifier, 2 * width)
            if octets is not None:
                destination = int.from_bytes(octets[:width], "big")
                return Ports(destination, int.from_bytes(octets[width:], "big"), 8 * width)
        return None

    def text(self) -> str:
        """The message as text; OutOfRange or UnknownVersion where it is none that we can read."""
        if self.alphabet == DATA_8BIT:
            raise OutOfRange("text", -1, "the message is data")
        if self.alphabet == UCS2:
            return sms_alphabet.text_of_ucs2(self.content)
        for identifier, _ in self.elements or ():
            if identifier in (_IE_SINGLE_SHIFT, _IE_LOCKING_SHIFT):
                raise UnknownVersion("text", -1, "national alphabet")
        return sms_alphabet.text_of_septets(self.content)


def text_7bit(text: str, elements: "list[tuple[int, bytes]] | None" = None) -> UserData:
    """Text in the GSM alphabet."""
    return UserData(sms_alphabet.septets_of_text(text), DCS_7BIT, elements)


def text_ucs2(text: str, elements: "list[tuple[int, bytes]] | None" = None) -> UserData:
    """Text in UCS-2."""
    return UserData(sms_alphabet.ucs2_of_text(text), DCS_UCS2, elements)


def alphabet_of(dcs: int) -> int:
    """The alphabet of a coding scheme; reserved ones are the 7-bit one, as the standard asks (TS 23.038, 4)."""
    group = dcs >> 4
    if group < 8:  # general, or marked for deletion
        return (GSM_7BIT, DATA_8BIT, UCS2, GSM_7BIT)[dcs >> 2 & 3]
    if group == 14:  # message waiting, kept
        return UCS2
    if group == 15:
        return DATA_8BIT if dcs & 4 else GSM_7BIT
    return GSM_7BIT


def read(source: Reader, dcs: int, has_header: bool) -> UserData:
    """TP-UDL and TP-UD; Truncated where the header is not all there."""
    if dcs < 0x80 and dcs & 0x20:
        raise UnknownVersion("data coding scheme", source.offset, "compressed")
    length = source.number("user data length", 1)
    alphabet = alphabet_of(dcs)
    needed = (length * 7 + 7) // 8 if alphabet == GSM_7BIT else length
    present = min(needed, len(source.data) - source.offset)
    start = source.offset
    octets = source.octets("user data", present)
    elements = None
    header_octets = 0
    if has_header:
        elements = _elements(octets, start)
        header_octets = octets[0] + 1
    if alphabet == GSM_7BIT:
        content = _septets_behind(octets, header_octets, length, start)
    else:
        content = octets[header_octets:]
    data = UserData(content, dcs, elements)
    data.length = length
    data.missing = needed - present
    return data


def write(data: UserData) -> bytes:
    """TP-UDL and TP-UD; OutOfRange when it is too long for one message."""
    if data.dcs < 0x80 and data.dcs & 0x20:
        raise UnknownVersion("data coding scheme", -1, "compressed")
    header = _header(data.elements)
    if data.alphabet == GSM_7BIT:
        fill_bits = -8 * len(header) % 7
        length = (8 * len(header) + fill_bits) // 7 + len(data.content)
        octets = header + sms_alphabet.pack(data.content, fill_bits)
        most = SEPTETS_MAX
    else:
        octets = header + data.content
        length = len(octets)
        most = USER_DATA_OCTETS_MAX
    if length > most:
        raise OutOfRange("user data", -1, "has length %d, at most %d" % (length, most))
    return bytes((length,)) + octets


def _septets_behind(octets: bytes, header_octets: int, length: int, start: int) -> bytes:
    """Septets begin at the first septet boundary behind the header."""
    fill_bits = -8 * header_octets % 7
    count = length - (8 * header_octets + fill_bits) // 7
    if count < 0:
        raise Truncated("user data header", start, "is longer than the user data")
    return sms_alphabet.unpack(octets[header_octets:], count, fill_bits)


def _elements(octets: bytes, start: int) -> "list[tuple[int, bytes]]":
    """The elements of the header at the front of `octets`, which begin at offset `start` of the message."""
    if not octets or octets[0] >= len(octets):
        raise Truncated("user data header", start, "runs over the end of the user data")
    header = Reader(octets[: octets[0] + 1], 1)
    elements = []
    while header.offset < len(header.data):
        at = start + header.offset
        if header.offset + 2 > len(header.data) or header.offset + 2 + header.data[header.offset + 1] > len(
            header.data
        ):
            raise Truncated("information element", at, "runs over the end of the header")
        identifier = header.number("information element", 1)
        elements.append((identifier, header.counted("information element data")))
    return elements


def _header(elements: "list[tuple[int, bytes]] | None") -> bytes:
    if elements is None:
        return b""
    header = bytearray()
    for identifier, octets in elements:
        header.append(identifier)
        header.append(len(octets))
        header.extend(octets)
    if len(header) >= USER_DATA_OCTETS_MAX:
        raise OutOfRange("user data header", -1, "has %d octets" % len(header))
    return bytes((len(header),)) + bytes(header)
