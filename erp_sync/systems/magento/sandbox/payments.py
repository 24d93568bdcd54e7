"""Payments of an order: what the methods leave behind, capture, void, and balances given back."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from erp_sync.systems.magento.sandbox.database import Row
from erp_sync.systems.magento.sandbox.errors import LocalizedException
from erp_sync.systems.magento.sandbox.shop import ZERO, Shop, from_json, json_text

ONLINE = ("braintree", "paypal_express")
DECLINED_NONCE = "fake-processor-declined-visa-nonce"  # Braintree's test nonce for a declined card


@dataclass(frozen=True)
class Taken:
    """What placing the order did: state and status to start in, fields of the payment, whether to invoice at once."""

    state: str
    fields: dict[str, Any]
    capture: bool = False


def reference(shop: Shop, order: Row, purpose: str) -> str:
    """A gateway's reference, the same for the same order."""
    digest = hashlib.sha256(f"{shop.options.seed}/{order['increment_id']}/{purpose}".encode()).hexdigest()
    return digest[:8] if purpose.startswith("braintree") else digest[:17].upper()


def take(shop: Shop, order: Row, payment: dict[str, Any], title: str) -> Taken:
    """Ask the method for authorisation or capture. Raises LocalizedException for a declined card."""
    method = payment["method"]
    information: dict[str, Any] = {"method_title": title}
    given = payment.get("additional_data")
    given = given if isinstance(given, dict) else {}
    if method not in ONLINE:
        if method == "purchaseorder":
            return Taken("new", {"po_number": payment.get("po_number"), "additional_information": information})
        if method == "banktransfer":
            information["instructions"] = "Please transfer the amount to our account within 14 days."
        return Taken("new", {"additional_information": information})
    if given.get("payment_method_nonce") == DECLINED_NONCE:
        raise LocalizedException("Your payment could not be taken. Please try again or use a different payment method.")
    action = shop.options.payment_actions.get(method, "authorize")
    authorisation = reference(shop, order, f"{method}/authorization")
    fields: dict[str, Any] = {"last_trans_id": authorisation, "cc_trans_id": authorisation}
    if method == "braintree":
        last4 = f"{int(hashlib.sha256(str(order['increment_id']).encode()).hexdigest(), 16) % 10000:04d}"
        information |= {
            "cc_type": "Visa",
            "cc_number": f"xxxx-{last4}",
            "processorAuthorizationCode": authorisation.upper()[:6],
            "processorResponseCode": "1000",
            "processorResponseText": "Approved",
        }
        fields |= {"cc_type": "VI", "cc_last4": last4, "cc_exp_month": "12", "cc_exp_year": "2030"}
    else:
        information |= {
            "paypal_payer_id": reference(shop, order, "paypal/payer")[:13],
            "paypal_payment_status": "completed",
        }
    if action == "authorize":
        fields |= {"amount_authorized": order["grand_total"], "base_amount_authorized": order["base_grand_total"]}
    return Taken("processing", {**fields, "additional_information": information}, action == "authorize_capture")


def transaction(shop: Shop, order: Row, payment_id: int, kind: str, txn_id: str, parent: str | None = None) -> None:
    shop.database.insert(
        "sales_payment_transaction",
        {
            "order_id": order["entity_id"],
            "payment_id": payment_id,
            "txn_id": txn_id,
            "parent_txn_id": parent,
            "txn_type": kind,
            "is_closed": int(kind != "authorization"),
            "additional_information": json_text({}),
            "created_at": shop.now(),
        },
    )


def of_order(shop: Shop, order: Row) -> Row:
    row = shop.database.row("SELECT * FROM sales_order_payment WHERE parent_id = ?", [order["entity_id"]])
    if row is None:
        raise LocalizedException("The order has no payment.")
    return row


def capture(shop: Shop, order: Row, amount: Decimal, base_amount: Decimal, shipping: Decimal) -> str | None:
    """Take the money; online methods give a reference. Returns it."""
    payment = of_order(shop, order)
    taken = None
    fields: dict[str, Any] = {
        "amount_paid": (payment["amount_paid"] or ZERO) + amount,
        "base_amount_paid": (payment["base_amount_paid"] or ZERO) + base_amount,
        "shipping_captured": (payment["shipping_captured"] or ZERO) + shipping,
    }
    if payment["method"] in ONLINE:
        count = shop.database.value(
            "SELECT count(*) AS total FROM sales_payment_transaction WHERE order_id = ?", [order["entity_id"]]
        )
        taken = reference(shop, order, f"{payment['method']}/capture/{count}")
        parent = payment["last_trans_id"] if payment["base_amount_authorized"] else None
        fields |= {
            "last_trans_id": taken,
            "base_amount_paid_online": (payment["base_amount_paid_online"] or ZERO) + base_amount,
        }
        transaction(shop, order, payment["entity_id"], "capture", taken, parent)
    shop.database.update("sales_order_payment", {"entity_id": payment["entity_id"]}, fields)
    return taken


def void(shop: Shop, order: Row) -> None:
    """A cancelled order's authorisation ends; gift cards and store credit get their money back (Commerce)."""
    payment = of_order(shop, order)
    open_amount = (payment["amount_ordered"] or ZERO) - (payment["amount_paid"] or ZERO)
    base_open = (payment["base_amount_ordered"] or ZERO) - (payment["base_amount_paid"] or ZERO)
    fields: dict[str, Any] = {"amount_canceled": open_amount, "base_amount_canceled": base_open}
    if payment["base_amount_authorized"]:
        taken = reference(shop, order, f"{payment['method']}/void")
        transaction(shop, order, payment["entity_id"], "void", taken, payment["last_trans_id"])
        fields["last_trans_id"] = taken
    shop.database.update("sales_order_payment", {"entity_id": payment["entity_id"]}, fields)
    if not order["total_paid"] and not order["gift_cards_invoiced"] and not order["customer_balance_invoiced"]:
        give_back(shop, order)


def give_back(shop: Shop, order: Row) -> None:
    for card in from_json(order["gift_cards"], []):
        row = shop.database.row(
            "SELECT balance FROM magento_giftcardaccount WHERE giftcardaccount_id = ?", [card["id"]]
        )
        if row:
            balance = row["balance"] + Decimal(card["base_amount"])
            shop.database.update(
                "magento_giftcardaccount", {"giftcardaccount_id": card["id"]}, {"balance": balance, "status": 1}
            )
    if order["base_customer_balance_amount"] and order["customer_id"]:
        add_credit(shop, order, order["base_customer_balance_amount"])


def add_credit(shop: Shop, order: Row, base_amount: Decimal) -> None:
    key = {"customer_id": order["customer_id"], "website_id": order["website_id"]}
    balance = shop.database.value(
        "SELECT amount FROM magento_customerbalance WHERE customer_id = ? AND website_id = ?", list(key.values())
    )
    if balance is None:
        shop.database.insert("magento_customerbalance", {**key, "amount": base_amount})
    else:
        shop.database.update("magento_customerbalance", key, {"amount": balance + base_amount})
