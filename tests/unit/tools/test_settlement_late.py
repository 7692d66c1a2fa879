"""The sandbox disputes what a retired terminal spent after its leases had gone, and lets its voids take back what counts."""

from __future__ import annotations

import pytest

from tests.unit.tools import till
from tests.unit.tools.test_settlement_gaps import words
from tests.unit.tools.test_settlement_service import Bank
from tools.settlement.request import RequestError, parse

pytestmark = pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")


@pytest.fixture
def bank() -> Bank:
    """Empty books."""
    return Bank()


@pytest.fixture
def counter() -> till.Till:
    """Record 1 adopts the policy, 2 to 4 are redemptions of Rp 100,000."""
    made = till.Till(0x2A)
    made.adopt_policy()
    for index in range(3):
        made.redeem(index)
    return made


def test_what_is_late_is_disputed_and_stays_so(bank: Bank, counter: till.Till) -> None:
    """TKO-04: booked with its amount, so that the sums hold; a retry gets the same answer."""
    segment = counter.segment(late=[4])
    result = bank.one(segment)
    assert words(result) == ["recorded", "settled", "settled", "disputed"]
    assert result["records"][3]["reason"] == "the lease had gone to another terminal"
    assert bank.one(segment) == result
    assert (bank.totals["settled_rupiah"], bank.totals["disputed_rupiah"]) == (200_000, 100_000)
    assert bank.totals["redeemed_rupiah"] == 300_000


def test_a_late_void_takes_back_what_counts_and_what_does_not(bank: Bank, counter: till.Till) -> None:
    """TKO-04."""
    counter.void(2, 0)
    counter.void(4, 2)
    assert words(bank.one(counter.segment(late=[4])))[3:] == ["disputed", "recorded", "recorded"]
    totals = bank.totals
    assert (totals["settled_rupiah"], totals["disputed_rupiah"], totals["voided_rupiah"]) == (
        100_000,
        0,
        200_000,
    )


def test_what_is_late_is_not_paid_from_behind_a_gap(bank: Bank, counter: till.Till) -> None:
    """TKO-04, PRV-04."""
    bank.one(counter.segment(1, 2))
    assert words(bank.one(counter.segment(4, 4, provisional=True, late=[4]))) == ["held"]
    assert words(bank.one(counter.segment(3, 4, late=[4]))) == ["settled", "disputed"]


@pytest.mark.parametrize("late", [[5], [0], ["4"], [True], 4, None])
def test_late_names_records_of_the_segment(counter: till.Till, late: object) -> None:
    with pytest.raises(RequestError, match="late"):
        parse({"segments": [counter.segment(late=late)]})
