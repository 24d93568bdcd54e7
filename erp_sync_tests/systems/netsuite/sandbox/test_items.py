"""Items and their price matrix."""

from __future__ import annotations

from decimal import Decimal

import pytest


def cell(price, level=1, quantity=0, currency=1):
    return {
        "currencyPage": {"id": str(currency)},
        "priceLevel": {"id": str(level)},
        "quantity": {"value": quantity},
        "price": price,
    }


def test_an_item_with_its_prices(account):
    body = {
        "itemId": "CUP",
        "externalId": "i-1",
        "displayName": "Cup",
        "price": {"items": [cell("7.25"), cell("6.5", quantity=10)]},
    }
    item = account.made("inventoryItem", body)
    lines = account.get(f"inventoryItem/{item}/price?expandSubResources=true")["items"]
    assert [(line["quantity"]["value"], line["price"]) for line in lines] == [
        ("0.0", Decimal("7.25")),
        ("10.0", Decimal("6.5")),
    ]
    account.changed(f"inventoryItem/{item}", {"price": {"items": [cell("7.5")]}})
    rows = account.rows(f"SELECT pricelevelname, quantity, price FROM itemprice WHERE item = {item} ORDER BY quantity")
    assert rows == [
        {"pricelevelname": "Base Price", "quantity": "0", "price": "7.5"},
        {"pricelevelname": "Base Price", "quantity": "10", "price": "6.5"},
    ]


def test_a_quantity_break_sets_the_orders_rate(account):
    account.changed(f"inventoryItem/{account.item('TEA')}", {"price": {"items": [cell("2.5", quantity=10)]}})
    order = account.order([("TEA", 9), ("TEA", 10)])
    assert [line["rate"] for line in account.full(f"salesOrder/{order}")["item"]["items"]] == [
        Decimal("3.333"),
        Decimal("2.5"),
    ]


def test_a_sku_is_taken_once(account):
    answer = account.post("nonInventorySaleItem", {"itemId": "MUG"})
    assert (answer.status, answer.error["o:errorPath"]) == (400, "itemId")


def test_stock_is_read_only(account):
    item = account.item("MUG")
    account.changed(f"inventoryItem/{item}", {"quantityOnHand": 99, "displayName": "Big Mug"})
    body = account.get(f"inventoryItem/{item}")
    assert (body["quantityOnHand"], body["displayName"]) == (7, "Big Mug")


def test_each_kind_has_its_own_address(account):
    assert account.get(f"nonInventorySaleItem/{account.item('EBOOK')}")["itemId"] == "EBOOK"
    assert account.call("GET", f"/services/rest/record/v1/inventoryItem/{account.item('EBOOK')}").status == 404


def test_members_of_a_kit(account):
    members = {"items": [{"item": {"id": account.item("MUG")}, "quantity": 2}]}
    kit = account.made("kitItem", {"itemId": "PAIR", "member": members, "price": {"items": [cell(20)]}})
    (member,) = account.full(f"kitItem/{kit}")["member"]["items"]
    assert (member["item"]["refName"], member["quantity"]) == ("MUG", 2)


@pytest.mark.parametrize(
    "wrong", [{"price": -1}, {"priceLevel": {"id": "99"}}, {"currencyPage": {"id": "99"}}], ids=str
)
def test_a_wrong_price_is_named(account, wrong):
    answer = account.post("inventoryItem", {"itemId": "X", "price": {"items": [{**cell(1), **wrong}]}})
    assert answer.status == 400
    assert answer.error["o:errorPath"].startswith("price.items[0].")
