"""The bank's books: per terminal a chain head, per record what was booked; every record once, by (kid, sequence)."""

import sqlite3
import threading
from dataclasses import dataclass
from pathlib import Path

SETTLED = "settled"
REFUSED = "refused"
DISPUTED = "disputed"
RECORDED = "recorded"

_SCHEMA = """
CREATE TABLE IF NOT EXISTS terminal (kid INTEGER PRIMARY KEY, sequence INTEGER NOT NULL, chain BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS booking (
    kid INTEGER NOT NULL, sequence INTEGER NOT NULL, digest BLOB NOT NULL, record BLOB NOT NULL,
    outcome TEXT NOT NULL, reason TEXT, amount_rupiah INTEGER NOT NULL, voided INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (kid, sequence));
CREATE TABLE IF NOT EXISTS card_use (
    card_key BLOB NOT NULL, application INTEGER NOT NULL, atc INTEGER NOT NULL, kid INTEGER NOT NULL,
    sequence INTEGER NOT NULL, PRIMARY KEY (card_key, application, atc));
CREATE TABLE IF NOT EXISTS entitlement (source TEXT PRIMARY KEY, granted_rupiah INTEGER NOT NULL);
"""


@dataclass(frozen=True)
class Booking:
    """What was booked for one record."""

    sequence: int
    digest: bytes
    outcome: str
    reason: str | None
    amount_rupiah: int


class Books:
    """SQLite behind one lock; `with books.transaction()` makes a request's bookings one commit."""

    def __init__(self, path: Path | str) -> None:
        self._lock = threading.Lock()
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.executescript(_SCHEMA)

    def __enter__(self) -> "Books":
        self._lock.acquire()
        self._db.execute("BEGIN IMMEDIATE")
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        try:
            self._db.execute("ROLLBACK" if kind else "COMMIT")
        finally:
            self._lock.release()

    def close(self) -> None:
        """Close the data base."""
        self._db.close()

    def head(self, kid: int) -> tuple[int, bytes] | None:
        """(sequence, chain) up to which a terminal's records are booked."""
        row = self._db.execute("SELECT sequence, chain FROM terminal WHERE kid = ?", (kid,)).fetchone()
        return (int(row[0]), bytes(row[1])) if row else None

    def advance(self, kid: int, sequence: int, chain: bytes) -> None:
        """Move a terminal's head."""
        self._db.execute(
            "INSERT INTO terminal VALUES (?, ?, ?) ON CONFLICT (kid) DO UPDATE SET sequence = ?, chain = ?",
            (kid, sequence, chain, sequence, chain),
        )

    def booking(self, kid: int, sequence: int) -> Booking | None:
        """What was booked under an identity."""
        row = self._db.execute(
            "SELECT sequence, digest, outcome, reason, amount_rupiah FROM booking WHERE kid = ? AND sequence = ?",
            (kid, sequence),
        ).fetchone()
        return Booking(row[0], bytes(row[1]), row[2], row[3], row[4]) if row else None

    def book(self, kid: int, record: bytes, booking: Booking) -> None:
        """Book a record; a second time under one identity is an error of ours and raises."""
        self._db.execute(
            "INSERT INTO booking (kid, sequence, digest, record, outcome, reason, amount_rupiah)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                kid,
                booking.sequence,
                booking.digest,
                record,
                booking.outcome,
                booking.reason,
                booking.amount_rupiah,
            ),
        )

    def void(self, kid: int, sequence: int) -> Booking | None:
        """Mark a settled redemption as voided; None where there is none to void."""
        changed = self._db.execute(
            "UPDATE booking SET voided = 1 WHERE kid = ? AND sequence = ? AND outcome = ? AND voided = 0",
            (kid, sequence, SETTLED),
        )
        return self.booking(kid, sequence) if changed.rowcount else None

    def use_card(self, card_key: bytes, application: int, atc: int, kid: int, sequence: int) -> bool:
        """Claim (card key, application, ATC); False when another record has it."""
        row = self._db.execute(
            "SELECT kid, sequence FROM card_use WHERE card_key = ? AND application = ? AND atc = ?",
            (card_key, application, atc),
        ).fetchone()
        if row is not None:
            return (int(row[0]), int(row[1])) == (kid, sequence)
        self._db.execute("INSERT INTO card_use VALUES (?, ?, ?, ?, ?)", (card_key, application, atc, kid, sequence))
        return True

    def hold(self, source: str, granted_rupiah: int) -> None:
        """Money held for a grant."""
        self._db.execute("INSERT OR REPLACE INTO entitlement VALUES (?, ?)", (source, granted_rupiah))

    def totals(self) -> dict[str, int]:
        """Sums in rupiah and the number of records; settled is net of voids."""
        sums = {
            "granted_rupiah": self._db.execute("SELECT COALESCE(SUM(granted_rupiah), 0) FROM entitlement").fetchone()[0],
            "records": self._db.execute("SELECT COUNT(*) FROM booking").fetchone()[0],
        }
        for outcome in (SETTLED, REFUSED, DISPUTED):
            sums[f"{outcome}_rupiah"] = self._db.execute(
                "SELECT COALESCE(SUM(amount_rupiah), 0) FROM booking WHERE outcome = ? AND voided = 0", (outcome,)
            ).fetchone()[0]
        sums["redeemed_rupiah"] = sums["settled_rupiah"] + sums["refused_rupiah"] + sums["disputed_rupiah"]
        return sums
