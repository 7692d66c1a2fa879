"""The sandbox books what is proved, once, and says the same about it for ever."""

import hashlib

import pytest

from protocol import records
from tests.unit.tools import till
from tools import district
from tools.settlement.books import CONFLICTS_KEPT_MAX, Books
from tools.settlement.cryptogram import Issuer
from tools.settlement.request import parse
from tools.settlement.service import Settlement

pytestmark = pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")


class Bank:
    """A settlement service on books in memory."""

    def __init__(self, path=":memory:") -> None:
        self.books = Books(path)
        self.settlement = Settlement(
            self.books, till.authority().public, till.policies(), Issuer(till.issuer_file())
        )

    def send(self, *segments):
        """All results."""
        return self.settlement.settle(parse({"segments": list(segments)}))["results"]

    def one(self, segment):
        """The result of one segment."""
        (result,) = self.send(segment)
        return result

    def outcomes(self, segment):
        """(outcome, reason) of each record of a segment that has no error."""
        result = self.one(segment)
        assert result["error"] is None, result
        return [(record["outcome"], record["reason"]) for record in result["records"]]

    @property
    def totals(self):
        """The books' sums, which always add up."""
        with self.books:
            totals = self.books.totals()
        states = totals["settled_rupiah"] + totals["refused_rupiah"] + totals["disputed_rupiah"]
        assert states == totals["redeemed_rupiah"] - totals["voided_rupiah"]
        return totals


@pytest.fixture
def bank() -> Bank:
    return Bank()


@pytest.fixture
def counter() -> till.Till:
    """A till that has adopted the policy."""
    made = till.Till(0x2A)
    made.adopt_policy()
    return made


SETTLED = ("settled", None)
RECORDED = ("recorded", None)


def test_both_kinds_of_card_settle(bank, counter):
    counter.redeem(0, 100_000)
    counter.redeem(2, 50_000, records.TENDER_GOODS)
    counter.event()
    result = bank.one(counter.segment())
    assert [(r["outcome"], r["amount_rupiah"]) for r in result["records"]] == [
        ("recorded", 0), ("settled", 100_000), ("settled", 50_000), ("recorded", 0),
    ]  # fmt: skip
    assert bank.totals["settled_rupiah"] == 150_000
    assert bank.totals["records"] == 4


def test_the_answer_carries_the_digest_of_what_was_booked(bank, counter):
    sequence = counter.redeem(0)
    answered = bank.one(counter.segment())["records"][-1]
    assert answered["digest"] == hashlib.sha256(counter.octets[sequence]).hexdigest()
    with bank.books:
        assert bank.books.booking(counter.kid, sequence).record == counter.octets[sequence]


def test_repeats_and_overlaps_book_nothing_twice_and_get_the_same_answer(bank, counter):
    for index in range(4):
        counter.redeem(index)
    first = bank.one(counter.segment(1, 3))["records"]
    overlapping = bank.one(counter.segment(2, 5))["records"]
    assert overlapping[:2] == first[1:]
    everything = bank.one(counter.segment(1, 5))["records"]
    assert everything == first[:1] + overlapping
    assert bank.totals == bank.totals | {"records": 5, "settled_rupiah": 400_000}


def test_a_hole_is_answered_with_the_sequence_that_is_wanted(bank, counter):
    counter.redeem(0)
    counter.redeem(1)
    result = bank.one(counter.segment(2, 3))
    assert (result["error"], result["expected_first"], result["records"]) == ("gap", 1, [])
    bank.one(counter.segment(1, 1))
    assert bank.one(counter.segment(3, 3))["expected_first"] == 2
    assert bank.one(counter.segment(2, 3))["error"] is None


