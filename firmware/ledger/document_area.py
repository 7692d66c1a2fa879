"""Two alternating flash areas that hold the terminal's documents: identity, keys, certificates, policy, grants.

A change writes all sections to the other area, its header last, so that a power cut leaves the old documents whole.

```
header   "LDOC"  format(1)  0(3)  generation(4)  octets(4)  CRC-32 of the sections(4)  CRC-32 of these(4)
section  name(1)  length(2)  octets       from octet 2048 on
```
The header stands in two pages, one after the other. One that was torn by a power cut may read as whole today and not
tomorrow; but where the second page was begun, the first is surely there. A start that cannot tell writes two more before
it believes the first, and erases a header that it does not believe.
"""

from binascii import crc32

from firmware.hal.flash_area import FlashError
from firmware.ledger import crc

MAGIC = b"LDOC"
FORMAT = 1
HEADER_OCTETS = 24
PAGE_BYTES = 256
SECTOR_BYTES = 4096
HEADER_PAGES = 8
DATA_AT = HEADER_PAGES * PAGE_BYTES
_ERASED = b"\xff" * PAGE_BYTES

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
KEY_CHIP = 16  # instead of both private keys
GRANT_FIRST = 32


class DocumentsMissing(Exception):
    """Neither area holds whole documents: the terminal was never provisioned, or both are damaged."""


class DocumentsTooLarge(Exception):
    """The sections do not fit an area, or one has more than 65,535 octets; nothing was written."""


class DocumentsDamaged(FlashError):
    """What was written does not read back; the documents from before are still in force."""


class Documents:
    """Sections by name, read from flash when they are asked for; `save` replaces the whole set.

    `fault`: a `DocumentsDamaged` where the newer area does not hold any more and the older one stands in, else None.
    """

    def __init__(self, area_a, area_b) -> None:
        self._areas = (area_a, area_b)
        self._active = -1
        self._generation = 0
        self.fault = None
        # name -> (address, octets) in the active area
        self._places = {}

    def load(self) -> None:
        """Find the newer whole area and make sure that the next start finds it too; raises `DocumentsMissing`."""
        scans = [_scan(area) for area in self._areas]
        newest = 0
        for number in (0, 1):
            header = scans[number][0]
            generation = int.from_bytes(header[8:12], "big") if header else 0
            places = _find_sections(self._areas[number], header) if header else None
            if header and places is None and generation > newest:
                # The header was written when the sections had been read back: they have rotted since.
                self.fault = DocumentsDamaged(self._areas[number].name, DATA_AT, "sections do not hold")
            elif generation > newest:
                self.fault = None
            newest = max(newest, generation)
            if places is not None and generation > self._generation:
                self._generation = generation
                self._places = places
                self._active = number
        if self._active < 0:
            raise DocumentsMissing
        header, is_sure, page = scans[self._active]
        if not is_sure:
            _write_headers(self._areas[self._active], header, page)
        other = 1 - self._active
        if not scans[other][0] and scans[other][2]:
            self._areas[other].erase(0)

    def get(self, name: int) -> bytes:
        """The octets of a section, b"" where there is none."""
        if name not in self._places:
            return b""
        address, length = self._places[name]
        octets = bytearray(length)
        self._areas[self._active].read_into(address, octets)
        return bytes(octets)

    def names(self) -> list:
        """The names of the sections that there are."""
        return sorted(self._places)

    def grants(self) -> list:
        """Signed grants, by programme number."""
        return [self.get(name) for name in self.names() if name >= GRANT_FIRST]

    def save(self, changes: dict) -> None:
        """Write the sections with `changes` (an empty value removes a section) to the other area, then use it.

        Raises `DocumentsTooLarge` or `FlashError` with the old documents still in force.
        """
        body = bytearray()
        for name in sorted(set(self.names()) | set(changes)):
            octets = changes[name] if name in changes else self.get(name)
            if len(octets) > 0xFFFF:
                raise DocumentsTooLarge("section %d" % name)
            if octets:
                body.extend(bytes((name, len(octets) >> 8, len(octets) & 0xFF)))
                body.extend(octets)
        target = 1 - self._active if self._active >= 0 else 0
        area = self._areas[target]
        if DATA_AT + len(body) > area.size:
            raise DocumentsTooLarge("%d octets" % len(body))
        header = MAGIC + bytes((FORMAT, 0, 0, 0)) + (self._generation + 1).to_bytes(4, "big")
        header = crc.append(header + len(body).to_bytes(4, "big") + crc32(body).to_bytes(4, "big"))
        _write(area, header, body)
        self._generation += 1
        self.fault = None
        self._places = _find_sections(area, header)
        self._active = target


def _scan(area) -> tuple:
    """(whole header or b"", whether it is surely there, first pair of header pages that nothing was written to)."""
    page = bytearray(PAGE_BYTES)
    header = b""
    is_sure = False
    first_is_whole = False
    free = 0
    for number in range(HEADER_PAGES):
        area.read_into(number * PAGE_BYTES, page)
        is_whole = page[:5] == MAGIC + bytes((FORMAT,)) and crc.fits(page[:HEADER_OCTETS])
        if is_whole:
            header = bytes(page[:HEADER_OCTETS])
        if page != _ERASED:
            free = number // 2 * 2 + 2
            is_sure = is_sure or (number % 2 == 1 and first_is_whole)
        first_is_whole = is_whole and number % 2 == 0
    return header, is_sure, free


def _write_headers(area, header: bytes, page: int) -> None:
    """Two copies from `page` on; when the pages are used up, what is there must do."""
    if page >= HEADER_PAGES:
        return
    back = bytearray(HEADER_OCTETS)
    for number in (page, page + 1):
        area.program(number * PAGE_BYTES, header)
        area.read_into(number * PAGE_BYTES, back)
        if back != header:
            raise DocumentsDamaged(area.name, number * PAGE_BYTES, "header does not read back")


def _find_sections(area, header: bytes) -> "dict | None":
    """Map names to (address, octets) of the sections behind a header, or None where they are not whole."""
    length = int.from_bytes(header[12:16], "big")
    if DATA_AT + length > area.size:
        return None
    body = bytearray(length)
    area.read_into(DATA_AT, body)
    if crc32(body).to_bytes(4, "big") != header[16:20]:
        return None
    places = {}
    at = 0
    while at + 3 <= length:
        size = body[at + 1] << 8 | body[at + 2]
        places[body[at]] = (DATA_AT + at + 3, size)
        at += 3 + size
    return places


def _write(area, header: bytes, body: bytes) -> None:
    """Erase, program the sections page by page, compare, then the header and its copy."""
    for sector in range((DATA_AT + len(body) + SECTOR_BYTES - 1) // SECTOR_BYTES):
        area.erase(sector)
    for start in range(0, len(body), PAGE_BYTES):
        area.program(DATA_AT + start, bytes(body[start : start + PAGE_BYTES]))
    if _find_sections(area, header) is None:
        raise DocumentsDamaged(area.name, DATA_AT, "does not read back")
    _write_headers(area, header, 0)
