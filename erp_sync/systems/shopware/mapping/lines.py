"""The lines of an order: what `mapping/folding` worked out, field by field."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from erp_sync.model.money import ZERO
from erp_sync.model.order import LineKind, OrderLine
from erp_sync.ports import mapping_rules as rules
from erp_sync.ports.mapping import Direction, Field, RecordMapping, Rule, Scope
from erp_sync.systems.shopware.mapping.amounts import unit_price
from erp_sync.systems.shopware.mapping.common import records, text
from erp_sync.systems.shopware.mapping.folding import (
    ROUNDING,
    Folding,
    Good,
    Row,
    folding_of,
    stated_unit_price,
)

ROUNDING_SKU = "rounding-difference"
WRITTEN_BY_HAND = "custom-line"  # SKU of a line that no product stands behind


def _sku(value: Any, scope: Scope) -> str:
    return scope.context.lookups.require("sku_map", str(value))


def _of_view(name: str, words: str, *reads: str) -> Rule:
    return rules.computed(words, lambda scope: scope.record[name], reads=reads)


LINE = RecordMapping(
    name="sales_order.lines",
    direction=Direction.TO_CANONICAL,
    build=OrderLine,
    fields=(
        Field("id", "line_id", text, required=True),
        Field("", "parent_line_id", _of_view("_parent", "line of the bundle, for its components", "parentId")),
        Field("", "kind", _of_view("_kind", "by type, product and place in the order", "type", "productId", "states")),
        Field("_sku", "sku", Rule("lookup(sku_map) of payload.productNumber", _sku), required=True),
        Field("_sku", "store_sku", text, required=True, note=f"{WRITTEN_BY_HAND} for a line without a product"),
        Field("label", "name", text),
        Field("", "quantity", _of_view("_quantity", "decimal, above zero", "quantity")),
        Field(
            "",
            "quantity_shipped",
            _of_view("_shipped", "of deliveries that left as a whole", "$.deliveries.positions"),
            note="of a delivery that left in part the core keeps no quantities",
        ),
        Field(
            "",
            "unit_price",
            _of_view("_unit_price", "price without tax", "price.unitPrice", "price.calculatedTaxes"),
            note="quantity times unit price is the line's amount before discounts to the cent",
        ),
        Field(
            "",
            "discount",
            _of_view("_discount", "its share of promotions and credits, without tax", "payload.composition"),
        ),
        Field("", "amount", _of_view("_amount", "price less tax less discount", "price.totalPrice")),
        Field("", "taxes", _of_view("_taxes", "one per rate, named COUNTRY-RATE", "price.calculatedTaxes")),
        Field("", "tax_amount", _of_view("_tax_amount", "sum of its tax lines", "price.calculatedTaxes")),
        Field("", "options", _of_view("_options", "group and option of a variant", "payload.options")),
    ),
)


def _options(row: Row) -> list[tuple[str, str]]:
    payload = row.get("payload")
    chosen = records(payload.get("options")) if isinstance(payload, Mapping) else []
    return [(str(one.get("group") or ""), str(one.get("option") or "")) for one in chosen]


def _product_number(row: Row) -> str:
    payload = row.get("payload")
    number = payload.get("productNumber") if isinstance(payload, Mapping) else None
    return str(number or WRITTEN_BY_HAND).strip()


def _view(folding: Folding, good: Good, country: str) -> dict[str, Any]:
    """The row with its amounts; names with ``_`` are ours."""
    position = good.position
    net = position.net(folding.gross)
    discount = position.discount(folding.gross)
    taxes = folding.tax_lines(position, country)
    return {
        **good.row,
        "_parent": good.parent,
        "_kind": good.kind,
        "_sku": _product_number(good.row),
        "_quantity": good.quantity,
        "_shipped": good.shipped,
        "_unit_price": unit_price(stated_unit_price(folding, good.row), good.quantity, net, folding.currency),
        "_discount": discount,
        "_amount": net - discount,
        "_taxes": taxes,
        "_tax_amount": sum((one.amount for one in taxes), ZERO),
        "_options": _options(good.row),
    }


def _header(row: Row, quantity: Decimal) -> dict[str, Any]:
    """A bundle: its components carry the price."""
    return {
        **row,
        "_parent": None,
        "_kind": LineKind.BUNDLE,
        "_sku": _product_number(row),
        "_quantity": quantity,
        "_taxes": [],
        "_options": _options(row),
        **dict.fromkeys(("_shipped", "_unit_price", "_discount", "_amount", "_tax_amount"), ZERO),
    }


def _rounding_line(amount: Decimal) -> dict[str, Any]:
    """What the whole order was rounded by (cash rounding), as a line of its own without tax."""
    return {
        "id": ROUNDING,
        "label": "Rounding",
        "_parent": None,
        "_kind": LineKind.NON_STOCK,
        "_sku": ROUNDING_SKU,
        "_quantity": Decimal(1),
        "_shipped": ZERO,
        "_unit_price": max(amount, ZERO),
        "_discount": max(-amount, ZERO),
        "_amount": amount,
        "_taxes": [],
        "_tax_amount": ZERO,
        "_options": [],
    }


def folded(mapping: RecordMapping = LINE) -> Rule:
    """Line items to lines; promotions and credits become discounts of what they apply to."""

    def apply(value: Any, scope: Scope) -> Any:
        folding = folding_of(scope)
        country = folding.tax_country()
        headers = {str(row.get("id")): (row, quantity) for row, quantity in folding.headers}
        views: list[dict[str, Any]] = []
        for good in folding.goods:
            header = headers.pop(good.parent or "", None)
            if header is not None:
                views.append(_header(*header))
            views.append(_view(folding, good, country))
        if folding.rounding:
            views.append(_rounding_line(folding.rounding))
        return [mapping.apply_in(scope.nested(view, f"lineItems[id={view.get('id')}].")) for view in views]

    return Rule("line items folded into lines", apply, nested=mapping, many=True, rebuild=folded)