def test_one_bad_segment_does_not_hold_up_the_others(bank, counter):
    other = till.Till(0x2B)
    other.adopt_policy()
    other.redeem(1)
    counter.redeem(0)
    bad = counter.segment(seal="11" * 64)
    results = bank.send(bad, other.segment())
    assert [result["error"] for result in results] == ["seal", None]
    assert bank.totals["records"] == 2


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda s: s | {"seal": "00" * 64}, "seal"),
        (lambda s: s | {"seal": s["seal"][:64] + f"{_high(s['seal'][64:]):064x}"}, "seal"),
        (lambda s: s | {"records": s["records"][:-1], "unpredictable_numbers": {}}, "seal"),
        (lambda s: s | {"records": [s["records"][0], s["records"][2], s["records"][1]]}, "seal"),
        (lambda s: s | {"records": [*s["records"][:-1], s["records"][-1][:-2] + "77"]}, "seal"),
        (lambda s: s | {"un_key_commitment": "12" * 32}, "seal"),
        (lambda s: s | {"kid": "0000002b"}, "certificate"),
        (lambda s: s | {"certificate": s["certificate"][:-2] + "00"}, "certificate"),
        (lambda s: s | {"certificate": "01" + s["certificate"]}, "certificate"),
        (lambda s: s | {"certificate": "07" * 100}, "certificate"),
    ],
)
def test_evidence_that_proves_nothing_books_nothing(bank, counter, change, error):
    counter.redeem(0)
    counter.redeem(1)
    sent = counter.segment()
    result = bank.one(change(sent))
    assert (result["error"], result["records"]) == (error, [])
    assert bank.totals["records"] == 0
    assert bank.one(sent)["error"] is None


def _high(s_hex: str) -> int:
    """The other signature for the same message: s above half the order."""
    from tools.authority.signing import CURVE_ORDER

    return CURVE_ORDER - int(s_hex, 16)


def test_the_chain_value_in_the_request_is_not_believed(bank, counter):
    counter.redeem(0)
    assert bank.one(counter.segment(chain_before="55" * 32))["error"] is None


def test_a_certificate_of_another_authority_is_refused(bank, counter):
    from protocol import certificates
    from tools.authority.issue import Authority
    from tools.authority.signing import SigningKey

    body, _ = certificates.split_signature(counter.certificate, "terminal certificate")
    decoded = certificates.decode_terminal(body)
    stranger = Authority(SigningKey.generate()).terminal(
        counter.kid, decoded.seal_key, decoded.agreement_key, 1, till.START_S
    )
    assert bank.one(counter.segment(certificate=stranger.hex()))["error"] == "certificate"


def test_a_kid_keeps_its_keys_for_life(bank, counter):
    bank.one(counter.segment())
    usurper = till.Till(counter.kid)
    usurper.adopt_policy()
    usurper.redeem(0)
    assert bank.one(usurper.segment())["error"] == "certificate"
    assert bank.one(counter.segment(un_key_commitment="12" * 32))["error"] == "certificate"
    assert bank.totals["records"] == 1


def test_one_unreadable_record_keeps_its_whole_segment_out(bank, counter):
    """Even sealed; and what came before it in the segment is booked later, once."""
    counter.redeem(0)
    good = counter.head
    counter.append(b"\x01\x01broken")
    assert bank.one(counter.segment())["error"] == "record"
    assert bank.totals["records"] == 0
    assert bank.outcomes(counter.segment(1, good)) == [RECORDED, SETTLED]


# Conflicts.


def test_two_sealed_versions_are_a_conflict_and_the_booked_one_stands(bank, counter):
    counter.redeem(0)
    twin = counter.fork(1)
    twin.redeem(1, 200_000)
    twin.redeem(3)
    counter.redeem(4)
    booked = bank.one(counter.segment(1, 2))["records"]
    sent = twin.segment()
    result = bank.one(sent)
    assert (result["error"], result["records"]) == ("conflict", [])
    with bank.books:
        assert bank.books.terminal(counter.kid).frozen_from == 2
        kept = [one for one in bank.books.evidence(counter.kid) if one.conflicts]
        frames = bank.books.frames(counter.kid)
    assert len(kept) == 1
    assert twin.octets[2] in kept[0].records
    assert bytes.fromhex(sent["frames"][0]) in frames
    # Frozen: nothing more is booked of either version, what was booked is still answered.
    assert bank.one(counter.segment(2, 3))["error"] == "conflict"
    assert bank.one(twin.segment(2, 3))["error"] == "conflict"
    assert bank.one(counter.segment(1, 2))["records"] == booked
    assert bank.totals["settled_rupiah"] == 100_000


def test_an_unsealed_version_freezes_nothing(bank, counter):
    counter.redeem(0)
    bank.one(counter.segment())
    counter.redeem(1)
    twin = counter.fork(1)
    twin.redeem(3)
    forged = twin.segment(seal=counter.segment(1, 2)["seal"])
    assert bank.one(forged)["error"] == "seal"
    with bank.books:
        assert not [one for one in bank.books.evidence(counter.kid) if one.conflicts]
    assert bank.outcomes(counter.segment(3)) == [SETTLED]


