"""Sales order, canonical to NetSuite `salesOrder`.

Values of the context, given by the connector: ``external_id``, ``entity``, ``currency`` (internal ids),
``items`` (SKU to internal id). Settings: ``discounts`` (net_rate, discount_lines), ``discount_item``,
``tax_engine`` (suitetax, legacy), ``tax_type``, ``location``, ``subsidiary``, ``websites``, ``order_status``.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from erp_sync.model.money import decimal_of
from erp_sync.model.order import SalesOrder, TaxLine
from erp_sync.ports import mapping_rules as rules
from erp_sync.ports.mapping import Field, RecordMapping, Rule, Scope, is_empty
from erp_sync.ports.paths import MISSING
from erp_sync.systems.netsuite.mapping import texts
from erp_sync.systems.netsuite.mapping.common import ADDRESS, OUT, amount, by_website, exchange_rate, given, reference
from erp_sync.systems.netsuite.mapping.order_lines import Discounts, PreparedLine, TaxDetail, prepared, tax_details

SUITETAX, LEGACY = "suitetax", "legacy"


def _item(_value: Any, scope: Scope) -> Any:
    line: PreparedLine = scope.record
    if not line.sku:
        discount_item = scope.context.setting("discount_item")
        if is_empty(discount_item):
            raise ValueError("setting discount_item is missing: discounts are lines of their own")
        return {"id": str(discount_item)}
    identity = scope.context.values["items"].get(line.sku)
    if identity is None:
        raise scope.problem("sku", f"{line.sku} has no item", line.sku, code="unknown_item")
    return {"id": str(identity)}


def _description(scope: Scope) -> Any:
    line: PreparedLine = scope.record
    options = ", ".join(f"{label}: {value}" for label, value in line.options)
    return " - ".join(part for part in (line.name, options) if part) or MISSING


def _with_tax_details(scope: Scope) -> bool:
    order: SalesOrder = scope.root
    return order.tax_from_store and scope.context.setting("tax_engine", SUITETAX) == SUITETAX


LINES = RecordMapping(
    "sales_order.item",
    OUT,
    (
        Field("sku", "item", Rule("internal id of the item with this item name (itemid), as {id}; "
                                  "the discount item on a discount line", _item, always=True), required=True),
        Field("quantity", "quantity", amount, validation=(rules.positive,)),
        Field("", "price", rules.constant({"id": "-1"}), note="custom rate (public code; unconfirmed by Oracle)"),
        Field("rate", "rate", amount, required=True, note="net of discount, or before it with discount lines"),
        Field("amount", "amount", amount, required=True, note="excludes tax"),
        Field("", "description", rules.chain(
            rules.computed("name and chosen options", _description, reads=("name", "options")),
            texts.at_most(texts.DESCRIPTION))),
        Field("", "location", by_website("location")),
        Field("reference", "taxDetailsReference", Rule(
            "ties the line to its tax details, where the store calculated tax on a SuiteTax account",
            lambda value, scope: value if _with_tax_details(scope) else MISSING)),
    ),
)  # fmt: skip


def _tax_code(value: Any, scope: Scope) -> Any:
    return {"id": _tax_lookup(scope, value)[0]}


def _tax_type(_value: Any, scope: Scope) -> Any:
    kind = _tax_lookup(scope, scope.record.code)[1] or scope.context.setting("tax_type")
    return MISSING if is_empty(kind) else str(kind)


def _tax_lookup(scope: Scope, code: str) -> tuple[str, str]:
    """Look-up value ``12`` or ``12/3``: internal id of the tax code, tax type."""
    identity, _, kind = scope.context.lookups.require("tax_codes", code).partition("/")
    return identity, kind


TAX_DETAILS = RecordMapping(
    "sales_order.taxDetails",
    OUT,
    (
        Field("reference", "taxDetailsReference", rules.wrapped("id"), required=True,
              note="SHIPPING for the shipping cost (Oracle Commerce API; unconfirmed in REST)"),
        Field("code", "taxCode", Rule("lookup(tax_codes), as {id}", _tax_code), required=True),
        Field("code", "taxType", Rule("tax type in lookup(tax_codes), else setting tax_type", _tax_type, always=True)),
        Field("basis", "taxBasis", amount, required=True),
        Field("rate", "taxRate", amount, required=True, note="in percent"),
        Field("amount", "taxAmount", amount, required=True),
        Field("basis", "netAmount", amount, required=True),
        Field("jurisdiction", "calcDetail", rules.text()),
        Field("line_name", "lineName", rules.text()),
        Field("line_type", "lineType", rules.text()),
    ),
)  # fmt: skip


def discounts_of(scope: Scope) -> Discounts:
    return Discounts(scope.context.setting("discounts", Discounts.NET_RATE))


def tax_tolerance(settings: Mapping[str, Any]) -> Decimal:
    """Up to this the sum of an order's tax lines may differ from its tax: rounding by line and by order."""
    return decimal_of(settings.get("tax_tolerance", "0.05"))


def _lines_rule(lines: RecordMapping) -> Rule:
    nested = rules.each(lines)

    def apply(_value: Any, scope: Scope) -> Any:
        return nested.apply(prepared(scope.record, discounts_of(scope)), scope)

    return Rule(
        "bundles as components, discounts by setting discounts",
        apply,
        nested=lines,
        many=True,
        reads=tuple(f"lines[].{name}" for name in ("line_id", "parent_line_id", "kind", "unit_price", "discount")),
        rebuild=_lines_rule,
    )


