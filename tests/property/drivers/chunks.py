"""Octets in pieces, as one request to a driver: how a test cuts and packs them, and how the driver reads them back."""

LENGTH_OCTETS = 2


def cut(octets: bytes, places: list) -> list:
    """The octets in pieces; a place beyond their end counts from their beginning again."""
    marks = sorted({0, len(octets)}.union([place % (len(octets) + 1) for place in places]))
    return [octets[marks[i] : marks[i + 1]] for i in range(len(marks) - 1)]


def packed(parts: list) -> bytes:
    """Each part behind its length."""
    return b"".join([len(part).to_bytes(LENGTH_OCTETS, "big") + part for part in parts])


def chunks(octets: bytes) -> list:
    """The parts again."""
    parts = []
    at = 0
    while at < len(octets):
        begin = at + LENGTH_OCTETS
        at = begin + int.from_bytes(octets[at:begin], "big")
        parts.append(octets[begin:at])
    return parts
