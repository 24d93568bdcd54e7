"""Rounding and taxes of one line and of a whole cart, in decimals.

[SW] Checkout/Cart/Price (CashRounding, GrossPriceCalculator, NetPriceCalculator, QuantityPriceCalculator,
AmountCalculator, PercentageTaxRuleBuilder), Checkout/Cart/Tax/TaxCalculator. PHP's floats and its round (half away
from zero, after a correction of their noise) give what decimals give here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Literal

TaxState = Literal["gross", "net", "tax-free"]
HUNDRED = Decimal(100)
ZERO = Decimal(0)


@dataclass(frozen=True)
class Rounding:
    """CashRoundingConfig: digits, smallest coin, and whether net prices are rounded to the coin, too."""

    decimals: int
    interval: Decimal
    for_net: bool

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Rounding:
        return cls(int(config["decimals"]), Decimal(str(config["interval"])), bool(config["roundForNet"]))

    def math(self, price: Decimal) -> Decimal:
        """CashRounding::mathRound."""
        return price.quantize(Decimal(1).scaleb(-self.decimals), ROUND_HALF_UP)

    def cash(self, price: Decimal) -> Decimal:
        """CashRounding::cashRound: to the interval only where there are at most two digits."""
        rounded = self.math(price)
        if self.decimals > 2:
            return rounded
        coins = (rounded / self.interval).quantize(Decimal(1), ROUND_HALF_UP)
        return coins * self.interval

    def net(self, price: Decimal) -> Decimal:
        """NetPriceCalculator::round."""
        return self.cash(price) if self.for_net else self.math(price)


@dataclass(frozen=True)
class Tax:
    """A calculated tax: amount, rate in percent, and the price that it is of."""

    tax: Decimal
    rate: Decimal
    price: Decimal


@dataclass(frozen=True)
class LinePrice:
    """CalculatedPrice. `rules` are rates with the share of the price (percent) that each is of."""

    unit: Decimal
    total: Decimal
    quantity: int
    taxes: tuple[Tax, ...]
    rules: tuple[tuple[Decimal, Decimal], ...]
    list_price: Decimal | None = None

    def printed(self) -> dict[str, Any]:
        """As the API prints it."""
        return {
            "unitPrice": self.unit,
            "quantity": self.quantity,
            "totalPrice": self.total,
            "calculatedTaxes": [printed_tax(one) for one in self.taxes],
            "taxRules": [printed_rule(rate, share) for rate, share in self.rules],
            "referencePrice": None,
            "listPrice": self._list_price(),
            "regulationPrice": None,
            "apiAlias": "calculated_price",
        }

    def _list_price(self) -> dict[str, Any] | None:
        """ListPrice::createFromUnitPrice."""
        if self.list_price is None:
            return None
        percentage = ZERO
        if self.list_price > 0:
            percentage = (HUNDRED - self.unit / self.list_price * HUNDRED).quantize(Decimal("0.01"), ROUND_HALF_UP)
        return {
            "price": self.list_price, "discount": self.unit - self.list_price, "percentage": percentage,
            "apiAlias": "cart_list_price",
        }  # fmt: skip


def printed_tax(one: Tax) -> dict[str, Any]:
    return {"tax": one.tax, "taxRate": one.rate, "price": one.price, "apiAlias": "cart_tax_calculated"}


def printed_rule(rate: Decimal, share: Decimal) -> dict[str, Any]:
    return {"taxRate": rate, "percentage": share, "apiAlias": "cart_tax_rule"}


def tax_in(gross: Decimal, rate: Decimal) -> Decimal:
    """TaxCalculator::calculateTaxFromGrossPrice, not rounded."""
    return gross / ((HUNDRED + rate) / HUNDRED) * (rate / HUNDRED)


def tax_on(net: Decimal, rate: Decimal) -> Decimal:
    """TaxCalculator::calculateTaxFromNetPrice, not rounded."""
    return net * (rate / HUNDRED)


def line_price(
    price: Decimal, quantity: int, state: TaxState, rules: Sequence[tuple[Decimal, Decimal]], rounding: Rounding,
    list_price: Decimal | None = None,
) -> LinePrice:  # fmt: skip
    """Price of a line: the unit is rounded first, then multiplied, then rounded.

    `price` is gross or net as `state` says; `rules` are rates with their shares of it in percent. Tax-free lines are
    calculated as net ones and lose their taxes (QuantityPriceCalculator).
    """
    gross = state == "gross"
    rounded = rounding.cash if gross else rounding.net
    unit = rounded(price)
    taxes = []
    for rate, share in rules:
        part = unit * share / HUNDRED
        tax = tax_in(part, rate) if gross else tax_on(part, rate)
        taxes.append(Tax(rounding.math(tax * quantity), rate, rounding.math(part * quantity)))
    made = LinePrice(unit, rounded(unit * quantity), quantity, tuple(taxes), tuple(rules))
    if list_price:
        made = replace(made, list_price=rounded(list_price))
    return replace(made, taxes=(), rules=()) if state == "tax-free" else made


@dataclass(frozen=True)
class CartPrice:
    """Totals of a cart; `raw` is the total before the total's rounding."""

    net: Decimal
    total: Decimal
    position: Decimal
    taxes: tuple[Tax, ...]
    rules: tuple[tuple[Decimal, Decimal], ...]
    state: TaxState
    raw: Decimal

    def printed(self) -> dict[str, Any]:
        return {
            "netPrice": self.net, "totalPrice": self.total, "positionPrice": self.position, "rawTotal": self.raw,
            "taxStatus": self.state, "calculatedTaxes": [printed_tax(one) for one in self.taxes],
            "taxRules": [printed_rule(rate, share) for rate, share in self.rules],
        }  # fmt: skip


