"""The made-up district is one that could be: cards, roster, policy and grants fit each other, and nothing is real."""

import stat

import pytest

from firmware.card import oda
from protocol import aid_pin, civil_date, grant, policy, records, roster
from protocol.card_key import derive
from tests.unit.tools import till
from tools import district

pytestmark = pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
SEED = b"district tests"


@pytest.fixture(scope="module")
def families() -> list[district.Family]:
    return district.make_families(SEED)


def luhn_holds(pan: str) -> bool:
    """ISO/IEC 7812-1, Annex B, by the table of doubled digits."""
    doubled = "0246813579"
    reversed_digits = pan[::-1]
    total = sum(int(digit) for digit in reversed_digits[::2])
    return (total + sum(int(doubled[int(digit)]) for digit in reversed_digits[1::2])) % 10 == 0


def test_there_are_842_families_each_with_a_hamlet_and_a_slot(families):
    assert len(families) == 842
    assert [family.index for family in families] == list(range(842))
    assert {family.hamlet for family in families} == set(range(1, len(district.HAMLETS) + 1))
    assert {family.slot for family in families} == set(range(1, district.SLOTS_PER_DAY + 1))
    hamlets = [family.hamlet for family in families]
    assert hamlets == sorted(hamlets)
    sizes = [hamlets.count(number) for number in set(hamlets)]
    assert max(sizes) - min(sizes) <= 1


def test_pans_are_fictitious_unique_and_pass_luhn(families):
    assert len({family.pan for family in families}) == len(families)
    for family in families:
        is_bank = family.application_index == district.APPLICATION_BANK
        assert family.pan.startswith(district.BIN_BANK if is_bank else district.BIN_PROGRAMME)
        assert len(family.pan) == 16
        assert luhn_holds(family.pan)


def test_pins_are_assigned_six_digits(families):
    assert all(len(family.pin) == 6 and family.pin.isdigit() for family in families)
    assert len({family.pin for family in families}) > 800


def test_every_third_family_holds_a_banks_card(families):
    kinds = [family.application_index for family in families]
    assert kinds.count(district.APPLICATION_BANK) == len(families) // 3
    assert {family.profile for family in families} == {"programme", "nsiccs_online"}


def test_a_seed_repeats_a_district_and_another_gives_another(families):
    assert district.make_families(SEED) == families
    assert district.make_families(b"another")[0].pan != families[0].pan


def test_the_roster_lists_every_familys_card_under_its_key(families):
    octets = district.make_roster(families, till.ROSTER_KEY)
    header = roster.decode_header(octets[: roster.HEADER_OCTETS])
    assert header.count == 842
    assert len(octets) == roster.octets(842)
    keys = set()
    for family in families:
        at = roster.octets(family.index)
        entry = roster.decode_entry(octets[at : at + roster.ENTRY_OCTETS])
        assert (entry.state, entry.hamlet, entry.slot) == (roster.ACTIVE, family.hamlet, family.slot)
        (card,) = entry.cards
        assert card.applications == 1 << family.application_index
        assert card.bound_application == aid_pin.UNBOUND
        offered = aid_pin.unbound(district.hmac_sha256, till.ROSTER_KEY, card.card_key, family.pin.encode())
        assert card.verifier == offered
        keys.add(card.card_key)
    assert len(keys) == 842


@pytest.mark.parametrize("index", [0, 2])
def test_the_card_key_is_the_one_that_the_terminal_derives_from_the_card(index):
    family = till.families()[index]
    reader = till.OnReader(till.Wallet().card(index))
    session = till.run(till.make_kernel().authenticate(reader, bytes.fromhex("261121")))
    derived = derive(district.hmac_sha256, till.ROSTER_KEY, session.pan, session.pan_sequence, session.expiry)
    assert derived == district.family_card_key(till.ROSTER_KEY, family)
    assert session.oda_level == oda.CDA
    assert session.application.application_index == family.application_index


@pytest.mark.parametrize("tender", [records.TENDER_GOODS, records.TENDER_CASH])
@pytest.mark.parametrize("index", [0, 1, 2, 3, 4, 5])
def test_cards_answer_what_the_policy_says_is_usual(index, tender):
    """The codec spends few bits on what it expects; it would still be right with other answers, only larger."""
    counter = till.Till(1)
    held = till.held_policy()
    for amount_rupiah in (1, 200_000, 1_500_000):
        proof = counter.prove(index, amount_rupiah, tender)
        usual = held.applications[till.families()[index].application_index]
        for field in ("pan_sequence", "cid", "aip", "tvr", "cvm_results", "iad"):
            assert getattr(proof, field) == getattr(usual, field), field


def test_the_policy_is_readable_and_what_it_names_exists():
    held = policy.decode(policy.encode(district.make_policy(number=3, settlement_delay_s=60)))
    assert (held.number, held.settlement_delay_s) == (3, 60)
    assert held.channels.provisional_cap_rupiah == district.PROVISIONAL_CAP_RUPIAH
    assert dict(held.programmes).keys() == {district.PROGRAMME_SEMBAKO, district.PROGRAMME_PKH}
    assert [application.kind for application in held.applications] == [
        policy.KIND_PROGRAMME,
        policy.KIND_BANK,
    ]
    assert [application.method for application in held.applications] == [
        records.METHOD_CARD_PIN, records.METHOD_AID_PIN,
    ]  # fmt: skip
    codes = {code for code, _, _, _ in held.commodities}
    for _, items in held.baskets:
        assert items
        assert {code for code, _, _ in items} <= codes


def test_a_grant_fits_its_roster_and_gives_every_family_something_to_expect():
    made = district.make_grant(5, district.PROGRAMME_SEMBAKO, till.PERIOD, till.START_S + 86400, 200_000)
    body = grant.encode(made)
    assert len(body) + 64 + 21 <= 140  # head, counter, tag and signature beside it: one SMS
    read = grant.decode(body, 42, bytes(32), bytes(32))
    assert read.exceptions == made.exceptions
    assert read.exceptions[-1][0] < district.FAMILIES
    assert read.amount_rupiah(0) == 200_000
    assert read.amount_rupiah(7) == 400_000
    assert read.amount_rupiah(23) == 0


def test_the_period_is_the_local_month():
    midnight_s = civil_date.period_start_s(civil_date.period_of(2026, 12))
    for seconds in (midnight_s - 7 * 3600 - 1, midnight_s - 7 * 3600):
        year, month, _ = civil_date.local_date(seconds, 7 * 60)
        assert district.period_now(seconds) == civil_date.period_of(year, month)
    assert district.period_now(midnight_s - 7 * 3600 - 1) + 1 == district.period_now(midnight_s - 7 * 3600)


def test_the_issuer_file_names_every_card_and_is_kept_private(tmp_path):
    issued = till.issuer_file()
    assert len(issued["cards"]) == till.FAMILIES
    path = tmp_path / "issuer.json"
    district.save_json(path, issued)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
