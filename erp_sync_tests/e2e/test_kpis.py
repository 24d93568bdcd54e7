"""Key figures of what really went through both systems, against what their databases say."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from erp_sync.ledger import State
from erp_sync.operations.kpis import figures
from erp_sync.sandbox.people import Place
from erp_sync_tests.e2e.business import CATALOGUE, Business, business, hands_in_store, later

FLOWS_ON = ("orders", "order_status", "shipments", "inventory")
FIELD = "custbody_cancel_reason"
OUT_OF_STOCK, CUSTOMER = 2, 5  # entries of the account's list of reasons
REASONS = {str(OUT_OF_STOCK): "Out of stock", str(CUSTOMER): "Customer changed their mind"}
SETTINGS = {"location": "1", "cancel_reason_field": FIELD, "cancel_reasons": REASONS}


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Business]:
    with business(
        tmp_path,
        erp_settings={"us": SETTINGS},
        erp_options={"custom_fields": {FIELD: {"type": "list", "label": "Cancellation reason"}}},
        catalogue=replace(CATALOGUE, stock={**CATALOGUE.stock, ("MUG", "east"): 20, ("TEA", "east"): 20}),
        flows=FLOWS_ON,
        rules={"order_status": {"lack_of_stock": ["out of stock"]}},
    ) as running:
        yield running


def told(shop: Business, kpi: str, flow: str = "") -> dict[str, Any]:
    """Figures of a kind by their label."""
    with shop.installation() as here:
        return {one.label: one.value for one in figures(here) if (one.kpi, one.flow) == (kpi, flow)}


def close_in_erp(shop: Business, number: str, reason: int, sku: str = "") -> None:
    """An ERP user says why, and closes every line of the order, or that of an article: in one save, as the form does
    it."""
    (order,) = shop.in_erp(number)
    lines = shop.erp_rows(
        'SELECT l.id FROM transactionline l JOIN item i ON i.id = l.item WHERE l."transaction" = ? '
        "AND l.mainline = 'F' AND l.taxline = 'F' AND ? IN ('', i.itemid)",
        order["id"],
        sku,
    )
    body = {FIELD: {"id": str(reason)}, "item": {"items": [{"line": one["id"], "isClosed": True} for one in lines]}}
    erp = shop.hands_in_erp()
    try:
        erp.change(f"salesOrder/{order['id']}", body)
    finally:
        erp.close()


def test_what_the_erp_cancels_for_want_of_stock_is_counted_by_the_reason_that_its_field_says(shop: Business):
    numbers = [shop.store.buy(who, lines, payment="checkmo") for who, lines in
               (("ann", {"MUG": 2, "TEA": 3}), ("bea", {"MUG": 4}), ("cid", {"TEA": 1}))]  # fmt: skip
    shop.settle()
    assert told(shop, "cancelled_units") == {"": 0}
    close_in_erp(shop, numbers[0], OUT_OF_STOCK)
    close_in_erp(shop, numbers[1], CUSTOMER)
    shop.settle("order_status")
    assert told(shop, "cancelled_units") == {"": 5}
    (order,) = shop.store.rows("SELECT * FROM sales_order WHERE increment_id = ?", numbers[0])
    assert order["state"] == "canceled"
    assert told(shop, "cancelled_revenue") == {"USD": Decimal(str(order["grand_total"]))}
    (comment,) = shop.store.erp_comments(numbers[0])
    assert "Out of stock" in comment


def test_lines_closed_for_want_of_stock_count_by_their_share_and_once_when_the_order_follows(shop: Business):
    number, other = (shop.store.buy(who, {"MUG": 2, "TEA": 3}, payment="checkmo") for who in ("ann", "bea"))
    shop.settle()
    close_in_erp(shop, number, OUT_OF_STOCK, sku="TEA")
    close_in_erp(shop, other, CUSTOMER, sku="MUG")
    shop.settle("order_status")
    (order,) = shop.store.rows("SELECT * FROM sales_order WHERE increment_id = ?", number)
    (tea,) = shop.store.rows("SELECT * FROM sales_order_item WHERE order_id = ? AND sku = ?", order["entity_id"], "TEA")
    share = sum(Decimal(str(tea[name] or 0)) for name in ("row_total", "tax_amount")) - Decimal(
        str(tea["discount_amount"] or 0)
    )
    assert order["state"] != "canceled"
    assert told(shop, "cancelled_units") == {"": 3}
    assert told(shop, "cancelled_revenue") == {"USD": share}
    comment = shop.store.erp_comments(number)[-1]
    assert "Not to be sent: 3 of TEA. Out of stock" in comment
    shop.settle("order_status")
    assert len([one for one in shop.store.erp_comments(number) if "Out of stock" in one]) == 1

    close_in_erp(shop, number, OUT_OF_STOCK)
    for flow in ("order_status", "orders", "order_status"):
        shop.settle(flow)
    (order,) = shop.store.rows("SELECT * FROM sales_order WHERE increment_id = ?", number)
    assert order["state"] == "canceled"
    assert number in shop.report().orders.cancelled
    assert told(shop, "cancelled_units") == {"": Decimal(str(order["total_qty_ordered"]))}
    assert told(shop, "cancelled_revenue") == {"USD": Decimal(str(order["grand_total"]))}


def ship(shop: Business, number: str) -> None:
    """A warehouse sends everything of the order."""
    (order,) = shop.in_erp(number)
    parcel = {"packageTrackingNumber": f"1Z{number}", "packageWeight": 1, "packageDescr": "UPS parcel"}
    erp = shop.hands_in_erp()
    try:
        erp.create(
            f"salesOrder/{order['id']}/!transform/itemFulfillment",
            {"shipStatus": {"id": "C"}, "package": {"items": [parcel]}},
        )
    finally:
        erp.close()


def invoiced_and_refunded(shop: Business, number: str) -> None:
    """The store takes the money, and gives all of it back before anything has left."""
    entity = shop.store.id_of(number)
    rows = shop.store.rows("SELECT item_id, qty_ordered FROM sales_order_item WHERE order_id = ?", entity)
    items = [{"order_item_id": row["item_id"], "qty": int(float(row["qty_ordered"]))} for row in rows]
    with hands_in_store(shop.store) as admin:
        admin.json("POST", f"/rest/default/V1/order/{entity}/invoice", {"capture": True, "items": items})
        admin.json("POST", f"/rest/default/V1/order/{entity}/refund", {"items": items})


def seconds_to_ship(shop: Business, number: str) -> float:
    """From the order's placement in the store to its fulfillment in the ERP, as their databases say."""
    (order,) = shop.in_erp(number)
    (left,) = shop.erp_rows("SELECT * FROM \"transaction\" WHERE type = 'ItemShip' AND createdfrom = ?", order["id"])
    (placed,) = shop.store.rows("SELECT created_at FROM sales_order WHERE increment_id = ?", number)
    begun = datetime.fromisoformat(placed["created_at"]).replace(tzinfo=UTC)
    return (datetime.fromisoformat(left["createddate"]) - begun).total_seconds()


