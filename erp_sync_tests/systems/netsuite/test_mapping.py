"""The mapping declarations against NetSuite's published names."""

from __future__ import annotations

import pytest

from erp_sync.ports.mapping import Direction
from erp_sync.ports.mapping_overlay import names
from erp_sync.systems.netsuite.connector import mappings
from erp_sync.systems.netsuite.mapping.identity import external_id, order_of
from erp_sync.systems.netsuite.mapping.shipment import SHIPMENT
from erp_sync_tests.systems.netsuite.conftest import connection

# Fields of the REST API Browser 2026.1 that the mappings write, by record. A field that is not here is a
# field that NetSuite drops (or refuses, with our header).
PUBLISHED = {
    "customer": "externalId isPerson companyName firstName lastName email phone vatRegNumber subsidiary currency "
    "priceLevel addressBook",
    "sales_order": "externalId entity tranDate otherRefNum subsidiary currency exchangeRate location department class "
    "orderStatus memo couponCode email billingAddress shippingAddress shipMethod shippingCost item taxDetailsOverride "
    "taxDetails",
    "customer_deposit": "externalId customer salesOrder payment paymentOption tranDate currency exchangeRate account "
    "memo",
}
LINES = {
    "sales_order.item": "item quantity price rate amount description location taxDetailsReference",
    "sales_order.taxDetails": "taxDetailsReference taxCode taxType taxBasis taxRate taxAmount netAmount calcDetail "
    "lineName lineType",
    "customer.addressBook": "label defaultBilling defaultShipping addressBookAddress",
    "address": "addressee attention addr1 addr2 addr3 city state zip country addrPhone",
}


@pytest.mark.parametrize("name", list(PUBLISHED))
def test_only_published_fields_are_written(name):
    top = {path.split(".")[0] for path in mappings(connection())[name].target_paths()}
    assert top == set(PUBLISHED[name].split())


@pytest.mark.parametrize("name", list(LINES))
def test_only_published_line_fields_are_written(name):
    rows = [row for one in mappings(connection()).values() for row in one.rows() if row.mapping == name]
    assert {row.target.rpartition(".")[2] for row in rows} == set(LINES[name].split())


def test_every_row_of_the_document_says_where_a_value_comes_from():
    for mapping in mappings(connection()).values():
        for row in mapping.rows():
            assert row.target
            assert row.rule
            assert row.source or row.rule != "copy", row


def test_every_mapping_has_one_direction_and_takes_overlays():
    own = mappings(connection())
    assert {name for name, one in own.items() if one.direction is Direction.TO_VENDOR} == set(PUBLISHED)
    for top in list(own):
        for name in names(own[top]):
            overlay = {name: {"add": [{"target": "custom_field", "constant": "x"}]}}
            if own[top].direction is Direction.TO_VENDOR:
                changed = mappings(connection(mapping=overlay))[top]
                assert changed.version != own[top].version


@pytest.mark.parametrize(
    ("parts", "key"),
    [
        (("magento_us", "10045"), "magento_us_10045"),
        (("magento_us", "1-000045"), "magento_us_1-000045"),
    ],
)
def test_an_external_id_is_readable_where_it_can_be(parts, key):
    assert external_id(*parts) == key
    assert order_of(key, [parts[0]]) == (parts[0], parts[1])


def test_two_keys_never_become_one():
    keys = {external_id("shop", one) for one in ("a b", "a|b", "a/b", "a-b", "x" * 200, "x" * 201)}
    assert len(keys) == 6
    assert all(len(key) <= 100 and "|" not in key and " " not in key for key in keys)


@pytest.mark.parametrize(
    ("key", "found"),
    [
        ("shop_7", ("shop", "7")),
        ("shop_eu_7", ("shop_eu", "7")),
        ("shop_eu_de_7", ("shop_eu_de", "7")),
        ("WEB_7", ("", "")),
        ("7", ("", "")),
        ("shopping_7", ("", "")),
    ],
)
def test_an_order_belongs_to_the_store_whose_name_its_key_begins_with(key, found):
    assert order_of(key, ["shop", "shop_eu", "shop_eu_de"]) == found
    assert order_of(key, []) == ("", "")


def test_item_names_that_came_with_a_shipment_are_read_and_no_fields_that_were_dropped():
    """They are keyed by the item's id: every article of the catalogue would be listed as a field."""
    assert SHIPMENT.unread({"skus": {"2015": "MUG", "4730": "TEA"}, "record": {"mood": "fine"}}) == ["record.mood"]
