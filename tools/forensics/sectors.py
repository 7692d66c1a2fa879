"""The journal partition as it lies in flash: sector headers, whole slots, and everything that is neither.

Written from the format's description (firmware/ledger), not from the firmware's code, so that the two check each other:

    sector   0   "LJRN"  format 1 or 2  000000  number(4)  sequence before(4)  chain before(32)  kid(4)  checkpoint(4)
                 passed(2; 0 in format 1)  0(2)  CRC
             64  slots, each a multiple of 32 octets, none across a page of 256
    slot     class(1)  kind(1)  payload length(1)  sequence(3)  index(2)  payload  [seal(64)]  CRC

Numbers are big-endian, CRC-32 is little-endian. Class 5C is a record with its seal, 5A a local mark without. FF where a
slot would begin means that the rest of the page was never written.
"""

from __future__ import annotations

import binascii
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

SECTOR_OCTETS = 4096
PAGE_OCTETS = 256
UNIT_OCTETS = 32
HEADER_OCTETS = 64
SEAL_OCTETS = 64

FORMATS = (1, 2)
_HEADER = struct.Struct(">4sB3sII32sIIH2s")
_HEAD = struct.Struct(">BBB3sH")
_CRC_OCTETS = 4
_RECORD_CLASS = 0x5C
_LOCAL_CLASS = 0x5A
_ERASED = 0xFF


class SlotClass(StrEnum):
    """What a slot holds."""

    RECORD = "record"
    LOCAL = "local"


_CLASSES = {_RECORD_CLASS: SlotClass.RECORD, _LOCAL_CLASS: SlotClass.LOCAL}


@dataclass(frozen=True, slots=True)
class Header:
    """A sector's header: `number` rises with each sector opened, `sequence` and `chain` are the chain's state before it.

    `passed`: so many numbers before its own were never opened.
    """

    number: int
    sequence: int
    chain: bytes
    kid: int
    checkpoint: int
    passed: int


@dataclass(frozen=True, slots=True)
class Slot:
    """A slot whose CRC holds. `address` counts from the beginning of the partition; `octets` is all that was programmed.

    `is_hidden`: it stands where the firmware does not look (behind octets that read as never written).
    """

    address: int
    slot_class: SlotClass
    kind: int
    sequence: int
    index: int
    payload: bytes
    seal: bytes
    octets: bytes
    is_hidden: bool = False


class Rubbish(StrEnum):
    """Why octets are no slot."""

    CRC = "CRC does not hold"
    CLASS = "unknown class"
    LENGTH = "would leave its page"
    STRUCK = "struck out (all zero)"
    STRAY = "written behind octets that read as never written"
    TAIL = "octets behind the CRC that should be erased"
    HEADER = "sector header does not hold"
    FORMAT = "sector of an unknown format"


@dataclass(frozen=True, slots=True)
class Remains:
    """Octets that are neither erased nor part of a whole slot; `claim` is (kind, sequence) as far as it can be read."""

    address: int
    octets: int
    reason: Rubbish
    claim: tuple[int, int] | None = None


@dataclass(slots=True)
class Sector:
    """One sector. `header` is None where it does not hold."""

    place: int
    header: Header | None
    slots: list[Slot] = field(default_factory=list)
    remains: list[Remains] = field(default_factory=list)
    is_erased: bool = False


def crc_holds(octets: bytes) -> bool:
    """Tell whether octets end with the CRC-32 of what stands before."""
    return binascii.crc32(octets[:-_CRC_OCTETS]).to_bytes(_CRC_OCTETS, "little") == octets[-_CRC_OCTETS:]


