"""In which order stock goes to the store."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from erp_sync.flows.inventory.transform import convert_rules, desired
from erp_sync.flows.state_flow import Surroundings
from erp_sync.model.stock import StockLevel
from erp_sync.ports.lookups import Passthrough

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def test_a_product_s_rows_stand_together_whatever_the_order_of_the_erp():
    """A batch that is written asks the store once for each of its products, however many sources they have."""
    levels = [
        StockLevel(connection="erp", scope="", sku=sku, location=location, on_hand=Decimal(3), read_at=NOW)
        for location in ("west", "east")
        for sku in ("MUG", "CUP")
    ]
    around = Surroundings(lookups=Passthrough(), rules=convert_rules({}), channel="shop", now=NOW)
    rows = desired(levels, around).rows
    assert [(row.sku, row.source) for row, _ in rows] == [
        ("CUP", "east"),
        ("CUP", "west"),
        ("MUG", "east"),
        ("MUG", "west"),
    ]
    assert [levels[position].location for _, position in rows] == ["east", "west", "east", "west"]
