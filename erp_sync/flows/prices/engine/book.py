"""Price terms, indexed for single questions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import date
from decimal import Decimal
from functools import cached_property
from typing import TypeVar

from erp_sync.flows.prices.engine.conversion import ONE, SAME, Rate
from erp_sync.flows.prices.engine.defects import (
    LARGEST,
    Defect,
    alive,
    circular,
    converts,
    mixed_agreements,
    of_agreements,
    of_specials,
)
from erp_sync.model.price_terms import (
    Account,
    Agreement,
    DiscountRule,
    Item,
    ListPrice,
    PriceTerms,
    Promotion,
    SpecialPrice,
)

Row = TypeVar("Row")
Key = TypeVar("Key")


class Book:
    """All terms, or those of a few accounts and items: what is not needed for a question need not be in it."""

    def __init__(self, terms: PriceTerms) -> None:
        self.terms = terms
        self.accounts = {one.account: one for one in terms.accounts}
        self.items = {one.item: one for one in terms.items}
        self.groups = {one.group for one in terms.account_groups}
        self.lists = {one.price_list: one for one in terms.price_lists}

    @cached_property
    def circular_lists(self) -> set[str]:
        return circular(self.terms.price_lists)

    @cached_property
    def _factors(self) -> dict[str, dict[str, Decimal]]:
        factors: dict[str, dict[str, Decimal]] = defaultdict(dict)
        for one in self.terms.item_units:
            factors[one.item][one.unit] = one.factor
        return factors

    @cached_property
    def _specials(self) -> dict[tuple[str, str, str], list[SpecialPrice]]:
        return _index(self.terms.special_prices, lambda one: (one.account, one.price_list, one.item))

    @cached_property
    def _agreements(self) -> dict[tuple[str, str], list[Agreement]]:
        return _index(self.terms.agreements, lambda one: (one.account, one.item))

    @cached_property
    def _lines(self) -> dict[str, list[Agreement]]:
        return _index(self.terms.agreements, lambda one: one.account)

    @cached_property
    def _list_prices(self) -> dict[tuple[str, str], list[ListPrice]]:
        return _index(self.terms.list_prices, lambda one: (one.price_list, one.item))

    @cached_property
    def _promotions(self) -> dict[str, list[Promotion]]:
        return _index(self.terms.promotions, lambda one: one.item)

    @cached_property
    def _rates(self) -> dict[tuple[str, str], list[tuple[date, Decimal]]]:
        rates: dict[tuple[str, str], list[tuple[date, Decimal]]] = defaultdict(list)
        for one in self.terms.exchange_rates:
            rates[(one.currency, one.into)].append((one.day, one.rate))
        return rates

    def factor(self, item: Item, unit: str) -> Decimal | None:
        """The item's own units in one of `unit`; None where it does not convert."""
        if unit in ("", item.unit):
            return ONE
        factor = self._factors.get(item.item, {}).get(unit)
        return factor if converts(factor) else None

    def rate(self, currency: str, into: str, day: date) -> Rate | None:
        """What one unit is multiplied with and divided by on that day: the newest rate not after it, else that of the
        other way round, else by way of the first currency that both have a rate into. A rate that cannot be is none."""
        if currency == into:
            return SAME
        if (direct := self._newest(currency, into, day)) is not None:
            return direct, ONE
        if (back := self._newest(into, currency, day)) is not None:
            return ONE, back
        for other in sorted({one for known, one in self._rates if known == currency}):
            first, second = self._newest(currency, other, day), self._newest(into, other, day)
            if first is not None and second is not None:
                return first, second
        return None

    def _newest(self, currency: str, into: str, day: date) -> Decimal | None:
        known = [one for one in self._rates.get((currency, into), ()) if one[0] <= day]
        rate = max(known)[1] if known else Decimal(0)
        return rate if 0 < rate < LARGEST else None

    def account_specials(self, account: Account, item: Item) -> list[SpecialPrice]:
        return self._specials.get((account.account, "", item.item), [])

    def list_specials(self, price_list: str, item: Item) -> list[SpecialPrice]:
        return self._specials.get(("", price_list, item.item), [])

    def agreements(self, account: Account, item: Item) -> list[Agreement]:
        return self._agreements.get((account.account, item.item), [])

    def list_prices(self, price_list: str, item: Item) -> list[ListPrice]:
        return self._list_prices.get((price_list, item.item), [])

    def promotions(self, account: Account, item: Item) -> list[Promotion]:
        return [one for one in self._promotions.get(item.item, ()) if in_scope(one, account)]

    def discount_rules(self, account: Account, item: Item, day: date) -> list[DiscountRule]:
        """Lines that are for this account and item on that day."""
        if account.no_discounts or item.no_discounts:
            return []
        return [
            one
            for one in self.terms.discount_rules
            if one.active and current(one, day) and in_scope(one, account) and _matches(one, item)
        ]

    def wrong_with_account(self, account: Account) -> set[Defect]:
        found = set()
        if account.group not in self.groups:
            found.add(Defect.UNKNOWN_GROUP)
        if account.price_list not in self.lists:
            found.add(Defect.UNKNOWN_PRICE_LIST)
        return found

    def wrong_with_pair(self, account: Account, item: Item, day: date) -> set[Defect]:
        """What is wrong with an account's own terms for an item: it holds the pair, whatever else would win."""
        factors = self._factors.get(item.item, {})
        found = of_specials(self.account_specials(account, item), item, factors, day)
        agreements = self.agreements(account, item)
        found |= of_agreements(agreements, item, factors, day)
        named = {one.agreement for one in agreements}
        lines = [one for one in self._lines.get(account.account, ()) if one.agreement in named]
        mixed = mixed_agreements(lines, day)
        if any((one.account, one.agreement) in mixed and alive(one, day) for one in agreements):
            found.add(Defect.TWO_CURRENCIES)
        return found

    def wrong_with_list_specials(self, price_list: str, item: Item, day: date) -> set[Defect]:
        return of_specials(self.list_specials(price_list, item), item, self._factors.get(item.item, {}), day)

    def wrong_with_list(self, price_list: str) -> Defect | None:
        """Why prices of a list must not be used."""
        if price_list not in self.lists:
            return Defect.UNKNOWN_PRICE_LIST
        if price_list in self.circular_lists:
            return Defect.CIRCULAR_PRICE_LIST
        return None if self.lists[price_list].active else Defect.INACTIVE_PRICE_LIST


def current(row: SpecialPrice | Agreement | DiscountRule, day: date) -> bool:
    return (row.valid_from is None or row.valid_from <= day) and (row.valid_to is None or day <= row.valid_to)


def in_scope(row: DiscountRule | Promotion, account: Account) -> bool:
    return row.scope == "all" or row.scoped_to == (account.group if row.scope == "group" else account.account)


def _matches(rule: DiscountRule, item: Item) -> bool:
    match rule.match:
        case "all":
            return True
        case "property":
            return rule.matched in item.properties
        case "item":
            return rule.matched == item.item
        case "item_group":
            return rule.matched == item.group
        case _:
            return rule.matched == item.manufacturer


def _index(rows: Iterable[Row], key: Callable[[Row], Key]) -> dict[Key, list[Row]]:
    index: dict[Key, list[Row]] = defaultdict(list)
    for row in rows:
        index[key(row)].append(row)
    return index