def merged(prices: Iterable[LinePrice]) -> tuple[Tax, ...]:
    """CalculatedTaxCollection::merge: taxes of one rate are added up."""
    found: dict[Decimal, Tax] = {}
    for price in prices:
        for one in price.taxes:
            known = found.get(one.rate, Tax(ZERO, one.rate, ZERO))
            found[one.rate] = Tax(known.tax + one.tax, one.rate, known.price + one.price)
    return tuple(found.values())


def cart_price(
    lines: Sequence[LinePrice], shipping: Sequence[LinePrice], state: TaxState, item: Rounding, total: Rounding,
    *, vertical: bool = False,
) -> CartPrice:  # fmt: skip
    """AmountCalculator: sums of lines that are rounded already; the total is rounded once more, tax-free ones not."""
    every = [*lines, *shipping]
    amount, position = sum((one.total for one in every), ZERO), sum((one.total for one in lines), ZERO)
    if state == "tax-free":
        return CartPrice(amount, amount, position, (), (), state, amount)
    rules = _rules(every)
    taxes = _vertical(amount, every, state) if vertical else merged(every)
    taxes = tuple(Tax(item.math(one.tax), one.rate, one.price) for one in taxes)
    sum_of_taxes = sum((one.tax for one in taxes), ZERO)
    if state == "gross":
        return CartPrice(item.math(amount - sum_of_taxes), total.cash(amount), position, taxes, rules, state, amount)
    raw = amount + sum_of_taxes
    return CartPrice(amount, total.cash(raw), position, taxes, rules, state, raw)


def _rules(prices: Iterable[LinePrice]) -> tuple[tuple[Decimal, Decimal], ...]:
    found = {rate: share for price in prices for rate, share in price.rules}
    return tuple(found.items())


def shares(prices: Sequence[LinePrice]) -> list[tuple[Decimal, Decimal]]:
    """PercentageTaxRuleBuilder::buildRules: each rate with its share of the sum, in percent."""
    taxes, amount = merged(prices), sum((one.total for one in prices), ZERO)
    return [(one.rate, one.price / amount * HUNDRED if amount else HUNDRED) for one in taxes]


def _vertical(amount: Decimal, prices: Sequence[LinePrice], state: TaxState) -> tuple[Tax, ...]:
    """Taxes of the sum instead of the sum of taxes."""
    made = []
    for rate, share in shares(prices):
        part = amount * share / HUNDRED
        made.append(Tax(tax_in(part, rate) if state == "gross" else tax_on(part, rate), rate, part))
    return tuple(made)
