"""What every store promises, checked on the SQLite store and on its model in memory."""

import sqlite3
from dataclasses import replace

import pytest

from gateway.documents import Document, Kind
from gateway.errors import StoreContradictionError, StoreError, StoreLockedError, StoreVersionError
from gateway.store import migrate, statements
from gateway.store.interface import (
    Changes,
    ConflictRow,
    EvidenceRow,
    FrameRow,
    HeadRow,
    OutboxRow,
    ProvisionalRow,
    RecordRow,
    RecordState,
    RequestRow,
    ReviewRow,
    TerminalRow,
)
from gateway.store.lock import WriterLock, has_wal_reset_bug
from gateway.store.memory import MemoryStore
from gateway.store.sqlite import FILE_NAME, LOCK_NAME, SqliteReader, SqliteStore
from gateway.verdicts import ChainRecord, Fault
from protocol import records


@pytest.fixture(params=["memory", "sqlite"])
def store(request, tmp_path):
    """Either store, empty."""
    made = MemoryStore() if request.param == "memory" else SqliteStore.create(tmp_path)
    yield made
    made.close()


def terminal(kid=1):
    return TerminalRow(kid, b"certificate", 7, 1000)


def record(sequence, kid=1, kind=records.EVENT, amount=0, use=None, **values):
    made = RecordRow(
        kid,
        sequence,
        10 + sequence,
        b"octets%d" % sequence,
        b"chain%d" % sequence,
        b"",
        kind,
        99,
        amount,
        0,
        use,
    )
    return replace(made, **values)


def test_an_empty_store_answers(store):
    assert store.terminal(1) is None
    assert store.terminals() == store.waiting(1) == store.adoptions(1) == store.chain(1, 1, 9) == []
    assert store.counters() == {}
    assert store.value("x", 5) == 5
    assert store.next_ids() == (1, 1, 1, 1)
    assert store.totals(None).records == 0
    assert store.document(bytes(32)) is None
    assert store.evidence_one(1) is None


def test_terminals_and_what_moves_in_them(store):
    store.apply(Changes(terminals=[terminal(2), terminal(1)]))
    assert [row.kid for row in store.terminals()] == [1, 2]
    store.apply(
        Changes(
            heads=[HeadRow(1, 5, b"chain", 3, "[[6, 1, true]]", 2000, 4, "sms")],
            statuses=[(1, b"status")],
            booked=[(1, 4)],
            stopped=[(2, "why")],
            revoked=[2],
            telephones=[(1, "+62811"), (2, "+62812")],
        )
    )
    moved = (False, 5, b"chain", 4, 3, "[[6, 1, true]]", "", 2000, 4, b"status", "+62811", "sms")
    assert store.terminal(1) == TerminalRow(1, b"certificate", 7, 1000, *moved)
    assert store.terminal(2) == replace(terminal(2), revoked=True, settlement_error="why", telephone="+62812")
    store.apply(Changes(telephones=[(1, "")]))
    assert store.terminal(1).telephone == ""


def test_frames_wait_and_arrive_and_go(store):
    rows = [FrameRow(number, 1, number, 1, 5, "mqtt", b"raw%d" % number, True) for number in (3, 1, 2)]
    other = FrameRow(4, 2, 1, 1, 5, "mqtt", b"raw", True)
    store.apply(Changes(frames=[*rows, other]))
    assert [row.frame_id for row in store.waiting(1)] == [1, 2, 3]
    store.apply(Changes(frames_arrived=[2], frames_dropped=[3]))
    assert [row.frame_id for row in store.waiting(1)] == [1]
    assert store.frames([2, 3, 1]) == [replace(rows[2], is_waiting=False), rows[1]]
    assert store.next_ids()[0] == 5


def test_records_by_range_newest_first_and_as_chain(store):
    store.apply(Changes(records=[record(1), record(2, kind=records.ADOPTION), record(3), record(1, kid=2)]))
    assert store.records(1, 2, 9) == [record(2, kind=records.ADOPTION), record(3)]
    assert store.chain(1, 1, 1) == [ChainRecord(1, b"octets1", b"chain1", 11)]
    assert store.adoptions(1) == [b"octets2"]
    assert store.recent_records(1, 2) == [record(3), record(2, kind=records.ADOPTION)]
    assert [row.kid for row in store.recent_records(None, 2)] == [2, 1]


def test_an_identity_is_taken_once_and_a_refusal_changes_nothing(store):
    store.apply(Changes(records=[record(1)]))
    for again in ([record(1, octets=b"other")], [record(2), record(2)]):
        with pytest.raises(StoreContradictionError):
            store.apply(Changes(records=again, counters={"x": 1}, values={"y": 2}))
    assert store.records(1, 1, 9) == [record(1)]
    assert store.counters() == {}
    assert store.value("y") == 0


