"""BER-TLV as EMV uses it (Book 3, Annex B): reading without copying, and the few objects that a terminal builds.

Offsets in errors and results count from the start of the buffer that was handed in, at every depth.
"""

from firmware.card.errors import DATA_REPEATED, LIMIT_EXCEEDED, MALFORMED, CardProtocolError

TAG_OCTETS_MAX = 3
LENGTH_OCTETS_MAX = 4
DEPTH_MAX = 6


def tag_name(tag: int) -> str:
    """A tag as the standard writes it, for error messages."""
    return "tag %02X" % tag


def _error(tag: int, offset: int, reason: str) -> CardProtocolError:
    return CardProtocolError(MALFORMED, tag_name(tag), offset, reason)


def _header(data: bytes, at: int, end: int) -> tuple:
    """(tag, value start, value end) of the object at `at`; it must end at or before `end`."""
    tag = data[at]
    position = at + 1
    if tag & 0x1F == 0x1F:
        while True:
            if position == end:
                raise _error(tag, at, "tag cut short")
            octet = data[position]
            position += 1
            tag = tag << 8 | octet
            if octet < 0x80:
                break
            if position - at == TAG_OCTETS_MAX:
                raise _error(tag, at, "tag longer than %d octets" % TAG_OCTETS_MAX)
    if position == end:
        raise _error(tag, position, "length missing")
    length = data[position]
    position += 1
    if length >= 0x80:
        count = length & 0x7F
        if count == 0 or count > LENGTH_OCTETS_MAX:
            raise _error(tag, position - 1, "length octet %02X not allowed" % length)
        if position + count > end:
            raise _error(tag, position, "length cut short")
        length = int.from_bytes(data[position : position + count], "big")
        position += count
    if length > end - position:
        raise _error(tag, position, "value cut short")
    return tag, position, position + length


def _is_fill(data: bytes, at: int, end: int) -> bool:
    """Whether only FF octets are left: erased memory behind the last object, which ISO 7816-4 lets a card send.

    FF elsewhere starts a tag of the private class and is read as one.
    """
    while at < end:
        if data[at] != 0xFF:
            return False
        at += 1
    return True


def objects(data: bytes, start: int = 0, end: int = -1):
    """Yield (tag, value start, value end) of each object in `data[start:end]`; 00 between objects is skipped.

    Raises `CardProtocolError` with tag and offset where the coding breaks.
    """
    if end < 0:
        end = len(data)
    while start < end:
        octet = data[start]
        if octet == 0:
            start += 1
            continue
        if octet == 0xFF and _is_fill(data, start, end):
            return
        found = _header(data, start, end)
        yield found
        start = found[2]


def walk(data: bytes, start: int = 0, end: int = -1):
    """Yield (depth, tag, value start, value end) of every object, constructed ones before what they hold."""
    if end < 0:
        end = len(data)
    ends = [end]
    while ends:
        end = ends[-1]
        if start >= end:
            ends.pop()
            continue
        octet = data[start]
        if octet == 0:
            start += 1
            continue
        if octet == 0xFF and _is_fill(data, start, end):
            start = end
            continue
        tag, inner, start = _header(data, start, end)
        yield len(ends) - 1, tag, inner, start
        if octet & 0x20:
            if len(ends) > DEPTH_MAX:
                raise CardProtocolError(
                    LIMIT_EXCEEDED, tag_name(tag), inner, "nested deeper than %d" % DEPTH_MAX
                )
            ends.append(start)
            start = inner


def only(data: bytes, tag: int = 0) -> tuple:
    """(value start, value end) of the one object that fills `data`; with `tag`, it must be that one."""
    if not len(data):
        raise _error(tag, 0, "missing")
    found, start, end = _header(data, 0, len(data))
    if tag and found != tag:
        raise _error(found, 0, "not %s" % tag_name(tag))
    if end != len(data):
        raise _error(found, end, "%d octets behind the object" % (len(data) - end))
    return start, end


def collect(data: bytes, start: int, end: int, wanted, into: dict) -> None:
    """Copy the values of the `wanted` tags of one level into `into`; a tag seen before is an error (Book 3, 10.2)."""
    for tag, inner, stop in objects(data, start, end):
        if tag in wanted:
            if tag in into:
                raise CardProtocolError(DATA_REPEATED, tag_name(tag), inner, "seen before")
            into[tag] = bytes(data[inner:stop])


def encode(tag: int, value: bytes) -> bytes:
    """One object with the shortest length field; the tag must be one by the rules of Annex B1."""
    octets = 1 if tag < 0x100 else 2 if tag < 0x10000 else 3
    head = tag.to_bytes(octets, "big")
    for i in range(octets):
        more = head[0] & 0x1F == 0x1F if i == 0 else head[i] & 0x80 != 0
        if more != (i < octets - 1):
            raise _error(tag, i, "not a tag")
    length = len(value)
    if length < 0x80:
        head += bytes((length,))
    else:
        count = 1 if length < 0x100 else 2
        head += bytes((0x80 | count,)) + length.to_bytes(count, "big")
    return head + value
