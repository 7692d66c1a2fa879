"""What people decide about disputed redemptions: asked of settlement once, booked as it answers, told to the terminal."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest

from gateway import disputes, documents, owed
from gateway.disputes import PAY, REFUSE, Wish
from gateway.errors import DocumentError
from gateway.publish import Order, Publisher
from gateway.store.interface import Changes, DecisionRow
from gateway.store.memory import MemoryStore
from gateway.store.sqlite import SqliteStore
from protocol import takeover
from tests.support.gateway_rig import NOW_MS
from tests.support.settlement_stub import StubService, serving
from tests.unit.gateway.test_forwarder import KID, Scene

OLD = 42


@pytest.fixture
def service():
    """A settlement service on a loopback port."""
    with serving(StubService()) as made:
        yield made


@pytest.fixture(params=[MemoryStore, SqliteStore.create])
def scene(request, service, tmp_path):
    """Its gateway, on either store; records 1 to 3 adopt, 4 to 6 count, 7 to 9 came late and are booked as disputed."""
    made = Scene(service, MemoryStore() if request.param is MemoryStore else request.param(tmp_path))
    terminal = made.rig.terminal()
    for index in range(6):
        terminal.redeem(index)
    made.seal(terminal, (1, 3), (4, 6))
    made.writer.submit(Changes(retired=[OLD]), [OLD]).result(20)
    made.seal(terminal, (7, 9))
    for sequence in (7, 8, 9):
        service.outcomes[KID, sequence] = ("disputed", "the lease had gone")
    made.terminal = terminal
    yield made
    made.writer.stop()
    made.store.close()


def take_over(scene, exposure_rupiah=300_000):
    """The authority's takeover is published; its octets."""
    made = takeover.Takeover()
    made.old, made.new, made.statement, made.sealed_through = OLD, 43, bytes(32), 6
    made.chain, made.exposure_rupiah = scene.terminal.chains[6], exposure_rupiah
    made.issued_s, made.reason = 1_795_000_000, 1
    body = takeover.encode_takeover(made)
    signed = body + scene.rig.authority.sign(takeover.takeover_message(body))
    document, _ = documents.read_takeover(scene.rig.verifying, signed)
    scene.writer.submit(Changes(documents=[document])).result(20)
    return signed


def decide(scene, first, last, verdict, reviewer="Sri", reason="receipts were seen"):
    """What the order tells, carried out."""
    publisher = Publisher(scene.store, scene.rig.verifying, scene.rig.ring, scene.now_ms)
    wish = Wish(first, last, verdict, reviewer, reason)
    publication = publisher.check(Order.DECIDE, disputes.encode(wish), OLD)
    scene.writer.submit(publication.changes).result(20)
    return publication.told


def answered(scene, outcomes, error=None):
    """An answer of settlement: (outcome, reason) by sequence."""

    def answer(_):
        return {
            "kid": KID,
            "error": error,
            "expected_first": None,
            "records": [
                {
                    "sequence": sequence,
                    "digest": hashlib.sha256(scene.terminal.octets[sequence]).hexdigest(),
                    "outcome": outcome,
                    "reason": reason,
                    "amount_rupiah": 200_000,
                }
                for sequence, (outcome, reason) in outcomes.items()
            ],
        }

    scene.service.faults.append(answer)


def settle(scene):
    """All that waits goes to settlement."""
    while scene.forwarder.turn():
        pass


def late(scene):
    """State and reason of the three late records."""
    return [(row.state.name, row.reason) for row in scene.store.records(OLD, 7, 9)]


