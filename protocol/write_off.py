"""The write-off: the authority gives up records that will never arrive, and so closes a gap for good.

It is a document for gateway and settlement service; no terminal needs it. It names the chain value behind the missing
records, which the terminal's own seals have proved by then (`bridge`), so that the chain goes on from there.
"""

import hashlib

from protocol import domains
from protocol.errors import OutOfRange, UnknownVersion
from protocol.octets import Reader, Writer
from protocol.records import SEQUENCE_MAX

VERSION = 1
OCTETS = 52
CHAIN_OCTETS = 32

REASON_TERMINAL_LOST = 1
REASON_FLASH_DAMAGED = 2
REASON_OTHER = 3


class WriteOff:
    """Records `first` to `last` of `kid` are given up; `chain` is the chain value at `last` (32 octets).

    `exposure_rupiah` is what the authority reckons may have been spent in them, `issued_s` unsigned seconds since 1970.
    """

    kid: int
    first: int
    last: int
    chain: bytes
    exposure_rupiah: int
    issued_s: int
    reason: int
    digest: bytes


def encode(write_off: WriteOff) -> bytes:
    """52 octets."""
    out = Writer()
    out.number("version", VERSION, 1)
    out.number("kid", write_off.kid, 4)
    out.number("first", write_off.first, 3, 1, SEQUENCE_MAX)
    out.number("last", write_off.last, 3, write_off.first, SEQUENCE_MAX)
    out.octets("chain", write_off.chain, CHAIN_OCTETS)
    out.number("exposure", write_off.exposure_rupiah, 4)
    out.number("issued", write_off.issued_s, 4)
    out.number("reason", write_off.reason, 1, REASON_TERMINAL_LOST, REASON_OTHER)
    return bytes(out.data)


def decode(body: bytes) -> WriteOff:
    """The write-off in `body` (verify the authority's signature over `signed_message` first)."""
    source = Reader(body)
    if source.number("version", 1) != VERSION:
        raise UnknownVersion("version", 0, "unknown write-off version")
    out = WriteOff()
    out.kid = source.number("kid", 4)
    out.first = source.number("first", 3, 1, SEQUENCE_MAX)
    out.last = source.number("last", 3, out.first, SEQUENCE_MAX)
    out.chain = source.octets("chain", CHAIN_OCTETS)
    out.exposure_rupiah = source.number("exposure", 4)
    out.issued_s = source.number("issued", 4)
    out.reason = source.number("reason", 1, REASON_TERMINAL_LOST, REASON_OTHER)
    source.end("write-off")
    out.digest = hashlib.sha256(signed_message(body)).digest()
    return out


def signed_message(body: bytes) -> bytes:
    """What the authority signs: domain and body."""
    if len(body) != OCTETS:
        raise OutOfRange("write-off", -1, "has not %d octets" % OCTETS)
    return domains.WRITE_OFF + body
