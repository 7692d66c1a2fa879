"""Records of one frame to octets and back: codec 0 literal, codec 1 predicted and entropy-coded.

Codec 1 predicts every field of a record from the context and the record before it in the frame, says which fields
depart from that (usually none), and spends bits only on those and on what nobody can predict: card, time, ATC, AC,
amount and basket. Each function below describes both directions; see `entropy`.
"""

from protocol import civil_date, records
from protocol.entropy import Decoder, Encoder, cumulate
from protocol.errors import NotCanonical, OutOfRange, Truncated, UnknownVersion
from protocol.policy import Policy
from protocol.records import CardProof, Record

LITERAL = 0
PREDICTED = 1
RECORDS_MAX = 256

_KINDS = cumulate((208, 4, 28, 4, 2, 4, 2, 2, 2))
# Seconds since the record before, by bit length; centred on the 1 to 2 minutes that a served family takes.
_DELTA_BITS = cumulate(
    (2, 1, 1, 2, 5, 12, 32, 80, 76, 24, 8, 4, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2)
)
_YES_RARE = cumulate((250, 6))
_YES_EVEN = cumulate((1, 1))
_SAME_OCTET = cumulate((7, 1))
_NUMBER_BITS = cumulate((1,) * 49)
_REPEAT = cumulate((60, 4))

# Fields by kind that codec 1 predicts, in the order of their departure bits. Proof fields carry the prefix "proof.".
_PROOF_PREDICTED = (
    "application_index",
    "pan_sequence",
    "cid",
    "aip",
    "tvr",
    "cvm_results",
    "un_attempt",
    "transaction_date",
    "iad",
)
_PREDICTED = {
    records.REDEMPTION: ("time_trust", "programme", "period", "lease", "method", "flags", "reason"),
    records.VOID: ("time_trust", "programme", "period", "reason"),
    records.GOODS_RECEIVED: ("time_trust",),
    records.RETURN: ("time_trust", "programme", "period", "lease"),
    records.PERIOD_CLOSE: ("time_trust", "programme", "period"),
    records.ENROL: ("time_trust", "application_index"),
    records.ADOPTION: ("time_trust",),
    records.STOCK_RECEIVED: ("time_trust",),
    records.EVENT: ("time_trust", "operator"),
}
# Fields by kind that are sent each time as plain numbers (by bit length) or octets of the given width.
_SENT = {
    records.REDEMPTION: (),
    records.VOID: (("amount_rupiah", 0), ("reference_sequence", 0)),
    records.GOODS_RECEIVED: (("reference_sequence", 0),),
    records.RETURN: (("amount_rupiah", 0),),
    records.PERIOD_CLOSE: (
        ("redeemed_count", 0),
        ("redeemed_rupiah", 0),
        ("voided_count", 0),
        ("voided_rupiah", 0),
        ("returned_count", 0),
        ("returned_rupiah", 0),
    ),
    records.ENROL: (("verifier", 16),),
    records.ADOPTION: (("subject", 0), ("number", 0), ("digest", 32)),
    records.STOCK_RECEIVED: (("supplier", 0),),
    records.EVENT: (("code", 0),),
}


def encode(codec: int, batch: list, context: object) -> bytes:
    """The octets of a frame's records (1 to 256 canonical records in order); `context` is None for codec 0."""
    if not 1 <= len(batch) <= RECORDS_MAX:
        raise OutOfRange("count", -1, "not in 1..%d" % RECORDS_MAX)
    if codec == LITERAL:
        return b"".join([bytes((len(octets),)) + octets for octets in batch])
    if codec != PREDICTED:
        raise UnknownVersion("codec", 0, "unknown codec")
    coder = Encoder()
    model = Model(coder, context)
    for octets in batch:
        model.record(records.decode(octets))
    return coder.finish()


def decode(codec: int, data: bytes, count: int, context: object) -> list:
    """The canonical records of a frame; raises a `ProtocolError`, and `NotCanonical` where re-encoding differs."""
    if codec == LITERAL:
        return _decode_literal(data, count)
    if codec != PREDICTED:
        raise UnknownVersion("codec", 0, "unknown codec")
    coder = Decoder(data)
    model = Model(coder, context)
    batch = [records.encode(model.record(None)) for _ in range(count)]
    coder.finish()
    if encode(codec, batch, context) != data:
        raise NotCanonical("coded records", 0, "another encoding of the same records is the right one")
    return batch


