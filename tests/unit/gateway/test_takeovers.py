"""A terminal is retired: what counts is stated once and for all, what comes later is kept, acknowledged and disputed."""

from __future__ import annotations

import pytest

from gateway import documents, signatures
from gateway.store.sqlite import SqliteReader
from protocol import records, takeover
from tests.support.frames import GRANT_RUPIAH, PERIOD, card_key
from tests.support.gateway_desk import Desk

OLD, NEW = 42, 43


@pytest.fixture
def desk(tmp_path):
    """A terminal with records 4 to 6 sealed here: family 1 spent all, family 2 half, family 4 took 9,000 and voided."""
    made = Desk(tmp_path)
    terminal = made.open()
    terminal.redeem(1)
    terminal.redeem(2, 100_000)
    terminal.void(terminal.redeem(4, 9_000))
    made.deliver(terminal.frame(1, 3), terminal.frame(4, 7))
    return made


def moved(kind, index, amount_rupiah=0):
    """A return of a family's lease, or (index -1) the close of the period."""
    fields = {"programme": 1, "period": PERIOD}
    if index < 0:
        names = (
            "redeemed_count",
            "redeemed_rupiah",
            "voided_count",
            "voided_rupiah",
            "returned_count",
            "returned_rupiah",
        )
        fields |= dict.fromkeys(names, 0)
    else:
        fields |= {"amount_rupiah": amount_rupiah, "card_key": card_key(0, index), "lease": 1}
    return records.encode(records.Record(kind=kind, version=1, time_s=1_795_000_000, time_trust=1, **fields))


def retire(desk, folder="takeover", *options):
    """What the command says."""
    return desk.json("takeover", f"{OLD:x}", "--to", desk.folder / folder, *options)


def row(desk):
    """What `status` says of the old terminal."""
    return next(each for each in desk.json("status")["terminals"] if each["kid"] == f"{OLD:08x}")


def states(desk, *sequences):
    """State and reason of records."""
    rows = {each["sequence"]: each for each in desk.json("records", "--kid", f"{OLD:x}")}
    return [(rows[sequence]["state"], bool(rows[sequence]["reason"])) for sequence in sequences]


def test_the_statement_tells_what_each_family_spent(desk):
    """TKO-01, TKO-02, TKO-03."""
    told = retire(desk)
    assert (told["kid"], told["sealed_through"], told["already"]) == ("0000002a", 7, False)
    assert told["chain"] == desk.terminal.chains[7].hex()
    assert (told["doubts"], told["gaps"], told["counted_behind_gaps"]) == ([], [], [])
    (lease,) = told["leases"]
    assert (lease["programme"], lease["period"], lease["number"], lease["closed"]) == (1, PERIOD, 1, False)
    assert [
        (each["index"], each["redeemed_rupiah"], each["voided_rupiah"], each["returned"])
        for each in lease["families"]
    ] == [(1, GRANT_RUPIAH, 0, False), (2, 100_000, 0, False), (4, 9_000, 9_000, False)]
    folder = desk.folder / "takeover"
    assert sorted(path.name for path in folder.iterdir()) == [
        "epoch.cert", "grant-0000002a-1.bin", "policy.bin", "roster.bin", "takeover-0000002a.statement",
    ]  # fmt: skip
    key = signatures.load_public(desk.request[68:132])
    signed = (folder / "takeover-0000002a.statement").read_bytes()
    assert documents.read_statement(key, signed).digest.hex() == told["digest"]
    text = desk.run("takeover", f"{OLD:x}", "--to", folder)
    assert "was retired before" in text
    assert "309.000" in text


def test_returns_and_a_close_are_stated(desk):
    """TKO-03."""
    desk.terminal.append(moved(records.RETURN, 5, 20_000))
    desk.terminal.append(moved(records.PERIOD_CLOSE, -1))
    desk.deliver(desk.terminal.frame(8, 9))
    (lease,) = retire(desk)["leases"]
    assert lease["closed"]
    assert lease["families"][-1] == {"index": 5, "returned": True, "redeemed_rupiah": 0, "voided_rupiah": 0}


def test_what_comes_later_is_sealed_and_disputed(desk):
    """TKO-04."""
    retire(desk)
    desk.terminal.redeem(7, 50_000)
    desk.terminal.event()
    desk.terminal.void(4)
    desk.deliver(desk.terminal.frame(8, 10))
    told = row(desk)
    assert (told["state"], told["sealed_through"], told["retired_through"]) == ("retired", 10, 7)
    assert states(desk, 7, 8, 9, 10) == [
        ("pending", False),
        ("disputed", True),
        ("pending", False),
        ("pending", False),
    ]
    assert desk.json("status")["counters"]["records_late"] == 1
    totals = told["totals"]
    assert totals["disputed_rupiah"] == 50_000
    assert totals["pending_rupiah"] == 100_000, "the late void takes back what counted"


