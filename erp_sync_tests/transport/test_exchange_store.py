"""Rows of exchanges are written by our own statement on SQLite."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from erp_sync.transport.exchange_store import Store, exchanges

ROW: dict[str, Any] = {
    "time": datetime(2026, 11, 23, 23, 30, 0, 120, tzinfo=timezone(-timedelta(hours=5))),
    "connection": "erp_us",
    "operation": "sales_order.create",
    "document": "é 'x'",
    "run_id": "run-1",
    "route": "a-b",
    "flow": "orders",
    "lane": "now",
    "attempt": 2,
    "method": "GET",
    "url": "https://erp.example/salesOrder?" + "fields=entity&" * 20,
    "status": None,
    "verdict": "ok",
    "error": "",
    "seconds": 1,
    "request_headers": "[]",
    "response_headers": '[["content-type","application/json; charset=utf-8"],["accept","é"]]' * 3,
    "request_size": 12,
    "request_offset": 2**40,
    "request_length": 7,
    "response_size": 0,
    "response_offset": None,
    "response_length": None,
}


@pytest.fixture
def store(tmp_path: Path) -> Any:
    made = Store(f"sqlite:///{tmp_path / 'exchanges.db'}", tmp_path)
    made.prepare()
    yield made
    made.close()


def kept(store: Store) -> list[tuple[Any, ...]]:
    """Rows as they lie in the database, with the type of each value."""
    with store.engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT * FROM exchange ORDER BY id").all()
    return [tuple((type(value), value) for value in row[1:]) for row in rows]


def test_a_row_is_kept_as_sqlalchemy_would_keep_it(store: Store) -> None:
    plain = {**ROW, "url": "/x", "status": 200, "seconds": 0.25, "time": datetime(2026, 11, 23, tzinfo=UTC)}
    store.write("a.segment", "host", [ROW, plain], [])
    with store.engine.begin() as connection:
        connection.execute(exchanges.insert(), [{**row, "segment_id": 1} for row in (ROW, plain)])
    rows = kept(store)
    assert len(rows) == 4
    assert rows[:2] == rows[2:]


def test_of_rows_that_cannot_all_be_written_none_is(store: Store) -> None:
    for wrong in ({"url": 5}, {"document": object()}, {"document": None}):
        with pytest.raises(Exception, match=r"len|not supported|NOT NULL"):
            store.write("a.segment", "host", [ROW, {**ROW, **wrong}], [])
    assert kept(store) == []
    store.write(None, "host", [ROW], [])
    assert len(kept(store)) == 1
