"""The renewal (class down): a new roster for a terminal in use, with the grants that are bound to it, in pieces.

```
unit    version 1 | digest of the new roster (32) | count (1) | count x ( octets (2) | grant with its signature )
        roster delta | the authority's signature over the digest of the new roster
piece   name (8: the first octets of the unit's SHA-256) | octets of the unit (3) | offset (3) | 1,024 octets of it, or the rest
```
Grants stand first, since they are few and short; the delta behind them is taken in as it comes. What is in it, the authority
has signed. Pieces travel as frames: by any way, in order, each as often as one likes; over MQTT the broker keeps them.
"""

import hashlib

from protocol import roster_delta
from protocol.certificates import SIGNATURE_OCTETS
from protocol.errors import OutOfRange, UnknownVersion
from protocol.octets import Reader, Writer
from protocol.roster_delta import RosterDelta

VERSION = 1
DIGEST_OCTETS = 32
GRANTS_MAX = 8
GRANT_OCTETS_MAX = 8192
UNIT_OCTETS_MAX = 400_000
NAME_OCTETS = 8
PIECE_OCTETS = 1024
PIECE_HEAD_OCTETS = 14


class Renewal:
    """`roster_digest` of the new roster; `grants` with their signatures; `delta`, and the authority's `signature` of the
    new roster.
    """

    roster_digest: bytes
    grants: tuple[bytes, ...]
    delta: RosterDelta
    signature: bytes


class Piece:
    """`octets` of a unit of `unit_octets` at an `offset`; `name` are the first 8 octets of its SHA-256."""

    name: bytes
    unit_octets: int
    offset: int
    octets: bytes


def encode(renewal: Renewal) -> bytes:
    """The unit's octets."""
    out = Writer()
    out.number("version", VERSION, 1)
    out.octets("roster digest", renewal.roster_digest, DIGEST_OCTETS)
    out.number("grants", len(renewal.grants), 1, 1, GRANTS_MAX)
    for signed in renewal.grants:
        out.number("grant octets", len(signed), 2, SIGNATURE_OCTETS + 1, GRANT_OCTETS_MAX)
        out.data.extend(signed)
    out.data.extend(roster_delta.encode(renewal.delta))
    out.octets("signature", renewal.signature, SIGNATURE_OCTETS)
    return bytes(out.data)


def decode(octets: bytes) -> Renewal:
    """The unit in `octets`; nothing of it is verified."""
    source = Reader(octets)
    renewal = decode_head(source)
    end = len(octets) - SIGNATURE_OCTETS
    if end < source.offset:
        source.octets("signature", SIGNATURE_OCTETS)
    renewal.delta = roster_delta.decode(octets[:end], source.offset)
    renewal.signature = bytes(octets[end:])
    return renewal


def decode_head(source: Reader) -> Renewal:
    """Digest and grants alone; raises `Truncated` where they are not all there yet."""
    if source.number("version", 1) != VERSION:
        raise UnknownVersion("version", 0, "unknown renewal version")
    renewal = Renewal()
    renewal.roster_digest = source.octets("roster digest", DIGEST_OCTETS)
    count = source.number("grants", 1, 1, GRANTS_MAX)
    renewal.grants = tuple([source.octets("grant", _grant_octets(source)) for _ in range(count)])
    return renewal


def _grant_octets(source: Reader) -> int:
    return source.number("grant octets", 2, SIGNATURE_OCTETS + 1, GRANT_OCTETS_MAX)


def pieces(unit: bytes) -> list[Piece]:
    """The pieces of a unit, in order: all of 1,024 octets but the last."""
    name = hashlib.sha256(unit).digest()[:NAME_OCTETS]
    made = []
    for offset in range(0, len(unit), PIECE_OCTETS):
        piece = Piece()
        piece.name, piece.unit_octets, piece.offset = name, len(unit), offset
        piece.octets = bytes(unit[offset : offset + PIECE_OCTETS])
        made.append(piece)
    return made


def encode_piece(piece: Piece) -> bytes:
    """14 octets of head, and up to 1,024 of the unit."""
    out = Writer()
    out.octets("name", piece.name, NAME_OCTETS)
    out.number("unit octets", piece.unit_octets, 3, 1, UNIT_OCTETS_MAX)
    _check(piece)
    out.number("offset", piece.offset, 3)
    out.data.extend(piece.octets)
    return bytes(out.data)


def decode_piece(body: bytes) -> Piece:
    """The piece in `body`."""
    source = Reader(body)
    piece = Piece()
    piece.name = source.octets("name", NAME_OCTETS)
    piece.unit_octets = source.number("unit octets", 3, 1, UNIT_OCTETS_MAX)
    piece.offset = source.number("offset", 3)
    piece.octets = bytes(body[PIECE_HEAD_OCTETS:])
    _check(piece)
    return piece


def _check(piece: Piece) -> None:
    """A unit is cut in one way only."""
    if piece.offset % PIECE_OCTETS or piece.offset >= piece.unit_octets:
        raise OutOfRange("offset", 11, "no piece begins there")
    if len(piece.octets) != min(PIECE_OCTETS, piece.unit_octets - piece.offset):
        raise OutOfRange("octets", PIECE_HEAD_OCTETS, "not the length of this piece")
