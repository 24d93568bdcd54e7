"""Key figures of what really went through both systems, against what their databases say."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from erp_sync.operations.kpis import figures
from erp_sync_tests.e2e.business import CATALOGUE, Business, business

FLOWS_ON = ("orders", "order_status", "shipments", "inventory")
FIELD = "custbody_cancel_reason"
OUT_OF_STOCK, CUSTOMER = 2, 5  # entries of the account's list of reasons
REASONS = {str(OUT_OF_STOCK): "Out of stock", str(CUSTOMER): "Customer changed their mind"}
SETTINGS = {"location": "1", "cancel_reason_field": FIELD, "cancel_reasons": REASONS}


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Business]:
    with business(
        tmp_path,
        erp_settings={"us": SETTINGS},
        erp_options={"custom_fields": {FIELD: {"type": "list", "label": "Cancellation reason"}}},
        catalogue=replace(CATALOGUE, stock={**CATALOGUE.stock, ("MUG", "east"): 20, ("TEA", "east"): 20}),
        flows=FLOWS_ON,
        rules={"order_status": {"lack_of_stock": ["out of stock"]}},
    ) as running:
        yield running


def told(shop: Business, kpi: str, flow: str = "") -> dict[str, Any]:
    """Figures of a kind by their label."""
    with shop.installation() as here:
        return {one.label: one.value for one in figures(here) if (one.kpi, one.flow) == (kpi, flow)}


def close_in_erp(shop: Business, number: str, reason: int) -> None:
    """An ERP user says why, and closes every line of the order: in one save, as the form does it."""
    (order,) = shop.in_erp(number)
    lines = shop.erp_rows(
        "SELECT id FROM transactionline WHERE \"transaction\" = ? AND mainline = 'F' AND taxline = 'F' AND item > 0",
        order["id"],
    )
    body = {FIELD: {"id": str(reason)}, "item": {"items": [{"line": one["id"], "isClosed": True} for one in lines]}}
    erp = shop.hands_in_erp()
    try:
        erp.change(f"salesOrder/{order['id']}", body)
    finally:
        erp.close()


def test_what_the_erp_cancels_for_want_of_stock_is_counted_by_the_reason_that_its_field_says(shop: Business):
    numbers = [shop.store.buy(who, lines, payment="checkmo") for who, lines in
               (("ann", {"MUG": 2, "TEA": 3}), ("bea", {"MUG": 4}), ("cid", {"TEA": 1}))]  # fmt: skip
    shop.settle()
    assert told(shop, "cancelled_units") == {"": 0}
    close_in_erp(shop, numbers[0], OUT_OF_STOCK)
    close_in_erp(shop, numbers[1], CUSTOMER)
    shop.settle("order_status")
    assert told(shop, "cancelled_units") == {"": 5}
    (order,) = shop.store.rows("SELECT * FROM sales_order WHERE increment_id = ?", numbers[0])
    assert order["state"] == "canceled"
    assert told(shop, "cancelled_revenue") == {"USD": Decimal(str(order["grand_total"]))}
    (comment,) = shop.store.erp_comments(numbers[0])
    assert "Out of stock" in comment
