"""Both systems compared record by record: every difference is named with both values, nothing is written."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal

import pytest

from erp_sync.components.configuration import FlowSpec, RouteSpec
from erp_sync.operations.reconcile import reconcile
from erp_sync.operations.reconciliation import Reconciliation, flows
from erp_sync.ports.raw import Window
from erp_sync.sandbox.warehouse import Habits, Warehouse
from erp_sync_tests.components.two_systems import TwoSystems, two_systems
from erp_sync_tests.e2e.business import Business, business

STATES = "{inventory: {mode: on}, prices: {mode: on}, products: {mode: on}, order_status: {mode: off}}"
PAYMENTS = {"braintree": "5"}


# State -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwoSystems]:
    with two_systems(tmp_path_factory.mktemp("both"), STATES) as systems:
        for flow in ("products", "inventory", "prices"):
            systems.run(flow, full=True)
        yield systems


def state(both: TwoSystems, flow: str = "inventory") -> Reconciliation:
    return reconcile(both.here, both.route, flow)


def test_the_flows_that_are_on_are_compared(both: TwoSystems) -> None:
    assert flows(both.route, None) == ["inventory", "products", "prices"]
    assert flows(both.route, "prices") == ["prices"]


@pytest.mark.parametrize("flow", ["inventory", "products", "prices"])
def test_systems_in_step_have_no_difference_and_are_read_in_pages(both: TwoSystems, flow: str) -> None:
    before = len(both.erp.journal()) + len(both.store.journal())
    found = state(both, flow)
    assert found.differences == []
    assert found.agrees
    assert found.counts["compared"] == found.counts["same"] > 0
    assert len(both.erp.journal()) + len(both.store.journal()) - before <= 12


def test_a_quantity_that_differs_is_named_with_both_values_and_left_as_it_is(both: TwoSystems) -> None:
    there = both.store_quantities()
    both.store_sql("UPDATE inventory_source_item SET quantity = 3 WHERE sku = 'TEA' AND source_code = 'east'")
    found = state(both)
    (difference,) = found.differences
    assert difference.kind == "value"
    assert "TEA" in difference.key
    assert difference.store == "quantity 3"
    assert difference.erp == f"quantity {there['east/TEA']}"
    assert not found.agrees
    assert both.store_quantities()["east/TEA"] == "3"
    both.run("inventory", full=True)
    assert state(both).agrees


@pytest.mark.parametrize(("days", "expected"), [(None, 30), (3, 3)])
def test_documents_are_compared_within_the_routes_window_or_the_days_that_are_asked_for(
    both: TwoSystems, monkeypatch: pytest.MonkeyPatch, days: int | None, expected: int
) -> None:
    given: list[Window] = []
    monkeypatch.setattr("erp_sync.operations.reconcile.reconcile_orders", lambda *some: given.append(some[2]))
    flow = FlowSpec.model_validate({"mode": "on", "start": "2020-01-01T00:00:00Z"})
    route = both.route.model_copy(update={"reconcile_window": timedelta(days=30), "flows": {"orders": flow}})
    reconcile(both.here, route, "orders", days=days)
    assert [window.end - window.start for window in given] == [timedelta(days=expected)]
    assert RouteSpec.model_fields["reconcile_window"].default == timedelta(days=7)


def test_what_the_erp_says_nothing_of_is_listed_and_no_difference(both: TwoSystems) -> None:
    """A place of the store's own, of which the ERP has no row at all."""
    both.store_sql(
        "INSERT INTO inventory_source_item (sku, source_code, quantity, status) VALUES ('STRANGE', 'outlet', 1, 1)"
    )
    found = state(both)
    assert [key for key in found.only_in_store if "STRANGE" in key] != []
    assert found.agrees


def test_what_waits_in_a_plan_is_open(both: TwoSystems, monkeypatch: pytest.MonkeyPatch) -> None:
    both.erp_set("TEA", "west", 77)
    (difference,) = state(both).differences
    assert (difference.store, difference.erp) == ("in_stock false, quantity 0", "in_stock true, quantity 77")
    with monkeypatch.context() as patched:
        patched.setattr(both, "load", lambda *_: None)  # the plan is made and nobody carries it out
        both.run("inventory", full=True)
    found = state(both)
    assert [(one.key, one.state) for one in found.open] == [(difference.key, "judged")]
    assert found.agrees


# Shipments -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Business]:
    folder = tmp_path_factory.mktemp("business")
    with business(folder, payment_methods=PAYMENTS, erp_settings={"us": {"location": "1"}}) as running:
        for name in ("ann", "bob", "cid", "dee"):
            running.store.buy(name, {"MUG": 2, "TEA": 1})
        running.settle()
        erp = running.hands_in_erp()
        habits = Habits(partial=0, stepwise=0, late_parcel=0, two_parcels=0)
        for place in ("east", "west"):
            Warehouse(erp, place, habits=habits).ship()
        erp.close()
        running.clock.skipped += timedelta(seconds=5)  # what happened in this second is in every window
        yield running


def shipments(shop: Business) -> Reconciliation:
    with shop.installation() as here:
        return reconcile(here, here.configuration.routes["us"], "shipments")


def test_shipments_that_the_store_has_not_are_missing_and_then_agree(shop: Business) -> None:
    found = shipments(shop)
    assert [one.kind for one in found.differences] == ["missing"] * 4
    assert "no delivery knows of it" in found.differences[0].words
    shop.settle("shipments")
    found = shipments(shop)
    assert found.differences == []
    assert found.counts == {
        "in_erp": 4,
        "not_shipped_yet": 0,
        "of_other_orders": 0,
        "to_compare": 4,
        "shipped_by_hand": 0,
        "in_store": 4,
        "parcels": 4,
        "quantities_compared": 4,
    }