def test_the_statement_is_made_once(desk):
    """TKO-02."""
    first = retire(desk, "first")
    desk.terminal.redeem(7, 50_000)
    desk.deliver(desk.terminal.frame(8))
    again = retire(desk, "again")
    assert again.pop("already")
    assert not first.pop("already")
    assert [told.pop("files") and told for told in (first, again)] == [first, first]
    name = "takeover-0000002a.statement"
    assert (desk.folder / "first" / name).read_bytes() == (desk.folder / "again" / name).read_bytes()


def test_what_is_missing_or_waits_is_said(desk):
    """TKO-01."""
    for index in (8, 10, 11):
        desk.terminal.redeem(index)
    desk.deliver(desk.terminal.frame(10, 10))
    refused = desk.run("takeover", f"{OLD:x}", "--to", desk.folder / "takeover", status=4)
    assert "rescue and import" in refused
    assert "gaps, frames that wait" in refused
    assert row(desk)["state"] == "active", "nothing is retired by mistake"
    told = retire(desk, "takeover", "--incomplete")
    assert told["gaps"] == [[8, 9]]
    assert ["missing" in doubt for doubt in told["doubts"]] == [True]
    assert "missing: records 8 to 9" in desk.run("takeover", f"{OLD:x}", "--to", desk.folder / "takeover")
    desk.deliver(desk.terminal.frame(8, 9))
    assert states(desk, 8, 9, 10) == [("disputed", True)] * 3, "none is lost, none counts"


def test_nothing_is_retired_while_a_record_that_the_rescue_found_is_not_here(desk):
    """A gateway knows its gaps, and not what was sold after it last heard."""
    told = desk.run("takeover", f"{OLD:x}", "--to", desk.folder / "no", "--last-record", "8", status=4)
    assert "sealed_through 7" in told
    assert "last_record 8" in told
    assert row(desk)["retired_through"] < 0
    assert retire(desk, "takeover", "--last-record", "7")["sealed_through"] == 7


def test_a_fork_and_a_card_of_no_roster_are_said(desk):
    """TKO-01."""
    twin = desk.terminal.fork(5)
    twin.redeem(9)
    twin._salt = "elsewhere"
    desk.terminal._salt = "elsewhere"
    desk.terminal.redeem(3, 5_000)
    desk.deliver(desk.terminal.frame(8), twin.frame(6))
    told = retire(desk)
    assert [doubt.split()[1] for doubt in told["doubts"]] == ["seals", "spent"]
    assert row(desk)["state"] == "frozen"


def test_a_retired_terminal_gets_no_grants(desk):
    """TKO-05."""
    retire(desk)
    grant = desk.folder / "grant-0000002a-1.bin"
    assert "retired" in desk.run("publish", "grant", grant, status=4)
    reader = SqliteReader.open(desk.data)
    try:
        assert reader.terminal(OLD).retired_through == 7
    finally:
        reader.close()


def test_who_is_unknown_cannot_be_retired(desk):
    assert "No certificate" in desk.run("takeover", "99", "--to", desk.folder / "x", status=4)
    assert not (desk.folder / "x").exists()


def decided(desk, statement, new=NEW):
    """The authority's takeover, signed."""
    made = takeover.Takeover()
    made.old, made.new, made.statement, made.sealed_through = OLD, new, statement, 7
    made.chain, made.exposure_rupiah, made.issued_s, made.reason = (
        desk.terminal.chains[7],
        250_000,
        1_795_000_000,
        2,
    )
    body = takeover.encode_takeover(made)
    return desk.file("takeover.bin", body + desk.authority.sign(takeover.takeover_message(body)))


def test_the_authority_s_decision_is_kept_with_its_exposure(desk):
    """TKO-06."""
    digest = bytes.fromhex(retire(desk)["digest"])
    assert "not what was stated here" in desk.run("publish", "takeover", decided(desk, bytes(32)), status=4)
    told = desk.json("publish", "takeover", decided(desk, digest))
    assert (told["kid"], told["taken_over_by"]) == ("0000002a", "0000002b")
    assert row(desk)["taken_over_by"] == [
        {"kid": "0000002b", "exposure_rupiah": 250_000, "issued_s": 1_795_000_000}
    ]
    desk.json("publish", "takeover", decided(desk, digest))
    assert len(row(desk)["taken_over_by"]) == 1