def test_a_flood_of_conflicts_fills_no_disk(bank, counter):
    counter.redeem(0)
    bank.one(counter.segment())
    for _ in range(CONFLICTS_KEPT_MAX + 3):
        twin = counter.fork(1)
        twin.redeem(1)
        assert bank.one(twin.segment())["error"] == "conflict"
    with bank.books:
        assert len([one for one in bank.books.evidence(counter.kid) if one.conflicts]) == CONFLICTS_KEPT_MAX


def test_evidence_is_kept_with_what_was_booked(bank, counter):
    sequence = counter.redeem(0)
    sent = counter.segment()
    bank.settlement.settle(parse({"segments": [sent]}), "ab" * 32)
    bank.send(sent)
    with bank.books:
        (kept,) = bank.books.evidence(counter.kid)
        assert bank.books.frames(counter.kid) == [bytes.fromhex(frame) for frame in sent["frames"]]
    assert (kept.first, kept.last, kept.seal) == (1, sequence, counter.seals[sequence])
    assert kept.idempotency_key == "ab" * 32
    assert counter.numbers[sequence].hex() in kept.numbers


# Redemptions.


def test_an_amount_that_the_card_was_not_told_is_refused(bank, counter):
    counter.redeem(0, 50_000, claimed_rupiah=500_000)
    assert bank.outcomes(counter.segment())[1] == ("refused", "cryptogram does not verify")
    assert bank.totals["refused_rupiah"] == 500_000


def test_a_wrong_or_missing_unpredictable_number_is_refused(bank, counter):
    counter.redeem(0)
    counter.redeem(1)
    numbers = {"2": "00000000"}
    assert bank.outcomes(counter.segment(unpredictable_numbers=numbers))[1:] == [
        ("refused", "cryptogram does not verify"),
        ("refused", "unpredictable number missing"),
    ]


def test_a_refusal_is_final(bank, counter):
    counter.redeem(0)
    refused = bank.one(counter.segment(unpredictable_numbers={}))["records"]
    assert bank.one(counter.segment())["records"] == refused


@pytest.mark.parametrize("index", [0, 2])
def test_a_cards_atc_settles_once_across_all_terminals(bank, index):
    wallet = till.Wallet()
    first, second = till.Till(1, wallet), till.Till(2, wallet)
    proof = first.prove(index, 100_000, records.TENDER_CASH)
    for counter in (first, second):
        counter.adopt_policy()
        counter.redeem(index, proof=proof)
    first.redeem(index, proof=proof)
    again = ("disputed", "this ATC of the card was settled before")
    assert bank.outcomes(first.segment()) == [RECORDED, SETTLED, again]
    assert bank.outcomes(second.segment()) == [RECORDED, again]
    assert bank.totals["disputed_rupiah"] == 200_000


def test_a_refused_proof_does_not_use_up_the_atc(bank):
    """Else a terminal could spoil a card's next redemption elsewhere by a made-up record."""
    wallet = till.Wallet()
    first, second = till.Till(1, wallet), till.Till(2, wallet)
    proof = first.prove(0, 100_000, records.TENDER_CASH)
    for counter in (first, second):
        counter.adopt_policy()
    first.redeem(0, proof=proof, claimed_rupiah=1)
    second.redeem(0, proof=proof)
    assert bank.outcomes(first.segment())[1][0] == "refused"
    assert bank.outcomes(second.segment())[1] == SETTLED


# Policies.


def test_redemptions_are_judged_under_the_policy_that_the_terminal_adopted(bank):
    counter = till.Till(7)
    counter.redeem(0)
    assert bank.one(counter.segment())["error"] == "policy"
    counter = till.Till(8)
    counter.adopt_policy()
    counter.redeem(0)
    newest = counter.adopt_policy(number=2)
    counter.redeem(1)
    assert bank.one(counter.segment())["error"] == "policy"
    assert bank.totals["records"] == 0
    assert bank.one(counter.segment(1, newest - 1))["error"] is None
    # Not refused for good: the bank learns of the new policy, and the same request goes through.
    bank.settlement._policies[till.held_policy(2).digest] = till.held_policy(2)
    assert bank.outcomes(counter.segment()) == [RECORDED, SETTLED, RECORDED, SETTLED]


# Voids.


def test_a_void_nets_its_redemption(bank, counter):
    sequence = counter.redeem(0)
    counter.redeem(2)
    counter.void(sequence)
    assert bank.outcomes(counter.segment()) == [RECORDED, SETTLED, SETTLED, RECORDED]
    totals = bank.totals
    assert (totals["redeemed_rupiah"], totals["voided_rupiah"], totals["settled_rupiah"]) == (
        200_000, 100_000, 100_000,
    )  # fmt: skip