def test_the_first_use_of_a_card_is_remembered(store):
    uses = [b"use%08d" % number for number in range(150)]
    store.apply(Changes(records=[record(n + 1, use=use) for n, use in enumerate(uses)]))
    store.apply(Changes(records=[record(1, kid=2, use=uses[3], repeats_card_use=True)]))
    found = store.first_use([*uses, b"stranger---"])
    assert len(found) == 150
    assert found[uses[3]] == (1, 4)
    assert store.records(2, 1, 1)[0].repeats_card_use is True
    assert store.first_use([]) == {}


def test_settlement_states_and_sums(store):
    store.apply(
        Changes(
            records=[
                record(1, kind=records.REDEMPTION, amount=1000),
                record(2, kind=records.REDEMPTION, amount=200),
                record(3, kind=records.REDEMPTION, amount=30),
                record(4, kind=records.REDEMPTION, amount=4),
                record(5, kind=records.VOID, amount=200, reference=2),
                record(6, kind=records.RETURN, amount=9999),
                record(1, kid=2, kind=records.REDEMPTION, amount=70000),
            ]
        )
    )
    assert store.totals(1).pending_rupiah == 1034
    settled, recorded = RecordState.SETTLED, RecordState.RECORDED
    store.apply(
        Changes(
            states=[
                (1, 1, settled, ""), (1, 2, settled, ""), (1, 3, RecordState.REFUSED, "no money"),
                (1, 5, recorded, ""), (1, 6, recorded, ""),
            ]
        )
    )  # fmt: skip
    totals = store.totals(1)
    assert (totals.settled_rupiah, totals.refused_rupiah, totals.pending_rupiah) == (1000, 30, 4)
    assert totals.disputed_rupiah == 0
    store.apply(Changes(states=[(1, 5, RecordState.DISPUTED, "the goods were received")]))
    assert store.totals(1).settled_rupiah == 1200, "a void that settlement does not accept takes nothing back"
    store.apply(Changes(states=[(1, 2, RecordState.REFUSED, ""), (1, 5, recorded, "")]))
    totals = store.totals(1)
    assert (totals.settled_rupiah, totals.refused_rupiah) == (1000, 30), "it comes out of where it counted"
    store.apply(Changes(states=[(1, 4, RecordState.DISPUTED, "")]))
    assert (store.totals(1).disputed_rupiah, store.totals(1).pending_rupiah) == (4, 0)
    assert store.totals(None).pending_rupiah == 70000
    assert store.totals(None).records == 7
    assert store.records(1, 3, 3)[0].reason == "no money"


def test_documents_are_their_digest(store):
    first = Document(Kind.ROSTER, b"a" * 32, 1, b"octets")
    grant = Document(Kind.GRANT, b"b" * 32, 4, b"grant", 9, 1, b"r" * 32, b"p" * 32)
    store.apply(Changes(documents=[first, grant]))
    store.apply(
        Changes(documents=[replace(first, octets=b"other signature"), replace(first, digest=b"c" * 32)])
    )
    assert store.document(b"a" * 32) == first
    assert store.document(b"b" * 32) == grant
    assert [document.digest[:1] for document in store.documents(Kind.ROSTER)] == [b"c", b"a"]
    assert store.documents(Kind.GRANT, 9) == [grant]
    assert store.documents(Kind.GRANT, 8) == []


def test_what_is_provisional_lives_until_it_is_sealed(store):
    """By terminal and range; answers about what is not provisional any more change nothing."""
    rows = [
        ProvisionalRow(
            7, n, 3, b"octets", bytes(32), bytes((n,)) * 32, b"" if n < 9 else b"seal", b"use", 100 * n
        )
        for n in (6, 7, 8, 9)
    ]
    store.apply(Changes(provisional=rows, outbox=[OutboxRow(1, 7, 6, 9, 0, before=bytes(32))]))
    assert store.provisional(7, 1, 99) == rows
    assert store.provisional(7, 7, 8) == rows[1:3]
    assert store.provisional(8, 1, 99) == []
    with pytest.raises(StoreContradictionError):
        store.apply(Changes(provisional=rows[:1]))
    store.apply(
        Changes(provisional_states=[(7, 8, RecordState.SETTLED, "why"), (7, 5, RecordState.SETTLED, "")])
    )
    (told,) = store.provisional(7, 8, 8)
    assert (told.state, told.reason) == (RecordState.SETTLED, "why")
    store.apply(Changes(proved=[(7, 8)], provisional=[replace(rows[0], sequence=10)]))
    assert [row.sequence for row in store.provisional(7, 1, 99)] == [9, 10]


