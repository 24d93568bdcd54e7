"""Bills of materials of type Sales: the parent is sold, its components leave the stock."""

from __future__ import annotations

import pytest

from erp_sync_tests.systems.sap_b1.sandbox.test_deliveries import body, copied


@pytest.fixture
def kits(company):
    """A KIT of 2 BOLT and 4 NUT at 30."""
    parts = [{"sku": "BOLT", "quantity": 2}, {"sku": "NUT", "quantity": 4}]
    company.core.seed({"items": [{"sku": "KIT", "price": "30", "kind": "bundle", "components": parts}]})
    return company


def rows_of(company, path="Orders(1)"):
    return [
        (line["LineNum"], line["ItemCode"], line["Quantity"], line["LineTotal"], line.get("ParentLineNum"))
        for line in company.get(path)["DocumentLines"]
    ]


def test_a_sales_tree_brings_its_components(kits):
    assert kits.get("Items('KIT')")["TreeType"] == "iSalesTree"
    lines = kits.get("ProductTrees('KIT')")["ProductTreeLines"]
    assert [(line["ItemCode"], line["Quantity"]) for line in lines] == [("BOLT", 2), ("NUT", 4)]
    made = kits.order({"ItemCode": "KIT", "Quantity": 3}, {"ItemCode": "NUT", "Quantity": 1, "UnitPrice": 5})
    assert rows_of(kits) == [
        (0, "KIT", 3, 90, None), (2, "BOLT", 6, 0, 0), (3, "NUT", 12, 0, 0), (1, "NUT", 1, 5, None),
    ]  # fmt: skip
    assert made["DocTotal"] == 95
    assert (kits.stock("BOLT"), kits.stock("NUT"), kits.stock("KIT")) == ((50, 6), (1000, 13), (0, 0))


def test_components_follow_the_quantity_of_their_parent(kits):
    kits.order({"ItemCode": "KIT", "Quantity": 3})
    kits.changed("Orders(1)", {"DocumentLines": [{"LineNum": 0, "Quantity": 1}]})
    assert rows_of(kits) == [(0, "KIT", 1, 30, None), (1, "BOLT", 2, 0, 0), (2, "NUT", 4, 0, 0)]
    assert kits.stock("NUT") == (1000, 4)
    kits.changed("Orders(1)", {"DocumentLines": [{"ItemCode": "NUT", "Quantity": 1, "UnitPrice": 5}]})
    assert rows_of(kits)[-1] == (3, "NUT", 1, 5, None)


def test_a_kit_is_delivered_by_its_rows(kits):
    kits.order({"ItemCode": "KIT", "Quantity": 3})
    kits.made("DeliveryNotes", body(copied(1), copied(2, 1), copied(4, 2)))
    assert rows_of(kits, "DeliveryNotes(1)") == [
        (0, "KIT", 1, 30, None), (1, "BOLT", 2, 0, None), (2, "NUT", 4, 0, None),
    ]  # fmt: skip
    assert (kits.stock("BOLT"), kits.stock("NUT")) == ((48, 4), (996, 8))
    kits.made("DeliveryNotes", body(copied(2), copied(4, 1), copied(8, 2)))
    assert kits.get("Orders(1)")["DocumentStatus"] == "bost_Close"
    assert (kits.stock("BOLT"), kits.stock("NUT")) == ((44, 0), (988, 0))


def test_a_tree_needs_items_that_there_are(kits):
    tree = {"TreeCode": "NUT", "ProductTreeLines": [{"ItemCode": "NOTHING"}]}
    assert kits.call("POST", "ProductTrees", tree).code == "-2028"
    assert kits.call("POST", "ProductTrees", {**tree, "ProductTreeLines": []}).code == "-10"
