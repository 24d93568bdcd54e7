"""What a request needs so that ladders become what rows say: of each ladder only records that change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Literal, NamedTuple

import msgspec

from erp_sync.systems.shopware.ports.contract_prices import ids
from erp_sync.systems.shopware.ports.contract_prices.amounts import Amounts, plain
from erp_sync.systems.shopware.ports.contract_prices.ladders import Step, ladder_of, steps_of
from erp_sync.systems.shopware.ports.contract_prices.request import Request
from erp_sync.systems.shopware.ports.contract_prices.shop import TIERS_FIELD, Kept

_ROW_DIGITS = Decimal(1).scaleb(-6)


class Edge(NamedTuple):
    """A ladder: whose, and of which product (number)."""

    kind: Literal["base", "rule", "account"]
    owner: str
    item: str


class Edit(msgspec.Struct):
    """What becomes of a ladder's tiers."""

    puts: dict[tuple[int, str], Decimal]
    takes: set[tuple[int, str]]

    def applied(self, ladder: Mapping[tuple[int, str], Decimal]) -> dict[tuple[int, str], Decimal]:
        left = {tier: price for tier, price in ladder.items() if tier not in self.takes}
        return left | self.puts


class Product(NamedTuple):
    """`rate` in percent; `price` as the product has it itself."""

    id: str
    rate: Decimal
    price: tuple[Mapping[str, Any], ...]


class LadderWrites:
    """Adds the changes of ladders to a request. Pure but for the request.

    Args:
        factors: how much of a currency is one of the shop's own, for currencies of rows.
    """

    def __init__(self, amounts: Amounts, own_currency: str, factors: Mapping[str, Decimal], request: Request) -> None:
        self._amounts, self._own, self._factors, self._request = amounts, own_currency, factors, request

    def of_rule(self, rule: str, product: Product, kept: Sequence[Kept], edit: Edit) -> bool:
        """Records of product_price; `rule` is an id. True where starts came or went, and ends with them."""
        there = {one.id: one.step for one in kept}
        before = ladder_of(one.step for one in kept)
        wanted = {
            ids.tier_id(rule, product.id, one.start): self._with_own(one) for one in steps_of(edit.applied(before))
        }
        touched = {start for start, _ in (*edit.puts, *edit.takes)}
        for identity, step in wanted.items():
            known = there.get(identity)
            if known is None or step.start in touched or not _same(known, step):
                self._request.put("product_price", self._tier(identity, rule, product, step))
            elif known.end != step.end:
                self._request.put("product_price", {"id": identity, "quantityEnd": step.end})
        for identity in there.keys() - wanted.keys():
            self._request.take("product_price", {"id": identity})
        return there.keys() != wanted.keys()

    def of_customer(self, customer: str, product: Product, kept: Sequence[Kept], edit: Edit) -> None:
        """The record of custom_price, which holds the ladder as a whole; `customer` is an id."""
        identity = ids.custom_price_id(customer, product.id)
        steps = steps_of(edit.applied(ladder_of(one.step for one in kept)))
        if not steps:
            if kept:
                self._request.take("custom_price", {"id": identity})
            return
        tiers = [
            {"quantityStart": one.start, "quantityEnd": one.end, "price": self._prices(one, product.rate)}
            for one in steps
        ]
        self._request.put(
            "custom_price", {"id": identity, "productId": product.id, "customerId": customer, "price": tiers}
        )

    def of_product(self, product: Product, edit: Edit) -> None:
        """The product's own price is written whole: other currencies, and what stands beside a price, stay."""
        rows = {str(one.get("currencyId")): dict(one) for one in product.price}
        for (_, currency), price in edit.puts.items():
            body = self._amounts.body(currency, price, product.rate)
            rows[body["currencyId"]] = {**rows.get(body["currencyId"], {}), **body}
        for _, currency in edit.takes:
            rows.pop(self._amounts.id_of(currency), None)
        self._request.put("product", {"id": product.id, "price": list(rows.values())})

    def _tier(self, identity: str, rule: str, product: Product, step: Step) -> dict[str, Any]:
        return {
            "id": identity,
            "productId": product.id,
            "ruleId": rule,
            "quantityStart": step.start,
            "quantityEnd": step.end,
            "price": self._prices(step, product.rate),
            "customFields": {TIERS_FIELD: list(step.tiers)},
        }

    def _prices(self, step: Step, rate: Decimal) -> list[dict[str, Any]]:
        return [self._amounts.body(currency, price, rate) for currency, price in step.prices.items()]

    def _with_own(self, step: Step) -> Step:
        """A row of product_price must hold the shop's own currency (fact sheet, section 4). Where no row is in it, it
        gets what the vendor would make a price of another currency of, backwards."""
        if self._own in step.prices:
            return step
        currency, price = next(iter(sorted(step.prices.items())))
        own = plain((price / self._factors[currency]).quantize(_ROW_DIGITS))
        return msgspec.structs.replace(step, prices={**step.prices, self._own: own})


def _same(one: Step, other: Step) -> bool:
    """But for the end."""
    return (one.start, one.prices, sorted(one.tiers)) == (other.start, other.prices, sorted(other.tiers))
