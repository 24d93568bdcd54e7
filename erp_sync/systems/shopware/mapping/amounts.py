"""Amounts of an order without tax, line by line, so that they add up to the shop's own totals to the cent.

The vendor states every price in the order's tax state (``taxStatus``): with tax (``gross``), without (``net``), or with
no tax at all (``tax-free``); ``calculatedTaxes`` lists tax and base by rate, the base in the same state. Discounts are
lines of their own with negative prices (core: PromotionCalculator, AmountCalculator). Taxes of the whole order are the
sum of the lines' (``horizontal``) or worked out anew of the sums (``vertical``): then they differ by cents, which are
given to the lines with the most of that tax.

Pure: plain values in and out, all of them rounded to the currency.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from erp_sync.model.money import ZERO, allocate, minor_units, round_money

_DIGITS = tuple(Decimal(1).scaleb(-digits) for digits in (2, 4, 6, 8, 10))


@dataclass(frozen=True)
class Taxed:
    """A part of a price at one rate. `base` is in the order's tax state; both negative in a discount."""

    rate: Decimal
    base: Decimal
    tax: Decimal


@dataclass
class Position:
    """A line, or the shipping: what it costs before discounts, and what is taken off.

    Attributes:
        key: of the line; composition of a discount names it.
        total: in the order's tax state.
        parts: `total` by rate; their bases add up to it.
        taken: of each discount, by rate.
        moved: cents of tax moved here, so that the lines' taxes add up to the order's.
    """

    key: str
    total: Decimal
    parts: list[Taxed]
    taken: list[Taxed] = field(default_factory=list)
    moved: list[Taxed] = field(default_factory=list)

    def taxes(self) -> dict[Decimal, Decimal]:
        """Tax by rate after discounts, in the order of the rates' appearance."""
        found: dict[Decimal, Decimal] = {}
        for one in [*self.parts, *self.taken, *self.moved]:
            found[one.rate] = found.get(one.rate, ZERO) + one.tax
        return found

    def bases(self) -> dict[Decimal, Decimal]:
        """Base by rate after discounts, in the order's tax state."""
        found: dict[Decimal, Decimal] = {}
        for one in [*self.parts, *self.taken]:
            found[one.rate] = found.get(one.rate, ZERO) + one.base
        return found

    def net(self, gross: bool) -> Decimal:
        """Before discounts, without tax."""
        tax = sum((one.tax for one in [*self.parts, *self.moved]), ZERO)
        return self.total - tax if gross else self.total

    def discount(self, gross: bool) -> Decimal:
        """What is taken off, positive, without tax."""
        return -sum((one.base - one.tax if gross else one.base for one in self.taken), ZERO)

    @property
    def tax(self) -> Decimal:
        return sum(self.taxes().values(), ZERO)


def parts_of(total: Decimal, taxes: Sequence[Taxed], currency: str) -> list[Taxed]:
    """The taxes with bases that add up to the total: the vendor rounds each by itself. Without taxes one part of no
    tax."""
    if not taxes:
        return [Taxed(ZERO, total, ZERO)]
    bases = allocate(total, [abs(one.base) for one in taxes], currency)
    return [Taxed(one.rate, base, one.tax) for one, base in zip(taxes, bases, strict=True)]


def take(
    discount: Sequence[Taxed], positions: Sequence[Position], weights: Mapping[str, Decimal], currency: str
) -> None:
    """Share a discount (negative parts) over positions in proportion to their weights, to the cent.

    What was discounted at one rate is taken off positions of that rate; where none has it, off all of them. Weights
    that are missing or all zero: by what the positions cost. Raises ValueError without positions.
    """
    chosen = [one for one in positions if weights.get(one.key, ZERO) > 0]
    weigh = {one.key: weights[one.key] for one in chosen} if chosen else {}
    if not chosen:
        chosen = list(positions)
        weigh = {one.key: max(one.total, ZERO) for one in chosen}
    if not chosen:
        raise ValueError("nothing to take the discount off")
    for part in discount:
        at_rate = [one for one in chosen if part.rate in {own.rate for own in one.parts}] or chosen
        shares = [weigh[one.key] for one in at_rate]
        bases, taxes = allocate(part.base, shares, currency), allocate(part.tax, shares, currency)
        for one, base, tax in zip(at_rate, bases, taxes, strict=True):
            if base or tax:
                one.taken.append(Taxed(part.rate, base, tax))


def reconcile(positions: Sequence[Position], stated: Mapping[Decimal, Decimal], currency: str) -> None:
    """Move cents of tax, so that the positions' taxes add up to the order's at every rate.

    Only what rounding explains, half a minor unit a position and one for the order, is moved: a larger difference
    stays, and the quality gate shows it.
    """
    unit = Decimal(1).scaleb(-minor_units(currency))
    limit = unit / 2 * (len(positions) + 1)
    own: dict[Decimal, list[tuple[Position, Decimal]]] = {}
    for one in positions:
        for rate, tax in one.taxes().items():
            own.setdefault(rate, []).append((one, tax))
    for rate, having in own.items():
        difference = stated.get(rate, ZERO) - sum((tax for _, tax in having), ZERO)
        if not difference or abs(difference) > limit:
            continue
        for (one, _), cents in zip(
            having, allocate(difference, [abs(tax) for _, tax in having], currency), strict=True
        ):
            if cents:
                one.moved.append(Taxed(rate, ZERO, cents))


def unit_price(stated: Decimal | None, quantity: Decimal, net: Decimal, currency: str) -> Decimal:
    """The vendor's price, or where quantity times price is not the line's amount, the shortest that gives it."""
    exact = net / quantity
    tried = [] if stated is None else [_shortest(stated)]
    for price in (*tried, *(exact.quantize(one) for one in _DIGITS)):
        if round_money(price * quantity, currency) == net:
            return price
    return exact


def _shortest(price: Decimal) -> Decimal:
    """Without the zeros of its storage scale."""
    return next((short for one in _DIGITS if (short := price.quantize(one)) == price), price)
