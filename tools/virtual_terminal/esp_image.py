"""A synthetic, valid ESP32 image in the form of the official merged MicroPython image: no real runtime is in it."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path

from esptool.bin_image import ESP32FirmwareImage, ImageSegment

MERGED_AT = 0x1000
DRAM = 0x3FFB0000


def image(seed: int, octets: int, chip_id: int = 0) -> bytes:
    """One image with checksum and digest, as esptool itself writes it."""
    made = ESP32FirmwareImage()
    made.entrypoint = DRAM
    segment = ImageSegment(DRAM, hashlib.shake_128(bytes((seed,))).digest(octets))  # stands for code
    segment.name = ".dram0.data"
    made.segments = [segment]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "image.bin"
        made.save(str(path))
        whole = bytearray(path.read_bytes())
    whole[12:14] = chip_id.to_bytes(2, "little")  # extended header; esptool writes its own chip's number
    whole[-32:] = hashlib.sha256(whole[:-32]).digest()
    return bytes(whole)


def merged(seed: int = 1, application_octets: int = 40_000, chip_id: int = 0) -> bytes:
    """Bootloader, a table that is not ours, application; the first octet is for 0x1000."""
    out = bytearray(b"\xff" * (0x10000 - MERGED_AT))
    bootloader = image(seed, 6_000, chip_id)
    out[: len(bootloader)] = bootloader
    out[0x8000 - MERGED_AT : 0x8000 - MERGED_AT + 64] = b"\xaa\x50 somebody else's table".ljust(64, b"\0")
    return bytes(out) + image(seed + 1, application_octets, chip_id)
