"""Many rows in one statement: the same rows as few make, on both databases, at the price of the values."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from erp_sync.ledger import KnownRow, Ledger, columns, sql

TARGET, ENTITY = "magento_us", "stock_level"
ROWS = sql.MANY + 1


def rows(value: str) -> list[KnownRow]:
    return [
        KnownRow(key=f"SKU-{number:05d}", value=value if number % 7 else None, source_order=number, source_version="v")
        for number in range(ROWS)
    ]


@pytest.fixture
def written(ledger: Ledger, clock, monkeypatch):
    def write(many: int) -> tuple[list[int], list[dict[str, Any]]]:
        monkeypatch.setattr(sql, "MANY", many)
        ledger.known.forget(TARGET, ENTITY)
        counts = [ledger.known.read(TARGET, ENTITY, rows("1"), clock())]
        ledger.known.mark_unknown(TARGET, ENTITY, ["SKU-00001"], "moved", blocked_until=clock() + timedelta(hours=1))
        counts.append(ledger.known.read(TARGET, ENTITY, rows("2"), clock()))
        counts.append(ledger.known.write(TARGET, ENTITY, rows("3")))
        return counts, ledger.known.table(TARGET, ENTITY).to_pylist()

    return write


def test_many_rows_are_written_as_few_are(written):
    counts, found = written(many=10 * ROWS)
    assert counts == [ROWS, ROWS - 1, ROWS]  # the blocked one is left alone by the second reading
    assert written(many=1) == (counts, found)


def test_what_many_rows_share_is_converted_once(ledger: Ledger, clock, monkeypatch):
    """Fails where every row converts it: that took longer than SQLite took to write the rows."""
    converted = 0
    convert = columns.Utc.process_bind_param

    def counted(self: Any, value: Any, dialect: Any) -> Any:
        nonlocal converted
        converted += 1
        return convert(self, value, dialect)

    monkeypatch.setattr(columns.Utc, "process_bind_param", counted)
    ledger.known.read(TARGET, ENTITY, rows("1"), clock())
    assert 0 < converted < 10
