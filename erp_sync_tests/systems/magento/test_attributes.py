"""Values that the store would cut, cast or drop without a word are refused before they are sent, each alone."""

from __future__ import annotations

from typing import Any

import pytest

from erp_sync.model.product import Product
from erp_sync.ports.outcomes import Accepted
from erp_sync.systems.magento.mapping.products import url_key
from erp_sync.transport.errors import Rejected
from erp_sync_tests.systems.magento.test_states import product, product_target, sender_with_products

KINDS = {
    "gtin": {"backend_type": "varchar", "frontend_input": "text"},
    "maker": {"backend_type": "int", "frontend_input": "select"},
    "depth": {"backend_type": "decimal", "frontend_input": "text"},
}
SETTINGS = {"product_attributes": {"gtin": "gtin", "manufacturer": "maker", "custom.depth": "depth", "unit": "gone"}}


def submitted(*rows: Product) -> tuple[Any, list[Any]]:
    sender = sender_with_products()
    for code, attribute in KINDS.items():
        sender.answer("GET", f"products/attributes/{code}", {"attribute_code": code, **attribute})
    sender.answer("GET", "products/attributes/gone", lambda call: Rejected(404, "not_found", "No such entity"))
    return sender, product_target(sender, **SETTINGS).submit(list(rows))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"gtin": "4" * 256}, "gtin would be cut: 256 characters, it holds 255"),
        ({"description": "\u00e9" * 40_000}, "description would be cut: 80000 bytes, it holds 65535"),
        ({"manufacturer": "Acme"}, "maker is a list: it takes the id of an option, not 'Acme'"),
        ({"custom": {"depth": "deep"}}, "depth keeps a number, not 'deep'"),
        ({"unit": "kg"}, "the store has no product attribute gone"),
    ],
)
def test_a_value_that_the_store_would_not_keep_is_refused_alone(fields, words):
    sender, (bad, good) = submitted(product("A", **fields), product("B", gtin="4006381333931"))
    assert (bad.code, isinstance(good, Accepted)) == ("attribute_unfit", True)
    assert words in bad.message
    (call,) = sender.made("product.write")
    assert [one["product"]["sku"] for one in call.json] == ["B"]


def test_what_fits_goes_as_it_is_and_each_attribute_is_asked_for_once():
    fields = {"gtin": "4" * 255, "manufacturer": "17", "custom": {"depth": "0.25"}, "description": "x" * 65_535}
    sender, outcomes = submitted(product("A", **fields), product("B", **fields))
    assert all(isinstance(one, Accepted) for one in outcomes)
    assert len(sender.made("product.read_attribute")) == 3


def test_the_key_of_a_new_product_names_its_sku_and_fits():
    assert url_key(product("MUG-1", name="Caf\u00e9 mug, large")) == "cafe-mug-large-mug-1"
    assert url_key(product("MUG-1", name="Mug 1")) == "mug-1"
    long = url_key(product("MUG-1", name="x" * 255))
    assert (len(long), long[-6:]) == (255, "-mug-1")
