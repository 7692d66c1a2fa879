"""Chain values at gaps (class up): what lets the gateway prove records behind a gap before the missing ones arrive.

Who sends it when: the terminal, after an acknowledgement has named a gap whose records it does not send again at once (or
together with them, where it pays for each SMS), and unasked when it sends records over a hole that it knows of. For a gap
it says the chain value at the last missing sequence, gap first + count - 1; up to three gaps go in one SMS. It may be sent
again, lost or overtaken at will, it is never waited for, and no acknowledgement answers it: a later one that names the
gap no more, or a higher sealed_through, makes it superfluous.

It carries no signature. A seal over records that follow the value proves the value too, because the chain is a hash:
`chain_n` -> record n+1 -> ... -> `chain_m`, which `seal_m` signs. Until such a seal is there it proves nothing.
"""

from protocol.errors import OutOfRange
from protocol.octets import Reader, Writer
from protocol.records import SEQUENCE_MAX

CHAIN_OCTETS = 32
VALUE_OCTETS = 35
VALUES_MAX = 3


class Bridge:
    """`values`: 1 to 3 of (sequence n from 1, `chain_n` of 32 octets), n rising."""

    values: tuple[tuple[int, bytes], ...]


def encode(bridge: Bridge) -> bytes:
    """35 octets for each value, so that a frame with three is one SMS."""
    out = Writer()
    if not 1 <= len(bridge.values) <= VALUES_MAX:
        raise OutOfRange("values", 0, "not in 1..%d" % VALUES_MAX)
    least = 1
    for sequence, chain in bridge.values:
        out.number("sequence", sequence, 3, least, SEQUENCE_MAX)
        out.octets("chain", chain, CHAIN_OCTETS)
        least = sequence + 1
    return bytes(out.data)


def decode(body: bytes) -> Bridge:
    """The values in `body`; raises `Truncated` or `OutOfRange`."""
    source = Reader(body)
    values: list[tuple[int, bytes]] = []
    least = 1
    while not values or source.offset < len(body):
        if len(values) == VALUES_MAX:
            raise OutOfRange("values", source.offset, "more than %d" % VALUES_MAX)
        sequence = source.number("sequence", 3, least, SEQUENCE_MAX)
        values.append((sequence, source.octets("chain", CHAIN_OCTETS)))
        least = sequence + 1
    bridge = Bridge()
    bridge.values = tuple(values)
    return bridge
