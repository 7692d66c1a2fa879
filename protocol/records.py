"""The canonical records: the octets that are hashed into the chain, sealed, stored in flash and settled.

A record is its fixed fields in order, then the variable parts of its kind, each behind a length octet. Layouts are
data (`LAYOUTS`), so that reading, writing and the field-by-field checks are one mechanism for all kinds.
Money is whole rupiah, time unsigned seconds since 1970-01-01 UTC.
"""

import struct

from protocol.errors import OutOfRange, TrailingData, Truncated, UnknownVersion

VERSION = 1
RECORD_OCTETS_MAX = 176
ITEMS_MAX = 8
IAD_OCTETS_MAX = 32
DETAIL_OCTETS_MAX = 32
AMOUNT_RUPIAH_MAX = 99_999_999
SEQUENCE_MAX = (1 << 23) - 1

# Record kinds.
REDEMPTION = 1
VOID = 2
GOODS_RECEIVED = 3
RETURN = 4
PERIOD_CLOSE = 5
ENROL = 6
ADOPTION = 7
STOCK_RECEIVED = 8
EVENT = 9

# Tender of a redemption.
TENDER_GOODS = 0
TENDER_CASH = 1

# How far the time of a record may be believed.
TRUST_UNSET = 0
TRUST_KEPT = 1
TRUST_OPERATOR = 2
TRUST_NETWORK = 3

# How the cardholder was verified.
METHOD_NONE = 0
METHOD_AID_PIN = 1
METHOD_CARD_PIN = 2
METHOD_DELEGATE = 3

# What an adoption record adopts.
SUBJECT_ROSTER = 1
SUBJECT_GRANT = 2
SUBJECT_POLICY = 3

# Event codes.
EVENT_CLOCK_SET = 1
EVENT_TAMPER = 2
EVENT_PIN_LOCKED = 3
EVENT_OPERATOR_LOGIN = 4
EVENT_UN_ATTEMPTS_SPENT = 5
EVENT_ACKNOWLEDGEMENT_AHEAD = 6
EVENT_CARD_NOT_AUTHENTIC = 7
EVENT_SELF_TEST = 8  # detail: protocol/self_test.py

# A field is (name, struct code, least, most); least and most are checked for numbers only.
HEAD = (
    ("kind", "B", 1, 9),
    ("version", "B", VERSION, VERSION),
    ("time_s", "I", 0, 0xFFFFFFFF),
    ("time_trust", "B", TRUST_UNSET, TRUST_NETWORK),
)
_PERIOD = (("programme", "B", 1, 255), ("period", "H", 24000, 36000))
_AMOUNT = (("amount_rupiah", "I", 1, AMOUNT_RUPIAH_MAX),)
_REFERENCE = (("reference_sequence", "I", 1, SEQUENCE_MAX), ("card_key", "8s", 0, 0))

PROOF_FIELDS = (
    ("application_index", "B", 0, 15),
    ("pan_sequence", "B", 0, 0x99),
    ("transaction_date", "3s", 0, 0),
    ("cid", "B", 0, 255),
    ("atc", "H", 0, 0xFFFF),
    ("ac", "8s", 0, 0),
    ("tvr", "5s", 0, 0),
    ("aip", "2s", 0, 0),
    ("cvm_results", "3s", 0, 0),
    ("un_attempt", "B", 0, 254),
)
ITEM_FIELDS = (
    ("commodity", "B", 1, 255),
    ("quantity_hundredths", "H", 1, 0xFFFF),
    ("price_rupiah", "I", 0, AMOUNT_RUPIAH_MAX),
)

