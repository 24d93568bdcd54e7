"""The sandbox's SQLite database: one connection, one transaction a request.

An entity is one row: its keys in columns, everything else as one JSON text whose numbers have exactly the digits
that were written (they are read back as Decimal). Stock is apart (`stock`), since documents move it and items do not.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

_encoder = msgspec.json.Encoder(decimal_format="number")
_decoder = json.JSONDecoder(parse_float=Decimal)  # made once: json.loads makes one a call


def dumps(value: Any) -> str:
    return _encoder.encode(value).decode()


def loads(text: str) -> Any:
    return _decoder.decode(text)


class Store:
    """SQL with names from our own code or from the checked contract only, values always bound."""

    def __init__(self, database: Path | str) -> None:
        self.path = str(database)
        self.connection = sqlite3.connect(
            self.path, isolation_level=None, check_same_thread=False, cached_statements=512
        )
        for pragma in ("journal_mode = WAL", "synchronous = OFF", "cache_size = -65536"):
            self.connection.execute(f"PRAGMA {pragma}")

    def close(self) -> None:
        self.connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; an exception undoes it, unless it has `keep` set."""
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException as error:
            self.connection.execute("COMMIT" if getattr(error, "keep", False) else "ROLLBACK")
            raise
        self.connection.execute("COMMIT")

    def run(self, sql: str, *values: Any) -> sqlite3.Cursor:
        return self.connection.execute(sql, values)

    def rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        return self.connection.execute(sql, values).fetchall()

    def value(self, sql: str, *values: Any) -> Any:
        row = self.connection.execute(sql, values).fetchone()
        return None if row is None else row[0]

    def many(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        self.connection.executemany(sql, rows)

    # -- small state: counters and settings ------------------------------------------------------------

    def state(self, name: str, default: Any = None) -> Any:
        text = self.value("SELECT value FROM sandbox_state WHERE name = ?", name)
        return default if text is None else loads(text)

    def keep(self, name: str, value: Any) -> None:
        self.run("INSERT OR REPLACE INTO sandbox_state VALUES (?, ?)", name, dumps(value))

    def next(self, counter: str, first: int = 1) -> int:
        """The next number of a counter, within the transaction."""
        number = int(self.state(f"next {counter}", first))
        self.keep(f"next {counter}", number + 1)
        return number
