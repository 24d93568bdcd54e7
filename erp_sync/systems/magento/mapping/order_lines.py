"""Order rows folded into the lines that are sold, priced and picked.

The vendor gives a configurable product as two rows (price on the parent, SKU of the chosen variant on
the child) and a bundle as a parent with a row per component. A bundle with dynamic price carries the
amounts on the components, one with fixed price on the parent (core: Magento_Bundle, isChildrenCalculated).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from erp_sync.model.money import ZERO, allocate, round_money
from erp_sync.model.order import LineKind, OrderLine, TaxLine
from erp_sync.ports import mapping_rules as rules
from erp_sync.ports.lookups import Lookups
from erp_sync.ports.mapping import Direction, Field, RecordMapping, Rule, Scope
from erp_sync.systems.magento.mapping.common import extension, money, number, records, text
from erp_sync.systems.magento.mapping.taxes import OrderTaxes, Tax, fixed_product_taxes

NON_STOCK_TYPES = ("virtual", "downloadable", "giftcard")
Row = Mapping[str, Any]


def own_discount(row: Row, scope: Scope) -> Decimal:
    """What the discount takes off the price without tax.

    Where prices include tax, the vendor states the discount with tax and the difference as compensation.
    """
    return number(row, "discount_amount", scope) - number(row, "discount_tax_compensation_amount", scope)


def exact_unit_price(price: Decimal, quantity: Decimal, gross: Decimal, currency: str) -> Decimal:
    """The vendor's price, or where quantity times price is not the row's total, the price that gives it."""
    if not quantity or round_money(price * quantity, currency) == gross:
        return price
    exact = gross / quantity
    for digits in (4, 6, 8, 10):
        shortened = exact.quantize(Decimal(1).scaleb(-digits))
        if round_money(shortened * quantity, currency) == gross:
            return shortened
    return exact


def mapped_sku(lookups: Lookups, sku: str, options: Sequence[tuple[str, str]]) -> str:
    """The ERP's item for a SKU with its chosen options.

    A row of ``sku_map`` for one option is keyed ``SKU|label=value`` and wins over the one of the bare SKU.
    Raises MappingProblem ``unmapped_sku_map`` where nothing answers.
    """
    for label, value in options:
        option = f"|{label}={value}"
        found = lookups.get("sku_map", sku + option)
        # Rules rewrite a text and keep the rest of it, and a default answers everything: neither is a row for it.
        if found is not None and "|" not in found and found != lookups.get("sku_map", option):
            return found
    return lookups.require("sku_map", sku)


def options_of(row: Row, labels: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Chosen options, label to value. REST gives ids; `labels` names them where the connection declares names."""
    chosen = extension(row.get("product_option") or {}, "configurable_item_options")
    custom = extension(row.get("product_option") or {}, "custom_options")
    return [
        (str(labels.get(str(one.get("option_id")), one.get("option_id"))), str(one.get("option_value", "")))
        for one in (*records(chosen), *records(custom))
    ]


