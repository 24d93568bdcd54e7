"""The difference between what a target should hold and what it is known to hold. Pure; Arrow and DuckDB.

A value is JSON text of what the target keeps, written the same way for rows that should be there and for
rows that were read: two equal texts need no write.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

DESIRED = pa.schema(
    [
        ("key", pa.string()),
        ("value", pa.string()),
        ("source_order", pa.int64()),
        ("source_version", pa.string()),
        ("position", pa.int64()),
    ]
)

# Where a plan's row keeps the keys that must be gone from the target before it is written.
REPLACES = "replaces"

#: Columns of the target's known state that a comparison looks at.
COMPARED = ("scope", "key", "value", "source_order", "sure")

_encoder = msgspec.json.Encoder(decimal_format="string", order="sorted")


def value_text(values: Mapping[str, Any]) -> str:
    """The text of a row's values: names sorted, decimals without zeros at their end, None left out."""
    return _encoder.encode(
        {
            name: f"{value.normalize():f}" if isinstance(value, Decimal) else value
            for name, value in values.items()
            if value is not None
        }
    ).decode()


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """What a comparison found. `rows` has the columns of `DESIRED` and ``before`` (None: not there).

    Attributes:
        same: rows that the target holds already.
        overtaken: keys for which the target was written from a newer version of the source.
        unsure: keys whose known state must be read again first.
        unread: keys that were never read at the target.
    """

    rows: pa.Table
    same: int
    overtaken: int
    unsure: tuple[str, ...]
    unread: tuple[str, ...]


def desired_table(rows: Iterable[tuple[str, str, int, str, int]]) -> pa.Table:
    """(key, value, source order, source version, position) as a table with `DESIRED`; the last of a key stays."""
    latest = {row[0]: row for row in rows}
    columns: list[Any] = list(zip(*latest.values(), strict=True)) if latest else [()] * len(DESIRED)
    return pa.table([pa.array(column, field.type) for column, field in zip(columns, DESIRED, strict=True)], DESIRED)


def compare(desired: pa.Table, known: pa.Table, *, all_read: bool = False) -> Comparison:
    """Compare by key.

    Args:
        known: the target's known state, its columns `COMPARED`.
        all_read: the target was read as a whole: a key that is not known is not there.
    """
    import duckdb

    with duckdb.connect(":memory:") as database:
        database.register("desired", desired)
        database.register("known", known)
        joined = database.sql(
            """
            SELECT d.key, d.value, d.source_order, d.source_version, d.position, k.value AS before,
                   CASE WHEN k.key IS NULL AND NOT $all_read THEN 'unread'
                        WHEN NOT coalesce(k.sure, true) THEN 'unsure'
                        WHEN coalesce(k.source_order, 0) > d.source_order THEN 'overtaken'
                        WHEN k.value IS NOT DISTINCT FROM d.value THEN 'same'
                        ELSE 'differs' END AS finding
            FROM desired d LEFT JOIN known k ON k.key = d.key
            ORDER BY d.position
            """,
            params={"all_read": all_read},
        ).to_arrow_table()
    findings = joined.column("finding")
    counts = {one["values"]: one["counts"] for one in pc.value_counts(findings).to_pylist()}

    def keys(finding: str) -> tuple[str, ...]:
        return tuple(joined.filter(pc.equal(findings, finding)).column("key").to_pylist())

    return Comparison(
        rows=joined.filter(pc.equal(findings, "differs")).drop_columns(["finding"]),
        same=counts.get("same", 0),
        overtaken=counts.get("overtaken", 0),
        unsure=keys("unsure"),
        unread=keys("unread"),
    )
