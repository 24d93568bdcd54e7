"""Small helpers for statements that SQLite and PostgreSQL spell differently."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

Item = TypeVar("Item")

#: Parameters a statement; far below the limits of both databases.
CHUNK = 500


def chunks(items: Sequence[Item], size: int = CHUNK) -> Iterator[Sequence[Item]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def upsert(connection: sa.Connection, table: sa.Table) -> Any:
    """An INSERT with `on_conflict_do_update` and `on_conflict_do_nothing`, for the connection's database."""
    if connection.dialect.name == "sqlite":
        return sqlite.insert(table)
    return postgresql.insert(table)
