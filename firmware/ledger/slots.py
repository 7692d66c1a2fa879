"""The octets of a journal slot and of a sector header: pure layout, no flash.

```
sector header  "LJRN"  format(1)  0(3)  number(4)  sequence before(4)  chain before(32)  kid(4)  checkpoint(4)
               passed(2)  0(2)
slot           class(1)  kind(1)  payload length(1)  sequence(3)  roster index(2)  payload  [seal(64)]
```
Both end with a CRC-32, low octet first. Slots take multiples of 32 octets, never cross a page and are not rewritten; the
rest of a slot stays erased. Class, kind and index stand in front so that a boot scan need not decode records. `roster
index` is the family's, or the programme's number where a grant is adopted (0xFFFF: neither); an enrolment of the family's
second card has the highest bit set. `checkpoint` is the number of the sector in which the newest whole checkpoint begins
(0: none); `passed` how many numbers before this sector's were never opened, because their flash would not take it or a
power cut had used it up. Format 1 knew no `passed`: it had zeros there.
"""

from firmware.ledger import crc

MAGIC = b"LJRN"
FORMAT = 2
FORMATS = (1, 2)
SECTOR_BYTES = 4096
PAGE_OCTETS = 256
ERASED_PAGE = b"\xff" * PAGE_OCTETS
SECTOR_HEADER_OCTETS = 64
# What finds a sector without decoding its header: magic, format and number.
SECTOR_NAME_OCTETS = 12
SLOT_UNIT = 32
SLOT_HEAD_OCTETS = 8
SEAL_OCTETS = 64
LOCAL_PAYLOAD_OCTETS_MAX = PAGE_OCTETS - SLOT_HEAD_OCTETS - crc.OCTETS

CLASS_CHAIN = 0x5C
CLASS_LOCAL = 0x5A
CLASS_ERASED = 0xFF
NO_INDEX = 0xFFFF
SECOND_CARD = 0x8000

# Local slots: what the terminal must not forget but does not relay. Their kinds are apart from those of records. Each
# holds the new value, never a step, so that one that is read twice changes nothing.
LOCAL_FIRST = 0x80
LOCAL_BOOT = 0x81
LOCAL_PIN_TRIES = 0x82
LOCAL_UN_ATTEMPT = 0x83
LOCAL_ACKNOWLEDGEMENT = 0x84
LOCAL_COUNTER_BLOCK = 0x85
LOCAL_CRASH = 0x86
LOCAL_CHECKPOINT = 0x87
LOCAL_CHECKPOINT_END = 0x88
LOCAL_LOCK = 0x89
LOCAL_SMS = 0x8A
LOCAL_CARD_CLOSING = 0x8F
LOCAL_RETIRED = 0x8C
LOCAL_AHEAD = 0x8D
LOCAL_ERASED = 0x8E

_CHAIN_OCTETS = SLOT_HEAD_OCTETS + SEAL_OCTETS + crc.OCTETS
_LOCAL_OCTETS = SLOT_HEAD_OCTETS + crc.OCTETS


class SectorHeader:
    """`number` rises with every sector opened; `sequence` and `chain` are the chain's state before the sector."""

    number: int
    sequence: int
    chain: bytes
    kid: int
    checkpoint: int
    passed: int


class Slot:
    """A chain record as stored: `kind`, `sequence`, `index`, `payload` (its canonical octets) and `seal`."""

    kind: int
    sequence: int
    index: int
    payload: bytes
    seal: bytes


def encode_sector_header(header: SectorHeader) -> bytes:
    """The 64 octets that open a sector."""
    body = (
        MAGIC
        + bytes((FORMAT, 0, 0, 0))
        + header.number.to_bytes(4, "big")
        + header.sequence.to_bytes(4, "big")
    )
    body += header.chain + header.kid.to_bytes(4, "big") + header.checkpoint.to_bytes(4, "big")
    return crc.append(body + header.passed.to_bytes(2, "big") + bytes(2))


