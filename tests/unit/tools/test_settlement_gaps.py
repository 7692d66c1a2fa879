"""The sandbox behind a gap: settles what is right within the cap, holds the rest, and finds chains that contradict."""

from __future__ import annotations

import pytest

from protocol import records, write_off
from tests.unit.tools import till
from tests.unit.tools.test_settlement_service import Bank
from tools.settlement.request import RequestError, parse

pytestmark = pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")


@pytest.fixture
def bank() -> Bank:
    """Empty books."""
    return Bank()


@pytest.fixture
def counter() -> till.Till:
    """Record 1 adopts the policy, 2 to 9 are redemptions of Rp 100,000."""
    made = till.Till(0x2A)
    made.adopt_policy()
    for index in range(8):
        made.redeem(index)
    return made


def early(counter: till.Till, first: int, last: int | None = None, **changes: object) -> dict[str, object]:
    """A segment behind a gap."""
    return counter.segment(first, last, provisional=True, **changes)


def words(result: dict) -> list[str]:
    """The outcome of each record."""
    assert result["error"] is None, result
    return [record["outcome"] for record in result["records"]]


def test_redemptions_behind_a_gap_are_settled_and_stay_settled(bank: Bank, counter: till.Till) -> None:
    """PRV-04: and the head stays where it is until the gap has closed."""
    bank.one(counter.segment(1, 3))
    result = bank.one(early(counter, 6, 9))
    assert words(result) == ["settled"] * 4
    assert bank.totals["settled_rupiah"] == 600_000
    assert bank.one(counter.segment(6, 9))["expected_first"] == 4
    everything = bank.one(counter.segment(4, 9))
    assert everything["records"][2:] == result["records"]
    assert bank.totals["settled_rupiah"] == 800_000
    with bank.books:
        assert bank.books.confirmed(counter.kid) == {}


def test_more_than_the_cap_is_held(bank: Bank, counter: till.Till) -> None:
    """PRV-04: record by record, over all segments behind the head; what is booked in order makes room."""
    for index in range(6):
        counter.redeem(index, 150_000)
    bank.one(counter.segment(1, 1))
    assert words(bank.one(early(counter, 4, 9))) == ["settled"] * 6
    assert words(bank.one(early(counter, 10, 12))) == ["settled", "settled", "held"]
    assert words(bank.one(early(counter, 10, 12))) == ["settled", "settled", "held"]
    bank.one(counter.segment(2, 9))
    assert words(bank.one(early(counter, 13, 15))) == ["settled"] * 3


def test_nothing_is_refused_or_disputed_early(bank: Bank, counter: till.Till) -> None:
    """PRV-04: a wrong cryptogram, a repeated one and a missing number wait until all is known."""
    proof = counter.prove(3, 100_000, records.TENDER_CASH)
    first = counter.redeem(3, proof=proof)
    counter.redeem(3, proof=proof)
    counter.redeem(4, claimed_rupiah=100_001)
    lost = counter.redeem(5)
    del counter.numbers[lost]
    bank.one(counter.segment(1, 3))
    assert words(bank.one(early(counter, first))) == ["settled", "held", "held", "held"]
    assert words(bank.one(counter.segment(4)))[-4:] == ["settled", "disputed", "refused", "refused"]


def test_other_records_are_held_and_so_is_what_they_void(bank: Bank, counter: till.Till) -> None:
    """PRV-04: a void counts when it is sealed; nobody is paid what is known to be voided."""
    sold = counter.redeem(5)
    kept = counter.redeem(6)
    counter.void(sold)
    counter.event()
    bank.one(counter.segment(1, 3))
    assert words(bank.one(early(counter, sold))) == ["held", "settled", "held", "held"]
    counter.void(kept)
    result = bank.one(counter.segment(4))
    assert words(result)[-5:] == ["settled", "settled", "recorded", "recorded", "recorded"]
    assert "claims it back" in result["records"][-1]["reason"], "it was paid before its void was known"
    assert result["records"][-3]["reason"] is None
    assert bank.totals["voided_rupiah"] == 200_000


def test_before_any_policy_everything_is_held(bank: Bank, counter: till.Till) -> None:
    """PRV-04: the cap is that of the policy at the head."""
    assert words(bank.one(early(counter, 5, 7))) == ["held"] * 3
    assert bank.totals["records"] == 0


