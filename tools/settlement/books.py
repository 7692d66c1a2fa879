"""The bank's books: per terminal a chain head, per record what was booked; every record once, by (kid, sequence)."""

import json
import sqlite3
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

from protocol import records
from protocol.records import ADOPTION, GOODS_RECEIVED, REDEMPTION, SUBJECT_POLICY
from tools.settlement.entries import DISPUTED, Booking, Evidence, Terminal

CONFLICTS_KEPT_MAX = 16
BUSY_TIMEOUT_S = 30.0

_SCHEMA = """
CREATE TABLE IF NOT EXISTS terminal (
    kid INTEGER PRIMARY KEY, certificate BLOB NOT NULL, commitment BLOB NOT NULL, sequence INTEGER NOT NULL,
    chain BLOB NOT NULL, policy BLOB NOT NULL, frozen_from INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS booking (
    kid INTEGER NOT NULL, sequence INTEGER NOT NULL, kind INTEGER NOT NULL, record BLOB NOT NULL,
    digest BLOB NOT NULL, chain BLOB NOT NULL, outcome TEXT NOT NULL, reason TEXT, amount_rupiah INTEGER NOT NULL,
    reference INTEGER NOT NULL, voided_by INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (kid, sequence));
CREATE INDEX IF NOT EXISTS booking_reference ON booking (kid, reference) WHERE reference > 0;
CREATE TABLE IF NOT EXISTS card_use (
    card_key BLOB NOT NULL, application INTEGER NOT NULL, atc INTEGER NOT NULL, kid INTEGER NOT NULL,
    sequence INTEGER NOT NULL, PRIMARY KEY (card_key, application, atc));
CREATE TABLE IF NOT EXISTS evidence (
    kid INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, seal BLOB NOT NULL, idempotency_key TEXT
    NOT NULL, numbers TEXT NOT NULL, conflicts INTEGER NOT NULL, records BLOB NOT NULL, PRIMARY KEY (kid, first, seal));
CREATE TABLE IF NOT EXISTS frame (
    kid INTEGER NOT NULL, digest BLOB NOT NULL, octets BLOB NOT NULL, PRIMARY KEY (kid, digest));
CREATE TABLE IF NOT EXISTS confirmed (
    kid INTEGER NOT NULL, sequence INTEGER NOT NULL, chain BLOB NOT NULL, PRIMARY KEY (kid, sequence));
CREATE TABLE IF NOT EXISTS late_payment (
    kid INTEGER NOT NULL, sequence INTEGER NOT NULL, amount_rupiah INTEGER NOT NULL, PRIMARY KEY (kid, sequence));
CREATE TABLE IF NOT EXISTS review (
    review_id INTEGER PRIMARY KEY, idempotency_key TEXT NOT NULL UNIQUE, content TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS entitlement (source TEXT PRIMARY KEY, granted_rupiah INTEGER NOT NULL);
"""

_BOOKING_COLUMNS = (
    "sequence, kind, record, digest, chain, outcome, reason, amount_rupiah, reference, voided_by"
)


