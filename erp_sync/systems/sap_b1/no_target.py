"""Canonical fields that no field of SAP Business One gets, and why: for the mapping document. Data only.

A field that is neither mapped nor named here fails a test: the next one cannot be forgotten.
"""

from __future__ import annotations

_ORDERS_OWN = "serves the order of versions; SAP keeps a version of its own (DataVersion)"
_UNITS_OFF = "taken off the quantity before the order is sent first"
_CALCULATED = "SAP calculates it by the tax code; compared, not written"
_SUMMED = "not written: SAP adds up lines, expenses and tax itself"
_CUSTOM = "no standard field; kept in the document; a user-defined field gets it by the connection's mapping overlay"
_RATE = "SAP's own rate of the day holds; its local currency need not be the store's base currency"
_NO_ADDRESS_FIELD = "an address has no such field there; the customer's is on the card"

SALES_ORDER = {
    "version": _ORDERS_OWN,
    "updated_at": _ORDERS_OWN,
    "status": "decides what is done (send, hold, cancel); SAP's own status follows from what happens there",
    "base_currency": _RATE,
    "exchange_rate": _RATE,
    "tax_from_store": "SAP always calculates tax by the tax code",
    "customer.guest": "guests have a card of their own, or that of setting guest_customer",
    "billing_address.email": _NO_ADDRESS_FIELD,
    "billing_address.tax_number": _NO_ADDRESS_FIELD,
    "shipping_address.email": _NO_ADDRESS_FIELD,
    "shipping_address.phone": _NO_ADDRESS_FIELD,
    "shipping_address.tax_number": _NO_ADDRESS_FIELD,
    "lines[].store_sku": "looked up in sku_map: the line names the ERP's item",
    "lines[].name": "SAP takes the item's own description",
    "lines[].unit": "the item's sales unit holds; units of measure are not mapped yet",
    "lines[].quantity_cancelled": _UNITS_OFF,
    "lines[].quantity_refunded": _UNITS_OFF,
    "lines[].quantity_shipped": "tells refunded units that had left from those that had not; SAP ships itself",
    **{
        f"{place}.{name}": _CALCULATED
        for place in ("lines[]", "shipping")
        for name in (
            "tax_amount",
            "taxes[].jurisdiction",
            "taxes[].rate",
            "taxes[].taxable_amount",
            "taxes[].amount",
        )
    },
    "payments[].kind": "the method stands in the comments",
    "payments[].payment_id": "no payment is booked with the order",
    "payments[].authorisation_reference": "no payment is booked with the order",
    "payments[].capture_reference": "no payment is booked with the order",
    "payments[].gift_card_code": "no payment is booked with the order",
    "discounts[].reason": "contained in the lines' discounts",
    "discounts[].amount": "contained in the lines' discounts",
    "discounts[].coupon_code": "is one of coupon_codes, which the comments have",
    "custom.tax_status": "says how the store's amounts are meant: lines are sent without tax",
    "custom.customer_number": "finds the account (setting accounts)",
    **{f"custom.{name}": _CUSTOM for name in ("internal_comment", "affiliate_code", "campaign_code", "source")},
    "totals.subtotal": _SUMMED,
    "totals.discount": "contained in the lines' amounts; " + _SUMMED,
    "totals.shipping": _SUMMED,
    "totals.tax": _CALCULATED,
    "totals.grand_total": _SUMMED,
    "totals.gift_cards": "a payment of its own",
    "totals.store_credit": "a payment of its own",
}
