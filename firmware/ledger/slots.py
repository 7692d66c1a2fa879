"""The octets of a journal slot and of a sector header: pure layout, no flash.

```
sector header  "LJRN"  format(1)  0(3)  sector number(4)  sequence before(4)  chain before(32)  kid(4)  0(8)  CRC-32(4)
slot           class(1)  kind(1)  payload length(1)  sequence(3)  roster index(2)  payload  [seal(64)]  CRC-32(4)
```
Slots take multiples of 32 octets, never cross a page and are never rewritten; the rest of a slot stays erased. Class,
kind and index stand in front so that a boot scan needs no record decoding. `roster index` is a hint (0xFFFF: none).
"""

import binascii

MAGIC = b"LJRN"
FORMAT = 1
SECTOR_HEADER_OCTETS = 64
SLOT_UNIT = 32
SLOT_HEAD_OCTETS = 8
CRC_OCTETS = 4
SEAL_OCTETS = 64
PAGE_OCTETS = 256

CLASS_CHAIN = 0x5C
CLASS_LOCAL = 0x5A
CLASS_ERASED = 0xFF
NO_INDEX = 0xFFFF

# Local slots: what the terminal must not forget but does not relay.
LOCAL_BOOT = 1
LOCAL_PIN_TRY = 2
LOCAL_PIN_CLEAR = 3
LOCAL_UN_ATTEMPT = 4
LOCAL_ACKNOWLEDGEMENT = 5
LOCAL_COUNTER_BLOCK = 6
LOCAL_CRASH = 7


class SectorHeader:
    """`number` rises with every sector opened; `sequence` and `chain` are the chain's state before the sector."""

    number: int
    sequence: int
    chain: bytes
    kid: int


class Slot:
    """One slot: `address` in the journal, `slot_class`, `kind` (record kind or LOCAL_*), `sequence`, `index`, `payload`
    and `seal` (b"" in local slots)."""

    address: int
    slot_class: int
    kind: int
    sequence: int
    index: int
    payload: bytes
    seal: bytes


def encode_sector_header(number: int, sequence: int, chain: bytes, kid: int) -> bytes:
    """The 64 octets that open a sector."""
    body = MAGIC + bytes((FORMAT, 0, 0, 0)) + number.to_bytes(4, "big") + sequence.to_bytes(4, "big") + chain
    return _with_crc(body + kid.to_bytes(4, "big") + bytes(8))


def decode_sector_header(data: bytes) -> "SectorHeader | None":
    """The header in 64 octets, or None where they are no whole header of a known format."""
    if bytes(data[:5]) != MAGIC + bytes((FORMAT,)) or not _crc_fits(data, 0, SECTOR_HEADER_OCTETS):
        return None
    header = SectorHeader()
    header.number = int.from_bytes(data[8:12], "big")
    header.sequence = int.from_bytes(data[12:16], "big")
    header.chain = bytes(data[16:48])
    header.kid = int.from_bytes(data[48:52], "big")
    return header


def slot_octets(payload: int, sealed: bool) -> int:
    """Octets that a slot takes in flash."""
    used = SLOT_HEAD_OCTETS + payload + (SEAL_OCTETS if sealed else 0) + CRC_OCTETS
    return (used + SLOT_UNIT - 1) // SLOT_UNIT * SLOT_UNIT


def encode_slot(slot_class: int, kind: int, sequence: int, index: int, payload: bytes, seal: bytes) -> bytes:
    """The octets to program (without the erased rest of the slot)."""
    head = bytes((slot_class, kind, len(payload))) + sequence.to_bytes(3, "big") + index.to_bytes(2, "big")
    return _with_crc(head + payload + seal)


def used_octets(data: bytes, offset: int) -> int:
    """Octets that the slot at `offset` claims to have programmed; 0 where its class is unknown."""
    slot_class = data[offset]
    if slot_class == CLASS_CHAIN:
        return SLOT_HEAD_OCTETS + data[offset + 2] + SEAL_OCTETS + CRC_OCTETS
    if slot_class == CLASS_LOCAL:
        return SLOT_HEAD_OCTETS + data[offset + 2] + CRC_OCTETS
    return 0


def decode_slot(data: bytes, offset: int, address: int) -> "Slot | None":
    """The slot at `offset` of a page, or None where class, length or CRC do not hold."""
    used = used_octets(data, offset)
    if used == 0 or offset + used > len(data) or not _crc_fits(data, offset, used):
        return None
    slot = Slot()
    slot.address = address
    slot.slot_class = data[offset]
    slot.kind = data[offset + 1]
    slot.sequence = int.from_bytes(data[offset + 3 : offset + 6], "big")
    slot.index = data[offset + 6] << 8 | data[offset + 7]
    start = offset + SLOT_HEAD_OCTETS
    slot.payload = bytes(data[start : start + data[offset + 2]])
    slot.seal = bytes(data[start + data[offset + 2] : offset + used - CRC_OCTETS])
    return slot


def _with_crc(body: bytes) -> bytes:
    """Octets and their CRC-32, big-endian."""
    return body + (binascii.crc32(body) & 0xFFFFFFFF).to_bytes(4, "big")


def _crc_fits(data: bytes, offset: int, used: int) -> bool:
    """Whether the last four of `used` octets are the CRC-32 of those before."""
    end = offset + used - CRC_OCTETS
    return (binascii.crc32(data[offset:end]) & 0xFFFFFFFF).to_bytes(4, "big") == bytes(data[end : end + 4])
