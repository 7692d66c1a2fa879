"""The offer of a release at the broker: which bundle is there, for which terminals, and under which topics its pieces are kept.

    version 1 | release (4) | octets of the bundle (4) | octets of its head (3) | SHA-256 of the head (32)
    share (2) | count (1) | count x kid (4)

Offer and pieces are retained messages, so one copy serves every terminal and nobody is asked for anything. The offer is not
signed: a terminal believes the head's signature alone, so a false offer wastes a little time and no more.
"""

import hashlib

from protocol.errors import NotCanonical, OutOfRange, UnknownVersion
from protocol.octets import Reader, Writer

VERSION = 1
PIECE_OCTETS = 4096
HEAD_OCTETS_MAX = 65536
BUNDLE_OCTETS_MAX = 4194304
SHARE_MAX = 1000
KIDS_MAX = 250
DIGEST_OCTETS = 32
# Where terminals find it; a gateway may be configured for another prefix.
PREFIX = "lumbung/1"
_NAME_OCTETS = 8


class Offer:
    """`share`: permille of all terminals that take it, beside those in `kids`; `head_digest`: SHA-256 of manifest and
    signature, `head_octets` their size, `octets` that of the whole bundle.
    """

    def __init__(
        self,
        release: int,
        octets: int,
        head_octets: int,
        head_digest: bytes,
        share: int,
        kids: tuple[int, ...],
    ) -> None:
        self.release = release
        self.octets = octets
        self.head_octets = head_octets
        self.head_digest = head_digest
        self.share = share
        self.kids = kids

    def is_for(self, kid: int) -> bool:
        """Whether this terminal takes it."""
        return kid in self.kids or lot(self.head_digest, kid) < self.share

    def piece_octets(self, offset: int) -> int:
        """How long the piece at an offset is."""
        return min(PIECE_OCTETS, self.octets - offset)


def lot(head_digest: bytes, kid: int) -> int:
    """0..999, fixed for a release and a terminal: others are the first each time, and a greater share keeps the smaller one's."""
    drawn = hashlib.sha256(head_digest + kid.to_bytes(4, "big")).digest()
    return int.from_bytes(drawn[:4], "big") % SHARE_MAX


def offer_topic(prefix: str = PREFIX) -> str:
    """Where the offer is kept."""
    return prefix + "/release/offer"


def piece_topic(head_digest: bytes, offset: int, prefix: str = PREFIX) -> str:
    """Where the piece at an offset of a bundle is kept."""
    name = "".join(["%02x" % octet for octet in head_digest[:_NAME_OCTETS]])
    return "%s/release/%s/%d" % (prefix, name, offset)


def renewal_topic(kid: int, offset: int, prefix: str = PREFIX) -> str:
    """Where the piece at an offset of a terminal's renewal (protocol/renewal) is kept: one that nobody has to offer first."""
    return "%s/renewal/%08x/%d" % (prefix, kid, offset)


def encode(offer: Offer) -> bytes:
    """The offer's octets."""
    out = Writer()
    out.number("version", VERSION, 1)
    out.number("release", offer.release, 4, 1)
    out.number("octets", offer.octets, 4, 2, BUNDLE_OCTETS_MAX)
    out.number("head octets", offer.head_octets, 3, 1, min(HEAD_OCTETS_MAX, offer.octets - 1))
    out.octets("head digest", offer.head_digest, DIGEST_OCTETS)
    out.number("share", offer.share, 2, 0, SHARE_MAX)
    out.number("count", len(offer.kids), 1, 0, KIDS_MAX)
    previous = -1
    for kid in offer.kids:
        if kid <= previous:
            raise NotCanonical("kid", len(out.data), "not in rising order")
        previous = kid
        out.number("kid", kid, 4)
    return bytes(out.data)


def decode(octets: bytes) -> Offer:
    """The offer in `octets`; raises a `ProtocolError`."""
    source = Reader(octets)
    if source.number("version", 1) != VERSION:
        raise UnknownVersion("version", 0, "unknown")
    release = source.number("release", 4, 1)
    size = source.number("octets", 4, 2, BUNDLE_OCTETS_MAX)
    head_octets = source.number("head octets", 3, 1, HEAD_OCTETS_MAX)
    if head_octets >= size:
        raise OutOfRange("head octets", 9, "not below the bundle's")
    digest = source.octets("head digest", DIGEST_OCTETS)
    share = source.number("share", 2, 0, SHARE_MAX)
    kids = []
    previous = -1
    for _ in range(source.number("count", 1, 0, KIDS_MAX)):
        start = source.offset
        kid = source.number("kid", 4)
        if kid <= previous:
            raise NotCanonical("kid", start, "not in rising order")
        previous = kid
        kids.append(kid)
    source.end("offer")
    return Offer(release, size, head_octets, digest, share, tuple(kids))
