"""Canonical fields that no field of Magento gets, and why: for the mapping document. Data only.

A field that is neither mapped nor named here fails a test: the next one cannot be forgotten.
"""

from __future__ import annotations

_WHOSE = "tells whose record it is; the connection is written to, and found by its own keys"
_VERSION = "serves the order of values: a stale one is not written"
_IN_KEY = "part of our key in the comment, by which it is found again"
_ORDER = "finds the store's order; not written"
_ATTRIBUTE = "no field of the core's product; setting product_attributes names the attribute that gets it"

ORDER_STATUS = {
    "connection": _IN_KEY,
    "scope": _WHOSE,
    "native_id": _IN_KEY,
    "version": _IN_KEY,
    "order_connection": _ORDER,
    "updated_at": "serves the order of versions; the comment has a time of its own",
    "custom.order_number": "is the store's own number",
    "custom.grand_total": "the store's own total stands",
    "custom.quantity_shipped": "status has it already: an order closed with nothing shipped is cancelled",
}

SHIPMENT = {
    "connection": _WHOSE,
    "scope": _WHOSE,
    "native_id": _IN_KEY,
    "version": "serves the order of versions",
    "status": "a shipment is made once it is shipped",
    "order_native_id": "finds an adopted order by the cross references",
    "order_connection": _ORDER,
    "shipped_at": "a shipment's time is when it is made: the schema for creating one has no other",
    "updated_at": "serves the order of versions",
    "lines[].order_line": "a row is found by SKU: the rows of both systems are numbered apart",
    "custom.order_number": "is the store's own number",
    "custom.memo": "an internal note of the ERP; a shipment's comment is the shop's",
}

STOCK_LEVEL = {
    "connection": _WHOSE,
    "scope": _WHOSE,
    "on_order": "what is still to come cannot be sold; the restock date says when",
    "version": _VERSION,
    "read_at": _VERSION,
}

PRODUCT = {
    "connection": _WHOSE,
    "scope": _WHOSE,
    "native_id": "the SKU is the key in both systems",
    "version": _VERSION,
    "gtin": _ATTRIBUTE,
    "manufacturer": _ATTRIBUTE + " (the core's own takes numbers of options, which differ by shop)",
    "weight_unit": "a store has one unit for all its weights (general/locale/weight_unit); " + _ATTRIBUTE,
    "tax_class": "tax_class_id takes a number that differs by shop: set product_attributes {tax_class: tax_class_id}",
    "created_at": "the store's own is when it was made there",
    "updated_at": _VERSION,
}

PRICE = {
    "connection": _WHOSE,
    "scope": _WHOSE,
    "kind": "chooses the operation: base, special or tier",
    "currency": "a store view has one currency; prices in others are left out",
    "version": _VERSION,
    "read_at": _VERSION,
}
