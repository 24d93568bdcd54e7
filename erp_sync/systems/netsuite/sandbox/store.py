"""The sandbox's SQLite database: one connection, one transaction a request, exact decimals as text.

Decimals are text with a fixed number of digits after the point (``"25.50"``), so that equal values are
equal texts and SQL can take them as whole numbers of the smallest unit. Times are UTC text
``YYYY-MM-DDTHH:MM:SSZ``, dates ``YYYY-MM-DD`` in the account's time zone, flags 'T' and 'F'.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

AMOUNT, QUANTITY, RATE, PERCENT = 2, 5, 8, 5  # digits after the point; NetSuite's currencies have 0 or 2
ZERO = Decimal(0)


def text_of(value: Decimal | int | str, scale: int) -> str:
    """Fixed-scale text of a number, rounded half up: text_of(Decimal("2.5"), 2) is "2.50"."""
    number = Decimal(value).quantize(Decimal(1).scaleb(-scale), rounding=ROUND_HALF_UP)
    return f"{number + 0 if number else abs(number):f}"


def decimal(value: str | int | None) -> Decimal:
    """The number of a stored text; an empty column is zero."""
    return ZERO if value is None else Decimal(value)


def json_number(value: str | None) -> Decimal | None:
    """A stored number as REST answers print it: shortest, with at least one digit after the point."""
    if value is None:
        return None
    number = Decimal(value).normalize()
    return number.quantize(Decimal("0.1")) if number.as_tuple().exponent >= 0 else number  # type: ignore[operator]


def utc_text(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def utc_time(value: str) -> datetime:
    return datetime.fromisoformat(value)  # a strptime costs ten times as much


class Row(sqlite3.Row):
    """A row that reads like a mapping."""

    def get(self, name: str, default: Any = None) -> Any:
        return self[name] if name in self.keys() else default


class Store:
    """SQL with column names from our own code only, values always bound."""

    def __init__(self, database: Path | str) -> None:
        self.path = str(database)
        self.version = 0
        self.connection = sqlite3.connect(
            self.path, isolation_level=None, check_same_thread=False, cached_statements=1024
        )
        self.connection.row_factory = Row
        self.connection.execute("PRAGMA journal_mode = WAL")
        self.connection.execute("PRAGMA synchronous = OFF")
        self.connection.execute("PRAGMA foreign_keys = OFF")
        self.connection.execute("PRAGMA cache_size = -65536")

    def close(self) -> None:
        self.connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; an exception undoes it. `version` counts those that changed something."""
        before = self.connection.total_changes
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self.connection.execute("ROLLBACK")
            raise
        self.connection.execute("COMMIT")
        if self.connection.total_changes != before:
            self.version += 1

    def run(self, sql: str, *values: Any) -> sqlite3.Cursor:
        return self.connection.execute(sql, values)

    def all(self, sql: str, *values: Any) -> list[Row]:
        return self.connection.execute(sql, values).fetchall()

    def tuples(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        cursor = self.connection.cursor()
        cursor.row_factory = None
        return cursor.execute(sql, values).fetchall()

    def one(self, sql: str, *values: Any) -> Row | None:
        return self.connection.execute(sql, values).fetchone()

    def value(self, sql: str, *values: Any) -> Any:
        row = self.one(sql, *values)
        return None if row is None else row[0]

    def insert(self, table: str, **columns: Any) -> int:
        names = ", ".join(f'"{name}"' for name in columns)
        marks = ", ".join("?" * len(columns))
        cursor = self.connection.execute(f'INSERT INTO "{table}" ({names}) VALUES ({marks})', tuple(columns.values()))
        return int(cursor.lastrowid or 0)

    def update(self, table: str, keys: dict[str, Any], **columns: Any) -> int:
        if not columns:
            return 0
        sets = ", ".join(f'"{name}" = ?' for name in columns)
        where = " AND ".join(f'"{name}" IS ?' for name in keys)
        cursor = self.connection.execute(
            f'UPDATE "{table}" SET {sets} WHERE {where}', (*columns.values(), *keys.values())
        )
        return cursor.rowcount

    def delete(self, table: str, **keys: Any) -> int:
        where = " AND ".join(f'"{name}" IS ?' for name in keys)
        return self.connection.execute(f'DELETE FROM "{table}" WHERE {where}', tuple(keys.values())).rowcount

    def many(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        self.connection.executemany(sql, rows)
