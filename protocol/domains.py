"""The 16-octet domain of every signed or hashed type: no two types can be mistaken for one another."""


def _domain(label: bytes) -> bytes:
    """Pad a label with zero octets to the 16 octets that every domain has."""
    if len(label) > 16:
        raise ValueError("a domain label has at most 16 octets")
    return label + bytes(16 - len(label))


SEAL = _domain(b"lumbung/seal/1")
CHAIN_START = _domain(b"lumbung/chain/1")
CONTEXT = _domain(b"lumbung/ctx/1")
ACKNOWLEDGEMENT = _domain(b"lumbung/ack/1")
ROSTER = _domain(b"lumbung/roster/1")
GRANT = _domain(b"lumbung/grant/1")
POLICY = _domain(b"lumbung/policy/1")
TERMINAL_CERTIFICATE = _domain(b"lumbung/cert/1")
EPOCH_CERTIFICATE = _domain(b"lumbung/epoch/1")
WRITE_OFF = _domain(b"lumbung/woff/1")
STATEMENT = _domain(b"lumbung/state/1")
TAKEOVER = _domain(b"lumbung/take/1")
STANDING = _domain(b"lumbung/stand/1")
RELEASE = _domain(b"lumbung/rel/1")
IMAGE = _domain(b"lumbung/image/1")

ALL = (
    SEAL,
    CHAIN_START,
    CONTEXT,
    ACKNOWLEDGEMENT,
    ROSTER,
    GRANT,
    POLICY,
    TERMINAL_CERTIFICATE,
    EPOCH_CERTIFICATE,
    WRITE_OFF,
    STATEMENT,
    TAKEOVER,
    STANDING,
    RELEASE,
    IMAGE,
)
