"""Small helpers for statements that SQLite and PostgreSQL spell differently.

Statements that every document needs are built once, as constants of their modules with named parameters: building
one and working out its key in the cache of compiled ones costs more than the database does. Parameters of a condition
are named ``of_...``, so that none is taken for a column that is written.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from itertools import repeat
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import ARRAY

Item = TypeVar("Item")

#: Parameters a statement; far below the limits of both databases.
CHUNK = 500

#: From so many rows on an insertion is put together by us.
MANY = 100


def chunks(items: Sequence[Item], size: int = CHUNK) -> Iterator[Sequence[Item]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def of_few_lengths(items: Sequence[Item]) -> list[Item]:
    """The same for a condition IN: the last one is said again up to a power of two.

    Each length is a statement of its own, which SQLite's driver keeps prepared on every connection: those of all
    lengths up to `CHUNK` are 26 MB, and a process that asks for days comes to all of them.
    """
    return [*items, *repeat(items[-1], (1 << (len(items) - 1).bit_length()) - len(items))]


def upsert(connection: sa.Connection, table: sa.Table) -> Any:
    """An INSERT with `on_conflict_do_update` and `on_conflict_do_nothing`, for the connection's database."""
    return insert_into(connection.dialect.name, table)


def insert_into(dialect: str, table: sa.Table) -> Any:
    """The same by the database's name: for statements that are built once."""
    return sqlite.insert(table) if dialect == "sqlite" else postgresql.insert(table)


_insertion = cache(insert_into)


def _positional(
    connection: sa.Connection, statement: Any, same: Mapping[str, Any], columns: Mapping[str, Sequence[Any]], size: int
) -> tuple[str, list[tuple[Any, ...]]]:
    """The statement's text and its parameters by position.

    Each value is converted once, what all rows share not once a row: SQLAlchemy's own way over rows takes three
    times as long as the database does.
    """
    dialect = connection.dialect
    compiled = statement.compile(dialect=dialect, column_keys=[*same, *columns])
    constants = compiled.construct_params({**same, **{name: values[0] for name, values in columns.items()}})
    series: list[Iterable[Any]] = []
    for name in compiled.positiontup:
        convert = compiled.binds[name].type.dialect_impl(dialect).bind_processor(dialect)
        if name in columns:
            series.append(map(convert, columns[name]) if convert else columns[name])
        else:
            value = constants[name]
            series.append(repeat(convert(value) if convert else value, size))
    return str(compiled), list(zip(*series, strict=True))


def insert_columns(
    connection: sa.Connection,
    table: sa.Table,
    same: Mapping[str, Any],
    columns: Mapping[str, Sequence[Any]],
    conflict: Mapping[str, Any] | None = None,
) -> int:
    """Insert many rows: `same` has what all rows share, `columns` the others, all of one length.

    Args:
        conflict: arguments of ``on_conflict_do_update``; without them a conflict is an error.
    Returns:
        How many rows were inserted or updated.
    """
    size = len(next(iter(columns.values())))
    if not size:
        return 0
    statement = _insertion(connection.dialect.name, table)
    counted = {"preserve_rowcount": True}
    if connection.dialect.name == "sqlite":
        if conflict is not None:
            statement = statement.on_conflict_do_update(**conflict)
        if size >= MANY:
            sql, rows = _positional(connection, statement, same, columns, size)
            return int(connection.exec_driver_sql(sql, rows, execution_options=counted).rowcount)
        names = list(columns)
        records = [{**same, **dict(zip(names, values, strict=True))} for values in zip(*columns.values(), strict=True)]
        return int(connection.execute(statement, records, execution_options=counted).rowcount)
    # One statement over arrays is the fastest there, and its count is exact.
    fixed = [sa.literal(value, table.c[name].type) for name, value in same.items()]
    arrays = [sa.func.unnest(sa.cast(list(values), ARRAY(table.c[name].type))) for name, values in columns.items()]
    selected = statement.from_select([*same, *columns], sa.select(*fixed, *arrays))
    if conflict is not None:
        selected = selected.on_conflict_do_update(**conflict)
    return int(connection.execute(selected, execution_options=counted).rowcount)
