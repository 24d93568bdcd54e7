"""What key figures are worked out from: outcomes, latencies, people's decisions and first fulfillments."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

from erp_sync.ledger import Ledger
from erp_sync.ledger.performance import Outcomes
from erp_sync.ledger.plans import NewPlan, PlanRow, Verdict
from erp_sync.model.keys import EntityKey
from erp_sync_tests.ledger.world import (
    ERP,
    ROUTE,
    START,
    STORE,
    Clock,
    accept,
    claim,
    deliver,
    document,
    record,
    step,
)

DAY = timedelta(days=1)
ORDERS = (ROUTE, "orders")


def outcomes(ledger: Ledger, clock: Clock, **back: float) -> dict[tuple[str, str], Outcomes]:
    end = clock() + timedelta(seconds=1)
    return ledger.performance.outcomes(end - (timedelta(**back) if back else DAY), end)


def dead(ledger: Ledger, native_id: str, code: str = "unknown_item") -> int:
    (made,) = accept(ledger, document(native_id))
    (claimed,) = claim(ledger)
    ledger.deliveries.dead(claimed, code, "no")
    return made.id


def test_where_nothing_happened_there_is_no_outcome(ledger: Ledger, clock: Clock):
    accept(ledger, document("1"))
    assert outcomes(ledger, clock) == {}


def test_delivered_dead_and_dismissed_after_death_are_told_apart_by_code(ledger: Ledger, clock: Clock):
    accept(ledger, document("1"), document("2"))
    for claimed in claim(ledger):
        deliver(ledger, claimed)
    accept(ledger, document("1", version="2"))
    deliver(ledger, claim(ledger)[0], [step("payment")])
    dead(ledger, "3")
    ledger.dead_letters.dismiss([dead(ledger, "4", "malformed_address")], "ann", "typed in by hand")
    (held,) = accept(ledger, document("5", held=("on_hold", "in the store")))
    ledger.deliveries.reject(held.id, who="ann", why="not wanted")
    found = outcomes(ledger, clock)[ORDERS]
    assert (found.delivered, found.first) == (3, 2)
    assert found.failed == Counter(unknown_item=1, malformed_address=1)


def test_a_dead_letter_that_went_after_all_is_delivered(ledger: Ledger, clock: Clock):
    ledger.dead_letters.retry([dead(ledger, "1")], who="ann")
    deliver(ledger, claim(ledger)[0])
    assert outcomes(ledger, clock)[ORDERS] == Outcomes(delivered=1, first=1)


def test_what_ended_before_the_window_is_not_in_it(ledger: Ledger, clock: Clock):
    dead(ledger, "1")
    accept(ledger, document("2"))
    deliver(ledger, claim(ledger)[0])
    clock.advance(3600)
    assert outcomes(ledger, clock, minutes=30) == {}
    assert outcomes(ledger, clock, minutes=61)[ORDERS].delivered == 1


def refuse(ledger: Ledger, native_id: str) -> None:
    (received,) = ledger.receive(STORE, "sales_order", [record(native_id)])
    (row,) = ledger.received.rows([received])
    with ledger.handling(ROUTE, "orders", "run-1") as work:
        work.mark_handled([received])
        work.quarantine(row, rule="malformed_record", field="", problem="no lines")


def test_what_lies_in_quarantine_failed_until_it_is_resolved(ledger: Ledger, clock: Clock):
    refuse(ledger, "1")
    assert outcomes(ledger, clock)[ORDERS].failed == Counter(malformed_record=1)
    ledger.quarantine.resolve(STORE, "sales_order", ["1"], "passed", ROUTE, "orders")
    assert outcomes(ledger, clock) == {}


def test_rows_count_when_they_end_and_not_with_the_last_row_of_their_plan(ledger: Ledger, clock: Clock):
    stock = (ROUTE, "inventory")
    rows = [PlanRow(key=f"{sku}|east", before='"5"', after='"4"', reason="") for sku in ("BOWL", "MUG")]
    with ledger.handling(ROUTE, "inventory", "run-3") as work:
        work.add_plan(NewPlan(entity="stock_level", target=STORE, rows=rows, verdicts=()))

    def one_goes() -> None:
        mine = ledger.plans.claim(ROUTE, "inventory", STORE, owner="run-3:1", limit=1)
        assert mine is not None
        ledger.plans.applied(mine, ledger.plans.begin(mine))

    one_goes()
    assert outcomes(ledger, clock)[stock].delivered == 1
    clock.advance(3600)
    one_goes()
    assert outcomes(ledger, clock)[stock].delivered == 2
    assert outcomes(ledger, clock, minutes=30)[stock].delivered == 1


def test_latency_runs_from_the_change_and_leaves_out_the_past_and_what_waited_for_a_person(
    ledger: Ledger, clock: Clock
):
    accept(
        ledger,
        document("1", source_time=START - timedelta(seconds=4)),
        document("2"),
        document("3", source_time=START + timedelta(minutes=5)),  # its source's clock is ahead
        document("4", source_time=START - 90 * DAY, lane="bulk"),
        document("5", source_time=START - DAY, held=("on_hold", "")),
    )
    ledger.deliveries.approve(_id(ledger, "5"), who="ann")
    clock.advance(6)
    for claimed in claim(ledger):
        deliver(ledger, claimed)
    found = ledger.performance.latencies(START, clock() + DAY)
    assert {name: sorted(values) for name, values in found.items()} == {ORDERS: [0.0, 6.0, 10.0]}


def _id(ledger: Ledger, native_id: str) -> int:
    key = EntityKey(STORE, "", "sales_order", native_id)
    return ledger.deliveries.latest(ROUTE, "orders", ERP, [key])[key].id


def held_plan(ledger: Ledger) -> int:
    plan = NewPlan(
        entity="stock_level",
        target=STORE,
        rows=[PlanRow(key="MUG|east", before='"5"', after='"0"', reason="sold out")],
        verdicts=(Verdict(check="zeroed", passed=False, words="all of it goes to zero"),),
    )
    with ledger.handling(ROUTE, "inventory", "run-3") as work:
        added = work.add_plan(plan)
    assert added.id is not None
    return added.id


def test_decisions_tell_how_long_their_matter_waited(ledger: Ledger, clock: Clock):
    (held,) = accept(ledger, document("1", held=("on_hold", "")))
    died = dead(ledger, "2")
    plan = held_plan(ledger)
    clock.advance(60)
    ledger.dead_letters.retry([died], who="ann")
    clock.advance(60)
    ledger.deliveries.approve(held.id, who="bob")
    ledger.plans.approve(plan, who="bob")
    (claimed, *_) = [one for one in claim(ledger) if one.id == died]
    ledger.deliveries.dead(claimed, "unknown_item", "still no")
    clock.advance(30)
    ledger.dead_letters.dismiss([died], "ann", "by hand")
    found = ledger.performance.interventions(START, clock() + DAY)
    told = [(one.flow, one.kind, (one.at - one.since).total_seconds()) for one in found if one.since is not None]
    assert told[0] == ("orders", "retried", 60.0)
    assert sorted(told[1:3]) == [("inventory", "approved", 120.0), ("orders", "approved", 120.0)]
    assert told[3:] == [("orders", "dismissed", 30.0)]
    assert ledger.performance.interventions(clock(), clock() + DAY) == found[3:]


def test_decisions_are_found_among_many_events(ledger: Ledger, clock: Clock):
    for number in range(40):
        accept(ledger, document(str(number), held=("on_hold", "")))
        clock.advance(10)
    died = dead(ledger, "late")
    before = clock.advance(10)
    ledger.dead_letters.retry([died], who="ann")
    assert len(ledger.performance.interventions(before, clock() + DAY)) == 1
    assert ledger.performance.interventions(START, before) == []


def shipment(native_id: str, order: str, received_id: int | None = None, **values: Any) -> Any:
    values = {"facts": {"order": order}, "concerns": f"sales_order {order}", "received_id": received_id, **values}
    return document(native_id, key=EntityKey(ERP, "", "shipment", native_id), target=STORE, **values)


def test_the_first_fulfillment_of_an_order_tells_when_it_was_picked_and_shipped(ledger: Ledger, clock: Clock):
    picked = START - timedelta(hours=2)
    (received,) = ledger.receive(ERP, "shipment", [record("900", created_time=picked)])
    accept(ledger, shipment("900", "7", received, source_time=START), flow="shipments")
    accept(ledger, shipment("901", "7"), flow="shipments")
    (first,) = ledger.performance.first_shipments(START, clock() + DAY)
    assert (first.order, first.created, first.shipped) == ("7", picked, START)
    clock.advance(60)
    accept(ledger, shipment("902", "7"), shipment("903", "8"), flow="shipments")
    assert [one.order for one in ledger.performance.first_shipments(clock(), clock() + DAY)] == ["8"]


def test_when_orders_were_placed_is_known_of_those_that_the_ledger_has(ledger: Ledger):
    accept(ledger, document("7", facts={"placed_at": START.isoformat()}), document("8"))
    assert ledger.performance.placed(ROUTE, ["7", "8", "9"]) == {"7": START}


def test_versions_of_a_document_are_told_in_their_order_as_they_were_corrected(ledger: Ledger, clock: Clock):
    (first,) = accept(ledger, document("7", version="1", payload=b'{"n":1}', held=("on_hold", "")))
    ledger.dead_letters.edit(first.id, b'{"n":9}', who="ann", why="wrong", go=True)
    (claimed,) = claim(ledger)
    ledger.deliveries.complete(claimed)
    begin = clock.advance(60)
    (second,) = accept(ledger, document("7", version="2", payload=b'{"n":2}'))
    accept(ledger, document("8"))
    assert ledger.performance.accepted_ids(begin, clock() + DAY, "orders") == {ROUTE: {"7", "8"}}
    assert ledger.performance.accepted_ids(START, begin, "orders").keys() <= {ROUTE}
    found = ledger.performance.versions(ROUTE, "orders", ["7", "9"])
    assert sorted(found) == ["7"]
    told = [(one.id, one.accepted_at, one.payload) for one in found["7"]]
    assert told == [(first.id, START, b'{"n":9}'), (second.id, begin, b'{"n":2}')]
