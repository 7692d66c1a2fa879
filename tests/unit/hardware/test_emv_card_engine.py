"""The card model answers as EMV and its profile say: commands, states, PIN tries, offline limits, lies."""

import json

import pytest

from hardware.emv_card import hostile, personalise, profiles
from hardware.emv_card.card import PPSE, REALISTIC_COMPUTE_MS, Card
from tests.unit.hardware.emv_card_terminal import (
    EXPIRY,
    PAN,
    PIN,
    PSN,
    SEED,
    Session,
    dol_data,
    make_issuer,
    make_session,
    tlv,
)

AAC, TC, ARQC = b"\x00", b"\x40", b"\x80"
RIGHT_PIN = bytes.fromhex(f"26{PIN}FFFFFFFF")
WRONG_PIN = bytes.fromhex("26482914FFFFFFFF")
AFTER_VERIFY = "00200080"


@pytest.fixture(scope="module")
def both() -> dict:
    """A card with the programme's and a bank's application."""
    _, programme = make_issuer(personalise.PROGRAMME_RID)
    _, bank = make_issuer(personalise.NSICCS_RID)
    return personalise.combine(
        personalise.make_card(programme, PAN, PSN, EXPIRY, "programme", PIN, seed=SEED),
        personalise.make_card(bank, PAN, PSN, EXPIRY, "nsiccs_online", seed=SEED),
    )


def cid(session: Session, p1: str, **changes: str) -> bytes:
    """What the card answers to one GENERATE AC."""
    return session.generate_ac(p1, **changes)[0]["9F27"]


def test_ppse_lists_all_applications_in_order(both):
    card = Card(both)
    card.activate()
    body = card.exchange(b"\x00\xa4\x04\x00\x0e" + PPSE + b"\x00")[:-2]
    directory = dict(tlv(dict(tlv(dict(tlv(body))["6F"]))["A5"]))["BF0C"]
    entries = [dict(tlv(value)) for _, value in tlv(directory)]
    assert [entry["4F"].hex().upper() for entry in entries] == [
        profiles.PROGRAMME_AID,
        profiles.NSICCS_DEBIT_AID,
    ]
    assert [entry["87"] for entry in entries] == [b"\x01", b"\x02"]


def test_both_applications_work_and_keep_their_own_counters(both):
    card = Card(both)
    programme, bank = (
        Session(card, aid).start() for aid in (profiles.PROGRAMME_AID, profiles.NSICCS_DEBIT_AID)
    )
    assert programme.data["9F46"] != bank.data["9F46"]
    bank.start()
    assert [card.applications[n].atc for n in (0, 1)] == [1, 2]
    assert cid(bank, "90") == ARQC


def test_selection_by_partial_name_and_next():
    session, *_ = make_session("nsiccs_online")
    assert session.send("00A40400", bytes.fromhex("A000000602"))[-2:] == b"\x90\x00"
    assert session.send("00A40402", bytes.fromhex("A000000602")) == b"\x6a\x82"
    assert session.send("00A40400", bytes.fromhex("A0000006")) == b"\x6a\x82"
    assert session.send("00A40400", bytes.fromhex(profiles.PROGRAMME_AID)) == b"\x6a\x82"
    assert session.send("00A40000", b"\x3f\x00") == b"\x6a\x86"


@pytest.mark.parametrize(
    ("apdu", "status"),
    [
        ("00A404", "6700"),
        ("00A4040005A0000006", "6700"),
        ("90A80000028300", "6e00"),
        ("00A80000028300", "6e00"),
        ("00FF0000", "6d00"),
        ("00B2010C00", "6985"),  # nothing selected
        ("80AE4000", "6985"),
    ],
)
def test_malformed_and_premature_commands(both, apdu, status):
    card = Card(both)
    card.activate()
    assert card.exchange(bytes.fromhex(apdu)).hex() == status