def _taxes_rule(details: RecordMapping) -> Rule:
    nested = rules.each(details)

    def apply(_value: Any, scope: Scope) -> Any:
        if not _with_tax_details(scope):
            return MISSING
        lines = prepared(scope.record, discounts_of(scope))
        found: list[TaxDetail] = tax_details(scope.record, lines)
        return nested.apply(found, scope)

    return Rule(
        "all tax lines, where the store calculated tax on a SuiteTax account",
        apply,
        nested=details,
        many=True,
        reads=(
            *(f"{place}.taxes[].{name}" for place in ("lines[]", "shipping") for name in TaxLine.__struct_fields__),
            "shipping.description",
        ),
        rebuild=_taxes_rule,
    )


def _shipping_cost(scope: Scope) -> Any:
    order: SalesOrder = scope.record
    return amount.apply(order.shipping.amount - order.shipping.discount, scope)


def _override(scope: Scope) -> Any:
    return True if _with_tax_details(scope) else MISSING


def _coupon(scope: Scope) -> Any:
    """`couponCode` takes one; a second is kept in the memo."""
    return scope.record.coupon_codes[0] if scope.record.coupon_codes else MISSING


def _memo(scope: Scope) -> Any:
    return texts.memo(scope.record, scope.context.connection.settings, scope.context.lookups) or MISSING


def _ship_method(value: Any, scope: Scope) -> Any:
    required = scope.context.setting("ship_method") == "required"
    return reference.apply(found, scope) if (found := rules.lookup("shipping_methods", required=required).apply(
        value, scope)) else MISSING  # fmt: skip


def _shipping_address(scope: Scope) -> Any:
    order: SalesOrder = scope.record
    return order.shipping_address or order.billing_address


def _address_rule(address: RecordMapping) -> Rule:
    nested = rules.record(address)
    return Rule(
        "record address; the billing address where nothing is shipped",
        lambda _value, scope: nested.apply(_shipping_address(scope), scope),
        nested=address,
        always=True,
        rebuild=_address_rule,
    )


SALES_ORDER = RecordMapping(
    "sales_order",
    OUT,
    (
        Field("native_id", "externalId", rules.value_of("external_id", "store connection and order id"), required=True,
              note="the key: NetSuite refuses a second order with it"),
        Field("customer", "entity", given("entity", "internal id of the customer, as {id}"), required=True),
        Field("placed_at", "tranDate", rules.local_date(), required=True,
              note="day in the account's time zone on which the order was placed"),
        Field("number", "otherRefNum", rules.text(), required=True, validation=(rules.at_most(45),)),
        Field("", "subsidiary", by_website("subsidiary"), note="OneWorld; must be the customer's"),
        Field("currency", "currency", given("currency", "internal id of the currency, as {id}"), required=True),
        Field("exchange_rate", "exchangeRate", exchange_rate, validation=(rules.positive,)),
        Field("", "location", by_website("location")),
        Field("", "department", by_website("department")),
        Field("", "class", by_website("class")),
        Field("", "orderStatus", rules.chain(rules.setting("order_status"), rules.wrapped()),
              note="A pending approval or B pending fulfillment; else the account's preference"),
        Field("", "memo", rules.computed(
            "special instructions, coupon codes, reasons of discounts, how to ship where lookup(shipping_methods) has "
            "nothing, payments that are no deposit", _memo,
            reads=("special_instructions", "coupon_codes", "discounts[].reason", "discounts[].amount",
                   "shipping.description",
                   *(f"payments[].{name}" for name in ("kind", "method", "state", "amount",
                                                       "authorisation_reference")))),
              note="999 characters: longer instructions are cut with a mark, see settings instructions_field"),
        Field("", "couponCode", rules.computed("first coupon code, with setting coupon_code: true", lambda scope:
              _coupon(scope) if scope.context.setting("coupon_code") else MISSING, reads=("coupon_codes",)),
              note="NetSuite checks it against its own promotions, hence the setting; the memo keeps all codes"),
        Field("customer.email", "email", rules.text(), validation=(rules.at_most(254),)),
        Field("billing_address", "billingAddress", rules.record(ADDRESS), required=True),
        Field("shipping_address", "shippingAddress", _address_rule(ADDRESS), required=True),
        Field("shipping.method", "shipMethod", Rule(
            "lookup(shipping_methods), as {id}; left out where unmapped unless setting ship_method: required",
            _ship_method)),
        Field("", "shippingCost", rules.computed("shipping.amount - shipping.discount", _shipping_cost,
                                                 reads=("shipping.amount", "shipping.discount")),
              validation=(rules.not_negative,), note="net of tax"),
        Field("lines", "item.items", _lines_rule(LINES), required=True),
        Field("tax_from_store", "taxDetailsOverride", rules.computed(
            "true where the store calculated tax on a SuiteTax account", _override, reads=("tax_from_store",)),
              note="NetSuite must not recalculate; needs permission Edit on Tax Details Tab (public code; "
                   "on orders unconfirmed)"),
        Field("lines", "taxDetails.items", _taxes_rule(TAX_DETAILS)),
    ),
)  # fmt: skip


def sales_order_mapping(settings: Mapping[str, Any]) -> RecordMapping:
    """With the whole special instructions in the custom body field that the connection names, if it does."""
    field = settings.get("instructions_field")
    if not field:
        return SALES_ORDER
    whole = Field("special_instructions", str(field), texts.at_most(texts.instructions_length(settings)),
                  note="setting instructions_field")  # fmt: skip
    return SALES_ORDER.with_fields((*SALES_ORDER.fields, whole))
