"""The SQLite store: one connection writes and checkpoints, any number of others read."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from gateway.documents import Document
from gateway.errors import StoreContradictionError, StoreError
from gateway.store import layout, migrate, statements
from gateway.store.interface import (
    Changes,
    ConflictRow,
    DecisionRow,
    EvidenceRow,
    FrameRow,
    OutboxRow,
    ProvisionalRow,
    RecordRow,
    RecordState,
    RequestRow,
    ReviewRow,
    TerminalRow,
    Totals,
)
from gateway.store.lock import WriterLock
from gateway.store.totals import total
from gateway.verdicts import ChainRecord

FILE_NAME = "gateway.sqlite3"
LOCK_NAME = "gateway.lock"
_CACHE_KIB = 65536
_CHECKPOINT_PAGES = 4000
_BUSY_S = 5.0
_CARD_USES_AT_ONCE = 100


class SqliteReader:
    """Reads what is committed; each call is a short read transaction of its own, so checkpoints are not held up."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._sql = statements.load(_CARD_USES_AT_ONCE)

    @classmethod
    def open(cls, directory: Path) -> SqliteReader:
        """A read-only connection; may be used by one thread at a time."""
        path = directory / FILE_NAME
        try:
            connection = sqlite3.connect(
                f"file:{path}?mode=ro",
                uri=True,
                isolation_level=None,
                check_same_thread=False,
                timeout=_BUSY_S,
            )
            connection.execute("SELECT 1 FROM terminals LIMIT 1")
        except sqlite3.Error as failure:
            raise StoreError(file=path, reason=failure) from failure
        return cls(connection)

    def close(self) -> None:
        """Let go of the database."""
        self._connection.close()

    def _all(self, name: str, *values: object) -> list[Any]:
        try:
            return self._connection.execute(self._sql[name], values).fetchall()
        except sqlite3.Error as failure:
            raise StoreError(statement=name, reason=failure) from failure

    def _one(self, name: str, *values: object) -> Any:
        found = self._all(name, *values)
        return found[0] if found else None

    def terminal(self, kid: int) -> TerminalRow | None:
        """One terminal."""
        row = self._one("terminal", kid)
        return layout.terminal(row) if row else None

    def terminals(self) -> list[TerminalRow]:
        """All terminals by kid."""
        return [layout.terminal(row) for row in self._all("terminals")]

    def waiting(self, kid: int) -> list[FrameRow]:
        """Waiting frames of a terminal in the order in which they came."""
        return [layout.frame(row) for row in self._all("waiting", kid)]

    def adoptions(self, kid: int) -> list[bytes]:
        """Sealed adoption records of a terminal in the order of its chain."""
        return [row[0] for row in self._all("adoptions", kid)]

    def chain(self, kid: int, first: int, last: int) -> list[ChainRecord]:
        """Sealed records of a terminal in a range, rising; those that exist."""
        return [ChainRecord(*row) for row in self._all("chain", kid, first, last)]

    def records(self, kid: int, first: int, last: int) -> list[RecordRow]:
        """The same with all columns."""
        return [layout.record(row) for row in self._all("records", kid, first, last)]

    def provisional(self, kid: int, first: int, last: int) -> list[ProvisionalRow]:
        """Records of a range that are proved behind a gap, rising."""
        return [layout.provisional(row) for row in self._all("provisional", kid, first, last)]

    def kept(self, kid: int) -> list[int]:
        """Records behind a gap that count although the terminal is retired, rising."""
        return [row[0] for row in self._all("kept", kid)]

    def recent_records(self, kid: int | None, limit: int) -> list[RecordRow]:
        """The newest sealed records, of one terminal or of all, newest first."""
        rows = (
            self._all("recent_records", limit) if kid is None else self._all("recent_records_of", kid, limit)
        )
        return [layout.record(row) for row in rows]

    def first_use(self, card_uses: list[bytes]) -> dict[bytes, tuple[int, int]]:
        """(kid, sequence) of the first record of each card use that was seen."""
        found: dict[bytes, tuple[int, int]] = {}
        for start in range(0, len(card_uses), _CARD_USES_AT_ONCE):
            some = [layout.Blob(use) for use in card_uses[start : start + _CARD_USES_AT_ONCE]]
            # Repeats only fill up the statement.
            for use, kid, sequence in self._all(
                "first_use", *some, *[some[0]] * (_CARD_USES_AT_ONCE - len(some))
            ):
                found.setdefault(use, (kid, sequence))
        return found

    def frames(self, frame_ids: list[int]) -> list[FrameRow]:
        """Frames by id."""
        return [layout.frame(row) for frame_id in frame_ids for row in self._all("frame", frame_id)]

    def document(self, digest: bytes) -> Document | None:
        """A published document by digest."""
        row = self._one("document", digest)
        return layout.document(row) if row else None

    def documents(self, kind: str, kid: int = 0) -> list[Document]:
        """Documents of a kind, newest first; `kid` 0: of all terminals."""
        rows = self._all("documents_of", kind, kid) if kid else self._all("documents", kind)
        return [layout.document(row) for row in rows]

    def outbox_due(self, now_ms: int, limit: int) -> list[OutboxRow]:
        """Runs that may go into a request: due, terminal not stopped nor frozen below their end, or that was reviewed;
        oldest first.
        """
        return [OutboxRow(*row) for row in self._all("outbox_due", now_ms, limit)]

    def outbox_of(self, request_id: int) -> list[OutboxRow]:
        """The runs of a request."""
        return [OutboxRow(*row) for row in self._all("outbox_of", request_id)]

    def outbox_count(self) -> int:
        """Runs that settlement has not taken yet."""
        return int(self._one("outbox_count")[0])

    def open_requests(self) -> list[RequestRow]:
        """Requests without a final answer, oldest first."""
        return [layout.request(row) for row in self._all("open_requests")]

    def evidence(self, kid: int | None, limit: int) -> list[EvidenceRow]:
        """Refused frames, newest first."""
        rows = self._all("evidence", limit) if kid is None else self._all("evidence_of", kid, limit)
        return [layout.evidence(row) for row in rows]

    def evidence_one(self, evidence_id: int) -> EvidenceRow | None:
        """One refused frame."""
        row = self._one("evidence_one", evidence_id)
        return layout.evidence(row) if row else None

    def evidence_ids(self, kid: int) -> list[int]:
        """Ids of a terminal's refused frames, oldest first."""
        return [row[0] for row in self._all("evidence_ids", kid)]

    def stranger_ids(self) -> list[int]:
        """Ids of refused frames of unknown terminals, oldest first."""
        return [row[0] for row in self._all("stranger_ids")]

    def evidence_since(self, since_ms: int) -> int:
        """Refused frames received since then."""
        return int(self._one("evidence_since", since_ms)[0])

    def conflicts(self, kid: int | None) -> list[ConflictRow]:
        """Proved forks, newest first."""
        rows = self._all("conflicts") if kid is None else self._all("conflicts_of", kid)
        return [ConflictRow(*row) for row in rows]

    def reviews(self, kid: int) -> list[ReviewRow]:
        """What was decided about a terminal's forks, newest first."""
        return [ReviewRow(*row) for row in self._all("reviews", kid)]

    def decisions(self, *, is_open: bool = False) -> list[DecisionRow]:
        """What was decided about disputed redemptions, newest first; `is_open`: what settlement has not answered, oldest
        first.
        """
        return [DecisionRow(*row) for row in self._all("open_decisions" if is_open else "decisions")]

    def disputed(self, kid: int) -> list[RecordRow]:
        """Redemptions of a terminal that are disputed and not voided, rising."""
        return [layout.record(row) for row in self._all("disputed", kid)]

    def counters(self) -> dict[str, int]:
        """Counts since the database was made."""
        return dict(self._all("counters"))

    def value(self, name: str, default: int = 0) -> int:
        """A single number."""
        row = self._one("number", name)
        return int(row[0]) if row else default

    def totals(self, kid: int | None) -> Totals:
        """Sums over records."""
        rows = self._all("totals") if kid is None else self._all("totals_of", kid)
        return total(
            (kind, RecordState(state), RecordState(target), *sums) for kind, state, target, *sums in rows
        )

    def next_ids(self) -> tuple[int, int, int, int]:
        """The next free ids: frame, outbox, request, evidence."""
        frame, outbox, request, evidence = self._one("next_ids")
        return frame, outbox, request, evidence