# kind -> (name, fixed fields after the head, variable parts in order)
LAYOUTS = {
    REDEMPTION: (
        "redemption",
        _PERIOD
        + (("tender", "B", TENDER_GOODS, TENDER_CASH),)
        + _AMOUNT
        + (
            ("card_key", "8s", 0, 0),
            ("lease", "I", 0, 0xFFFFFFFF),
            ("method", "B", METHOD_NONE, METHOD_DELEGATE),
            ("flags", "B", 0, 255),
            ("reason", "B", 0, 255),
        ),
        ("proof", "items"),
    ),
    VOID: ("void", _PERIOD + _AMOUNT + _REFERENCE + (("reason", "B", 0, 255),), ("proof",)),
    GOODS_RECEIVED: ("goods_received", _REFERENCE + (("method", "B", 0, 1),), ("optional_proof",)),
    RETURN: ("return", _PERIOD + _AMOUNT + (("card_key", "8s", 0, 0), ("lease", "I", 0, 0xFFFFFFFF)), ()),
    PERIOD_CLOSE: (
        "period_close",
        _PERIOD
        + (
            ("redeemed_count", "H", 0, 0xFFFF),
            ("redeemed_rupiah", "Q", 0, (1 << 48) - 1),
            ("voided_count", "H", 0, 0xFFFF),
            ("voided_rupiah", "Q", 0, (1 << 48) - 1),
            ("returned_count", "H", 0, 0xFFFF),
            ("returned_rupiah", "Q", 0, (1 << 48) - 1),
        ),
        (),
    ),
    ENROL: (
        "enrol",
        (("card_key", "8s", 0, 0), ("application_index", "B", 0, 15), ("verifier", "16s", 0, 0)),
        (),
    ),
    ADOPTION: (
        "adoption",
        (
            ("subject", "B", SUBJECT_ROSTER, SUBJECT_POLICY),
            ("number", "I", 1, 0xFFFFFFFF),
            ("digest", "32s", 0, 0),
        ),
        (),
    ),
    STOCK_RECEIVED: ("stock_received", (("supplier", "I", 0, 0xFFFFFFFF),), ("items",)),
    EVENT: ("event", (("code", "B", 1, 255), ("operator", "H", 0, 0xFFFF)), ("detail",)),
}


class Block:
    """A plain bundle of named values; which ones are set, the layout of its kind says."""

    def __init__(self, **values: object) -> None:
        for name in values:
            setattr(self, name, values[name])


class CardProof(Block):
    """What the card answered to GENERATE AC: the fields of `PROOF_FIELDS`, and the IAD (tag 9F10, 0 to 32 octets)."""

    application_index: int
    pan_sequence: int
    transaction_date: bytes
    cid: int
    atc: int
    ac: bytes
    tvr: bytes
    aip: bytes
    cvm_results: bytes
    un_attempt: int
    iad: bytes


class Record(Block):
    """One canonical record: `kind`, the fields of its layout, and `proof`, `items` or `detail` where it has them.

    `items` is a tuple of (commodity, quantity_hundredths, price_rupiah).
    """

    kind: int
    version: int
    time_s: int
    time_trust: int
    programme: int
    period: int
    tender: int
    amount_rupiah: int
    card_key: bytes
    lease: int
    method: int
    flags: int
    reason: int
    reference_sequence: int
    redeemed_count: int
    redeemed_rupiah: int
    voided_count: int
    voided_rupiah: int
    returned_count: int
    returned_rupiah: int
    application_index: int
    verifier: bytes
    subject: int
    number: int
    digest: bytes
    supplier: int
    code: int
    operator: int
    detail: bytes
    proof: "CardProof | None"
    items: tuple[tuple[int, int, int], ...]


class _Run:
    """A run of fixed fields: what is needed to read, write and check them without looking at each."""

    def __init__(self, fields: tuple[tuple[str, str, int, int], ...]) -> None:
        self.fields = fields
        self.names = tuple([field[0] for field in fields])
        self.form = ">" + "".join([field[1] for field in fields])
        self.octets = struct.calcsize(self.form)
        # (place, least, most) of the numbers whose limits are tighter than their width.
        self.limits = tuple(
            [
                (i, fields[i][2], fields[i][3])
                for i in range(len(fields))
                if fields[i][1] in _MOST and (fields[i][2] > 0 or fields[i][3] < _MOST[fields[i][1]])
            ]
        )


_MOST = {"B": 0xFF, "H": 0xFFFF, "I": 0xFFFFFFFF, "Q": 0xFFFFFFFFFFFFFFFF}
_RUNS = {}
for _kind in range(REDEMPTION, EVENT + 1):
    _RUNS[_kind] = _Run(HEAD + LAYOUTS[_kind][1])
_PROOF_RUN = _Run(PROOF_FIELDS)
PROOF_OCTETS = _PROOF_RUN.octets
_ITEM_FORMAT = ">BHI"
ITEM_OCTETS = struct.calcsize(_ITEM_FORMAT)
_FIXED_WIDTHS = {"B": 1, "H": 2, "I": 4, "Q": 8}
# What packing a value that does not fit raises: CPython's own error, or one of MicroPython's.
_PACK_ERRORS = (getattr(struct, "error", ValueError), ValueError, TypeError, OverflowError)


