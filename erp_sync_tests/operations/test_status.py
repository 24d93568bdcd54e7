from __future__ import annotations

from erp_sync.operations.status import status
from erp_sync_tests.operations.house import ERP, NOON, STORE, House


def test_every_flow_tells_what_is_due_held_dead_and_refused(house: House) -> None:
    house.delivered("1")
    house.dead("2")
    house.order("3", held=("on_hold", "in the store"))
    house.refused("4")
    house.order("5")
    orders, shipments, inventory = status(house.here).flows
    assert (orders.due, orders.held, orders.dead, orders.quarantined, orders.unhandled) == (1, 1, 1, 1, 0)
    assert orders.oldest_due is not None
    assert orders.last_loaded is not None
    assert (shipments.due, shipments.last_loaded, shipments.mode) == (0, None, "on")
    assert inventory.target == STORE


def test_a_look_that_found_nothing_counts_as_a_poll(house: House) -> None:
    assert status(house.here).flows[0].last_poll is None
    house.exchange(
        time=NOON, connection=STORE, operation="sales_order.peek", run_id="sensor", found_nothing=True, method="GET"
    )
    assert status(house.here).flows[0].last_poll == NOON


def test_an_open_breaker_and_a_pause_are_told_with_their_reason(house: House) -> None:
    for _ in range(5):
        house.ledger.breakers.failure(ERP, "HTTP 503")
    house.ledger.limits.pause(STORE, 30, "Retry-After")
    store, erp = status(house.here).connections
    assert (erp.breaker, erp.breaker_why, erp.slots) == ("open", "HTTP 503", 5)
    assert store.paused_s > 0
    assert store.paused_why == "Retry-After"


def test_plans_that_wait_and_alerts_are_listed(house: House) -> None:
    house.held_plan()
    house.ledger.notices.raise_once("plan_held/us/inventory", "warning", "a plan waits")
    found = status(house.here)
    assert [(plan.plan, plan.flow, plan.rows) for plan in found.plans_waiting] == [(1, "inventory", 1)]
    assert [alert.text for alert in found.alerts] == ["a plan waits"]
    assert not found.running
