"""One look over the whole installation says the same as the questions of single flows."""

from __future__ import annotations

from datetime import timedelta

from erp_sync.ledger import KnownRow, Ledger
from erp_sync.ledger.outlook import Outlook, Reader
from erp_sync.ledger.plans import NewPlan, PlanRow
from erp_sync_tests.ledger.world import ERP, FLOW, ROUTE, START, STORE, accept, claim, deliver, document, record

ENTITY = "sales_order"
ORDERS = Reader(ROUTE, FLOW, STORE, ENTITY)
READERS = [ORDERS, Reader(ROUTE, "customers", STORE, ENTITY), Reader("de", FLOW, "magento_de", ENTITY)]


def look(ledger: Ledger) -> Outlook:
    return ledger.outlook(READERS)


def test_an_empty_ledger_has_nothing_to_do(ledger: Ledger):
    assert look(ledger) == Outlook()
    assert ledger.outlook([]) == Outlook()


def test_what_a_reader_has_not_handled_is_seen_by_that_reader_alone(ledger: Ledger):
    ids = ledger.receive(STORE, ENTITY, [record(str(number)) for number in range(4)], run_id="run-0")
    assert look(ledger).unhandled == {(ROUTE, FLOW), (ROUTE, "customers")}
    with ledger.handling(ROUTE, FLOW) as work:
        work.mark_handled([ids[0], *ids[2:]])
    assert (ROUTE, FLOW) in look(ledger).unhandled  # a gap
    with ledger.handling(ROUTE, FLOW) as work:
        work.mark_handled(ids[1:2])
    assert look(ledger).unhandled == {(ROUTE, "customers")}
    ledger.receive("magento_de", ENTITY, [record("1")])
    assert look(ledger).unhandled == {(ROUTE, "customers"), ("de", FLOW)}


def test_due_documents_are_seen_until_they_are_claimed_and_again_when_their_owner_died(ledger: Ledger, clock):
    assert accept(ledger, document("1"))
    assert look(ledger).deliveries == {(ROUTE, FLOW, ERP)}
    (lost,) = claim(ledger, lease_seconds=30)
    assert look(ledger).deliveries == frozenset()
    clock.advance(31)
    assert look(ledger).deliveries == {(ROUTE, FLOW, ERP)}
    (mine,) = claim(ledger, owner="run-2:7")
    assert mine.id == lost.id
    deliver(ledger, mine)
    assert look(ledger).deliveries == frozenset()


def test_due_rows_and_unsure_state_are_seen(ledger: Ledger, clock):
    with ledger.handling(ROUTE, "inventory", "run-0") as work:
        row = PlanRow(key="A", before="1", after="2", source_order=1)
        work.add_plan(NewPlan(entity="stock_level", target="magento_us", rows=[row]))
    assert look(ledger).rows == {(ROUTE, "inventory", "magento_us")}
    ledger.known.write("magento_us", "stock_level", [KnownRow(key="B", value="5", source_order=1)])
    until = ledger.now() + timedelta(seconds=60)
    ledger.known.mark_unknown("magento_us", "stock_level", ["B"], "its shipment was posted", blocked_until=until)
    assert look(ledger).unsure == frozenset()
    clock.advance(61)
    assert look(ledger).unsure == {("magento_us", "stock_level")}


def test_positions_are_those_of_the_cursors_and_when_they_moved(ledger: Ledger, clock):
    ledger.receive(STORE, ENTITY, [record("1")], advance_to=START)
    clock.advance(5)
    assert look(ledger).positions == {(STORE, ENTITY): START}
    assert look(ledger).moved == {(STORE, ENTITY): ledger.now() - timedelta(seconds=5)}
