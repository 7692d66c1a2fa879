"""Notices (class down) that lock a terminal: its own seal, which it seems to have forgotten, and that it was withdrawn.

Its own seal needs no other signature: whoever carries it can only show a terminal what that terminal itself sealed. That it
was withdrawn the gateway says under its certified acknowledgement key, in the frame's counter like an acknowledgement.
"""

from protocol import domains
from protocol.octets import Reader, Writer, number
from protocol.records import SEQUENCE_MAX

CHAIN_OCTETS = 32
SEAL_OCTETS = 64
STANDING_OCTETS = 3

# Why nothing that a terminal sells from now on is paid.
REPLACED = 1
REVOKED = 2
FORKED = 3


class Notice:
    """`sequence` n (from 1), `chain_n` (32 octets) and `seal_n` (64 octets) of the terminal that it is sent to."""

    sequence: int
    chain: bytes
    seal: bytes


class Standing:
    """`why`: REPLACED, REVOKED or FORKED; `epoch` is the gateway's, under whose acknowledgement key it is signed."""

    epoch: int
    why: int


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


def encode_standing(standing: Standing) -> bytes:
    """3 octets, without the signature."""
    out = Writer()
    out.number("epoch", standing.epoch, 2)
    out.number("why", standing.why, 1, REPLACED, FORKED)
    return bytes(out.data)


def decode_standing(body: bytes) -> Standing:
    """The standing in `body` (verify the signature over `standing_message` before anything follows from it)."""
    source = Reader(body)
    standing = Standing()
    standing.epoch = source.number("epoch", 2)
    standing.why = source.number("why", 1, REPLACED, FORKED)
    source.end("standing")
    return standing


def standing_message(kid: int, counter: int, body: bytes) -> bytes:
    """What the gateway signs: domain, kid, counter, body."""
    return domains.STANDING + number("kid", kid, 4) + number("counter", counter, 4) + body
