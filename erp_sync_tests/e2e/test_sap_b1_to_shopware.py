"""What SAP Business One knows is in the Shopware shop: stock, articles, states of orders, parcels."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from erp_sync_tests.e2e.parts_dealer import ROUTE, Dealer, User, parts_dealer


@pytest.fixture
def dealer(tmp_path: Path) -> Iterator[Dealer]:
    with parts_dealer(tmp_path) as running:
        yield running


def booked(dealer: Dealer, lines: dict[str, int]) -> str:
    """An order that is in the ERP."""
    number = dealer.buy(lines)
    dealer.run()
    assert dealer.states() == {number: ("delivered", "")}
    return number


def told(dealer: Dealer, flow: str) -> None:
    dealer.books.settle(flow, ROUTE)


def stock(dealer: Dealer, sku: str) -> int:
    return int(dealer.look("product", productNumber=sku)["stock"])


def test_a_count_in_the_warehouse_is_what_the_shop_sells(dealer: Dealer):
    dealer.books.converge(ROUTE, full=True)
    with User(dealer.erp) as user:
        line = {"ItemCode": "SHAFT-20", "Quantity": 120, "WarehouseCode": "01"}
        user.call("POST", "InventoryGenExits", {"DocumentLines": [line]})
    dealer.books.converge(ROUTE)
    assert [stock(dealer, sku) for sku in ("SHAFT-20", "BEARING-6204")] == [380, 500]


def test_an_order_lowers_stock_once_on_its_way_through_both(dealer: Dealer):
    """The shop takes it off when it is placed, the ERP when it is booked: the shop's stock is the same throughout."""
    dealer.books.converge(ROUTE, full=True)
    number = dealer.buy({"SHAFT-20": 7})
    assert stock(dealer, "SHAFT-20") == 493
    dealer.run()
    dealer.books.converge(ROUTE)
    assert stock(dealer, "SHAFT-20") == 493
    dealer.deliver(number, {0: 7})
    dealer.books.converge(ROUTE)
    dealer.books.converge(ROUTE, full=True)
    assert stock(dealer, "SHAFT-20") == 493


def test_an_article_that_was_renamed_in_the_erp_has_its_name_in_the_shop(dealer: Dealer):
    dealer.books.converge(ROUTE, flow="products", full=True)
    with User(dealer.erp) as user:
        user.call("PATCH", "Items('SHAFT-20')", {"ItemName": "Hardened shaft, 20 mm"})
    dealer.books.converge(ROUTE, flow="products")
    assert dealer.look("product", productNumber="SHAFT-20")["name"] == "Hardened shaft, 20 mm"


def test_the_shop_says_of_an_order_what_the_erp_does(dealer: Dealer):
    number = booked(dealer, {"SHAFT-20": 2})
    told(dealer, "order_status")
    order = dealer.look("order", orderNumber=number)
    assert order["stateMachineState"]["technicalName"] == "in_progress"
    (in_erp,) = dealer.in_erp(number)
    assert order["customFields"]["erp_sync_order_number"] == str(in_erp["DocNum"])


def test_a_parcel_is_on_the_order_with_its_tracking_number(dealer: Dealer):
    number = booked(dealer, {"SHAFT-20": 2, "GREASE-400": 1})
    dealer.deliver(number, {0: 2}, tracking="00340434161094021501")
    told(dealer, "shipments")
    (delivery,) = dealer.look("order", orderNumber=number)["deliveries"]
    assert delivery["stateMachineState"]["technicalName"] == "shipped_partially"
    assert delivery["trackingCodes"] == ["00340434161094021501"]
    dealer.deliver(number, {1: 1}, tracking="00340434161094021502")
    told(dealer, "shipments")
    (delivery,) = dealer.look("order", orderNumber=number)["deliveries"]
    assert delivery["stateMachineState"]["technicalName"] == "shipped"
    assert delivery["trackingCodes"] == ["00340434161094021501", "00340434161094021502"]


def test_what_was_shipped_whole_is_completed(dealer: Dealer):
    number = booked(dealer, {"SHAFT-20": 2})
    dealer.deliver(number, {0: 2}, tracking="1Z1")
    told(dealer, "shipments")
    told(dealer, "order_status")
    assert dealer.look("order", orderNumber=number)["stateMachineState"]["technicalName"] == "completed"
