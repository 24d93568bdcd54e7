"""A span of time is found among rows numbered in the order of their times, at both its ends and where it is empty."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from erp_sync.ports.raw import RawRecord
from erp_sync_tests.ledger.world import accept, document

HOUR = timedelta(hours=1)


def test_a_span_holds_exactly_what_is_in_it(ledger: Any, clock: Any) -> None:
    start = ledger.now()
    for number in range(40):
        record = RawRecord(native_id=str(number), version="1", payload={"id": number})
        ledger.receive("shop", "sales_order", [record], advance_to=start, run_id=f"run-{number % 2}")
        clock.advance(3600)

    def ids(**wanted: Any) -> list[str]:
        return [key.native_id for key, _ in ledger.happenings.of(**wanted)]

    assert ids() == [str(number) for number in range(40)]
    assert ids(since=start + 5 * HOUR, until=start + 8 * HOUR) == ["5", "6", "7"]
    assert ids(since=start + 5 * HOUR, until=start + 8 * HOUR, run="run-1") == ["5", "7"]
    assert ids(until=start) == []
    assert ids(since=start + 39 * HOUR) == ["39"]
    assert ids(since=start + 40 * HOUR) == []
    assert ids(run="run-0", limit=2) == ["36", "38"]


def test_what_a_run_did_is_looked_for_around_its_calls_and_the_years_before_are_not_gone_through(
    ledger: Any, clock: Any
) -> None:
    for day in range(30):
        accept(ledger, document(str(day)))
        clock.advance(86_400)
    looked: list[tuple[str, Any]] = []
    engine = ledger.database.engine

    def note(connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, executemany: bool) -> None:
        if "delivery_events" in statement and "run_id = " in statement:
            looked.append((statement, parameters))

    sa.event.listen(engine, "before_cursor_execute", note)
    first = ledger.now() - timedelta(days=10)
    found = ledger.happenings.of(run="run-0", calls=(first, first + HOUR))
    assert [key.native_id for key, _ in found] == ["19", "20", "21"]
    assert [key.native_id for key, _ in ledger.happenings.of(run="run-0")] == [str(day) for day in range(30)]
    bounded, whole = (statement for statement, _ in looked)
    assert "delivery_events.id >= " in bounded
    assert "delivery_events.id >= " not in whole
    assert ledger.happenings.of(run="run-7", calls=(first, first + HOUR)) == []