def _octets_of(code: str) -> int:
    """Octets that a struct code takes."""
    return _FIXED_WIDTHS[code] if code in _FIXED_WIDTHS else int(code[:-1])


def _check(fields: tuple[tuple[str, str, int, int], ...], values: tuple, base: int) -> None:  # type: ignore[type-arg]
    """Range and length of every fixed field; the error names the field and its offset."""
    offset = base
    for i in range(len(fields)):
        name, code, least, most = fields[i]
        value = values[i]
        if code[-1] == "s":
            width = int(code[:-1])
            if len(value) != width:
                raise OutOfRange(name, offset, "has %d octets, not %d" % (len(value), width))
            offset += width
        else:
            if value < least or value > most:
                raise OutOfRange(name, offset, "not in %d..%d" % (least, most))
            offset += _FIXED_WIDTHS[code]


def _pack(run: _Run, source: object, base: int) -> bytes:
    """Fixed fields of `source` as octets."""
    values = tuple([getattr(source, name) for name in run.names])
    try:
        # lumbung: fits - read back below
        out = struct.pack(run.form, *values)
    except _PACK_ERRORS:
        out = b""
    # MicroPython packs the low bits of a number that is too large, and both pad or cut octets: read back what was
    # written, which costs less than looking at each value.
    good = len(out) == run.octets and struct.unpack(run.form, out) == values
    if good:
        for place, least, most in run.limits:
            if not least <= values[place] <= most:
                good = False
    if not good:
        _check(run.fields, values, base)
        raise OutOfRange(run.names[0], base, "holds a value of another type")
    return out


def encode_proof(proof: CardProof) -> bytes:
    """The card proof as it stands in a record: fixed fields, then the IAD to the end."""
    if len(proof.iad) > IAD_OCTETS_MAX:
        raise OutOfRange("iad", PROOF_OCTETS, "longer than %d octets" % IAD_OCTETS_MAX)
    return _pack(_PROOF_RUN, proof, 0) + proof.iad


def _encode_items(items: tuple[tuple[int, int, int], ...], base: int) -> bytes:
    """Items behind their count octet."""
    if len(items) > ITEMS_MAX:
        raise OutOfRange("items", base, "more than %d" % ITEMS_MAX)
    out = bytearray((len(items),))
    for item in items:
        commodity, quantity, price = item
        if not (0 < commodity <= 0xFF and 0 < quantity <= 0xFFFF and 0 <= price <= AMOUNT_RUPIAH_MAX):
            _check(ITEM_FIELDS, item, base + len(out))
        # lumbung: fits - checked just above
        out.extend(struct.pack(_ITEM_FORMAT, commodity, quantity, price))
    return bytes(out)


def encode(record: Record) -> bytes:
    """The canonical octets of `record` (at most 176); raises `OutOfRange` naming the field."""
    if record.kind not in LAYOUTS:
        raise UnknownVersion("kind", 0, "unknown record kind")
    out = _pack(_RUNS[record.kind], record, 0)
    for part in LAYOUTS[record.kind][2]:
        if part == "items":
            out += _encode_items(record.items, len(out))
        elif part == "detail":
            if len(record.detail) > DETAIL_OCTETS_MAX:
                raise OutOfRange("detail", len(out), "longer than %d octets" % DETAIL_OCTETS_MAX)
            out += bytes((len(record.detail),)) + record.detail
        elif record.proof is None:
            if part == "proof":
                raise OutOfRange("proof", len(out), "missing")
            out += b"\x00"
        else:
            body = encode_proof(record.proof)
            out += bytes((len(body),)) + body
    if len(out) > RECORD_OCTETS_MAX:
        raise OutOfRange("record", RECORD_OCTETS_MAX, "longer than %d octets" % RECORD_OCTETS_MAX)
    _check_meaning(record)
    return out


def _unpack(run: _Run, data: bytes, offset: int, into: Block) -> int:
    """Read fixed fields at `offset` into `into`; returns the offset behind them."""
    end = offset + run.octets
    if end > len(data):
        raise _truncation(run.fields, data, offset)
    values = struct.unpack(run.form, data[offset:end])
    for place, least, most in run.limits:
        if not least <= values[place] <= most:
            _check(run.fields, values, offset)
    names = run.names
    for i in range(len(names)):
        setattr(into, names[i], values[i])
    return end


