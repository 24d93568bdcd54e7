"""What NetSuite can do, as data.

Sources: Oracle NetSuite help ("External IDs", "Upsert", "Concurrency", "SuiteQL", "Idempotency") and the
REST API Browser 2026.1. "unconfirmed" marks what neither says.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from erp_sync.ports.capabilities import Capabilities, Guarantee, Limits, Notifications, Operation, Reading
from erp_sync.ports.expected import (
    LIST,
    NUMBER,
    PAYMENT_KINDS,
    TABLE,
    WHOLE_NUMBER,
    WORD,
    YES_OR_NO,
    Expected,
    ListOf,
)

_EXTERNAL_ID = (
    "Oracle NetSuite help, External IDs: one per record; POST of an existing one is refused (400 USER_ERROR "
    "'already exists'; the wording for transactions is unconfirmed). X-NetSuite-Idempotency-Key is ignored when "
    "synchronous, so the external id is the key."
)
_TIMEOUT = "Oracle NetSuite help: a REST request may run 15 minutes; index lag of SuiteQL unconfirmed"
_SETTLE_SECONDS = 900.0

OPERATIONS = (
    Operation(
        name="customer.create",
        guarantee=Guarantee.UNIQUE_KEY,
        settle_seconds=_SETTLE_SECONDS,
        settle_source=_TIMEOUT,
        source=_EXTERNAL_ID,
    ),
    Operation(
        name="customer.add_currency",
        guarantee=Guarantee.UNIQUE_KEY,
        settle_seconds=_SETTLE_SECONDS,
        settle_source=_TIMEOUT,
        source="Part of creating an order whose currency the customer lacks: PATCH of currencyList after a look at it; "
        "after an unknown outcome the order is sent again, and only its refusal leads to another look.",
    ),
    Operation(
        name="sales_order.create",
        guarantee=Guarantee.UNIQUE_KEY,
        settle_seconds=_SETTLE_SECONDS,
        settle_source=_TIMEOUT,
        moves=("stock_level",),  # an order commits stock: quantity available falls
        source=_EXTERNAL_ID,
    ),
    Operation(
        name="sales_order.create_with_legacy_tax",
        guarantee=Guarantee.UNIQUE_KEY,
        settle_seconds=_SETTLE_SECONDS,
        settle_source=_TIMEOUT,
        moves=("stock_level",),
        source="RESTlet of this project: searches the external id first, the record layer refuses a second. "
        "Needed because REST writes no legacy tax (Oracle NetSuite help, Sales Order, Nexus).",
    ),
    Operation(
        name="sales_order.compare_tax",
        guarantee=Guarantee.UNIQUE_KEY,
        settle_seconds=0.0,
        settle_source="it only reads",
        source="GET of the order that was created, where NetSuite calculates tax: taxTotal (REST API Browser 2026.1)",
    ),
    Operation(
        name="customer_deposit.create",
        guarantee=Guarantee.UNIQUE_KEY,
        settle_seconds=_SETTLE_SECONDS,
        settle_source=_TIMEOUT,
        source=_EXTERNAL_ID,
    ),
    Operation(
        name="sales_order.put_back",
        guarantee=Guarantee.UNIQUE_KEY,
        settle_seconds=_SETTLE_SECONDS,
        settle_source=_TIMEOUT,
        moves=("stock_level",),
        source="PATCH that sets values of the body and of lines by `line`, or replaces the lists of lines and tax "
        "details (?replace=item,taxDetails; Oracle NetSuite help, Sublists): sending again changes nothing.",
    ),
    Operation(
        name="customer_deposit.put_back",
        guarantee=Guarantee.UNIQUE_KEY,
        settle_seconds=_SETTLE_SECONDS,
        settle_source=_TIMEOUT,
        source="PATCH that sets the amount: sending again changes nothing.",
    ),
    Operation(
        name="customer_deposit.create_again",
        guarantee=Guarantee.UNIQUE_KEY,
        settle_seconds=_SETTLE_SECONDS,
        settle_source=_TIMEOUT,
        source=_EXTERNAL_ID + " Of one that was deleted or voided: the key names the record that is gone, so that "
        "a voided one that keeps its external id refuses nothing.",
    ),
    Operation(
        name="customer.put_back",
        guarantee=Guarantee.UNIQUE_KEY,
        settle_seconds=_SETTLE_SECONDS,
        settle_source=_TIMEOUT,
        source="PATCH that sets values of the body and changes lines of the address book by their id: sending again "
        "changes nothing.",
    ),
    Operation(
        name="sales_order.close",
        guarantee=Guarantee.UNIQUE_KEY,
        settle_seconds=_SETTLE_SECONDS,
        settle_source=_TIMEOUT,
        moves=("stock_level", "order_status"),
        source="Closing closed lines and setting quantities again changes nothing: PATCH with isClosed or quantity, "
        "keyed by `line` (Oracle NetSuite help, Use Case For Updating Your Sales Order, which closes a line so).",
    ),
    Operation(
        name="shipment.book",
        guarantee=Guarantee.SEARCHABLE,
        settle_seconds=_SETTLE_SECONDS,
        settle_source=_TIMEOUT,
        moves=("stock_level", "order_status"),
        source="What was shipped by hand: POST salesOrder/{id}/!transform/itemFulfillment with an externalId (Oracle "
        "NetSuite help, Transforming; External IDs), after a look at the order's fulfillments. That a transform "
        "refuses a second external id like a create is unconfirmed, and not relied on.",
    ),
    Operation(
        name="external_id.write",
        guarantee=Guarantee.UNIQUE_KEY,
        settle_seconds=_SETTLE_SECONDS,
        settle_source=_TIMEOUT,
        source="Adoption only: PATCH of externalId on a record that has none; setting it again changes nothing.",
    ),
    Operation(
        name="customer.erase",
        guarantee=Guarantee.UNIQUE_KEY,
        settle_seconds=_SETTLE_SECONDS,
        settle_source=_TIMEOUT,
        source="PATCH that sets values and changes lines by their id: sending again changes nothing",
    ),
    Operation(
        name="sales_order.anonymise",
        guarantee=Guarantee.UNIQUE_KEY,
        settle_seconds=_SETTLE_SECONDS,
        settle_source=_TIMEOUT,
        source="PATCH that sets values: sending again changes nothing",
    ),
)

# Updated time has seconds; a transaction's lastmodifieddate is set when the save starts, it is seen when
# the save has ended (unconfirmed), and SuiteQL may lag behind.
_LATE = 120.0
_SUITEQL = "Oracle NetSuite help, SuiteQL: limit 1000 a page, 100,000 rows a query"

READINGS = (
    Reading(entity="order_status", lateness_seconds=_LATE, page_size=1000, source=_SUITEQL),
    Reading(entity="shipment", lateness_seconds=_LATE, page_size=1000, source=_SUITEQL),
    Reading(entity="product", lateness_seconds=_LATE, page_size=1000, source=_SUITEQL),
    Reading(entity="price", lateness_seconds=_LATE, page_size=1000, source=_SUITEQL),
    Reading(
        entity="stock_level",
        lateness_seconds=_LATE,
        lag_seconds=_LATE,  # how far SuiteQL may lag is said nowhere
        page_size=1000,
        source=_SUITEQL + "; aggregateitemlocation.lastquantityavailablechange",
    ),
)

NOTIFICATIONS = Notifications(
    entities=("shipment", "order_status", "stock_level", "product", "price"),
    body_bytes=65_536,  # 200 item ids and some names
    oldest_seconds=300.0,  # the script sends once and never again
    delay_seconds=2.0,  # SuiteQL may lag behind a save (unconfirmed)
    source="Script of this project, suitescript/erp_sync_change_push.js; NetSuite has no webhooks to subscribe to.",
)

CAPABILITIES = Capabilities(
    vendor="netsuite",
    operations=OPERATIONS,
    readings=READINGS,
    # Standard service tier: 5 requests at once for REST, SOAP and RESTlets together (Oracle NetSuite
    # help, Concurrency); more by licence: setting `limits`.
    limits=Limits(concurrency=5, lane_shares={"now": 0.4, "normal": 0.4, "bulk": 0.2}),
    notifications=NOTIFICATIONS,
)


def capabilities_of(settings: Mapping[str, Any]) -> Capabilities:
    """The capabilities of one connection: setting ``settle_seconds`` ({operation: seconds}) overrules the vendor's, and
    order status tells why an order was cancelled where setting ``cancel_reason_field`` names the field that says it.

    Raises ValueError for an operation that does not exist, and for what is no custom body field.
    """
    declared = CAPABILITIES
    if cancel_reason_field(settings):
        readings = [
            msgspec.structs.replace(one, tells_reason=True) if one.entity == "order_status" else one for one in READINGS
        ]
        declared = msgspec.structs.replace(declared, readings=tuple(readings))
    settle = dict(settings.get("settle_seconds") or {})
    known = [one.name for one in OPERATIONS]
    for name in settle:
        if name not in known:
            raise ValueError(f"setting settle_seconds: {name!r} does not exist; known are {', '.join(known)}")
    if not settle:
        return declared
    operations = tuple(
        msgspec.structs.replace(one, settle_seconds=float(settle[one.name]), settle_source="setting of the connection")
        if one.name in settle
        else one
        for one in OPERATIONS
    )
    return msgspec.structs.replace(declared, operations=operations)


def cancel_reason_field(settings: Mapping[str, Any]) -> str:
    """Setting ``cancel_reason_field``: the custom body field of sales orders that says why one was cancelled or closed;
    "" where none is named.

    NetSuite has no such field of its own: of the sales order, the REST API Browser 2026.1 and SuiteTalk's schema name
    `paymentEventHoldReason` only (that no feature adds one is unconfirmed). Raises ValueError for what is no script id
    of a custom body field.
    """
    name = str(settings.get("cancel_reason_field") or "")
    if name and not _CUSTOM_BODY_FIELD.fullmatch(name):
        raise ValueError(f"setting cancel_reason_field: {name!r} is no script id of a custom body field (custbody_...)")
    return name


_CUSTOM_BODY_FIELD = re.compile(r"custbody[a-z0-9_]+", re.IGNORECASE | re.ASCII)

# Settings of a connection, each explained in docs/settings.md, and what is expected (ports/expected.py): a name
# that stands not here and a value that is none of these are refused at start.
SETTINGS: Mapping[str, Expected] = {
    **dict.fromkeys(
        ("backorder_column", "cancel_reason_field", "category_column", "class", "currency", "department"), WORD
    ),
    **dict.fromkeys(("deposit_account", "description_column", "discount_item", "instructions_field", "location"), WORD),
    **dict.fromkeys(("order_deployment", "order_script", "payment_field", "restlet_url", "restock_date_column"), WORD),
    **dict.fromkeys(
        (
            "search_deployment",
            "search_script",
            "subsidiary",
            "tax_class",
            "tax_type",
            "web_guest_customer",
            "weight_unit",
        ),
        WORD,
    ),
    **dict.fromkeys(("deadline_seconds", "read_timeout_seconds", "recent_shipment_hours"), NUMBER),
    **dict.fromkeys(("tax_tolerance", "total_tolerance", "write_timeout_seconds"), NUMBER),
    **dict.fromkeys(("adopt_external_ids", "backorder_values", "damaged_statuses", "item_columns"), LIST),
    **dict.fromkeys(("quarantined_statuses", "source_connections", "stock_locations"), LIST),
    **dict.fromkeys(("cancel_reasons", "currencies", "events", "lookups", "matrix_options", "price_levels"), TABLE),
    **dict.fromkeys(("price_table", "saved_searches", "settle_seconds", "special_price_dates", "websites"), TABLE),
    "assertion_algorithm": ("PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "RS256"),
    "authentication": ("oauth1", "oauth2"),
    "coupon_code": YES_OR_NO,
    "customer_currencies": ("add", "refuse"),
    "deposit_states": ListOf(("pending", "authorised", "captured", "voided", "refunded")),
    "discounts": ("net_rate", "discount_lines"),
    "guest_policy": ("own_record", "web_guest_account", "account_required"),
    "instructions_length": WHOLE_NUMBER,
    "no_deposit_kinds": ListOf(PAYMENT_KINDS),
    "order_status": ("A", "B"),
    "property_name_validation": ("Error", "Warning", "Ignore"),
    "ship_method": ("required",),
    "tax_engine": ("suitetax", "legacy"),
}
NAMES_IN: Mapping[str, Mapping[str, Expected]] = {
    "events": {
        "delay_seconds": NUMBER,
        "entities": ListOf(NOTIFICATIONS.entities),
        "every_seconds": NUMBER,
        "silent_after_seconds": NUMBER,
    },
    "websites.*": {
        **dict.fromkeys(("base_currency", "class", "currency", "department", "deposit_account", "location"), WORD),
        **dict.fromkeys(("price_level", "subsidiary", "web_guest_customer"), WORD),
    },
}