def test_a_seal_that_does_not_verify_from_the_value_on_books_nothing(bank: Bank, counter: till.Till) -> None:
    """PRV-01."""
    bank.one(counter.segment(1, 3))
    assert bank.one(early(counter, 6, 9, chain_before="00" * 32))["error"] == "seal"
    assert bank.one(early(counter, 6, 9, seal=counter.seals[8].hex()))["error"] == "seal"
    assert bank.totals["records"] == 3


def test_a_gap_that_closes_otherwise_is_a_fork(bank: Bank, counter: till.Till) -> None:
    """PRV-02: what was booked stands, nothing else is booked."""
    twin = counter.fork(4)
    for index in range(5):
        twin.redeem(index)
    bank.one(counter.segment(1, 3))
    bank.one(early(counter, 6, 9))
    before = bank.totals
    assert bank.one(twin.segment(4, 9))["error"] == "conflict"
    assert bank.one(counter.segment(4, 9))["error"] == "conflict"
    assert bank.one(early(counter, 6, 9))["error"] == "conflict"
    assert bank.totals == before
    with bank.books:
        assert bank.books.terminal(counter.kid).frozen_from == 4
        assert any(kept.conflicts for kept in bank.books.evidence(counter.kid))


@pytest.mark.parametrize("last", [3, 7])
def test_two_chains_behind_a_gap_are_a_fork(bank: Bank, counter: till.Till, last: int) -> None:
    """PRV-02: whether they meet behind the head or at it."""
    twin = counter.fork(2)
    for index in range(7):
        twin.redeem(index)
    bank.one(counter.segment(1, 3))
    if last == 7:
        bank.one(early(counter, 6, 7))
    assert bank.one(early(twin, last, 9))["error"] == "conflict"


def signed_write_off(counter: till.Till, first: int, last: int, /, **changes: object) -> str:
    """What the authority signs about records that are given up."""
    made = write_off.WriteOff()
    made.kid, made.first, made.last, made.chain = counter.kid, first, last, counter.chains[last]
    made.exposure_rupiah, made.issued_s, made.reason = 300_000, till.START_S, write_off.REASON_TERMINAL_LOST
    for name, value in changes.items():
        setattr(made, name, value)
    return till.authority().write_off(made).hex()


def test_a_write_off_lets_booking_go_on_behind_the_gap(bank: Bank, counter: till.Till) -> None:
    """WOF-02, WOF-03: repeats are harmless; records that come after all are disputed."""
    bank.one(counter.segment(1, 3))
    bank.one(early(counter, 6, 7))
    segment = counter.segment(6, 9, write_off=signed_write_off(counter, 4, 5))
    result = bank.one(segment)
    assert words(result) == ["settled"] * 4
    assert bank.one(segment) == result
    assert words(bank.one(counter.segment(4, 9))) == ["disputed", "disputed", *["settled"] * 4]
    assert bank.totals["records"] == 7


@pytest.mark.parametrize(
    "changes", [{"kid": 0x2B}, {"first": 3}, {"first": 5}, {"chain": bytes(32)}], ids=str
)
def test_a_write_off_of_something_else_is_refused(bank: Bank, counter: till.Till, changes: dict) -> None:
    """WOF-02: it fits the gap exactly, and a chain value that was proved."""
    bank.one(counter.segment(1, 3))
    bank.one(early(counter, 6, 7))
    segment = counter.segment(6, 9, write_off=signed_write_off(counter, 4, 5, **changes))
    assert bank.one(segment)["error"] == "write_off"
    forged = signed_write_off(counter, 4, 5)
    segment = counter.segment(6, 9, write_off=forged[:-2] + ("00" if forged[-2:] != "00" else "01"))
    assert bank.one(segment)["error"] == "write_off"


@pytest.mark.parametrize(
    ("changes", "field"),
    [({"provisional": 1}, "provisional"), ({"write_off": "00"}, "write_off"), ({"write_off": None}, "write_off"),
     ({"provisional": True, "chain_before": None}, "chain_before")],
)  # fmt: skip
def test_a_request_says_properly_what_it_is(counter: till.Till, changes: dict, field: str) -> None:
    """The field is named."""
    with pytest.raises(RequestError) as info:
        parse({"segments": [counter.segment(6, 9) | changes]})
    assert info.value.field == f"segments[0].{field}"
