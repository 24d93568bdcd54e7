"""What the shop holds of contract prices: read anew each time; only ids are remembered."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from erp_sync.model.money import BadNumber, decimal_of
from erp_sync.systems.shopware.client import ShopwareClient
from erp_sync.systems.shopware.criteria import LARGEST_PAGE, Criteria, Equals, OneOf
from erp_sync.systems.shopware.errors import UnexpectedAnswer
from erp_sync.systems.shopware.mapping.products import price_rows
from erp_sync.systems.shopware.ports.contract_prices import ids
from erp_sync.systems.shopware.ports.contract_prices.amounts import GROSS, Amounts
from erp_sync.systems.shopware.ports.contract_prices.ladders import Step, told_apart
from erp_sync.systems.shopware.ports.contract_prices.paging import Below, one_of, pairs_of

TIERS_FIELD = "erp_sync_currencies"
"""Custom field of a row of product_price: currencies that have a tier at its start."""

_RULES = (
    Criteria().along("conditions").including({"rule": ("id", "name", "priority", "customFields", "conditions"),
                                              "rule_condition": ("id", "ruleId", "type")})
)  # fmt: skip
_TIERS = Criteria().including({
    "product_price": ("id", "versionId", "productId", "ruleId", "quantityStart", "quantityEnd", "price", "customFields")
})  # fmt: skip
_OWN_PRICES = Criteria().including({"custom_price": ("id", "productId", "customerId", "price")})
_CUSTOMERS = (
    Criteria()
    .where(Equals("guest", False))
    .including({"customer": ("id", "autoIncrement", "customerNumber", "tagIds", "guest")})
)
_CURRENCIES = Criteria().including({"currency": ("id", "isoCode", "factor")})
_REMEMBER_SECONDS = 3600.0


class Kept(msgspec.Struct, frozen=True):
    """A record of the shop: `id` is its own, `step` what it says; of an account's prices `step` is one of several."""

    id: str
    step: Step


class OwnRule(msgspec.Struct, frozen=True):
    """A rule of ours. Either `rule` or `account` is set. `whole`: its conditions are those that were written."""

    id: str
    rule: str
    account: str
    priority: int
    whole: bool


