"""What the authority decides about one terminal, in fixed fields: a table says their order, widths and limits.

Write-offs and takeovers are such decisions. Gateway and settlement service read them; no terminal needs them.
"""

import hashlib

from protocol.errors import OutOfRange, UnknownVersion
from protocol.octets import Reader, Writer

VERSION = 1
CHAIN_OCTETS = 32


class Decision:
    """`digest` is of what the authority signed."""

    digest: bytes


class Layout:
    """`fields`: (attribute, name in errors, octets, least, most) of a number, in order; `least` may be the attribute of a
    field before it, most -1 is what the octets hold, and least None makes it octets as they are. The whole unit, version
    octet included, has `octets`.
    """

    def __init__(
        self, unit: str, domain: bytes, fields: "tuple[tuple[str, str, int, int | str | None, int], ...]"
    ) -> None:
        self.unit = unit
        self.domain = domain
        self.fields = fields
        self.octets = 1 + sum([width for _, _, width, _, _ in fields])

    def encode(self, decision: Decision) -> bytes:
        """The body, without its signature."""
        out = Writer()
        out.number("version", VERSION, 1)
        for attribute, name, width, least, most in self.fields:
            value = getattr(decision, attribute)
            if least is None:
                out.octets(name, value, width)
            else:
                out.number(name, value, width, _least(decision, least), most)
        return bytes(out.data)

    def decode(self, body: bytes, decision: Decision) -> None:
        """Put the fields into `decision`, and its digest (verify the authority's signature over `message` first)."""
        source = Reader(body)
        if source.number("version", 1) != VERSION:
            raise UnknownVersion("version", 0, "unknown %s version" % self.unit)
        for attribute, name, width, least, most in self.fields:
            if least is None:
                setattr(decision, attribute, source.octets(name, width))
            else:
                setattr(decision, attribute, source.number(name, width, _least(decision, least), most))
        source.end(self.unit)
        decision.digest = hashlib.sha256(self.message(body)).digest()

    def message(self, body: bytes) -> bytes:
        """What the authority signs: domain and body."""
        if len(body) != self.octets:
            raise OutOfRange(self.unit, -1, "has not %d octets" % self.octets)
        return self.domain + body


def _least(decision: Decision, least: "int | str") -> int:
    return int(getattr(decision, least)) if isinstance(least, str) else least