def test_figures_of_orders_shipments_cancellations_and_refunds_are_what_the_checker_counts(shop: Business):
    """Six orders: two are shipped, one is cancelled by each side, one is refunded, one can never be delivered."""
    ann, bea, cid, dan = (
        shop.store.buy(who, {"MUG": 2, "TEA": 1}, payment="checkmo") for who in ("ann", "bea", "cid", "dan")
    )
    eve = shop.store.buy("eve", {"MUG": 2, "TEA": 1})
    for number, hours in ((ann, 3), (bea, 1)):
        placed = later() - timedelta(hours=hours)
        shop.store.sql(
            "UPDATE sales_order SET created_at = ? WHERE increment_id = ?", f"{placed:%Y-%m-%d %H:%M:%S}", number
        )
    nowhere = shop.store.buy("fay", ship_to=Place("-", "Springfield", "IL", "627O?"))
    shop.settle()
    shop.converge(full=True)
    ship(shop, ann)
    ship(shop, bea)
    shop.store.cancel(cid)
    close_in_erp(shop, dan, OUT_OF_STOCK)
    invoiced_and_refunded(shop, eve)
    for flow in ("orders", "order_status", "shipments", "orders"):
        shop.settle(flow)
    shop.converge(full=True)
    report = shop.report()
    counted = report.figures()
    assert counted["orders_lost"] == counted["orders_duplicated"] == counted["shipments_missing"] == 0
    assert report.orders.differences == []

    # Orders and their later versions: each document that ended is counted once, the one in quarantine as failed.
    ended = len(shop.deliveries("orders", State.DELIVERED))
    assert counted["orders_in_erp"] == 5
    assert ended == 5 + 3, "five orders, and what ended of three of them: by the store, by the ERP, by the refund"
    assert list(report.orders.dead_lettered) == [nowhere]
    assert told(shop, "success_rate", "orders") == {"": pytest.approx(ended / (ended + 1))}
    assert told(shop, "document_error_rate", "orders") == {"malformed_address": pytest.approx(1 / (ended + 1))}
    assert told(shop, "documents_per_hour", "orders") == {"accepted": counted["orders_in_erp"], "finished": ended}

    # Shipments: what the ERP sent is what the store has booked, and every time is of the two orders that left.
    assert counted["shipments_in_store"] == counted["shipments_in_erp"] == 2
    assert told(shop, "documents_per_hour", "shipments") == {"accepted": 2, "finished": 2}
    assert told(shop, "success_rate", "shipments") == {"": 1.0}
    with shop.installation() as here:
        times = {(one.kpi, one.label): one for one in figures(here) if one.kpi.startswith("placed_to")}
    slowest = max(seconds_to_ship(shop, number) for number in (ann, bea))
    assert times["placed_to_shipped", "p99"].of == 2
    assert times["placed_to_shipped", "p99"].value == pytest.approx(slowest, abs=2)

    # What the ERP cancelled for want of stock is that one order, whole, as the store has it.
    (lost,) = shop.store.rows("SELECT * FROM sales_order WHERE increment_id = ?", dan)
    assert set(report.orders.cancelled) == {cid, dan}
    assert told(shop, "cancelled_units") == {"": Decimal(str(lost["total_qty_ordered"]))}
    assert told(shop, "cancelled_revenue") == {"USD": Decimal(str(lost["grand_total"]))}

    # Both systems agree, and nothing waits.
    assert counted["stock_mismatches"] == 0
    assert told(shop, "queue_depth", "orders")["due"] == 0