class Folding:
    """Folds the rows of one order. `fold` gives records for the line mapping, in the store's order."""

    def __init__(self, order: Row, scope: Scope) -> None:
        self.order, self.scope = order, scope
        self.currency = str(order.get("order_currency_code") or "")
        self.taxes = OrderTaxes(order, scope)
        self.labels = scope.context.setting("option_labels") or {}

    def fold(self) -> list[dict[str, Any]]:
        items = self.order.get("items")
        rows = records(items)
        if not rows or len(rows) != len(items):  # type: ignore[arg-type]
            raise self.scope.problem("items", "is no list of rows")
        ids = [str(row.get("item_id")) for row in rows]
        if len(set(ids)) != len(ids):
            raise self.scope.problem("items", "two rows have one item_id")
        children: dict[str, list[tuple[int, Row]]] = {}
        for position, row in enumerate(rows):
            parent = row.get("parent_item_id")
            if parent:
                if str(parent) not in ids:
                    raise self.scope.problem(f"items[{position}].parent_item_id", f"row {parent} is not in the order")
                children.setdefault(str(parent), []).append((position, row))
        views: list[dict[str, Any]] = []
        for position, row in enumerate(rows):
            if not row.get("parent_item_id"):
                views += self._line(position, row, children.get(str(row.get("item_id")), []))
        return views

    def _line(self, position: int, row: Row, children: list[tuple[int, Row]]) -> list[dict[str, Any]]:
        kind = str(row.get("product_type") or "simple")
        if kind == "bundle":
            return self._bundle(position, row, children)
        if len(children) > 1:
            raise self.scope.problem(f"items[{position}]", f"a {kind} row has {len(children)} child rows")
        variant = children[0][1] if children else row
        inner = self.scope.nested(row, f"items[{position}].")
        non_stock = str(variant.get("product_type") or kind) in NON_STOCK_TYPES or str(row.get("is_virtual")) == "1"
        quantity = self._quantity(row, inner)
        gross = money(row, "row_total", inner, self.currency)
        discount = round_money(own_discount(row, inner), self.currency)
        tax = money(row, "tax_amount", inner, self.currency)
        named = self.taxes.of_row(row, inner) or (self.taxes.of_row(variant, inner) if variant is not row else [])
        rate = number(row, "tax_percent", inner)
        lines = self.taxes.lines(named, tax, gross - discount, rate, self.currency)
        view = self._view(
            row, variant, LineKind.NON_STOCK if non_stock else LineKind.ITEM, None, quantity, gross, discount,
            lines + fixed_product_taxes(row, inner, self.currency), number(row, "price", inner),
        )  # fmt: skip
        for name in ("qty_canceled", "qty_refunded", "qty_shipped"):
            view[f"_{name}"] = number(row, name, inner)
        return [view]

    def _quantity(self, row: Row, inner: Scope) -> Decimal:
        quantity = number(row, "qty_ordered", inner)
        if quantity <= 0:
            raise inner.problem("qty_ordered", f"{quantity} is not above zero")
        return quantity

    def _view(
        self,
        row: Row,
        variant: Row,
        kind: LineKind,
        parent: str | None,
        quantity: Decimal,
        gross: Decimal,
        discount: Decimal,
        taxes: list[TaxLine],
        price: Decimal,
    ) -> dict[str, Any]:
        """The row with the variant's identity and the amounts worked out; names with ``_`` are ours."""
        return {
            **row,
            "sku": variant.get("sku"),
            "_kind": kind,
            "_parent": parent,
            "_quantity": quantity,
            "_unit_price": exact_unit_price(price, quantity, gross, self.currency),
            "_discount": discount,
            "_amount": gross - discount,
            "_taxes": taxes,
            "_tax_amount": sum((one.amount for one in taxes), ZERO),
            "_options": options_of(row, self.labels),
        }

    def _bundle(self, position: int, row: Row, children: list[tuple[int, Row]]) -> list[dict[str, Any]]:
        outer = self.scope.nested(row, f"items[{position}].")
        if not children:
            raise self.scope.problem(f"items[{position}]", "a bundle without component rows")
        inner = [self.scope.nested(child, f"items[{place}].") for place, child in children]
        parts = [child for _, child in children]
        quantities = [self._quantity(child, scope) for child, scope in zip(parts, inner, strict=True)]
        gross = self._spread_gross(row, parts, quantities, outer, inner)
        discounts = self._spread_discount(row, parts, gross, outer, inner)
        nets = [one - discount for one, discount in zip(gross, discounts, strict=True)]
        taxes = self._spread_taxes(row, parts, nets, outer, inner)
        bundle_quantity = self._quantity(row, outer)
        header = self._view(row, row, LineKind.BUNDLE, None, bundle_quantity, ZERO, ZERO, [], ZERO)
        for name in ("qty_canceled", "qty_refunded", "qty_shipped"):
            header[f"_{name}"] = number(row, name, outer)
        views = [header]
        for index, (child, scope) in enumerate(zip(parts, inner, strict=True)):
            kind = LineKind.NON_STOCK if str(child.get("product_type")) in NON_STOCK_TYPES else LineKind.COMPONENT
            view = self._view(
                child, child, kind, str(row.get("item_id")), quantities[index], gross[index], discounts[index],
                taxes[index], number(child, "price", scope),
            )  # fmt: skip
            for name in ("qty_canceled", "qty_refunded", "qty_shipped"):
                # Shipped together, only the parent row counts; its share is the components' share.
                own = number(child, name, scope)
                view[f"_{name}"] = own or quantities[index] * header[f"_{name}"] / bundle_quantity
            views.append(view)
        return views

    def _spread_gross(
        self, row: Row, parts: list[Row], quantities: list[Decimal], outer: Scope, inner: list[Scope]
    ) -> list[Decimal]:
        own = [money(child, "row_total", scope, self.currency) for child, scope in zip(parts, inner, strict=True)]
        whole = money(row, "row_total", outer, self.currency)
        if any(own) and whole in (ZERO, sum(own, ZERO)):
            return own
        weights = own
        if not any(own):
            weights = [
                number(child, "original_price", scope) * quantity
                for child, scope, quantity in zip(parts, inner, quantities, strict=True)
            ]
        return allocate(whole, weights if any(weights) else quantities, self.currency)

    def _spread_discount(
        self, row: Row, parts: list[Row], gross: list[Decimal], outer: Scope, inner: list[Scope]
    ) -> list[Decimal]:
        own = [
            round_money(own_discount(child, scope), self.currency) for child, scope in zip(parts, inner, strict=True)
        ]
        if any(own):
            return own
        return allocate(round_money(own_discount(row, outer), self.currency), gross, self.currency)

    def _spread_taxes(
        self, row: Row, parts: list[Row], nets: list[Decimal], outer: Scope, inner: list[Scope]
    ) -> list[list[TaxLine]]:
        own = [money(child, "tax_amount", scope, self.currency) for child, scope in zip(parts, inner, strict=True)]
        fixed = [fixed_product_taxes(child, scope, self.currency) for child, scope in zip(parts, inner, strict=True)]
        if any(own):
            return [
                self.taxes.lines(
                    self.taxes.of_row(child, scope), amount, net, number(child, "tax_percent", scope), self.currency
                )
                + fixed[index]
                for index, (child, scope, amount, net) in enumerate(zip(parts, inner, own, nets, strict=True))
            ]
        whole = money(row, "tax_amount", outer, self.currency)
        named: list[Tax] = self.taxes.of_row(row, outer)
        rate = number(row, "tax_percent", outer)
        of_parent = self.taxes.lines(named, whole, sum(nets, ZERO), rate, self.currency)
        of_parent += fixed_product_taxes(row, outer, self.currency)
        weights = [abs(net) for net in nets]
        shares = [allocate(tax.amount, weights, self.currency) for tax in of_parent]
        return [
            [
                TaxLine(
                    jurisdiction=tax.jurisdiction,
                    code=tax.code,
                    rate=tax.rate,
                    taxable_amount=nets[index],
                    amount=shares[number_][index],
                )
                for number_, tax in enumerate(of_parent)
            ]
            + fixed[index]
            for index in range(len(parts))
        ]


