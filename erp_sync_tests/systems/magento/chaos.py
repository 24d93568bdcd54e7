"""What the chaos harness has to know of a Magento store: how busy its people are, its settings, what it holds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from erp_sync.sandbox.files import reading

# Lists come in several pages, between which they change.
SETTINGS: Mapping[str, Any] = {"page_size": 5}
# What a seed on the virtual clock does not ask for in every run; among real processes it is asked for.
DECLARED: Mapping[str, Any] = {"website": "base"}
# Among real processes: nothing is waited for longer, and a write is there this soon or never.
_WRITES = (
    *("order_status.comment", "sales_order.cancel", "shipment.create", "shipment.add_parcel", "shipment.notify"),
    *("stock_level.write", "price.write_base", "price.write_special", "price.write_tier"),
)
REAL_TIME: Mapping[str, Any] = {"timeout_seconds": 4, "settle_seconds": {name: 15 for name in _WRITES}}
# What a route calls here.
ENDPOINTS: Mapping[str, tuple[str, ...]] = {
    "writes": (
        *("POST /V1/orders/{id}/comments", "POST /V1/order/{orderId}/ship"),
        *("POST /V1/inventory/source-items", "POST /V1/products/base-prices"),
    ),
    "reads": ("GET /V1/orders", "GET /V1/inventory/source-items", "POST /V1/products/base-prices-information"),
}
# Where the store's own tables tell whether something is there, by entity and key.
HOLDS: Mapping[str, str] = {
    "sales_order": "SELECT 1 FROM sales_order WHERE entity_id = ?",
    "product": "SELECT 1 FROM catalog_product_entity WHERE sku = ?",
}
# Makes of an order, by its id, one that nobody can use.
POISON = "UPDATE sales_order SET order_currency_code = 'dollars' WHERE entity_id = ?"
# How often each is done (`erp_sync_tests.chaos.people`), beside what other systems' people do.
DOINGS: Mapping[str, int] = {"buy": 12, "cancel": 1}


def twice(database: Path) -> list[str]:
    """What stands in the store twice though it was to be written once, beside what the checker looks at."""
    with reading(database) as store:
        comments = store.execute(
            "SELECT parent_id AS id, comment FROM sales_order_status_history WHERE comment IS NOT NULL "
            "GROUP BY parent_id, comment HAVING count(*) > 1"
        ).fetchall()
        parcels = store.execute(
            "SELECT parent_id AS id, track_number FROM sales_shipment_track GROUP BY 1, 2 HAVING count(*) > 1"
        ).fetchall()
    return [f"order {row['id']} says twice: {row['comment']}" for row in comments] + [
        f"shipment {row['id']} has parcel {row['track_number']} twice" for row in parcels
    ]
