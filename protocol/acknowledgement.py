"""The gateway's signed acknowledgement: how far records are sealed, what may be reclaimed, gaps, settlement states.

It is self-standing and idempotent, so it may be lost, repeated or overtaken; only a greater (epoch, counter) is
applied. The counter is the frame's.
"""

from protocol import domains
from protocol.errors import OutOfRange
from protocol.octets import Reader, Writer, number

SIGNATURE_OCTETS = 64
DIGEST_OCTETS = 16
FIXED_OCTETS = 28
GAPS_MAX = 4
STATES_MAX = 255

# Settlement state of one record, two bits each.
PENDING = 0
SETTLED = 1
REFUSED = 2
DISPUTED = 3


class Acknowledgement:
    """`sealed_through` with the first 16 octets of that chain value, `reclaim_through`, `gaps` as tuples
    (first, count, literal: resend in codec 0), and `states` from sequence `states_first` on; of one that was decoded also as
    they came, `packed`: two bits each, the first in the lowest bits of the first octet.
    """

    epoch: int
    time_s: int
    sealed_through: int
    chain_digest: bytes
    reclaim_through: int
    gaps: tuple[tuple[int, int, bool], ...]
    states_first: int
    states: tuple[int, ...]
    packed: bytes
    counter: int


def encode(acknowledgement: Acknowledgement) -> bytes:
    """The body without its signature: 28 octets, gaps of 4 octets each, states of two bits each."""
    out = Writer()
    out.number("epoch", acknowledgement.epoch, 2)
    out.number("time", acknowledgement.time_s, 4)
    out.number("sealed through", acknowledgement.sealed_through, 3, 0, 0x7FFFFF)
    out.octets("chain digest", acknowledgement.chain_digest, DIGEST_OCTETS)
    out.number("reclaim through", acknowledgement.reclaim_through, 3, 0, acknowledgement.sealed_through)
    out.number("gaps", len(acknowledgement.gaps), 1, 0, GAPS_MAX)
    for first, count, literal in acknowledgement.gaps:
        out.number("gap first", first, 3, 1, 0x7FFFFF)
        out.data[-3] |= 0x80 if literal else 0
        out.number("gap count", count - 1, 1)
    out.number("states first", acknowledgement.states_first, 3, 0, 0x7FFFFF)
    out.number("states", len(acknowledgement.states), 1, 0, STATES_MAX)
    packed = bytearray((len(acknowledgement.states) + 3) // 4)
    for i in range(len(acknowledgement.states)):
        state = acknowledgement.states[i]
        if not PENDING <= state <= DISPUTED:
            raise OutOfRange("state", -1, "not in 0..3")
        packed[i // 4] |= state << (2 * (i % 4))
    out.data.extend(packed)
    return bytes(out.data)


def decode(body: bytes) -> Acknowledgement:
    """The acknowledgement in `body` (verify the signature over `signed_message` first)."""
    source = Reader(body)
    out = Acknowledgement()
    out.epoch = source.number("epoch", 2)
    out.time_s = source.number("time", 4)
    out.sealed_through = source.number("sealed through", 3, 0, 0x7FFFFF)
    out.chain_digest = source.octets("chain digest", DIGEST_OCTETS)
    out.reclaim_through = source.number("reclaim through", 3, 0, out.sealed_through)
    gaps = []
    for _ in range(source.number("gaps", 1, 0, GAPS_MAX)):
        flagged = source.number("gap first", 3, 1)
        if flagged & 0x7FFFFF == 0:
            raise OutOfRange("gap first", source.offset - 3, "sequences start at 1")
        gaps.append((flagged & 0x7FFFFF, source.number("gap count", 1) + 1, flagged >= 0x800000))
    out.gaps = tuple(gaps)
    out.states_first = source.number("states first", 3, 0, 0x7FFFFF)
    count = source.number("states", 1)
    start = source.offset
    packed = source.octets("states", (count + 3) // 4)
    out.packed = packed
    out.states = tuple([octet >> shift & 3 for octet in packed for shift in (0, 2, 4, 6)][:count])
    if count % 4 and packed[-1] >> (2 * (count % 4)):
        raise OutOfRange("states", start + len(packed) - 1, "spare bits are not zero")
    source.end("acknowledgement")
    return out


def octets(gaps: int, states: int) -> int:
    """Octets of a body with that many gaps and states (unsigned)."""
    return FIXED_OCTETS + 1 + 4 * gaps + 4 + (states + 3) // 4


def signed_message(kid: int, counter: int, body: bytes) -> bytes:
    """What the gateway signs: domain, kid, counter, body."""
    return domains.ACKNOWLEDGEMENT + number("kid", kid, 4) + number("counter", counter, 4) + body
