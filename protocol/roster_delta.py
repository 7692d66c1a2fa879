"""The roster delta (class down): the entries in which a new roster differs from the one that a terminal has.

The signature behind it is the authority's over the digest of the whole new roster, as if that had been sent: a terminal puts
the new roster together, and takes it only if that is what was signed. One that changes nothing that was there names every
entry, and is a whole roster. How it travels, `renewal` says.
"""

from protocol import roster
from protocol.errors import NotCanonical, OutOfRange, ProtocolError, UnknownVersion
from protocol.octets import Reader, Writer

VERSION = 1
BASE_OCTETS = 4
HEAD_OCTETS = 13
SECOND_CARD = 0x8000
# The base of a delta that names every entry.
NO_BASE = bytes(BASE_OCTETS)
_SHORT_OCTETS = 36


class RosterDelta:
    """`base`: the first 4 octets of the digest of the roster that it changes, or NO_BASE; `number` and `count` of the new one;
    `entries`: (index, the 64 octets of the entry), indices rising.
    """

    base: bytes
    number: int
    count: int
    entries: tuple[tuple[int, bytes], ...]


class Head:
    """What stands before the entries: as `RosterDelta`, and how many entries it `names`."""

    base: bytes
    number: int
    count: int
    names: int


def encode(delta: RosterDelta) -> bytes:
    """The body without its signature: 13 octets, then 38 for an entry with one card or none, 66 for one with two."""
    out = Writer()
    out.number("version", VERSION, 1)
    out.octets("base", delta.base, BASE_OCTETS)
    out.number("number", delta.number, 4, 1)
    out.number("count", delta.count, 2, 1, roster.ENTRIES_MAX)
    out.number("entries", len(delta.entries), 2, 1, delta.count)
    if delta.base == NO_BASE and len(delta.entries) != delta.count:
        raise OutOfRange("entries", 11, "without a base every entry is named")
    least = 0
    for index, octets in delta.entries:
        roster.decode_entry(octets)
        out.number("index", index, 2, least, delta.count - 1)
        has_second = any(octets[_SHORT_OCTETS:])
        if has_second:
            out.data[-2] |= SECOND_CARD >> 8
        out.data.extend(octets if has_second else octets[:_SHORT_OCTETS])
        least = index + 1
    return bytes(out.data)


def decode(body: bytes, start: int = 0) -> RosterDelta:
    """The delta in `body` from `start` on; whether it fits a roster, and whether the result is what was signed, only `apply`
    can tell.
    """
    source = Reader(body, start)
    head = decode_head(source)
    delta = RosterDelta()
    delta.base, delta.number, delta.count = head.base, head.number, head.count
    entries = []
    least = 0
    for _ in range(head.names):
        entries.append(decode_entry(source, least, head.count))
        least = entries[-1][0] + 1
    source.end("roster delta")
    delta.entries = tuple(entries)
    return delta


def decode_head(source: Reader) -> Head:
    """The 13 octets before the entries."""
    start = source.offset
    if source.number("version", 1) != VERSION:
        raise UnknownVersion("version", start, "unknown roster delta version")
    head = Head()
    head.base = source.octets("base", BASE_OCTETS)
    head.number = source.number("number", 4, 1)
    head.count = source.number("count", 2, 1, roster.ENTRIES_MAX)
    head.names = source.number("entries", 2, 1, head.count)
    if head.base == NO_BASE and head.names != head.count:
        raise OutOfRange("entries", start + 11, "without a base every entry is named")
    return head


def decode_entry(source: Reader, least: int, count: int) -> tuple[int, bytes]:
    """(index, 64 octets) of the next entry; its index is `least` or above, and below `count`."""
    at = source.offset
    flagged = source.number("index", 2)
    index = flagged & ~SECOND_CARD
    if not least <= index < count:
        raise OutOfRange("index", at, "does not rise, or is beyond the roster")
    start = source.offset
    octets = source.octets("entry", roster.ENTRY_OCTETS if flagged & SECOND_CARD else _SHORT_OCTETS)
    octets += bytes(roster.ENTRY_OCTETS - len(octets))
    if flagged & SECOND_CARD and not any(octets[_SHORT_OCTETS:]):
        raise NotCanonical("index", at, "announces a second card that is not there")
    _check(octets, start)
    return index, octets


def require_later(number: int, count: int, held_number: int, held_count: int) -> None:
    """A roster that may follow the one that is held: its number is greater, and no index was given away."""
    if count < held_count or number <= held_number:
        raise OutOfRange("number", 5, "not later than the roster that is here")


def between(base: bytes, new: bytes) -> RosterDelta:
    """What changes the roster `base` (octets; b"": none, so that all of it is named) into `new`; raises `OutOfRange` where
    nothing does.
    """
    header = roster.decode_header(new)
    held = 0
    delta = RosterDelta()
    delta.base = roster.digest(base)[:BASE_OCTETS] if base else NO_BASE
    if delta.base != NO_BASE:
        held = roster.decode_header(base).count
        if header.count < held:
            raise OutOfRange("count", -1, "less than before; indices are never given away")
    delta.number, delta.count = header.number, header.count
    entries = []
    for index in range(header.count):
        octets = _entry(new, index)
        if index >= held or octets != _entry(base, index):
            entries.append((index, octets))
    delta.entries = tuple(entries)
    return delta


def apply(base: bytes, delta: RosterDelta) -> bytes:
    """The octets of the new roster, whose digest the signature has to fit; raises `OutOfRange` for another base."""
    header = roster.decode_header(base)
    if delta.base not in (NO_BASE, roster.digest(base)[:BASE_OCTETS]):
        raise OutOfRange("base", 1, "another roster is here")
    require_later(delta.number, delta.count, header.number, header.count)
    changed = dict(delta.entries)
    out = bytearray(roster.encode_header(delta.number, delta.count))
    for index in range(delta.count):
        if index in changed:
            out.extend(changed[index])
        elif index < header.count:
            out.extend(_entry(base, index))
        else:
            raise OutOfRange("entries", 11, "entry %d is nowhere" % index)
    return bytes(out)


def _check(octets: bytes, start: int) -> None:
    """An entry that reads; what is wrong with it is named by its place in the delta."""
    try:
        roster.decode_entry(octets)
    except ProtocolError as error:
        raise type(error)(error.field, start + error.offset, error.reason)


def _entry(octets: bytes, index: int) -> bytes:
    start = roster.octets(index)
    return bytes(octets[start : start + roster.ENTRY_OCTETS])
