"""The commands for disputed redemptions: what is there, what is known of each, and a decision with its name and reason."""

from __future__ import annotations

from contextlib import closing

import pytest

from gateway.store.interface import Changes, RecordState
from gateway.store.sqlite import SqliteStore
from protocol import records, takeover
from tests.support.frames import GRANT_RUPIAH, card_key
from tests.support.gateway_desk import Desk

OLD = 42


def received(sequence, index):
    """Goods received, confirmed on the screen."""
    record = records.Record(
        kind=records.GOODS_RECEIVED, version=1, time_s=1_795_000_000, time_trust=1, method=0,
        reference_sequence=sequence, card_key=card_key(0, index), proof=None,
    )  # fmt: skip
    return records.encode(record)


@pytest.fixture
def desk(tmp_path):
    """A terminal whose records 8 to 10 came late, 9 says that the goods of 8 were received; settlement has them all."""
    made = Desk(tmp_path)
    terminal = made.open()
    for index in range(4):
        terminal.redeem(index)
    made.deliver(terminal.frame(1, 3), terminal.frame(4, 7))
    told = made.json("takeover", f"{OLD:x}", "--to", made.folder / "takeover")
    made.statement = bytes.fromhex(told["digest"])
    terminal.redeem(5, 150_000)
    terminal.append(received(8, 5))
    terminal.redeem(6)
    made.deliver(terminal.frame(8, 10))
    with closing(SqliteStore.create(made.data)) as store:
        store.apply(Changes(booked=[(OLD, 10)]))
    return made


def take_over(desk, exposure_rupiah=160_000):
    """Publish what the authority signed on the statement."""
    made = takeover.Takeover()
    made.old, made.new, made.statement, made.sealed_through = OLD, 43, desk.statement, 7
    made.chain, made.exposure_rupiah = desk.terminal.chains[7], exposure_rupiah
    made.issued_s, made.reason = 1_795_000_000, 1
    body = takeover.encode_takeover(made)
    signed = body + desk.authority.sign(takeover.takeover_message(body))
    desk.json("publish", "takeover", desk.file("takeover.bin", signed))


def review(desk, *options, status=0):
    """A decision by Sri."""
    arguments = ("disputed", "review", "2a", *options, "--by", "Sri", "--reason", "the family signed for it")
    return desk.run(*arguments, "--json", status=status)


def test_what_is_disputed_is_listed_with_what_was_put_by(desk):
    """TKO-09."""
    assert desk.json("disputed", "list") == [
        {
            "kid": "0000002a", "records": 2, "disputed_rupiah": 150_000 + GRANT_RUPIAH, "exposure_rupiah": 0,
            "paid_rupiah": 0,
        }
    ]  # fmt: skip
    take_over(desk)
    assert "160.000" in desk.run("disputed", "list")
    told = desk.json("disputed", "show", "2a")
    assert [(row["sequence"], row["goods_received"]) for row in told["disputed"]] == [(8, 9), (10, 0)]
    assert told["decisions"] == []
    assert "No certificate" in desk.run("disputed", "show", "99", status=4)


def test_a_decision_is_kept_with_its_name_and_reason(desk):
    """TKO-10: it waits for settlement, and everybody can see that it does."""
    assert "no takeover" in review(desk, "--from", "8", "--pay", status=4)
    take_over(desk)
    assert '"already": false' in review(desk, "--from", "8", "--to", "10", "--pay")
    assert '"already": true' in review(desk, "--from", "8", "--to", "10", "--pay")
    (decision,) = desk.json("disputed", "show", "2a")["decisions"]
    assert (decision["reviewer"], decision["reason"]) == ("Sri", "the family signed for it")
    text = desk.run("disputed", "show", "2a")
    assert "by Sri: pay records 8 to 10: the family signed for it (waits for settlement)" in text
    assert [row["key"] for row in desk.json("status")["decisions"]] == [decision["key"]]
    assert "decisions that wait for settlement" in desk.run("status")


def test_what_was_paid_is_told_beside_the_exposure(desk):
    take_over(desk)
    with closing(SqliteStore.create(desk.data)) as store:
        store.apply(Changes(states=[(OLD, 8, RecordState.SETTLED, "late, paid on the word of Sri")]))
    (told,) = desk.json("disputed", "list")
    assert (told["records"], told["paid_rupiah"], told["disputed_rupiah"]) == (1, 150_000, GRANT_RUPIAH)
    assert "word of Sri" in desk.run("records", "--kid", "2a")


def test_half_a_decision_is_none(desk):
    for options in (
        ("--from", "8"), ("--from", "9", "--to", "8", "--refuse"), ("--from", "0", "--refuse"), ("--pay",),
    ):  # fmt: skip
        review(desk, *options, status=2)
    assert desk.json("disputed", "show", "2a")["decisions"] == []
