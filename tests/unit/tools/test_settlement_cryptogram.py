"""The issuer believes a card's cryptogram for exactly the transaction that the card was told, and no other."""

import copy

import pytest

from protocol import policy, records
from tests.unit.tools import till
from tools import district
from tools.settlement.cryptogram import Issuer, IssuerFileError, Transaction

pytestmark = pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
AMOUNT_RUPIAH = 137_500
# (family, its card's profile, cryptogram version): both applications, both public versions, static and dynamic IAD.
CARDS = (
    (0, None, 18),
    (0, "programme_dynamic_iad", 18),
    (2, None, 10),
    (2, "nsiccs_dynamic_iad", 10),
    (2, "nsiccs_sda", 10),
)


def issuer() -> Issuer:
    return Issuer(till.issuer_file())


def key_of(index: int) -> bytes:
    return district.family_card_key(till.ROSTER_KEY, till.families()[index])


def proved(index: int, profile: str | None, tender: int = records.TENDER_CASH, *, decline: bool = False):
    """(proof, what the card was told)."""
    amount_rupiah = 0 if decline else AMOUNT_RUPIAH
    proof = till.Till(1).prove(index, amount_rupiah, tender, profile=profile, decline=decline)
    return proof, Transaction(amount_rupiah, tender, proof.unpredictable_number)


@pytest.mark.parametrize("tender", [records.TENDER_GOODS, records.TENDER_CASH])
@pytest.mark.parametrize(("index", "profile", "version"), CARDS)
def test_what_the_card_proved_is_believed(index, profile, version, tender):
    proof, told = proved(index, profile, tender)
    assert proof.iad[2] == version
    assert issuer().refuses(till.held_policy(), key_of(index), proof, told, declined=False) is None


@pytest.mark.parametrize("index", [0, 2])
def test_a_second_tap_is_believed_as_one_and_not_as_a_debit(index):
    proof, told = proved(index, None, records.TENDER_GOODS, decline=True)
    assert issuer().refuses(till.held_policy(), key_of(index), proof, told, declined=True) is None
    reason = issuer().refuses(till.held_policy(), key_of(index), proof, told, declined=False)
    assert reason == "cryptogram of another type"


@pytest.mark.parametrize(("index", "profile", "version"), CARDS)
@pytest.mark.parametrize(
    "change",
    [
        {"amount_rupiah": AMOUNT_RUPIAH + 1},
        {"amount_rupiah": AMOUNT_RUPIAH * 100},
        {"tender": records.TENDER_GOODS},
        {"unpredictable_number": b"\x00\x00\x00\x01"},
    ],
    ids=str,
)
def test_another_transaction_is_refused(index, profile, version, change):
    proof, told = proved(index, profile)
    other = Transaction(**(vars(told) | change))
    reason = issuer().refuses(till.held_policy(), key_of(index), proof, other, declined=False)
    assert reason == "cryptogram does not verify"


@pytest.mark.parametrize(("index", "profile", "version"), CARDS)
@pytest.mark.parametrize("field", ["transaction_date", "tvr", "aip", "ac"])
def test_another_value_in_the_record_is_refused(index, profile, version, field):
    proof, told = proved(index, profile)
    value = getattr(proof, field)
    for bit in range(8):
        changed = copy.copy(proof)
        setattr(changed, field, bytes((value[0] ^ 1 << bit,)) + value[1:])
        reason = issuer().refuses(till.held_policy(), key_of(index), changed, told, declined=False)
        assert reason == "cryptogram does not verify"


@pytest.mark.parametrize(("index", "profile", "version"), CARDS)
def test_another_atc_is_refused(index, profile, version):
    proof, told = proved(index, profile)
    proof.atc += 1
    reason = issuer().refuses(till.held_policy(), key_of(index), proof, told, declined=False)
    assert reason == "cryptogram does not verify"


def test_a_cid_that_lies_about_the_type_is_refused():
    """The MAC does not cover the CID, so an AAC could be written down as a TC; the CVR, which it covers, says so."""
    proof, told = proved(0, None, records.TENDER_GOODS, decline=True)
    proof.cid = 0x40
    reason = issuer().refuses(till.held_policy(), key_of(0), proof, told, declined=False)
    assert reason == "cryptogram of another type"
    proof.iad = proof.iad[:4] + bytes((proof.iad[4] | 0x10,)) + proof.iad[5:]
    reason = issuer().refuses(till.held_policy(), key_of(0), proof, told, declined=False)
    assert reason == "cryptogram does not verify"


def test_cards_and_applications_that_the_issuer_does_not_have_are_refused():
    proof, told = proved(0, None)
    held = till.held_policy()
    assert issuer().refuses(held, key_of(1), proof, told, declined=False) == "cryptogram does not verify"
    assert issuer().refuses(held, bytes(8), proof, told, declined=False) == "unknown card"
    proof.application_index = 1
    reason = issuer().refuses(held, key_of(0), proof, told, declined=False)
    assert reason == "not an application of this card"
    proof.application_index = 9
    assert issuer().refuses(held, key_of(0), proof, told, declined=False) == "unknown application"


@pytest.mark.parametrize("iad", [b"", bytes(6), bytes.fromhex("06011103900000")])
def test_an_iad_of_an_unknown_version_is_refused(iad):
    proof, told = proved(0, None)
    proof.iad = iad
    reason = issuer().refuses(till.held_policy(), key_of(0), proof, told, declined=False)
    assert reason == "cryptogram of an unknown version"


@pytest.mark.parametrize("cdol1", ["9F0206", "9F02069F03069F1A0295055F2A029A039C019F3708", "9F"])
def test_a_cdol1_without_what_the_cryptogram_covers_is_refused(cdol1):
    proof, told = proved(0, None)
    document = district.make_policy()
    for application in document.applications:
        application.cdol1 = bytes.fromhex(cdol1)
    other = policy.decode(policy.encode(document))
    reason = issuer().refuses(other, key_of(0), proof, told, declined=False)
    assert reason == "CDOL1 without what the cryptogram covers"


@pytest.mark.parametrize(
    "change",
    [
        {"master_keys": {"0": "zz"}},
        {"master_keys": {}},
        {"cards": []},
        {"cards": {"00": {"pan": "1"}}},
    ],
    ids=str,
)
def test_an_issuer_file_that_lacks_something_is_refused_without_its_content(change):
    with pytest.raises(IssuerFileError) as caught:
        Issuer(till.issuer_file() | change)
    assert "master" not in str(caught.value)