class Books:
    """SQLite behind one lock; `with books:` makes everything inside one durable commit, or nothing of it."""

    def __init__(self, path: Path | str) -> None:
        self._lock = threading.Lock()
        self._db = sqlite3.connect(
            path, timeout=BUSY_TIMEOUT_S, check_same_thread=False, isolation_level=None
        )
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.executescript(_SCHEMA)

    def __enter__(self) -> Self:
        self._lock.acquire()
        try:
            self._db.execute("BEGIN IMMEDIATE")
        except BaseException:
            self._lock.release()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._db.execute("ROLLBACK" if kind else "COMMIT")
        except sqlite3.Error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise
        finally:
            self._lock.release()

    def close(self) -> None:
        """Close the data base."""
        with self._lock:
            self._db.close()

    # Terminals.

    def terminal(self, kid: int) -> Terminal | None:
        """What is known of a terminal, None before its first record."""
        row = self._db.execute(
            "SELECT kid, certificate, commitment, sequence, chain, policy, frozen_from FROM terminal WHERE kid = ?",
            (kid,),
        ).fetchone()
        return Terminal(*row) if row else None

    def put_terminal(self, terminal: Terminal) -> None:
        """Keep a terminal's head."""
        self._db.execute(
            "INSERT OR REPLACE INTO terminal (kid, certificate, commitment, sequence, chain, policy, frozen_from)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                terminal.kid,
                terminal.certificate,
                terminal.commitment,
                terminal.sequence,
                terminal.chain,
                terminal.policy,
                terminal.frozen_from,
            ),
        )

    def freeze(self, kid: int, sequence: int) -> None:
        """Book nothing more from `sequence` on: the terminal has sealed two versions of it."""
        self._db.execute(
            "UPDATE terminal SET frozen_from = ? WHERE kid = ? AND (frozen_from = 0 OR frozen_from > ?)",
            (sequence, kid, sequence),
        )

    def confirm(self, kid: int, chains: dict[int, bytes]) -> None:
        """Keep chain values behind a gap that a seal has proved."""
        self._db.executemany(
            "INSERT OR IGNORE INTO confirmed VALUES (?, ?, ?)", [(kid, *entry) for entry in chains.items()]
        )

    def confirmed(self, kid: int) -> dict[int, bytes]:
        """Proved chain values behind a gap by sequence."""
        rows = self._db.execute("SELECT sequence, chain FROM confirmed WHERE kid = ?", (kid,))
        return {row[0]: row[1] for row in rows}

    def pass_confirmed(self, kid: int, sequence: int) -> None:
        """Everything up to a sequence is booked."""
        self._db.execute("DELETE FROM confirmed WHERE kid = ? AND sequence <= ?", (kid, sequence))

    def settled_behind(self, kid: int, sequence: int) -> int:
        """Rupiah that were settled of records behind a sequence."""
        return _one(
            self._db.execute(
                "SELECT COALESCE(SUM(amount_rupiah), 0) FROM booking WHERE kid = ? AND sequence > ?",
                (kid, sequence),
            )
        )

    def booked_behind(self, kid: int, sequence: int) -> set[int]:
        """Records behind a sequence that are booked already."""
        rows = self._db.execute(
            "SELECT sequence FROM booking WHERE kid = ? AND sequence > ?", (kid, sequence)
        )
        return {row[0] for row in rows}

    # Records.

    def booking(self, kid: int, sequence: int) -> Booking | None:
        """What was booked under an identity."""
        row = self._db.execute(
            f"SELECT {_BOOKING_COLUMNS} FROM booking WHERE kid = ? AND sequence = ?",  # noqa: S608 - a constant
            (kid, sequence),
        ).fetchone()
        return Booking(*row) if row else None

    def book(self, kid: int, booking: Booking) -> None:
        """Book a record; a second time under one identity is an error of ours and raises `sqlite3.IntegrityError`."""
        self._db.execute(
            f"INSERT INTO booking (kid, {_BOOKING_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
            (
                kid,
                booking.sequence,
                booking.kind,
                booking.record,
                booking.digest,
                booking.chain,
                booking.outcome,
                booking.reason,
                booking.amount_rupiah,
                booking.reference,
                booking.voided_by,
            ),
        )

    def goods_received(self, kid: int, sequence: int) -> bool:
        """Whether a booked record says that the goods of a redemption were handed over."""
        found = self._db.execute(
            "SELECT 1 FROM booking WHERE kid = ? AND reference = ? AND kind = ?",
            (kid, sequence, GOODS_RECEIVED),
        ).fetchone()
        return found is not None

    def void(self, kid: int, sequence: int, voided_by: int) -> None:
        """Net a redemption that was not voided before."""
        self._db.execute(
            "UPDATE booking SET voided_by = ? WHERE kid = ? AND sequence = ? AND kind = ? AND voided_by = 0",
            (voided_by, kid, sequence, REDEMPTION),
        )

    def use_card(self, card_key: bytes, application: int, atc: int, kid: int, sequence: int) -> bool:
        """Claim (card key, application, ATC) for a record; False when another record has it."""
        done = self._db.execute(
            "INSERT OR IGNORE INTO card_use VALUES (?, ?, ?, ?, ?)",
            (card_key, application, atc, kid, sequence),
        )
        return done.rowcount == 1

    # Reviews.

    def redemptions(self, kid: int, first: int, last: int) -> list[Booking]:
        """Booked redemptions of a range, rising."""
        rows = self._db.execute(
            f"SELECT {_BOOKING_COLUMNS} FROM booking"  # noqa: S608 - a constant
            " WHERE kid = ? AND sequence BETWEEN ? AND ? AND kind = ? ORDER BY sequence",
            (kid, first, last, REDEMPTION),
        )
        return [Booking(*row) for row in rows]

    def decide(self, kid: int, booking: Booking) -> None:
        """Book another outcome of a record that is disputed; what was decided stays."""
        self._db.execute(
            "UPDATE booking SET outcome = ?, reason = ? WHERE kid = ? AND sequence = ? AND outcome = ?",
            (booking.outcome, booking.reason, kid, booking.sequence, DISPUTED),
        )

    def keep_review(self, idempotency_key: str, content: str) -> None:
        """Keep who decided what and why; a repetition changes nothing."""
        self._db.execute(
            "INSERT OR IGNORE INTO review (idempotency_key, content) VALUES (?, ?)",
            (idempotency_key, content),
        )

    def hold_exposure(self, kid: int, rupiah: int) -> None:
        """Money that was put by for a replaced terminal's late records; of several takeovers the greatest counts."""
        source = f"exposure of {kid:08x}"
        held = self._db.execute(
            "SELECT granted_rupiah FROM entitlement WHERE source = ?", (source,)
        ).fetchone()
        self.hold(source, max(rupiah, held[0] if held else 0))

    def exposure_spent(self, kid: int) -> int:
        """Rupiah of late records that were paid, voided later or not."""
        return _one(
            self._db.execute("SELECT COALESCE(SUM(amount_rupiah), 0) FROM late_payment WHERE kid = ?", (kid,))
        )

    def spend_exposure(self, kid: int, booking: Booking) -> None:
        """Pay a late record out of it; a second time is an error of ours and raises `sqlite3.IntegrityError`."""
        self._db.execute(
            "INSERT INTO late_payment VALUES (?, ?, ?)", (kid, booking.sequence, booking.amount_rupiah)
        )

    def policy_at(self, kid: int, sequence: int) -> bytes:
        """The digest of the policy that a terminal had adopted by a record; b"" before the first."""
        rows = self._db.execute(
            "SELECT record FROM booking WHERE kid = ? AND sequence <= ? AND kind = ? ORDER BY sequence DESC",
            (kid, sequence, ADOPTION),
        )
        for (octets,) in rows:
            adopted = records.decode(octets)
            if adopted.subject == SUBJECT_POLICY:
                return adopted.digest
        return b""

    # Evidence.

    def number(self, kid: int, sequence: int) -> bytes | None:
        """The Unpredictable Number that came with a booked record."""
        row = self._db.execute(
            "SELECT numbers FROM evidence WHERE kid = ? AND conflicts = 0 AND ? BETWEEN first AND last"
            " ORDER BY rowid LIMIT 1",
            (kid, sequence),
        ).fetchone()
        told = json.loads(row[0]).get(str(sequence)) if row else None
        return bytes.fromhex(told) if told else None

    def keep(self, evidence: Evidence, frames: dict[bytes, bytes]) -> None:
        """Keep what proves a segment; of conflicting versions a bounded number per terminal, the first ones."""
        if evidence.conflicts:
            kept = self._db.execute(
                "SELECT COUNT(*) FROM evidence WHERE kid = ? AND conflicts = 1", (evidence.kid,)
            ).fetchone()[0]
            if kept >= CONFLICTS_KEPT_MAX:
                return
        self._db.execute(
            "INSERT OR IGNORE INTO evidence VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                evidence.kid,
                evidence.first,
                evidence.last,
                evidence.seal,
                evidence.idempotency_key,
                evidence.numbers,
                evidence.conflicts,
                evidence.records,
            ),
        )
        self._db.executemany(
            "INSERT OR IGNORE INTO frame VALUES (?, ?, ?)",
            [(evidence.kid, digest, octets) for digest, octets in frames.items()],
        )

    def evidence(self, kid: int) -> list[Evidence]:
        """All evidence of a terminal."""
        rows = self._db.execute(
            "SELECT kid, first, last, seal, idempotency_key, numbers, conflicts, records FROM evidence"
            " WHERE kid = ? ORDER BY first, conflicts",
            (kid,),
        )
        return [
            Evidence(row[0], row[1], row[2], row[3], row[4], row[5], bool(row[6]), row[7]) for row in rows
        ]

    def frames(self, kid: int) -> list[bytes]:
        """All raw frames of a terminal."""
        return [
            row[0]
            for row in self._db.execute("SELECT octets FROM frame WHERE kid = ? ORDER BY rowid", (kid,))
        ]

    # Sums.

    def hold(self, source: str, granted_rupiah: int) -> None:
        """Money held for grants."""
        self._db.execute("INSERT OR REPLACE INTO entitlement VALUES (?, ?)", (source, granted_rupiah))

    def totals(self) -> dict[str, int]:
        """Sums in rupiah and the number of records: settled + refused + disputed = redeemed - voided."""
        sums = {
            "granted_rupiah": _one(
                self._db.execute("SELECT COALESCE(SUM(granted_rupiah), 0) FROM entitlement")
            ),
            "redeemed_rupiah": 0,
            "voided_rupiah": 0,
            "settled_rupiah": 0,
            "refused_rupiah": 0,
            "disputed_rupiah": 0,
            "records": _one(self._db.execute("SELECT COUNT(*) FROM booking")),
        }
        groups = self._db.execute(
            "SELECT outcome, voided_by > 0, SUM(amount_rupiah) FROM booking WHERE kind = ? GROUP BY 1, 2",
            (REDEMPTION,),
        )
        for outcome, is_voided, amount_rupiah in groups:
            sums["redeemed_rupiah"] += amount_rupiah
            sums["voided_rupiah" if is_voided else f"{outcome}_rupiah"] += amount_rupiah
        return sums


def _one(cursor: sqlite3.Cursor) -> int:
    """The number that a query gives."""
    return int(cursor.fetchone()[0])
