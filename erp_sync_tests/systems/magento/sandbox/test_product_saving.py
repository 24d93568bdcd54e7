"""What a product is after it was saved: values are cut and cast without an error, as MySQL without strict mode does."""

from __future__ import annotations

from decimal import Decimal

import pytest

from erp_sync_tests.systems.magento.sandbox.test_catalogue import ALL, attribute, new


def save(shop, sku="CUP", **fields):
    return shop.call("POST", "/V1/products", new(sku, **fields), **ALL)


def custom(code, value):
    return {"custom_attributes": [{"attribute_code": code, "value": value}]}


@pytest.mark.parametrize(("length", "kept"), [(255, 255), (300, 255)])
def test_a_name_that_is_too_long_is_cut(shop, length, kept):
    assert save(shop, name="x" * length)["name"] == "x" * kept
    assert shop.call("PUT", "/V1/products/MUG", {"product": {"name": "y" * length}}, **ALL)["name"] == "y" * kept


@pytest.mark.parametrize(
    ("code", "value", "kept"),
    [
        ("meta_title", "x" * 300, "x" * 255),
        ("description", "x" * 70_000, "x" * 65_535),
        ("description", "\u00e9" * 40_000, "\u00e9" * 32_767),
        ("manufacturer", "Acme", "0"),
        ("manufacturer", "12 of them", "12"),
        ("manufacturer", "99999999999", "2147483647"),
        ("restock_date", "2026-12-01", "2026-12-01 00:00:00"),
    ],
)
def test_a_value_becomes_what_its_column_can_hold(shop, code, value, kept):
    assert attribute(save(shop, **custom(code, value)), code) == kept


def test_an_attribute_that_there_is_not_is_dropped_and_nobody_is_told(shop):
    assert attribute(save(shop, **custom("nonsense", "1")), "nonsense") is None


def test_a_date_that_is_none_is_refused(shop):
    answer = shop.refused("POST", "/V1/products", new(**custom("restock_date", "soon")), **ALL)
    assert (answer.status, answer.message) == (400, "Invalid date")


def test_a_price_beyond_its_column_is_clipped_and_one_below_zero_refused(shop):
    assert save(shop, price=Decimal(10) ** 20)["price"] == 10**14  # a float, so rounded
    answer = shop.refused("POST", "/V1/products", new("OTHER", price=-1), **ALL)
    assert (answer.status, answer.message) == (400, "Please enter a number 0 or greater in this field.")


def test_a_product_without_an_attribute_set_is_in_none(shop):
    body = new()
    del body["product"]["attribute_set_id"]
    assert shop.call("POST", "/V1/products", body, **ALL)["attribute_set_id"] == 0
    assert shop.call("PUT", "/V1/products/MUG", {"product": {"name": "Mug"}}, **ALL)["attribute_set_id"] == 4
