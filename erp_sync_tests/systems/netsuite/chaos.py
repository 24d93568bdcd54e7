"""What the chaos harness has to know of a NetSuite account: how busy its people are, its settings, what it holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# How often each is done (`erp_sync_tests.chaos.people`), beside what other systems' people do.
DOINGS: Mapping[str, int] = {"ship": 7, "count": 4, "receive": 2, "reprice": 3}
# The ERP decides which warehouse ships what.
OPTIONS: Mapping[str, Any] = {"automatic_locations": True}
# What a seed on the virtual clock does not ask for in every run; among real processes it is asked for.
DECLARED: Mapping[str, Any] = {"currencies": {"USD": "1"}}
# Among real processes: nothing is waited for longer, and a write is there this soon or never.
_SETTLE = {
    name: 15 for name in ("customer.create", "sales_order.create", "customer_deposit.create", "sales_order.close")
}
REAL_TIME: Mapping[str, Any] = {
    "read_timeout_seconds": 4, "write_timeout_seconds": 4, "deadline_seconds": 20,
    "limits": {"concurrency": 4}, "settle_seconds": _SETTLE,
}  # fmt: skip


def event_options(url: str, secret: str) -> dict[str, str]:
    """Options of an account that tells of changes there."""
    return {"push_url": url, "push_secret": secret}


def event_credentials(secret: str) -> dict[str, str]:
    """Credentials of a connection that takes them."""
    return {"push_secret": secret}


# What a route calls here.
ENDPOINTS: Mapping[str, tuple[str, ...]] = {
    "writes": ("salesOrder.create", "salesOrder.create", "customerDeposit.create", "customer.create"),
    "reads": ("suiteql",),
}
# Where the account's own tables tell whether something is there, by entity and key.
HOLDS: Mapping[str, str] = {
    "product": "SELECT 1 FROM item WHERE itemid = ?",
    "currency": "SELECT 1 FROM currency WHERE symbol = ?",
}
