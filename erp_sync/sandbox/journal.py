"""Append-only journal of every call to a sandbox, in an SQLite file of its own.

Times are wall time as Unix seconds (REAL) beside the sandbox's calendar as ISO 8601 text (UTC). Rows can
be added only: triggers refuse UPDATE and DELETE. A row is on file before the call's answer leaves: it outlives the
process, if not the machine's power.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from operator import attrgetter
from pathlib import Path
from typing import Any

from erp_sync.sandbox.core import Commit

SCHEMA = """
CREATE TABLE IF NOT EXISTS calls (
    id INTEGER PRIMARY KEY,
    arrived_at REAL NOT NULL,      -- wall, Unix seconds
    calendar TEXT NOT NULL,        -- the sandbox's calendar at arrival, ISO 8601 UTC
    method TEXT NOT NULL,
    path TEXT NOT NULL,            -- percent-encoded, without query
    query TEXT NOT NULL,
    agent TEXT NOT NULL,           -- User-Agent: who called
    endpoint TEXT NOT NULL,
    kind TEXT NOT NULL,
    flow TEXT NOT NULL,
    document TEXT,
    status INTEGER,                -- as sent; NULL when no answer was sent
    duration REAL NOT NULL,        -- seconds from arrival to the answer, or to the end of the work
    service REAL NOT NULL,         -- seconds of vendor work, the slot being held; 0 for a refused call
    slots_in_use INTEGER NOT NULL, -- including this call when it holds one
    committed INTEGER NOT NULL,    -- 0 or 1
    committed_at REAL,             -- wall
    client_gone INTEGER NOT NULL,  -- 1: the client had hung up before the answer
    fault TEXT,
    error TEXT,                    -- a defect of the sandbox itself
    request_bytes INTEGER NOT NULL,
    response_bytes INTEGER NOT NULL,
    request_class TEXT,            -- class of the contract check, NULL when it is off
    response_class TEXT
);
CREATE TABLE IF NOT EXISTS commits (
    id INTEGER PRIMARY KEY,
    call_id INTEGER REFERENCES calls (id), -- NULL: background work
    committed_at REAL NOT NULL,    -- wall
    calendar TEXT NOT NULL,
    entity TEXT NOT NULL,
    document TEXT NOT NULL,
    change TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS commits_document ON commits (entity, document);
CREATE TABLE IF NOT EXISTS violations (
    id INTEGER PRIMARY KEY,
    call_id INTEGER NOT NULL REFERENCES calls (id),
    side TEXT NOT NULL,            -- request or response
    endpoint TEXT NOT NULL,
    place TEXT NOT NULL,           -- JSON pointer
    message TEXT NOT NULL,
    excerpt TEXT NOT NULL          -- the value there, shortened
);
"""
_TABLES = ("calls", "commits", "violations")


@dataclass
class Call:
    """One row of `calls`; the fields are its columns."""

    arrived_at: float
    calendar: str
    method: str
    path: str
    query: str
    agent: str
    endpoint: str
    kind: str
    flow: str = ""
    document: str | None = None
    status: int | None = None
    duration: float = 0.0
    service: float = 0.0
    slots_in_use: int = 0
    committed: bool = False
    committed_at: float | None = None
    client_gone: bool = False
    fault: str | None = None
    error: str | None = None
    request_bytes: int = 0
    response_bytes: int = 0
    request_class: str | None = None
    response_class: str | None = None


@dataclass(frozen=True)
class Violation:
    """A breach of the contract: side ("request"|"response"), JSON pointer, message, value there."""

    side: str
    endpoint: str
    place: str
    message: str
    excerpt: str


@dataclass
class Entry:
    """What one call, or one piece of background work (`call` None), adds to the journal."""

    call: Call | None
    commits: Sequence[tuple[float, str, Commit]] = ()  # wall, calendar, commit
    violations: Sequence[Violation] = ()


_COLUMNS = [field.name for field in fields(Call)]
_INSERT_CALL = f"INSERT INTO calls ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))})"
_values_of_call = attrgetter(*_COLUMNS)
_values_of_violation = attrgetter(*(field.name for field in fields(Violation)))
_INSERT_COMMIT = (
    "INSERT INTO commits (call_id, committed_at, calendar, entity, document, change) VALUES (?, ?, ?, ?, ?, ?)"
)
_INSERT_VIOLATION = (
    "INSERT INTO violations (call_id, side, endpoint, place, message, excerpt) VALUES (?, ?, ?, ?, ?, ?)"
)


class Journal:
    """Writes entries, each in a transaction of its own: it is on file when `append` comes back."""

    def __init__(self, path: Path | str) -> None:
        self.path = str(path)
        self._database = open_journal(self.path)

    def append(self, entry: Entry) -> int | None:
        """Add an entry; returns the call's id. Raises sqlite3.Error."""
        self._database.execute("BEGIN")
        try:
            call_id = _insert(self._database, entry)
        except BaseException:
            self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")
        return call_id

    def close(self) -> None:
        self._database.close()


def open_journal(path: Path | str) -> sqlite3.Connection:
    """A connection to a journal, created if it is not there."""
    database = sqlite3.connect(str(path), isolation_level=None, timeout=30, check_same_thread=False)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = OFF")
    database.executescript(SCHEMA)
    for table in _TABLES:
        for verb in ("UPDATE", "DELETE"):
            database.execute(
                f"CREATE TRIGGER IF NOT EXISTS {table}_no_{verb.lower()} BEFORE {verb} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END"
            )
    return database


def _insert(database: sqlite3.Connection, entry: Entry) -> int | None:
    call_id = None
    if entry.call is not None:
        call_id = database.execute(_INSERT_CALL, _values_of_call(entry.call)).lastrowid
    for wall, calendar, commit in entry.commits:
        database.execute(_INSERT_COMMIT, (call_id, wall, calendar, commit.entity, commit.document, commit.change))
    for breach in entry.violations:
        database.execute(_INSERT_VIOLATION, (call_id, *_values_of_violation(breach)))
    return call_id


def read_calls(path: Path | str, after: int = 0, limit: int = 1000) -> list[dict[str, Any]]:
    """Rows of `calls` with an id above `after`, oldest first, as dicts."""
    return _read(path, "SELECT * FROM calls WHERE id > ? ORDER BY id LIMIT ?", (after, limit))


def read_commits(path: Path | str, after: int = 0, limit: int = 1000) -> list[dict[str, Any]]:
    """Rows of `commits` with an id above `after`, oldest first, as dicts."""
    return _read(path, "SELECT * FROM commits WHERE id > ? ORDER BY id LIMIT ?", (after, limit))


def _read(path: Path | str, sql: str, parameters: tuple[Any, ...]) -> list[dict[str, Any]]:
    database = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)
    database.row_factory = sqlite3.Row
    try:
        return [dict(row) for row in database.execute(sql, parameters)]
    finally:
        database.close()


def iso(moment: datetime) -> str:
    """A calendar time as the journal keeps it."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")
