"""Seeds: the kit's neutral form, Shopware's own words, and what is refused."""

from __future__ import annotations

from decimal import Decimal

import pytest

from erp_sync.sandbox.retailer import Retailer
from erp_sync.systems.shopware.sandbox.seeding import WrongSeed
from erp_sync_tests.systems.shopware.sandbox.conftest import equals
from erp_sync_tests.systems.shopware.sandbox.shopping import Shopper


def test_a_retailer_s_day_is_loaded_whole(shop):
    """Every article, its stock over all warehouses, variants below their parents, customers with their addresses."""
    retailer = Retailer()
    catalogue = retailer.catalogue()
    customers = retailer.shopping_day(catalogue).customers[:20]
    data = catalogue.seed(customers, erp=False)
    counts = shop.core.seed(data)
    assert counts["items"] == len(data["items"])
    body = {"limit": 1, "total-count-mode": "exact"}
    assert shop.call("POST", "/api/search/product", body)["total"] == len(data["items"]) + 6
    item = next(one for one in data["items"] if one["parent_sku"])
    wanted = sum(int(one["quantity"]) for one in data["stock"] if one["sku"] == item["sku"])
    found = shop.product(item["sku"], associations={"options": {}, "parent": {}})
    assert (found["stock"], found["parent"]["productNumber"]) == (wanted, item["parent_sku"])
    assert {one["name"] for one in found["options"]} == set(item["options"].values())
    someone = data["customers"][0]
    (customer,) = shop.search("customer", equals("email", someone["email"]), associations={"addresses": {}})
    assert customer["addresses"][0]["city"] == someone["addresses"][0]["city"]
    Shopper(shop).log_in(someone["email"], someone["password"])


def test_the_same_seed_again_changes_nothing(shop):
    data = {"rules": [{"name": "trade", "priority": 1, "conditions": [{"type": "alwaysValid"}]}],
            "prices": [{"sku": "MUG", "rule": "trade", "gross": 9}]}  # fmt: skip
    for _ in range(2):
        shop.core.seed(data)
    assert len(shop.search("product-price")) == 1
    assert len(shop.search("rule-condition")) == 1
    assert Shopper(shop).unit("MUG", 1) == 9


def test_special_prices_are_shown_beside_the_old_ones(shop):
    shop.core.seed({"items": [{"sku": "SALE", "name": "Sale", "price": "10.00", "special_price": "7.50"}]})
    price = Shopper(shop).page("SALE")["calculatedPrice"]
    assert (price["unitPrice"], price["listPrice"]["price"], price["listPrice"]["percentage"]) == (
        Decimal("7.5"),
        10,
        25,
    )


@pytest.mark.parametrize(
    ("data", "what"),
    [
        ({"stock": [{"sku": "NONE", "location": "east", "quantity": 1}]}, "no such product"),
        ({"prices": [{"sku": "MUG", "rule": "none", "gross": 1}]}, "one of them is not there"),
        ({"custom_prices": [{"sku": "MUG", "email": "no@example.com", "tiers": []}]}, "one of them is not there"),
        ({"sales_channels": [{"name": "x", "access_key": "SWSCX", "currency": "XXX"}]}, "no currency of the shop"),
        ({"rules": [{"name": "x", "priority": "high"}]}, "rules: This value should be of type int"),
    ],
)
def test_a_seed_that_refers_to_nothing_loads_nothing(shop, data, what):
    with pytest.raises(WrongSeed, match=what):
        shop.core.seed({"items": [{"sku": "NEW", "name": "New", "price": "1"}], **data})
    assert shop.search("product", equals("productNumber", "NEW")) == []
