"""Canonical fields that no field of NetSuite gets, and why: for the mapping document. Data only.

A field that is neither mapped nor named here fails a test: the next one cannot be forgotten.
"""

from __future__ import annotations

_ORDERS_OWN = "serves the order of versions; NetSuite keeps a time of change of its own"
_UNITS_OFF = "taken off the quantity before the order is sent first; later changes close or lower the line"
_COMPARED = "compared with what NetSuite comes to (tolerances), not written: NetSuite adds up itself"
_SUMMED = "not written: NetSuite adds up lines and shipping itself"
_CUSTOM = "no standard field; kept in the document; a custom body field gets it by the connection's mapping overlay"
_CUSTOM_LINE = "no standard field; kept in the document; a custom column gets it by the connection's mapping overlay"

SALES_ORDER = {
    "version": _ORDERS_OWN,
    "updated_at": _ORDERS_OWN,
    "status": "decides what is done (send, hold, cancel); NetSuite's own status follows from what happens there",
    "customer.guest": "an order without a customer id is a guest's: the guest policy goes by that",
    "billing_address.email": "an address has no e-mail there; that of the customer is on customer and order",
    "billing_address.tax_number": "an address has no tax number there; the order's customer has it (vatRegNumber)",
    "shipping_address.email": "an address has no e-mail there; that of the customer is on customer and order",
    "shipping_address.tax_number": "an address has no tax number there; the order's customer has it (vatRegNumber)",
    "lines[].store_sku": "looked up in sku_map: the line names the ERP's item",
    "lines[].quantity_cancelled": _UNITS_OFF,
    "lines[].quantity_refunded": _UNITS_OFF,
    "lines[].quantity_shipped": "tells refunded units that had left from those that had not; NetSuite ships itself",
    "lines[].tax_amount": _COMPARED,
    "lines[].custom.ext_order_item_id": _CUSTOM_LINE,
    "lines[].custom.additional_data": _CUSTOM_LINE,
    "lines[].custom.gift_message": "in the special instructions, and so in the memo; " + _CUSTOM_LINE,
    "shipping.tax_amount": _COMPARED,
    "discounts[].coupon_code": "is one of coupon_codes, which the memo has",
    "totals.subtotal": _SUMMED,
    "totals.discount": "contained in the lines' amounts; " + _SUMMED,
    "totals.shipping": _SUMMED,
    "totals.tax": _COMPARED,
    "totals.grand_total": _COMPARED,
    "totals.gift_cards": "a payment of its own",
    "totals.store_credit": "a payment of its own",
    "custom.ext_order_id": _CUSTOM,
    "custom.purchase_order": "otherRefNum holds the store's order number, by which orders are found; " + _CUSTOM,
    "custom.card_type": _CUSTOM,
    "custom.card_last4": _CUSTOM,
    "custom.applied_rule_ids": _CUSTOM,
    "custom.weight": "worked out by NetSuite from its items",
    "custom.pickup_location": _CUSTOM,
    "custom.company": "companyName takes the billing address's; " + _CUSTOM,
}
