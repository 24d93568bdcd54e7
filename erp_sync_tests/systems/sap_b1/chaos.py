"""What the chaos harness has to know of an SAP Business One company: how busy its people are, its settings, what it
holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# How often each is done (`erp_sync_tests.chaos.people`), beside what other systems' people do.
DOINGS: Mapping[str, int] = {"ship": 7, "count": 4, "receive": 2}
# An administrator made the field of our key.
SEED: Mapping[str, Any] = {
    "user_fields": [
        {"TableName": "ORDR", "Name": "ErpSyncKey", "Type": "db_Alpha", "Size": 50, "SubType": "st_None"},
    ]
}
# What a seed on the virtual clock does not ask for in every run; among real processes it is asked for.
DECLARED: Mapping[str, Any] = {"currencies": {"USD": "USD"}}
_SETTLE = dict.fromkeys(
    (
        *("customer.create", "sales_order.create", "sales_order.save_approved_draft", "sales_order.withdraw_draft"),
        "sales_order.close",
    ),
    15,
)
REAL_TIME: Mapping[str, Any] = {
    "read_timeout_seconds": 4, "write_timeout_seconds": 4, "deadline_seconds": 20,
    "limits": {"concurrency": 4}, "settle_seconds": _SETTLE,
}  # fmt: skip
# What a route calls here.
ENDPOINTS: Mapping[str, tuple[str, ...]] = {
    "writes": ("Orders.create", "Orders.create", "BusinessPartners.create"),
    "reads": ("Items.read", "Orders.read", "DeliveryNotes.read"),
}
# Where the company's own tables tell whether something is there, by entity and key.
HOLDS: Mapping[str, str] = {
    "product": 'SELECT 1 FROM "Items" WHERE k1 = ?',
    "currency": 'SELECT 1 FROM "Currencies" WHERE k1 = ?',
}
