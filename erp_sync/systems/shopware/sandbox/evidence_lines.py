"""What the rows of an order come to: amounts before tax, discounts spread over lines, and what has left with parcels.

Facts: shopware/shopware src/Core, Checkout/Cart/Price/AmountCalculator (a cart's totals are those of its root lines,
a bundle's parts are in the bundle's price), Checkout/Promotion/Cart/PromotionCalculator (a promotion is a line with a
negative price; its `payload.composition` names the lines that it lowers, by their identifiers, each with its part of
the discount), Checkout/Cart/Price/AbsolutePriceCalculator (without one it is spread by the shares of tax rates).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from typing import Any

from erp_sync.sandbox.files import number
from erp_sync.systems.shopware.sandbox.schema.fields import structure

Row = Mapping[str, Any]
ZERO = Decimal(0)
LOWERING = ("promotion", "credit")
_GONE = ("shipped", "returned", "returned_partially")
_PARTLY = "shipped_partially"


@dataclass
class Charge:
    """What a line costs.

    Attributes:
        full: before discount and tax.
        net: after discount, before tax.
        taxes: by rate in percent, after discount.
    """

    full: Decimal
    net: Decimal
    taxes: dict[Decimal, Decimal] = field(default_factory=dict)

    @classmethod
    def of(cls, price: Row, order_price: str) -> Charge:
        """From a calculated price, which is gross where the order's tax status is."""
        taxes: dict[Decimal, Decimal] = defaultdict(Decimal)
        for one in price["calculatedTaxes"]:
            taxes[number(one["taxRate"])] += number(one["tax"])
        net = number(price["totalPrice"])
        if structure(order_price)["taxStatus"] == "gross":
            net -= sum(taxes.values(), ZERO)
        return cls(net, net, dict(taxes))

    @property
    def tax(self) -> Decimal:
        return sum(self.taxes.values(), ZERO)

    def lower(self, net: Decimal, rate: Decimal | None, tax: Decimal) -> None:
        """By negative amounts."""
        self.net += net
        if rate is not None:
            self.taxes[rate] = self.taxes.get(rate, ZERO) + tax


def lowered(lines: Sequence[Row], order_price: str) -> dict[str, Charge]:
    """What the root lines cost that are not discounts themselves, by id.

    An order of discounts alone has them as its lines.
    """
    roots = [(row, Charge.of(structure(row["price"]), order_price)) for row in lines if not row["parentId"]]
    kept = {row["id"]: charge for row, charge in roots if row["type"] not in LOWERING}
    if not kept:
        return {row["id"]: charge for row, charge in roots}
    # Shares are of what the lines cost before any discount.
    full = {row["id"]: (row, structure(row["price"])) for row, _ in roots if row["id"] in kept}
    for row, charge in roots:
        if row["id"] not in kept:
            for part in _parts(row, charge, order_price):
                _spread(part, _weights(row, full, part.rate), kept)
    return kept


@dataclass(frozen=True)
class _Part:
    """What a discount takes off at one tax rate; None: at none."""

    rate: Decimal | None
    net: Decimal
    tax: Decimal


def _parts(row: Row, charge: Charge, order_price: str) -> list[_Part]:
    price = structure(row["price"])
    gross = structure(order_price)["taxStatus"] == "gross"
    parts = [
        _Part(number(one["taxRate"]), number(one["price"]) - (number(one["tax"]) if gross else ZERO),
              number(one["tax"]))
        for one in price["calculatedTaxes"]
    ]  # fmt: skip
    rest = charge.net - sum((part.net for part in parts), ZERO)
    if not parts:
        return [_Part(None, rest, ZERO)]
    return [*parts[:-1], _Part(parts[-1].rate, parts[-1].net + rest, parts[-1].tax)]


