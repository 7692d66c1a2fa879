"""Text of short messages: the GSM 7-bit alphabet with its extension table, its packing, and UCS-2 (3GPP TS 23.038)."""

from protocol.errors import OutOfRange

ESCAPE = 0x1B

# TS 23.038, 6.2.1, by code; the escape stands at its own place.
_BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
# TS 23.038, 6.2.1.1: what follows an escape, and its meaning at the same place of the second string.
_EXTENSION_CODES = b"\x0a\x14\x28\x29\x2f\x3c\x3d\x3e\x40\x65"
_EXTENSION = "\x0c^{}\\[~]|€"


def pack(septets: bytes, fill_bits: int = 0) -> bytes:
    """Septets, low bits first, behind `fill_bits` zero bits (TS 23.038, 6.1.2.1.1; TS 23.040, 9.2.3.24)."""
    packed = bytearray()
    bits = fill_bits
    held = 0
    for septet in septets:
        held |= septet << bits
        bits += 7
        if bits >= 8:
            packed.append(held & 0xFF)
            held >>= 8
            bits -= 8
    if bits:
        packed.append(held)
    return bytes(packed)


def unpack(octets: bytes, count: int, fill_bits: int = 0) -> bytes:
    """The first `count` septets behind `fill_bits` bits, or as many as are there."""
    septets = bytearray()
    held = 0
    bits = -fill_bits
    for octet in octets:
        if bits < 0:  # only the first octet holds fill bits
            held = octet >> -bits
            bits += 8
        else:
            held |= octet << bits
            bits += 8
        while bits >= 7 and len(septets) < count:
            septets.append(held & 0x7F)
            held >>= 7
            bits -= 7
    return bytes(septets)


def text_of_septets(septets: bytes) -> str:
    """Septets as text; an escape that leads nowhere shows the character of the basic table, as the standard asks."""
    letters = []
    escaped = False
    for septet in septets:
        if septet == ESCAPE:
            if escaped:
                letters.append(" ")
            escaped = not escaped
            continue
        at = _EXTENSION_CODES.find(bytes((septet,))) if escaped else -1
        letters.append(_EXTENSION[at] if at >= 0 else _BASIC[septet])
        escaped = False
    return "".join(letters)


def septets_of_text(text: str) -> bytes:
    """Text as septets; OutOfRange names the place of a character that the alphabet lacks."""
    septets = bytearray()
    for place, letter in enumerate(text):
        code = _BASIC.find(letter)
        if code >= 0 and code != ESCAPE:
            septets.append(code)
            continue
        at = _EXTENSION.find(letter)
        if at < 0:
            raise OutOfRange("text", -1, "character %d is not in the GSM alphabet" % place)
        septets.append(ESCAPE)
        septets.append(_EXTENSION_CODES[at])
    return bytes(septets)


def text_of_ucs2(octets: bytes) -> str:
    """UCS-2 as text; pairs of surrogates are joined, as telephones write them; half a pair is OutOfRange."""
    if len(octets) & 1:
        raise OutOfRange("text", len(octets) - 1, "half a character of UCS-2")
    letters = []
    high = 0
    for at in range(0, len(octets), 2):
        code = octets[at] << 8 | octets[at + 1]
        is_low = 0xDC00 <= code <= 0xDFFF
        if is_low != bool(high):
            raise OutOfRange("text", at, "half a pair of surrogates")
        if is_low:
            letters.append(chr(0x10000 + (high - 0xD800 << 10) + code - 0xDC00))
            high = 0
        elif 0xD800 <= code <= 0xDBFF:
            high = code
        else:
            letters.append(chr(code))
    if high:
        raise OutOfRange("text", len(octets) - 2, "half a pair of surrogates")
    return "".join(letters)


def ucs2_of_text(text: str) -> bytes:
    """Text as UCS-2 with surrogate pairs."""
    octets = bytearray()
    for place, letter in enumerate(text):
        code = ord(letter)
        if 0xD800 <= code <= 0xDFFF:
            raise OutOfRange("text", -1, "character %d is half a pair of surrogates" % place)
        if code > 0xFFFF:
            code -= 0x10000
            octets.extend((0xD800 | code >> 10).to_bytes(2, "big"))
            code = 0xDC00 | code & 0x3FF
        octets.extend(code.to_bytes(2, "big"))
    return bytes(octets)
