"""The terminal's status report (class up): its head, what it last heard from the gateway, and its health counters."""

from protocol.octets import Reader, Writer
from protocol.records import SEQUENCE_MAX, TRUST_NETWORK

# Name, octets and most (-1: what the width holds) of each field in order.
FIELDS = (
    ("time_s", 4, -1),
    ("time_trust", 1, TRUST_NETWORK),
    ("head", 3, SEQUENCE_MAX),
    ("sealed_through", 3, SEQUENCE_MAX),
    ("echo_epoch", 2, -1),
    ("echo_counter", 4, -1),
    ("boot_counter", 4, -1),
    ("pending_rupiah", 6, -1),
    ("last_error", 2, -1),
)


class Status:
    """Fields of `FIELDS`; (`echo_epoch`, `echo_counter`) repeat the last acknowledgement that was applied. `release`: of the
    application that runs, 0 where it has no number.
    """

    time_s: int
    time_trust: int
    head: int
    sealed_through: int
    echo_epoch: int
    echo_counter: int
    boot_counter: int
    pending_rupiah: int
    last_error: int
    release: int = 0


def encode(status: Status) -> bytes:
    """29 octets, or 33 with a release."""
    out = Writer()
    for name, width, most in FIELDS:
        out.number(name, getattr(status, name), width, 0, most)
    if status.release:
        out.number("release", status.release, 4, 1)
    return bytes(out.data)


def decode(body: bytes) -> Status:
    """The status in `body`."""
    source = Reader(body)
    status = Status()
    for name, width, most in FIELDS:
        setattr(status, name, source.number(name, width, 0, most))
    status.release = source.number("release", 4, 1) if source.offset < len(body) else 0
    source.end("status")
    return status
