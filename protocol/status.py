"""The terminal's status report (class up): its head, what it last heard from the gateway, and its health counters."""

from protocol.octets import Reader, Writer

_FIELDS = (
    ("time_s", 4),
    ("time_trust", 1),
    ("head", 3),
    ("sealed_through", 3),
    ("echo_epoch", 2),
    ("echo_counter", 4),
    ("boot_counter", 4),
    ("pending_rupiah", 6),
    ("last_error", 2),
)


class Status:
    """Fields of `_FIELDS`; (`echo_epoch`, `echo_counter`) repeat the last acknowledgement that was applied."""

    time_s: int
    time_trust: int
    head: int
    sealed_through: int
    echo_epoch: int
    echo_counter: int
    boot_counter: int
    pending_rupiah: int
    last_error: int


def encode(status: Status) -> bytes:
    """29 octets."""
    out = Writer()
    for name, width in _FIELDS:
        out.number(name, getattr(status, name), width)
    return bytes(out.data)


def decode(body: bytes) -> Status:
    """The status in `body`."""
    source = Reader(body)
    status = Status()
    for name, width in _FIELDS:
        setattr(status, name, source.number(name, width))
    source.end("status")
    return status