def test_wrong_data_in_a_transaction():
    session, *_ = make_session("nsiccs_online")
    assert session.send("80A80000", bytes.fromhex("8303036022")) == b"\x69\x85"  # once per selection
    assert session.send("00B2090C") == b"\x6a\x83"
    assert session.send("00B20108") == b"\x6a\x86"
    assert session.send("80CA9F17") == b"\x6a\x88"
    assert session.ok("80CA9F36") == bytes.fromhex("9F36020001")
    data = dol_data(profiles.CDOL1_ITEMS, {})
    assert session.send("80AEC000", data) == b"\x6a\x86"
    assert session.send("80AE8001", data) == b"\x6a\x86"
    assert session.send("80AE8000", data[:-1]) == b"\x67\x00"
    assert session.send("80AE8000", b"\xaa" * 6 + data[6:]) == b"\x6a\x80"
    session.ok("00A40400", bytes.fromhex(session.aid))
    assert session.send("80A80000", bytes.fromhex("8300")) == b"\x67\x00"
    assert session.send("80A80000", bytes.fromhex("8302036022")) == b"\x6a\x80"
    assert session.send("80AE8000", data) == b"\x69\x85"


def test_programme_card_gives_a_tc_only_after_its_pin():
    session, *_ = make_session("programme")
    assert cid(session, "50") == AAC
    session.start()
    assert session.send(AFTER_VERIFY, RIGHT_PIN) == b"\x90\x00"
    assert cid(session, "50") == TC
    session.start()  # a new selection forgets the PIN
    assert cid(session, "50") == AAC


def test_pin_tries_run_out_and_survive_the_field(both):
    card = Card(both)
    session = Session(card, profiles.PROGRAMME_AID).start()
    assert session.ok("80CA9F17") == bytes.fromhex("9F170103")
    assert session.send(AFTER_VERIFY, WRONG_PIN).hex() == "63c2"
    assert session.send(AFTER_VERIFY, RIGHT_PIN).hex() == "9000"
    for left in "210":
        assert session.send(AFTER_VERIFY, WRONG_PIN).hex() == "63c" + left
    again = Card(both)
    again.load_state(json.loads(json.dumps(card.state())))
    session = Session(again, profiles.PROGRAMME_AID).start()
    assert session.send(AFTER_VERIFY, RIGHT_PIN).hex() == "6983"
    assert cid(session, "50") == AAC
    assert again.applications[0].atc == 2


def test_state_of_another_version_is_refused(both):
    with pytest.raises(ValueError, match="version 2"):
        Card(both).load_state({"version": 2, "applications": {}})


def test_malformed_verify_costs_no_try():
    session, *_ = make_session("programme")
    assert session.send("00200088", RIGHT_PIN).hex() == "6a86"
    assert session.send(AFTER_VERIFY, RIGHT_PIN[:-1]).hex() == "6700"
    assert session.ok("80CA9F17") == bytes.fromhex("9F170103")


def test_a_bank_card_counts_every_verify():
    session, *_ = make_session("nsiccs_online")
    assert session.send(AFTER_VERIFY, RIGHT_PIN).hex() == "6d00"
    assert session.card.applications[0].verify_count == 1
    tempting, *_ = make_session("nsiccs_offline_pin")
    assert tempting.data["8E"][8:10].hex() == "4103"
    assert tempting.send(AFTER_VERIFY, RIGHT_PIN).hex() == "9000"


@pytest.mark.parametrize(("asked", "answered"), [("50", ARQC), ("90", ARQC), ("00", AAC)])
def test_online_only_card_never_gives_a_tc(asked, answered):
    session, *_ = make_session("nsiccs_online")
    assert cid(session, asked) == answered
    if answered == ARQC:
        assert cid(session, "50", second=True) == AAC
    assert session.send("80AE0000", dol_data(profiles.CDOL2_ITEMS, {})).hex() == "6985"


def test_offline_limits_run_out_into_arqc_then_aac():
    session, *_ = make_session("nsiccs_limits")
    answers = []
    for _ in range(6):
        answers.append(cid(session, "50", t9F02="000010000000"))
        session.start()
    assert answers == [TC, TC, TC, ARQC, ARQC, AAC]


def test_offline_amount_runs_out():
    session, *_ = make_session("nsiccs_limits")
    assert cid(session, "50", t9F02="000090000000") == TC
    session.start()
    assert cid(session, "50", t9F02="000010000001") == TC  # sen do not count
    session.start()
    assert cid(session, "50", t9F02="000000000100") == ARQC


def test_arqcs_that_nobody_answers_run_out_too():
    session, *_ = make_session("nsiccs_limits")
    answers = []
    for _ in range(6):
        answers.append(cid(session, "90"))
        session.start()
    assert answers == [ARQC] * 5 + [AAC]