class SqliteStore(SqliteReader):
    """The only connection that writes."""

    def __init__(self, connection: sqlite3.Connection, lock: WriterLock, directory: Path) -> None:
        super().__init__(connection)
        self._lock = lock
        self.directory = directory

    @classmethod
    def create(cls, directory: Path, patience_s: float = 0.0) -> SqliteStore:
        """Open for writing, bring the layout up to date; raises `StoreLockedError` where a writer stays that long."""
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = WriterLock(directory / LOCK_NAME)
        lock.acquire(patience_s)
        path = directory / FILE_NAME
        try:
            connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=_BUSY_S)
            connection.execute("PRAGMA journal_mode = WAL")
            # FULL: NORMAL would lose the last commits at a power cut, after their frames were acknowledged.
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
            connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
            connection.execute("PRAGMA temp_store = MEMORY")
            migrate.migrate(connection, path)
        except sqlite3.Error as failure:
            lock.release()
            raise StoreError(file=path, reason=failure) from failure
        except BaseException:
            lock.release()
            raise
        return cls(connection, lock, directory)

    def close(self) -> None:
        """Checkpoint, and let go of the database."""
        super().close()
        self._lock.release()

    def apply(self, changes: Changes) -> None:
        """Do all of it or nothing; returns when it is durable."""
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                self._write(changes)
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
        except sqlite3.IntegrityError as failure:
            raise StoreContradictionError(reason=failure) from failure
        except sqlite3.Error as failure:
            raise StoreError(reason=failure) from failure

    def _many(self, name: str, rows: Iterable[Sequence[object]]) -> None:
        self._connection.executemany(self._sql[name], rows)

    def _write(self, changes: Changes) -> None:
        for name, rows in layout.written(changes):
            if rows:
                self._many(name, rows)
