"""The installation's database: SQLite, with Magento's table names.

Amounts and quantities are TEXT decimals with four digits after the point (columns declared
`DECIMAL_TEXT`), times are 'YYYY-MM-DD HH:MM:SS' in UTC as Magento stores them.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation, localcontext
from functools import lru_cache
from pathlib import Path
from typing import Any

Row = dict[str, Any]

_SCALE = Decimal("0.0001")
DECIMAL = "DECIMAL_TEXT"

# Decimals are compared by this collation: as numbers, exactly, as MySQL's DECIMAL.
EXACT = "EXACT_DECIMAL"

# The same amounts and quantities come again and again.
sqlite3.register_converter(DECIMAL, lru_cache(maxsize=8192)(lambda raw: Decimal(raw.decode())))


def scaled(column: str) -> str:
    """SQL for a decimal in ten-thousandths: a whole number, so that sums are exact."""
    return f"ten_thousandths({column})"


def _ten_thousandths(text: str | int | None) -> int | None:
    if isinstance(text, str) and text[-5:-4] == ".":
        return int(text[:-5] + text[-4:])  # as this database writes it
    return None if text is None else int(Decimal(text).scaleb(4).to_integral_value(ROUND_HALF_UP))


def _number(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        return Decimal(0)  # MySQL takes text for 0 where it wants a number


def _compared(one: str, other: str) -> int:
    left, right = _number(one), _number(other)
    return (left > right) - (left < right)


def stored(value: Any) -> Any:
    """A value as the database keeps it."""
    kind = type(value)
    if kind is str or kind is int or value is None:
        return value
    if isinstance(value, Decimal):
        with localcontext() as context:
            context.prec = 40
            return format(value.quantize(_SCALE, rounding=ROUND_HALF_UP), "f")
    if isinstance(value, bool):
        return int(value)
    return value


class Database:
    """One connection, used by one thread at a time."""

    def __init__(self, path: Path | str) -> None:
        self.path = str(path)
        if self.path != ":memory:":
            Path(self.path).parent.mkdir(parents=True, exist_ok=True)
        self._connection = sqlite3.connect(
            self.path,
            isolation_level=None,
            check_same_thread=False,
            detect_types=sqlite3.PARSE_DECLTYPES,
            cached_statements=1024,
        )
        self._connection.create_collation(EXACT, _compared)
        self._connection.create_function("ten_thousandths", 1, _ten_thousandths, deterministic=True)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = OFF")
        self._connection.execute("PRAGMA foreign_keys = ON")
        self._connection.execute("PRAGMA busy_timeout = 10000")
        self._columns: dict[str, dict[str, str]] = {}

    def close(self) -> None:
        self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; nested uses join the outer one."""
        if self._connection.in_transaction:
            yield
            return
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """A part that can fail alone."""
        self._connection.execute("SAVEPOINT part")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK TO part")
            self._connection.execute("RELEASE part")
            raise
        self._connection.execute("RELEASE part")

    @property
    def changes(self) -> int:
        """Rows changed since the connection was opened."""
        return self._connection.total_changes

    def script(self, statements: Iterable[str]) -> None:
        for statement in statements:
            self._connection.execute(statement)

    def columns(self, table: str) -> dict[str, str]:
        """Column names of a table with their declared types."""
        if table not in self._columns:
            rows = self.rows(f"PRAGMA table_info({table})")
            self._columns[table] = {row["name"]: row["type"] for row in rows}
        return self._columns[table]

    def rows(self, query: str, values: Sequence[Any] | Mapping[str, Any] = ()) -> list[Row]:
        cursor = self._connection.execute(query, self._bound(values))
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor]

    def row(self, query: str, values: Sequence[Any] | Mapping[str, Any] = ()) -> Row | None:
        cursor = self._connection.execute(query, self._bound(values))
        found = cursor.fetchone()
        return None if found is None else dict(zip((column[0] for column in cursor.description), found, strict=True))

    def value(self, query: str, values: Sequence[Any] | Mapping[str, Any] = ()) -> Any:
        """First column of the first row, or None."""
        found = self._connection.execute(query, self._bound(values)).fetchone()
        return None if found is None else found[0]

    def column(self, query: str, values: Sequence[Any] | Mapping[str, Any] = ()) -> list[Any]:
        return [row[0] for row in self._connection.execute(query, self._bound(values))]

    def run(self, statement: str, values: Sequence[Any] | Mapping[str, Any] = ()) -> int:
        """Execute a change; returns the number of rows."""
        return self._connection.execute(statement, self._bound(values)).rowcount

    def many(self, statement: str, rows: Iterable[Sequence[Any]]) -> None:
        self._connection.executemany(statement, rows)

    def insert(self, table: str, row: Mapping[str, Any]) -> int:
        """Insert the fields that the table has; returns the new row's id."""
        known = self.columns(table)
        fields = {name: stored(value) for name, value in row.items() if name in known}
        names, marks = ", ".join(fields), ", ".join("?" * len(fields))
        cursor = self._connection.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", list(fields.values()))
        return int(cursor.lastrowid or 0)

    def update(self, table: str, key: Mapping[str, Any], fields: Mapping[str, Any]) -> int:
        known = self.columns(table)
        changes = {name: stored(value) for name, value in fields.items() if name in known}
        if not changes:
            return 0
        assignments = ", ".join(f"{name} = ?" for name in changes)
        condition = " AND ".join(f"{name} = ?" for name in key)
        return self._connection.execute(
            f"UPDATE {table} SET {assignments} WHERE {condition}", [*changes.values(), *map(stored, key.values())]
        ).rowcount

    @staticmethod
    def _bound(values: Sequence[Any] | Mapping[str, Any]) -> Any:
        if type(values) is not list and isinstance(values, Mapping):
            return {name: stored(value) for name, value in values.items()}
        return [stored(value) for value in values]
