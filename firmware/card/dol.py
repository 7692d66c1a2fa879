"""Data Object Lists: what the card wants from the terminal, and the octets that answer it (EMV Book 3, 5.4)."""

from firmware.card.errors import LIMIT_EXCEEDED, MALFORMED, CardProtocolError
from firmware.card.tlv import TAG_OCTETS_MAX, tag_name

# What still fits a short command behind the longest header around it (template 83 of GET PROCESSING OPTIONS).
DATA_OCTETS_MAX = 252

# Formats that decide cutting and padding (Book 3, Annex A1); every other tag is cut and zero-filled on the right.
NUMERIC = (
    0x9F02, 0x9F03, 0x9F1A, 0x5F2A, 0x5F36, 0x9A, 0x9C, 0x9F01, 0x9F15, 0x9F19, 0x9F21, 0x9F35, 0x9F39, 0x9F41,
    0x5F24, 0x5F25, 0x5F28, 0x5F34,
)  # fmt: skip
COMPRESSED_NUMERIC = (0x5A, 0x9F20)


def entries(dol: bytes):
    """Yield (tag, length) of each entry; raises `CardProtocolError` where an entry is cut short."""
    position = 0
    end = len(dol)
    while position < end:
        at = position
        tag = dol[position]
        position += 1
        if tag & 0x1F == 0x1F:
            while True:
                if position == end:
                    raise CardProtocolError(MALFORMED, tag_name(tag), at, "tag in DOL cut short")
                octet = dol[position]
                position += 1
                tag = tag << 8 | octet
                if octet < 0x80:
                    break
                if position - at == TAG_OCTETS_MAX:
                    raise CardProtocolError(MALFORMED, tag_name(tag), at, "tag in DOL too long")
        if position == end or dol[position] >= 0x80:
            raise CardProtocolError(MALFORMED, tag_name(tag), position, "length in DOL missing or too long")
        yield tag, dol[position]
        position += 1


def build(dol: bytes, values: dict) -> bytes:
    """The data that `dol` asks for, from `values` by tag; what the terminal does not have is zeros.

    Raises `CardProtocolError` for a list that is cut short or asks for more than 252 octets.
    """
    out = bytearray()
    for tag, length in entries(dol):
        if len(out) + length > DATA_OCTETS_MAX:
            raise CardProtocolError(
                LIMIT_EXCEEDED, tag_name(tag), -1, "DOL asks for more than a command can hold"
            )
        value = values.get(tag)
        if value is None:
            out.extend(bytes(length))
            continue
        short = length - len(value)
        if tag in NUMERIC:
            out.extend(bytes(short) + value if short > 0 else value[-short:])
        elif short <= 0:
            out.extend(value[:length])
        else:
            out.extend(value)
            out.extend((b"\xff" if tag in COMPRESSED_NUMERIC else b"\x00") * short)
    return bytes(out)
