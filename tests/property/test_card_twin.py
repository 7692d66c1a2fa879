"""Kernel and card model, written apart from each other, agree; and no trick of a lying card gets a proof."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest

from hardware.emv_card import hostile, personalise
from tests.support.worker import MicroPythonWorker

DRIVER = "tests/property/drivers/card_twin.py"
PAN = "6013010123456784"
PIN = "271828"
SEED = b"tests/property/test_card_twin"
CDA, DDA, SDA = 3, 2, 1
AAC, TC, ARQC = 0x00, 0x40, 0x80


@pytest.fixture(scope="module", params=["unix64", "unix32"])
def twin(request: pytest.FixtureRequest) -> Iterator[MicroPythonWorker]:
    with MicroPythonWorker(DRIVER, request.param, timeout_s=60) as worker:
        yield worker


@cache
def issuer(rid: str) -> dict[str, Any]:
    return personalise.make_issuer(personalise.make_ca(rid=rid, seed=SEED), "601301", seed=SEED)


@cache
def card(profile: str) -> tuple[dict[str, Any], list[dict[str, Any]], str]:
    """(card data, CA keys, PIN or nothing) of one profile."""
    mine = profile.startswith("programme")
    of = issuer(personalise.PROGRAMME_RID if mine else personalise.NSICCS_RID)
    pin = PIN if mine or profile == "nsiccs_offline_pin" else None
    made = personalise.make_card(of, PAN, "01", "301231", profile, pin=pin, seed=SEED)
    return made, [of["ca"]], PIN if mine else ""


def ask(worker: MicroPythonWorker, profile: str, **more: Any) -> dict[str, Any]:
    made, keys, pin = card(profile)
    request = {"card": made, "ca": keys, "pin": pin, "amounts": [(25000, False)]} | more
    return json.loads(worker.call(json.dumps(request).encode()))


@pytest.mark.parametrize("taken_away", [False, True])
@pytest.mark.parametrize(
    ("profile", "level", "cid"),
    [
        ("programme", CDA, TC),
        ("programme_dynamic_iad", CDA, TC),
        ("programme_dda", DDA, TC),
        ("programme_sda", SDA, TC),
        ("nsiccs_online", CDA, ARQC),
        ("nsiccs_limits", CDA, ARQC),
        ("nsiccs_dynamic_iad", CDA, ARQC),
        ("nsiccs_dda", DDA, ARQC),
        ("nsiccs_sda", SDA, ARQC),
        ("nsiccs_offline_pin", CDA, ARQC),
    ],
)
def test_every_kind_of_card_gives_its_proof(twin, profile, level, cid, taken_away):
    answer = ask(twin, profile, taken_away=taken_away)
    assert "error" not in answer, answer
    (proof,) = answer["proofs"]
    assert (proof["level"], proof["cid"], proof["signed"]) == (level, cid, level == CDA)
    assert proof["cvm_results"] == ("010302" if cid == TC else "3f0000")
    assert proof["second"] == (-1 if cid == TC else AAC)
    assert answer["pan"] == PAN + "ffff"
    verifies = [command for command in answer["commands"] if command[2:4] == "20"]
    assert len(verifies) == (1 if cid == TC else 0)


def test_redemption_goods_received_and_void_follow_each_other(twin):
    for profile in ("programme", "nsiccs_online"):
        proofs = ask(twin, profile, amounts=[(25000, False), (0, True), (0, True)], taken_away=True)["proofs"]
        assert [proof["cid"] for proof in proofs][1:] == [AAC, AAC]
        assert all(proof["signed"] for proof in proofs)
        assert [proof["atc"] - proofs[0]["atc"] for proof in proofs] == [0, 1, 2]


def test_a_wrong_pin_and_a_blocked_one(twin):
    assert ask(twin, "programme", pin="111111")["error"] == 150
    made, keys, _ = card("programme")
    entry = made["applications"][0] | {"pin_tries": 0}
    assert ask(twin, "programme", card=made | {"applications": [entry]}, ca=keys)["error"] == 151


def test_a_card_with_both_applications_uses_the_programmes(twin):
    (own, own_keys, pin), (bank, bank_keys, _) = card("programme"), card("nsiccs_online")
    both = personalise.combine(bank, own)  # the card prefers the bank
    answer = ask(twin, "programme", card=both, ca=own_keys + bank_keys, pin=pin)
    assert [proof["cid"] for proof in answer["proofs"]] == [TC]


# Tricks that spoil nothing which a terminal could see, with the reason.
HARMLESS = {
    "wrong_cryptogram": "only the issuer knows the card's master key: settlement finds it",
    "replayed_signature": "one transaction gives one cryptogram; see the test below",
}


@pytest.mark.parametrize("trick", sorted({*hostile.TRICKS, *hostile.ANSWERS, *HARMLESS}))
def test_no_trick_of_a_lying_card_gets_a_proof(twin, trick):
    for profile in ("programme", "nsiccs_online"):
        answer = ask(twin, profile, trick=trick)
        if trick in HARMLESS:
            assert "error" not in answer
        elif trick == "pdol_asks_for_255" and profile == "programme":
            assert "error" not in answer  # this profile has no PDOL to spoil
        else:
            assert answer.get("error", 0) >= 100, (profile, answer)
            assert PAN[:6] not in answer["text"]


def test_a_replayed_signature_is_no_second_proof(twin):
    answer = ask(twin, "nsiccs_online", trick="replayed_signature", amounts=[(25000, False), (30000, False)])
    assert (answer["error"], answer["class"]) == (135, "AuthenticationError")


def test_an_unknown_ca_is_refused(twin):
    _, other, _ = card("nsiccs_online")
    assert ask(twin, "programme", ca=other)["error"] == 130
