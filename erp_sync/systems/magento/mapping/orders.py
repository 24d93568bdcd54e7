"""Magento's order to the canonical sales order.

Source of the fields: REST schema 2.4.8, sales-data-order-interface and what it refers to. Amounts are
those of the order's currency, not the ``base_`` ones of the website's.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from erp_sync.model.money import ZERO, decimal_of, round_money
from erp_sync.model.order import (
    LineKind,
    OrderCustomer,
    OrderDiscount,
    OrderLine,
    OrderStatus,
    OrderTotals,
    SalesOrder,
    ShippingCharge,
)
from erp_sync.ports import mapping_rules as rules
from erp_sync.ports.addresses import MALFORMED
from erp_sync.ports.mapping import Context, Direction, Field, RecordMapping, Rule, Scope, is_empty
from erp_sync.ports.mapping_overlay import overlaid
from erp_sync.ports.paths import MISSING
from erp_sync.ports.raw import MappingProblem, RawRecord
from erp_sync.systems.magento.mapping.common import (
    extension,
    moment,
    money,
    number,
    order_address,
    records,
    text,
)
from erp_sync.systems.magento.mapping.order_lines import folded
from erp_sync.systems.magento.mapping.payments import payments
from erp_sync.systems.magento.mapping.taxes import OrderTaxes

# The core's states; a shop's own statuses each belong to one of them.
STATES: dict[str, OrderStatus] = {
    "new": OrderStatus.OPEN,
    "pending_payment": OrderStatus.PENDING_PAYMENT,
    "payment_review": OrderStatus.ON_HOLD,
    "holded": OrderStatus.ON_HOLD,
    "processing": OrderStatus.OPEN,
    "complete": OrderStatus.FULFILLED,
    "closed": OrderStatus.CLOSED,
    "canceled": OrderStatus.CANCELLED,
}
_RATE_SCALE = 10
_WRAPPINGS = (  # Commerce: gift wrapping of the order, of rows, and a printed card
    ("gw_price", "gw_tax_amount", "gift-wrapping-order"),
    ("gw_items_price", "gw_items_tax_amount", "gift-wrapping-items"),
    ("gw_card_price", "gw_card_tax_amount", "gift-wrapping-card"),
)
_WRAPPING_FIELDS = tuple(f"extension_attributes.{name}" for one in _WRAPPINGS for name in one[:2])


def _currency(scope: Scope) -> str:
    return str(scope.root.get("order_currency_code") or "")


def _status(scope: Scope) -> OrderStatus:
    order = scope.record
    declared = (scope.context.setting("order_statuses") or {}).get(str(order.get("status") or ""))
    if declared:
        return OrderStatus(declared)
    state = str(order.get("state") or order.get("status") or "")
    if state not in STATES:
        raise MappingProblem("unknown_order_state", "state", state, f"is none of {', '.join(STATES)}")
    status = STATES[state]
    if state == "processing":
        shipped, open_ = _shipped(order, scope)
        if shipped:
            return OrderStatus.PARTIALLY_FULFILLED if open_ else OrderStatus.FULFILLED
    return status


def _shipped(order: Mapping[str, Any], scope: Scope) -> tuple[bool, bool]:
    """Whether anything was shipped, and whether anything is still to ship."""
    shipped, open_ = False, False
    for row in records(order.get("items")):
        if row.get("parent_item_id") or str(row.get("is_virtual")) == "1":
            continue
        sent = number(row, "qty_shipped", scope)
        gone = sent + number(row, "qty_canceled", scope) + number(row, "qty_refunded", scope)
        shipped = shipped or sent > 0
        open_ = open_ or number(row, "qty_ordered", scope) > gone
    return shipped, open_


def _exchange_rate(scope: Scope) -> Decimal:
    order = scope.record
    if order.get("base_currency_code") == order.get("order_currency_code"):
        return Decimal(1)
    rate = decimal_of(order.get("base_to_order_rate"), _RATE_SCALE)
    if rate <= 0:
        raise ValueError(f"rate {rate} is not above zero")
    return (1 / rate).quantize(Decimal(1).scaleb(-_RATE_SCALE))


def _whole_discount(scope: Scope) -> Decimal:
    """The order's discount as a positive amount without tax; the vendor states it negative."""
    order = scope.root
    stated = -number(order, "discount_amount", scope)
    compensation = number(order, "discount_tax_compensation_amount", scope) + number(
        order, "shipping_discount_tax_compensation_amount", scope
    )
    return round_money(stated - compensation, _currency(scope))