def _decode_literal(data: bytes, count: int) -> list:
    """Records each behind a length octet."""
    batch = []
    offset = 0
    for _ in range(count):
        if offset >= len(data):
            raise Truncated("record length", offset, "missing")
        end = offset + 1 + data[offset]
        if end > len(data):
            raise Truncated("record", offset + 1, "needs %d octets, %d left" % (data[offset], len(data) - offset - 1))
        octets = bytes(data[offset + 1 : end])
        records.decode(octets)
        batch.append(octets)
        offset = end
    if offset != len(data):
        raise NotCanonical("coded records", offset, "octets left over")
    return batch


class Model:
    """What codec 1 expects next; one object per frame, since compression starts afresh in each frame."""

    def __init__(self, coder: "Encoder | Decoder", context: object) -> None:
        self._coder = coder
        self._context = context
        self._policy = context.policy  # type: ignore[attr-defined]
        grant = context.first_grant()  # type: ignore[attr-defined]
        self._time_s = civil_date.period_start_s(grant.period) if grant else 0
        self._before = {}
        self._departures = {}
        self._proof_before = {}
        self._trust = records.TRUST_NETWORK
        self._programme = grant.programme if grant else 1
        self._operator = 0
        self._tender = records.TENDER_GOODS
        self._application = 0
        self._basket_tables = _basket_table(self._policy)

    def record(self, given: "Record | None") -> Record:
        """Code one record; `given` is None when decoding. Returns the record."""
        coder = self._coder
        out = Record()
        out.kind = 1 + coder.choice("kind", given.kind - 1 if given else 0, _KINDS)
        out.version = records.VERSION
        out.time_s = self._time(given.time_s if given else 0)
        if out.kind not in (records.PERIOD_CLOSE, records.ADOPTION, records.STOCK_RECEIVED, records.EVENT):
            self._card(given, out)
        self._predicted(given, out)
        for name, width in _SENT[out.kind]:
            value = getattr(given, name) if given else None
            setattr(out, name, self._octets(name, value, width) if width else self._number(name, value))
        if out.kind == records.REDEMPTION:
            self._tender_and_amount(given, out)
        for part in records.LAYOUTS[out.kind][2]:
            if part == "items":
                out.items = self._items(given.items if given else None, out)
            elif part == "detail":
                length = coder.uniform("detail", len(given.detail) if given else 0, records.DETAIL_OCTETS_MAX + 1)
                out.detail = coder.octets("detail", given.detail if given else b"", length)
            else:
                self._proof(given, out, part)
        self._remember(out)
        return out

    def _remember(self, out: Record) -> None:
        """What the next record of this frame is predicted from."""
        self._time_s = out.time_s
        self._trust = out.time_trust
        if out.kind in (records.REDEMPTION, records.VOID, records.RETURN, records.PERIOD_CLOSE):
            self._programme = out.programme
        if out.kind == records.REDEMPTION:
            self._tender = out.tender
        if out.kind == records.EVENT:
            self._operator = out.operator

    # Fields that nobody can predict.

    def _time(self, time_s: int) -> int:
        """Seconds since the record before by bit length, or 32 bits where time went back."""
        coder = self._coder
        if coder.choice("time", 1 if coder.encoding and time_s < self._time_s else 0, _YES_RARE):
            return coder.uniform("time", time_s, 1 << 32)
        time_s = self._time_s + self._by_bits("time", time_s - self._time_s, _DELTA_BITS)
        if time_s >> 32:
            raise OutOfRange("time", -1, "beyond 32 bits")
        return time_s

    def _card(self, given: "Record | None", out: Record) -> None:
        """The card by roster index and place, or its key as it is."""
        coder = self._coder
        roster = self._context.roster  # type: ignore[attr-defined]
        index = roster.find(given.card_key) if given else 0
        out.card_index = index = -1 if coder.choice("card", 1 if index < 0 else 0, _YES_RARE) else index
        out.card_place = 0
        if index < 0:
            out.card_key = coder.octets("card key", given.card_key if given else b"", 8)
            return
        place = 1 if given and roster.card_key(index, 0) != given.card_key else 0
        out.card_index = coder.uniform("card", index, roster.count)
        out.card_place = coder.choice("card place", place, _YES_RARE)
        out.card_key = roster.card_key(out.card_index, out.card_place)
        if len(out.card_key) != 8:
            raise OutOfRange("card place", -1, "no such card on the roster")

    def _tender_and_amount(self, given: "Record | None", out: Record) -> None:
        """Tender like the one before; the amount is the whole grant, or a number."""
        coder = self._coder
        other = 1 - self._tender
        changed = coder.choice("tender", 1 if given and given.tender == other else 0, _REPEAT)
        out.tender = other if changed else self._tender
        expected = self._entitlement(out)
        amount = given.amount_rupiah if given else 0
        if expected and not coder.choice("amount", 1 if amount != expected else 0, _REPEAT):
            out.amount_rupiah = expected
        else:
            out.amount_rupiah = self._number("amount_rupiah", amount)

    def _entitlement(self, out: Record) -> int:
        """What the grant gives this card in the record's programme; 0 where unknown."""
        grant = self._context.grant(out.programme)  # type: ignore[attr-defined]
        if grant is None or out.card_index < 0:
            return 0
        return int(grant.amount_rupiah(out.card_index))

    def _items(self, items: "tuple | None", out: Record) -> tuple:
        """A basket of the policy by its weight, or the items as they are; cash has none."""
        if out.kind == records.REDEMPTION and out.tender == records.TENDER_CASH:
            return ()
        coder = self._coder
        baskets = self._policy.baskets
        place = 0
        if items is not None:
            for i in range(len(baskets)):
                if baskets[i][1] == items:
                    place = i + 1
                    break
        place = coder.choice("basket", place, self._basket_tables)
        if place:
            return tuple(baskets[place - 1][1])
        count = coder.uniform("items", len(items) if items is not None else 0, records.ITEMS_MAX + 1)
        found = []
        for i in range(count):
            item = items[i] if items is not None else (0, 0, 0)
            commodity = coder.uniform("commodity", item[0], 256)
            quantity = self._number("quantity_hundredths", item[1])
            posted = _posted_price(self._policy, commodity)
            price = item[2]
            if posted and not coder.choice("price_rupiah", 1 if price != posted else 0, _YES_RARE):
                price = posted
            else:
                price = self._number("price_rupiah", price)
            found.append((commodity, quantity, price))
        return tuple(found)

    # The card proof.

    def _proof(self, given: "Record | None", out: Record, part: str) -> None:
        """The card proof: predicted fields first, then ATC and AC."""
        coder = self._coder
        source = given.proof if given else None
        if part == "optional_proof" and not coder.choice("proof", 1 if source is not None else 0, _YES_EVEN):
            out.proof = None
            return
        proof = CardProof()
        application = self._expected_application(out)
        before = self._proof_before.get(application)
        expected = self._typical(application, before)
        expected.application_index = application
        expected.transaction_date = civil_date.transaction_date(out.time_s, self._policy.utc_offset_minutes)
        expected.un_attempt = 0
        self._departing("proof", _PROOF_PREDICTED, source, proof, expected)
        proof.atc = coder.uniform("atc", source.atc if source else 0, 65536)
        proof.ac = coder.octets("ac", source.ac if source else b"", 8)
        self._application = proof.application_index
        self._proof_before[proof.application_index] = proof
        out.proof = proof

    def _expected_application(self, out: Record) -> int:
        """The card's only application where the roster names one, else the one used last in this frame."""
        if out.card_index >= 0:
            applications = self._context.roster.applications(  # type: ignore[attr-defined]
                out.card_index, out.card_place
            )
            if applications >> self._application & 1:
                return self._application
            for i in range(len(self._policy.applications)):
                if applications >> i & 1:
                    return i
        return self._application

    def _typical(self, application: int, before: "CardProof | None") -> CardProof:
        """What cards of an application answer: like the last one in this frame, else as the policy says."""
        proof = CardProof()
        known = self._policy.applications
        source = before or known[application if application < len(known) else 0]
        for name in ("pan_sequence", "cid", "aip", "tvr", "cvm_results", "iad"):
            setattr(proof, name, getattr(source, name))
        return proof

    # Prediction and departure.

    def _predicted(self, given: "Record | None", out: Record) -> None:
        """The fields of the record's kind that are usually as expected."""
        expected = Record()
        expected.time_trust = self._trust
        expected.programme = self._programme
        expected.operator = self._operator
        expected.flags = 0
        expected.reason = 0
        expected.application_index = self._application
        grant = self._context.grant(self._programme)  # type: ignore[attr-defined]
        expected.period = grant.period if grant else 24000
        expected.lease = grant.number if grant else 0
        expected.method = self._policy.applications[self._application].method
        if out.kind not in (records.PERIOD_CLOSE, records.ADOPTION, records.STOCK_RECEIVED, records.EVENT):
            application = self._expected_application(out)
            if application < len(self._policy.applications):
                expected.method = self._policy.applications[application].method
                expected.application_index = application
        self._departing(out.kind, _PREDICTED[out.kind], given, out, expected)

    def _departing(self, group: object, names: tuple, given: object, out: object, expected: object) -> None:
        """Code which of `names` depart from `expected` (usually the same ones as last time), then those alone."""
        coder = self._coder
        mask = 0
        if given is not None:
            for i in range(len(names)):
                if getattr(given, names[i]) != getattr(expected, names[i]):
                    mask |= 1 << i
        usual = self._departures.get(group, 0)
        if coder.choice("departures", 1 if mask != usual else 0, _REPEAT):
            mask = coder.uniform("departures", mask, 1 << len(names))
        else:
            mask = usual
        self._departures[group] = mask
        for i in range(len(names)):
            name = names[i]
            value = getattr(expected, name)
            if mask >> i & 1:
                actual = getattr(given, name) if given is not None else None
                value = self._number(name, actual) if isinstance(value, int) else self._like(name, actual, value)
            setattr(out, name, value)

    def _like(self, field: str, value: "bytes | None", expected: bytes) -> bytes:
        """Octets that resemble `expected`: a new length where it differs, then each octet, same or given."""
        coder = self._coder
        length = len(value) if value is not None else 0
        if coder.choice(field, 1 if length != len(expected) else 0, _YES_RARE):
            length = coder.uniform(field, length, records.IAD_OCTETS_MAX + 1)
        else:
            length = len(expected)
        out = bytearray(length)
        for i in range(length):
            wanted = expected[i] if i < len(expected) else 0
            octet = value[i] if value is not None else 0
            if coder.choice(field, 1 if octet != wanted else 0, _SAME_OCTET):
                wanted = coder.uniform(field, octet, 256)
            out[i] = wanted
        return bytes(out)

    def _octets(self, field: str, value: "bytes | None", width: int) -> bytes:
        """Octets of a known width, without expectation."""
        return self._coder.octets(field, value if value is not None else b"", width)

    def _number(self, field: str, value: "int | None") -> int:
        """An unsigned number up to 48 bits; money in whole thousands takes ten bits less."""
        coder = self._coder
        number = value if value is not None else 0
        thousands = 0
        if field.endswith("_rupiah"):
            thousands = coder.choice(field, 1 if number and number % 1000 == 0 else 0, _YES_EVEN)
        if thousands:
            return 1000 * self._by_bits(field, number // 1000, _NUMBER_BITS)
        return self._by_bits(field, number, _NUMBER_BITS)

    def _by_bits(self, field: str, value: int, lengths: tuple) -> int:
        """A number by its bit length, then the bits below the leading one."""
        coder = self._coder
        bits = 0
        while coder.encoding and value >> bits:
            bits += 1
        bits = coder.choice(field, bits, lengths)
        if bits < 2:
            return bits
        leading = 1 << (bits - 1)
        return leading + coder.uniform(field, value - leading, leading)


def _basket_table(policy: Policy) -> tuple:
    """Cumulative weights: literal items first, then the baskets."""
    return cumulate((1,) + tuple([basket[0] for basket in policy.baskets]))


def _posted_price(policy: Policy, commodity: int) -> int:
    """The posted price of a commodity in rupiah, 0 where there is none."""
    for entry in policy.commodities:
        if entry[0] == commodity:
            return int(entry[3])
    return 0
