"""Rows of an order and what is still open of each.

Facts: magento/magento2 `Sales/Model/Order/Item`. A composite product is a parent row and child rows; which of them
counts ("is no dummy") differs for amounts and for shipping: a configurable row counts for both, its child for none; a
bundle with dynamic price counts by its children for amounts, and by itself for shipping unless shipped separately.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from erp_sync.systems.magento.sandbox.database import Row
from erp_sync.systems.magento.sandbox.shop import ZERO, Shop, from_json


@dataclass
class OrderItem:
    row: Row
    parent: OrderItem | None = None
    children: list[OrderItem] = field(default_factory=list)

    @property
    def item_id(self) -> int:
        return int(self.row["item_id"])

    @property
    def options(self) -> dict[str, Any]:
        options: dict[str, Any] = from_json(self.row["product_options"], {})
        return options

    def _of_composite(self, option: str) -> bool:
        owner = self.parent or self
        return bool(owner.options.get(option))

    def counts_in_amounts(self) -> bool:
        by_children = self._of_composite("product_calculations")
        if self.children:
            return not by_children
        return by_children if self.parent else True

    def counts_in_shipping(self) -> bool:
        separately = self._of_composite("shipment_type")
        if self.children:
            return not separately
        return separately if self.parent else True

    @property
    def virtual(self) -> bool:
        return bool(self.row["is_virtual"])

    def quantity(self, name: str) -> Decimal:
        value: Decimal = self.row[f"qty_{name}"] or ZERO
        return value

    def to_ship(self) -> Decimal:
        """Open quantity of a row that counts in shipping; 0 for the others."""
        return self.simple_to_ship() if self.counts_in_shipping() else ZERO

    def simple_to_ship(self) -> Decimal:
        taken = max(self.quantity("shipped"), self.quantity("refunded")) + self.quantity("canceled")
        return max(self.quantity("ordered") - taken, ZERO)

    def to_invoice(self) -> Decimal:
        return self.quantity("ordered") - self.quantity("invoiced") - self.quantity("canceled") \
            if self.counts_in_amounts() else ZERO  # fmt: skip

    def to_refund(self) -> Decimal:
        if not self.counts_in_amounts():
            return ZERO
        return max(self.quantity("invoiced") - self.quantity("refunded"), ZERO)

    def to_cancel(self) -> Decimal:
        to_invoice = self.quantity("ordered") - self.quantity("invoiced") - self.quantity("canceled")
        if self.virtual:
            return max(to_invoice, ZERO)
        return max(min(to_invoice, self.simple_to_ship()), ZERO)

    def per_parent(self) -> Decimal:
        """Units of this child in one of its parent."""
        assert self.parent is not None
        return self.quantity("ordered") / self.parent.quantity("ordered")

    def stock_parts(self, quantity: Decimal) -> dict[str, Decimal]:
        """SKUs and quantities that `quantity` of this row takes from stock."""
        if not self.children:
            return {self.row["sku"]: quantity}
        if self.row["product_type"] == "configurable":
            return {self.row["sku"]: quantity}
        parts: dict[str, Decimal] = {}
        for child in self.children:
            if not child.virtual:
                sku = child.row["sku"]
                parts[sku] = parts.get(sku, ZERO) + child.per_parent() * quantity
        return parts


def load(shop: Shop, order_id: int) -> list[OrderItem]:
    """All rows of an order, children linked to their parents."""
    rows = shop.database.rows("SELECT * FROM sales_order_item WHERE order_id = ? ORDER BY item_id", [order_id])
    by_id = {row["item_id"]: OrderItem(row) for row in rows}
    for item in by_id.values():
        parent = by_id.get(item.row["parent_item_id"])
        if parent:
            item.parent = parent
            parent.children.append(item)
    return list(by_id.values())


def add(shop: Shop, item: OrderItem, **amounts: Decimal) -> None:
    """Add to fields of a row, in the database and in hand."""
    fields: dict[str, Any] = {name: (item.row[name] or ZERO) + amount for name, amount in amounts.items()}
    item.row |= fields
    shop.database.update("sales_order_item", {"item_id": item.item_id}, {**fields, "updated_at": shop.now()})
