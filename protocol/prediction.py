"""Codec 1's model: what it expects of the next record, and how it says what is otherwise.

Every field is predicted from the context and from the records before it in the frame; bits are spent on what nobody
can predict: card, time, basket, ATC and cryptogram. Each function describes both directions: `out` is the record to
encode, or the record being built when decoding (see `entropy`).
"""

from protocol import civil_date, prediction_proof, prediction_values, records
from protocol import prediction_tables as likely
from protocol.entropy import Coder
from protocol.errors import NotCanonical, OutOfRange
from protocol.prediction_plans import PLANS, Plan
from protocol.prediction_proof import ProofModel
from protocol.records import CardProof, Record


class Model:
    """What codec 1 expects next; one object per frame, since compression starts afresh in each frame."""

    def __init__(self, coder: Coder, context: object, first: int) -> None:
        self._coder = coder
        self._encoding = coder.encoding
        self._tables = tables = likely.tables_of(context)
        self._roster = context.roster  # type: ignore[attr-defined]
        self._proofs = ProofModel(coder, tables, self._roster)
        self._first = first
        self._kind = 0
        # By kind: the kind that followed it last.
        self._follows = [records.REDEMPTION] * 10
        self._time_s = -1
        self._trust = records.TRUST_KEPT
        self._programme = tables.programme
        self._tenders: dict[int, int] = {}
        self._operator = 0
        self._goods_method = 0
        # The last card: its index on the roster (-1: not on it), which of the entry's cards, and what is likely next.
        self._index = -1
        self._place = 0
        self._cards = likely.CARD_FIRST
        # By kind and application: what `_expected` says while trust, programme and the like stay as they are.
        self._expectations: dict[int, tuple[int, ...]] = {}
        # By kind: the fields that departed last, and whether they did so twice in a row.
        self._usual = [(0, True)] * 10
        # Records so far that have a card: (record, its card's index, its card's place), for those that refer to them.
        self._seen: list[tuple[Record, int, int] | None] = []

    def record(self, given: "Record | None") -> Record:
        """Code one record; `given` is None when decoding. Returns the record."""
        out = given if given is not None else Record()
        kind = self._record_kind(out)
        plan = PLANS[kind]
        self._time(out)
        seen = self._reference(out) if plan.has_reference else None
        if plan.has_card:
            self._card(out, seen)
        if plan.has_programme:
            self._record_programme(out, seen)
        application = self._proofs.expected_application(self._index, self._place) if plan.has_card else 0
        departures = self._fields(out, kind, plan, application)
        if plan.sent:
            self._sent(out, plan.sent)
        self._parts(out, kind, seen)
        if plan.has_proof:
            self._proof(out, kind, departures, application, seen)
        self._seen.append((out, self._index, self._place) if plan.has_card else None)
        return out

    # What nobody can predict: kind, time, card.

    def _record_kind(self, out: Record) -> int:
        """What followed the last record's kind the last time, or another kind."""
        coder = self._coder
        kind = self._follows[self._kind]
        if coder.choice("kind", 1 if self._encoding and out.kind != kind else 0, likely.LIKELY):
            kind = 1 + coder.choice("kind", out.kind - 1 if self._encoding else 0, likely.KINDS)
            self._follows[self._kind] = kind
        self._kind = kind
        if not self._encoding:
            out.kind = kind
            out.version = records.VERSION
        return kind

    def _time(self, out: Record) -> None:
        """Seconds since the record before, by range; 32 bits where time went back."""
        coder = self._coder
        before_s = self._time_s
        if before_s < 0:
            time_s = self._first_time(out.time_s if self._encoding else 0)
        else:
            gap = 0
            place = 0
            if self._encoding:
                gap = out.time_s - before_s
                place = (
                    likely.BACKWARDS
                    if gap < 0
                    else likely.GAP_OF_SIXTEENTH[gap >> 4]
                    if gap < 256
                    else _range(gap)
                )
            place = coder.choice("time_s", place, likely.GAP_WEIGHTS)
            if place == likely.BACKWARDS:
                time_s = coder.bits("time_s", out.time_s if self._encoding else 0, 32)
            else:
                least, width = likely.GAPS[place]
                time_s = before_s + least + coder.bits("time_s", gap - least if self._encoding else 0, width)
        if time_s >> 32:
            raise OutOfRange("time_s", -1, "beyond 32 bits")
        self._time_s = time_s
        if not self._encoding:
            out.time_s = time_s

    def _first_time(self, time_s: int) -> int:
        """The first time of a frame: local day from the month's start and second of the day, or 32 bits."""
        coder = self._coder
        start_s = self._tables.start_s
        day, second = divmod(time_s - start_s, civil_date.SECONDS_PER_DAY)
        if day < 0 or day > likely.DAYS:
            day = likely.DAYS
        day = coder.choice("time_s", day, likely.DAY_WEIGHTS)
        if day == likely.DAYS:
            return coder.bits("time_s", time_s, 32)
        second -= likely.OPEN_S
        if coder.choice("time_s", 0 if 0 <= second < likely.OPEN_SECONDS else 1, likely.NEARLY_SURE):
            second = coder.uniform("time_s", second + likely.OPEN_S, civil_date.SECONDS_PER_DAY)
        else:
            second = likely.OPEN_S + coder.uniform("time_s", second, likely.OPEN_SECONDS)
        return start_s + day * civil_date.SECONDS_PER_DAY + second

    def _card(self, out: Record, seen: "tuple[Record, int, int] | None") -> None:
        """The card: that of the record referred to, near the last one, anywhere on the roster, or not on it."""
        coder = self._coder
        encoding = self._encoding
        card_key = out.card_key if encoding else b""
        if seen is not None and not coder.choice(
            "card_key", 1 if encoding and card_key != seen[0].card_key else 0, likely.LIKELY
        ):
            self._index = seen[1]
            self._place = seen[2]
            if not encoding:
                out.card_key = seen[0].card_key
            return
        roster = self._roster
        last = self._index
        index = 0
        how = likely.FAR
        if encoding:
            index = roster.find(card_key)
            if index < 0:
                how = likely.STRANGE
            elif roster.card_key(index, 0) != card_key:
                how = likely.SECOND
            elif last >= 0 and -likely.NEAR_BEFORE <= index - last < likely.NEAR_BEFORE:
                how = likely.NEAR
        how = coder.choice("card_key", how, self._cards)
        self._place = 1 if how == likely.SECOND else 0
        if how == likely.STRANGE:
            self._index = -1
            card_key = coder.octets("card_key", card_key, 8)
        else:
            index = self._roster_index(how, index, last, roster.count)
            self._index = index
            self._cards = likely.CARD_AFTER_NEAR if how == likely.NEAR else likely.CARD_AFTER_FAR
            if not encoding:
                card_key = roster.card_key(index, self._place)
                if len(card_key) != 8:
                    raise OutOfRange("card_key", -1, "no such card on the roster")
        if not encoding:
            out.card_key = card_key

    def _roster_index(self, how: int, index: int, last: int, count: int) -> int:
        """An index of the roster, said as a distance from the last one or as it is."""
        if how == likely.NEAR:
            base = last - likely.NEAR_BEFORE
            index = base + self._coder.bits(
                "card_key", index - base if self._encoding else 0, likely.NEAR_BITS
            )
        elif count:
            index = self._coder.uniform("card_key", index, count)
        if index < 0 or index >= count:
            raise OutOfRange("card_key", -1, "beyond the roster")
        return index

    def _reference(self, out: Record) -> "tuple[Record, int, int] | None":
        """The sequence referred to, as a distance back; returns what is known of it where this frame holds it."""
        coder = self._coder
        own = self._first + len(self._seen)
        reference = out.reference_sequence if self._encoding else 0
        distance = own - reference
        if distance < 0 or distance >> likely.DISTANCE_BITS_MAX:
            distance = 0
        distance = prediction_values.by_length(coder, "reference_sequence", distance, likely.DISTANCE_BITS)
        if distance == 0:
            reference = coder.bits("reference_sequence", reference, 23)
        elif not self._encoding:
            reference = own - distance
        if not self._encoding:
            out.reference_sequence = reference
        return self._seen[-distance] if 0 < distance <= len(self._seen) else None

    # What is usually as expected.

    def _record_programme(self, out: Record, seen: "tuple[Record, int, int] | None") -> None:
        """The programme: the last one's (or that of the record referred to), or another."""
        coder = self._coder
        tables = self._tables
        # A goods-received record has no programme of its own.
        programme = getattr(seen[0], "programme", self._programme) if seen else self._programme
        actual = out.programme if self._encoding else programme
        table = likely.RATHER if programme == tables.programme else likely.EVEN
        if coder.choice("programme", 1 if actual != programme else 0, table):
            known = tables.programmes
            place = known.index(actual) if actual in known else len(known)
            place = coder.choice("programme", place, tables.other_programme)
            programme = known[place] if place < len(known) else coder.bits("programme", actual, 8)
        if programme != self._programme:
            self._programme = programme
            self._expectations = {}
        if not self._encoding:
            out.programme = programme

    def _fields(self, out: Record, kind: int, plan: Plan, application: int) -> int:
        """The predicted fields of the record; returns which fields of the proof depart from what is expected."""
        key = kind << 8 | application
        expected = self._expectations.get(key)
        if expected is None:
            self._expectations[key] = expected = self._expected(kind, application)
        names = plan.names
        mask = 0
        actual: tuple[int, ...] = ()
        if self._encoding:
            actual = plan.read(out)  # type: ignore[operator]
            mask = _differences(actual, expected)
            if plan.has_proof and out.proof is not None:
                said = prediction_proof.read(out.proof)
                answer = self._proofs.expected(said[0], out.time_s, kind == records.REDEMPTION)
                departing = _differences(said, answer)
                if said[0] != application:
                    departing |= 1
                mask |= departing << len(names)
        mask = self._departures(kind, mask, plan.width)
        if mask:
            values = list(expected)
            for i in range(len(names)):
                if mask >> i & 1:
                    values[i] = prediction_values.number(self._coder, names[i], actual[i] if actual else 0)
            expected = tuple(values)
            self._changed(out, kind, expected)
        if not self._encoding:
            for i in range(len(names)):
                setattr(out, names[i], expected[i])
        return mask >> len(names)

    def _expected(self, kind: int, application: int) -> tuple[int, ...]:
        """What is expected of the names in the kind's plan."""
        trust = self._trust
        tables = self._tables
        programme = self._programme
        if kind == records.REDEMPTION:
            period, lease = tables.period_and_lease(programme)
            methods = tables.methods
            usual = records.TENDER_GOODS if programme == tables.programme else records.TENDER_CASH
            tender = self._tenders.get(programme, usual)
            method = methods[application] if application < len(methods) else methods[0]
            return (trust, tender, period, lease, method, 0, 0)
        if kind == records.VOID:
            return (trust, tables.period_and_lease(programme)[0], 0)
        if kind == records.RETURN:
            return (trust,) + tables.period_and_lease(programme)
        if kind == records.PERIOD_CLOSE:
            return (trust, tables.period_and_lease(programme)[0])
        if kind == records.GOODS_RECEIVED:
            return (trust, self._goods_method)
        if kind == records.ENROL:
            return (trust, application)
        if kind == records.EVENT:
            return (trust, self._operator)
        return (trust,)

    def _changed(self, out: Record, kind: int, values: tuple[int, ...]) -> None:
        """Expect from now on what this record says otherwise than expected."""
        self._expectations = {}
        self._trust = values[0]
        if kind == records.REDEMPTION:
            self._tenders[self._programme] = values[1]
        elif kind == records.GOODS_RECEIVED:
            self._goods_method = values[1]
        elif kind == records.EVENT:
            self._operator = values[1]

    def _departures(self, kind: int, mask: int, width: int) -> int:
        """Which fields depart: none, the same as in the last record of the kind, or others."""
        coder = self._coder
        usual, kept = self._usual[kind]
        if usual == 0:
            if not coder.choice("departures", 1 if mask else 0, likely.USUAL_NONE):
                return 0
        else:
            said = 0 if mask == usual else 2 if mask else 1
            said = coder.choice("departures", said, likely.USUAL_KEPT if kept else likely.USUAL_NEW)
            if said == 0:
                self._usual[kind] = (usual, True)
                return int(usual)
            if said == 1:
                self._usual[kind] = (0, True)
                return 0
        mask = self._mask(mask, width)
        self._usual[kind] = (mask, False)
        return mask

    def _mask(self, mask: int, width: int) -> int:
        """Which of `width` fields depart: one of them, or several."""
        coder = self._coder
        alone = width
        for i in range(width):
            if mask == 1 << i:
                alone = i
        alone = coder.uniform("departures", alone, width + 1)
        if alone < width:
            return 1 << alone
        found = 0
        for i in range(width):
            found |= coder.choice("departures", mask >> i & 1, likely.RATHER) << i
        return found

    # The rest of a record.

    def _sent(self, out: Record, sent: tuple[tuple[str, int], ...]) -> None:
        """Fields without expectation."""
        coder = self._coder
        for name, width in sent:
            given = getattr(out, name) if self._encoding else None
            value: object
            if width:
                value = coder.octets(name, given or b"", width)
            else:
                value = prediction_values.number(coder, name, given or 0)
            if not self._encoding:
                setattr(out, name, value)

    def _parts(self, out: Record, kind: int, seen: "tuple[Record, int, int] | None") -> None:
        """Basket, amount, items, detail."""
        coder = self._coder
        if kind == records.REDEMPTION:
            due = self._tables.due_rupiah(self._programme, self._index)
            total = 0
            items: tuple[tuple[int, int, int], ...] = ()
            if out.tender != records.TENDER_CASH:
                items, total = self._basket(out.items if self._encoding else (), due)
            amount = prediction_values.amount(coder, out.amount_rupiah if self._encoding else 0, total, due)
            if not self._encoding:
                out.items = items
                out.amount_rupiah = amount
        elif kind == records.VOID:
            likely_amount = getattr(seen[0], "amount_rupiah", 0) if seen else 0
            amount = prediction_values.amount(
                coder, out.amount_rupiah if self._encoding else 0, likely_amount, 0
            )
            if not self._encoding:
                out.amount_rupiah = amount
        elif kind == records.STOCK_RECEIVED:
            items = prediction_values.items(coder, out.items if self._encoding else (), self._tables)
            if not self._encoding:
                out.items = items
        elif kind == records.EVENT:
            detail = prediction_values.detail(coder, out.detail if self._encoding else b"")
            if not self._encoding:
                out.detail = detail

    def _basket(
        self, items: tuple[tuple[int, int, int], ...], due_rupiah: int
    ) -> tuple[tuple[tuple[int, int, int], ...], int]:
        """(items, their total): a basket of the policy, or chosen items."""
        tables = self._tables
        place = tables.basket_of.get(items, 0) if self._encoding else 0
        place = self._coder.choice("items", place, tables.basket_table(due_rupiah))
        if place:
            return tables.baskets[place], tables.totals[place]
        items = prediction_values.items(self._coder, items, tables)
        return items, likely.total_rupiah(items)

    def _proof(
        self, out: Record, kind: int, mask: int, application: int, seen: "tuple[Record, int, int] | None"
    ) -> None:
        """The card proof: the fields in `mask` depart from what is expected, then ATC and AC."""
        proofs = self._proofs
        is_redemption = kind == records.REDEMPTION
        if kind == records.GOODS_RECEIVED and out.method != 1:
            if mask:
                raise NotCanonical("departures", 0, "of a proof that is not there")
            if not self._encoding:
                out.proof = None
            return
        proof = (out.proof if self._encoding else None) or CardProof()
        if mask:
            actual = prediction_proof.read(proof) if self._encoding else ()
            values = proofs.departing(mask, actual, application, out.time_s, is_redemption)
            if self._usual[kind][1]:
                # Not after a single exception, which would make the next record an exception too.
                proofs.remember(values, is_redemption)
        else:
            proofs.application = application
            if not self._encoding:
                values = proofs.expected(application, out.time_s, is_redemption)
        tap = getattr(seen[0], "proof", None) if seen else None
        proofs.cryptogram(proof, tap.atc if tap is not None else -1)
        if not self._encoding:
            for i in range(len(prediction_proof.FIELDS)):
                setattr(proof, prediction_proof.FIELDS[i], values[i])
            out.proof = proof


def _range(gap: int) -> int:
    """The place in `GAPS` of a gap of 256 seconds or more."""
    place = likely.GAP_OF_SIXTEENTH[15] + 1
    while gap - likely.GAPS[place][0] >> likely.GAPS[place][1]:
        place += 1
    return place


def _differences(actual: tuple[object, ...], expected: tuple[object, ...]) -> int:
    """Bit i is set where the i-th values differ."""
    if actual == expected:
        return 0
    mask = 0
    for i in range(len(actual)):
        if actual[i] != expected[i]:
            mask |= 1 << i
    return mask
