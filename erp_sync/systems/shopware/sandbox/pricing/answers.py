"""What is asked for a price, and what is answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from erp_sync.systems.shopware.sandbox import names
from erp_sync.systems.shopware.sandbox.pricing.money import HUNDRED, LinePrice, Rounding, TaxState, line_price
from erp_sync.systems.shopware.sandbox.pricing.rules import Scope

Source = Literal["price", "product_price", "custom_price", "individual"]


@dataclass(frozen=True)
class PriceContext:
    """What a price depends on besides the product.

    Attributes:
        rules: ids of the matching rules in their order (`rules.RuleBook`).
        factor: of the currency, from the default one.
    """

    scope: Scope
    rules: Sequence[str]
    factor: Decimal
    state: TaxState
    item: Rounding
    total: Rounding
    commercial: bool = True
    vertical: bool = False


@dataclass(frozen=True)
class Tier:
    """A calculated price and the quantity that it is known by; `start` for Individual Pricing, which has ranges."""

    price: LinePrice
    quantity: int
    start: int = 1
    end: int | None = None


@dataclass(frozen=True)
class ProductPrice:
    """`calculatedPrice` and `calculatedPrices` of one product.

    Attributes:
        base: of the product's own price, which ignores rules.
        source: what the price comes from; `rule` and `name` say which.
    """

    product: str
    rate: Decimal
    base: LinePrice
    tiers: tuple[Tier, ...] = ()
    source: Source = "price"
    rule: str | None = None
    ranged: bool = False

    def price(self, quantity: int) -> LinePrice:
        """The calculated price that a cart takes for a quantity (step 5 of `prices`)."""
        if self.ranged:
            own = (
                one.price for one in self.tiers if one.start <= quantity and (one.end is None or quantity <= one.end)
            )
            return next(own, self.base)
        if not self.tiers:
            return self.base
        return next((one for one in self.tiers if quantity <= one.quantity), self.tiers[-1]).price

    def unit(self, quantity: int) -> Decimal:
        """Unit price in a cart for a quantity, rounded as shown."""
        return self.price(quantity).unit

    def list_price(self, quantity: int) -> Decimal | None:
        return self.price(quantity).list_price


def _amount(prices: Sequence[Mapping[str, Any]], context: PriceContext) -> tuple[Decimal, Decimal | None]:
    """Steps 1 and 2 of `prices`: the price in the context's currency and tax state, and its list price."""
    by_currency = {row["currencyId"]: row for row in prices}
    row = by_currency.get(context.scope.currency) or by_currency[names.CURRENCY]
    factor = Decimal(1) if row["currencyId"] == context.scope.currency else context.factor
    side = "gross" if context.state == "gross" else "net"
    listed = row.get("listPrice")
    return Decimal(row[side]) * factor, Decimal(listed[side]) * factor if listed else None


def calculated(
    prices: Sequence[Mapping[str, Any]], rate: Decimal, context: PriceContext, quantity: int = 1
) -> LinePrice:
    """A row of a price table, calculated for a quantity."""
    amount, listed = _amount(prices, context)
    return line_price(amount, quantity, context.state, [(rate, HUNDRED)], context.item, listed)
