"""Numbered parts: what does not fit one SMS, cut into frames and put together all or nothing.

Who sends when: the gateway, where a grant (or another unit of class down) with its signature is longer than the channel's
frame; it sends all parts again at its ordinary interval until the terminal has adopted the unit. The terminal hands each part
to an `Assembly`, and what that gives back to whatever takes a whole unit of that kind. Parts live in memory only.

The terminal cuts a frame of records only where not even one record fits (beside its seal, where that must go): the gateway
keeps these parts until the frame is whole.
"""

import hashlib

from protocol.errors import OutOfRange, UnknownVersion
from protocol.octets import Reader, Writer

NAME_OCTETS = 4
HEAD_OCTETS = 7
PART_OCTETS = 112
PARTS_MAX = 64
UNIT_OCTETS_MAX = PART_OCTETS * PARTS_MAX
KIND_MAX = 63
# Of class up.
RECORDS_FRAME = 1
UP_PARTS_MAX = 3


class Part:
    """Part `place` (from 0) of `count` of a unit of `kind`; `name` are the first 4 octets of its SHA-256."""

    kind: int
    name: bytes
    place: int
    count: int
    octets: bytes


def split(kind: int, unit: bytes) -> list[Part]:
    """The parts of a unit (body and signature, as one frame would hold it): all of 112 octets but the last."""
    count = (len(unit) + PART_OCTETS - 1) // PART_OCTETS
    if not 2 <= count <= PARTS_MAX:
        raise OutOfRange("unit", -1, "needs no parts, or more than %d" % PARTS_MAX)
    name = hashlib.sha256(unit).digest()[:NAME_OCTETS]
    parts = []
    for place in range(count):
        part = Part()
        part.kind, part.name, part.place, part.count = kind, name, place, count
        part.octets = bytes(unit[place * PART_OCTETS : (place + 1) * PART_OCTETS])
        parts.append(part)
    return parts


def encode(part: Part) -> bytes:
    """7 octets of head and up to 112 of the unit."""
    out = Writer()
    out.number("kind", part.kind, 1, 1, KIND_MAX)
    out.octets("name", part.name, NAME_OCTETS)
    out.number("count", part.count, 1, 2, PARTS_MAX)
    out.number("place", part.place, 1, 0, part.count - 1)
    _check_length(part)
    out.data.extend(part.octets)
    return bytes(out.data)


def decode(body: bytes) -> Part:
    """The part in `body`; what it is part of is only known, and only verified, when all are there."""
    source = Reader(body)
    part = Part()
    part.kind = source.number("kind", 1, 1, KIND_MAX)
    part.name = source.octets("name", NAME_OCTETS)
    part.count = source.number("count", 1, 2, PARTS_MAX)
    part.place = source.number("place", 1, 0, part.count - 1)
    part.octets = bytes(body[HEAD_OCTETS:])
    _check_length(part)
    return part


def decode_up(body: bytes) -> Part:
    """A part of class up: of a whole frame of records."""
    part = decode(body)
    if part.kind != RECORDS_FRAME:
        raise UnknownVersion("kind", 0, "unknown kind of unit")
    if part.count > UP_PARTS_MAX:
        raise OutOfRange("count", 1 + NAME_OCTETS, "not in 2..%d" % UP_PARTS_MAX)
    return part


def join(pieces: list[Part]) -> bytes:
    """The unit of which these are all parts, in any order; b"" where they are not what their name says."""
    found = {part.place: part.octets for part in pieces}
    unit = b"".join([found[place] for place in range(pieces[0].count)])
    return unit if hashlib.sha256(unit).digest()[:NAME_OCTETS] == pieces[0].name else b""


def _check_length(part: Part) -> None:
    """Every part but the last is full, so that a unit is cut in one way only."""
    length = len(part.octets)
    if not 1 <= length <= PART_OCTETS or (part.place < part.count - 1 and length != PART_OCTETS):
        raise OutOfRange("octets", HEAD_OCTETS, "not the length of this part")


class Assembly:
    """Collects parts of at most `units_max` units; the one that was heard of longest ago gives way."""

    def __init__(self, units_max: int = 2) -> None:
        self._units_max = units_max
        self._units: list[tuple[tuple[int, bytes, int], dict[int, Part]]] = []

    def take(self, part: Part) -> "tuple[int, bytes] | None":
        """(kind, whole unit) with the part that completes it, else None.

        Parts that together are not what their name says are all forgotten. A unit that was given back starts afresh.
        """
        key = (part.kind, part.name, part.count)
        held: dict[int, Part] = {}
        for i in range(len(self._units)):
            if self._units[i][0] == key:
                held = self._units.pop(i)[1]
                break
        held[part.place] = part
        if len(held) < part.count:
            self._units.append((key, held))
            if len(self._units) > self._units_max:
                self._units.pop(0)
            return None
        unit = join([held[place] for place in range(part.count)])
        return (part.kind, unit) if unit else None