def test_a_lost_parcel_another_quantity_and_a_strange_shipment_are_named(shop: Business) -> None:
    booked = shop.store.rows("SELECT entity_id, order_id FROM sales_shipment ORDER BY entity_id")
    shop.store.sql("DELETE FROM sales_shipment_track WHERE parent_id = ?", booked[0]["entity_id"])
    shop.store.sql("UPDATE sales_shipment_item SET qty = 5 WHERE sku = 'MUG' AND parent_id = ?", booked[1]["entity_id"])
    number = shop.store.buy("eve", {"TEA": 1})
    shop.store.sql("UPDATE sales_shipment_comment SET comment = 'by hand' WHERE parent_id = ?", booked[2]["entity_id"])
    found = shipments(shop)
    kinds = sorted(one.kind for one in found.differences)
    assert kinds == ["extra", "missing", "parcels", "quantity"]
    quantity = next(one for one in found.differences if one.kind == "quantity")
    assert (quantity.store, quantity.erp) == ("MUG 5", "MUG 2")
    assert number not in {one.key for one in found.differences}


def test_what_somebody_changed_in_the_erp_of_an_order_is_named_with_both_values(shop: Business) -> None:
    """Also where the total is what it was: a unit more of one line, at a lower price."""
    number, other = shop.store.buy("gil", {"MUG": 2, "TEA": 1}), shop.store.buy("hal", {"TEA": 2})
    shop.settle()
    shop.clock.skipped += timedelta(seconds=5)
    with shop.installation() as here:
        before = reconcile(here, here.configuration.routes["us"], "orders")
    assert [one for one in before.differences if one.kind == "edited"] == []
    assert before.counts["contents_compared"] >= 2
    (sold,) = shop.in_erp(number)
    rows = shop.erp_rows(
        'SELECT id, foreignamount FROM transactionline WHERE "transaction" = ? AND quantity IS NOT NULL '
        "AND item = (SELECT id FROM item WHERE itemid = 'MUG')",
        sold["id"],
    )
    line = {"line": int(rows[0]["id"]), "quantity": 3, "amount": abs(float(rows[0]["foreignamount"]))}
    erp = shop.hands_in_erp()
    erp.change(f"salesOrder/{sold['id']}", {"item": {"items": [line]}})
    erp.change(f"salesOrder/{sold['id']}", {"shippingAddress": {"addr1": "2 Other Street", "city": "Elsewhere"}})
    erp.change(f"salesOrder/{sold['id']}", {"shippingCost": 1})
    (deposit,) = shop.deposits(number)
    paid = Decimal(deposit["foreigntotal"])
    erp.change(f"customerDeposit/{deposit['id']}", {"payment": 2})
    erp.close()
    calls = len(shop.erp.journal())
    with shop.installation() as here:
        found = reconcile(here, here.configuration.routes["us"], "orders")
    assert len(shop.erp.journal()) - calls <= 15
    edited = {one.words.partition(" was changed")[0]: one for one in found.differences if one.kind == "edited"}
    assert {one.key for one in edited.values()} == {number}
    assert other not in {one.key for one in found.differences}
    assert (edited["quantity of MUG"].store, edited["quantity of MUG"].erp) == ("2", "3")
    assert edited["shipping address, addr1"].erp == "2 Other Street"
    assert edited["shipping address, city"].erp == "Elsewhere"
    assert Decimal(edited["shipping cost"].store) > Decimal(edited["shipping cost"].erp) == 1
    assert (edited["deposit 1"].store, edited["deposit 1"].erp) == (f"{paid.normalize():f}", "2")


def test_an_order_cancelled_on_one_side_only_is_named(shop: Business) -> None:
    number = shop.store.buy("fay", {"TEA": 1})
    shop.settle()
    shop.store.cancel(number)
    shop.clock.skipped += timedelta(seconds=5)
    with shop.installation() as here:
        found = reconcile(here, here.configuration.routes["us"], "orders")
    statuses = [one for one in found.differences if one.kind == "status"]
    assert [(one.key, one.store, one.erp) for one in statuses] == [(number, "cancelled", "open")]


def test_orders_that_the_store_cancelled_are_counted_as_that_and_not_as_adopted(shop: Business) -> None:
    """One before it went, one after: the second carries our key at the ERP as every other does."""
    with shop.installation() as here:
        before = reconcile(here, here.configuration.routes["us"], "orders").counts
    unsent, sent = shop.store.buy("ivy", {"TEA": 1}), shop.store.buy("jon", {"TEA": 1})
    shop.store.cancel(unsent)
    shop.settle()
    shop.store.cancel(sent)
    shop.settle()
    shop.clock.skipped += timedelta(seconds=5)
    with shop.installation() as here:
        found = reconcile(here, here.configuration.routes["us"], "orders")
    assert [one for one in found.differences if one.key in (unsent, sent)] == []
    assert [(one.key, one.state) for one in found.open if one.key in (unsent, sent)] == [(unsent, "left_out")]
    assert found.counts["adopted"] == 0
    assert found.counts["in_erp"] == before["in_erp"] + 1
    assert found.counts["cancelled_in_store"] == before["cancelled_in_store"] + 2
