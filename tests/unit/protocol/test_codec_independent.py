"""Codec 1 a second time, written from the sentences of protocol/README.md alone: both must make the same octets.

It only encodes, with lists and floats-free arithmetic of its own; nothing of `protocol.entropy` or `protocol.prediction*`
is used. Where this file and the README differ, one of them is wrong.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import codec, records
from protocol.context import Context
from protocol.records import Record
from tests.bench import reference_day
from tests.property import protocol_strategies as drawn
from tools.golden_vectors import corpus

NUMBER = [4] * 20 + [2] * 19 + [1] * 10
PROOF = (
    "application_index",
    "transaction_date",
    "un_attempt",
    "pan_sequence",
    "cid",
    "aip",
    "tvr",
    "cvm_results",
    "iad",
)
FIELDS: dict[int, tuple[str, ...]] = {
    1: ("time_trust", "tender", "period", "lease", "method", "flags", "reason"),
    2: ("time_trust", "period", "reason"),
    3: ("time_trust", "method"),
    4: ("time_trust", "period", "lease"),
    5: ("time_trust", "period"),
    6: ("time_trust", "application_index"),
    7: ("time_trust",),
    8: ("time_trust",),
    9: ("time_trust", "operator"),
}
CLOSE = (
    "redeemed_count",
    "redeemed_rupiah",
    "voided_count",
    "voided_rupiah",
    "returned_count",
    "returned_rupiah",
)


class Second:
    """One frame. Steps are (low, f, t) as in COD-10; COD-11's numbers have f = 1."""

    def __init__(self, context: Context, first: int) -> None:
        self.steps: list[tuple[int, int, int]] = []
        self.context = context
        self.policy = context.policy
        self.first = first
        self.done: list[dict[str, Any]] = []
        self.follow = dict.fromkeys(range(10), 1)
        self.last_kind = 0
        self.trust = 1
        self.lowest = min(context.grants) if context.grants else 1
        self.programme = self.lowest
        self.tenders: dict[int, int] = {}
        self.goods_method = 0
        self.operator = 0
        self.index: int | None = None
        self.cards = "first"
        self.application = 0
        self.departed: dict[int, tuple[int, bool]] = {}
        self.answers: dict[tuple[bool, int], tuple[Any, ...]] = {}
        self.changed: dict[tuple[str, int], list[int]] = {}
        self.atcs = "first"

    # COD-10, COD-11: the coder.

    def choose(self, table: list[int], symbol: int) -> None:
        """A symbol of a table."""
        assert sum(table) & (sum(table) - 1) == 0
        self.steps.append((sum(table[:symbol]), table[symbol], sum(table)))

    def flag(self, a: int, b: int, otherwise: bool) -> bool:
        """Two symbols: as expected, or not."""
        self.choose([a, b], int(otherwise))
        return otherwise

    def below(self, size: int, value: int) -> None:
        """A number, all alike."""
        assert 0 <= value < size
        self.steps.append((value, 1, size))

    def octets(self, value: bytes) -> None:
        """A number below 256 to the length."""
        self.below(256 ** len(value), int.from_bytes(value, "big"))

    def length(self, table: list[int], value: int) -> None:
        """Bits of the number, then those below its leading one."""
        bits = value.bit_length()
        self.choose(table, bits)
        if bits > 1:
            self.below(1 << (bits - 1), value - (1 << (bits - 1)))

    def number(self, name: str, value: int) -> None:
        """Section 4.2's `number`."""
        if name.endswith("_rupiah"):
            thousands = value > 0 and value % 1000 == 0
            self.choose([1, 1], int(thousands))
            value = value // 1000 if thousands else value
        self.length(NUMBER, value)

    def folded(self) -> bytes:
        """COD-12, COD-13: last step first."""
        x = 0
        for low, f, t in reversed(self.steps):
            x = (x // f) * t + low + x % f
        return x.to_bytes((x.bit_length() + 7) // 8, "big")

    # Section 4.2, in its order.

    def record(self, record: Record) -> None:
        """One record in the order of section 4.2."""
        seen = None
        self.kind(record)
        self.time(record)
        if record.kind in (2, 3):
            seen = self.reference(record)
        if record.kind in (1, 2, 3, 4, 6):
            self.card(record, seen)
        if record.kind in (1, 2, 4, 5):
            self.which_programme(record, seen)
        expected_application = self.expected_application() if record.kind in (1, 2, 3, 4, 6) else 0
        mask = self.departures(record, expected_application)
        self.never_predicted(record)
        if record.kind == 1:
            self.basket_and_amount(record)
        elif record.kind == 2:
            self.amount(record.amount_rupiah, seen["amount"] if seen else 0, 0)
        elif record.kind == 8:
            self.items(record.items)
        elif record.kind == 9:
            self.choose([1, 1], int(bool(record.detail)))
            if record.detail:  # COD-32
                self.below(32, len(record.detail) - 1)
                self.octets(record.detail)
        if getattr(record, "proof", None) is not None:
            self.proof(record, mask, expected_application)
            self.atc_and_ac(record, seen["atc"] if seen else None)
        if record.kind in (1, 2, 3, 4, 6):
            proof = getattr(record, "proof", None)
            self.done.append(
                {
                    "card": record.card_key,
                    "index": self.index,
                    "place": self.place,
                    "programme": getattr(record, "programme", None),
                    "amount": getattr(record, "amount_rupiah", 0),
                    "atc": proof.atc if proof is not None else None,
                }
            )
        else:
            self.done.append({})

    def kind(self, record: Record) -> None:
        """COD-20."""
        if self.flag(60, 4, record.kind != self.follow[self.last_kind]):
            self.choose([6, 2, 6, 2, 1, 3, 2, 2, 8], record.kind - 1)
            self.follow[self.last_kind] = record.kind
        self.last_kind = record.kind

    def time(self, record: Record) -> None:
        """COD-21 and COD-22."""
        if not self.done:
            offset = 60 * self.policy.utc_offset_minutes
            start = 0
            if self.context.grants:
                year, month = divmod(self.context.grants[self.lowest].period, 12)
                start = (dt.date(year, month + 1, 1) - dt.date(1970, 1, 1)).days * 86400 - offset
            day, second = divmod(record.time_s - start, 86400)
            if not 0 <= day <= 30:
                self.choose([8] * 32, 31)
                self.below(1 << 32, record.time_s)
            else:
                self.choose([8] * 32, day)
                if self.flag(250, 6, not 6 * 3600 <= second < 19 * 3600):
                    self.below(86400, second)
                else:
                    self.below(46800, second - 6 * 3600)
        else:
            table = [8, 12, 24, 42, 44, 36, 22, 14, 16, 9, 7, 6, 3, 2, 2, 2, 1, 1, 1, 1, 1, 2]
            ranges = [(16 * i, 4) for i in range(8)] + [(128, 5), (160, 5), (192, 6)]
            ranges += [(1 << bits, bits) for bits in range(8, 17)] + [(1 << 17, 32)]
            gap = record.time_s - self.time_before
            if gap < 0:
                self.choose(table, 21)
                self.below(1 << 32, record.time_s)
            else:
                symbol = max(i for i in range(21) if ranges[i][0] <= gap)
                self.choose(table, symbol)
                self.below(1 << ranges[symbol][1], gap - ranges[symbol][0])
        self.time_before = record.time_s

    def reference(self, record: Record) -> dict[str, Any] | None:
        """COD-23."""
        table = [2, 24, 8, 4, 2, 2, 2, 2, 2] + [1] * 14 + [2]
        difference = self.first + len(self.done) - record.reference_sequence
        if not 1 <= difference < 1 << 23:
            self.length(table, 0)
            self.below(1 << 23, record.reference_sequence)
            return None
        self.length(table, difference)
        return (self.done[-difference] or None) if difference <= len(self.done) else None

    def card(self, record: Record, seen: dict[str, Any] | None) -> None:
        """COD-24."""
        if seen and not self.flag(60, 4, record.card_key != seen["card"]):
            self.index, self.place = seen["index"], seen["place"]
            return
        table = {"first": [0, 240, 10, 6], "near": [184, 60, 8, 4], "far": [112, 132, 8, 4]}[self.cards]
        roster = self.context.roster
        index = roster.find(record.card_key)
        self.place = 0
        if index < 0:
            self.choose(table, 3)
            self.octets(record.card_key)
            self.index = None
            return
        if roster.card_key(index, 0) != record.card_key:
            self.choose(table, 2)
            self.below(roster.count, index)
            self.place = 1
            self.cards = "far"
        elif self.index is not None and 0 <= index - self.index + 64 < 128:
            self.choose(table, 0)
            self.below(128, index - self.index + 64)
            self.cards = "near"
        else:
            self.choose(table, 1)
            self.below(roster.count, index)
            self.cards = "far"
        self.index = index

    def which_programme(self, record: Record, seen: dict[str, Any] | None) -> None:
        """COD-25 and COD-35."""
        expected = seen["programme"] if seen and seen["programme"] is not None else self.programme
        a, b = (7, 1) if expected == self.lowest else (1, 1)
        if self.flag(a, b, record.programme != expected):
            known = sorted(self.context.grants)
            table = scaled([8] * len(known) + [1], 256)
            if record.programme in known:
                self.choose(table, known.index(record.programme))
            else:
                self.choose(table, len(known))
                self.below(256, record.programme)
        self.programme = record.programme

    def expected_application(self) -> int:
        """COD-26."""
        if self.index is not None:
            bits = self.context.roster.applications(self.index, self.place)
            for i in range(len(self.policy.applications)):
                if bits >> i & 1:
                    return i
        return self.application

    def expected_fields(self, kind: int, application: int) -> tuple[int, ...]:
        """COD-27, the table."""
        grant = self.context.grants.get(self.programme)
        period, lease = (grant.period, grant.number) if grant else (24000, 0)
        if kind == 1:
            tender = self.tenders.get(self.programme, 0 if self.programme == self.lowest else 1)
            known = self.policy.applications
            method = known[application if application < len(known) else 0].method
            return (self.trust, tender, period, lease, method, 0, 0)
        return (
            self.trust,
            *{2: (period, 0), 3: (self.goods_method,), 4: (period, lease), 5: (period,), 6: (application,), 7: (), 8: (),
              9: (self.operator,)}[kind],
        )  # fmt: skip

    def expected_proof(self, record: Record, application: int) -> tuple[Any, ...]:
        """COD-27, the table's row for proofs."""
        zone = dt.timezone(dt.timedelta(minutes=self.policy.utc_offset_minutes))
        date = bytes.fromhex(dt.datetime.fromtimestamp(record.time_s, zone).strftime("%y%m%d"))
        answer = self.answers.get((record.kind == 1, application))
        if answer is None:
            known = self.policy.applications
            of = known[application if application < len(known) else 0]
            answer = (
                of.pan_sequence,
                of.cid if record.kind == 1 else 0,
                of.aip,
                of.tvr,
                of.cvm_results,
                of.iad,
            )
        return (application, date, 0, *answer)

    def departures(self, record: Record, application: int) -> int:
        """COD-27; returns the mask over the proof's fields."""
        names = FIELDS[record.kind]
        expected = self.expected_fields(record.kind, application)
        actual = tuple(getattr(record, name) for name in names)
        mask = [one != other for one, other in zip(actual, expected, strict=True)]
        if record.kind in (1, 2, 3):
            proof = record.proof
            if proof is None:
                mask += [False] * 9
            else:
                usual = self.expected_proof(record, proof.application_index)
                mask.append(proof.application_index != application)
                mask += [getattr(proof, PROOF[i]) != usual[i] for i in range(1, 9)]
        number = sum(1 << i for i in range(len(mask)) if mask[i])
        self.say_departures(record.kind, number, len(mask))
        for i in range(len(names)):
            if mask[i]:
                self.number(names[i], actual[i])
        if number:
            self.expect(record)
        return number >> len(names)

    def say_departures(self, kind: int, number: int, width: int) -> None:
        """Which fields depart: none, the same, others."""
        last, again = self.departed.get(kind, (0, True))
        if last == 0:
            if not self.flag(61, 3, number != 0):
                return
        else:
            symbol = 0 if number == last else 1 if number == 0 else 2
            self.choose([60, 2, 2] if again else [28, 32, 4], symbol)
            if symbol < 2:
                self.departed[kind] = (number, True)
                return
        single = number.bit_length() - 1 if number.bit_count() == 1 else width
        self.below(width + 1, single)
        if single == width:
            for i in range(width):
                self.flag(7, 1, bool(number >> i & 1))
        self.departed[kind] = (number, False)

    def expect(self, record: Record) -> None:
        """COD-27: a field that departs is what is expected next."""
        self.trust = record.time_trust
        if record.kind == 1:
            self.tenders[self.programme] = record.tender
        elif record.kind == 3:
            self.goods_method = record.method
        elif record.kind == 9:
            self.operator = record.operator

    def never_predicted(self, record: Record) -> None:
        """COD-28."""
        names = {4: ("amount_rupiah",), 5: CLOSE, 7: ("subject", "number"), 8: ("supplier",), 9: ("code",)}
        for name in names.get(record.kind, ()):
            self.number(name, getattr(record, name))
        if record.kind == 6:
            self.octets(record.verifier)
        elif record.kind == 7:
            self.octets(record.digest)

    def basket_and_amount(self, record: Record) -> None:
        """COD-29 and COD-31."""
        grant = self.context.grants.get(self.programme)
        due = grant.amount_rupiah(self.index) if grant and self.index is not None else 0
        total = 0
        if record.tender == 0:
            baskets = [basket[1] for basket in self.policy.baskets]
            weights = [weight * (16 if worth(items) == due else 1) for weight, items in self.policy.baskets]
            table = scaled([1 + sum(weights) // 12, *weights], 256)
            symbol = baskets.index(record.items) + 1 if record.items in baskets else 0
            self.choose(table, symbol)
            if symbol == 0:
                self.items(record.items)
            total = worth(record.items)
        self.amount(record.amount_rupiah, total, due)

    def amount(self, amount: int, first: int, second: int) -> None:
        """COD-31."""
        candidates = [one for one in (first, second) if one]
        if candidates:
            if not self.flag(60, 4, amount != candidates[0]):
                return
            if len(set(candidates)) == 2:
                self.choose([1, 1], int(amount != candidates[1]))
                if amount == candidates[1]:
                    return
        self.number("amount_rupiah", amount)

    def items(self, items: tuple[tuple[int, int, int], ...]) -> None:
        """COD-30."""
        codes = [entry[0] for entry in self.policy.commodities]
        posted = {entry[0]: entry[3] for entry in self.policy.commodities}
        self.choose([1, 3, 5, 6, 6, 4, 3, 2, 2], len(items))
        after = 0
        for commodity, quantity, price in items:
            place = codes.index(commodity) if commodity in codes else len(codes)
            if 0 <= place - after < 5:
                self.choose([14, 8, 5, 3, 1, 1], place - after)
            else:
                self.choose([14, 8, 5, 3, 1, 1], 5)
                self.below(len(codes) + 1, place)
            if place == len(codes):
                self.below(256, commodity)
            after = place + 1
            unit = next(unit for unit in (100, 50, 1) if quantity % unit == 0)
            self.choose([9, 5, 2], (100, 50, 1).index(unit))
            self.length([1, 24, 24, 24, 18, 12, 8, 4, 2, 2, 2, 2, 1, 1, 1, 1, 1], quantity // unit)
            if not posted.get(commodity) or self.flag(250, 6, price != posted[commodity]):
                self.number("price_rupiah", price)

    def proof(self, record: Record, mask: int, expected_application: int) -> None:
        """COD-33."""
        proof = record.proof
        assert proof is not None
        if mask & 1:
            self.number("application_index", proof.application_index)
        else:
            assert proof.application_index == expected_application
        self.application = proof.application_index
        expected = self.expected_proof(record, proof.application_index)
        for i in range(1, 9):
            if mask >> i & 1:
                value = getattr(proof, PROOF[i])
                if isinstance(value, int):
                    self.number(PROOF[i], value)
                else:
                    self.like(PROOF[i], value, expected[i])
        if mask and self.departed[record.kind][1]:
            self.answers[record.kind == 1, proof.application_index] = tuple(
                getattr(proof, name) for name in PROOF[3:]
            )

    def like(self, name: str, value: bytes, expected: bytes) -> None:
        """Octets that depart, one by one or where they changed before."""
        if name == "iad" and self.flag(7, 1, len(value) != len(expected)):
            self.below(33, len(value))
            self.octets(value)
            return
        differ = [i for i in range(len(value)) if value[i] != expected[i]]
        before = self.changed.get((name, self.application))
        if before and max(before) < len(expected) and not self.flag(60, 4, not set(differ) <= set(before)):
            for i in before:
                self.below(256, value[i])
            return
        for i in range(len(value)):
            if self.flag(7, 1, i in differ):
                self.below(256, value[i])
        self.changed[name, self.application] = differ

    def atc_and_ac(self, record: Record, before: int | None) -> None:
        """COD-34."""
        proof = record.proof
        assert proof is not None
        ac = int.from_bytes(proof.ac, "big")
        if before is not None:
            more = proof.atc - before
            self.choose([52, 6, 2, 4], more - 1 if 1 <= more <= 3 else 3)
            if 1 <= more <= 3:
                self.below(1 << 64, ac)
                return
        table = {"first": [12, 12, 8, 32], "small": [28, 26, 8, 2], "large": [1, 1, 2, 124]}[self.atcs]
        symbol = 0 if proof.atc < 128 else 1 if proof.atc < 384 else 2 if proof.atc < 1408 else 3
        self.choose(table, symbol)
        self.atcs = "large" if symbol == 3 else "small"
        start, bits = [(0, 7), (128, 8), (384, 10), (0, 16)][symbol]
        self.below(1 << (64 + bits), (proof.atc - start) * 2**64 + ac)


def worth(items: tuple[tuple[int, int, int], ...]) -> int:
    return sum(quantity * price // 100 for _, quantity, price in items)


def scaled(weights: list[int], total: int) -> list[int]:
    """COD-35."""
    out = [1 + weight * (total - len(weights)) // sum(weights) for weight in weights]
    out[weights.index(max(weights))] += total - sum(out)
    return out


def encoded(batch: list[bytes], context: Context, first: int) -> bytes:
    second = Second(context, first)
    for octets in batch:
        second.record(records.decode(octets))
    return second.folded()


def test_the_golden_corpus_encodes_the_same_from_the_text_alone() -> None:
    """COD-10, COD-11, COD-12, COD-13 and COD-20 to COD-35 (each is followed above under its own id)."""
    held = corpus.held_context()
    for first, batch in corpus.batches(held):
        assert encoded(batch, held, first) == codec.encode(codec.PREDICTED, batch, held, first)


@pytest.mark.parametrize("variant", reference_day.VARIANT_NAMES)
def test_the_reference_day_encodes_the_same_from_the_text_alone(variant: str) -> None:
    """COD-20, COD-21, COD-22, COD-23, COD-24, COD-25, COD-26, COD-27, COD-29, COD-33, COD-34 on ordinary records."""
    day = reference_day.build(variant)
    for start in range(0, len(day.batch), 9):
        batch = day.batch[start : start + 9]
        expected = codec.encode(codec.PREDICTED, batch, day.context, day.first + start)
        assert encoded(batch, day.context, day.first + start) == expected


@given(batch=drawn.batches(), first=st.sampled_from([1, drawn.DAY.first, 1 << 22]))
def test_any_batch_encodes_the_same_from_the_text_alone(batch: list[bytes], first: int) -> None:
    """COD-28, COD-30, COD-31, COD-32, COD-35 where values are weird."""
    assert encoded(batch, drawn.CONTEXT, first) == codec.encode(codec.PREDICTED, batch, drawn.CONTEXT, first)
