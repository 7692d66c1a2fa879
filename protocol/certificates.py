"""What the authority certifies: a terminal's keys under a kid, and a gateway's keys under an epoch."""

from protocol import domains
from protocol.errors import OutOfRange, Truncated, UnknownVersion
from protocol.octets import Reader, Writer

VERSION = 1
SIGNATURE_OCTETS = 64
KEY_OCTETS = 64

# Where a terminal keeps its private keys; policy gives software keys lower caps.
STORAGE_SOFTWARE = 1
STORAGE_ATECC608 = 2


class TerminalCertificate:
    """`kid`, `storage`, `issued_s`, and the public keys for seals and key agreement (x ‖ y, 64 octets each)."""

    kid: int
    storage: int
    issued_s: int
    seal_key: bytes
    agreement_key: bytes


class EpochCertificate:
    """`gateway_key_id`, `epoch`, `issued_s`, and the gateway's keys for agreement and acknowledgements."""

    gateway_key_id: int
    epoch: int
    issued_s: int
    agreement_key: bytes
    acknowledgement_key: bytes


_TERMINAL = (
    ("kid", 4),
    ("storage", 1),
    ("issued_s", 4),
    ("seal_key", KEY_OCTETS),
    ("agreement_key", KEY_OCTETS),
)
_EPOCH = (
    ("gateway_key_id", 4),
    ("epoch", 2),
    ("issued_s", 4),
    ("agreement_key", KEY_OCTETS),
    ("acknowledgement_key", KEY_OCTETS),
)


def _encode(fields: tuple[tuple[str, int], ...], source: object) -> bytes:
    """Version, then the fields in order."""
    out = Writer()
    out.number("version", VERSION, 1)
    for name, width in fields:
        if width == KEY_OCTETS:
            out.octets(name, getattr(source, name), width)
        else:
            out.number(name, getattr(source, name), width)
    return bytes(out.data)


def _decode(fields: tuple[tuple[str, int], ...], into: object, data: bytes, unit: str) -> None:
    """The fields in order into `into`; nothing may be left."""
    source = Reader(data)
    if source.number("version", 1) != VERSION:
        raise UnknownVersion("version", 0, "unknown certificate version")
    for name, width in fields:
        setattr(into, name, source.octets(name, width) if width == KEY_OCTETS else source.number(name, width))
    source.end(unit)


def encode_terminal(certificate: TerminalCertificate) -> bytes:
    """The body that the authority signs."""
    _check_storage(certificate)
    return _encode(_TERMINAL, certificate)


def decode_terminal(body: bytes) -> TerminalCertificate:
    """The certificate in `body` (verify its signature first)."""
    certificate = TerminalCertificate()
    _decode(_TERMINAL, certificate, body, "terminal certificate")
    _check_storage(certificate)
    return certificate


def _check_storage(certificate: TerminalCertificate) -> None:
    """Caps depend on where the keys are kept, so an unknown place is no certificate."""
    if certificate.storage not in (STORAGE_SOFTWARE, STORAGE_ATECC608):
        raise OutOfRange("storage", 5, "not a known place for keys")


def encode_epoch(certificate: EpochCertificate) -> bytes:
    """The body that the authority signs."""
    return _encode(_EPOCH, certificate)


def decode_epoch(body: bytes) -> EpochCertificate:
    """The certificate in `body` (verify its signature first)."""
    certificate = EpochCertificate()
    _decode(_EPOCH, certificate, body, "epoch certificate")
    return certificate


def terminal_message(body: bytes) -> bytes:
    """What the authority signs for a terminal."""
    return domains.TERMINAL_CERTIFICATE + body


def epoch_message(body: bytes) -> bytes:
    """What the authority signs for a gateway epoch."""
    return domains.EPOCH_CERTIFICATE + body


def split_signature(data: bytes, unit: str) -> tuple[bytes, bytes]:
    """(body, signature) of a signed unit: the last 64 octets are the signature."""
    if len(data) <= SIGNATURE_OCTETS:
        raise Truncated(unit, len(data), "shorter than its signature")
    return bytes(data[:-SIGNATURE_OCTETS]), bytes(data[-SIGNATURE_OCTETS:])
