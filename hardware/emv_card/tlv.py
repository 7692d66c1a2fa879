"""Writing BER-TLV, and reading it as far as a card has to (EMV Book 3, annex B)."""


def length(size: int) -> bytes:
    """The length field in its shortest form."""
    if size < 0x80:
        return bytes([size])
    if size < 0x100:
        return bytes([0x81, size])
    return bytes([0x82, size >> 8, size & 0xFF])


def build(tag: str, *parts: bytes) -> bytes:
    """One data object; the tag as hex (`"9F36"`), the value as the parts in order."""
    value = b"".join(parts)
    return bytes.fromhex(tag) + length(len(value)) + value


def dol_lengths(dol: bytes):
    """Split a data object list into (tag as upper-case hex, length) pairs (Book 3, 5.4)."""
    entries = []
    at = 0
    while at < len(dol):
        end = at + 1
        if dol[at] & 0x1F == 0x1F:
            while dol[end] & 0x80:
                end += 1
            end += 1
        entries.append((dol[at:end].hex().upper(), dol[end]))
        at = end + 1
    return entries


def dol_values(dol: bytes, data: bytes) -> dict:
    """The values that a terminal sent for `dol`, by tag; ValueError when the total length differs."""
    values = {}
    at = 0
    for tag, size in dol_lengths(dol):
        values[tag] = data[at : at + size]
        at += size
    if at != len(data):
        raise ValueError("DOL data of %d octets, the list asks for %d" % (len(data), at))
    return values