def test_what_settlement_decides_is_booked_and_told(scene, service):
    """TKO-10."""
    signed = take_over(scene)
    settle(scene)
    told = decide(scene, 7, 8, PAY)
    assert (told["records"], told["exposure_rupiah"], told["already"]) == ([7, 8], 300_000, False)
    scene.told.clear()
    answered(scene, {7: ("settled", "paid on the word of Sri"), 8: ("disputed", "beyond the exposure")})
    settle(scene)
    key, body = service.requests[-1]
    (decision,) = scene.store.decisions()
    assert key == decision.key
    assert body == {
        "kid": KID, "first": 7, "last": 8, "verdict": "pay", "reviewer": "Sri", "reason": "receipts were seen",
        "takeover": signed.hex(),
    }  # fmt: skip
    assert late(scene) == [
        ("SETTLED", "paid on the word of Sri"),
        ("DISPUTED", "beyond the exposure"),
        ("DISPUTED", "the lease had gone"),
    ]
    assert scene.told == [{OLD: 7}], "the acknowledger tells it again"
    assert owed.unknown_from(scene.store, scene.store.terminal(OLD)) <= 7, "also where the process ends now"
    assert not scene.store.decisions(is_open=True)
    assert scene.forwarder.turn() is False


def test_a_decision_is_made_once(scene, service):
    """TKO-10: the same order again is the same decision, before and after it was answered."""
    settle(scene)
    sent = len(service.requests)
    assert decide(scene, 7, 9, REFUSE)["already"] is False
    assert decide(scene, 7, 9, REFUSE)["already"] is True
    answered(scene, dict.fromkeys((7, 8, 9), ("refused", "no goods")))
    settle(scene)
    assert decide(scene, 7, 9, REFUSE)["already"] is True
    settle(scene)
    assert len(service.requests) == sent + 1
    assert late(scene) == [("REFUSED", "no goods")] * 3
    assert "takeover" not in service.requests[-1][1]
    with pytest.raises(DocumentError, match="no disputed redemption"):
        decide(scene, 7, 9, REFUSE, reason="another")


@pytest.mark.parametrize("fault", [503, 404, lambda _: {"nonsense": 1}])
def test_what_is_not_answered_is_asked_again_under_the_same_key(scene, service, fault):
    take_over(scene)
    settle(scene)
    decide(scene, 7, 7, PAY)
    service.faults.append(fault)
    assert scene.forwarder.turn() is True
    (waiting,) = scene.store.decisions(is_open=True)
    assert (waiting.attempts, waiting.answered_ms) == (1, 0)
    assert waiting.last_error
    assert scene.forwarder.turn() is False, "not before its time"
    scene.now_ms += scene.settings.retry_ms_max
    scene.forwarder = scene.new_forwarder()
    answered(scene, {7: ("settled", "paid")})
    settle(scene)
    keys = {key for key, body in service.requests if "verdict" in body}
    assert keys == {waiting.key}
    assert late(scene)[0] == ("SETTLED", "paid")


def test_books_that_were_put_back_get_their_records_first(scene, service):
    """An answer that lacks a disputed record decides nothing of it."""
    settle(scene)
    decide(scene, 7, 8, REFUSE)
    answered(scene, {7: ("refused", "no goods")})
    scene.forwarder.turn()
    (waiting,) = scene.store.decisions(is_open=True)
    assert "does not know record 8" in waiting.last_error
    assert late(scene)[0][0] == "DISPUTED"


def test_an_answer_about_other_records_stops_the_terminal(scene, service):
    settle(scene)
    decide(scene, 7, 7, REFUSE)
    scene.terminal.octets[7], kept = scene.terminal.octets[8], scene.terminal.octets[7]
    answered(scene, {7: ("refused", "no goods")})
    settle(scene)
    scene.terminal.octets[7] = kept
    assert "another record" in scene.store.terminal(OLD).settlement_error
    assert late(scene)[0][0] == "DISPUTED"


def test_a_takeover_that_settlement_does_not_take_is_told(scene, service):
    take_over(scene)
    settle(scene)
    decide(scene, 7, 7, PAY)
    answered(scene, {}, error="takeover")
    settle(scene)
    (told,) = scene.store.decisions()
    assert (told.last_error, bool(told.answered_ms)) == ("takeover", True)
    decide(scene, 8, 8, PAY)
    service.faults.append(400)
    settle(scene)
    assert "400" in scene.store.decisions()[0].last_error + scene.store.decisions()[1].last_error
    assert [state for state, _ in late(scene)] == ["DISPUTED"] * 3


