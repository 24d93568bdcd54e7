"""Special prices are three attributes: what is not named stays, and nobody looks whether they make sense together."""

from __future__ import annotations

from decimal import Decimal

import pytest

from erp_sync_tests.systems.magento.sandbox.test_catalogue import ALL
from erp_sync_tests.systems.magento.sandbox.test_product_saving import custom

EARLY, LATE = "2026-11-01 00:00:00", "2026-12-01 00:00:00"


def push(shop, **row):
    return shop.call(
        "POST", "/V1/products/special-price", {"prices": [{"sku": "MUG", "store_id": 0, "price": 9, **row}]}
    )


def there(shop):
    (row,) = shop.call("POST", "/V1/products/special-price-information", {"skus": ["MUG"]})
    return row["price"], row.get("price_from"), row.get("price_to")


def test_a_date_that_is_not_named_stays_as_it_was(shop):
    assert push(shop, price_from=EARLY, price_to=LATE) == []
    assert push(shop, price=8) == []
    assert there(shop) == (8, EARLY, LATE)


def test_one_without_dates_is_in_force_at_once_and_for_ever(shop):
    assert push(shop) == []
    assert there(shop) == (9, None, None)
    assert shop.order(shop.item("MUG"))["items"][0]["price"] == 9


@pytest.mark.parametrize("way", ["service", "product"])
def test_one_that_ends_before_it_begins_is_kept_and_never_in_force(shop, way):
    if way == "service":
        assert push(shop, price_from=LATE, price_to=EARLY) == []
    else:
        values = {"special_price": "9", "special_from_date": LATE, "special_to_date": EARLY}
        attributes = [{"attribute_code": code, "value": value} for code, value in values.items()]
        shop.call("PUT", "/V1/products/MUG", {"product": {"custom_attributes": attributes}}, **ALL)
    assert there(shop) == (9, LATE, EARLY)
    assert shop.order(shop.item("MUG"))["items"][0]["price"] == Decimal("29.95")


def test_commerce_refuses_it(commerce):
    (failure,) = push(commerce, price_from=LATE, price_to=EARLY)
    assert "end time" in failure["message"]


def test_a_product_saved_with_a_price_and_no_start_gets_today_and_keeps_its_end(shop):
    push(shop, price_from=EARLY, price_to=LATE)
    shop.call("PUT", "/V1/products/MUG", {"product": custom("special_price", "7")}, **ALL)
    assert there(shop) == (7, EARLY, LATE)
    shop.call("PUT", "/V1/products/TEA", {"product": custom("special_price", "2")}, **ALL)
    (row,) = shop.call("POST", "/V1/products/special-price-information", {"skus": ["TEA"]})
    assert (row["price"], row["price_from"]) == (2, "2026-11-02 00:00:00")


def test_a_word_for_a_price_is_nothing_to_pay(shop):
    shop.call("PUT", "/V1/products/MUG", {"product": custom("special_price", "cheap")}, **ALL)
    assert shop.order(shop.item("MUG"))["items"][0]["price"] == 0
    answer = shop.refused("PUT", "/V1/products/MUG", {"product": custom("special_price", "-1")}, **ALL)
    assert answer.message == "Please enter a number 0 or greater in this field."
