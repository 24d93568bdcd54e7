"""What Shopware 6.6 and 6.7 can do, as data.

Citations name the vendor's own documents: OpenAPI 6.7.10.1 (@shopware/api-client), shopware/docs, and the core's source
(shopware/shopware v6.6.7.1). 'unconfirmed' marks what none of them states.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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

PAGE_LIMIT = 500
LIMITS_SOURCE = "core, shopware.yaml: shopware.api.max_limit is 500"

# A request that the web tier gave up on may still run; there is no index between a write and a read by id.
EXECUTION_SECONDS = 60.0
EXECUTION_SOURCE = "longest execution of one call behind the web tier: unconfirmed, set per connection"
# createdAt and updatedAt are set as a write begins and seen once it has committed: as late as the longest runs.
LATENESS_SECONDS = EXECUTION_SECONDS

OPERATIONS = (
    Operation(
        name="order_status.transition",
        guarantee=Guarantee.SEARCHABLE,
        settle_seconds=EXECUTION_SECONDS,
        settle_source=EXECUTION_SOURCE,
        source="core, StateMachineRegistry: what is in the state answers 200 unchanged; its effect is the state",
    ),
    Operation(
        name="sales_order.cancel",
        guarantee=Guarantee.SEARCHABLE,
        settle_seconds=EXECUTION_SECONDS,
        settle_source=EXECUTION_SOURCE,
        moves=("stock_level",),
        source="core, StateMachineRegistry: 6.6 cancels what is cancelled once more, so the state is read first; "
        "OrderStockSubscriber: the stock of its products rises",
    ),
    Operation(
        name="order_status.note",
        guarantee=Guarantee.SEARCHABLE,
        settle_seconds=EXECUTION_SECONDS,
        settle_source=EXECUTION_SOURCE,
        source="OpenAPI 6.7.10.1, PATCH /order/{id}; core, CustomFieldsSerializer: named fields are set, others stay",
    ),
    Operation(
        name="shipment.record",
        guarantee=Guarantee.SEARCHABLE,
        settle_seconds=EXECUTION_SECONDS,
        settle_source=EXECUTION_SOURCE,
        source="OpenAPI 6.7.10.1, PATCH /order-delivery/{id}: no key; ours stands in a custom field beside the codes",
    ),
    Operation(
        name="shipment.ship",
        guarantee=Guarantee.SEARCHABLE,
        settle_seconds=EXECUTION_SECONDS,
        settle_source=EXECUTION_SOURCE,
        source="core, StateMachineRegistry: what is in the state answers 200 unchanged; its effect is the state",
    ),
    Operation(
        name="customer.erase",
        guarantee=Guarantee.UNIQUE_KEY,
        settle_seconds=EXECUTION_SECONDS,
        settle_source=EXECUTION_SOURCE,
        source="OpenAPI 6.7.10.1, DELETE /customer/{id}: a second finds nothing, which is the same",
    ),
    Operation(
        name="sales_order.anonymise",
        guarantee=Guarantee.UNIQUE_KEY,
        settle_seconds=EXECUTION_SECONDS,
        settle_source=EXECUTION_SOURCE,
        source="OpenAPI 6.7.10.1, POST /_action/sync: sets values by id, so sending again changes nothing",
    ),
    Operation(
        name="business_account.write",
        guarantee=Guarantee.UNIQUE_KEY,
        batch_size=100,
        settle_seconds=EXECUTION_SECONDS,
        settle_source=EXECUTION_SOURCE,
        source="OpenAPI 6.7.10.1, POST /_action/sync: sets values of customers by id, so sending again changes nothing",
    ),
    Operation(
        name="product.write",
        guarantee=Guarantee.UNIQUE_KEY,
        batch_size=100,
        settle_seconds=EXECUTION_SECONDS,
        settle_source=EXECUTION_SOURCE,
        source="OpenAPI 6.7.10.1, POST /_action/sync: upsert by id, which is derived of the product number; "
        "recommended rows a call are unconfirmed",
    ),
    Operation(
        name="price.write_base",
        guarantee=Guarantee.UNIQUE_KEY,
        batch_size=100,
        settle_seconds=EXECUTION_SECONDS,
        settle_source=EXECUTION_SOURCE,
        source="OpenAPI 6.7.10.1, POST /_action/sync: sets product.price by id, reindexing all variants (issue 5704)",
    ),
    Operation(
        name="contract_prices.write",
        guarantee=Guarantee.UNIQUE_KEY,
        batch_size=500,
        settle_seconds=EXECUTION_SECONDS,
        settle_source=EXECUTION_SOURCE,
        source="OpenAPI 6.7.10.1, POST /_action/sync: upserts and deletes by ids that follow from the keys, in one "
        "transaction, of rule, tag, customer_tag, product, product_price and custom_price. That a sync takes "
        "custom_price as POST /custom-price does is unconfirmed: the docs name POST /_action/custom-price, which goes "
        "with nothing else. Rows a call are not limited; recommended ones are unconfirmed",
    ),
    Operation(
        name="stock_level.write",
        guarantee=Guarantee.UNIQUE_KEY,
        batch_size=250,
        settle_seconds=EXECUTION_SECONDS,
        settle_source=EXECUTION_SOURCE,
        source="OpenAPI 6.7.10.1, POST /_action/sync: upsert by id, all or nothing since 6.5 (docs, Bulk Payloads); "
        "recommended rows a call are unconfirmed",
    ),
)

READINGS = (
    Reading(
        entity="sales_order",
        lateness_seconds=LATENESS_SECONDS,
        resolution_seconds=0.001,
        page_size=100,
        source="OpenAPI 6.7.10.1, POST /search/order; createdAt and updatedAt in UTC with 1 ms resolution, set before "
        "the commit. Lateness, the longest transaction, is unconfirmed",
    ),
    Reading(
        entity="product",
        lateness_seconds=LATENESS_SECONDS,
        resolution_seconds=0.001,
        page_size=100,
        source="OpenAPI 6.7.10.1, POST /search/product; indexers set updatedAt by SQL (core, ProductIndexer)",
    ),
    Reading(
        entity="business_account",
        updated_time=False,
        page_size=500,
        source="OpenAPI 6.7.10.1, POST /search/customer: read by customer number or whole",
    ),
    Reading(
        entity="price",
        updated_time=False,
        page_size=500,
        source="OpenAPI 6.7.10.1, POST /search/product: a price has no time of its own, read by key or whole",
    ),
    Reading(
        entity="contract_prices",
        updated_time=False,
        page_size=100,
        source="OpenAPI 6.7.10.1, POST /search/product, /search/product-price, /search/custom-price: prices have no "
        "cursor and leave no trace when deleted, so they are read by product or whole",
    ),
    Reading(
        entity="stock_level",
        updated_time=False,
        page_size=500,
        source="OpenAPI 6.7.10.1, POST /search/product; orders lower the stock by SQL that sets no time (core, "
        "StockStorage), so it is read by key or whole",
    ),
)

LIMITS = Limits(
    # The core has no limit of calls (fact sheet, section 6); a cloud's edge may have one (unconfirmed).
    concurrency=8,
    lane_shares={"now": 0.5, "normal": 0.3, "bulk": 0.2},
)

NOTIFICATIONS = Notifications(
    entities=("sales_order", "customer", "product"),
    body_bytes=1_048_576,  # a business event carries whole records; the vendor states no limit (unconfirmed)
    oldest_seconds=18_000.0,  # tried again for 4.6 hours with WEBHOOKS_REWORK (6.7.12), for seconds before
    delay_seconds=1.0,  # sent after the write's commit; what its indexers change may come later (unconfirmed)
    source="docs, Webhook: shopware-shop-signature, retries; apps only, without one nothing is signed",
)

CAPABILITIES = Capabilities(
    vendor="shopware", operations=OPERATIONS, readings=READINGS, limits=LIMITS, notifications=NOTIFICATIONS
)


def capabilities_of(settings: Mapping[str, Any]) -> Capabilities:
    """The capabilities of one connection, from its settings.

    Settings read: ``page_size``, ``batch_size`` ({operation: rows}), ``settle_seconds`` and ``lateness_seconds``
    ({operation or entity: seconds}). Where a write may take longer than declared, what is read is as much later, but
    where ``lateness_seconds`` says otherwise. `Limits` are not among them: they hold for all connections of the vendor
    until the installation sets others.
    Raises ValueError for an operation or entity that does not exist, or a size above the vendor's limit.
    """
    lateness = dict(settings.get("lateness_seconds") or {})
    settle = dict(settings.get("settle_seconds") or {})
    batches = dict(settings.get("batch_size") or {})
    longest = max((float(one) for one in settle.values()), default=0.0)
    page_size = settings.get("page_size")
    if page_size is not None and int(page_size) > PAGE_LIMIT:
        raise ValueError(f"page_size {page_size} is above the vendor's limit of {PAGE_LIMIT} ({LIMITS_SOURCE})")
    readings = tuple(
        Reading(
            entity=one.entity,
            updated_time=one.updated_time,
            lateness_seconds=float(lateness.pop(one.entity, _late(one, longest))),
            resolution_seconds=one.resolution_seconds,
            page_size=int(page_size or one.page_size),
            source=one.source,
        )
        for one in READINGS
    )
    operations = tuple(
        Operation(
            name=one.name,
            guarantee=one.guarantee,
            batch_size=int(batches.pop(one.name, one.batch_size)),
            settle_seconds=float(settle.get(one.name, one.settle_seconds)),
            settle_source="setting of the connection" if one.name in settle else one.settle_source,
            moves=one.moves,
            source=one.source,
        )
        for one in OPERATIONS
    )
    names = [one.name for one in OPERATIONS]
    _nothing_left("lateness_seconds", lateness, [one.entity for one in READINGS])
    _nothing_left("batch_size", batches, names)
    _nothing_left("settle_seconds", [one for one in settle if one not in names], names)
    return Capabilities(
        vendor="shopware", operations=operations, readings=readings, limits=LIMITS, notifications=NOTIFICATIONS
    )


def _late(reading: Reading, longest: float) -> float:
    """Seconds; none of what is not read by time."""
    return max(reading.lateness_seconds, longest) if reading.updated_time else reading.lateness_seconds


def _nothing_left(setting: str, left: Iterable[str], known: list[str]) -> None:
    for name in left:
        raise ValueError(f"setting {setting}: {name!r} does not exist; known are {', '.join(known)}")


# Settings of a connection, each explained in docs/settings.md, and what is expected (ports/expected.py): a name
# that stands not here and a value that is none of these are refused at start.
SETTINGS: Mapping[str, Expected] = {
    "account_prices": ("custom_price", "rule"),
    "base_currency": WORD,
    "batch_size": TableOf(WHOLE_NUMBER),
    "events": TABLE,
    "lateness_seconds": TableOf(NUMBER),
    "order_sales_channels": LIST,
    "order_states": TableOf(("in_progress", "completed", "cancelled", "none")),
    "order_statuses": TableOf(ORDER_STATUSES),
    "page_size": WHOLE_NUMBER,
    "payment_kinds": TableOf(PAYMENT_KINDS),
    "price_amounts": ("net", "gross"),
    "product_sales_channels": LIST,
    "property_groups": TableOf(WORD),
    "sales_channels": TABLE,
    "settle_seconds": TableOf(NUMBER),
    "shipment_mail": YES_OR_NO,
    "stock_source": WORD,
    "tax_from_store": YES_OR_NO,
    "tax_id": WORD,
    "tax_ids": TableOf(WORD),
    "timeout_seconds": NUMBER,
}
NAMES_IN: Mapping[str, Mapping[str, Expected]] = {
    "events": {
        "delay_seconds": NUMBER,
        "entities": ListOf(NOTIFICATIONS.entities),
        "every_seconds": NUMBER,
        "silent_after_seconds": NUMBER,
    }
}
