"""The write-off: the authority gives up records that will never arrive, and so closes a gap for good.

It names the chain value behind the missing records, which the terminal's own seals have proved by then (`bridge`), so that
the chain goes on from there.
"""

from protocol import domains
from protocol.decision import CHAIN_OCTETS, Decision, Layout
from protocol.records import SEQUENCE_MAX

REASON_TERMINAL_LOST = 1
REASON_FLASH_DAMAGED = 2
REASON_OTHER = 3

_LAYOUT = Layout(
    "write-off",
    domains.WRITE_OFF,
    (
        ("kid", "kid", 4, 0, -1),
        ("first", "first", 3, 1, SEQUENCE_MAX),
        ("last", "last", 3, "first", SEQUENCE_MAX),
        ("chain", "chain", CHAIN_OCTETS, None, -1),
        ("exposure_rupiah", "exposure", 4, 0, -1),
        ("issued_s", "issued", 4, 0, -1),
        ("reason", "reason", 1, REASON_TERMINAL_LOST, REASON_OTHER),
    ),
)
OCTETS = _LAYOUT.octets


class WriteOff(Decision):
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


def encode(write_off: WriteOff) -> bytes:
    """52 octets."""
    return _LAYOUT.encode(write_off)


def decode(body: bytes) -> WriteOff:
    """The write-off in `body` (verify the authority's signature over `signed_message` first)."""
    out = WriteOff()
    _LAYOUT.decode(body, out)
    return out


def signed_message(body: bytes) -> bytes:
    """What the authority signs: domain and body."""
    return _LAYOUT.message(body)
