"""Backorders and restock dates from NetSuite to Magento, end to end over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from erp_sync_tests.components.two_systems import CATALOGUE, TwoSystems, two_systems

FIELDS = {"custitem_backorders": {"type": "boolean"}, "custitem_restock": {"type": "date"}}
TERMS = {
    "MUG": {"custitem_backorders": "T", "custitem_restock": "2099-03-01"},
    "TEA": {"custitem_backorders": "F", "custitem_restock": "2020-01-01"},
}
WITH_TERMS = CATALOGUE | {
    "custom_fields": FIELDS,
    "items": [{**item, "custom": TERMS.get(item["sku"], {})} for item in CATALOGUE["items"]],
}
SETTINGS = {"backorder_column": "custitem_backorders", "restock_date_column": "custitem_restock"}


@pytest.fixture
def systems(tmp_path: Path) -> Iterator[TwoSystems]:
    with two_systems(
        tmp_path / "world",
        "{inventory: {mode: on, rules: {safety_stock: {default: 0}}}}",
        catalogue=WITH_TERMS,
        erp_settings=SETTINGS,
        store_settings={"backorders": True, "restock_date_attribute": "restock_date"},
    ) as world:
        yield world


def terms(systems: TwoSystems) -> dict[str, tuple[int, str | None]]:
    """Backorders and restock date in the store, by SKU; the store keeps a date as midnight of it."""
    rows = systems.store_rows(
        "SELECT sku, backorders, value FROM catalog_product_entity product JOIN cataloginventory_stock_item stock "
        "ON stock.product_id = product.entity_id LEFT JOIN catalog_product_attribute_value value "
        "ON value.entity_id = product.entity_id AND attribute_code = 'restock_date' ORDER BY sku"
    )
    return {sku: (backorders, date and date.removesuffix(" 00:00:00")) for sku, backorders, date in rows}


def test_flag_and_date_are_written_kept_in_step_and_put_back(systems):
    before = systems.store_quantities()
    ran = systems.run("inventory", full=True)
    assert terms(systems) == {"CUP": (0, None), "MUG": (1, "2099-03-01"), "POT": (0, None), "TEA": (0, None)}
    assert systems.store_quantities() == before, "a product is saved, its quantities stay"
    assert (ran.transformed.changed, ran.loaded.applied) == (1, 1)
    assert systems.run("inventory", full=True).transformed.changed == 0

    # A change of the item alone is found by the poll, though no quantity moved.
    systems.erp_sql(
        "UPDATE item SET custom = ?, lastmodifieddate = strftime('%Y-%m-%dT%H:%M:%SZ', 'now') WHERE itemid = 'CUP'",
        ('{"custitem_backorders": "T", "custitem_restock": "2098-12-24"}',),
    )
    systems.run("inventory")
    assert terms(systems)["CUP"] == (1, "2098-12-24")
    # At zero the store goes on selling, for it may.
    systems.erp_set("CUP", "east", 0)
    systems.erp_set("CUP", "west", 0)
    systems.run("inventory")
    rows = systems.store_rows("SELECT quantity, status FROM inventory_source_item WHERE sku = 'CUP'")
    assert {(float(quantity), status) for quantity, status in rows} == {(0.0, 1)}

    # Somebody edits both in the store.
    systems.store_sql(
        "UPDATE cataloginventory_stock_item SET backorders = 0 WHERE product_id = "
        "(SELECT entity_id FROM catalog_product_entity WHERE sku = 'MUG')"
    )
    systems.store_sql(
        "UPDATE catalog_product_attribute_value SET value = '2030-01-01 00:00:00' WHERE value = '2099-03-01 00:00:00'"
    )
    systems.run("inventory", full=True)
    assert terms(systems)["MUG"] == (1, "2099-03-01")
    (latest, *_) = systems.here.ledger.plans.find(flow="inventory")
    assert systems.here.ledger.plans.table(latest.id).column("reason").to_pylist() == [
        "backorders: False by an edit in magento_us, goes back to True; "
        "restock_date: 2030-01-01 by an edit in magento_us, goes back to 2099-03-01"
    ]
    # The ERP takes both back.
    systems.erp_sql(
        "UPDATE item SET custom = '{}', lastmodifieddate = strftime('%Y-%m-%dT%H:%M:%SZ', 'now') WHERE itemid = 'MUG'"
    )
    systems.run("inventory")
    assert terms(systems)["MUG"] == (0, None)
