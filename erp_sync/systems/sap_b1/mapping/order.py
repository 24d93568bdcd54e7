"""Sales order, canonical to `Document` of the entity set Orders.

Values of the context, given by the connector: ``key`` (ours), ``card_code``, ``currency`` (SAP's code), ``items`` (SKU
to ItemCode). Source of the body: Working with SAP Business One Service Layer 1.29, contract 1.27.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

import msgspec

from erp_sync.model.order import SalesOrder
from erp_sync.ports import mapping_rules as rules
from erp_sync.ports.mapping import Field, RecordMapping, Rule, Scope, is_empty
from erp_sync.ports.paths import MISSING
from erp_sync.systems.sap_b1.capabilities import key_field
from erp_sync.systems.sap_b1.mapping.common import OUT, address_fields, amount, at_most, given, tax_fields
from erp_sync.systems.sap_b1.mapping.comparison import tolerance
from erp_sync.systems.sap_b1.mapping.identity import LONGEST_KEY
from erp_sync.systems.sap_b1.mapping.order_lines import PRICE_DIGITS, PreparedLine, prepared
from erp_sync.systems.sap_b1.mapping.websites import by_website, website_value

COMMENTS = 254  # ORDR.Comments (unconfirmed)


def lines_of(order: SalesOrder, settings: Mapping[str, Any]) -> list[PreparedLine]:
    """By settings ``price_digits`` and ``total_tolerance``. Raises MappingProblem."""
    digits = int(settings.get("price_digits", PRICE_DIGITS))
    return prepared(order, digits, tolerance(settings, "total_tolerance"))


def _item(_value: Any, scope: Scope) -> str:
    line: PreparedLine = scope.record
    found = scope.context.values["items"].get(line.sku)
    if found is None:
        raise scope.problem("sku", f"{line.sku} has no item", line.sku, code="unknown_item")
    return str(found)


def _options(scope: Scope) -> Any:
    return ", ".join(f"{label}: {value}" for label, value in scope.record.options) or MISSING


LINES = RecordMapping(
    "sales_order.DocumentLines",
    OUT,
    (
        Field("sku", "ItemCode", Rule("ItemCode of the item of this SKU", _item, always=True), required=True),
        Field("quantity", "Quantity", amount, validation=(rules.positive,)),
        Field("unit_price", "UnitPrice", amount, required=True,
              note="net, before the discount; kept as sent, 0 too (obs.). Price alone would be ignored"),
        Field("discount_percent", "DiscountPercent", amount, required=True,
              note="always sent, so that none of SAP's own is added"),
        Field("", "WarehouseCode", rules.chain(by_website("warehouse"), rules.text())),
        Field("", "FreeText", rules.chain(rules.computed("chosen options", _options, reads=("options",)), at_most(100)),
              note="length unconfirmed"),
        *tax_fields("taxes"),
    ),
)  # fmt: skip


def _lines_rule(lines: RecordMapping) -> Rule:
    nested = rules.each(lines)

    def apply(_value: Any, scope: Scope) -> Any:
        return nested.apply(lines_of(scope.record, scope.context.connection.settings), scope)

    return Rule(
        "bundles as components; a discount in percent where it comes to the amount to the cent, else in the price",
        apply,
        nested=lines,
        many=True,
        reads=tuple(f"lines[].{name}" for name in ("line_id", "parent_line_id", "kind", "discount", "amount")),
        rebuild=_lines_rule,
    )


EXPENSES = RecordMapping(
    "sales_order.DocumentAdditionalExpenses",
    OUT,
    (
        Field("", "ExpenseCode", rules.chain(by_website("freight_expense"), rules.integer()), required=True),
        Field("amount", "LineTotal", amount, validation=(rules.not_negative,),
              note="net, in the document's currency (of a foreign one unconfirmed)"),
        *tax_fields("taxes"),
    ),
)  # fmt: skip


def _expenses_rule(expenses: RecordMapping) -> Rule:
    nested = rules.each(expenses)

    def apply(_value: Any, scope: Scope) -> Any:
        order: SalesOrder = scope.record
        cost = order.shipping.amount - order.shipping.discount
        if not cost:
            return MISSING
        code = website_value(order, scope.context.connection.settings, "freight_expense")
        if is_empty(code):
            raise scope.problem(
                "shipping.amount", "setting freight_expense names no additional expense to book it on", f"{cost:f}",
                code="freight_expense_missing",
            )  # fmt: skip
        return nested.apply([msgspec.structs.replace(order.shipping, amount=cost)], scope)

    return Rule(
        "shipping less its discount, on the expense of setting freight_expense",
        apply,
        nested=expenses,
        many=True,
        reads=("shipping.discount",),
        rebuild=_expenses_rule,
    )


ADDRESSES = RecordMapping(
    "sales_order.AddressExtension",
    OUT,
    (*address_fields("shipping_address", "ShipTo"), *address_fields("billing_address", "BillTo")),
)


def _addresses_rule(addresses: RecordMapping) -> Rule:
    nested = rules.record(addresses)

    def apply(_value: Any, scope: Scope) -> Any:
        order: SalesOrder = scope.record
        shipping = order.shipping_address or order.billing_address
        return nested.apply(msgspec.structs.replace(order, shipping_address=shipping), scope)

    return Rule(
        "shipping and billing address; the billing address where nothing is shipped",
        apply,
        nested=addresses,
        always=True,
        rebuild=_addresses_rule,
    )


def _due_date(value: Any, scope: Scope) -> str:
    day = date.fromisoformat(rules.local_date().apply(value, scope))
    return (day + timedelta(days=int(scope.context.setting("delivery_days", 0)))).isoformat()


def comments(order: SalesOrder, described: bool) -> str:
    """What has no field of its own. `described`: the way of shipping is named elsewhere."""
    parts = [order.special_instructions]
    if order.coupon_codes:
        parts.append(f"Coupons: {', '.join(order.coupon_codes)}")
    parts += [f"Payment: {one.method}, {one.state}, {one.amount:f}" for one in order.payments if one.amount > 0]
    if order.shipping.description and not described:
        parts.append(f"Shipping: {order.shipping.description}")
    return "; ".join(part for part in parts if part)


def _comments(scope: Scope) -> Any:
    order: SalesOrder = scope.record
    return comments(order, scope.context.lookups.get("shipping_methods", order.shipping.method) is not None) or MISSING


SALES_ORDER = RecordMapping(
    "sales_order",
    OUT,
    (
        Field("customer", "CardCode", given("card_code", "the account, else the card that we made"), required=True),
        Field("placed_at", "DocDate", rules.local_date(), required=True,
              note="day in the server's time zone on which the order was placed; decides which prices are valid"),
        Field("placed_at", "DocDueDate", Rule("that day and setting delivery_days", _due_date), required=True),
        Field("placed_at", "TaxDate", rules.local_date(), required=True),
        Field("number", "NumAtCard", rules.text(), required=True, validation=(rules.at_most(100),),
              note="the store's order number; not unique in SAP, length unconfirmed"),
        Field("currency", "DocCurrency", given("currency", "SAP's code of the currency"), required=True,
              note="in a foreign one SAP's own rate of the day holds"),
        Field("", "BPL_IDAssignedToInvoice", rules.chain(by_website("branch"), rules.integer()),
              note="where the company has branches"),
        Field("", "SalesPersonCode", rules.chain(by_website("sales_employee"), rules.integer())),
        Field("shipping.method", "TransportationCode", rules.chain(
            rules.lookup("shipping_methods", required=False), rules.integer())),
        Field("", "Comments", rules.chain(rules.computed(
            "special instructions, coupon codes, payments, how to ship where lookup(shipping_methods) has nothing",
            _comments, reads=("special_instructions", "coupon_codes", "payments[].method", "payments[].state",
                              "payments[].amount", "shipping.description")), at_most(COMMENTS))),
        Field("", "AddressExtension", _addresses_rule(ADDRESSES), required=True),
        Field("lines", "DocumentLines", _lines_rule(LINES), required=True),
        Field("shipping", "DocumentAdditionalExpenses", _expenses_rule(EXPENSES)),
    ),
)  # fmt: skip


def sales_order_mapping(settings: Mapping[str, Any]) -> RecordMapping:
    """With our key in the user-defined field that the connection names. Raises ValueError for what is none."""
    key = Field("native_id", key_field(settings), given("key", "store connection and order id"), required=True,
                validation=(rules.at_most(LONGEST_KEY),),
                note="by which an order is found again; SAP does not keep it unique")  # fmt: skip
    return SALES_ORDER.with_fields((*SALES_ORDER.fields, key))
