"""What of an order is still to be delivered, worked out from the store's rows alone.

Units that the store cancelled, or refunded and never shipped, will not leave any warehouse. An order that lost such
units before it was first sent is in the ERP without them, at their share of price, discount and tax; one that lost
them afterwards was sent whole. Nothing is rounded here: `slack` says what rounding line by line may come to.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from erp_sync.sandbox.checker.sources import Row, grouped, number

_CENT = Decimal("0.01")
_UNIT = Decimal("0.0001")  # the store's digits of a quantity
_COUNTED = ("row_total", "discount_amount", "tax_amount")


@dataclass(frozen=True)
class Remainder:
    """An order's rows as they would be had its lost units never been ordered.

    Attributes:
        slack: how far amounts may lie beside these, each row and rate rounded on its own.
    """

    order: Row
    items: list[Row]
    taxes: list[Row]
    slack: Decimal

    @property
    def nothing(self) -> bool:
        return not any(number(item["qty_ordered"]) for item in self.items)


def remainder(
    order: Row, items: list[Row], taxes: list[Row], standing: Callable[[Row], Decimal | None] = lambda item: None
) -> Remainder | None:
    """None for an order of which everything is still to be delivered, or was.

    A row of which the ERP says how much of it is `standing` there, closed and with its amounts, counts so.
    """
    own = _shares(items)
    shares = {}
    for item in items:
        told = standing(item)
        shares[item["item_id"]] = own[item["item_id"]] if told is None else told
    if all(share == 1 for share in shares.values()):
        return None
    left = [_scaled(item, shares[item["item_id"]], "qty_ordered", *_COUNTED) for item in items]
    rates = [_scaled(tax, shares.get(tax["item_id"], Decimal(1)), "amount") for tax in taxes]
    gone = {name: _sum(items, name) - _sum(left, name) for name in _COUNTED}
    total = gone["row_total"] - gone["discount_amount"] + gone["tax_amount"]
    changed = {
        "grand_total": number(order["grand_total"]) - total,
        "tax_amount": number(order["tax_amount"]) - gone["tax_amount"],
    }
    reduced = sum(share != 1 for share in shares.values())
    slack = _CENT * reduced * (1 + len({tax["percent"] for tax in taxes}))
    return Remainder({**order, **changed}, left, rates, slack)


def open_units(items: list[Row]) -> dict[str, Decimal]:
    """Units by SKU of the store that it would still let leave: Magento's own count of what is to be shipped."""
    return _units(items, _to_ship, min)


def shipped_units(items: list[Row]) -> dict[str, Decimal]:
    """Units by SKU of the store that have left by its count."""
    return _units(items, lambda item: _part(item, number(item["qty_shipped"])), max)


def _units(
    items: list[Row], share: Callable[[Row], Decimal], of_both: Callable[[Decimal, Decimal], Decimal]
) -> dict[str, Decimal]:
    """Of what is shipped: a configurable product's row, a bundle's parts, which follow the bundle where it has the
    figures."""
    by_id = {item["item_id"]: item for item in items}
    parents = {item["parent_item_id"] for item in items if item["parent_item_id"]}
    found: dict[str, Decimal] = {}
    for item in items:
        parent = by_id.get(item["parent_item_id"])
        of_configurable = parent is not None and parent["product_type"] == "configurable"
        if of_configurable or (item["item_id"] in parents and item["product_type"] != "configurable"):
            continue
        part = share(item) if parent is None else of_both(share(item), share(parent))
        units = (number(item["qty_ordered"]) * part).quantize(_UNIT)
        found[item["sku"]] = found.get(item["sku"], Decimal(0)) + units
    return found


def _to_ship(item: Row) -> Decimal:
    gone = max(number(item["qty_shipped"]), number(item["qty_refunded"])) + number(item["qty_canceled"])
    return _part(item, max(number(item["qty_ordered"]) - gone, Decimal(0)))


def _part(item: Row, units: Decimal) -> Decimal:
    ordered = number(item["qty_ordered"])
    return units / ordered if ordered else Decimal(0)


def _shares(items: list[Row]) -> dict[int, Decimal]:
    """How much of each row is left, by item id: a part has lost at least what its whole lost."""
    own = {item["item_id"]: _share(item) for item in items}
    return {item["item_id"]: min(own[item["item_id"]], own.get(item["parent_item_id"], Decimal(1))) for item in items}


def _share(item: Row) -> Decimal:
    ordered = number(item["qty_ordered"])
    unshipped = max(number(item["qty_refunded"]) - number(item["qty_shipped"]), Decimal(0))
    lost = min(number(item["qty_canceled"]) + unshipped, ordered)
    return (ordered - lost) / ordered if ordered else Decimal(1)


def _scaled(row: Row, share: Decimal, *names: str) -> Row:
    return row if share == 1 else {**row, **{name: number(row[name]) * share for name in names}}


def _sum(items: list[Row], name: str) -> Decimal:
    """Of the rows that carry amounts: a bundle's parts where they have prices, else the bundle."""
    parts = grouped((item for item in items if item["parent_item_id"]), "parent_item_id")
    whole = Decimal(0)
    for item in items:
        if item["parent_item_id"]:
            continue
        mine = parts.get(item["item_id"], [])
        by_parts = item["product_type"] == "bundle" and any(number(part["row_total"]) for part in mine)
        whole += sum((number(part[name]) for part in mine), Decimal(0)) if by_parts else number(item[name])
    return whole
