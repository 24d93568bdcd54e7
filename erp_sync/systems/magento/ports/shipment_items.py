"""Which rows of the store's order a fulfillment ships.

The ERP ships SKUs; the store wants row ids: the parent's for a configurable product, the parent's or the
components' for a bundle, by how it ships. Rows are matched by SKU, the open quantity of the first row
first: which of two rows with one SKU left makes no difference to the customer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from erp_sync.model.advice import Advice
from erp_sync.model.money import ZERO, decimal_of
from erp_sync.model.shipment import ShipmentLine
from erp_sync.ports.lookups import Lookups
from erp_sync.ports.outcomes import QUANTITY_ABOVE_OPEN, AboveOpen

NOT_SHIPPED = ("virtual", "downloadable")


class CannotShip(ValueError):
    """The order has no rows for what was shipped. Attributes: code."""

    advice = Advice(
        means="The store has no row for what was shipped: the shipment is a dead letter with a reason of its own.",
        look=("erp-sync deadletters --flow shipments",),
        do="See the entry of the reason.",
    )

    def __init__(self, code: str, problem: str) -> None:
        self.code = code
        super().__init__(problem)


@dataclass
class _Row:
    """A row that can be shipped by, and what is open of it."""

    row_id: str
    sku: str  # the ERP's
    open: Decimal
    bundle: str = ""  # row id of the bundle that ships as one
    per_bundle: Decimal = Decimal(1)


def items_to_ship(
    order: Mapping[str, Any], lines: Sequence[ShipmentLine], lookups: Lookups, together: set[str]
) -> list[dict[str, Any]]:
    """``[{order_item_id, qty}]`` for the shipment. `together` holds row ids of bundles that ship as one.

    Raises CannotShip: ``sku_not_ordered``, ``quantity_above_open``, ``bundle_incomplete``. The vendor refuses a
    shipment as a whole where it has more of one row than is open (core: ShipOrder and its validators).
    """
    above: dict[str, AboveOpen] = {}
    rows = _rows(order, lookups, together)
    quantities: dict[str, Decimal] = {}
    bundles: dict[str, dict[str, Decimal]] = {}
    for line in lines:
        candidates = [row for row in rows if row.sku == line.sku]
        if not candidates:
            raise CannotShip("sku_not_ordered", f"{line.sku} was shipped and is on no row of the order")
        left = line.quantity
        for row in candidates:
            take = min(left, row.open)
            if take <= 0:
                continue
            row.open -= take
            left -= take
            if row.bundle:
                parts = bundles.setdefault(row.bundle, {})
                parts[row.row_id] = parts.get(row.row_id, ZERO) + take / row.per_bundle
            else:
                quantities[row.row_id] = quantities.get(row.row_id, ZERO) + take
        if left > 0:
            shipped = sum((one.quantity for one in lines if one.sku == line.sku), ZERO)
            before = above[line.sku].above if line.sku in above else ZERO
            above[line.sku] = AboveOpen(line.sku, shipped, before + left)
    if above:
        raise CannotShip(QUANTITY_ABOVE_OPEN, "; ".join(map(str, above.values())))
    for bundle, parts in bundles.items():
        components = {row.row_id for row in rows if row.bundle == bundle}
        shares = {parts.get(row_id, ZERO) for row_id in components}
        if len(shares) != 1:
            raise CannotShip(
                "bundle_incomplete", "the store ships this bundle as one, and its components did not leave together"
            )
        quantities[bundle] = shares.pop()
    return [{"order_item_id": int(row_id), "qty": quantity} for row_id, quantity in quantities.items()]


def _rows(order: Mapping[str, Any], lookups: Lookups, together: set[str]) -> list[_Row]:
    items = [row for row in order.get("items") or () if isinstance(row, Mapping)]
    by_id = {str(row.get("item_id")): row for row in items}
    parents = {str(row["parent_item_id"]) for row in items if row.get("parent_item_id")}
    rows: list[_Row] = []
    for row in items:
        row_id, kind = str(row.get("item_id")), str(row.get("product_type"))
        if row_id in parents or kind in NOT_SHIPPED:
            continue
        sku = lookups.get("sku_map", str(row.get("sku"))) or str(row.get("sku"))
        parent = by_id.get(str(row.get("parent_item_id") or ""))
        if parent is None:
            rows.append(_Row(row_id, sku, _open(row)))
            continue
        parent_id = str(parent.get("item_id"))
        if parent.get("product_type") != "bundle":
            rows.append(_Row(parent_id, sku, _open(parent)))
        elif parent_id in together:
            per_bundle = _number(row, "qty_ordered") / _number(parent, "qty_ordered")
            rows.append(_Row(row_id, sku, _open(parent) * per_bundle, parent_id, per_bundle))
        else:
            rows.append(_Row(row_id, sku, _open(row)))
    return rows


def _open(row: Mapping[str, Any]) -> Decimal:
    """What the vendor would still ship of a row (core: Order\\Item::getSimpleQtyToShip)."""
    gone = max(_number(row, "qty_shipped"), _number(row, "qty_refunded")) + _number(row, "qty_canceled")
    return max(_number(row, "qty_ordered") - gone, ZERO)


def _number(row: Mapping[str, Any], name: str) -> Decimal:
    value = row.get(name)
    return ZERO if value is None else decimal_of(value)
