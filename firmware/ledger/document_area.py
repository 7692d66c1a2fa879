"""Two alternating flash areas that hold the terminal's documents: identity, keys, certificates, policy, grants.

A change writes all sections to the other area, its header last, so that a power cut leaves the old documents whole.

```
header   "LDOC"  format(1)  0(3)  generation(4)  octets(4)  CRC-32 of sections(4)  CRC-32 of the header so far(4)
section  name(1)  length(2)  octets       from the second page on, name 0 ends
```
"""

import binascii

MAGIC = b"LDOC"
FORMAT = 1
HEADER_OCTETS = 24
PAGE_BYTES = 256
SECTOR_BYTES = 4096

# Section names.
KID = 1
SEAL_PRIVATE = 2
AGREEMENT_PRIVATE = 3
TERMINAL_CERTIFICATE = 4
EPOCH_CERTIFICATE = 5
AUTHORITY_KEY = 6
ROSTER_KEY = 7
POLICY = 8
ROSTER_SIGNATURE = 9
CA_KEYS = 10
OPERATORS = 11
CHAIN_START = 12
SETTINGS = 13
BROKER_CA = 14
FIRST_EPOCH_CERTIFICATE = 15
GRANT_FIRST = 32


class DocumentsMissing(Exception):
    """Neither area holds whole documents: the terminal was never provisioned, or both are damaged."""


class Documents:
    """Sections by name; `save` replaces the whole set."""

    def __init__(self, area_a, area_b) -> None:
        self._areas = (area_a, area_b)
        self._active = -1
        self._generation = 0
        self.sections = {}

    def load(self) -> None:
        """Read the newer whole area; raises `DocumentsMissing`."""
        for number in (0, 1):
            loaded = _read(self._areas[number])
            if loaded is not None and loaded[0] > self._generation:
                self._generation, self.sections = loaded
                self._active = number
        if self._active < 0:
            raise DocumentsMissing()

    def get(self, name: int) -> bytes:
        """The octets of a section, b"" where there is none."""
        return self.sections.get(name, b"")

    def grants(self) -> list:
        """Signed grants, by programme number."""
        names = sorted([name for name in self.sections if name >= GRANT_FIRST])
        return [self.sections[name] for name in names]

    def save(self, changes: dict) -> None:
        """Write the sections with `changes` (an empty value removes a section) to the other area, then use it."""
        sections = {}
        for source in (self.sections, changes):
            for name in source:  # lumbung: order-free, `_write` sorts
                sections[name] = source[name]
        sections = {name: sections[name] for name in sections if sections[name]}
        target = 1 - self._active if self._active >= 0 else 0
        _write(self._areas[target], self._generation + 1, sections)
        loaded = _read(self._areas[target])
        if loaded is None or loaded[1] != sections:
            raise DocumentsMissing()
        self._generation, self.sections = loaded
        self._active = target


def _read(area) -> "tuple | None":
    """(generation, sections) of a whole area, or None."""
    header = bytearray(HEADER_OCTETS)
    area.read_into(0, header)
    if bytes(header[:5]) != MAGIC + bytes((FORMAT,)) or _crc(header[:20]) != bytes(header[20:24]):
        return None
    length = int.from_bytes(header[12:16], "big")
    if length > area.size - PAGE_BYTES:
        return None
    body = bytearray(length)
    area.read_into(PAGE_BYTES, body)
    if _crc(body) != bytes(header[16:20]):
        return None
    sections = {}
    offset = 0
    while offset + 3 <= length and body[offset]:
        size = body[offset + 1] << 8 | body[offset + 2]
        sections[body[offset]] = bytes(body[offset + 3 : offset + 3 + size])
        offset += 3 + size
    return int.from_bytes(header[8:12], "big"), sections


def _write(area, generation: int, sections: dict) -> None:
    """Erase, program the sections page by page, then the header."""
    body = bytearray()
    for name in sorted(sections):
        octets = sections[name]
        body.extend(bytes((name, len(octets) >> 8, len(octets) & 0xFF)))
        body.extend(octets)
    body.append(0)
    if len(body) > area.size - PAGE_BYTES:
        raise ValueError("documents do not fit their area")
    for sector in range((PAGE_BYTES + len(body) + SECTOR_BYTES - 1) // SECTOR_BYTES):
        area.erase(sector)
    for start in range(0, len(body), PAGE_BYTES):
        area.program(PAGE_BYTES + start, bytes(body[start : start + PAGE_BYTES]))
    header = MAGIC + bytes((FORMAT, 0, 0, 0)) + generation.to_bytes(4, "big") + len(body).to_bytes(4, "big") + _crc(body)
    area.program(0, header + _crc(header))


def _crc(data: bytes) -> bytes:
    """CRC-32, big-endian."""
    return (binascii.crc32(data) & 0xFFFFFFFF).to_bytes(4, "big")
