"""The monthly grant: what each family of a roster may spend in one programme and period, in one SMS where possible.

The signature covers kid, roster digest and policy digest, which are not sent: both ends hold them. Most families get
the default amount; the others stand as exceptions by roster index, entropy-coded.
"""

import hashlib

from protocol import domains
from protocol.entropy import Coder, cumulate
from protocol.errors import NotCanonical, OutOfRange, UnknownVersion
from protocol.octets import Reader, Writer, fixed, number
from protocol.roster import ENTRIES_MAX

VERSION = 1
HEAD_OCTETS = 17
UNIT_RUPIAH = 1000
AMOUNT_UNITS_MAX = 16383
EXCEPTIONS_MAX = 2000

# Exceptions: nothing, twice or three times the default (aid paid in arrears), or an amount of its own; the class is
# likely to be of the sort of the one before.
_LITERAL = 3
_CLASSES_AFTER_COARSE = cumulate((10, 10, 9, 3))
_CLASSES_AFTER_LITERAL = cumulate((4, 4, 4, 20))
# An amount of its own, in thousands, by its length in bits.
_AMOUNT_BITS = cumulate((1, 1, 1, 2, 2, 4, 8, 12, 14, 10, 4, 2, 1, 1, 1))
# The gap between excepted indices, divided by a power of two near the mean gap: quotient, then the remainder's bits.
_QUOTIENTS = cumulate((32, 16, 8, 4, 2, 1, 1))
_WIDE = 6
_GAP_BITS = 12


class Grant:
    """One programme's grant to one terminal.

    `exceptions` is a tuple of (roster index, amount_rupiah), indices rising; amounts are whole thousands of rupiah.
    `hold` names the money held for it, `expiry_s` is unsigned seconds since 1970.
    """

    number: int
    programme: int
    period: int
    expiry_s: int
    hold: int
    default_rupiah: int
    exceptions: tuple[tuple[int, int], ...]
    kid: int
    digest: bytes

    def amount_rupiah(self, index: int) -> int:
        """What the family at roster `index` was granted."""
        place = _place_of(self.exceptions, index)
        if place < len(self.exceptions) and self.exceptions[place][0] == index:
            return int(self.exceptions[place][1])
        return self.default_rupiah


def _place_of(exceptions: "tuple[tuple[int, int], ...]", index: int) -> int:
    """The first place in rising exceptions that is not before `index` (MicroPython has no `bisect`)."""
    low = 0
    high = len(exceptions)
    while low < high:
        middle = (low + high) // 2
        if exceptions[middle][0] < index:
            low = middle + 1
        else:
            high = middle
    return low


def _units(field: str, amount_rupiah: int) -> int:
    """Whole thousands of rupiah."""
    if amount_rupiah % UNIT_RUPIAH or not 0 <= amount_rupiah <= AMOUNT_UNITS_MAX * UNIT_RUPIAH:
        raise OutOfRange(field, -1, "not whole thousands up to %d" % AMOUNT_UNITS_MAX)
    return amount_rupiah // UNIT_RUPIAH


def encode(grant: Grant) -> bytes:
    """The grant's body: 17 octets of head, then the exceptions."""
    out = Writer()
    out.number("version", VERSION, 1)
    out.number("number", grant.number, 3, 1)
    out.number("programme", grant.programme, 1, 1)
    out.number("period", grant.period, 2, 24000, 36000)
    out.number("expiry", grant.expiry_s, 4)
    out.number("hold", grant.hold, 4)
    out.number("default", _units("default", grant.default_rupiah), 2)
    if len(grant.exceptions) > EXCEPTIONS_MAX:
        raise OutOfRange("exceptions", HEAD_OCTETS, "more than %d" % EXCEPTIONS_MAX)
    coder = Coder()
    coder.uniform("exceptions", len(grant.exceptions), EXCEPTIONS_MAX + 1)
    _code_exceptions(coder, grant.exceptions, len(grant.exceptions), grant.default_rupiah)
    return bytes(out.data) + coder.encoded()


