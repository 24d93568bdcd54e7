"""A sandbox's database and journal, read by others than the sandbox."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class SystemFiles:
    """Database and journal of one sandbox, as `supervisor.status` names them, and whose system it is."""

    database: Path | str
    journal: Path | str
    vendor: str

    @classmethod
    def of(cls, status: Mapping[str, Any]) -> SystemFiles:
        return cls(status["database"], status["journal"], status["vendor"])


@contextmanager
def opened(path: Path | str) -> Iterator[sqlite3.Connection]:
    """A read-only connection. Raises FileNotFoundError for a file that is not there."""
    if not Path(path).exists():
        raise FileNotFoundError(f"no sandbox database at {path}")
    database = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)
    try:
        yield database
    finally:
        database.close()


@contextmanager
def reading(path: Path | str) -> Iterator[sqlite3.Connection]:
    """The same with rows that are dicts."""
    with opened(path) as database:
        database.row_factory = lambda cursor, values: dict(
            zip((column[0] for column in cursor.description), values, strict=True)
        )
        yield database


def number(value: Any) -> Decimal:
    """A stored amount or quantity; an empty column is zero."""
    return Decimal(0) if value is None else Decimal(str(value))


def by_first(rows: Iterable[Sequence[Any]]) -> dict[Any, list[Any]]:
    """Rows by their first column."""
    out: dict[Any, list[Any]] = {}
    for row in rows:
        out.setdefault(row[0], []).append(row)
    return out


def commit_times(
    journal: Path | str, entity: str, change: str | None = "create", not_beside: Sequence[str] = ()
) -> dict[str, list[float]]:
    """Wall times at which documents of an entity were committed, by document, ascending.

    With `not_beside` without those that came of a call which wrote one of these entities too.
    """
    sql = "SELECT document, committed_at FROM commits WHERE entity = ?"
    parameters: list[Any] = [entity]
    if not_beside:
        places = ", ".join("?" * len(not_beside))
        sql += (
            " AND (call_id IS NULL OR call_id NOT IN "
            f"(SELECT call_id FROM commits WHERE call_id IS NOT NULL AND entity IN ({places})))"
        )
        parameters += not_beside
    if change is not None:
        sql += " AND change = ?"
        parameters.append(change)
    with opened(journal) as database:
        rows = database.execute(sql + " ORDER BY committed_at", parameters).fetchall()
    return {document: [moment for _, moment in found] for document, found in by_first(rows).items()}


def moments_of(times: Mapping[str, list[float]], *names: object) -> list[float]:
    """When a document was committed that the journal knows by any of these names."""
    return [moment for name in names if name for moment in times.get(str(name), ())]