def _wrappings(scope: Scope) -> list[tuple[str, Decimal, Decimal]]:
    """Gift wrapping that the customer pays: SKU, amount, tax."""
    extensions = scope.root.get("extension_attributes")
    currency = _currency(scope)
    found = [
        (sku, money(extensions, price, scope, currency), money(extensions, tax, scope, currency))
        for price, tax, sku in _WRAPPINGS
    ]
    return [one for one in found if one[1] or one[2]]


def _all_lines(rule: Rule | None = None) -> Rule:
    """Order rows, then gift wrapping, which the vendor keeps beside the rows."""
    rows = rule or folded()

    def apply(value: Any, scope: Scope) -> list[OrderLine]:
        lines: list[OrderLine] = rows.apply(value, scope)
        taxes = OrderTaxes(scope.record, scope)
        currency = _currency(scope)
        for sku, amount, tax in _wrappings(scope):
            named = taxes.lines([], tax, amount, ZERO, currency)
            lines.append(
                OrderLine(
                    line_id=sku,
                    kind=LineKind.NON_STOCK,
                    sku=scope.context.lookups.require("sku_map", sku),
                    store_sku=sku,
                    name=sku.replace("-", " "),
                    quantity=Decimal(1),
                    unit_price=amount,
                    amount=amount,
                    taxes=tuple(named),
                    tax_amount=tax,
                )
            )
        return lines

    return Rule(
        rows.name + ", then gift wrapping",
        apply,
        nested=rows.nested,
        many=True,
        reads=_WRAPPING_FIELDS,
        rebuild=lambda mapping: _all_lines(folded(mapping)),
    )


def _shipping_discount(scope: Scope) -> Decimal:
    order = scope.root
    return round_money(
        number(order, "shipping_discount_amount", scope)
        - number(order, "shipping_discount_tax_compensation_amount", scope),
        _currency(scope),
    )


def _shipping_taxes(scope: Scope) -> Any:
    order, currency = scope.root, _currency(scope)
    taxable = money(order, "shipping_amount", scope, currency) - _shipping_discount(scope)
    return OrderTaxes(order, scope).of_shipping(money(order, "shipping_tax_amount", scope, currency), taxable, currency)


SHIPPING = RecordMapping(
    name="sales_order.shipping",
    direction=Direction.TO_CANONICAL,
    build=ShippingCharge,
    fields=(
        Field("extension_attributes.shipping_assignments[0].shipping.method", "method", text),
        Field("shipping_description", "description", text),
        Field("shipping_amount", "amount", rules.money("$.order_currency_code"), default=ZERO),
        Field(
            "",
            "discount",
            rules.computed(
                "shipping discount less its tax compensation",
                _shipping_discount,
                reads=("shipping_discount_amount", "shipping_discount_tax_compensation_amount"),
            ),
        ),
        Field(
            "",
            "taxes",
            rules.computed(
                "taxes of type shipping, adding up to the shipping tax",
                _shipping_taxes,
                reads=("extension_attributes.item_applied_taxes", "extension_attributes.applied_taxes"),
            ),
        ),
        Field("shipping_tax_amount", "tax_amount", rules.money("$.order_currency_code"), default=ZERO),
    ),
)


def _guest(scope: Scope) -> bool:
    order = scope.root
    return str(order.get("customer_is_guest")) == "1" or is_empty(order.get("customer_id"))


CUSTOMER = RecordMapping(
    name="sales_order.customer",
    direction=Direction.TO_CANONICAL,
    build=OrderCustomer,
    fields=(
        Field("customer_id", "native_id", text, default=""),
        Field("", "guest", rules.computed("guest flag, or no customer id", _guest, reads=("customer_is_guest",))),
        Field("customer_email", "email", text, required=True, validation=(rules.matches(r"[^@\s]+@[^@\s]+"),)),
        Field("", "first_name", rules.first_of("customer_firstname", "billing_address.firstname", then=text)),
        Field("", "last_name", rules.first_of("customer_lastname", "billing_address.lastname", then=text)),
        Field("billing_address.company", "company", text),
        Field("billing_address.telephone", "phone", text),
        Field("", "tax_number", rules.first_of("customer_taxvat", "billing_address.vat_id", then=text)),
        Field("customer_group_id", "group", text, note="price group; the ERP's is looked up in customer_groups"),
    ),
)


