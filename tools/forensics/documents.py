"""The documents and roster areas of a dump: what is there and whole; secrets are found, used, and never shown.

    documents   "LDOC"  format 1  000000  generation(4)  octets(4)  CRC of the sections(4)  CRC      in up to 8 pages
                2048: sections  name(1)  length(2)  octets
    roster      "LRAR"  format 1 or 2  000000  octets(4)  cards(4)  SHA-256(32)  CRC
                4096: the roster, then two octets for each card, then in format 2 the CRC of each entry

CRC-32 over the sections is big-endian, the one that ends a header little-endian.
"""

from __future__ import annotations

import binascii
import hashlib
import struct
from dataclasses import dataclass
from typing import Any

from protocol import roster
from protocol.errors import ProtocolError
from tools.forensics import proof
from tools.forensics.dump import IDENTITIES, ROSTERS, Dump
from tools.forensics.sectors import crc_holds

PAGE_OCTETS = 256
_HEADER_PAGES = 8
_SECTIONS_AT = 2048
_DOCUMENTS = struct.Struct(">4sB3sII4s4s")
_ROSTER = struct.Struct(">4sB3sII32s4s")
_ROSTER_AT = 4096
_FORMAT = 1
_ROSTER_FORMATS = (1, 2)
_SECTION_HEAD_OCTETS = 3

KID = 1
AGREEMENT_PRIVATE = 3
TERMINAL_CERTIFICATE = 4
EPOCH_CERTIFICATE = 5
AUTHORITY_KEY = 6
ROSTER_SIGNATURE = 9
CHAIN_START = 12
FIRST_EPOCH_CERTIFICATE = 15
KEY_CHIP = 16
GRANT_FIRST = 32

_NAMES = {
    KID: "kid",
    2: "seal key (private)",
    AGREEMENT_PRIVATE: "agreement key (private)",
    TERMINAL_CERTIFICATE: "terminal certificate",
    EPOCH_CERTIFICATE: "epoch certificate",
    AUTHORITY_KEY: "authority key",
    7: "roster key",
    8: "policy",
    ROSTER_SIGNATURE: "roster signature",
    10: "CA keys",
    11: "operators",
    CHAIN_START: "chain start",
    13: "settings",
    14: "broker CA",
    FIRST_EPOCH_CERTIFICATE: "first epoch certificate",
    KEY_CHIP: "key chip",
}
# Shown by their octets' digest too; everything else by its length alone.
_PUBLIC = {
    KID,
    TERMINAL_CERTIFICATE,
    EPOCH_CERTIFICATE,
    AUTHORITY_KEY,
    8,
    ROSTER_SIGNATURE,
    10,
    CHAIN_START,
    14,
    FIRST_EPOCH_CERTIFICATE,
}


@dataclass(frozen=True, slots=True)
class Documents:
    """A whole documents area: `sections` holds private keys, so nothing prints it. `copies`: pages with the header."""

    area: str
    generation: int
    copies: tuple[int, ...]
    sections: dict[int, bytes]

    def __repr__(self) -> str:
        """Name the area only."""
        return f"<documents {self.area}, generation {self.generation}>"

    def get(self, name: int) -> bytes:
        """A section's octets, b"" where there is none."""
        return self.sections.get(name, b"")

    @property
    def kid(self) -> int | None:
        """The generation of keys in force."""
        octets = self.get(KID)
        return int.from_bytes(octets, "big") if octets else None

    @property
    def certificate(self) -> proof.Certificate | None:
        """The terminal's certificate, None where there is none that can be read."""
        try:
            return proof.read_certificate(self.get(TERMINAL_CERTIFICATE))
        except proof.KeyFileError:
            return None


def read(dump: Dump) -> list[Documents]:
    """The whole documents areas of a dump, the one in force first."""
    found = [_documents(name, dump.areas[name]) for name in IDENTITIES if name in dump.areas]
    return sorted((one for one in found if one), key=lambda one: -one.generation)


def _documents(name: str, area: bytes) -> Documents | None:
    copies = []
    for page in range(_HEADER_PAGES):
        header = area[page * PAGE_OCTETS : page * PAGE_OCTETS + _DOCUMENTS.size]
        if header[:4] == b"LDOC" and header[4] == _FORMAT and crc_holds(header):
            copies.append(page)
    if not copies:
        return None
    at = copies[0] * PAGE_OCTETS
    _, _, _, generation, length, body_crc, _ = _DOCUMENTS.unpack(area[at : at + _DOCUMENTS.size])
    body = area[_SECTIONS_AT : _SECTIONS_AT + length]
    if len(body) != length or binascii.crc32(body).to_bytes(4, "big") != body_crc:
        return None
    sections = {}
    offset = 0
    while offset + _SECTION_HEAD_OCTETS <= length:
        size = int.from_bytes(body[offset + 1 : offset + _SECTION_HEAD_OCTETS], "big")
        sections[body[offset]] = body[offset + _SECTION_HEAD_OCTETS :][:size]
        offset += _SECTION_HEAD_OCTETS + size
    return Documents(name, generation, tuple(copies), sections)


