"""Brings a database to the layout that this gateway knows: numbered `.sql` files, one backup before an upgrade."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from gateway.errors import StoreVersionError

_FOLDER = Path(__file__).with_name("migrations")
_BACKUP_PAGES = 1024


def steps() -> list[tuple[int, Path]]:
    """(version that a file leads to, file), rising without a hole."""
    found = sorted((int(path.name.partition("_")[0]), path) for path in _FOLDER.glob("*.sql"))
    assert [number for number, _ in found] == list(range(1, len(found) + 1))
    return found


def version(connection: sqlite3.Connection) -> int:
    """The layout's version, 0 for an empty database."""
    connection.execute("CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL)")
    row = connection.execute("SELECT version FROM schema_version").fetchone()
    return int(row[0]) if row else 0


def migrate(connection: sqlite3.Connection, path: Path) -> int:
    """Apply what is missing; returns the version. Raises `StoreVersionError` for a newer database."""
    before = version(connection)
    known = steps()
    if before > known[-1][0]:
        raise StoreVersionError(found=before, known=known[-1][0])
    if 0 < before < known[-1][0]:
        _back_up(connection, path.with_name(f"{path.name}.before-{before + 1:04d}"))
    for number, file in known[before:]:
        _apply(connection, number, file.read_text("utf-8"))
    return known[-1][0]


def _apply(connection: sqlite3.Connection, number: int, script: str) -> None:
    """One step and its version in one transaction."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        for statement in split(script):
            connection.execute(statement)
        connection.execute("DELETE FROM schema_version")
        connection.execute("INSERT INTO schema_version (version) VALUES (?)", (number,))
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def split(script: str) -> list[str]:
    """The statements of a script; `executescript` would commit between them."""
    found = []
    pending = ""
    for line in script.splitlines():
        pending += line + "\n"
        if sqlite3.complete_statement(pending):
            found.append(pending)
            pending = ""
    return found


def _back_up(connection: sqlite3.Connection, path: Path) -> None:
    target = sqlite3.connect(path)
    try:
        connection.backup(target, pages=_BACKUP_PAGES)
    finally:
        target.close()