def test_what_settlement_left_disputed_is_asked_again_when_somebody_says_it_again(scene, service):
    """Books that were put back may lack what the takeover names, until it is sent again."""
    take_over(scene)
    settle(scene)
    decide(scene, 7, 7, PAY)
    answered(scene, {}, error="takeover")
    settle(scene)
    assert decide(scene, 7, 7, PAY)["already"] is False
    assert decide(scene, 7, 7, PAY)["already"] is True
    answered(scene, {7: ("settled", "paid")})
    settle(scene)
    (told,) = scene.store.decisions()
    assert (told.last_error, late(scene)[0]) == ("", ("SETTLED", "paid"))
    assert {key for key, body in service.requests if "verdict" in body} == {told.key}


def test_what_cannot_be_decided_is_refused(scene, service):
    with pytest.raises(DocumentError, match="settlement has not taken"):
        decide(scene, 7, 7, REFUSE)
    settle(scene)
    with pytest.raises(DocumentError, match="no takeover"):
        decide(scene, 7, 7, PAY)
    for wish in ((7, 7, REFUSE, " "), (7, 7, REFUSE, "Sri", ""), (7, 7, REFUSE, "Sri", "x" * 201)):
        with pytest.raises(DocumentError, match="is missing or has more"):
            decide(scene, *wish)
    for wish in ((7, 7, REFUSE, "S\udc80"), (7, 7, REFUSE, "Sri", "line\nline"), (7, 7, REFUSE, "\x1b[2J")):
        with pytest.raises(DocumentError, match="cannot be printed"):
            decide(scene, *wish)
    with pytest.raises(DocumentError, match="no disputed redemption"):
        decide(scene, 4, 6, REFUSE)
    assert scene.store.decisions() == []


def test_an_order_that_is_no_decision_is_refused(scene):
    publisher = Publisher(scene.store, scene.rig.verifying, scene.rig.ring, scene.now_ms)
    for octets in (
        b"", b"\xff", b"{", b"7", b"[7, 7]", b'["7", 7, "pay", "Sri", "why"]', b'[8, 7, "pay", "Sri", "why"]',
        b'[true, 7, "pay", "Sri", "why"]', b'[7, 7, "forgive", "Sri", "why"]', b'[7, 7, "pay", null, "why"]',
    ):  # fmt: skip
        with pytest.raises(DocumentError):
            publisher.check(Order.DECIDE, octets, OLD)


def test_the_greatest_exposure_is_the_one_that_pays(scene, service):
    """TKO-09."""
    greater = take_over(scene, 900_000)
    take_over(scene, 100_000)
    settle(scene)
    assert decide(scene, 7, 7, PAY)["exposure_rupiah"] == 900_000
    answered(scene, {7: ("settled", "paid")})
    settle(scene)
    assert service.requests[-1][1]["takeover"] == greater.hex()


def test_voided_ones_are_not_there_to_be_decided(scene, service):
    """TKO-04."""
    scene.terminal.void(8)
    scene.seal(scene.terminal, (10, 10))
    settle(scene)
    assert [row.sequence for row in scene.store.disputed(OLD)] == [7, 9]
    assert decide(scene, 7, 9, REFUSE)["records"] == [7, 9]


def test_decisions_are_kept_alike_in_both_stores(scene):
    rows = [
        DecisionRow(name, OLD, 1, 2, "pay", "Sri", "why", moment)
        for name, moment in (("b", 5), ("a", 5), ("c", 9))
    ]
    scene.writer.submit(Changes(decisions=rows)).result(20)
    assert [row.key for row in scene.store.decisions()] == ["c", "a", "b"]
    assert [row.key for row in scene.store.decisions(is_open=True)] == ["a", "b", "c"]
    scene.writer.submit(Changes(decisions=[replace(rows[0], answered_ms=NOW_MS)])).result(20)
    assert [row.key for row in scene.store.decisions(is_open=True)] == ["a", "c"]