def decode(data: bytes, kid: int, roster_digest: bytes, policy_digest: bytes) -> Grant:
    """The grant in a body received for `kid`; its digest binds the two digests that are not sent."""
    source = Reader(data)
    if source.number("version", 1) != VERSION:
        raise UnknownVersion("version", 0, "unknown grant version")
    grant = Grant()
    grant.number = source.number("number", 3, 1)
    grant.programme = source.number("programme", 1, 1)
    grant.period = source.number("period", 2, 24000, 36000)
    grant.expiry_s = source.number("expiry", 4)
    grant.hold = source.number("hold", 4)
    grant.default_rupiah = UNIT_RUPIAH * source.number("default", 2, 0, AMOUNT_UNITS_MAX)
    coder = Coder(bytes(data[HEAD_OCTETS:]), False)
    count = coder.uniform("exceptions", 0, EXCEPTIONS_MAX + 1)
    grant.exceptions = _code_exceptions(coder, None, count, grant.default_rupiah)
    coder.end()
    grant.kid = kid
    grant.digest = hashlib.sha256(signed_message(kid, roster_digest, policy_digest, data)).digest()
    return grant


def _code_exceptions(
    coder: Coder, given: "tuple[tuple[int, int], ...] | None", count: int, default_rupiah: int
) -> tuple[tuple[int, int], ...]:
    """Exceptions in either direction: gap to the last index, class, and an amount where the class has none."""
    if count == 0:
        return ()
    default_units = default_rupiah // UNIT_RUPIAH
    by_class = (0, 2 * default_units, 3 * default_units)
    width = coder.uniform("exception gaps", _remainder_bits(given) if given is not None else 0, _GAP_BITS + 1)
    classes = _CLASSES_AFTER_COARSE
    previous = -1
    found = []
    for i in range(count):
        index, amount_rupiah = given[i] if given is not None else (0, 0)
        if coder.encoding and index <= previous:
            raise OutOfRange("exception index", -1, "does not rise")
        index = previous + 1 + _code_gap(coder, index - previous - 1, width)
        if index >= ENTRIES_MAX:
            raise OutOfRange("exception index", -1, "beyond any roster")
        units = _units("exception", amount_rupiah)
        kind = coder.choice("exception class", _class_of(units, by_class), classes)
        units = _code_amount(coder, units) if kind == _LITERAL else by_class[kind]
        if kind != _class_of(units, by_class):
            raise NotCanonical("exception class", HEAD_OCTETS, "another class says the same amount")
        if units > AMOUNT_UNITS_MAX:
            raise OutOfRange("exception amount", -1, "more than %d thousands" % AMOUNT_UNITS_MAX)
        classes = _CLASSES_AFTER_LITERAL if kind == _LITERAL else _CLASSES_AFTER_COARSE
        found.append((index, units * UNIT_RUPIAH))
        previous = index
    exceptions = tuple(found)
    if width != _remainder_bits(exceptions):
        raise NotCanonical("exception gaps", HEAD_OCTETS, "another width is the right one")
    return exceptions


def _remainder_bits(exceptions: tuple[tuple[int, int], ...]) -> int:
    """The largest number of bits whose power of two is not above the mean gap; 0 where gaps are smaller than 1."""
    count = len(exceptions)
    gaps = exceptions[count - 1][0] + 1 - count
    bits = 0
    while bits < _GAP_BITS and count << bits + 1 <= gaps:
        bits += 1
    return bits


def _code_gap(coder: Coder, gap: int, width: int) -> int:
    """A gap by quotient and remainder of 2^width; a very wide one by itself."""
    quotient = coder.choice("exception gap", min(gap >> width, _WIDE), _QUOTIENTS)
    if quotient < _WIDE:
        return (quotient << width) + coder.bits("exception gap", gap - (quotient << width), width)
    gap = coder.bits("exception gap", gap, _GAP_BITS)
    if gap >> width < _WIDE:
        raise NotCanonical("exception gap", HEAD_OCTETS, "not as wide as it says")
    return gap


def _class_of(units: int, by_class: tuple[int, ...]) -> int:
    """The first class that says this amount."""
    return int(by_class.index(units)) if units in by_class else _LITERAL


def _code_amount(coder: Coder, units: int) -> int:
    """An amount in thousands by its length in bits and the bits below the leading one."""
    length = 0
    while coder.encoding and units >> length:
        length += 1
    length = coder.choice("exception amount", length, _AMOUNT_BITS)
    if length < 2:
        return length
    leading = 1 << length - 1
    return leading + coder.bits("exception amount", units - leading, length - 1)


def signed_message(kid: int, roster_digest: bytes, policy_digest: bytes, body: bytes) -> bytes:
    """What the authority signs: domain, kid, both digests, body."""
    return (
        domains.GRANT
        + number("kid", kid, 4)
        + fixed("roster digest", roster_digest, 32)
        + fixed("policy digest", policy_digest, 32)
        + body
    )