def test_the_outbox_holds_back_what_must_not_go(store):
    store.apply(Changes(terminals=[terminal(kid) for kid in (1, 2, 3)]))
    store.apply(Changes(heads=[HeadRow(2, 9, b"", 5, "[]", 0, 0)], stopped=[(3, "why")]))
    rows = [
        OutboxRow(1, 1, 1, 4, 100), OutboxRow(2, 2, 1, 4, 100), OutboxRow(3, 2, 5, 6, 100), OutboxRow(4, 3, 1, 1, 100),
        OutboxRow(5, 1, 5, 5, 101), OutboxRow(6, 1, 6, 6, 100, 7),
    ]  # fmt: skip
    store.apply(Changes(outbox=rows))
    assert [row.outbox_id for row in store.outbox_due(100, 10)] == [1, 2]
    assert [row.outbox_id for row in store.outbox_due(101, 10)] == [1, 2, 5]
    assert [row.outbox_id for row in store.outbox_due(101, 2)] == [1, 2]
    assert store.outbox_of(7) == [rows[5]]
    assert store.outbox_count() == 6
    store.apply(Changes(outbox_assigned=[(1, 7), (6, 0)], outbox_done=[2]))
    assert [row.outbox_id for row in store.outbox_of(7)] == [1]
    assert [row.outbox_id for row in store.outbox_due(101, 10)] == [5, 6]


def test_requests_keep_their_retry_state(store):
    row = RequestRow(3, "key", 50)
    store.apply(Changes(requests=[row, RequestRow(2, "other", 40)]))
    later = replace(row, attempts=2, next_attempt_ms=99, last_error="503", failed=True)
    store.apply(Changes(requests=[later]))
    assert store.open_requests() == [RequestRow(2, "other", 40), later]
    store.apply(Changes(requests_done=[2]))
    assert store.open_requests() == [later]
    assert store.next_ids()[2] == 4


def test_evidence_and_conflicts(store):
    fault = Fault("OutOfRange", "tender", 10, "not in 0..1")
    rows = [
        EvidenceRow(1, 5, "invalid", fault, 100, "mqtt", b"raw"),
        EvidenceRow(2, 6, "unknown_terminal", None, 200, "mqtt", b"strange"),
        EvidenceRow(3, 5, "invalid", None, 300, "mqtt", b"raw2"),
    ]
    store.apply(
        Changes(evidence=rows, conflicts=[ConflictRow(5, 9, 1, b"fork"), ConflictRow(6, 1, 2, b"fork2")])
    )
    assert store.evidence(None, 2) == [rows[2], rows[1]]
    assert store.evidence(5, 9) == [rows[2], rows[0]]
    assert store.evidence_one(1) == rows[0]
    assert store.evidence_ids(5) == [1, 3]
    assert store.stranger_ids() == [2]
    assert store.evidence_since(200) == 2
    assert [row.kid for row in store.conflicts(None)] == [6, 5]
    assert store.conflicts(5) == [ConflictRow(5, 9, 1, b"fork")]
    store.apply(Changes(evidence_dropped=[1]))
    assert store.evidence_ids(5) == [3]
    assert store.next_ids()[3] == 4


def test_what_is_frozen_is_due_once_a_review_says_that_it_stands(store):
    """A review covers the forks from its own sequence on, and what was sealed when it was made."""
    store.apply(
        Changes(
            terminals=[TerminalRow(5, b"certificate", 1, 0)],
            heads=[HeadRow(5, 20, b"", 10, "[]", 0, 0)],
            outbox=[OutboxRow(1, 5, 1, 8, 0), OutboxRow(2, 5, 9, 12, 0), OutboxRow(3, 5, 13, 20, 0)],
        )
    )

    def due():
        return [row.outbox_id for row in store.outbox_due(1, 9)]

    assert due() == [1], "a run that crosses the fork is held back whole"
    store.apply(Changes(reviews=[ReviewRow(5, 11, 20, 1, "a later fork")]))
    assert due() == [1]
    store.apply(
        Changes(reviews=[ReviewRow(5, 10, 12, 2, "this one"), ReviewRow(6, 1, 99, 2, "another terminal")])
    )
    assert due() == [1, 2]
    store.apply(Changes(heads=[HeadRow(5, 20, b"", 7, "[]", 0, 0)]))
    assert due() == [], "a fork that nobody has seen yet"
    assert store.reviews(5) == [ReviewRow(5, 10, 12, 2, "this one"), ReviewRow(5, 11, 20, 1, "a later fork")]


def test_counters_add_up_and_values_are_overwritten(store):
    for _ in range(3):
        store.apply(Changes(counters={"a": 2, "b": 1}, values={"v": 1}))
    store.apply(Changes(values={"v": 9}))
    assert store.counters() == {"a": 6, "b": 3}
    assert store.value("v") == 9


# SQLite alone.