def _tax_total(scope: Scope) -> Decimal:
    """The order's tax with fixed product taxes, which the vendor adds to the total beside it."""
    order, currency = scope.root, _currency(scope)
    fixed = sum(
        (money(row, "weee_tax_applied_row_amount", scope, currency) for row in records(order.get("items"))), ZERO
    )
    return money(order, "tax_amount", scope, currency) + fixed


def _subtotal(scope: Scope) -> Decimal:
    whole = money(scope.root, "subtotal", scope, _currency(scope))
    return whole + sum((amount for _, amount, _ in _wrappings(scope)), ZERO)


def _paid_otherwise(scope: Scope) -> tuple[Decimal, Decimal, Decimal]:
    extensions, currency = scope.root.get("extension_attributes"), _currency(scope)
    cards, credit, points = (
        money(extensions, name, scope, currency)
        for name in ("gift_cards_amount", "customer_balance_amount", "reward_currency_amount")
    )
    return cards, credit, points


def _grand_total(scope: Scope) -> Decimal:
    """What the order costs. The vendor's grand total is what is left after gift cards, credit and points.

    Which one a shop's extensions leave in the field is told by the sum of its parts.
    """
    order, currency = scope.root, _currency(scope)
    stated = money(order, "grand_total", scope, currency)
    shipping = money(order, "shipping_amount", scope, currency)
    parts = _subtotal(scope) - _whole_discount(scope) + shipping + _tax_total(scope)
    return stated if stated == parts else stated + sum(_paid_otherwise(scope), ZERO)


TOTALS = RecordMapping(
    name="sales_order.totals",
    direction=Direction.TO_CANONICAL,
    build=OrderTotals,
    fields=(
        Field(
            "",
            "subtotal",
            rules.computed("subtotal with gift wrapping", _subtotal, reads=("subtotal", *_WRAPPING_FIELDS)),
        ),
        Field(
            "",
            "discount",
            rules.computed(
                "discount, sign reversed, less its tax compensation",
                _whole_discount,
                reads=(
                    "discount_amount",
                    "discount_tax_compensation_amount",
                    "shipping_discount_tax_compensation_amount",
                ),
            ),
        ),
        Field("shipping_amount", "shipping", rules.money("$.order_currency_code"), default=ZERO),
        Field("", "tax", rules.computed("tax with fixed product taxes", _tax_total, reads=("tax_amount",))),
        Field(
            "",
            "grand_total",
            rules.computed("grand total before gift cards, credit, points", _grand_total, reads=("grand_total",)),
        ),
        Field("extension_attributes.gift_cards_amount", "gift_cards", rules.money("$.order_currency_code"), ZERO),
        Field(
            "extension_attributes.customer_balance_amount", "store_credit", rules.money("$.order_currency_code"), ZERO
        ),
    ),
)


def _discounts(scope: Scope) -> Any:
    order = scope.root
    amount = _whole_discount(scope)
    if not amount:
        return []
    reason = str(order.get("discount_description") or order.get("coupon_code") or "discount")
    return [OrderDiscount(reason=reason, amount=amount, coupon_code=str(order.get("coupon_code") or ""))]


def _coupons(scope: Scope) -> list[str]:
    order = scope.root
    listed = extension(order, "coupon_codes")
    codes = [str(code) for code in listed] if isinstance(listed, list) else []
    one = str(order.get("coupon_code") or "")
    return list(dict.fromkeys([*codes, *([one] if one and not codes else [])]))


def _gift_message(record: Any, about: str) -> list[str]:
    message = extension(record, "gift_message")
    if not isinstance(message, Mapping) or is_empty(message.get("message")):
        return []
    names = [str(message[name]) for name in ("sender", "recipient") if not is_empty(message.get(name))]
    between = f" ({' to '.join(names)})" if names else ""
    return [f"Gift message{about}{between}: {message['message']}"]


