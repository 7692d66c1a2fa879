"""Heads of frames, and the entry of a carry file around a whole one (CPython only)."""

from __future__ import annotations

from zlib import crc32

from construct import (
    Bytes,
    Checksum,
    Const,
    ExprValidator,
    GreedyBytes,
    Int8ub,
    Int24ub,
    Int32ub,
    Prefixed,
    RawCopy,
    Struct,
    Terminated,
    this,
)

from protocol.schema.fields import SEQUENCE_MOST, strict, zeros

# What the ciphertext holds is no layout; its tag is the last 8 octets.
RecordsHeader = Struct(
    "codec" / strict(Int8ub, literal=0, predicted=1),
    "kid" / Int32ub,
    "flagged_first" / ExprValidator(Int24ub, lambda value, _: value & SEQUENCE_MOST > 0),
    "count_less_one" / Int8ub,
    "salt" / Bytes(4),
)
UpHeader = Struct(
    "kind" / strict(Int8ub, status=0x41, bridge=0x42, part=0x43),
    "kid" / Int32ub,
    "counter" / Int32ub,
    "salt" / Bytes(4),
)
DownHeader = Struct(
    "kind" / strict(Int8ub, acknowledgement=0x81, grant=0x82, notice=0x83, part=0x84, roster_delta=0x85),
    "kid" / Int32ub,
    "counter" / Int32ub,
    "salt" / Bytes(4),
)
ClearHeader = Struct(
    "kind" / strict(Int8ub, epoch_certificate=0xC1), "kid" / Int32ub, "counter" / Int32ub, "salt" / zeros(4)
)
# Of a carry file; the text of a QR code is base 45, which is no layout.
CarryEntry = Struct(
    "entry"
    / RawCopy(
        Struct(
            "magic" / Const(b"LMBG"),
            "version" / Const(1, Int8ub),
            "frame"
            / Prefixed(Int24ub, ExprValidator(GreedyBytes, lambda value, _: 13 <= len(value) <= 65536)),
        )
    ),
    "check" / Checksum(Int32ub, crc32, this.entry.data),
    Terminated,
)
