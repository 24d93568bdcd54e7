"""The installation's database: SQLite, with Shopware's entity names as tables and property names as columns.

Decimals are text and are compared as numbers (collation `EXACT`), other texts without regard to case, as MySQL's
utf8mb4_unicode_ci does (for letters beyond ASCII and accents: not reproduced). Times are UTC text with milliseconds.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

EXACT = "EXACT_DECIMAL"


def _number(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        return Decimal(0)  # MySQL takes text for 0 where it wants a number


def _compared(one: str, other: str) -> int:
    left, right = _number(one), _number(other)
    return (left > right) - (left < right)


class Database:
    """One connection, used by one thread at a time. Rows are dicts."""

    def __init__(self, path: Path | str) -> None:
        self.path = str(path)
        if self.path != ":memory:":
            Path(self.path).parent.mkdir(parents=True, exist_ok=True)
        self.connection = sqlite3.connect(
            self.path, isolation_level=None, check_same_thread=False, cached_statements=1024
        )
        self.connection.row_factory = _row
        self.connection.create_collation(EXACT, _compared)
        self.connection.execute("PRAGMA journal_mode = WAL")
        self.connection.execute("PRAGMA synchronous = OFF")
        self.connection.execute("PRAGMA busy_timeout = 10000")

    @classmethod
    def over(cls, connection: sqlite3.Connection) -> Database:
        """An installation's database as somebody else has opened it, to read."""
        database = cls.__new__(cls)
        database.path, database.connection = "", connection
        connection.row_factory = _row
        connection.create_collation(EXACT, _compared)
        return database

    def close(self) -> None:
        self.connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; nested uses join the outer one."""
        if self.connection.in_transaction:
            yield
            return
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self.connection.execute("ROLLBACK")
            raise
        self.connection.execute("COMMIT")

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """A part that can fail alone."""
        self.connection.execute("SAVEPOINT part")
        try:
            yield
        except BaseException:
            self.connection.execute("ROLLBACK TO part")
            self.connection.execute("RELEASE part")
            raise
        self.connection.execute("RELEASE part")

    @property
    def changes(self) -> int:
        """Rows changed since the connection was opened."""
        return self.connection.total_changes

    def run(self, sql: str, values: Sequence[Any] = ()) -> int:
        return self.connection.execute(sql, values).rowcount

    def many(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        """One statement for each row of values."""
        self.connection.executemany(sql, rows)

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[dict[str, Any]]:
        return self.connection.execute(sql, values).fetchall()

    def row(self, sql: str, values: Sequence[Any] = ()) -> dict[str, Any] | None:
        found: dict[str, Any] | None = self.connection.execute(sql, values).fetchone()
        return found

    def value(self, sql: str, values: Sequence[Any] = ()) -> Any:
        row = self.row(sql, values)
        return None if row is None else next(iter(row.values()))

    def column(self, sql: str, values: Sequence[Any] = ()) -> list[Any]:
        return [next(iter(row.values())) for row in self.rows(sql, values)]

    def insert(self, table: str, columns: Mapping[str, Any], *, instead: str = "") -> None:
        """`instead`: "OR REPLACE", "OR IGNORE"."""
        names = ", ".join(f'"{name}"' for name in columns)
        marks = ", ".join("?" * len(columns))
        self.run(f'INSERT {instead} INTO "{table}" ({names}) VALUES ({marks})', list(columns.values()))

    def update(self, table: str, keys: Mapping[str, Any], columns: Mapping[str, Any]) -> int:
        sets = ", ".join(f'"{name}" = ?' for name in columns)
        where = " AND ".join(f'"{name}" IS ?' for name in keys)
        return self.run(f'UPDATE "{table}" SET {sets} WHERE {where}', [*columns.values(), *keys.values()])

    def delete(self, table: str, keys: Mapping[str, Any]) -> int:
        where = " AND ".join(f'"{name}" IS ?' for name in keys)
        return self.run(f'DELETE FROM "{table}" WHERE {where}', list(keys.values()))


def _row(cursor: sqlite3.Cursor, values: tuple[Any, ...]) -> dict[str, Any]:
    return {column[0]: value for column, value in zip(cursor.description, values, strict=True)}


def marks(values: Sequence[Any]) -> str:
    """Placeholders for an IN list."""
    return ", ".join("?" * len(values))