def test_static_iad_is_constant_and_dynamic_iad_is_not():
    for profile, distinct in (("programme", 1), ("programme_dynamic_iad", 4)):
        session, *_ = make_session(profile)
        seen = set()
        for _ in range(4):
            session.ok(AFTER_VERIFY, RIGHT_PIN)
            iad = session.generate_ac("50")[0]["9F10"]
            assert iad[:4].hex() == "06011203"
            assert len(iad) == (7 if distinct == 1 else 18)
            seen.add(iad)
            session.start()
        assert len(seen) == distinct


def test_atc_at_its_end_stops_the_application():
    session, *_ = make_session("nsiccs_online")
    session.card.applications[0].atc = 0xFFFF
    session.ok("00A40400", bytes.fromhex(session.aid))
    assert session.send("80A80000", bytes.fromhex("8303036022")) == b"\x69\x85"


def test_cdol1_is_the_list_that_policy_names():
    assert profiles.CDOL1 == "9F02069F03069F1A0295055F2A029A039C019F37049F35019F45029F3403"
    session, *_ = make_session("programme")
    assert session.data["8C"].hex().upper() == profiles.CDOL1


def test_compute_time_is_told_after_each_command(both):
    card = Card(both, REALISTIC_COMPUTE_MS)
    session = Session(card, profiles.NSICCS_DEBIT_AID).start()
    assert card.busy_ms == 0
    session.generate_ac("90")
    assert card.busy_ms == REALISTIC_COMPUTE_MS[0xAE]


def test_the_command_log_holds_no_data():
    session, *_ = make_session("programme")
    session.ok(AFTER_VERIFY, RIGHT_PIN)
    assert session.card.commands[-1] == bytes.fromhex("00200080")
    assert all(len(header) == 4 for header in session.card.commands)


def test_profiles_and_issuers_must_fit():
    _, bank = make_issuer(personalise.NSICCS_RID)
    with pytest.raises(ValueError, match="RID"):
        personalise.make_card(bank, PAN, PSN, EXPIRY, "programme", PIN)
    with pytest.raises(ValueError, match="takes no PIN"):
        personalise.make_card(bank, PAN, PSN, EXPIRY, "nsiccs_online", PIN)


def test_every_record_fits_a_short_apdu(both):
    for application in both["applications"]:
        for record in application["records"].values():
            assert len(record) // 2 <= 256


def whole_conversation(card, aid: str) -> list[bytes]:
    """All answers of a tap by a terminal that never gives up."""
    card.activate()
    data = dol_data(profiles.CDOL1_ITEMS, {})
    apdus = [bytes.fromhex("00A40400") + bytes([len(aid) // 2]) + bytes.fromhex(aid) + b"\x00"]
    pdol = b"\x03\x60\x22" if aid == profiles.NSICCS_DEBIT_AID else b""
    apdus.append(bytes.fromhex("80A80000") + bytes([len(pdol) + 2, 0x83, len(pdol)]) + pdol + b"\x00")
    apdus += [
        bytes.fromhex(f"00B2{n:02X}{sfi << 3 | 4:02X}00")
        for sfi, n in ((1, 1), (1, 2), (2, 1), (2, 2), (2, 3))
    ]
    apdus.append(bytes.fromhex("80AE9000") + bytes([len(data)]) + data + b"\x00")
    return [card.exchange(apdu) for apdu in apdus]


@pytest.mark.parametrize("trick", [*hostile.TRICKS, *hostile.ANSWERS, "wrong_cryptogram"])
def test_every_trick_changes_what_the_terminal_sees(trick):
    """No hostile card is honest by accident."""
    _, bank = make_issuer(personalise.NSICCS_RID)
    data = personalise.make_card(bank, PAN, PSN, EXPIRY, "nsiccs_online", seed=SEED)
    lying = whole_conversation(hostile.HostileCard(data, trick), profiles.NSICCS_DEBIT_AID)
    assert lying != whole_conversation(Card(data), profiles.NSICCS_DEBIT_AID)


def test_replayed_signature_repeats_the_first_answer():
    _, bank = make_issuer(personalise.NSICCS_RID)
    data = personalise.make_card(bank, PAN, PSN, EXPIRY, "nsiccs_online", seed=SEED)
    card = hostile.HostileCard(data, "replayed_signature")
    first, second = (whole_conversation(card, profiles.NSICCS_DEBIT_AID)[-1] for _ in range(2))
    assert first == second
    assert card.applications[0].atc == 2


def test_unknown_trick_is_refused():
    with pytest.raises(ValueError, match="no trick"):
        hostile.HostileCard({"applications": []}, "bad_luck")
