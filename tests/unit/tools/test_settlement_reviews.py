"""Disputed redemptions are paid or refused as somebody decides, once, and never beyond what the authority put by for them."""

from __future__ import annotations

import hashlib

import pytest

from protocol import takeover
from tests.unit.tools import till
from tests.unit.tools.test_settlement_gaps import words
from tests.unit.tools.test_settlement_service import Bank
from tools.settlement import reviews
from tools.settlement.request import RequestError

pytestmark = pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
KID = 0x2A
FUND = " (the fund bears it)"
SHOP = " (the shop bears it)"


@pytest.fixture
def counter() -> till.Till:
    """Record 1 adopts the policy, 2 to 6 are redemptions of Rp 100,000 of five families."""
    made = till.Till(KID)
    made.adopt_policy()
    for index in range(5):
        made.redeem(index)
    return made


@pytest.fixture
def bank(counter: till.Till) -> Bank:
    """Records 3 to 6 are booked as late."""
    made = Bank()
    result = made.one(counter.segment(late=[3, 4, 5, 6]))
    assert words(result) == ["recorded", "settled"] + ["disputed"] * 4
    return made


def decision(counter: till.Till, exposure_rupiah: int = 250_000, **changes: object) -> bytes:
    """The takeover behind record 2, signed by the authority."""
    made = takeover.Takeover()
    made.old, made.new, made.statement, made.issued_s, made.reason = KID, 0x2B, bytes(32), till.START_S, 1
    made.sealed_through, made.chain, made.exposure_rupiah = 2, counter.chains[2], exposure_rupiah
    for name, value in changes.items():
        setattr(made, name, value)
    return bytes(till.authority().takeover(made))


def review(bank: Bank, first: int, last: int, verdict: str, signed: bytes = b"", **changes: object) -> dict:
    """The answer to one decision; each has a name of its own."""
    body = {
        "kid": f"{KID:08x}", "first": first, "last": last, "verdict": verdict, "reviewer": "Sri", "reason": "seen",
    } | changes  # fmt: skip
    if signed:
        body["takeover"] = signed.hex()
    key = hashlib.sha256(repr(sorted(body.items())).encode()).hexdigest()
    told = bank.settlement.review(reviews.parse(body), key)
    assert bank.totals["settled_rupiah"] <= 100_000 + bank.totals["granted_rupiah"]
    return told


def told(answer: dict) -> list[tuple[int, str, str | None]]:
    """(sequence, outcome, reason) of an answer without an error."""
    assert answer["error"] is None
    return [(one["sequence"], one["outcome"], one["reason"]) for one in answer["records"]]


def test_what_is_paid_is_proved_and_within_the_exposure(bank: Bank, counter: till.Till) -> None:
    """TKO-09, TKO-10: two fit, the third stays disputed, and again changes nothing."""
    signed = decision(counter)
    answer = review(bank, 1, 5, "pay", signed)
    word = "late, paid on the word of Sri: seen" + FUND
    assert told(answer) == [
        (2, "settled", None),
        (3, "settled", word),
        (4, "settled", word),
        (5, "disputed", "beyond the exposure of Rp 250000"),
    ]
    assert review(bank, 1, 5, "pay", signed) == answer
    totals = bank.totals
    assert (totals["settled_rupiah"], totals["disputed_rupiah"]) == (300_000, 200_000)
    assert totals["granted_rupiah"] == 250_000, "held beside the grants"
    assert words(bank.one(counter.segment(late=[3, 4, 5, 6])))[2:5] == [
        "settled", "settled", "disputed",
    ]  # fmt: skip


def test_a_greater_exposure_lets_more_be_paid(bank: Bank, counter: till.Till) -> None:
    """TKO-09: the authority may sign again; a smaller one takes nothing back."""
    review(bank, 3, 5, "pay", decision(counter))
    assert told(review(bank, 6, 6, "pay", decision(counter, 200_000)))[0][1] == "disputed"
    assert told(review(bank, 5, 6, "pay", decision(counter, 400_000)))[1][1] == "settled"
    totals = bank.totals
    assert (totals["settled_rupiah"], totals["granted_rupiah"]) == (500_000, 400_000)


