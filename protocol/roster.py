"""The roster: the families of an outlet, one 64-octet entry each at an index that is never reused.

Entries have a fixed width so that a terminal reads any of them straight from flash; a card is found by binary search
in an index sorted by card key, which the terminal derives and which is no part of the signed octets.
"""

import hashlib

from protocol import domains
from protocol.errors import OutOfRange, UnknownVersion
from protocol.octets import Reader, Writer

MAGIC = b"LRST"
VERSION = 1
HEADER_OCTETS = 16
ENTRY_OCTETS = 64
CARDS_PER_ENTRY = 2
CARD_OCTETS = 28
ENTRIES_MAX = 4000
NO_DELEGATE = 0xFFFF

# State of an entry.
REMOVED = 0
ACTIVE = 1
BLOCKED = 2

# Where a card slot stands inside an entry, and the fields inside a card slot.
_CARD_AT = (8, 36)
_EMPTY_CARD = bytes(CARD_OCTETS)


class Card:
    """One card of a family: `card_key` (8), `applications` (bit i: policy application i), `verifier` of the aid PIN
    (16) and `bound_application`: 255 while the verifier is unbound, else the application whose certificate keys it."""

    card_key: bytes
    applications: int
    bound_application: int
    verifier: bytes


class Entry:
    """One family: `state`, `hamlet`, `slot` (of the distribution plan), `delegate` (index or 0xFFFF) and `cards`."""

    state: int
    hamlet: int
    slot: int
    delegate: int
    cards: tuple


class Header:
    """What stands before the entries: `number` rises with every roster, `count` entries follow."""

    number: int
    count: int


def encode_header(number: int, count: int) -> bytes:
    """The 16 octets before the entries."""
    out = Writer()
    out.octets("magic", MAGIC, 4)
    out.number("version", VERSION, 1)
    out.number("reserved", 0, 1)
    out.number("count", count, 2, 1, ENTRIES_MAX)
    out.number("number", number, 4, 1)
    out.octets("reserved", bytes(4), 4)
    return bytes(out.data)


def decode_header(data: bytes) -> Header:
    """The roster header; raises a `ProtocolError` naming field and offset."""
    source = Reader(data)
    if source.octets("magic", 4) != MAGIC:
        raise UnknownVersion("magic", 0, "not a roster")
    if source.number("version", 1) != VERSION:
        raise UnknownVersion("version", 4, "unknown roster version")
    source.number("reserved", 1, 0, 0)
    header = Header()
    header.count = source.number("count", 2, 1, ENTRIES_MAX)
    header.number = source.number("number", 4, 1)
    source.number("reserved", 4, 0, 0)
    return header


def encode_entry(entry: Entry) -> bytes:
    """One entry, 64 octets."""
    out = Writer()
    out.number("state", entry.state, 1, REMOVED, BLOCKED)
    out.number("hamlet", entry.hamlet, 1)
    out.number("slot", entry.slot, 1)
    out.number("reserved", 0, 1)
    out.number("delegate", entry.delegate, 2)
    out.octets("reserved", bytes(2), 2)
    if len(entry.cards) > CARDS_PER_ENTRY:
        raise OutOfRange("cards", 8, "more than %d" % CARDS_PER_ENTRY)
    for card in entry.cards:
        out.octets("card key", card.card_key, 8)
        out.number("applications", card.applications, 1, 1)
        out.number("bound application", card.bound_application, 1)
        out.octets("reserved", bytes(2), 2)
        out.octets("verifier", card.verifier, 16)
    out.octets("entry", bytes(ENTRY_OCTETS - len(out.data)), ENTRY_OCTETS - len(out.data))
    return bytes(out.data)


def decode_entry(data: bytes) -> Entry:
    """The entry in 64 octets."""
    source = Reader(data)
    entry = Entry()
    entry.state = source.number("state", 1, REMOVED, BLOCKED)
    entry.hamlet = source.number("hamlet", 1)
    entry.slot = source.number("slot", 1)
    source.number("reserved", 1, 0, 0)
    entry.delegate = source.number("delegate", 2)
    source.number("reserved", 2, 0, 0)
    cards = []
    for at in _CARD_AT:
        if bytes(data[at : at + CARD_OCTETS]) != _EMPTY_CARD:
            cards.append(_decode_card(Reader(data, at)))
    entry.cards = tuple(cards)
    return entry


def _decode_card(source: Reader) -> Card:
    """One card slot, 28 octets."""
    card = Card()
    card.card_key = source.octets("card key", 8)
    card.applications = source.number("applications", 1, 1)
    card.bound_application = source.number("bound application", 1)
    source.number("reserved", 2, 0, 0)
    card.verifier = source.octets("verifier", 16)
    return card


def encode(number: int, entries: list) -> bytes:
    """A whole roster: header and entries."""
    return encode_header(number, len(entries)) + b"".join([encode_entry(entry) for entry in entries])


def octets(count: int) -> int:
    """Octets of a roster with `count` entries."""
    return HEADER_OCTETS + count * ENTRY_OCTETS


def card_keys(entry_octets: bytes) -> list:
    """The card keys in one entry's octets, without decoding the rest (used to build the index)."""
    return [bytes(entry_octets[at : at + 8]) for at in _CARD_AT if any(entry_octets[at : at + 8])]


def digest(data: bytes) -> bytes:
    """SHA-256 over header and entries, 32 octets."""
    return hashlib.sha256(data).digest()


def signed_message(roster_digest: bytes) -> bytes:
    """What the authority signs: domain and digest of the whole resulting roster."""
    return domains.ROSTER + roster_digest