def describe(documents: Documents) -> dict[str, Any]:
    """What may be told of the documents: no private key, roster key, operator code or setting is in it."""
    certificate = documents.certificate
    authority = documents.get(AUTHORITY_KEY)
    return {
        "area": documents.area,
        "generation": documents.generation,
        "header_copies": len(documents.copies),
        "kid": None if documents.kid is None else f"{documents.kid:08x}",
        "certificate_signed": bool(certificate and certificate.is_signed_by(authority)),
        "sections": [_section(name, documents.sections[name]) for name in sorted(documents.sections)],
    }


def _section(name: int, octets: bytes) -> dict[str, Any]:
    label = f"grant of programme {name - GRANT_FIRST}" if name >= GRANT_FIRST else _NAMES.get(name, "unknown")
    told: dict[str, Any] = {"name": name, "what": label, "octets": len(octets)}
    if name in _PUBLIC or name >= GRANT_FIRST:
        told["sha256"] = hashlib.sha256(octets).hexdigest()
    return told


def describe_rosters(dump: Dump, documents: Documents | None) -> list[dict[str, Any]]:
    """Both roster areas: whether whole, in force and signed; entries are counted, never listed."""
    signed = documents.get(ROSTER_SIGNATURE) if documents else b""
    authority = documents.get(AUTHORITY_KEY) if documents else b""
    return [_roster(name, dump.areas[name], signed, authority) for name in ROSTERS if name in dump.areas]


def _roster(name: str, area: bytes, signed: bytes, authority: bytes) -> dict[str, Any]:
    header = area[: _ROSTER.size]
    told: dict[str, Any] = {"area": name, "whole": False}
    if header.count(0xFF) == len(header):
        return told | {"empty": True}
    if header[:4] != b"LRAR" or header[4] not in _ROSTER_FORMATS or not crc_holds(header):
        return told | {"reason": "header does not hold"}
    _, _, _, length, cards, digest, _ = _ROSTER.unpack(header)
    octets = area[_ROSTER_AT : _ROSTER_AT + length]
    if header[4] > 1:
        damaged = _damaged_entries(octets, area[_ROSTER_AT + length + 2 * cards :])
        told |= {"damaged_entries": [{"index": index, "address": at} for index, at in damaged]}
    if hashlib.sha256(octets).digest() != digest:
        return told | {"reason": "roster does not fit its digest"}
    try:
        decoded, entries = roster.decode(octets)
    except ProtocolError as error:
        return told | {"reason": f"roster: {error}"}
    keys = [card.card_key for entry in entries for card in entry.cards]
    is_sorted = _sorted_keys(area[_ROSTER_AT + length :][: 2 * cards], octets) == sorted(keys)
    return (
        told
        | {
            "whole": is_sorted,
            "number": decoded.number,
            "families": decoded.count,
            "cards": cards,
            "digest": digest.hex(),
            "in_force": signed[:32] == digest,
            "signed": signed[:32] == digest
            and proof.verify(authority, roster.signed_message(digest), signed[32:]),
        }
        | ({} if is_sorted else {"reason": "index of cards does not fit the roster"})
    )


def _damaged_entries(octets: bytes, crcs: bytes) -> list[tuple[int, int]]:
    """(index, address in the area) of entries that do not fit their CRC."""
    damaged = []
    starts = range(roster.HEADER_OCTETS, len(octets) - roster.ENTRY_OCTETS + 1, roster.ENTRY_OCTETS)
    for index, start in enumerate(starts):
        if not crc_holds(octets[start : start + roster.ENTRY_OCTETS] + crcs[4 * index : 4 * index + 4]):
            damaged.append((index, _ROSTER_AT + start))
    return damaged


def _sorted_keys(index: bytes, octets: bytes) -> list[bytes]:
    """The card keys in the order of the area's index."""
    keys = []
    for at in range(0, len(index), 2):
        value = int.from_bytes(index[at : at + 2], "big")
        start = roster.HEADER_OCTETS + (value >> 1) * roster.ENTRY_OCTETS + roster.CARD_AT[value & 1]
        keys.append(octets[start : start + 8])
    return keys