def test_what_is_refused_is_refused_and_what_was_decided_stays(bank: Bank, counter: till.Till) -> None:
    """TKO-10, TKO-11."""
    assert told(review(bank, 3, 3, "refuse")) == [(3, "refused", "refused by Sri: seen" + SHOP)]
    signed = decision(counter)
    paid = told(review(bank, 3, 4, "pay", signed))
    assert [outcome for _, outcome, _ in paid] == ["refused", "settled"]
    assert told(review(bank, 2, 4, "refuse", reviewer="Adi"))[1:] == paid
    totals = bank.totals
    assert (totals["settled_rupiah"], totals["refused_rupiah"], totals["disputed_rupiah"]) == (
        200_000, 100_000, 200_000,
    )  # fmt: skip


def test_nobody_s_word_makes_up_for_evidence(counter: till.Till) -> None:
    """TKO-10: a cryptogram that does not fit is refused, one that was used before stays disputed."""
    counter.redeem(7, 50_000, claimed_rupiah=60_000)
    proof = counter.prove(8, 10_000, 0)
    counter.redeem(8, 10_000, 0, proof=proof)
    bank = Bank()
    twin = till.Till(0x77, counter.wallet)
    twin.adopt_policy()
    twin.redeem(8, 10_000, 0, proof=proof)
    bank.one(twin.segment())
    bank.one(counter.segment(late=[7, 8]))
    answer = told(review(bank, 7, 8, "pay", decision(counter, 1_000_000)))
    assert answer[0][1] == "refused"
    assert answer[1][1] != "settled"
    with bank.books:
        assert bank.books.exposure_spent(KID) == 0


def test_what_counts_is_never_paid_out_of_the_exposure(bank: Bank, counter: till.Till) -> None:
    """TKO-10: records up to sealed_through were stated; what is disputed of them is another matter."""
    signed = decision(counter, sealed_through=4, chain=counter.chains[4])
    assert [outcome for _, outcome, _ in told(review(bank, 3, 5, "pay", signed))] == [
        "disputed", "disputed", "settled",
    ]  # fmt: skip


def test_a_voided_one_is_left_alone(bank: Bank, counter: till.Till) -> None:
    """TKO-04, TKO-10."""
    counter.void(3, 1)
    bank.one(counter.segment(7))
    assert [outcome for _, outcome, _ in told(review(bank, 3, 4, "pay", decision(counter)))] == [
        "disputed", "settled",
    ]  # fmt: skip
    assert bank.totals["voided_rupiah"] == 100_000
    counter.void(4, 2)
    assert bank.one(counter.segment(8))["records"][0]["reason"] == (
        "paid before the void: the bank claims it back"
    )
    with bank.books:
        assert bank.books.exposure_spent(KID) == 100_000, "spent, whoever has it now"


@pytest.mark.parametrize(
    "changes", [{"old": 0x2C}, {"chain": bytes(32)}, {"sealed_through": 99}, {"sealed_through": 3}]
)
def test_a_takeover_of_something_else_pays_nothing(
    bank: Bank, counter: till.Till, changes: dict[str, object]
) -> None:
    """TKO-09."""
    answer = review(bank, 3, 6, "pay", decision(counter, **changes))
    assert (answer["error"], answer["records"]) == ("takeover", [])
    assert bank.totals["granted_rupiah"] == 0


def test_a_takeover_that_the_authority_did_not_sign_pays_nothing(bank: Bank, counter: till.Till) -> None:
    """TKO-09."""
    signed = decision(counter)
    for forged in (signed[:-1] + bytes((signed[-1] ^ 1,)), signed[:74] + b"\xff" + signed[75:]):
        assert review(bank, 3, 6, "pay", forged)["error"] == "takeover"
    assert bank.totals["disputed_rupiah"] == 400_000


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("kid", 42), ("first", 0), ("last", 2), ("verdict", "forgive"), ("reviewer", " "), ("reviewer", None),
        ("reason", "x" * 201), ("reason", "\ud800"), ("reason", "a\nb"), ("takeover", "00"), ("more", 1),
    ],
)  # fmt: skip
def test_a_decision_that_is_not_of_the_contract_is_refused_by_its_field(field: str, value: object) -> None:
    body = {"kid": "0000002a", "first": 3, "last": 4, "verdict": "refuse", "reviewer": "Sri", "reason": "no"}
    with pytest.raises(RequestError) as caught:
        reviews.parse(body | {field: value})
    assert caught.value.field == ("body" if field == "more" else field)


def test_nothing_is_paid_without_a_takeover() -> None:
    """TKO-09."""
    body = {"kid": "0000002a", "first": 3, "last": 4, "verdict": "pay", "reviewer": "Sri", "reason": "no"}
    with pytest.raises(RequestError, match="takeover"):
        reviews.parse(body)
