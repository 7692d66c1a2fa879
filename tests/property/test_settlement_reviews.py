"""Whatever is decided about disputed redemptions, how often and in what order: money is conserved and the exposure holds."""

from __future__ import annotations

import functools
import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol import takeover
from tests.unit.tools import till
from tests.unit.tools.test_settlement_service import Bank
from tools.settlement.reviews import PAY, REFUSE, Review

pytestmark = pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
KID = 0x2A
SALES = 6
COUNTED = 3
RANGES = st.tuples(st.integers(1, SALES + 3), st.integers(1, SALES + 3)).map(sorted)
DECISIONS = st.tuples(RANGES, st.sampled_from([PAY, REFUSE]), st.integers(0, 700_000))


@functools.cache
def sold() -> till.Till:
    """Record 1 adopts, 2 to 7 are sales of Rp 30,000 to 180,000; 8 voids the last one but one, 9 claims too much."""
    made = till.Till(KID)
    made.adopt_policy()
    for index in range(SALES):
        made.redeem(index, 30_000 * (index + 1))
    made.void(SALES, SALES - 2)
    made.redeem(8, 5_000, claimed_rupiah=6_000)
    return made


def signed(exposure_rupiah: int) -> bytes:
    """The authority's takeover behind the records that count."""
    made = takeover.Takeover()
    made.old, made.new, made.statement, made.issued_s, made.reason = KID, 0x2B, bytes(32), till.START_S, 1
    made.sealed_through, made.chain, made.exposure_rupiah = COUNTED, sold().chains[COUNTED], exposure_rupiah
    return bytes(till.authority().takeover(made))


@settings(max_examples=40, deadline=None)
@given(decisions=st.lists(DECISIONS, max_size=8), sent=st.integers(1, SALES + 3))
def test_no_decision_pays_beyond_the_exposure_or_twice(
    decisions: list[tuple[list[int], str, int]], sent: int
) -> None:
    """TKO-09, TKO-10: part of the records comes before the decisions, the rest after, and all once more at the end."""
    bank = Bank()
    late = list(range(COUNTED + 1, SALES + 4))
    try:
        bank.one(sold().segment(1, sent, late=[one for one in late if one <= sent and one != SALES + 2]))
        decided: dict[int, tuple[str, str | None]] = {}
        greatest = 0
        for place, ((first, last), verdict, exposure_rupiah) in enumerate(decisions):
            papers = signed(exposure_rupiah) if verdict == PAY else b""
            review = Review(KID, first, last, verdict, "Sri", f"number {place}", papers)
            answer = bank.settlement.review(review, hashlib.sha256(bytes((place,))).hexdigest())
            if answer["error"]:
                assert sent < COUNTED, "a takeover on what is not booked yet"
                continue
            greatest = max(greatest, exposure_rupiah if verdict == PAY else 0)
            for one in answer["records"]:
                said = (one["outcome"], one["reason"])
                if one["outcome"] != "disputed":
                    assert decided.setdefault(one["sequence"], said) == said, "what was decided stays"
            assert bank.settlement.review(review, "again")["records"] == answer["records"]
            with bank.books:
                assert bank.books.exposure_spent(KID) <= greatest
            assert bank.totals["granted_rupiah"] == greatest
        again = bank.one(sold().segment(1, late=[one for one in late if one != SALES + 2]))
        for one in again["records"]:
            if one["sequence"] in decided:
                assert (one["outcome"], one["reason"]) == decided[one["sequence"]]
        with bank.books:
            counted = sum(one.amount_rupiah for one in bank.books.redemptions(KID, 1, COUNTED))
            spent = bank.books.exposure_spent(KID)
        assert bank.totals["settled_rupiah"] <= counted + spent
    finally:
        bank.books.close()
