"""The roster: the families of an outlet, one 64-octet entry each at an index that is never reused.

Entries have a fixed width so that a terminal reads any of them straight from flash; a card is found by binary search
in an index sorted by card key, which the terminal derives and which is no part of the signed octets.
"""

import hashlib

from protocol import domains
from protocol.errors import NotCanonical, OutOfRange, UnknownVersion
from protocol.octets import Reader, Writer, fixed

MAGIC = b"LRST"
VERSION = 1
HEADER_OCTETS = 16
ENTRY_OCTETS = 64
CARDS_PER_ENTRY = 2
CARD_OCTETS = 28
ENTRIES_MAX = 4000
NO_DELEGATE = 0xFFFF
UNBOUND = 0xFF
APPLICATIONS_MAX = 8

# State of an entry.
REMOVED = 0
ACTIVE = 1
BLOCKED = 2

# Where the card slots stand inside an entry.
CARD_AT = (8, 36)
_EMPTY_CARD = bytes(CARD_OCTETS)


class Card:
    """One card of a family: `card_key` (8), `applications` (bit i: policy application i), `verifier` of the aid PIN
    (16) and `bound_application`: 255 while the verifier is unbound, else the application whose certificate keys it.
    """

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
    cards: tuple[Card, ...]


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
    out.number("delegate", _delegate(entry.delegate), 2)
    out.octets("reserved", bytes(2), 2)
    if len(entry.cards) > CARDS_PER_ENTRY:
        raise OutOfRange("cards", 8, "more than %d" % CARDS_PER_ENTRY)
    for card in entry.cards:
        out.octets("card key", _card_key(card.card_key, len(out.data)), 8)
        out.number("applications", card.applications, 1, 1)
        out.number("bound application", _bound(card.bound_application, len(out.data)), 1)
        out.octets("reserved", bytes(2), 2)
        out.octets("verifier", card.verifier, 16)
    out.octets("entry", bytes(ENTRY_OCTETS - len(out.data)), ENTRY_OCTETS - len(out.data))
    return bytes(out.data)


def decode_entry(data: bytes) -> Entry:
    """The entry in 64 octets."""
    source = Reader(fixed("entry", data, ENTRY_OCTETS))
    entry = Entry()
    entry.state = source.number("state", 1, REMOVED, BLOCKED)
    entry.hamlet = source.number("hamlet", 1)
    entry.slot = source.number("slot", 1)
    source.number("reserved", 1, 0, 0)
    entry.delegate = _delegate(source.number("delegate", 2))
    source.number("reserved", 2, 0, 0)
    cards: list[Card] = []
    for at in CARD_AT:
        if bytes(data[at : at + CARD_OCTETS]) != _EMPTY_CARD:
            if at != CARD_AT[len(cards)]:
                raise NotCanonical("cards", at, "a second card without a first")
            cards.append(_decode_card(Reader(data, at)))
    entry.cards = tuple(cards)
    return entry


def _decode_card(source: Reader) -> Card:
    """One card slot, 28 octets."""
    card = Card()
    card.card_key = _card_key(source.octets("card key", 8), source.offset - 8)
    card.applications = source.number("applications", 1, 1)
    card.bound_application = _bound(source.number("bound application", 1), source.offset - 1)
    source.number("reserved", 2, 0, 0)
    card.verifier = source.octets("verifier", 16)
    return card


def _card_key(card_key: bytes, offset: int) -> bytes:
    """Eight zero octets mean that there is no card, so they are no card's key."""
    if not any(card_key):
        raise OutOfRange("card key", offset, "all zero")
    return card_key


def _bound(application: int, offset: int) -> int:
    """A place in the policy, or 255."""
    if APPLICATIONS_MAX <= application < UNBOUND:
        raise OutOfRange("bound application", offset, "no application has this place")
    return application


def _delegate(index: int) -> int:
    """An index of the roster, or 0xFFFF."""
    if ENTRIES_MAX <= index < NO_DELEGATE:
        raise OutOfRange("delegate", 4, "no entry has this index")
    return index


def encode(number: int, entries: list[Entry]) -> bytes:
    """A whole roster: header and entries."""
    return encode_header(number, len(entries)) + b"".join([encode_entry(entry) for entry in entries])


def decode(data: bytes) -> tuple[Header, list[Entry]]:
    """(header, entries) of a whole roster."""
    header = decode_header(data)
    source = Reader(data, HEADER_OCTETS)
    entries = [decode_entry(source.octets("entry", ENTRY_OCTETS)) for _ in range(header.count)]
    source.end("roster")
    return header, entries


def octets(count: int) -> int:
    """Octets of a roster with `count` entries."""
    return HEADER_OCTETS + count * ENTRY_OCTETS


def card_keys(entry_octets: bytes) -> list[bytes]:
    """The card keys in one entry's octets, without decoding the rest (used to build the index)."""
    return [bytes(entry_octets[at : at + 8]) for at in CARD_AT if any(entry_octets[at : at + 8])]


def digest(data: bytes) -> bytes:
    """SHA-256 over header and entries, 32 octets."""
    return hashlib.sha256(data).digest()


def signed_message(roster_digest: bytes) -> bytes:
    """What the authority signs: domain and digest of the whole resulting roster."""
    return domains.ROSTER + fixed("roster digest", roster_digest, 32)
