"""Whatever terminals do and however it is cut, repeated and mixed: each record is booked once and money is conserved."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from protocol import records
from tests.unit.tools import till
from tools.settlement.books import Books
from tools.settlement.cryptogram import Issuer
from tools.settlement.request import parse
from tools.settlement.service import Settlement

pytestmark = pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
TERMINALS = 3


@dataclass
class Expected:
    """What a reader of the rules would book, kept apart from the books: outcome by (kid, sequence), and who voided."""

    outcomes: dict[tuple[int, int], str] = field(default_factory=dict)
    amounts: dict[tuple[int, int], int] = field(default_factory=dict)
    voided: set[tuple[int, int]] = field(default_factory=set)
    used: set[tuple[bytes, int, int]] = field(default_factory=set)


class Bank(RuleBasedStateMachine):
    """Three terminals share a dozen families; the gateway sends any cut, any number of times, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.books = Books(":memory:")
        self.settlement = Settlement(
            self.books, till.authority().public, till.policies(), Issuer(till.issuer_file())
        )
        self.expected = Expected()
        self.answered: dict[tuple[int, int], dict[str, Any]] = {}
        self.lost_numbers: set[tuple[int, int]] = set()
        self.spoiled: set[tuple[int, int]] = set()

    def teardown(self) -> None:
        """Let go of the books."""
        self.books.close()

    @initialize()
    def open_shops(self) -> None:
        """Every terminal starts with the policy."""
        wallet = till.Wallet()
        self.tills = [till.Till(0x100 + place, wallet) for place in range(TERMINALS)]
        for counter in self.tills:
            counter.adopt_policy()
        self.booked = dict.fromkeys(range(TERMINALS), 0)
        self.proofs: list[tuple[int, int, int, Any]] = []

    @rule(
        place=st.integers(0, TERMINALS - 1),
        index=st.integers(0, till.FAMILIES - 1),
        amount_rupiah=st.integers(1, 750_000),
        tender=st.sampled_from([records.TENDER_GOODS, records.TENDER_CASH]),
        fault=st.sampled_from(["", "", "", "claims more", "number lost"]),
    )
    def redeem(self, place: int, index: int, amount_rupiah: int, tender: int, fault: str) -> None:
        """A sale; some with another amount in the record, some whose Unpredictable Number never arrives."""
        counter = self.tills[place]
        proof = counter.prove(index, amount_rupiah, tender)
        claimed = amount_rupiah + 1 if fault == "claims more" else amount_rupiah
        sequence = counter.redeem(index, amount_rupiah, tender, proof=proof, claimed_rupiah=claimed)
        if fault == "number lost":
            del counter.numbers[sequence]
        if fault:
            self.spoiled.add((place, sequence))
        self.proofs.append((index, amount_rupiah, tender, proof))

    @precondition(lambda self: self.proofs)
    @rule(place=st.integers(0, TERMINALS - 1), data=st.data())
    def replay(self, place: int, data: st.DataObject) -> None:
        """A cloned or rolled-back terminal uses a proof again."""
        index, amount_rupiah, tender, proof = data.draw(st.sampled_from(self.proofs))
        self.tills[place].redeem(index, amount_rupiah, tender, proof=proof)

    @rule(place=st.integers(0, TERMINALS - 1), data=st.data())
    def void(self, place: int, data: st.DataObject) -> None:
        """A void of any own redemption, voided before or not, received or not."""
        counter = self.tills[place]
        own = [n for n in range(1, counter.head + 1) if counter.octets[n][0] == records.REDEMPTION]
        if own:
            counter.void(data.draw(st.sampled_from(own)))

    @rule(place=st.integers(0, TERMINALS - 1), data=st.data())
    def hand_over(self, place: int, data: st.DataObject) -> None:
        """Goods received for any own redemption."""
        counter = self.tills[place]
        own = [n for n in range(1, counter.head + 1) if counter.octets[n][0] == records.REDEMPTION]
        if own:
            counter.goods_received(data.draw(st.sampled_from(own)))

    @rule(place=st.integers(0, TERMINALS - 1))
    def note(self, place: int) -> None:
        """A record that carries no money."""
        self.tills[place].event()

    @rule(place=st.integers(0, TERMINALS - 1), data=st.data())
    def send(self, place: int, data: st.DataObject) -> None:
        """Any range of a chain: new, known, overlapping or with a hole before it."""
        counter = self.tills[place]
        last = data.draw(st.integers(1, counter.head), label="last")
        first = data.draw(st.integers(1, last), label="first")
        (result,) = self.settlement.settle(parse({"segments": [counter.segment(first, last)]}))["results"]
        if first > self.booked[place] + 1:
            assert (result["error"], result["expected_first"]) == ("gap", self.booked[place] + 1)
            return
        assert result["error"] is None
        for sequence in range(self.booked[place] + 1, last + 1):
            if (place, sequence) not in self.expected.outcomes:
                self._expect(place, sequence)
        self.booked[place] = max(self.booked[place], last)
        assert [record["sequence"] for record in result["records"]] == list(range(first, last + 1))
        for record in result["records"]:
            identity = (place, record["sequence"])
            assert self.answered.setdefault(identity, record) == record
            assert record["outcome"] == self.expected.outcomes[identity]

    @rule(place=st.integers(0, TERMINALS - 1), data=st.data())
    def send_provisional(self, place: int, data: st.DataObject) -> None:
        """PRV-04: any range, behind a gap or not: redemptions are settled within the cap, and nothing is refused."""
        counter = self.tills[place]
        last = data.draw(st.integers(1, counter.head), label="last")
        first = data.draw(st.integers(1, last), label="first")
        segment = counter.segment(first, last) | {"provisional": True}
        (result,) = self.settlement.settle(parse({"segments": [segment]}))["results"]
        assert result["error"] is None
        expected = self.expected
        for record in result["records"]:
            identity = (place, record["sequence"])
            if record["outcome"] == "held":
                assert identity not in expected.outcomes
            elif identity not in expected.outcomes:
                assert record["outcome"] == "settled"
                self._expect(place, record["sequence"])
                assert expected.outcomes[identity] == "settled"
                assert self.answered.setdefault(identity, record) == record
        behind = [
            amount_rupiah
            for (shop, sequence), amount_rupiah in expected.amounts.items()
            if shop == place and sequence > self.booked[place]
        ]
        assert sum(behind) <= till.PROVISIONAL_CAP_RUPIAH

    @rule(place=st.integers(0, TERMINALS - 1), data=st.data())
    def send_forged(self, place: int, data: st.DataObject) -> None:
        """A range with one octet changed in a record or the seal: nothing of it may be booked."""
        counter = self.tills[place]
        segment = counter.segment()
        target = data.draw(st.sampled_from([*range(len(segment["records"])), "seal"]))
        octets = bytearray.fromhex(segment["seal"] if target == "seal" else segment["records"][target])
        octets[data.draw(st.integers(0, len(octets) - 1))] ^= 1 << data.draw(st.integers(0, 7))
        if target == "seal":
            segment["seal"] = octets.hex()
        else:
            segment["records"][target] = octets.hex()
        (result,) = self.settlement.settle(parse({"segments": [segment]}))["results"]
        if target == "seal" and self.booked[place] == counter.head:
            assert result["error"] is None  # all of it is known, nothing has to be proved again
        else:
            assert result["error"] == "seal"

    def _expect(self, place: int, sequence: int) -> None:
        """What the rules say about one newly booked record."""
        expected = self.expected
        identity = (place, sequence)
        record = records.decode(self.tills[place].octets[sequence])
        outcome = "recorded"
        if record.kind == records.REDEMPTION:
            assert record.proof is not None
            use = (record.card_key, record.proof.application_index, record.proof.atc)
            outcome = (
                "refused" if identity in self.spoiled else "disputed" if use in expected.used else "settled"
            )
            if outcome == "settled":
                expected.used.add(use)
            expected.amounts[identity] = record.amount_rupiah
        elif record.kind == records.VOID:
            reference = (place, record.reference_sequence)
            received = any(
                self.tills[place].octets[n][0] == records.GOODS_RECEIVED
                and records.decode(self.tills[place].octets[n]).reference_sequence
                == record.reference_sequence
                for n in range(1, sequence)
            )
            if reference in expected.voided or received:
                outcome = "disputed"
            else:
                expected.voided.add(reference)
        expected.outcomes[identity] = outcome

    @invariant()
    def money_is_conserved(self) -> None:
        """The books' sums are the expected ones, and settled + refused + disputed = redeemed - voided."""
        with self.books:
            totals = self.books.totals()
        expected = self.expected
        sums = {"settled": 0, "refused": 0, "disputed": 0}
        for identity, amount_rupiah in expected.amounts.items():
            if identity not in expected.voided:
                sums[expected.outcomes[identity]] += amount_rupiah
        assert {state: totals[f"{state}_rupiah"] for state in sums} == sums
        assert totals["redeemed_rupiah"] == sum(expected.amounts.values())
        assert sum(sums.values()) == totals["redeemed_rupiah"] - totals["voided_rupiah"]
        assert totals["records"] == len(expected.outcomes)


TestBank = Bank.TestCase