def decode_sector_header(data: bytes) -> "SectorHeader | None":
    """The header in 64 octets, or None where they are no whole header of a known format."""
    if sector_number(data) == 0 or not crc.fits(data):
        return None
    header = SectorHeader()
    header.number = sector_number(data)
    header.sequence = int.from_bytes(data[12:16], "big")
    header.chain = bytes(data[16:48])
    header.kid = int.from_bytes(data[48:52], "big")
    header.checkpoint = int.from_bytes(data[52:56], "big")
    header.passed = int.from_bytes(data[56:58], "big")
    return header


def sector_number(data: bytes) -> int:
    """The number in the first 12 octets of a sector, 0 where they are not ours; the CRC is not looked at."""
    if data[:4] != MAGIC or data[4] not in FORMATS:
        return 0
    return int.from_bytes(data[8:SECTOR_NAME_OCTETS], "big")


def encode_slot(kind: int, sequence: int, index: int, payload: bytes, seal: bytes) -> bytes:
    """The octets to program (without the erased rest of the slot); `seal` is b"" in local slots."""
    slot_class = CLASS_CHAIN if kind < LOCAL_FIRST else CLASS_LOCAL
    head = bytes((slot_class, kind, len(payload))) + sequence.to_bytes(3, "big") + index.to_bytes(2, "big")
    return crc.append(head + payload + seal)


def slot_octets(programmed: int) -> int:
    """Octets that a slot takes in flash."""
    return (programmed + SLOT_UNIT - 1) // SLOT_UNIT * SLOT_UNIT


def end_of(data: bytes, at: int) -> int:
    """Where the slot at `at` says that its CRC ends; 0 where its class is unknown or it would leave its page."""
    slot_class = data[at]
    if slot_class == CLASS_CHAIN:
        end = at + _CHAIN_OCTETS + data[at + 2]
    elif slot_class == CLASS_LOCAL:
        end = at + _LOCAL_OCTETS + data[at + 2]
    else:
        return 0
    return end if (end - 1) // PAGE_OCTETS == at // PAGE_OCTETS else 0


def whole_slots(data: bytes, at: int):
    """Generate the offsets of the whole slots in `data` (pages of one sector), from `at` on."""
    view = memoryview(data)
    size = len(data)
    crc32 = crc.crc32
    while at < size:
        if data[at] == CLASS_ERASED:
            at = (at // PAGE_OCTETS + 1) * PAGE_OCTETS
            continue
        end = end_of(data, at)
        if end == 0 or crc32(view[at:end]) != crc.RESIDUE:
            # Torn or worn: the next slot begins at the next unit, wherever that one would have ended.
            at += SLOT_UNIT
            continue
        yield at
        at = (end + SLOT_UNIT - 1) // SLOT_UNIT * SLOT_UNIT


def tail_of(sector: bytearray) -> tuple:
    """(last page that is not erased, octets of the last whole slot or b"", where the next may begin) in a sector."""
    touched = SECTOR_BYTES // PAGE_OCTETS - 1
    while touched > 0 and sector[touched * PAGE_OCTETS : (touched + 1) * PAGE_OCTETS] == ERASED_PAGE:
        touched -= 1
    start = -1
    for at in whole_slots(sector, SECTOR_HEADER_OCTETS):
        start = at
    if start < 0:
        return touched, b"", SECTOR_HEADER_OCTETS
    end = end_of(sector, start)
    return touched, bytes(sector[start:end]), slot_octets(end)


def sequence_at(data: bytes, at: int) -> int:
    """The sequence of the slot at `at`."""
    return data[at + 3] << 16 | data[at + 4] << 8 | data[at + 5]


def payload_at(data: bytes, at: int) -> bytes:
    """The payload of the slot at `at`."""
    start = at + SLOT_HEAD_OCTETS
    return bytes(data[start : start + data[at + 2]])


def chain_slot(data: bytes, at: int) -> Slot:
    """The chain record in the slot at `at`."""
    slot = Slot()
    slot.kind = data[at + 1]
    slot.sequence = sequence_at(data, at)
    slot.index = data[at + 6] << 8 | data[at + 7]
    slot.payload = payload_at(data, at)
    start = at + SLOT_HEAD_OCTETS + len(slot.payload)
    slot.seal = bytes(data[start : start + SEAL_OCTETS])
    return slot