def read(journal: bytes) -> list[Sector]:
    """Every sector of a partition, in the order of addresses."""
    return [
        _sector(place, journal[place * SECTOR_OCTETS : (place + 1) * SECTOR_OCTETS])
        for place in range(len(journal) // SECTOR_OCTETS)
    ]


def _sector(place: int, octets: bytes) -> Sector:
    header = _header(octets[:HEADER_OCTETS])
    sector = Sector(place, header)
    if octets == bytes((_ERASED,)) * SECTOR_OCTETS:
        sector.is_erased = True
        return sector
    base = place * SECTOR_OCTETS
    if header is None and not _is_filled(octets[:HEADER_OCTETS], _ERASED):
        is_other = (
            octets.startswith(b"LJRN") and octets[4] not in FORMATS and crc_holds(octets[:HEADER_OCTETS])
        )
        reason = Rubbish.FORMAT if is_other else Rubbish.HEADER
        sector.remains.append(Remains(base, HEADER_OCTETS, reason))
    for page in range(0, SECTOR_OCTETS, PAGE_OCTETS):
        start = HEADER_OCTETS if page == 0 else 0
        for item in _page(octets[page : page + PAGE_OCTETS], start, base + page):
            if isinstance(item, Slot):
                sector.slots.append(item)
            else:
                sector.remains.append(item)
    sector.remains = _joined(sector.remains)
    return sector


def _header(octets: bytes) -> Header | None:
    magic, version, _, number, sequence, chain, kid, checkpoint, passed, _ = _HEADER.unpack(
        octets[: _HEADER.size]
    )
    if magic != b"LJRN" or version not in FORMATS or number == 0 or not crc_holds(octets):
        return None
    return Header(number, sequence, chain, kid, checkpoint, passed)


def _page(page: bytes, at: int, base: int) -> Iterator[Slot | Remains]:
    """Everything in a page from `at` on; beyond what the firmware reads, slots that only we look for are `is_hidden`."""
    is_past_end = False
    while at < PAGE_OCTETS:
        if page[at] == _ERASED:
            is_past_end = True
        slot = _slot(page, at, base + at, is_hidden=is_past_end)
        if slot is not None:
            yield slot
            end = at + len(slot.octets)
            at = -(-end // UNIT_OCTETS) * UNIT_OCTETS
            if not _is_filled(page[end:at], _ERASED):
                yield Remains(base + end, at - end, Rubbish.TAIL)
            continue
        unit = page[at : at + UNIT_OCTETS]
        if _is_filled(unit, 0):
            yield Remains(base + at, UNIT_OCTETS, Rubbish.STRUCK)
        elif not _is_filled(unit, _ERASED):
            reason = Rubbish.STRAY if is_past_end else _why(page, at)
            yield Remains(base + at, UNIT_OCTETS, reason, _claim(page, at, reason))
        at += UNIT_OCTETS


def _slot(page: bytes, at: int, address: int, *, is_hidden: bool) -> Slot | None:
    """The whole slot at `at`, None where there is none."""
    end = _end(page, at)
    if end is None or end > PAGE_OCTETS or not crc_holds(page[at:end]):
        return None
    number, kind, length, sequence, index = _HEAD.unpack(page[at : at + _HEAD.size])
    payload_at = at + _HEAD.size
    return Slot(
        address=address,
        slot_class=_CLASSES[number],
        kind=kind,
        sequence=int.from_bytes(sequence, "big"),
        index=index,
        payload=page[payload_at : payload_at + length],
        seal=page[payload_at + length : end - _CRC_OCTETS],
        octets=page[at:end],
        is_hidden=is_hidden,
    )


def _end(page: bytes, at: int) -> int | None:
    """Where the slot at `at` says that it ends, None where its class is unknown."""
    if page[at] not in _CLASSES:
        return None
    seal = SEAL_OCTETS if page[at] == _RECORD_CLASS else 0
    return at + _HEAD.size + page[at + 2] + seal + _CRC_OCTETS


def _why(page: bytes, at: int) -> Rubbish:
    end = _end(page, at)
    if end is None:
        return Rubbish.CLASS
    return Rubbish.LENGTH if end > PAGE_OCTETS else Rubbish.CRC


def _claim(page: bytes, at: int, reason: Rubbish) -> tuple[int, int] | None:
    """What a torn slot says it was."""
    if reason is not Rubbish.CRC:
        return None
    _, kind, _, sequence, _ = _HEAD.unpack(page[at : at + _HEAD.size])
    return kind, int.from_bytes(sequence, "big")


def _is_filled(octets: bytes, value: int) -> bool:
    return octets.count(value) == len(octets)


def _joined(remains: list[Remains]) -> list[Remains]:
    """Neighbours of one page that belong together as one: a torn slot has its claim in its first unit only."""
    joined: list[Remains] = []
    for item in remains:
        last = joined[-1] if joined else None
        if last is not None and last.address + last.octets == item.address and _belong(last, item):
            joined[-1] = Remains(last.address, last.octets + item.octets, last.reason, last.claim)
        else:
            joined.append(item)
    return joined


def _belong(last: Remains, item: Remains) -> bool:
    if last.address // PAGE_OCTETS != item.address // PAGE_OCTETS or item.claim is not None:
        return False
    if Rubbish.STRUCK in (last.reason, item.reason):
        return last.reason is item.reason
    return item.reason in (Rubbish.CLASS, Rubbish.STRAY, last.reason)
