"""What Magento Open Source / Adobe Commerce 2.4 can do, as data.

Citations name the vendor's own documents: the published REST schema 2.4.8 (AdobeDocs/commerce-webapi) and
the core's source (magento/magento2, magento/inventory). 'unconfirmed' marks what neither states.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from erp_sync.ports.capabilities import Capabilities, Guarantee, Limits, Notifications, Operation, Reading
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
    ListOf,
    TableOf,
)

# A request that the web tier gave up on may still run; Magento has no search index between a write and
# these reads, so only the execution time counts.
EXECUTION_SECONDS = 60.0
EXECUTION_SOURCE = "longest execution of one REST call behind the web tier: unconfirmed, set per connection"

SYNCHRONOUS_LIMIT = 20  # list items of one call with input limits on
ASYNCHRONOUS_LIMIT = 5000
ASYNCHRONOUS = ("product.write", "stock_level.write_terms")  # operations that are handed over in bulk
PAGE_LIMIT = 300
LIMITS_SOURCE = "commerce-webapi, input limiting: 20 items synchronous, 5,000 asynchronous, page size 300"

OPERATIONS = (
    Operation(
        name="order_status.comment",
        guarantee=Guarantee.SEARCHABLE,
        settle_seconds=EXECUTION_SECONDS,
        settle_source=EXECUTION_SOURCE,
        source="REST schema 2.4.8, POST /V1/orders/{id}/comments: no key; our mark stands in the comment's text",
    ),
    Operation(
        name="sales_order.cancel",
        guarantee=Guarantee.SEARCHABLE,
        settle_seconds=EXECUTION_SECONDS,
        settle_source=EXECUTION_SOURCE,
        moves=("stock_level",),
        source="REST schema 2.4.8, POST /V1/orders/{id}/cancel: its effect is the order's state",
    ),
    Operation(
        name="shipment.create",
        guarantee=Guarantee.SEARCHABLE,
        settle_seconds=EXECUTION_SECONDS,
        settle_source=EXECUTION_SOURCE,
        moves=("stock_level",),
        source="magento2 ShipOrder: no key; our mark stands in the shipment's comment, found by order_id",
    ),
    Operation(
        name="shipment.add_parcel",
        guarantee=Guarantee.SEARCHABLE,
        settle_seconds=EXECUTION_SECONDS,
        settle_source=EXECUTION_SOURCE,
        source="REST schema 2.4.8, POST /V1/shipment/track: no key; found by its tracking number in the shipment",
    ),
    Operation(
        name="shipment.notify",
        guarantee=Guarantee.NONE,
        settle_seconds=EXECUTION_SECONDS,
        settle_source=EXECUTION_SOURCE,
        source="REST schema 2.4.8, POST /V1/shipment/{id}/emails: leaves no trace that tells one e-mail from two",
    ),
    Operation(
        name="stock_level.write",
        guarantee=Guarantee.UNIQUE_KEY,
        batch_size=500,
        settle_seconds=EXECUTION_SECONDS,
        settle_source=EXECUTION_SOURCE,
        source="magento/inventory SourceItemsSave: upsert by sku and source, so sending again changes nothing",
    ),
    Operation(
        name="stock_level.write_terms",
        guarantee=Guarantee.UNIQUE_KEY,
        batch_size=500,
        settle_seconds=600.0,
        settle_source="until the consumer async.operations.all has run (cron): unconfirmed, set per connection",
        source="POST /async/bulk/V1/products with stock_item and attribute: upsert by sku (unconfirmed)",
    ),
    Operation(
        name="price.write_base",
        guarantee=Guarantee.UNIQUE_KEY,
        batch_size=1000,
        settle_seconds=EXECUTION_SECONDS,
        settle_source=EXECUTION_SOURCE,
        source="REST schema 2.4.8, POST /V1/products/base-prices: sets the price of sku and store",
    ),
    Operation(
        name="price.write_special",
        guarantee=Guarantee.UNIQUE_KEY,
        batch_size=1000,
        settle_seconds=EXECUTION_SECONDS,
        settle_source=EXECUTION_SOURCE,
        source="REST schema 2.4.8, POST /V1/products/special-price: sets the price of sku, store and interval",
    ),
    Operation(
        name="price.write_tier",
        guarantee=Guarantee.UNIQUE_KEY,
        batch_size=1000,
        settle_seconds=EXECUTION_SECONDS,
        settle_source=EXECUTION_SOURCE,
        source="magento2 TierPriceStorage: POST adds or updates by sku, website, group and quantity",
    ),
    Operation(
        name="product.write",
        guarantee=Guarantee.UNIQUE_KEY,
        batch_size=500,
        settle_seconds=600.0,
        settle_source="until the consumer async.operations.all has run (cron): unconfirmed, set per connection",
        source="POST /async/bulk/V1/products: upsert by sku (unconfirmed); 202 is a promise, polled by bulk_uuid",
    ),
    Operation(
        name="customer.erase",
        guarantee=Guarantee.UNIQUE_KEY,
        settle_seconds=EXECUTION_SECONDS,
        settle_source=EXECUTION_SOURCE,
        source="REST schema 2.4.8, DELETE /V1/customers/{id}: a second finds nothing, which is the same",
    ),
    Operation(
        name="sales_order.anonymise",
        guarantee=Guarantee.UNIQUE_KEY,
        settle_seconds=EXECUTION_SECONDS,
        settle_source=EXECUTION_SOURCE,
        source="REST schema 2.4.8, POST /V1/orders with entity_id: sets values, so sending again changes nothing",
    ),
)

READINGS = (
    Reading(
        entity="sales_order",
        lateness_seconds=10.0,
        page_size=100,
        source="REST schema 2.4.8, GET /V1/orders; updated_at in UTC with 1 s resolution. Lateness, the longest "
        "checkout transaction, is unconfirmed",
    ),
    Reading(entity="refund", lateness_seconds=10.0, page_size=100, source="REST schema 2.4.8, GET /V1/creditmemos"),
    Reading(
        entity="customer",
        lateness_seconds=10.0,
        page_size=100,
        source="REST schema 2.4.8, GET /V1/customers/search",
    ),
    Reading(
        entity="product",
        lateness_seconds=60.0,
        page_size=100,
        source="REST schema 2.4.8, GET /V1/products; lateness unconfirmed (bulk saves)",
    ),
    Reading(
        entity="stock_level",
        updated_time=False,
        page_size=1000,
        source="REST schema 2.4.8, GET /V1/inventory/source-items: no time of change, read by key or whole",
    ),
    Reading(
        entity="price",
        updated_time=False,
        page_size=1000,
        source="REST schema 2.4.8, POST /V1/products/*-prices-information: no time of change, read by SKU",
    ),
)

LIMITS = Limits(
    # The vendor states no limit; parallel saves of products and stock deadlock each other, so few at once.
    concurrency=8,
    lane_shares={"now": 0.5, "normal": 0.3, "bulk": 0.2},
)

NOTIFICATIONS = Notifications(
    entities=("sales_order", "refund", "customer", "product"),
    body_bytes=1_048_576,  # an order with every field, and hundreds of lines; the vendor's limit is unconfirmed
    oldest_seconds=90_000.0,  # tried again for 24 hours, the last time 15 minutes late
    delay_seconds=1.0,  # *_save_after is sent before the commit has ended, *_save_commit_after after it (unconfirmed)
    challenge="challenge",
    source="Adobe I/O Events, Introduction to Webhooks (challenge, signatures, retries); Adobe Commerce only",
)

CAPABILITIES = Capabilities(
    vendor="magento", operations=OPERATIONS, readings=READINGS, limits=LIMITS, notifications=NOTIFICATIONS
)


def capabilities_of(settings: Mapping[str, Any]) -> Capabilities:
    """The capabilities of one connection, from its settings.

    Settings read: ``input_limits`` (bool), ``page_size``, ``batch_size`` ({operation: rows}),
    ``settle_seconds`` and ``lateness_seconds`` ({operation or entity: seconds}). `Limits` are not among
    them: they hold for all connections of the vendor until the installation sets others.
    Raises ValueError for an operation or entity that does not exist, or sizes above the vendor's limit.
    """
    limited = bool(settings.get("input_limits", False))
    settle = dict(settings.get("settle_seconds") or {})
    lateness = dict(settings.get("lateness_seconds") or {})
    batches = dict(settings.get("batch_size") or {})
    page_size = settings.get("page_size")
    operations = []
    for one in OPERATIONS:
        batch = int(batches.pop(one.name, one.batch_size))
        if limited:
            batch = min(batch, ASYNCHRONOUS_LIMIT if one.name in ASYNCHRONOUS else SYNCHRONOUS_LIMIT)
        given = settle.pop(one.name, None)
        operations.append(
            Operation(
                name=one.name,
                guarantee=one.guarantee,
                batch_size=batch,
                settle_seconds=one.settle_seconds if given is None else float(given),
                settle_source=one.settle_source if given is None else "setting of the connection",
                moves=one.moves,
                source=one.source,
            )
        )
    readings = []
    for reading in READINGS:
        size = int(page_size or (min(reading.page_size, PAGE_LIMIT) if limited else reading.page_size))
        if limited and size > PAGE_LIMIT:
            raise ValueError(f"page_size {size} is above the vendor's limit of {PAGE_LIMIT} ({LIMITS_SOURCE})")
        readings.append(
            Reading(
                entity=reading.entity,
                updated_time=reading.updated_time,
                lateness_seconds=float(lateness.pop(reading.entity, reading.lateness_seconds)),
                resolution_seconds=reading.resolution_seconds,
                page_size=size,
                source=reading.source,
            )
        )
    _nothing_left("settle_seconds", settle, [one.name for one in OPERATIONS])
    _nothing_left("batch_size", batches, [one.name for one in OPERATIONS])
    _nothing_left("lateness_seconds", lateness, [one.entity for one in READINGS])
    return Capabilities(
        vendor="magento",
        operations=tuple(operations),
        readings=tuple(readings),
        limits=LIMITS,
        notifications=NOTIFICATIONS if settings.get("edition") == "commerce" else None,
    )


def _nothing_left(setting: str, left: Mapping[str, Any], known: list[str]) -> None:
    for name in left:
        raise ValueError(f"setting {setting}: {name!r} does not exist; known are {', '.join(known)}")


# Settings of a connection, each explained in docs/settings.md, and what is expected (ports/expected.py): a name
# that stands not here and a value that is none of these are refused at start.
SETTINGS: Mapping[str, Expected] = {
    **dict.fromkeys(("currency", "restock_date_attribute", "store", "website"), WORD),
    **dict.fromkeys(("backorders", "input_limits", "tax_from_store"), YES_OR_NO),
    **dict.fromkeys(("attribute_set_id", "page_size"), WHOLE_NUMBER),
    **dict.fromkeys(("order_stores", "stores", "website_ids"), LIST),
    **dict.fromkeys(("categories", "events", "lookups", "option_labels", "order_status_codes"), TABLE),
    **dict.fromkeys(("price_scopes", "product_attributes"), TABLE),
    "authentication": ("oauth", "bearer"),
    "batch_size": TableOf(WHOLE_NUMBER),
    "bundle_shipment": ("together", "separately"),
    "edition": ("open_source", "commerce"),
    "lateness_seconds": TableOf(NUMBER),
    "order_statuses": TableOf(ORDER_STATUSES),
    "payment_kinds": TableOf(PAYMENT_KINDS),
    "settle_seconds": TableOf(NUMBER),
    "timeout_seconds": NUMBER,
}
NAMES_IN: Mapping[str, Mapping[str, Expected]] = {
    "events": {
        "client_id": WORD,
        "delay_seconds": NUMBER,
        "entities": ListOf(NOTIFICATIONS.entities),
        "every_seconds": NUMBER,
        "keys": TABLE,
        "silent_after_seconds": NUMBER,
    }
}
