"""The book of price terms: the newest state of each record of the source, as tables of canonical rows.

It is kept in parts. A part has, for every record that it is about, the record's rows (none where the record is gone or
makes no term); of several parts the last that is about a record counts. The first part is of a whole snapshot.

Rows of a part's table have the columns of the canonical record and ``native_id``. Its records have `RECORDS`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from erp_sync.flows.state_flow import microseconds
from erp_sync.model.price_terms import TABLES, Row, schema

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

RECORDS = "records"
#: Names of a part's tables.
PARTS = (RECORDS, *TABLES)
_NAMES = {record: name for name, record in TABLES.items()}


class TermRecord(msgspec.Struct, frozen=True, gc=False):
    """One record of the source. `landed`: when it was received, in microseconds since 1970; `source_time`: when the
    source changed it last, 0 where it does not say."""

    native_id: str
    landed: int
    source_time: int
    rows: tuple[Row, ...]


def records_schema() -> pa.Schema:
    import pyarrow as pa

    fields = (("native_id", pa.string()), ("landed", pa.int64()), ("source_time", pa.int64()))
    return pa.schema([pa.field(name, kind, False) for name, kind in fields])


def part_schema(name: str) -> pa.Schema:
    """Of a table of a part."""
    import pyarrow as pa

    if name == RECORDS:
        return records_schema()
    return schema(TABLES[name]).append(pa.field("native_id", pa.string(), False))


def part(records: Iterable[TermRecord]) -> dict[str, pa.Table]:
    """The newest of each record as tables; only those that have rows, and the records.

    Raises pyarrow.ArrowInvalid for a number finer or larger than its column.
    """
    import pyarrow as pa

    newest: dict[str, TermRecord] = {}
    for one in records:
        before = newest.get(one.native_id)
        if before is None or not _older(one, before):
            newest[one.native_id] = one
    rows: dict[str, list[tuple[Row, str]]] = {}
    for one in newest.values():
        for row in one.rows:
            rows.setdefault(_NAMES[type(row)], []).append((row, one.native_id))
    names = ("native_id", "landed", "source_time")
    tables = {
        RECORDS: pa.table(
            {name: [getattr(one, name) for one in newest.values()] for name in names}, schema=records_schema()
        )
    }
    for name, some in rows.items():
        fields = part_schema(name)
        columns = [[getattr(row, field.name) for row, _ in some] for field in fields if field.name != "native_id"]
        columns.append([native_id for _, native_id in some])
        tables[name] = pa.table(
            [pa.array(column, field.type) for column, field in zip(columns, fields, strict=True)], schema=fields
        )
    return tables


def _older(one: TermRecord, other: TermRecord) -> bool:
    """Reads overlap: what is received last may have been read first."""
    if one.source_time and other.source_time and one.source_time != other.source_time:
        return one.source_time < other.source_time
    return one.landed < other.landed


def open_book(
    database: duckdb.DuckDBPyConnection,
    files: Sequence[Mapping[str, Sequence[str]]],
    change: Mapping[str, pa.Table] | None = None,
    *,
    since: datetime | None = None,
    keep: Sequence[str] = (),
) -> None:
    """Make the views ``term_<table>``, canonical rows with ``native_id``, and the table ``records``.

    Args:
        files: of each part, oldest first, its Parquet files by table.
        change: a part that is not written yet, after all of them. Its records that are older at the source than those
            of the book are left out.
        since: of the parts only what was received since then (UTC) counts, and `change` is before them: a snapshot
            that was begun then.
        keep: records that count though they are older: those of the snapshot cannot be understood.
    """
    database.execute("CREATE OR REPLACE TEMP TABLE book_records (place INTEGER, native_id VARCHAR, landed BIGINT, "
                     "source_time BIGINT)")  # fmt: skip
    for place, part_files in enumerate(files):
        for file in part_files.get(RECORDS, ()):
            database.execute(
                "INSERT INTO book_records SELECT $place, native_id, landed, source_time FROM read_parquet($file)",
                {"place": place, "file": file},
            )
    if since is not None:
        database.execute(
            "DELETE FROM book_records WHERE landed < $since AND NOT list_contains($keep, native_id)",
            {"since": microseconds(since), "keep": list(keep)},
        )
    last = -1 if since is not None else len(files)
    if change is not None:
        database.register("changed_records", change[RECORDS])
        database.execute(
            """
            INSERT INTO book_records
            SELECT $place, c.native_id, c.landed, c.source_time FROM changed_records c
            WHERE $first OR NOT EXISTS (
                FROM book_records b WHERE b.native_id = c.native_id
                AND b.source_time > c.source_time AND b.source_time > 0 AND c.source_time > 0
            )
            """,
            {"place": last, "first": since is not None},
        )
    database.execute(
        """
        CREATE OR REPLACE TEMP TABLE records AS
        SELECT native_id, max(place)::INTEGER AS place, arg_max(landed, place) AS landed,
               arg_max(source_time, place) AS source_time
        FROM book_records GROUP BY native_id
        """
    )
    database.execute("CREATE OR REPLACE TEMP TABLE newer AS SELECT native_id, place FROM records WHERE place <> 0")
    for name in TABLES:
        database.register(f"no_{name}", part_schema(name).empty_table())
        sources = [f"SELECT * FROM no_{name}"]
        for place, part_files in enumerate(files):
            if paths := part_files.get(name):
                listed = ", ".join("'" + path.replace("'", "''") + "'" for path in paths)
                sources.append(_current(f"read_parquet([{listed}])", place, all_of_first=since is None))
        if change is not None and name in change:
            database.register(f"changed_{name}", change[name])
            sources.append(_current(f"changed_{name}", last, all_of_first=False))
        database.execute(f"CREATE OR REPLACE TEMP VIEW term_{name} AS {' UNION ALL BY NAME '.join(sources)}")


def _current(rows: str, place: int, *, all_of_first: bool) -> str:
    """Rows of a part that no later one is about. Of the first part these are nearly all."""
    if place == 0 and all_of_first:
        return f"SELECT t.* FROM {rows} t ANTI JOIN newer n ON n.native_id = t.native_id"
    return f"SELECT t.* FROM {rows} t SEMI JOIN records r ON r.native_id = t.native_id AND r.place = {place}"


def tables(database: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    """The opened book as one part: what is written where parts are joined."""
    whole: dict[str, Any] = {}
    for name in PARTS:
        fields = part_schema(name)
        columns = ", ".join(f'"{field.name}"' for field in fields)
        made = name if name == RECORDS else f"term_{name}"
        table = database.sql(f"SELECT {columns} FROM {made}").to_arrow_table().cast(fields)
        if table.num_rows or name == RECORDS:
            whole[name] = table
    return whole
