"""Shopware's order to the canonical sales order.

Source of the fields: OpenAPI 6.7.10.1, schemas Order, OrderLineItem, OrderDelivery, OrderTransaction, OrderAddress,
OrderCustomer; the core's source where a meaning is not in it. Amounts are worked out in `mapping/folding`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from erp_sync.model.money import decimal_of
from erp_sync.model.order import (
    LineKind,
    OrderCustomer,
    OrderDiscount,
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
from erp_sync.systems.shopware.mapping.common import (
    moment,
    order_address,
    state_of,
    text,
)
from erp_sync.systems.shopware.mapping.folding import FOLDING, LEFT, Folding, Row, folding_of
from erp_sync.systems.shopware.mapping.lines import folded
from erp_sync.systems.shopware.mapping.payments import awaited, payments

DEFAULT_CURRENCY = "b7d2554b0ce847cd82f3ac9bd1c0dfca"  # core: Defaults::CURRENCY; currencyFactor is relative to it
STATES: dict[str, OrderStatus] = {
    "open": OrderStatus.OPEN,
    "in_progress": OrderStatus.OPEN,
    "completed": OrderStatus.FULFILLED,
    "cancelled": OrderStatus.CANCELLED,
}
_RATE_SCALE = 10


def _status(scope: Scope) -> OrderStatus:
    order, state = scope.record, state_of(scope.record)
    declared = (scope.context.setting("order_statuses") or {}).get(state)
    if declared:
        return OrderStatus(declared)
    if state not in STATES:
        raise MappingProblem(
            "unmapped_order_state", "stateMachineState.technicalName", state, f"is none of {', '.join(STATES)}"
        )
    if STATES[state] is not OrderStatus.OPEN:
        return STATES[state]
    deliveries = [state_of(one) for one in folding_of(scope).parcels()]
    if deliveries and all(one in LEFT for one in deliveries):
        return OrderStatus.FULFILLED
    if any(one in (*LEFT, "shipped_partially") for one in deliveries):
        return OrderStatus.PARTIALLY_FULFILLED
    return OrderStatus.PENDING_PAYMENT if awaited(order, scope.context) else OrderStatus.OPEN


def _base_currency(scope: Scope) -> str:
    """ISO code of the shop's own currency: of an order in it, the order's; else the connection says."""
    order = scope.root
    if str(order.get("currencyId")) == DEFAULT_CURRENCY:
        return str(scope.get("$.currency.isoCode") or "")
    declared = scope.context.setting("base_currency")
    if declared:
        return str(declared)
    raise MappingProblem(
        "unknown_base_currency", "currencyFactor", str(order.get("currencyFactor")), "setting base_currency is missing"
    )


def _exchange_rate(scope: Scope) -> Decimal:
    """Units of the shop's own currency for one of the order's: the reciprocal of the factor."""
    if str(scope.record.get("currencyId")) == DEFAULT_CURRENCY:
        return Decimal(1)
    factor = decimal_of(scope.record.get("currencyFactor"), _RATE_SCALE)
    if factor <= 0:
        raise ValueError(f"factor {factor} is not above zero")
    return (1 / factor).quantize(Decimal(1).scaleb(-_RATE_SCALE))


# Shipping, totals, discounts ------------------------------------------------------------------


def _shipping_method(scope: Scope) -> Any:
    parcels = folding_of(scope).parcels()
    method = parcels[0].get("shippingMethod") if parcels else None
    return method.get("technicalName") or MISSING if isinstance(method, Mapping) else MISSING


def _of_shipping(words: str, function: Any, *reads: str) -> Rule:
    return rules.computed(words, lambda scope: function(folding_of(scope)), reads=reads)


SHIPPING = RecordMapping(
    name="sales_order.shipping",
    direction=Direction.TO_CANONICAL,
    build=ShippingCharge,
    fields=(
        Field(
            "",
            "method",
            rules.computed(
                "technical name of the first delivery's method",
                _shipping_method,
                reads=("deliveries[*].shippingMethod.technicalName",),
            ),
        ),
        Field(
            "",
            "amount",
            _of_shipping(
                "costs without tax, before discounts",
                lambda folding: folding.shipping.net(folding.gross),
                "shippingCosts.totalPrice",
                "deliveries[*].shippingCosts.totalPrice",
            ),
        ),
        Field(
            "",
            "discount",
            _of_shipping(
                "deliveries with negative costs, without tax",
                lambda folding: folding.shipping_discount,
                "deliveries[*].shippingCosts.totalPrice",
            ),
        ),
        Field(
            "",
            "taxes",
            _of_shipping(
                "one per rate, named COUNTRY-RATE",
                lambda folding: folding.tax_lines(folding.shipping, folding.tax_country()),
                "shippingCosts.calculatedTaxes",
            ),
        ),
        Field(
            "",
            "tax_amount",
            _of_shipping("sum of its taxes", lambda folding: folding.shipping.tax, "shippingCosts.calculatedTaxes"),
        ),
    ),
)
TOTALS = RecordMapping(
    name="sales_order.totals",
    direction=Direction.TO_CANONICAL,
    build=OrderTotals,
    fields=(
        Field(
            "", "subtotal", _of_shipping("lines before discounts, without tax", Folding.subtotal, "lineItems[*].price")
        ),
        Field("", "discount", _of_shipping("all discounts, without tax", Folding.discount, "lineItems[*].price")),
        Field(
            "",
            "shipping",
            _of_shipping("costs without tax", lambda one: one.shipping.net(one.gross), "shippingCosts.totalPrice"),
        ),
        Field("", "tax", _of_shipping("sum of the order's taxes", lambda one: one.tax, "price.calculatedTaxes")),
        Field(
            "",
            "grand_total",
            _of_shipping("the shop's own", lambda one: one.grand_total, "price.totalPrice", "amountTotal"),
        ),
    ),
)


def _discounts(scope: Scope) -> Any:
    folding = folding_of(scope)
    found = [
        OrderDiscount(reason=str(one.row.get("label") or "discount"), amount=one.amount, coupon_code=_code(one.row))
        for one in folding.reductions
        if one.amount
    ]
    if folding.shipping_discount:
        found.append(OrderDiscount(reason="shipping", amount=folding.shipping_discount))
    return found or MISSING


def _code(row: Row) -> str:
    payload = row.get("payload")
    return str(payload.get("code") or "") if isinstance(payload, Mapping) else ""


def _coupons(scope: Scope) -> Any:
    codes = [_code(one.row) for one in folding_of(scope).reductions]
    return list(dict.fromkeys(code for code in codes if code)) or MISSING


# Customer and addresses -----------------------------------------------------------------------


def _guest(scope: Scope) -> bool:
    """Of a guest, or of one whose account was deleted: there is no account to refer to."""
    return is_empty(scope.record.get("customerId")) or scope.get("customer.guest") is True


def _customer_id(scope: Scope) -> Any:
    return MISSING if _guest(scope) else str(scope.record["customerId"])


def _tax_number(scope: Scope) -> Any:
    numbers = scope.record.get("vatIds")
    found = [str(one) for one in numbers if not is_empty(one)] if isinstance(numbers, list) else []
    return found[0] if found else MISSING


CUSTOMER = RecordMapping(
    name="sales_order.customer",
    direction=Direction.TO_CANONICAL,
    build=OrderCustomer,
    fields=(
        Field(
            "",
            "native_id",
            rules.computed("id of the account, none of a guest's", _customer_id, reads=("customerId",)),
            default="",
        ),
        Field("", "guest", rules.computed("guest, or no account any more", _guest, reads=("customer.guest",))),
        Field("email", "email", text, required=True, validation=(rules.matches(r"[^@\s]+@[^@\s]+"),)),
        Field("firstName", "first_name", text),
        Field("lastName", "last_name", text),
        Field("", "company", rules.first_of("company", "$.billingAddress.company", then=text)),
        Field("$.billingAddress.phoneNumber", "phone", text),
        Field("", "tax_number", rules.computed("first of the VAT ids", _tax_number, reads=("vatIds",))),
        Field("customer.groupId", "group", text, note="id; the ERP's is looked up in customer_groups"),
    ),
)


def _shipping_address(mapping: Rule) -> Rule:
    """Where all deliveries go: the canonical order has one address."""

    def apply(value: Any, scope: Scope) -> Any:
        parcels = folding_of(scope).parcels()
        places = {str(one.get("shippingOrderAddressId")): one.get("shippingOrderAddress") for one in parcels}
        found = [place for place in places.values() if isinstance(place, Mapping)]
        if len(found) > 1:
            raise MappingProblem(
                "several_shipping_addresses", "deliveries", str(len(found)), "deliveries go to different addresses"
            )
        return mapping.apply(found[0], scope) if found else MISSING

    return Rule(
        f"of the deliveries, {mapping.name}",
        apply,
        nested=mapping.nested,
        reads=("deliveries[*].shippingOrderAddressId",),
        rebuild=lambda changed: _shipping_address(mapping.rebuild(changed)) if mapping.rebuild else mapping,
    )


ORDER = RecordMapping(
    name="sales_order",
    direction=Direction.TO_CANONICAL,
    build=SalesOrder,
    fields=(
        Field("", "connection", rules.computed("name of the connection", lambda scope: scope.context.connection.name)),
        Field("", "scope", rules.value_of("sales_channel", "sales channel: its code, else its id"), default=""),
        Field("id", "native_id", text, required=True),
        Field("orderNumber", "number", text, required=True),
        Field(
            "", "version", rules.value_of("version", "latest time of change and digest of the record"), required=True
        ),
        Field(
            "",
            "status",
            rules.computed(
                "by state, deliveries and the latest payment; setting order_statuses maps states of your own first",
                _status,
                reads=(
                    "stateMachineState.technicalName",
                    "deliveries[*].stateMachineState.technicalName",
                    "transactions[*].stateMachineState.technicalName",
                ),
            ),
        ),
        Field("orderDateTime", "placed_at", moment, required=True),
        Field(
            "",
            "updated_at",
            rules.value_of("updated_at", "latest time of change of the order and what belongs to it"),
            required=True,
        ),
        Field("", "website", rules.value_of("sales_channel", "sales channel: its code, else its id"), default=""),
        Field("currency.isoCode", "currency", text, required=True, validation=(rules.matches("[A-Z]{3}"),)),
        Field(
            "",
            "base_currency",
            rules.computed(
                "the shop's own: of orders in it, else setting base_currency", _base_currency, reads=("currencyId",)
            ),
            required=True,
            validation=(rules.matches("[A-Z]{3}"),),
        ),
        Field(
            "",
            "exchange_rate",
            rules.computed("1 / currencyFactor", _exchange_rate, reads=("currencyFactor", "currencyId")),
        ),
        Field("orderCustomer", "customer", rules.record(CUSTOMER), required=True),
        Field("billingAddress", "billing_address", order_address("billing_address"), required=True),
        Field("deliveries", "shipping_address", _shipping_address(order_address("shipping_address"))),
        Field("lineItems", "lines", folded(), required=True),
        Field("@", "shipping", rules.record(SHIPPING)),
        Field("transactions", "payments", payments()),
        Field(
            "", "coupon_codes", rules.computed("codes of promotions", _coupons, reads=("lineItems[*].payload.code",))
        ),
        Field(
            "",
            "discounts",
            rules.computed(
                "each promotion and credit, then that on shipping", _discounts, reads=("lineItems[*].label",)
            ),
        ),
        Field("@", "totals", rules.record(TOTALS)),
        Field("", "tax_from_store", rules.setting("tax_from_store", True), note="the ERP must not recalculate"),
        Field("customerComment", "special_instructions", text),
        Field("taxStatus", "custom.tax_status", text, note="gross, net or tax-free"),
        Field("orderCustomer.customerNumber", "custom.customer_number", text, note="finds the ERP's account"),
        Field("internalComment", "custom.internal_comment", text),
        Field("affiliateCode", "custom.affiliate_code", text),
        Field("campaignCode", "custom.campaign_code", text),
        Field("source", "custom.source", text),
    ),
)


class OrderMapper:
    """The order mapping of one connection, with its overlays. Raises MappingMistake for a wrong overlay."""

    def __init__(self, overlays: Mapping[str, Any]) -> None:
        self.mapping = overlaid(ORDER, overlays)

    def map(self, raw: RawRecord, context: Context) -> SalesOrder:
        """Map one order. Raises BadRecord or MappingProblem."""
        scope = Scope(raw.payload, context, raw.native_id, Direction.TO_CANONICAL)
        known = replace(context, values={**context.values, FOLDING: Folding(raw.payload, scope)})
        order: SalesOrder = self.mapping.apply(raw.payload, known, raw.native_id)
        stocked = (LineKind.ITEM, LineKind.COMPONENT)
        if order.shipping_address is None and any(line.kind in stocked for line in order.lines):
            raise MappingProblem(MALFORMED, "shipping_address", "", "is missing, and the order has goods to ship")
        return order