def _truncation(fields: tuple[tuple[str, str, int, int], ...], data: bytes, offset: int) -> Truncated:
    """The error that names the first fixed field which `data` does not hold whole."""
    for field in fields:
        width = _octets_of(field[1])
        if offset + width > len(data):
            return Truncated(
                field[0], offset, "needs %d octets, %d left" % (width, max(0, len(data) - offset))
            )
        offset += width
    return Truncated("record", offset, "too short")


def _length_octet(field: str, data: bytes, offset: int, most: int) -> int:
    """The length octet at `offset`, at most `most`."""
    if offset >= len(data):
        raise Truncated(field, offset, "length octet missing")
    if data[offset] > most:
        raise OutOfRange(field, offset, "longer than %d" % most)
    return data[offset]


def _decode_proof(data: bytes, offset: int, optional: bool, record: Record) -> int:
    """The proof part at `offset`; returns the offset behind it."""
    length = _length_octet("proof", data, offset, PROOF_OCTETS + IAD_OCTETS_MAX)
    offset += 1
    if length == 0 and optional:
        record.proof = None
        return offset
    if length < PROOF_OCTETS:
        raise OutOfRange("proof", offset - 1, "shorter than %d octets" % PROOF_OCTETS)
    proof = CardProof()
    start = _unpack(_PROOF_RUN, data, offset, proof)
    end = offset + length
    if end > len(data):
        raise Truncated("iad", start, "needs %d octets, %d left" % (end - start, len(data) - start))
    proof.iad = bytes(data[start:end])
    record.proof = proof
    return end


def _decode_items(data: bytes, offset: int, record: Record) -> int:
    """The items part at `offset`; returns the offset behind it."""
    count = _length_octet("items", data, offset, ITEMS_MAX)
    offset += 1
    items = []
    for _ in range(count):
        if offset + ITEM_OCTETS > len(data):
            raise _truncation(ITEM_FIELDS, data, offset)
        item = struct.unpack(_ITEM_FORMAT, data[offset : offset + ITEM_OCTETS])
        _check(ITEM_FIELDS, item, offset)
        items.append(item)
        offset += ITEM_OCTETS
    record.items = tuple(items)
    return offset


def decode(data: bytes) -> Record:
    """The record that `data` holds exactly; raises a `ProtocolError` naming field and offset."""
    if not data:
        raise Truncated("kind", 0, "needs 1 octets, 0 left")
    if len(data) > RECORD_OCTETS_MAX:
        raise OutOfRange("record", RECORD_OCTETS_MAX, "longer than %d octets" % RECORD_OCTETS_MAX)
    if data[0] not in LAYOUTS:
        raise UnknownVersion("kind", 0, "unknown record kind")
    if len(data) > 1 and data[1] != VERSION:
        raise UnknownVersion("version", 1, "unknown record version")
    record = Record()
    offset = _unpack(_RUNS[data[0]], data, 0, record)
    for part in LAYOUTS[data[0]][2]:
        if part == "items":
            offset = _decode_items(data, offset, record)
        elif part == "detail":
            length = _length_octet("detail", data, offset, DETAIL_OCTETS_MAX)
            if offset + 1 + length > len(data):
                raise Truncated("detail", offset + 1, "needs %d octets" % length)
            record.detail = bytes(data[offset + 1 : offset + 1 + length])
            offset += 1 + length
        else:
            offset = _decode_proof(data, offset, part == "optional_proof", record)
    if offset != len(data):
        raise TrailingData("record", offset, "%d octets left over" % (len(data) - offset))
    _check_meaning(record)
    return record


def _check_meaning(record: Record) -> None:
    """Rules between fields: a second tap has a proof and only then, cash has no items."""
    if record.kind == GOODS_RECEIVED and (record.method == 1) != (record.proof is not None):
        raise OutOfRange("method", 7 + 12, "says otherwise than the proof")
    if record.kind == REDEMPTION and record.tender == TENDER_CASH and record.items:
        raise OutOfRange("items", _RUNS[REDEMPTION].octets, "cash has no items")


def name(kind: int) -> str:
    """The word for a record kind."""
    return LAYOUTS[kind][0] if kind in LAYOUTS else "unknown"