def test_an_order_costs_the_calls_that_both_systems_journals_hold_at_the_rates_of_the_settings(tmp_path: Path):
    """People's calls, of shoppers and of the warehouse, are nobody's cost; every flow's are."""
    costs = {"store": {"currency": "USD", "per_call": "0.001"},
             "erp": {"currency": "USD", "per_call": "0.02", "per_month": "30"}}  # fmt: skip
    with business(
        tmp_path,
        erp_settings={"us": {**SETTINGS, "cost": costs["erp"]}},
        erp_options={"custom_fields": {FIELD: {"type": "list", "label": "Cancellation reason"}}},
        store_settings={"cost": costs["store"]},
        flows=FLOWS_ON,
    ) as shop:
        numbers = [shop.store.buy(who, {"MUG": 2}, payment="checkmo") for who in ("ann", "bea", "cid")]
        shop.settle()
        shop.converge(full=True)
        ship(shop, numbers[0])
        for flow in ("shipments", "order_status", "orders"):
            shop.settle(flow)  # the last ones find nothing, and ask all the same
        shop.converge()
        made = {name: counted["total"] for name, counted in shop.report().calls.items()}
        orders = len(shop.deliveries("orders", State.DELIVERED))
        assert orders == 3
        assert min(made.values()) > orders, "each system was asked more than once an order"
        assert told(shop, "calls_per_order")[""] == pytest.approx(
            Decimal(sum(made.values())) / orders, abs=Decimal("0.000001")
        )
        a_day = Decimal(30) / 30
        money = made["magento"] * Decimal("0.001") + made["netsuite"] * Decimal("0.02") + a_day
        assert told(shop, "cost_per_order")["USD"] == pytest.approx(money / orders, abs=Decimal("0.000001"))
