"""Seeds: the kit's neutral form, Shopware's own words, and what is refused."""

from __future__ import annotations

from decimal import Decimal

import pytest

from erp_sync.sandbox.catalogue import Catalogue, Item
from erp_sync.sandbox.people import person
from erp_sync.sandbox.retailer import COUPONS, WAREHOUSES
from erp_sync.systems.shopware.sandbox.seeding import WrongSeed
from erp_sync_tests.systems.shopware.sandbox.conftest import equals
from erp_sync_tests.systems.shopware.sandbox.shopping import Shopper


def test_what_the_kit_s_generators_make_is_loaded(shop):
    """Articles, their stock over all warehouses, variants below their parents, sets, customers with addresses."""
    common = {"category": "Tools/Fasteners", "manufacturer": "Acme", "tax_class": "none", "weight": Decimal("0.2")}
    items = (
        Item(sku="NUT", name="Nut", price=Decimal("0.45"), cost=Decimal("0.20"), **common),
        Item(sku="BOLT", name="Bolt", price=None, cost=None, kind="configurable", **common),
        Item(
            sku="BOLT-6",
            name="Bolt 6",
            price=Decimal("1.10"),
            cost=None,
            parent_sku="BOLT",
            options={"size": "6"},
            **common,
        ),
        Item(
            sku="BOLT-8",
            name="Bolt 8",
            price=Decimal("1.30"),
            cost=None,
            parent_sku="BOLT",
            options={"size": "8"},
            **common,
        ),
        Item(
            sku="SET", name="Set", price=None, cost=None, kind="bundle", members=(("NUT", 2), ("BOLT-6", 1)), **common
        ),
    )
    stock = {("NUT", "east"): 7, ("NUT", "west"): 5, ("BOLT-6", "east"): 3}
    someone = person(7, True)
    data = Catalogue(items, WAREHOUSES, stock, COUPONS).seed([someone], erp=False)
    assert shop.core.seed(data)["items"] == 5
    assert shop.product("NUT")["stock"] == 12
    found = shop.product("BOLT-6", associations={"options": {}, "parent": {}})
    assert (found["stock"], found["parent"]["productNumber"]) == (3, "BOLT")
    assert [one["name"] for one in found["options"]] == ["6"]
    shopper = Shopper(shop).log_in(someone.email, someone.password)
    assert (shopper.unit("BOLT-8", 1), shopper.unit("SET", 1)) == (Decimal("1.3"), 2)
    (customer,) = shop.search("customer", equals("email", someone.email), associations={"addresses": {}})
    assert customer["addresses"][0]["city"] == someone.place.city


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
