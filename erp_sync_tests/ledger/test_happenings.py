"""A span of time is found among rows numbered in the order of their times, at both its ends and where it is empty."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from erp_sync.ports.raw import RawRecord

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
