"""The typed errors of the wire format: each names the field and the octet offset where reading stopped."""


class ProtocolError(Exception):
    """Bytes or values that the protocol does not allow.

    `field` is the name of the field, `offset` the octet offset inside the unit being read (or -1 for a value that
    was being written). Messages never carry field contents, so they are safe to log.
    """

    def __init__(self, field: str, offset: int, reason: str) -> None:
        super().__init__("%s at octet %d: %s" % (field, offset, reason))
        self.field = field
        self.offset = offset
        self.reason = reason


class Truncated(ProtocolError):
    """The unit ends inside this field."""


class TrailingData(ProtocolError):
    """Octets are left over after the last field."""


class OutOfRange(ProtocolError):
    """The field holds a value that the protocol does not allow."""


class UnknownVersion(ProtocolError):
    """The unit says a version, kind, class or codec that this code does not know."""


class NotCanonical(ProtocolError):
    """The unit decodes, but is not the one encoding that the sender had to choose."""


class AuthenticationFailed(ProtocolError):
    """The tag, the salt or the signature does not fit the octets."""


class UnknownContext(ProtocolError):
    """No held roster, grant and policy explain this frame; ask for the records in codec 0."""
