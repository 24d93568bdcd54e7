"""Totals of a day are of the documents that the source created in it, wherever they are now."""

from __future__ import annotations

from datetime import timedelta

from erp_sync.ledger import Ledger
from erp_sync_tests.ledger.world import ERP, FLOW, ROUTE, START, STORE, Clock, accept, claim, deliver, document, record

MIDNIGHT = START.replace(hour=0)
TOMORROW = MIDNIGHT + timedelta(days=1)


def receive(ledger: Ledger, *records) -> None:
    ledger.receive(STORE, "sales_order", list(records), run_id="run-0")


def of_day(ledger: Ledger, start=MIDNIGHT) -> dict[str, int]:
    return ledger.days.documents(ROUTE, FLOW, ERP, STORE, "sales_order", start, start + timedelta(days=1))


def test_documents_of_a_day_are_counted_by_where_they_are_now(ledger: Ledger, clock: Clock) -> None:
    receive(ledger, record("1"), record("2"), record("3"), record("4", created_time=TOMORROW))
    accept(ledger, *(document(number) for number in "1234"))
    one, two = claim(ledger, limit=2)
    deliver(ledger, one)
    ledger.deliveries.dead(two, "code", "reason")
    assert of_day(ledger) == {"delivered": 1, "dead": 1, "due": 1}
    assert of_day(ledger, TOMORROW) == {"due": 1}
    assert ledger.days.received(STORE, "sales_order", MIDNIGHT, TOMORROW) == 3


def test_of_several_versions_of_a_document_the_latest_counts(ledger: Ledger, clock: Clock) -> None:
    receive(ledger, record("1"), record("1", "2"))
    accept(ledger, document("1"))
    deliver(ledger, claim(ledger, limit=1)[0])
    accept(ledger, document("1", "2", operation="cancel"))
    assert of_day(ledger) == {"due": 1}
    assert ledger.days.received(STORE, "sales_order", MIDNIGHT, TOMORROW) == 1
