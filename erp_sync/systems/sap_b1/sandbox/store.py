"""The sandbox's SQLite database: one connection, one transaction a request.

An entity is one row: its keys in columns, everything else as one JSON text whose numbers have exactly the digits
that were written (they are read back as Decimal). Stock is apart (`stock`), since documents move it and items do not.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from erp_sync.systems.sap_b1.sandbox.places import Places

_encoder = msgspec.json.Encoder(decimal_format="number")
_decoder = msgspec.json.Decoder(float_hook=Decimal)


def dumps(value: Any) -> str:
    return _encoder.encode(value).decode()


def loads(text: str) -> Any:
    return _decoder.decode(text)


class Store:
    """SQL with names from our own code or from the checked contract only, values always bound.

    `places` is for whoever reads a set in pages (`places.Places`); `written` and `resized` count, for each set, its
    writes and those that added or removed an entity.
    """

    def __init__(self, database: Path | str) -> None:
        connection = sqlite3.connect(database, isolation_level=None, check_same_thread=False, cached_statements=512)
        for pragma in ("journal_mode = WAL", "synchronous = OFF", "cache_size = -65536"):
            connection.execute(f"PRAGMA {pragma}")
        self._over(connection, str(database))

    @classmethod
    def over(cls, connection: sqlite3.Connection) -> Store:
        """A database that somebody else has opened, to read in."""
        store = cls.__new__(cls)
        store._over(connection, "")
        return store

    def _over(self, connection: sqlite3.Connection, path: str) -> None:
        self.connection, self.path = connection, path
        self.written: Counter[str] = Counter()
        self.resized: Counter[str] = Counter()
        self.places = Places(self)

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
            self.places.forget()
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
