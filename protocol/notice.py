"""The rollback notice (class down): a terminal's own seal, shown to it again because it seems to have forgotten it.

It needs no other signature than that seal: whoever carries it can only show a terminal what that terminal itself sealed.
"""

from protocol.octets import Reader, Writer
from protocol.records import SEQUENCE_MAX

CHAIN_OCTETS = 32
SEAL_OCTETS = 64


class Notice:
    """`sequence` n (from 1), `chain_n` (32 octets) and `seal_n` (64 octets) of the terminal that it is sent to."""

    sequence: int
    chain: bytes
    seal: bytes


def encode(notice: Notice) -> bytes:
    """99 octets, so that the frame is one SMS."""
    out = Writer()
    out.number("sequence", notice.sequence, 3, 1, SEQUENCE_MAX)
    out.octets("chain", notice.chain, CHAIN_OCTETS)
    out.octets("seal", notice.seal, SEAL_OCTETS)
    return bytes(out.data)


def decode(body: bytes) -> Notice:
    """The notice in `body` (verify the seal over `chain.seal_message` before anything follows from it)."""
    source = Reader(body)
    notice = Notice()
    notice.sequence = source.number("sequence", 3, 1, SEQUENCE_MAX)
    notice.chain = source.octets("chain", CHAIN_OCTETS)
    notice.seal = source.octets("seal", SEAL_OCTETS)
    source.end("notice")
    return notice