class PriceShop:
    """Reads. Thread-safe. Every method raises the errors of the transport."""

    def __init__(self, client: ShopwareClient, leading: str, *, custom_prices: bool) -> None:
        self._client, self._leading, self.custom_prices = client, leading, custom_prices
        self._lock = threading.Lock()
        self._amounts: Amounts | None = None
        self._factors: dict[str, Decimal] = {}
        self._customers: dict[str, tuple[tuple[str, ...], float]] = {}
        self._rules: dict[str, float] = {}

    @property
    def gross(self) -> bool:
        """Prices of rows include tax."""
        return self._leading == GROSS

    # -- currencies ----------------------------------------------------------------------------------------------

    def amounts(self) -> Amounts:
        """Currencies are asked for once."""
        with self._lock:
            if self._amounts is None:
                page = self._client.search("currency", _CURRENCIES.at_most(LARGEST_PAGE), operation="currency.read")
                codes = {str(row.get("isoCode") or ""): row for row in page.rows}
                self._factors = {code: decimal_of(row.get("factor") or 1) for code, row in codes.items()}
                self._amounts = Amounts(self._leading, {code: str(row["id"]) for code, row in codes.items()})
            return self._amounts

    def factors(self) -> Mapping[str, Decimal]:
        """How much of a currency is one of the shop's own, by ISO code."""
        self.amounts()
        return self._factors

    # -- rules and customers -------------------------------------------------------------------------------------

    def rules(self) -> list[OwnRule]:
        """All rules of ours, told by a custom field and an id that follows from it."""
        condition = one_of(f"customFields.{ids.PART_FIELD}")
        below = Below(self._client, "rule", _RULES, condition, operation="contract_prices.rules", at_once=64)
        found = [rule for page in below.rows(ids.PARTS) for row in page if (rule := _own_rule(row)) is not None]
        self.remember_rules(one.id for one in found)
        return found

    def there(self, rules: Collection[str]) -> set[str]:
        """Ids of those rules that the shop has."""
        now = time.monotonic()
        with self._lock:
            known = {one for one in rules if self._rules.get(one, 0.0) > now}
        asked = sorted(set(rules) - known)
        only_ids = Criteria().including({"rule": ("id",)})
        pages = self._client.by_ids(
            "rule", asked, only_ids, operation="contract_prices.rules", page_size=LARGEST_PAGE
        )  # fmt: skip
        fresh = {str(row["id"]) for page in pages for row in page}
        self.remember_rules(fresh)
        return known | fresh

    def remember_rules(self, rules: Iterable[str]) -> None:
        until = time.monotonic() + _REMEMBER_SECONDS
        with self._lock:
            self._rules |= dict.fromkeys(rules, until)

    def forget(self, rules: Iterable[str], accounts: Iterable[str] = ()) -> None:
        """The shop says that it does not have them after all."""
        with self._lock:
            for one in rules:
                self._rules.pop(one, None)
            for one in accounts:
                self._customers.pop(one, None)

    def foreign_conditions(self, rules: Sequence[str]) -> list[str]:
        """Ids of conditions of these rules that are not ours: what somebody has made of them by hand."""
        wanted = Criteria().including({"rule_condition": ("id", "ruleId")})
        below = Below(
            self._client, "rule-condition", wanted, one_of("ruleId"), operation="contract_prices.rules"
        )  # fmt: skip
        found = []
        for page in below.rows(sorted(rules)):
            found += [str(row["id"]) for row in page if str(row["id"]) not in _conditions(str(row["ruleId"]))]
        return found

    def customers(self) -> Iterator[list[dict[str, Any]]]:
        """All customers who can log in."""
        yield from self._client.all(
            "customer", _CUSTOMERS, operation="contract_prices.customers", page_size=LARGEST_PAGE
        )

    def customer_ids(self, numbers: Iterable[str]) -> dict[str, tuple[str, ...]]:
        """Customers by number, those that exist: a number is not unique in the database (fact sheet, section 5)."""
        wanted, now = {one for one in numbers if one}, time.monotonic()
        with self._lock:
            known = {one: self._customers[one][0] for one in wanted if self._customers.get(one, ((), 0.0))[1] > now}
        missing = sorted(wanted - set(known))
        found: dict[str, list[str]] = {}
        for start in range(0, len(missing), LARGEST_PAGE):
            search = _CUSTOMERS.where(OneOf("customerNumber", tuple(missing[start : start + LARGEST_PAGE])))
            for page in self._client.all(
                "customer", search, operation="contract_prices.customers", page_size=LARGEST_PAGE
            ):
                for row in page:
                    found.setdefault(str(row.get("customerNumber") or ""), []).append(str(row["id"]))
        fresh = {number: tuple(sorted(some)) for number, some in found.items() if number in wanted}
        with self._lock:
            self._customers |= {number: (some, now + _REMEMBER_SECONDS) for number, some in fresh.items()}
        return known | fresh

    # -- prices --------------------------------------------------------------------------------------------------

    def tiers(self, pairs: Collection[tuple[str, str]]) -> Iterator[tuple[str, str, Kept]]:
        """(rule, product, record) of product_price, of these (rule, product)."""
        below = Below(
            self._client, "product-price", _TIERS, pairs_of("ruleId", "productId"), operation="contract_prices.tiers"
        )
        for page in below.rows(sorted(pairs)):
            for row in page:
                yield str(row["ruleId"]), str(row["productId"]), self._tier(row)

    def tiers_of_products(self, products: Sequence[str], rules: Sequence[str]) -> Iterator[tuple[str, str, Kept]]:
        """The same of all these products, of these rules."""
        if not rules:
            return
        wanted = set(rules)
        for page in self._below_products("product-price", _TIERS, "ruleId", rules).rows(sorted(products)):
            for row in page:
                if str(row.get("ruleId")) in wanted:
                    yield str(row["ruleId"]), str(row["productId"]), self._tier(row)

    def own_prices(self, pairs: Collection[tuple[str, str]]) -> Iterator[tuple[str, str, list[Kept]]]:
        """(customer, product, records) of custom_price, of these (customer, product); each record has the id of the
        whole."""
        below = Below(
            self._client, "custom-price", _OWN_PRICES, pairs_of("customerId", "productId"),
            operation="contract_prices.own_prices",
        )  # fmt: skip
        for page in below.rows(sorted(pairs)):
            for row in page:
                yield str(row["customerId"]), str(row["productId"]), self._own(row)

    def own_prices_of_products(
        self, products: Sequence[str], customers: Sequence[str]
    ) -> Iterator[tuple[str, str, list[Kept]]]:
        """The same of all these products, of these customers."""
        if not customers or not self.custom_prices:
            return
        wanted = set(customers)
        for page in self._below_products("custom-price", _OWN_PRICES, "customerId", customers).rows(sorted(products)):
            for row in page:
                if str(row.get("customerId")) in wanted:
                    yield str(row["customerId"]), str(row["productId"]), self._own(row)

    def _below_products(self, entity: str, criteria: Criteria, then: str, owners: Sequence[str]) -> Below[str]:
        """By product, and where one product's records fill a page, by its owners, too."""

        def divided(product: str) -> Iterator[list[dict[str, Any]]]:
            pairs = [(owner, product) for owner in sorted(owners)]
            below = Below(
                self._client, entity, criteria, pairs_of(then, "productId"), operation="contract_prices.read"
            )  # fmt: skip
            yield from below.rows(pairs)

        return Below(
            self._client, entity, criteria, one_of("productId"), operation="contract_prices.read", divided=divided
        )

    def base(self, product: Mapping[str, Any]) -> dict[str, Decimal]:
        """A product's own prices by currency; a price of zero is none."""
        return {code: price for code, price in self.prices_of(product.get("id"), price_rows(product)).items() if price}

    def _tier(self, row: Mapping[str, Any]) -> Kept:
        start, end, told = row.get("quantityStart"), row.get("quantityEnd"), row.get("customFields") or {}
        prices = self.prices_of(row.get("id"), row.get("price") or ())
        own = told.get(TIERS_FIELD) if isinstance(told, Mapping) else None
        tiers = tuple(sorted(set(own) & set(prices))) if isinstance(own, list) else tuple(sorted(prices))
        return Kept(str(row["id"]), Step(int(start or 1), None if end is None else int(end), prices, tiers))

    def _own(self, row: Mapping[str, Any]) -> list[Kept]:
        steps = []
        for tier in row.get("price") or ():
            end = tier.get("quantityEnd")
            prices = self.prices_of(row.get("id"), tier.get("price") or ())
            start = int(tier.get("quantityStart") or 1)
            steps.append(Step(start, None if end is None else int(end), prices, tuple(sorted(prices))))
        return [Kept(str(row["id"]), step) for step in told_apart(steps)]

    def prices_of(self, identity: object, prices: Iterable[Mapping[str, Any]]) -> dict[str, Decimal]:
        """By currency, of a record with this id."""
        try:
            return self.amounts().read(prices)
        except BadNumber as error:
            raise UnexpectedAnswer(f"price {identity}: {error}") from error


def _conditions(rule: str) -> set[str]:
    return {ids.condition_id(rule, place) for place in ("or", "and", "who")}


def _own_rule(row: Mapping[str, Any]) -> OwnRule | None:
    """None for a rule whose custom field somebody else has, as a copy."""
    told, identity = row.get("customFields") or {}, str(row["id"])
    rule, account = (str(told.get(field) or "") for field in (ids.RULE_FIELD, ids.ACCOUNT_FIELD))
    if identity != (ids.rule_id(rule) if rule else ids.account_rule_id(account)):
        return None
    there = {str(one.get("id")) for one in row.get("conditions") or ()}
    return OwnRule(identity, rule, account, int(row.get("priority") or 0), there == _conditions(identity))
