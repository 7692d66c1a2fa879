"""CRC-32 at the end of what stands in flash, low octet first: the whole then has one known remainder."""

from binascii import crc32

OCTETS = 4
# CRC-32 over any octets and their own CRC-32 behind them; below 2**30, so that comparing it allocates nothing.
RESIDUE = 0x2144DF1C


def append(body: bytes) -> bytes:
    """`body` with its CRC-32 behind it."""
    return body + crc32(body).to_bytes(OCTETS, "little")


def fits(data: bytes) -> bool:
    """Whether `data` ends with the CRC-32 of what stands before."""
    return crc32(data) == RESIDUE
