"""Frames that people carry: entries of a file for USB, and the text of a QR code; the same up and down.

```
entry   "LMBG"  version(1)=1  length(3)  frame  CRC-32(4) of everything before it in the entry
text    "L1:" and the frame in base 45 (RFC 9285)
```
A carry file is entries one behind the other and nothing else, so files may be joined, sent entry by entry over a serial
line, and read as far as they came when they were cut. A QR code holds one frame; its text consists of the 45 characters
that QR's alphanumeric mode has, so it survives printers that take text only and phones that pass on what they read.
"""

from binascii import crc32

from protocol.errors import NotCanonical, OutOfRange, ProtocolError, Truncated, UnknownVersion
from protocol.octets import Reader, number

MAGIC = b"LMBG"
VERSION = 1
CHECK_OCTETS = 4
OVERHEAD_OCTETS = 12
# As `frame` has them; without it this module loads alone.
FRAME_OCTETS_MIN = 13
FRAME_OCTETS_MAX = 65536

QR_PREFIX = "L1:"
_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
_BASE = 45


def pack(frame: bytes) -> bytes:
    """The entry that carries a frame; `OutOfRange` where its length is no frame's."""
    if not FRAME_OCTETS_MIN <= len(frame) <= FRAME_OCTETS_MAX:
        raise OutOfRange("length", len(MAGIC) + 1, "not in %d..%d" % (FRAME_OCTETS_MIN, FRAME_OCTETS_MAX))
    entry = MAGIC + bytes((VERSION,)) + number("length", len(frame), 3) + frame
    return entry + crc32(entry).to_bytes(CHECK_OCTETS, "big")


def unpack(data: bytes, offset: int = 0) -> tuple[bytes, int]:
    """(frame, offset behind its entry) of the entry at `offset`.

    Raises `Truncated` where the data end inside it, `UnknownVersion`, or `OutOfRange` (magic, length, check).
    """
    source = Reader(data, offset)
    magic = source.octets("magic", len(MAGIC))
    if magic != MAGIC:
        raise OutOfRange("magic", offset, "no entry begins here")
    version = source.number("version", 1)
    if version != VERSION:
        raise UnknownVersion("version", source.offset - 1, "unknown version")
    frame = source.octets("frame", source.number("length", 3, FRAME_OCTETS_MIN, FRAME_OCTETS_MAX))
    end = source.offset
    if source.octets("check", CHECK_OCTETS) != crc32(data[offset:end]).to_bytes(CHECK_OCTETS, "big"):
        raise OutOfRange("check", end, "does not fit the octets")
    return frame, source.offset


def read(data: bytes) -> list[tuple[int, bytes, ProtocolError | None]]:
    """All entries of a carry file as (offset, frame, None), and each stretch that is none as (offset, b"", what ails it).

    Behind a damaged entry reading goes on at the next magic.
    """
    found: list[tuple[int, bytes, ProtocolError | None]] = []
    offset = 0
    while offset < len(data):
        try:
            frame, end = unpack(data, offset)
            found.append((offset, frame, None))
        except ProtocolError as error:
            found.append((offset, b"", error))
            end = data.find(MAGIC, offset + 1)
            if end < 0:
                break
        offset = end
    return found


def qr_text(frame: bytes) -> str:
    """The text of the QR code that carries a frame: 213 characters for a frame of 140 octets."""
    text = [QR_PREFIX]
    for at in range(0, len(frame), 2):
        pair = frame[at : at + 2]
        value = int.from_bytes(pair, "big")
        for _ in range(len(pair) + 1):
            text.append(_ALPHABET[value % _BASE])
            value //= _BASE
    return "".join(text)


def from_qr_text(text: str) -> bytes:
    """The frame in a QR code's text; raises `OutOfRange` (not ours, or a character or group that base 45 has not),
    `Truncated` or `NotCanonical`. Offsets count characters.
    """
    if text[: len(QR_PREFIX)] != QR_PREFIX:
        raise OutOfRange("prefix", 0, "not a code of a terminal or gateway")
    frame = bytearray()
    for at in range(len(QR_PREFIX), len(text), 3):
        group = text[at : at + 3]
        if len(group) == 1:
            raise Truncated("group", at, "needs 2 characters, 1 left")
        value = 0
        for place in range(len(group) - 1, -1, -1):
            digit = _ALPHABET.find(group[place])
            if digit < 0:
                raise OutOfRange("character", at + place, "not in base 45")
            value = value * _BASE + digit
        octets = len(group) - 1
        if value >> 8 * octets:
            raise NotCanonical("group", at, "stands for more than %d octets" % octets)
        frame.extend(value.to_bytes(octets, "big"))
    return bytes(frame)
