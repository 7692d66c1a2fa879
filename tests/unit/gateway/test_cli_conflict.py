"""Forks as operators see them: both versions, and the decision that the one that came first stands."""

from __future__ import annotations

import pytest

from gateway.store.sqlite import SqliteReader
from tests.support.gateway_desk import Desk


@pytest.fixture
def desk(tmp_path):
    """A terminal whose flash was put back after record 5: two sealed versions of 6 and 7."""
    made = Desk(tmp_path)
    terminal = made.open()
    for _ in range(4):
        terminal.redeem(index=1)
    twin = terminal.fork(5)
    for _ in range(2):
        twin.redeem(index=2)
    made.deliver(terminal.frame(1, 3), terminal.frame(4, 7), twin.frame(6, 7))
    made.twin = twin
    return made


def due(desk):
    """Runs that may go to settlement."""
    reader = SqliteReader.open(desk.data)
    found = [(row.first, row.last) for row in reader.outbox_due(2**62, 9)]
    reader.close()
    return found


def test_a_fork_is_listed_and_both_versions_are_shown(desk):
    (listed,) = desk.json("conflict", "list")
    assert (listed["kid"], listed["sequence"], listed["reviewed"]) == ("0000002a", 6, False)
    told = desk.json("conflict", "show", "2a")
    assert told["from"] == 6
    assert [row["octets"] for row in told["sealed_here"]] == [
        desk.terminal.octets[number].hex() for number in (6, 7)
    ]
    (other,) = told["others"]
    assert [row["sequence"] for row in other["records"]] == [6, 7]
    assert {row["card_key"] for row in other["records"]} != {
        row["fields"]["card_key"] for row in told["sealed_here"]
    }
    text = desk.run("conflict", "show", "2a")
    assert "frozen from record 6" in text
    assert "kept as evidence" in text
    assert "no" in desk.run("conflict", "list")


def test_what_stands_settles_after_a_review_and_the_generation_stays_frozen(desk):
    assert due(desk) == [(1, 3)], "the run crosses the fork"
    assert desk.json("conflict", "review", "2a", "--reason", "families of 6 and 7 were asked") == {
        "kid": "0000002a", "stands_from": 6, "stands_through": 7,
    }  # fmt: skip
    assert due(desk) == [(1, 3), (4, 7)]
    (review,) = desk.json("conflict", "show", "2a")["reviews"]
    assert review["reason"] == "families of 6 and 7 were asked"
    assert "families of 6 and 7 were asked" in desk.run("conflict", "show", "2a")
    assert desk.json("conflict", "list")[0]["reviewed"]
    desk.terminal.redeem()
    desk.deliver(desk.terminal.frame(8, 8))
    assert desk.json("status")["terminals"][0]["state"] == "frozen"
    assert desk.json("status")["terminals"][0]["sealed_through"] == 7, "nothing more is sealed"


def test_a_fork_found_further_back_needs_a_review_of_its_own(desk):
    desk.json("conflict", "review", "2a", "--reason", "seen")
    earlier = desk.terminal.fork(4)
    earlier.redeem(index=3)
    desk.deliver(earlier.frame(5, 5))
    assert desk.json("status")["terminals"][0]["frozen_from"] == 5
    assert due(desk) == [(1, 3)]
    assert [row["reviewed"] for row in desk.json("conflict", "list")] == [False, True]


def test_a_review_needs_a_fork_and_a_reason(desk):
    assert "reason" in desk.run("conflict", "review", "2a", "--reason", "  ", status=4)
    desk.run("conflict", "review", "2a", status=2)
    assert "No certificate" in desk.run("conflict", "review", "99", "--reason", "x", status=4)
    assert "No certificate" in desk.run("conflict", "show", "99", status=4)


def test_where_no_fork_is_known_there_is_nothing_to_decide(tmp_path):
    desk = Desk(tmp_path)
    desk.open()
    assert "no fork" in desk.run("conflict", "review", "2a", "--reason", "x", status=4)
    assert "no fork" in desk.run("conflict", "show", "2a")
    assert desk.json("conflict", "list") == []
