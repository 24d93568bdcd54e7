"""What SAP Business One can do, as data.

Sources: Working with SAP Business One Service Layer 1.29; contract files of the Service Layer 1.27; (obs.) what third
parties saw on live systems. "unconfirmed" marks what none of them says.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from erp_sync.ports.capabilities import Capabilities, Guarantee, Limits, Notifications, Operation, Reading
from erp_sync.ports.expected import NUMBER, TABLE, WHOLE_NUMBER, WORD, Expected, ListOf

_SETTLE_SECONDS = 180.0
_TIMEOUT = (
    "unconfirmed: no longest execution is documented. An order of 20 lines took up to 7.8 s with 60 at once (excerpt "
    "of SAP's own test), a first log-in more than 30 s (obs.); reads see what is committed."
)
KEY_FIELD = "U_ErpSyncKey"

OPERATIONS = (
    Operation(
        name="customer.create",
        guarantee=Guarantee.UNIQUE_KEY,
        settle_seconds=_SETTLE_SECONDS,
        settle_source=_TIMEOUT,
        source="CardCode is ours and unique: a second is refused, 'Business partner code ... already assigned' "
        "(-10, 1320000140; Service Layer 1.29)",
    ),
    Operation(
        name="sales_order.create",
        guarantee=Guarantee.SEARCHABLE,
        settle_seconds=_SETTLE_SECONDS,
        settle_source=_TIMEOUT,
        moves=("stock_level",),  # an order commits stock
        source="No native key; NumAtCard and user-defined fields are not unique. Our key is searched for in Orders and "
        "in Drafts, where an approval procedure keeps what waits for a person.",
    ),
    Operation(
        name="sales_order.save_approved_draft",
        guarantee=Guarantee.SEARCHABLE,
        settle_seconds=_SETTLE_SECONDS,
        settle_source=_TIMEOUT,
        moves=("stock_level",),
        source="Only with setting approved_drafts: post. DraftsService_SaveDraftToDocument makes the order with our "
        "key and closes the draft (obs., live: Ngonie69/ShopInventory, SAP credit note approvals); one that was not "
        "added is approved and open still. That a second call is refused is told there, and not relied on: drafts that "
        "nobody approves may be added again and again (obs.).",
    ),
    Operation(
        name="sales_order.withdraw_draft",
        guarantee=Guarantee.UNIQUE_KEY,
        settle_seconds=_SETTLE_SECONDS,
        settle_source=_TIMEOUT,
        source="DELETE Drafts(n), else Drafts(n)/Cancel (contract 1.27), then a look whether the draft became an order "
        "in the same moment: a draft that is gone is not removed again.",
    ),
    Operation(
        name="sales_order.close",
        guarantee=Guarantee.UNIQUE_KEY,
        settle_seconds=_SETTLE_SECONDS,
        settle_source=_TIMEOUT,
        moves=("stock_level", "order_status"),
        source="Orders(n)/Cancel or /Close, rows by a PATCH that sets quantities or replaces them under If-Match "
        "(Service Layer 1.29), each after a look at the order: what is done is not done again, so sending again "
        "changes nothing.",
    ),
)

# A stamp has seconds and is set when the save begins, it is seen when that has ended (both unconfirmed): as late as a
# save may run.
_LATE = _SETTLE_SECONDS
_STAMPS = "UpdateDate and UpdateTime, in the server's time (Service Layer 1.29)"

READINGS = (
    Reading(
        entity="stock_level",
        updated_time=False,
        lateness_seconds=_LATE,
        page_size=100,
        source="quantities carry no stamp: items of documents that moved stock are read, by the documents' "
        + _STAMPS
        + "; no lag: a write is answered when it is committed, and reads see what is",
    ),
    Reading(entity="order_status", lateness_seconds=_LATE, page_size=100, source=_STAMPS),
    Reading(entity="shipment", lateness_seconds=_LATE, page_size=100, source=_STAMPS),
    Reading(entity="product", lateness_seconds=_LATE, page_size=100, source=_STAMPS),
    Reading(entity="business_account", lateness_seconds=_LATE, page_size=100, source=_STAMPS),
    Reading(
        entity="price_terms",
        updated_time=False,
        lateness_seconds=_LATE,
        page_size=500,
        source="items and partners have " + _STAMPS + "; price lists, special prices, discount groups, agreements and "
        "rates have no stamp (contract 1.27): all but special prices are read whole by each look",
    ),
)

NOTIFICATIONS = Notifications(
    entities=("product", "price_terms"),
    body_bytes=4_194_304,  # at most 1,024 events, keys only
    # SAP's own live for 24 hours; the add-on's wait until the receiver is back. Handled ones are kept for 8 days at
    # least (ERP_SYNC_EVENT_DAYS): so long an id is known.
    oldest_seconds=691_200.0,
    challenge="Challenge",
    challenge_header="x-b1-webhook-token",
    source="webhooks from 10.0 FP 2602 on (Service Layer), or an installation's add-on that posts in the same form",
)

CAPABILITIES = Capabilities(
    vendor="sap_b1",
    operations=OPERATIONS,
    readings=READINGS,
    # No rate limit is documented, and no number of sessions (both unconfirmed): capacity is nodes times workers, and no
    # gain was seen beyond 40 calls at once. A login takes a seat per process of ours, so few by default.
    limits=Limits(concurrency=8, sessions=8, lane_shares={"now": 0.4, "normal": 0.4, "bulk": 0.2}),
    notifications=NOTIFICATIONS,
)


def capabilities_of(settings: Mapping[str, Any]) -> Capabilities:
    """The capabilities of one connection: setting ``settle_seconds`` ({operation: seconds}) overrules ours.
    Windows overlap by the longest of them, and never by less than ours: people save without erp_sync, too.

    Raises ValueError for an operation that does not exist, and for a `key_field` that is no user-defined field.
    """
    key_field(settings)
    settle = dict(settings.get("settle_seconds") or {})
    known = [one.name for one in OPERATIONS]
    for name in settle:
        if name not in known:
            raise ValueError(f"setting settle_seconds: {name!r} does not exist; known are {', '.join(known)}")
    if not settle:
        return CAPABILITIES
    operations = tuple(
        msgspec.structs.replace(one, settle_seconds=float(settle[one.name]), settle_source="setting of the connection")
        if one.name in settle
        else one
        for one in OPERATIONS
    )
    late = max(_LATE, *(one.settle_seconds for one in operations))
    readings = tuple(msgspec.structs.replace(one, lateness_seconds=late) for one in READINGS)
    return msgspec.structs.replace(CAPABILITIES, operations=operations, readings=readings)


def key_field(settings: Mapping[str, Any]) -> str:
    """Setting ``key_field``: the user-defined field of ORDR (and with it of drafts) that holds our key.

    An administrator makes it once (`POST UserFieldsMD {TableName: "ORDR", Name, Type: "db_Alpha"}`), usable after a
    restart of the Service Layer. Raises ValueError for what is no name of one.
    """
    name = str(settings.get("key_field") or KEY_FIELD)
    if not _USER_FIELD.fullmatch(name):
        raise ValueError(f"setting key_field: {name!r} is no user-defined field (U_...)")
    return name


_USER_FIELD = re.compile(r"U_[A-Za-z0-9_]+", re.ASCII)

# Settings of a connection, each explained in docs/settings.md, and what is expected (ports/expected.py): a name
# that stands not here and a value that is none of these are refused at start.
SETTINGS: Mapping[str, Expected] = {
    **dict.fromkeys(("branch", "card_prefix", "customer_currency", "customer_number_field", "freight_expense"), WORD),
    **dict.fromkeys(("guest_customer", "key_field", "sales_employee", "tax_free_code", "warehouse"), WORD),
    **dict.fromkeys(("customer_group", "customer_series", "price_list"), WORD),
    **dict.fromkeys(("description_field", "parent_field", "tax_class", "weight_unit"), WORD),
    **dict.fromkeys(("deadline_seconds", "read_timeout_seconds", "session_minutes", "write_timeout_seconds"), NUMBER),
    **dict.fromkeys(("approval_poll_seconds",), NUMBER),
    **dict.fromkeys(("delivery_days", "price_tolerance", "total_tolerance", "tax_tolerance"), NUMBER),
    **dict.fromkeys(("customer_reasons", "minimum_order"), TABLE),
    **dict.fromkeys(("currencies", "events", "lookups", "option_fields", "settle_seconds", "websites"), TABLE),
    "accounts": ("by_number", "required", "none"),
    "price_check": ("off", "amounts", "prices"),
    "item_price": ("after", "before"),
    **dict.fromkeys(("price_digits", "reads_at_once"), WHOLE_NUMBER),
    "tax_field": ("VatGroup", "TaxCode"),
    "approved_drafts": ("wait", "post"),
    **dict.fromkeys(
        (
            "delivering_documents",
            "item_fields",
            "moving_documents",
            "rate_currencies",
            "source_connections",
            "state_countries",
            "stock_warehouses",
        ),
        ListOf(WORD),
    ),
}
NAMES_IN: Mapping[str, Mapping[str, Expected]] = {
    "events": {
        "delay_seconds": NUMBER,
        "entities": ListOf(NOTIFICATIONS.entities),
        "every_seconds": NUMBER,
        "silent_after_seconds": NUMBER,
    },
    "websites.*": dict.fromkeys(
        ("branch", "customer_group", "freight_expense", "guest_customer", "price_list", "sales_employee", "warehouse"),
        WORD,
    ),
}
