"""Parts of orders that the store cancels after they went, over HTTP: exactly these are closed in the ERP, and nothing
of what has left; stock is right within one cycle; whatever happens at the same moment settles right."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from erp_sync.demo.judging import ALREADY_SHIPPED
from erp_sync.ledger import State
from erp_sync.operations.reconcile import reconcile
from erp_sync.sandbox.caller import Refused
from erp_sync.systems.netsuite.client import NetSuiteClient
from erp_sync_tests.e2e.business import CATALOGUE, Business, business, hands_in_store

FLOWS_ON = ("orders", "order_status", "shipments", "inventory")
OPENING = {("MUG", "east"): 20, ("TEA", "east"): 20}
SHIPPED = {"shipStatus": {"id": "C"}}


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Business]:
    catalogue = replace(CATALOGUE, stock={**CATALOGUE.stock, **OPENING})
    with business(tmp_path, erp_settings={"us": {"location": "1"}}, catalogue=catalogue, flows=FLOWS_ON) as running:
        yield running


def sold(shop: Business, lines: dict[str, int]) -> str:
    """An order that is in the ERP, its number."""
    number = shop.store.buy("ann", lines, payment="checkmo")
    shop.settle()
    assert len(shop.in_erp(number)) == 1
    return number


def leave(shop: Business, number: str, units: dict[str, int], status: str = "C") -> None:
    """A warehouse takes these units of the order, and no others."""
    (order,) = shop.in_erp(number)
    items = [
        {"orderLine": line["id"], "itemReceive": line["sku"] in units}
        | ({"quantity": units[line["sku"]]} if line["sku"] in units else {})
        for line in lines(shop, number).values()
        if line["isclosed"] == "F"
    ]
    parcel = {"packageTrackingNumber": f"1Z{'-'.join(units)}", "packageWeight": 1, "packageDescr": "UPS parcel"}
    body = {"shipStatus": {"id": status}, "item": {"items": items}, "package": {"items": [parcel]}}
    erp = shop.hands_in_erp()
    try:
        erp.create(f"salesOrder/{order['id']}/!transform/itemFulfillment", body)
    finally:
        erp.close()


def lines(shop: Business, number: str) -> dict[str, dict[str, Any]]:
    (order,) = shop.in_erp(number)
    rows = shop.erp_rows(
        "SELECT line.*, item.itemid AS sku FROM transactionline AS line JOIN item ON item.id = line.item "
        "WHERE line.\"transaction\" = ? AND line.mainline = 'F' AND line.taxline = 'F' ORDER BY line.id",
        order["id"],
    )
    return {row["sku"]: row for row in rows}


def standing(shop: Business, number: str) -> dict[str, tuple[int, int, bool]]:
    """By SKU: units ordered, units shipped, closed."""
    return {
        sku: (-int(Decimal(row["quantity"])), int(Decimal(row["quantityshiprecv"])), row["isclosed"] == "T")
        for sku, row in lines(shop, number).items()
    }


def status(shop: Business, number: str) -> str:
    (order,) = shop.in_erp(number)
    return str(order["status"])


def invoice(shop: Business, number: str, units: dict[str, int]) -> None:
    entity = shop.store.id_of(number)
    rows = shop.store.rows("SELECT item_id, sku FROM sales_order_item WHERE order_id = ?", entity)
    items = [{"order_item_id": row["item_id"], "qty": units[row["sku"]]} for row in rows if row["sku"] in units]
    with hands_in_store(shop.store) as admin:
        admin.json("POST", f"/rest/default/V1/order/{entity}/invoice", {"capture": True, "items": items})


def refund(shop: Business, number: str, units: dict[str, int], **arguments: int) -> None:
    entity = shop.store.id_of(number)
    rows = shop.store.rows("SELECT item_id, sku FROM sales_order_item WHERE order_id = ?", entity)
    items = [{"order_item_id": row["item_id"], "qty": units[row["sku"]]} for row in rows if row["sku"] in units]
    with hands_in_store(shop.store) as admin:
        admin.json("POST", f"/rest/default/V1/order/{entity}/refund", {"items": items, "arguments": arguments})


def cycle(shop: Business) -> None:
    """One run of every flow."""
    for flow in ("orders", "order_status", "shipments"):
        shop.settle(flow)
    shop.converge()


def agree(shop: Business, cases: int = 0) -> None:
    """The checker, the ledger and the comparison of both systems find nothing but so many cases for a person."""
    report = shop.report()
    figures = report.figures()
    assert figures["orders_cancelled_open_in_erp"] == 0, report.details()
    assert report.orders.differences == []
    assert report.orders.whole_though_less_is_left == []
    assert figures["stock_mismatches"] == 0, report.details()["stock_mismatches"]
    dead = [(one.flow, one.code, one.reason) for flow in FLOWS_ON[:3] for one in shop.deliveries(flow, State.DEAD)]
    assert len(dead) == cases, dead
    assert shop.deliveries("orders", State.HELD) == []
    with shop.installation() as here:
        found = reconcile(here, here.configuration.routes["us"], "orders")
    assert found.differences == []


def test_what_has_not_left_is_closed_and_what_has_left_stays_and_can_be_billed(shop: Business):
    """The store cancels the rest of an order of which one line was shipped on both sides."""
    number = sold(shop, {"MUG": 2, "TEA": 3})
    shop.converge(full=True)
    leave(shop, number, {"MUG": 2})
    cycle(shop)
    shop.store.cancel(number)
    (row,) = shop.store.rows("SELECT state FROM sales_order WHERE increment_id = ?", number)
    assert row["state"] == "canceled"
    cycle(shop)
    assert standing(shop, number) == {"MUG": (2, 2, False), "TEA": (3, 0, True)}
    assert status(shop, number) == "F"
    with pytest.raises(Refused):
        leave(shop, number, {"TEA": 1})
    erp = shop.hands_in_erp()
    erp.create(f"salesOrder/{shop.in_erp(number)[0]['id']}/!transform/invoice", {})
    erp.close()
    assert status(shop, number) == "G"
    cycle(shop)
    agree(shop)
    writes = len(shop.erp.journal(endpoint="salesOrder.update"))
    cycle(shop)
    assert len(shop.erp.journal(endpoint="salesOrder.update")) == writes


def test_a_line_that_left_in_part_is_cut_to_what_has_left(shop: Business):
    """Closed, it could not be billed any more for what has left of it."""
    number = sold(shop, {"MUG": 5, "TEA": 1})
    shop.converge(full=True)
    leave(shop, number, {"MUG": 2})
    cycle(shop)
    shop.store.cancel(number)
    cycle(shop)
    assert standing(shop, number) == {"MUG": (2, 2, False), "TEA": (1, 0, True)}
    assert status(shop, number) == "F"
    agree(shop)


def test_a_part_that_is_still_to_leave_stays_open(shop: Business):
    """Three of five are invoiced, the store cancels the others; the three are shipped afterwards."""
    number = sold(shop, {"MUG": 5, "TEA": 1})
    shop.converge(full=True)
    invoice(shop, number, {"MUG": 3})
    shop.store.cancel(number)
    (row,) = shop.store.rows("SELECT state FROM sales_order WHERE increment_id = ?", number)
    assert row["state"] == "processing"
    cycle(shop)
    assert standing(shop, number) == {"MUG": (3, 0, False), "TEA": (1, 0, True)}
    assert status(shop, number) == "B"
    agree(shop)
    leave(shop, number, {"MUG": 3})
    cycle(shop)
    assert (status(shop, number), standing(shop, number)["MUG"]) == ("F", (3, 3, False))
    booked = shop.store.rows("SELECT qty FROM sales_shipment_item")
    assert [int(float(one["qty"])) for one in booked] == [3]
    agree(shop)


def test_what_was_refunded_before_it_left_is_closed_too(shop: Business):
    """A paid order is not cancelled in the store but refunded: first a part, then the rest."""
    number = sold(shop, {"MUG": 5, "TEA": 1})
    shop.converge(full=True)
    invoice(shop, number, {"MUG": 5, "TEA": 1})
    cycle(shop)
    refund(shop, number, {"MUG": 2}, shipping_amount=0)
    cycle(shop)
    assert standing(shop, number) == {"MUG": (3, 0, False), "TEA": (1, 0, False)}
    agree(shop)
    refund(shop, number, {"MUG": 3, "TEA": 1})
    (row,) = shop.store.rows("SELECT state FROM sales_order WHERE increment_id = ?", number)
    assert row["state"] == "closed"
    cycle(shop)
    assert all(closed for _, _, closed in standing(shop, number).values())
    assert status(shop, number) == "H"
    agree(shop)


def test_stock_that_a_cancelled_part_frees_goes_to_who_waits_for_it_within_one_cycle(shop: Business):
    number = sold(shop, {"MUG": 2, "TEA": 18})
    erp = shop.hands_in_erp()
    customer, tea = (shop.erp_rows(f"SELECT id FROM {table} LIMIT 1")[0]["id"] for table in
                     ("customer", "item WHERE itemid = 'TEA'"))  # fmt: skip
    erp.create(
        "salesOrder",
        {
            "externalId": "by-phone",
            "entity": {"id": str(customer)},
            "orderStatus": {"id": "B"},
            "location": {"id": "1"},
            "item": {"items": [{"item": {"id": str(tea)}, "quantity": 12, "location": {"id": "1"}}]},
        },
    )
    erp.close()
    leave(shop, number, {"MUG": 2})
    for flow in ("orders", "order_status", "shipments"):
        shop.settle(flow)
    shop.converge(full=True)
    assert offered(shop, "TEA") == 18, "the order by phone has but two of them"
    shop.store.cancel(number)
    cycle(shop)
    assert offered(shop, "TEA") == 8, "twenty on hand, and twelve are the other order's now"
    agree(shop)


def offered(shop: Business, sku: str) -> int:
    rows = shop.store.rows("SELECT quantity FROM inventory_source_item WHERE sku = ? AND source_code = 'east'", sku)
    return int(float(rows[0]["quantity"]))


@pytest.mark.parametrize("taken", [{"MUG": 2}, {"MUG": 1}, {"TEA": 3}], ids=["a line", "a part", "another line"])
def test_what_leaves_between_our_look_and_our_write_stays_and_a_person_is_told(
    shop: Business, monkeypatch: pytest.MonkeyPatch, taken: dict[str, int]
):
    number = sold(shop, {"MUG": 2, "TEA": 3})
    shop.converge(full=True)
    leave(shop, number, {"TEA": 1})
    shop.settle("shipments")
    shop.store.cancel(number)
    real, left = NetSuiteClient.update, []

    def late(self: NetSuiteClient, *arguments: Any, **named: Any) -> None:
        if named["operation"] == "sales_order.close" and not left:
            left.append(taken)
            leave(shop, number, {sku: units - (sku == "TEA") for sku, units in taken.items()})
        real(self, *arguments, **named)

    monkeypatch.setattr(NetSuiteClient, "update", late)
    shop.settle()
    assert left
    units = {"TEA": 1} | taken
    assert standing(shop, number) == {
        sku: (units[sku], units[sku], False) if sku in units else (2, 0, True) for sku in ("MUG", "TEA")
    }
    assert status(shop, number) == "F", "what has left can be billed"
    (case,) = shop.deliveries("orders", State.DEAD)
    assert case.code == ALREADY_SHIPPED
    assert "What was open is closed" in case.reason
    assert shop.report().orders.cancelled_after_shipping == [number]
    assert shop.report().orders.cancelled_open_in_erp == []


@pytest.mark.parametrize("packed", ["A", "B"], ids=["picked", "packed"])
def test_of_a_parcel_that_is_being_packed_a_person_is_told_before_it_leaves(shop: Business, packed: str):
    number = sold(shop, {"MUG": 2, "TEA": 3})
    leave(shop, number, {"MUG": 2}, packed)
    shop.store.cancel(number)
    shop.settle()
    assert standing(shop, number) == {"MUG": (2, 0, True), "TEA": (3, 0, True)}, "nothing more can be picked"
    (case,) = shop.deliveries("orders", State.DEAD)
    assert case.code == ALREADY_SHIPPED
    assert "1 of 2 lines" in case.reason
    assert "picked, shipped or billed" in case.reason
    agreed = shop.report().orders
    assert (agreed.cancelled_after_shipping, agreed.false_claims) == ([number], {})
    erp = shop.hands_in_erp()
    try:
        (parcel,) = shop.erp_rows("SELECT id FROM \"transaction\" WHERE type = 'ItemShip'")
        erp.change(f"itemFulfillment/{parcel['id']}", SHIPPED)
    finally:
        erp.close()
    shop.settle()
    agreed = shop.report().orders
    assert (agreed.cancelled_after_shipping, agreed.cancelled_open_in_erp) == ([number], [])


def test_a_write_whose_answer_is_lost_closes_once(shop: Business):
    number = sold(shop, {"MUG": 2, "TEA": 3})
    shop.converge(full=True)
    leave(shop, number, {"MUG": 2})
    cycle(shop)
    shop.store.cancel(number)
    shop.erp.fault("timeout_after_commit", "salesOrder.update", times=1)
    cycle(shop)
    shop.erp.clear_faults()
    assert standing(shop, number) == {"MUG": (2, 2, False), "TEA": (3, 0, True)}
    agree(shop)


def test_a_bundle_of_which_a_part_is_cancelled_loses_its_components(shop: Business):
    number = sold(shop, {"SET": 3, "CUP": 1})
    shop.converge(full=True)
    assert standing(shop, number) == {"MUG": (3, 0, False), "TEA": (6, 0, False), "CUP": (1, 0, False)}
    leave(shop, number, {"MUG": 1, "TEA": 2})
    cycle(shop)
    shop.store.cancel(number)
    cycle(shop)
    assert standing(shop, number) == {"MUG": (1, 1, False), "TEA": (2, 2, False), "CUP": (1, 0, True)}
    agree(shop)
