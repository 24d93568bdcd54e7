"""What the chaos harness has to know of a Shopware shop: how busy its people are, its settings, what it holds."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from erp_sync.sandbox.files import reading

# Lists come in several pages, between which they change.
SETTINGS: Mapping[str, Any] = {"page_size": 5}
_WRITES = ("order_status.transition", "order_status.note", "sales_order.cancel", "shipment.record", "shipment.ship")
# Among real processes: nothing is waited for longer, and a write is there this soon or never.
REAL_TIME: Mapping[str, Any] = {"timeout_seconds": 4, "settle_seconds": {name: 15 for name in _WRITES}}
# What a route calls here.
ENDPOINTS: Mapping[str, tuple[str, ...]] = {
    "writes": ("sync", "order_delivery.state", "order.state"),
    "reads": ("order.search", "product.search"),
}
# Where the shop's own tables tell whether something is there, by entity and key.
HOLDS: Mapping[str, str] = {
    "sales_order": 'SELECT 1 FROM "order" WHERE id = ?',
    "product": 'SELECT 1 FROM product WHERE "productNumber" = ?',
}
# Makes of an order, by its id, one that nobody can use.
POISON = """UPDATE "order" SET "taxStatus" = 'sometimes' WHERE id = ?"""
# How often each is done (`erp_sync_tests.chaos.people`), beside what other systems' people do.
DOINGS: Mapping[str, int] = {"buy": 12, "cancel": 1}


def twice(database: Path) -> list[str]:
    """What stands in the shop twice though it was to be written once, beside what the checker looks at."""
    with reading(database) as shop:
        deliveries = shop.execute('SELECT "orderId" AS id, "trackingCodes" AS codes FROM order_delivery').fetchall()
    return [
        f"order {row['id']} has parcel {code} {count} times"
        for row in deliveries
        for code, count in Counter(json.loads(row["codes"] or "[]")).items()
        if count > 1
    ]
