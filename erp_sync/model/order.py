"""Sales order: what a customer bought, as the store recorded it.

All amounts are in `SalesOrder.currency`; `exchange_rate` gives units of `base_currency` for one unit
of `currency`. Discounts are positive numbers that lower the price. All times are UTC.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

import msgspec

from erp_sync.model.address import Address
from erp_sync.model.money import ZERO


class OrderStatus(StrEnum):
    PENDING_PAYMENT = "pending_payment"
    OPEN = "open"
    ON_HOLD = "on_hold"
    PARTIALLY_FULFILLED = "partially_fulfilled"
    FULFILLED = "fulfilled"
    CLOSED = "closed"
    CANCELLED = "cancelled"


class LineKind(StrEnum):
    """What a line is. Only lines of kind ITEM and COMPONENT are fulfilled from stock."""

    ITEM = "item"
    BUNDLE = "bundle"  # header of components, carries no price of its own once expanded
    COMPONENT = "component"  # part of a bundle
    NON_STOCK = "non_stock"  # virtual, downloadable, gift card


class PaymentKind(StrEnum):
    CARD = "card"
    WALLET = "wallet"
    TRANSFER = "transfer"
    ON_ACCOUNT = "on_account"
    GIFT_CARD = "gift_card"
    STORE_CREDIT = "store_credit"
    CASH_ON_DELIVERY = "cash_on_delivery"
    OTHER = "other"


class PaymentState(StrEnum):
    PENDING = "pending"
    AUTHORISED = "authorised"
    CAPTURED = "captured"
    VOIDED = "voided"
    REFUNDED = "refunded"


class TaxLine(msgspec.Struct, frozen=True, kw_only=True):
    """One tax of one jurisdiction on one line. `rate` is in percent (20 means 20 %)."""

    jurisdiction: str
    code: str
    rate: Decimal
    taxable_amount: Decimal
    amount: Decimal


class OrderLine(msgspec.Struct, frozen=True, kw_only=True):
    """One sellable line.

    Attributes:
        line_id: the store's line id, unique in the order.
        parent_line_id: line of the bundle this is a component of.
        sku: the SKU that is picked (the child's for a configurable product).
        store_sku: the SKU as the store sold it, before the SKU map.
        unit_price: before discount and tax.
        discount: of the whole line, all reasons together, including its share of order discounts.
        amount: quantity * unit_price - discount, rounded to the currency; excludes tax.
        options: chosen options, label to value, in the store's order.
    """

    line_id: str
    parent_line_id: str | None = None
    kind: LineKind = LineKind.ITEM
    sku: str
    store_sku: str = ""
    name: str = ""
    unit: str = ""
    quantity: Decimal
    quantity_cancelled: Decimal = ZERO
    quantity_refunded: Decimal = ZERO
    quantity_shipped: Decimal = ZERO
    unit_price: Decimal
    discount: Decimal = ZERO
    amount: Decimal
    taxes: tuple[TaxLine, ...] = ()
    tax_amount: Decimal = ZERO
    options: tuple[tuple[str, str], ...] = ()
    custom: dict[str, Any] = {}


class ShippingCharge(msgspec.Struct, frozen=True, kw_only=True):
    """What the customer pays for delivery. `method` is the store's code, e.g. ``flatrate_flatrate``."""

    method: str = ""
    description: str = ""
    amount: Decimal = ZERO
    discount: Decimal = ZERO
    taxes: tuple[TaxLine, ...] = ()
    tax_amount: Decimal = ZERO


class Payment(msgspec.Struct, frozen=True, kw_only=True):
    """One payment on the order. `amount` is what this payment pays, never more than authorised.

    `payment_id` is unique in the order. `method` is the store's code; the ERP's comes by look-up.
    """

    payment_id: str
    kind: PaymentKind = PaymentKind.OTHER
    method: str
    state: PaymentState
    amount: Decimal
    authorisation_reference: str = ""
    capture_reference: str = ""
    gift_card_code: str = ""  # last four characters; the whole code never leaves the store


class OrderDiscount(msgspec.Struct, frozen=True, kw_only=True):
    """A discount on the whole order, already contained in the lines' discounts; kept for its reason."""

    reason: str
    amount: Decimal
    coupon_code: str = ""


class OrderCustomer(msgspec.Struct, frozen=True, kw_only=True):
    """Who bought. `native_id` is empty for a guest."""

    native_id: str = ""
    guest: bool
    email: str
    first_name: str = ""
    last_name: str = ""
    company: str = ""
    phone: str = ""
    tax_number: str = ""
    group: str = ""


class OrderTotals(msgspec.Struct, frozen=True, kw_only=True):
    """The store's own totals. subtotal - discount + shipping + tax = grand_total, of which
    gift_cards and store_credit are paid by those means."""

    subtotal: Decimal
    discount: Decimal = ZERO
    shipping: Decimal = ZERO
    tax: Decimal = ZERO
    grand_total: Decimal
    gift_cards: Decimal = ZERO
    store_credit: Decimal = ZERO


class SalesOrder(msgspec.Struct, frozen=True, kw_only=True):
    """One order, one version of it.

    Attributes:
        connection, scope, native_id: the key (see `EntityKey`); scope is the website.
        number: what customer and operator call it, e.g. 000000123.
        version: the source's version: grows with each change.
        tax_from_store: the ERP must not recalculate tax.
    """

    connection: str
    scope: str
    native_id: str
    number: str
    version: str
    status: OrderStatus
    placed_at: datetime
    updated_at: datetime
    website: str = ""
    store_view: str = ""
    currency: str
    base_currency: str
    exchange_rate: Decimal = Decimal(1)
    customer: OrderCustomer
    billing_address: Address
    shipping_address: Address | None = None
    lines: tuple[OrderLine, ...]
    shipping: ShippingCharge = ShippingCharge()
    payments: tuple[Payment, ...] = ()
    coupon_codes: tuple[str, ...] = ()
    discounts: tuple[OrderDiscount, ...] = ()
    totals: OrderTotals
    tax_from_store: bool = True
    special_instructions: str = ""
    custom: dict[str, Any] = {}
