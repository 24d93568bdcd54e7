"""Canonical fields that no field of Shopware gets, and why: for the mapping document. Data only.

A field that is neither mapped nor named here fails a test: the next one cannot be forgotten.
"""

from __future__ import annotations

_WHOSE = "tells whose record it is; the connection is written to, and found by its own keys"
_VERSION = "serves the order of values: a stale one is not written"
_ORDER = "finds the shop's order; not written"

ORDER_STATUS = {
    "connection": _WHOSE,
    "scope": _WHOSE,
    "native_id": "stands for the number where the ERP gave none",
    "version": "serves the order of versions",
    "order_connection": _ORDER,
    "order_key": _ORDER,
    "updated_at": "serves the order of versions; the order's own is when it was written",
    "custom.order_number": "the shop's own number, by which the ERP knows the order",
    "custom.grand_total": "the order's own total stands in the shop; both are compared every day",
}

SHIPMENT = {
    "connection": "part of our key in the custom field, by which it is found again",
    "scope": _WHOSE,
    "native_id": "part of our key in the custom field, by which it is found again",
    "version": "serves the order of versions",
    "status": "a fulfillment is booked once it is shipped",
    "order_native_id": "finds an adopted order by the cross references",
    "order_connection": _ORDER,
    "order_key": _ORDER,
    "location": "a delivery has no location",
    "shipped_at": "the state's own history says when the delivery left",
    "updated_at": "serves the order of versions",
    "lines[].order_line": "what left is counted by SKU: the lines of both systems are numbered apart",
    "lines[].location": "a delivery has no location",
    "parcels[].carrier": "a delivery's carrier is its shipping method; a tracking code is a text",
    "parcels[].description": "a tracking code is a text",
    "parcels[].weight": "a tracking code is a text",
    "custom.order_number": "the shop's own number, by which the ERP knows the order",
    "custom.comments": "what the warehouse remarks is no customer's business",
}

_OWN = "the shop's own: the core keeps it by ids of its own, which no name stands for"

PRODUCT = {
    "connection": _WHOSE,
    "scope": _WHOSE,
    "native_id": "the product number is the key in both systems",
    "version": _VERSION,
    "kind": "a product with variants is one, and nothing else tells kinds apart",
    "unit": _OWN,
    "manufacturer": _OWN,
    "categories": _OWN,
    "variant_attributes": "the options of the variants say by what they differ",
    "components[].sku": "the core has no bundles",
    "components[].quantity": "the core has no bundles",
    "created_at": "the shop's own is when it was made there",
    "updated_at": _VERSION,
}

PRICE = {
    "connection": _WHOSE,
    "scope": _WHOSE,
    "kind": "base prices only; others are refused",
    "price_list": "a product has one base price",
    "group": "prices of groups are refused",
    "quantity": "prices of quantities are refused",
    "currency": "prices in others than the shop's own are left out",
    "valid_from": "a base price has no dates",
    "valid_to": "a base price has no dates",
    "version": _VERSION,
    "read_at": _VERSION,
}

ACCOUNT = {
    "connection": _WHOSE,
    "native_id": _WHOSE,
    "version": _VERSION,
    "created_at": "the shop keeps when its customer was made",
    "updated_at": _VERSION,
}

_TERM = "a term of the ERP: the price engine works out what comes of it, which is what the shop gets"

CONTRACT_PRICES = dict.fromkeys(
    (
        *("group", "price_list", "policy", "every_source", "combination", "no_discounts", "manufacturer", "properties"),
        *("sold_in", "factor", "base_list", "active", "day", "into", "rate", "scope", "scoped_to", "match", "matched"),
        *("percent", "relation", "valid_from", "valid_to", "level", "discount", "from_list", "agreement"),
    ),
    _TERM,
) | {"unit": "a product is sold in one unit: rows of another are refused"}

STOCK_LEVEL = {
    "connection": _WHOSE,
    "scope": _WHOSE,
    "on_order": "what is still to come cannot be sold",
    "backorders": "whether a product may be sold at zero is its isCloseout, which the products flow has",
    "restock_date": "the core has no date of it, only restockTime in days",
    "version": _VERSION,
    "read_at": _VERSION,
}
