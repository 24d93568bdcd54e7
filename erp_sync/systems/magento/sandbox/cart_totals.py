"""A cart's totals and payment methods as the web API prints them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from erp_sync.systems.magento.sandbox.cart_lines import collect
from erp_sync.systems.magento.sandbox.database import Row
from erp_sync.systems.magento.sandbox.shop import ZERO, Shop, json_text
from erp_sync.systems.magento.sandbox.totals import Line, Totals

PAYMENT_TITLES = {
    "checkmo": "Check / Money order",
    "banktransfer": "Bank Transfer Payment",
    "cashondelivery": "Cash On Delivery",
    "purchaseorder": "Purchase Order",
    "braintree": "Credit Card",
    "paypal_express": "PayPal Express Checkout",
    "free": "No Payment Information Required",
}


def payment_methods(shop: Shop, found: Totals) -> list[dict[str, str]]:
    """Methods for what is left to pay: the free one for nothing, the configured ones otherwise."""
    if found.base.grand_total <= 0:
        return [{"code": "free", "title": PAYMENT_TITLES["free"]}]
    return [
        {"code": code, "title": PAYMENT_TITLES.get(code, code)}
        for code in shop.config("payment/methods").split(",")
        if code
    ]


def payment_details(shop: Shop, quote: Row) -> dict[str, Any]:
    found = collect(shop, quote)
    return {"payment_methods": payment_methods(shop, found), "totals": printed_totals(shop, quote, found)}


def printed_totals(shop: Shop, quote: Row, found: Totals) -> dict[str, Any]:
    """Totals as the API prints them."""
    store = shop.store(quote["store_id"])
    result: dict[str, Any] = {"weee_tax_applied_amount": None}
    for prefix, amounts in found.amounts():
        result |= {
            f"{prefix}grand_total": amounts.grand_total,
            f"{prefix}subtotal": amounts.subtotal,
            f"{prefix}discount_amount": -amounts.discount,
            f"{prefix}subtotal_with_discount": amounts.subtotal - amounts.discount + amounts.shipping_discount,
            f"{prefix}shipping_amount": amounts.shipping,
            f"{prefix}shipping_discount_amount": amounts.shipping_discount,
            f"{prefix}tax_amount": amounts.tax,
            f"{prefix}shipping_tax_amount": amounts.shipping_tax,
            f"{prefix}subtotal_incl_tax": amounts.subtotal_incl_tax,
            f"{prefix}shipping_incl_tax": amounts.shipping_incl_tax,
        }
    result["base_currency_code"], result["quote_currency_code"] = store["base_currency"], store["currency"]
    if quote["coupon_code"]:
        result["coupon_code"] = quote["coupon_code"]
    visible = [line for line in found.lines if line.parent is None]
    result["items_qty"] = int(sum((line.quantity for line in visible), ZERO))
    result["items"] = [_totals_item(line) for line in visible]
    segments = [
        {"code": "subtotal", "title": "Subtotal", "value": found.order.subtotal},
        {"code": "shipping", "title": "Shipping & Handling", "value": found.order.shipping},
        {"code": "tax", "title": "Tax", "value": found.order.tax,
         "extension_attributes": {"tax_grandtotal_details": _tax_details(found)}},
        {"code": "grand_total", "title": "Grand Total", "value": found.order.grand_total, "area": "footer"},
    ]  # fmt: skip
    if found.order.discount:
        segments.insert(1, {"code": "discount", "title": "Discount", "value": -found.order.discount})
    if found.gift_cards:
        cards = [
            {"i": one["id"], "c": one["code"], "a": one["amount"], "ba": one["base_amount"]} for one in found.gift_cards
        ]
        segments.insert(-1, {"code": "giftcardaccount", "title": "Gift Card", "value": -found.order.gift_cards,
                             "extension_attributes": {"gift_cards": json_text(cards)}})  # fmt: skip
    if found.order.store_credit:
        segments.insert(-1, {"code": "customerbalance", "title": "Store Credit", "value": -found.order.store_credit})
    result["total_segments"] = segments
    return result


def _totals_item(line: Line) -> dict[str, Any]:
    parts = [child for child in line.children if child.carries] or [line]
    result: dict[str, Any] = {"item_id": line.item["item_id"], "name": line.item["name"], "qty": line.quantity}
    for prefix, figures in line.figures():
        name = "base" if prefix else "order"
        result |= {
            f"{prefix}price": figures.price,
            f"{prefix}row_total": figures.row_total,
            f"{prefix}tax_amount": figures.tax,
            f"{prefix}discount_amount": sum((getattr(part, name).discount for part in parts), ZERO),
            f"{prefix}price_incl_tax": figures.price_incl_tax,
            f"{prefix}row_total_incl_tax": figures.row_total_incl_tax,
        }
    result |= {
        "row_total_with_discount": line.order.row_total - result["discount_amount"],
        "tax_percent": line.tax_percent,
        "discount_percent": line.discount_percent,
        "options": "[]",
        "weee_tax_applied_amount": None,
        "weee_tax_applied": None,
    }
    return result


def _tax_details(found: Totals) -> list[dict[str, Any]]:
    sums: dict[str, Decimal] = {}
    kept = {}
    for line in found.lines:
        for tax, amount in zip(line.taxes, line.order.tax_amounts, strict=True) if line.carries else ():
            kept[tax.identity] = tax
            sums[tax.identity] = sums.get(tax.identity, ZERO) + amount
    for tax, amount in zip(found.shipping_taxes, found.order.shipping_tax_amounts, strict=True):
        kept[tax.identity] = tax
        sums[tax.identity] = sums.get(tax.identity, ZERO) + amount
    return [
        {
            "amount": sums[identity],
            "rates": [{"percent": format(rate.percent.normalize(), "f"), "title": rate.title} for rate in tax.rates],
            "group_id": position,
        }
        for position, (identity, tax) in enumerate(kept.items(), 1)
    ]
