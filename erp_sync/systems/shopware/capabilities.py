"""What Shopware 6.6 and 6.7 can do, as data.

Citations name the vendor's own documents: OpenAPI 6.7.10.1 (@shopware/api-client), shopware/docs, and the core's source
(shopware/shopware v6.6.7.1). 'unconfirmed' marks what none of them states.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from erp_sync.ports.capabilities import Capabilities, Limits, Operation, Reading
from erp_sync.ports.expected import (
    LIST,
    NUMBER,
    ORDER_STATUSES,
    PAYMENT_KINDS,
    TABLE,
    WHOLE_NUMBER,
    WORD,
    YES_OR_NO,
    Expected,
    TableOf,
)

PAGE_LIMIT = 500
LIMITS_SOURCE = "core, shopware.yaml: shopware.api.max_limit is 500"

OPERATIONS: tuple[Operation, ...] = ()

READINGS = (
    Reading(
        entity="sales_order",
        lateness_seconds=30.0,
        resolution_seconds=0.001,
        page_size=100,
        source="OpenAPI 6.7.10.1, POST /search/order; createdAt and updatedAt in UTC with 1 ms resolution, set before "
        "the commit. Lateness, the longest checkout transaction, is unconfirmed",
    ),
)

LIMITS = Limits(
    # The core has no limit of calls (fact sheet, section 6); a cloud's edge may have one (unconfirmed).
    concurrency=8,
    lane_shares={"now": 0.5, "normal": 0.3, "bulk": 0.2},
)

CAPABILITIES = Capabilities(vendor="shopware", operations=OPERATIONS, readings=READINGS, limits=LIMITS)


def capabilities_of(settings: Mapping[str, Any]) -> Capabilities:
    """The capabilities of one connection, from its settings.

    Settings read: ``page_size``, ``lateness_seconds`` ({entity: seconds}). `Limits` are not among them: they hold for
    all connections of the vendor until the installation sets others.
    Raises ValueError for an entity that does not exist, or a size above the vendor's limit.
    """
    lateness = dict(settings.get("lateness_seconds") or {})
    page_size = settings.get("page_size")
    if page_size is not None and int(page_size) > PAGE_LIMIT:
        raise ValueError(f"page_size {page_size} is above the vendor's limit of {PAGE_LIMIT} ({LIMITS_SOURCE})")
    readings = tuple(
        Reading(
            entity=one.entity,
            updated_time=one.updated_time,
            lateness_seconds=float(lateness.pop(one.entity, one.lateness_seconds)),
            resolution_seconds=one.resolution_seconds,
            page_size=int(page_size or one.page_size),
            source=one.source,
        )
        for one in READINGS
    )
    for name in lateness:
        known = ", ".join(one.entity for one in READINGS)
        raise ValueError(f"setting lateness_seconds: {name!r} does not exist; known are {known}")
    return Capabilities(vendor="shopware", operations=OPERATIONS, readings=readings, limits=LIMITS)


# Settings of a connection, each explained in docs/settings.md, and what is expected (ports/expected.py): a name
# that stands not here and a value that is none of these are refused at start.
SETTINGS: Mapping[str, Expected] = {
    "base_currency": WORD,
    "lateness_seconds": TableOf(NUMBER),
    "order_sales_channels": LIST,
    "order_statuses": TableOf(ORDER_STATUSES),
    "page_size": WHOLE_NUMBER,
    "payment_kinds": TableOf(PAYMENT_KINDS),
    "sales_channels": TABLE,
    "tax_from_store": YES_OR_NO,
    "timeout_seconds": NUMBER,
}
NAMES_IN: Mapping[str, Mapping[str, Expected]] = {}
