"""What of an order is still to be delivered, worked out from the store's rows alone.

Units that the store cancelled, or refunded and never shipped, will not leave any warehouse. An order that lost such
units before it was first sent is in the ERP without them, at their share of price, discount and tax; one that lost
them afterwards was sent whole. Nothing is rounded here: `slack` says what rounding line by line may come to.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from erp_sync.sandbox.checker.sources import Row, grouped, number

_CENT = Decimal("0.01")
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


def remainder(order: Row, items: list[Row], taxes: list[Row]) -> Remainder | None:
    """None for an order of which everything is still to be delivered, or was."""
    shares = _shares(items)
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
