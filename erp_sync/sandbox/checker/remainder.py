"""What of an order is still to be delivered, worked out from the store's rows alone.

Units that the store cancelled, or refunded and never shipped, will not leave any warehouse. An order that lost such
units before it was first sent is in the ERP without them, at their share of price, discount and tax; one that lost
them afterwards was sent whole. Nothing is rounded here: `slack` says what rounding line by line may come to.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from erp_sync.sandbox.checker.sources import grouped
from erp_sync.sandbox.evidence import Id, StoreLine, StoreOrder

_CENT = Decimal("0.01")
_UNIT = Decimal("0.0001")  # the digits of a quantity
_COUNTED = ("amount", "discount", "tax")


@dataclass(frozen=True)
class Remainder:
    """An order as it would be had its lost units never been ordered.

    Attributes:
        slack: how far amounts may lie beside these, each row and rate rounded on its own.
    """

    order: StoreOrder
    slack: Decimal

    @property
    def nothing(self) -> bool:
        return not any(line.ordered for line in self.order.lines)


def remainder(
    order: StoreOrder, standing: Callable[[StoreLine], Decimal | None] = lambda line: None
) -> Remainder | None:
    """None for an order of which everything is still to be delivered, or was.

    A row of which the ERP says how much of it is `standing` there, closed and with its amounts, counts so.
    """
    shares = _shares(order.lines)
    for line in order.lines:
        if (told := standing(line)) is not None:
            shares[line.id] = told
    if all(share == 1 for share in shares.values()):
        return None
    left = [_scaled(line, shares[line.id]) for line in order.lines]
    taxes = [replace(tax, amount=tax.amount * shares.get(tax.line, Decimal(1))) for tax in order.taxes]
    gone = {name: _sum(order.lines, name) - _sum(left, name) for name in _COUNTED}
    rest = replace(
        order,
        total=order.total - (gone["amount"] - gone["discount"] + gone["tax"]),
        tax=order.tax - gone["tax"],
        lines=left,
        taxes=taxes,
    )
    reduced = sum(share != 1 for share in shares.values())
    return Remainder(rest, _CENT * reduced * (1 + len({tax.percent for tax in taxes})))


def open_units(lines: Sequence[StoreLine]) -> dict[str, Decimal]:
    """Units by SKU of the store that it would still let leave."""
    return _units(lines, _to_ship, min)


def shipped_units(lines: Sequence[StoreLine]) -> dict[str, Decimal]:
    """Units by SKU of the store that have left by its count."""
    return _units(lines, lambda line: _part(line, line.shipped), max)


def _units(
    lines: Sequence[StoreLine],
    share: Callable[[StoreLine], Decimal],
    of_both: Callable[[Decimal, Decimal], Decimal],
) -> dict[str, Decimal]:
    """Of what is shipped: a configured article's row, a bundle's parts, which follow the bundle where it has the
    figures."""
    found: dict[str, Decimal] = {}
    for line, whole in delivered(lines):
        part = share(line) if whole is None else of_both(share(line), share(whole))
        found[line.sku] = found.get(line.sku, Decimal(0)) + (line.ordered * part).quantize(_UNIT)
    return found


def delivered(lines: Sequence[StoreLine]) -> list[tuple[StoreLine, StoreLine | None]]:
    """Rows that stand for what is delivered, each with the bundle whose part it is."""
    by_id = {line.id: line for line in lines}
    wholes = {line.part_of for line in lines if line.part_of is not None}
    found = []
    for line in lines:
        whole = None if line.part_of is None else by_id.get(line.part_of)
        of_variant = whole is not None and whole.kind == "variant"
        if not of_variant and (line.id not in wholes or line.kind == "variant"):
            found.append((line, whole))
    return found


def _to_ship(line: StoreLine) -> Decimal:
    gone = max(line.shipped, line.refunded) + line.cancelled
    return _part(line, max(line.ordered - gone, Decimal(0)))


def _part(line: StoreLine, units: Decimal) -> Decimal:
    return units / line.ordered if line.ordered else Decimal(0)


def _shares(lines: Sequence[StoreLine]) -> dict[Id, Decimal]:
    """How much of each row is left, by its id: a part has lost at least what its whole lost."""
    own = {line.id: _share(line) for line in lines}
    return {line.id: min(own[line.id], own.get(line.part_of, Decimal(1))) for line in lines}


def _share(line: StoreLine) -> Decimal:
    unshipped = max(line.refunded - line.shipped, Decimal(0))
    lost = min(line.cancelled + unshipped, line.ordered)
    return (line.ordered - lost) / line.ordered if line.ordered else Decimal(1)


def _scaled(line: StoreLine, share: Decimal) -> StoreLine:
    if share == 1:
        return line
    return replace(line, **{name: getattr(line, name) * share for name in ("ordered", *_COUNTED)})


def _sum(lines: Sequence[StoreLine], name: str) -> Decimal:
    """Of the rows that carry amounts: a bundle's parts where they have prices, else the bundle."""
    parts = grouped((line for line in lines if line.part_of is not None), lambda line: line.part_of)
    whole = Decimal(0)
    for line in lines:
        if line.part_of is not None:
            continue
        mine = parts.get(line.id, [])
        by_parts = line.kind == "bundle" and any(part.amount for part in mine)
        whole += sum((getattr(part, name) for part in mine), Decimal(0)) if by_parts else getattr(line, name)
    return whole
