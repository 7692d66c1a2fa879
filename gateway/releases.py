"""What the broker keeps of a release for the terminals: checked before it is offered, and what to change there. No I/O.

The gateway signs nothing here: what a terminal runs, the authority's signature in the bundle's head decides.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import ec

from gateway import signatures
from gateway.errors import BundleError, SignatureError
from protocol import offer, release
from protocol.errors import ProtocolError
from protocol.offer import Offer

Message = tuple[str, bytes]
"""A topic and what is kept there; no octets: nothing is."""


@dataclass(frozen=True, slots=True)
class Offered:
    """An offer with every message that the broker keeps for it."""

    offer: Offer
    messages: dict[str, bytes]


@dataclass(frozen=True, slots=True)
class Kept:
    """What a broker keeps: the offer where there is one that can be read, and how many of its pieces lack or are others."""

    offer: Offer | None
    lacking: int
    messages: int


def offered(
    bundle: bytes, authority: ec.EllipticCurvePublicKey, share: int, kids: Iterable[int], prefix: str
) -> Offered:
    """Check a release bundle as a terminal does, and cut it; raises a `BundleError` or `SignatureError`."""
    try:
        manifest, octets, signature, end = release.decode(bundle)
    except ProtocolError as failure:
        raise BundleError(reason=str(failure)) from failure
    if not signatures.verify(authority, signature, release.signed_message(octets)):
        raise SignatureError(kind="release", release=manifest.release)
    place = end
    for file in manifest.files:
        if hashlib.sha256(bundle[place : place + file.size]).digest() != file.digest:
            raise BundleError(file=file.path, reason="is not what the manifest says")
        place += file.size
    if place != len(bundle):
        raise BundleError(octets=len(bundle), expected=place)
    digest = hashlib.sha256(bundle[:end]).digest()
    made = Offer(manifest.release, len(bundle), end, digest, share, tuple(sorted(set(kids))))
    try:
        messages = {offer.offer_topic(prefix): offer.encode(made)}
    except ProtocolError as failure:
        raise BundleError(reason=str(failure)) from failure
    for offset in range(0, len(bundle), offer.PIECE_OCTETS):
        piece = bundle[offset : offset + offer.PIECE_OCTETS]
        messages[offer.piece_topic(digest, offset, prefix)] = piece
    return Offered(made, messages)


def changes(kept: Mapping[str, bytes], wanted: Mapping[str, bytes], prefix: str) -> list[Message]:
    """What to publish so that the broker keeps what is wanted, in this order: pieces, the offer, then what is left over goes.

    Nothing wanted: the offer goes first, so that nobody looks for pieces that are not there.
    """
    topic = offer.offer_topic(prefix)
    new = [(name, octets) for name, octets in wanted.items() if kept.get(name) != octets and name != topic]
    left_over = [(name, b"") for name in kept if name not in wanted and name != topic]
    head = (topic, wanted.get(topic, b""))
    if kept.get(topic, b"") == head[1]:
        return [*new, *left_over]
    return [*new, head, *left_over]


def look(kept: Mapping[str, bytes], prefix: str) -> Kept:
    """What is offered, and whether all of it is there."""
    octets = kept.get(offer.offer_topic(prefix))
    try:
        found = offer.decode(octets) if octets else None
    except ProtocolError:
        found = None
    if found is None:
        return Kept(None, 0, len(kept))
    lacking = 0
    for offset in range(0, found.octets, offer.PIECE_OCTETS):
        piece = kept.get(offer.piece_topic(found.head_digest, offset, prefix), b"")
        lacking += len(piece) != found.piece_octets(offset)
    return Kept(found, lacking, len(kept))
