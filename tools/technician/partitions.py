"""The partition table as the ESP32's bootloader reads it (ESP-IDF, partition tables: binary format)."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from typing import Any

TABLE_OCTETS = 0xC00
_ENTRY = struct.Struct("<2sBBII16sI")
_MAGIC = b"\xaa\x50"
_MAGIC_MD5 = b"\xeb\xeb" + b"\xff" * 14
_KINDS = {"app": 0, "data": 1}
_SUBTYPES = {
    ("app", "factory"): 0x00,
    ("data", "phy"): 0x01,
    ("data", "nvs"): 0x02,
    ("data", "undefined"): 0x06,
    ("data", "fat"): 0x81,
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One partition."""

    name: str
    kind: int
    subtype: int
    offset: int
    size: int


def of_board(board: dict[str, Any]) -> tuple[Entry, ...]:
    """Return the partitions of hardware/board/reference.toml."""
    return tuple(
        Entry(
            part["name"],
            _KINDS[part["kind"]],
            _SUBTYPES[part["kind"], part["subtype"]],
            part["offset"],
            part["size"],
        )
        for part in board["partition"]
    )


def encode(entries: tuple[Entry, ...]) -> bytes:
    """Return the table with its MD5 entry, padded as it stands in flash."""
    rows = b"".join(
        _ENTRY.pack(_MAGIC, entry.kind, entry.subtype, entry.offset, entry.size, entry.name.encode(), 0)
        for entry in entries
    )
    rows += _MAGIC_MD5 + hashlib.md5(rows, usedforsecurity=False).digest()
    return rows.ljust(TABLE_OCTETS, b"\xff")


def decode(octets: bytes) -> tuple[Entry, ...]:
    """Return what a table in flash says; empty where there is none, or where it is damaged."""
    entries: list[Entry] = []
    for place in range(0, min(len(octets), TABLE_OCTETS) - 31, 32):
        row = octets[place : place + 32]
        if row[:16] == _MAGIC_MD5:
            is_good = hashlib.md5(octets[:place], usedforsecurity=False).digest() == row[16:]
            return tuple(entries) if is_good else ()
        magic, kind, subtype, offset, size, name, _ = _ENTRY.unpack(row)
        if magic != _MAGIC:
            return ()
        entries.append(Entry(name.rstrip(b"\0").decode("ascii", "replace"), kind, subtype, offset, size))
    return ()
