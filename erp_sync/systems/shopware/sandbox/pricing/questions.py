"""What accounts pay, asked by the thousand: the Store API's answers without its calls.

Everything is resolved as for a shopper who is logged in (`store.session.Shopper`, `prices.Prices`): who the customer
is, which rules match at that moment, gross or net, the currency, the rounding. Left out is what no price depends on:
of the rules only those are looked at that have prices of the product, since others are passed over (step 3 of
`prices`).

A cart detects its tax state again from its amount (TaxDetector); asked here is the state that product pages have.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from erp_sync.sandbox.clock import ManualClock
from erp_sync.sandbox.price_evidence import NoPrice, PricePaid, PriceQuestion
from erp_sync.systems.shopware.sandbox.database import Database, marks
from erp_sync.systems.shopware.sandbox.names import LIVE_VERSION
from erp_sync.systems.shopware.sandbox.options import Options
from erp_sync.systems.shopware.sandbox.pricing.answers import PriceContext, ProductPrice
from erp_sync.systems.shopware.sandbox.pricing.prices import Prices
from erp_sync.systems.shopware.sandbox.shop import Shop
from erp_sync.systems.shopware.sandbox.store.session import Session, Shopper

Answer = PricePaid | NoPrice
_CHUNK = 500
_Row = dict[str, Any]


def answers(database: Database, options: Options, questions: Sequence[PriceQuestion]) -> list[Answer]:
    """One for each question, in their order. The database should stand still meanwhile."""
    desk = _Desk(database, options)
    found: list[Answer] = [NoPrice("")] * len(questions)
    waiting: dict[tuple[str, str, datetime], list[int]] = defaultdict(list)
    for index, one in enumerate(questions):
        waiting[one.account.lower(), one.currency, one.at.astimezone(UTC)].append(index)
    desk.look_up(questions)
    for (account, currency, at), indexes in waiting.items():
        told = desk.asked(account, currency, at, [questions[index] for index in indexes])
        for index, answer in zip(indexes, told, strict=True):
            found[index] = answer
    return found


class _Desk:
    """Knows the customers, products and currencies that are asked for."""

    def __init__(self, database: Database, options: Options) -> None:
        self._database = database
        self._shop = Shop(database, ManualClock(), options)
        self._customers: dict[str, list[_Row]] = {}
        self._products: dict[str, _Row] = {}
        self._rules: dict[str, set[str]] = {}
        self._currencies: dict[str, str] = {
            row["isoCode"]: row["id"] for row in database.rows('SELECT "isoCode", id FROM currency')
        }
        self._channels = {row["id"]: row for row in database.rows("SELECT * FROM sales_channel")}
        self._names = {row["id"]: row["name"] for row in database.rows("SELECT id, name FROM rule")}

    def look_up(self, questions: Sequence[PriceQuestion]) -> None:
        """Numbers are compared without regard to case, as MySQL does and as the rules do."""
        customers = self._rows(
            'SELECT id, "customerNumber" AS number, active, "salesChannelId" AS channel FROM customer '
            'WHERE COALESCE(guest, 0) = 0 AND "customerNumber" IN ({})',
            {one.account for one in questions},
        )
        for row in customers:
            self._customers.setdefault(row["number"].lower(), []).append(row)
        products = self._rows(
            'SELECT id, "parentId", "productNumber" AS number, COALESCE("childCount", 0) AS variants FROM product '
            f'WHERE "versionId" = \'{LIVE_VERSION}\' AND "productNumber" IN ({{}})',
            {one.item for one in questions},
        )
        self._products = {row["number"].lower(): row for row in products}
        owners = {row["id"] for row in self._products.values()} | {row["parentId"] for row in self._products.values()}
        of_rules = self._rows(
            'SELECT DISTINCT "productId" AS product, "ruleId" AS rule FROM product_price WHERE "productId" IN ({})',
            owners - {None},
        )
        for row in of_rules:
            self._rules.setdefault(row["product"], set()).add(row["rule"])

    def _rows(self, sql: str, values: set[str]) -> Iterator[_Row]:
        listed = sorted(values)
        for start in range(0, len(listed), _CHUNK):
            chunk = listed[start : start + _CHUNK]
            yield from self._database.rows(sql.format(marks(chunk)), chunk)

    def asked(self, account: str, currency: str, at: datetime, questions: Sequence[PriceQuestion]) -> Iterator[Answer]:
        """What one account is told at one moment."""
        shopper = self._shopper(account, currency, at)
        if isinstance(shopper, NoPrice):
            yield from [shopper] * len(questions)
            return
        products = [row for one in questions if (row := self._products.get(one.item.lower())) is not None]
        rules: set[str] = set()
        for row in products:
            rules |= self._rules.get(row["id"], set()) | self._rules.get(row["parentId"] or "", set())
        context = shopper.prices(among=rules)
        prices = Prices(self._database, context).of(sorted({row["id"] for row in products}))
        for one in questions:
            yield self._answer(one, self._products.get(one.item.lower()), prices, context)

    def _shopper(self, account: str, currency: str, at: datetime) -> Shopper | NoPrice:
        customers = self._customers.get(account, [])
        if len(customers) != 1:  # a number is not unique in the database (fact sheet, section 5)
            return NoPrice(f"{len(customers) or 'no'} customers have the number {account!r}")
        (customer,) = customers
        if not customer["active"]:
            return NoPrice(f"the customer {account!r} is not active and cannot log in")
        if currency not in self._currencies:
            return NoPrice(f"{currency!r} is no currency of the shop")
        self._shop.clock = ManualClock(at)
        data = {"customerId": customer["id"], "currencyId": self._currencies[currency]}
        return Shopper(self._shop, self._channels[customer["channel"]], Session("", data))

    def _answer(
        self, question: PriceQuestion, product: _Row | None, prices: dict[str, ProductPrice], context: PriceContext
    ) -> Answer:
        if product is None:
            return NoPrice(f"no product has the number {question.item!r}")
        if product["variants"]:
            return NoPrice(f"the product {question.item!r} is bought by its variants only")
        if question.unit:
            return NoPrice(f"a product is sold in one unit, not in {question.unit!r}")
        quantity = question.quantity
        if quantity != quantity.to_integral_value() or quantity < 1:
            return NoPrice(f"a cart takes whole quantities from 1 on, not {quantity}")
        found = prices.get(product["id"])
        if found is None:
            return NoPrice(f"the product {question.item!r} has no price")
        return PricePaid(Decimal(found.unit(int(quantity))), context.state == "gross", self._why(found))

    def _why(self, price: ProductPrice) -> str:
        if price.source == "product_price":
            return f"product_price of the rule {self._names.get(price.rule or '')!r}"
        return {"price": "price of the product"}.get(price.source, price.source)