def test_no_statement_looks_through_a_growing_table_for_each_row_that_it_finds(tmp_path):
    """A terminal has thousands of records, and settlement that is away leaves as many runs."""
    store = SqliteStore.create(tmp_path)
    plans = {
        name: [row[3] for row in store._connection.execute(f"EXPLAIN QUERY PLAN {store._sql[name]}", values)]
        for name, values in (("disputed", (1,)), ("outbox_of", (1,)))
    }
    store.close()
    assert not [step for step in plans["disputed"] if "CORRELATED" in step or "SCAN" in step]
    assert plans["outbox_of"][0].startswith("SEARCH outbox USING INDEX outbox_request")


def test_everything_survives_a_restart(tmp_path):
    store = SqliteStore.create(tmp_path)
    store.apply(Changes(terminals=[terminal()], records=[record(1)], counters={"a": 1}))
    store.close()
    store = SqliteStore.create(tmp_path)
    assert store.terminal(1) == terminal()
    assert store.records(1, 1, 1) == [record(1)]
    assert store.counters() == {"a": 1}
    store.close()


def test_a_second_writer_is_refused_and_the_first_goes_on(tmp_path):
    store = SqliteStore.create(tmp_path)
    assert WriterLock.is_held(tmp_path / LOCK_NAME)
    with pytest.raises(StoreLockedError):
        SqliteStore.create(tmp_path)
    store.apply(Changes(counters={"a": 1}))
    store.close()
    assert not WriterLock.is_held(tmp_path / LOCK_NAME)
    SqliteStore.create(tmp_path).close()


@pytest.mark.parametrize(
    ("version", "is_affected"),
    [
        ((3, 6, 23), False), ((3, 7, 0), True), ((3, 40, 1), True), ((3, 44, 5), True), ((3, 44, 6), False),
        ((3, 45, 0), True), ((3, 50, 7), False), ((3, 51, 2), True), ((3, 51, 3), False), ((4, 0, 0), False),
    ],
)  # fmt: skip
def test_which_sqlite_would_be_damaged_by_a_second_writer(version, is_affected):
    assert has_wal_reset_bug(version) is is_affected


def test_readers_see_commits_and_cannot_write(tmp_path):
    store = SqliteStore.create(tmp_path)
    reader = SqliteReader.open(tmp_path)
    assert reader.value("a") == 0
    store.apply(Changes(values={"a": 3}))
    assert reader.value("a") == 3
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader._connection.execute("DELETE FROM numbers")
    reader.close()
    store.close()


def test_a_database_that_is_not_there_is_a_typed_error(tmp_path):
    with pytest.raises(StoreError):
        SqliteReader.open(tmp_path)


def test_writes_are_synchronous_and_logged_ahead(tmp_path):
    store = SqliteStore.create(tmp_path)
    assert store._connection.execute("PRAGMA synchronous").fetchone() == (2,)
    assert store._connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    store.close()


def test_a_newer_database_is_refused(tmp_path):
    SqliteStore.create(tmp_path).close()
    connection = sqlite3.connect(tmp_path / FILE_NAME)
    connection.execute("UPDATE schema_version SET version = 999")
    connection.commit()
    connection.close()
    with pytest.raises(StoreVersionError, match="999"):
        SqliteStore.create(tmp_path)
    assert not WriterLock.is_held(tmp_path / LOCK_NAME)


def test_a_new_database_leaves_no_backups(tmp_path):
    SqliteStore.create(tmp_path).close()
    assert list(tmp_path.glob("*.before-*")) == []


def test_an_upgrade_is_one_transaction_behind_a_backup(tmp_path, monkeypatch):
    SqliteStore.create(tmp_path).close()
    known = migrate.steps()
    last = len(known)
    good, bad = tmp_path / "good.sql", tmp_path / "bad.sql"
    good.write_text("CREATE TABLE extra (a INTEGER);\nINSERT INTO extra VALUES (1);\n")
    bad.write_text("INSERT INTO extra VALUES (2);\nINSERT INTO nowhere VALUES (1);\n")
    monkeypatch.setattr(migrate, "steps", lambda: [*known, (last + 1, good), (last + 2, bad)])
    with pytest.raises(StoreError):
        SqliteStore.create(tmp_path)
    connection = sqlite3.connect(tmp_path / FILE_NAME)
    assert migrate.version(connection) == last + 1
    assert connection.execute("SELECT a FROM extra").fetchall() == [(1,)]
    backup = sqlite3.connect(tmp_path / f"{FILE_NAME}.before-{last + 1:04d}")
    assert migrate.version(backup) == last
    connection.close()
    backup.close()


def test_statements_are_named_once_and_all_used():
    loaded = statements.load(3)
    assert "IN (?, ?, ?)" in loaded["first_use"]
    assert all(not text.endswith(";") for text in loaded.values())
    source = "".join(statements._FILE.with_name(name).read_text() for name in ("sqlite.py", "layout.py"))
    assert [name for name in loaded if f'"{name}"' not in source] == []