def _weights(row: Row, full: Mapping[str, tuple[Row, Row]], rate: Decimal | None) -> dict[str, Decimal]:
    """How much of a discount each line bears at a rate, in shares that need not add up to anything."""
    of_rate = {
        identity: sum((number(one["price"]) for one in price["calculatedTaxes"]
                       if number(one["taxRate"]) == rate), ZERO)
        if rate is not None else number(price["totalPrice"])
        for identity, (_, price) in full.items()
    }  # fmt: skip
    named = _composition(row)
    if named:
        own = {identity: named.get(str(line["identifier"]), ZERO) for identity, (line, _) in full.items()}
        chosen = {identity: own[identity] for identity in full if own[identity] and of_rate[identity]}
        if chosen:
            return chosen
    chosen = {identity: weight for identity, weight in of_rate.items() if weight}
    return chosen or {identity: number(price["totalPrice"]) for identity, (_, price) in full.items()}


def _composition(row: Row) -> dict[str, Decimal]:
    payload = structure(row["payload"]) if row["payload"] else {}
    found: dict[str, Decimal] = defaultdict(Decimal)
    for one in (payload.get("composition") if isinstance(payload, dict) else None) or ():
        found[str(one["id"])] += number(one["discount"])
    return found


def _spread(part: _Part, weights: Mapping[str, Decimal], charges: Mapping[str, Charge]) -> None:
    """In proportion, exactly: the last one bears what is left."""
    whole, net, tax = sum(weights.values(), ZERO), part.net, part.tax
    *first, last = weights
    for identity in first:
        share = weights[identity] / whole if whole else ZERO
        charges[identity].lower(part.net * share, part.rate, part.tax * share)
        net, tax = net - part.net * share, tax - part.tax * share
    charges[last].lower(net, part.rate, tax)


# -- parcels -------------------------------------------------------------------------------------------------------


class Parcels:
    """The deliveries of one order, each with its positions, and the order's lines."""

    def __init__(self, deliveries: Sequence[Row], lines: Sequence[Row]) -> None:
        self._deliveries = {row["id"]: row for row in deliveries}
        self._children: dict[str, list[Row]] = defaultdict(list)
        self._lines = {row["id"]: row for row in lines}
        for row in lines:
            if row["parentId"]:
                self._children[row["parentId"]].append(row)

    @property
    def gone(self) -> list[Row]:
        """Deliveries that have left, whole or in part."""
        return [row for row in self._deliveries.values() if row["state"] in (*_GONE, _PARTLY)]

    @property
    def all_left(self) -> bool:
        """Deliveries without positions are discounts of the shipping costs (Checkout/Promotion/Cart)."""
        states = [row["state"] for row in self._deliveries.values() if row["positions"]]
        standing = [state for state in states if state != "cancelled"]
        return bool(standing) and all(state in _GONE for state in standing)

    def partly(self, delivery: str) -> bool:
        """Whether it has left in part: nobody can say which units that were."""
        return bool(self._deliveries[delivery]["state"] == _PARTLY)

    def goods(self, delivery: str) -> dict[str, Decimal]:
        """Units that have left with a delivery, by line; of one that left in part nothing is known."""
        row = self._deliveries[delivery]
        return self._units(row) if row["state"] in _GONE else {}

    @cached_property
    def left(self) -> dict[str, Decimal]:
        """Units that have left, by line."""
        return self._sum(_GONE)

    @cached_property
    def dropped(self) -> dict[str, Decimal]:
        """Units of deliveries that were cancelled, by line."""
        return self._sum(("cancelled",))

    def _sum(self, states: Sequence[str]) -> dict[str, Decimal]:
        found: dict[str, Decimal] = defaultdict(Decimal)
        for row in self._deliveries.values():
            if row["state"] in states:
                for line, units in self._units(row).items():
                    found[line] += units
        return found

    def _units(self, delivery: Row) -> dict[str, Decimal]:
        """Of rows that stand for goods: a bundle's position is its parts, unless they have positions of their own."""
        wanted: dict[str, Decimal] = defaultdict(Decimal)
        for position in delivery["positions"]:
            line = position["orderLineItemId"]
            if line in self._lines:
                wanted[line] += number(structure(position["price"])["quantity"])
        found: dict[str, Decimal] = defaultdict(Decimal)
        for line, units in wanted.items():
            parts = self._children.get(line, ())
            if not parts:
                found[line] += units
            elif not any(part["id"] in wanted for part in parts):
                for part in parts:
                    found[part["id"]] += number(part["quantity"]) * units / number(self._lines[line]["quantity"])
        return found
