"""A new roster for a terminal in use: what of it a terminal is owed, as the unit that it takes in, and that as frames.

Nothing is asked of the authority but the signed roster and the grants under it: what is new in a roster follows from it and the
one that the terminal has adopted, whichever that is, and only what comes out of both is believed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.documents import Document, Kind
from gateway.keys import GatewayCipher
from gateway.releases import Message
from gateway.store.interface import Reader, TerminalRow
from protocol import frame, offer, parts, records, renewal, roster, roster_delta
from protocol.certificates import SIGNATURE_OCTETS
from protocol.errors import OutOfRange
from protocol.renewal import PIECE_OCTETS, Piece, Renewal

NEVER = "nothing is known of its roster yet"
WITHDRAWN = "it is retired or revoked"
UP_TO_DATE = "its grants are under the roster that it has"
GRANTS = "not every programme that it has in force has a grant under one new roster"
LATER = "the roster that its grants are under is not later than its own"
POLICY = "its grants are under another policy than its own"
TOO_MUCH = "it has more grants, or longer ones, than one renewal takes"


@dataclass(frozen=True, slots=True)
class Held:
    """What a terminal has adopted, as its sealed records say, and the newest published grant of each programme."""

    adopted: frozenset[bytes]
    roster_digest: bytes
    policy_digest: bytes
    newest: dict[int, Document]


@dataclass(frozen=True, slots=True)
class Owed:
    """The unit of a renewal; no octets where none is owed, and `why` then. `number` of the new roster; `names`: families that
    it tells, all of them where `is_whole`.
    """

    unit: bytes
    why: str = ""
    number: int = 0
    names: int = 0
    is_whole: bool = False

    @property
    def name(self) -> str:
        """Of the unit, as its pieces say it."""
        return hashlib.sha256(self.unit).digest()[: renewal.NAME_OCTETS].hex() if self.unit else ""

    def told(self, kid: int) -> dict[str, Any]:
        """What people are told of it; its shape is stable."""
        return {
            "kid": f"{kid:08x}",
            "roster": self.number,
            "families": self.names,
            "whole": self.is_whole,
            "octets": len(self.unit),
            "reason": self.why,
        }


def held(reader: Reader, kid: int) -> Held:
    """Read from the store."""
    adopted: set[bytes] = set()
    in_force = {records.SUBJECT_ROSTER: b"", records.SUBJECT_POLICY: b""}
    for octets in reader.adoptions(kid):
        record = records.decode(octets)
        adopted.add(record.digest)
        in_force[record.subject] = record.digest
    newest: dict[int, Document] = {}
    for grant in reader.documents(Kind.GRANT, kid):
        known = newest.get(grant.programme)
        if known is None or grant.number > known.number:
            newest[grant.programme] = grant
    return Held(
        frozenset(adopted), in_force[records.SUBJECT_ROSTER], in_force[records.SUBJECT_POLICY], newest
    )


def owed(reader: Reader, kid: int) -> Owed:
    """What a terminal needs for the roster that its newest grants are under, of which there is one for each programme in force."""
    row = reader.terminal(kid)
    return Owed(b"", WITHDRAWN) if row is None else owed_to(reader, row, held(reader, kid))


def owed_to(reader: Reader, row: TerminalRow, has: Held) -> Owed:
    """The same, where both are known."""
    if row.revoked or row.retired_through >= 0:
        return Owed(b"", WITHDRAWN)
    if not has.roster_digest:
        return Owed(b"", NEVER)
    waiting = [
        grant
        for grant in has.newest.values()
        if grant.digest not in has.adopted and grant.roster_digest != has.roster_digest
    ]
    if not waiting:
        return Owed(b"", UP_TO_DATE)
    if any(grant.policy_digest != has.policy_digest for grant in waiting):
        return Owed(b"", POLICY)
    in_force = {
        document.programme
        for digest in has.adopted
        if (document := reader.document(digest)) is not None and document.kind is Kind.GRANT
    }
    found = reader.document(waiting[0].roster_digest)
    if (
        found is None
        or len({grant.roster_digest for grant in waiting}) > 1
        or in_force - {grant.programme for grant in waiting}
    ):
        return Owed(b"", GRANTS)
    return _unit(reader.document(has.roster_digest), found, waiting)


def _unit(base: Document | None, new: Document, grants: list[Document]) -> Owed:
    """As a delta where that is shorter than the whole roster; a base that was never published here, or in which nothing changes,
    is no base.
    """
    header = roster.decode_header(new.body)
    delta = None
    if base is not None:
        before = roster.decode_header(base.body)
        if header.number <= before.number or header.count < before.count:
            return Owed(b"", LATER)
        delta = roster_delta.between(base.body, new.body)
    is_whole = delta is None or len(delta.entries) in (0, header.count)
    if delta is None or is_whole:
        delta = roster_delta.between(b"", new.body)
    made = Renewal()
    made.roster_digest = new.digest
    made.grants = tuple(grant.octets for grant in sorted(grants, key=lambda grant: grant.programme))
    made.delta, made.signature = delta, new.octets[-SIGNATURE_OCTETS:]
    try:
        unit = renewal.encode(made)
    except OutOfRange:
        return Owed(b"", TOO_MUCH)
    return Owed(unit, number=header.number, names=len(delta.entries), is_whole=is_whole)


def frames(
    kid: int, unit: bytes, cipher: GatewayCipher, take_counter: Callable[[], int], octets_max: int
) -> list[bytes]:
    """The pieces of a unit on their way down, in numbered parts where one is longer than a frame may be."""
    made = []
    for piece in renewal.pieces(unit):
        body = renewal.encode_piece(piece)
        bodies = [(frame.DOWN_ROSTER_DELTA, body)]
        if len(body) + frame.HEADER_OCTETS + frame.TAG_OCTETS > octets_max:
            bodies = [
                (frame.DOWN_PART, parts.encode(part)) for part in parts.split(frame.DOWN_ROSTER_DELTA, body)
            ]
        made += [
            frame.encode_counter(frame.CLASS_DOWN, kind, kid, take_counter(), one, cipher)
            for kind, one in bodies
        ]
    return made


def kept(kid: int, made: list[bytes], prefix: str) -> dict[str, bytes]:
    """Frames of whole pieces as messages that the broker keeps."""
    return {
        offer.renewal_topic(kid, place * PIECE_OCTETS, prefix): octets for place, octets in enumerate(made)
    }


def piece_in(octets: bytes, cipher: GatewayCipher) -> Piece:
    """The piece in a frame that the broker keeps; raises a `ProtocolError` where it holds none that can be read."""
    return renewal.decode_piece(frame.open_counter(octets, cipher)[1])


def changes(before: Mapping[str, bytes], wanted: Mapping[str, bytes], first: str) -> list[Message]:
    """What to publish so that the broker keeps what is wanted: behind the `first` piece all others are there already, and
    before others go, it is another or gone.
    """
    new = [(topic, octets) for topic, octets in wanted.items() if topic != first]
    head = [(first, wanted.get(first, b""))] if first in wanted or first in before else []
    return [*new, *head, *((topic, b"") for topic in before if topic not in wanted and topic != first)]