def _of_view(name: str, words: str, *reads: str) -> Rule:
    return rules.computed(words, lambda scope: scope.record[name], reads=reads)


def _sku(value: Any, scope: Scope) -> str:
    return mapped_sku(scope.context.lookups, str(value).strip(), scope.record["_options"])


LINE = RecordMapping(
    name="sales_order.lines",
    direction=Direction.TO_CANONICAL,
    build=OrderLine,
    fields=(
        Field("item_id", "line_id", text, required=True, note="of the parent row for a configurable product"),
        Field("", "parent_line_id", _of_view("_parent", "row of the bundle, for its components", "parent_item_id")),
        Field("", "kind", _of_view("_kind", "by product type and place in the order", "product_type", "is_virtual")),
        Field("sku", "sku", Rule("lookup(sku_map), options first", _sku), required=True, note="of the chosen variant"),
        Field("sku", "store_sku", text, required=True),
        Field("name", "name", text),
        Field("", "quantity", _of_view("_quantity", "decimal(4), above zero", "qty_ordered")),
        Field("", "quantity_cancelled", _of_view("_qty_canceled", "decimal(4)", "qty_canceled")),
        Field("", "quantity_refunded", _of_view("_qty_refunded", "decimal(4)", "qty_refunded")),
        Field("", "quantity_shipped", _of_view("_qty_shipped", "decimal(4)", "qty_shipped")),
        Field(
            "",
            "unit_price",
            _of_view(
                "_unit_price",
                "price without tax; for components the share of the bundle's total",
                "price",
                "row_total",
                "original_price",
            ),
            note="quantity times unit price is the row's total to the cent",
        ),
        Field(
            "",
            "discount",
            _of_view(
                "_discount",
                "discount less its tax compensation, rounded to the currency",
                "discount_amount",
                "discount_tax_compensation_amount",
            ),
            note="contains the row's share of discounts on the whole order",
        ),
        Field("", "amount", _of_view("_amount", "row total less discount", "row_total")),
        Field(
            "",
            "taxes",
            _of_view(
                "_taxes",
                "one per jurisdiction, adding up to the row's tax",
                "$.extension_attributes.item_applied_taxes",
                "$.extension_attributes.applied_taxes",
                "extension_attributes.itemized_taxes",
                "tax_percent",
                "weee_tax_applied",
                "weee_tax_applied_row_amount",
            ),
        ),
        Field("", "tax_amount", _of_view("_tax_amount", "sum of its tax lines", "tax_amount")),
        Field("", "options", _of_view("_options", "label and value of chosen options", "product_option"), note="ids"),
        Field("ext_order_item_id", "custom.ext_order_item_id", text),
        Field("additional_data", "custom.additional_data", text),
        Field("extension_attributes.gift_message.message", "custom.gift_message", text),
    ),
)


def folded(mapping: RecordMapping = LINE) -> Rule:
    """Rows to lines: configurable products as one line, bundles as a header and its components."""

    def apply(value: Any, scope: Scope) -> list[OrderLine]:
        views = Folding(scope.record, scope).fold()
        return [mapping.apply_in(scope.nested(view, f"items[item_id={view.get('item_id')}].")) for view in views]

    return Rule("rows folded into lines", apply, nested=mapping, many=True, rebuild=folded)