def _instructions(scope: Scope) -> Any:
    order = scope.root
    parts = [] if is_empty(order.get("customer_note")) else [str(order["customer_note"]).strip()]
    parts += _gift_message(order, "")
    for row in records(order.get("items")):
        parts += _gift_message(row, f" for {row.get('sku')}")
    return "\n".join(parts) if parts else MISSING


ORDER = RecordMapping(
    name="sales_order",
    direction=Direction.TO_CANONICAL,
    build=SalesOrder,
    fields=(
        Field("", "connection", rules.computed("name of the connection", lambda scope: scope.context.connection.name)),
        Field("", "scope", rules.value_of("website", "website of the order's store view"), default=""),
        Field("entity_id", "native_id", text, required=True),
        Field("increment_id", "number", text, required=True),
        Field("", "version", rules.value_of("version", "time of change and digest of the record"), required=True),
        Field(
            "",
            "status",
            rules.computed(
                "by state; setting order_statuses maps own statuses first",
                _status,
                reads=("state", "status", "items[*].qty_shipped"),
            ),
        ),
        Field("created_at", "placed_at", moment, required=True),
        Field("updated_at", "updated_at", moment, required=True),
        Field("", "website", rules.value_of("website", "website of the order's store view"), default=""),
        Field("", "store_view", rules.value_of("store_view", "code of the order's store view"), default=""),
        Field("order_currency_code", "currency", text, required=True, validation=(rules.matches("[A-Z]{3}"),)),
        Field("base_currency_code", "base_currency", text, required=True, validation=(rules.matches("[A-Z]{3}"),)),
        Field(
            "",
            "exchange_rate",
            rules.computed(
                "1 / base_to_order_rate",
                _exchange_rate,
                reads=("base_to_order_rate", "base_currency_code", "order_currency_code"),
            ),
        ),
        Field("@", "customer", rules.record(CUSTOMER)),
        Field("billing_address", "billing_address", order_address("billing_address"), required=True),
        Field(
            "extension_attributes.shipping_assignments[0].shipping.address",
            "shipping_address",
            order_address("shipping_address"),
        ),
        Field("items", "lines", _all_lines(), required=True),
        Field("@", "shipping", rules.record(SHIPPING)),
        Field("payment", "payments", payments()),
        Field(
            "",
            "coupon_codes",
            rules.computed("coupon codes", _coupons, reads=("coupon_code", "extension_attributes.coupon_codes")),
        ),
        Field("", "discounts", rules.computed("one, with reason", _discounts, reads=("discount_description",))),
        Field("@", "totals", rules.record(TOTALS)),
        Field("", "tax_from_store", rules.setting("tax_from_store", True), note="the ERP must not recalculate"),
        Field(
            "",
            "special_instructions",
            rules.computed(
                "customer's note, then gift messages",
                _instructions,
                reads=(
                    "customer_note",
                    "extension_attributes.gift_message",
                    "items[*].extension_attributes.gift_message",
                ),
            ),
        ),
        Field("ext_order_id", "custom.ext_order_id", text),
        Field("payment.po_number", "custom.purchase_order", text),
        Field("payment.cc_type", "custom.card_type", text),
        Field("payment.cc_last4", "custom.card_last4", text),
        Field("applied_rule_ids", "custom.applied_rule_ids", text),
        Field("weight", "custom.weight", rules.decimal(4)),
        Field("extension_attributes.pickup_location_code", "custom.pickup_location", text),
        Field("extension_attributes.company_order_attributes.company_name", "custom.company", text),
    ),
)


class OrderMapper:
    """The order mapping of one connection, with its overlays. Raises MappingMistake for a wrong overlay."""

    def __init__(self, overlays: Mapping[str, Any]) -> None:
        self.mapping = overlaid(ORDER, overlays)

    def map(self, raw: RawRecord, context: Context) -> SalesOrder:
        """Map one order. Raises BadRecord or MappingProblem."""
        order: SalesOrder = self.mapping.apply(raw.payload, context, raw.native_id)
        stocked = (LineKind.ITEM, LineKind.COMPONENT)
        if order.shipping_address is None and any(line.kind in stocked for line in order.lines):
            raise MappingProblem(MALFORMED, "shipping_address", "", "is missing, and the order has goods to ship")
        return order