def test_a_void_after_payment_is_a_claim(bank, counter):
    sequence = counter.redeem(0)
    bank.one(counter.segment())
    void = counter.void(sequence)
    assert bank.outcomes(counter.segment(void)) == [
        ("recorded", "paid before the void: the bank claims it back")
    ]
    assert bank.totals["settled_rupiah"] == 0


def test_a_void_of_a_refused_redemption_takes_it_out_as_well(bank, counter):
    sequence = counter.redeem(0)
    void = counter.void(sequence)
    numbers = {str(void): counter.numbers[void].hex()}
    assert bank.outcomes(counter.segment(unpredictable_numbers=numbers))[1][0] == "refused"
    assert bank.totals["refused_rupiah"] == 0


@pytest.mark.parametrize(
    ("void", "reason"),
    [
        (lambda c, s: c.void(s, reference_sequence=1), "no redemption of that number"),
        (lambda c, s: c.void(s, reference_sequence=s + 9), "no redemption of that number"),
        (lambda c, s: c.void(s, index=1), "card_key is not the redemption's"),
        (lambda c, s: c.void(s, amount_rupiah=1), "amount_rupiah is not the redemption's"),
        (lambda c, s: c.void(s, programme=district.PROGRAMME_PKH), "programme is not the redemption's"),
        (lambda c, s: c.void(s, period=till.PERIOD - 1), "period is not the redemption's"),
        (
            lambda c, s: c.void(s, proof=c.prove(0, 0, records.TENDER_GOODS)),
            "cryptogram of another type",
        ),
        (
            lambda c, s: c.void(s, proof=c.prove(0, 100_000, records.TENDER_GOODS, decline=True)),
            "cryptogram does not verify",
        ),
    ],
)
def test_a_void_that_does_not_fit_nets_nothing(bank, counter, void, reason):
    sequence = counter.redeem(0)
    void(counter, sequence)
    assert bank.outcomes(counter.segment())[2] == ("disputed", reason)
    assert bank.totals["settled_rupiah"] == 100_000


def test_a_void_without_its_unpredictable_number_nets_nothing(bank, counter):
    sequence = counter.redeem(0)
    counter.void(sequence)
    numbers = {str(sequence): counter.numbers[sequence].hex()}
    outcomes = bank.outcomes(counter.segment(unpredictable_numbers=numbers))
    assert outcomes[2] == ("disputed", "unpredictable number missing")


def test_a_redemption_is_voided_once(bank, counter):
    sequence = counter.redeem(0)
    counter.void(sequence)
    counter.void(sequence)
    assert bank.outcomes(counter.segment())[2:] == [RECORDED, ("disputed", "voided before")]
    assert bank.totals["voided_rupiah"] == 100_000


def test_goods_that_were_received_are_not_voided(bank, counter):
    sequence = counter.redeem(0)
    counter.goods_received(sequence)
    counter.void(sequence)
    assert bank.outcomes(counter.segment())[3] == ("disputed", "the goods were received")


# Books.


def test_what_was_booked_is_there_after_a_new_start(tmp_path, counter):
    counter.redeem(0)
    before = Bank(tmp_path / "books.db")
    answer = before.one(counter.segment())
    totals = before.totals
    before.books.close()
    after = Bank(tmp_path / "books.db")
    assert after.one(counter.segment()) == answer
    assert after.totals == totals


def test_a_request_that_fails_inside_leaves_nothing_behind(bank, counter, monkeypatch):
    counter.redeem(0)
    counter.redeem(1)
    calls = []

    def fail(*_, **__):
        calls.append(1)
        if len(calls) == 2:
            raise RuntimeError("made to fail")
        return True

    monkeypatch.setattr(bank.books, "use_card", fail)
    with pytest.raises(RuntimeError, match="made to fail"):
        bank.one(counter.segment())
    monkeypatch.undo()
    assert bank.totals["records"] == 0
    assert bank.outcomes(counter.segment()) == [RECORDED, SETTLED, SETTLED]


def test_money_held_is_told(bank):
    with bank.books:
        bank.books.hold("hold 1", 5_000_000)
        bank.books.hold("hold 2", 1)
        bank.books.hold("hold 1", 4_000_000)
    assert bank.totals["granted_rupiah"] == 4_000_001
