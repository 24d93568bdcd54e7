"""The contract structure of an industrial distributor: 50,000 items, 2,000 accounts, a million negotiated prices.

Generated, always the same for the same arguments, as canonical tables (`model.price_terms`). As in life most accounts
follow agreements that a buying association or a head office negotiated: an agreement has a few hundred items of a few
categories, some have a hundred followers and most have a handful, an account follows one to three. Of what it follows
an account has some prices of its own and lacks some items; some accounts negotiate alone. The ERP knows nothing of
agreements: it has every account's rows, and the same values in them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from erp_sync.model.price_terms import (
    Account,
    AccountGroup,
    DiscountRule,
    ExchangeRate,
    Item,
    ListPrice,
    PriceList,
    SpecialPrice,
    schema,
    table,
)

MILLIONTHS = 1_000_000
BREAKS = np.array([0, 10, 50, 100, 500], dtype=np.int64)
OFF = np.array([0, 3, 6, 9, 12], dtype=np.int64)  # per cent at each break
OWN_SHARE, LACKING_SHARE, ALONE_SHARE = 0.05, 0.02, 0.05
CURRENCIES = ("EUR", "EUR", "EUR", "EUR", "EUR", "EUR", "EUR", "EUR", "EUR", "USD", "USD", "CHF")
MANUFACTURERS, ITEM_GROUPS = 200, 60


@dataclass(frozen=True)
class Distributor:
    """Attributes:
    pairs: (account, item) with negotiated prices, about three breaks each.
    day: all terms are valid on it.
    """

    items: int = 50_000
    accounts: int = 2_000
    lists: int = 12
    pairs: int = 1_000_000
    seed: int = 84
    day: date = field(default=date(2026, 11, 30))

    @classmethod
    def scaled(cls, scale: float, seed: int = 84) -> Distributor:
        """The whole at 1; accounts and pairs grow and shrink by `scale`, items by as much up to the whole."""
        return cls(
            items=max(50, int(50_000 * min(scale, 1))),
            accounts=max(12, int(2_000 * scale)),
            pairs=max(200, int(1_000_000 * scale)),
            seed=seed,
        )

    # -- names -----------------------------------------------------------------------------------------

    @cached_property
    def item_names(self) -> list[str]:
        return [f"P{number:06}" for number in range(self.items)]

    @cached_property
    def account_names(self) -> list[str]:
        return [f"C{number:06}" for number in range(self.accounts)]

    @cached_property
    def list_names(self) -> list[str]:
        return [f"list-{number + 1:02}" for number in range(self.lists)]

    def currency(self, price_list: int) -> str:
        return CURRENCIES[price_list % len(CURRENCIES)]

    # -- who follows what ------------------------------------------------------------------------------

    @cached_property
    def list_of(self) -> np.ndarray:
        """Each account's list: half of all buy from the first three."""
        draw = np.random.default_rng([self.seed, 1])
        weights = 1 / np.arange(1, self.lists + 1)
        return draw.choice(self.lists, self.accounts, p=weights / weights.sum())

    @cached_property
    def _negotiated(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Of each pair: account, item, and what its price is drawn from (the same number is the same price)."""
        draw = np.random.default_rng([self.seed, 2])
        per_account = self.pairs / self.accounts
        size = max(2, int(min(per_account * 0.6, self.items * 0.2)))
        followed = max(2, self.accounts // 12)
        # An agreement is of one currency; the associations with most members have the smallest numbers.
        agreement_items = [self._of_categories(draw, int(size * draw.uniform(0.5, 1.5))) for _ in range(followed)]
        weights = 1 / (np.arange(followed) + 4)
        weights /= weights.sum()
        accounts, items, sources = [], [], []
        currency_of = np.array([CURRENCIES.index(self.currency(number)) for number in self.list_of])
        total = 0
        while total < self.pairs * 1.02:
            for account in range(self.accounts):
                several = draw.choice(followed, min(followed, int(draw.integers(1, 4))), replace=False, p=weights)
                for agreement in several:
                    chosen = agreement_items[agreement]
                    chosen = chosen[draw.random(len(chosen)) >= LACKING_SHARE]
                    own = draw.random(len(chosen)) < OWN_SHARE
                    source = (agreement * 16 + currency_of[account]) * self.items + chosen
                    # A price of one's own is drawn from a number that nobody else has.
                    source = np.where(own, -(account * self.items + chosen) - 1, source)
                    accounts.append(np.full(len(chosen), account))
                    items.append(chosen)
                    sources.append(source)
                    total += len(chosen)
                alone = draw.choice(self.items, min(self.items, int(per_account * ALONE_SHARE)), replace=False)
                accounts.append(np.full(len(alone), account))
                items.append(alone)
                sources.append(-(account * self.items + alone) - 1)
                total += len(alone)
                if total >= self.pairs * 1.3:
                    break
        return self._once(np.concatenate(accounts), np.concatenate(items), np.concatenate(sources))

    def _of_categories(self, draw: np.random.Generator, size: int) -> np.ndarray:
        """Items of a few stretches of the catalogue."""
        stretches = draw.integers(0, self.items, 4)
        within = (stretches[draw.integers(0, 4, size)] + draw.integers(0, size, size)) % self.items
        return np.unique(within)

    def _once(
        self, accounts: np.ndarray, items: np.ndarray, sources: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Each pair once (the first agreement counts), and no more of them than wanted."""
        _, first = np.unique(accounts.astype(np.int64) * self.items + items, return_index=True)
        if len(first) > self.pairs:
            # Whole accounts from the end are cut, so that sharing stays as it is.
            first = first[: self.pairs]
        return accounts[first], items[first], sources[first]

    # -- prices ----------------------------------------------------------------------------------------

    @cached_property
    def base(self) -> np.ndarray:
        """List price of each item in the first list, in cents."""
        draw = np.random.default_rng([self.seed, 3])
        return np.exp(draw.normal(7.5, 1.2, self.items)).astype(np.int64) + 5

    def list_price(self, price_list: int) -> np.ndarray:
        """In cents: a list is the first one times a factor."""
        factor = 1000 - 20 * price_list
        return np.maximum(1, self.base * factor // 1000)

    @cached_property
    def special_prices(self) -> pa.Table:
        """Every account's steps: a row for each break, in no order that helps anybody."""
        accounts, items, sources = self._negotiated
        noise = _mixed(sources)
        count = 1 + noise % 5  # one to five, three on average
        rows = np.repeat(np.arange(len(accounts)), count)
        step = np.arange(len(rows)) - np.repeat(np.cumsum(count) - count, count)
        discount = 5 + (noise[rows] // 5) % 30 + OFF[step]
        price = np.maximum(1, self.base[items[rows]] * (100 - discount)) * (MILLIONTHS // 10_000)
        order = np.random.default_rng([self.seed, 4]).permutation(len(rows))
        rows, step, price = rows[order], step[order], price[order]
        lists = np.array([self.currency(number) for number in range(self.lists)])
        currencies, codes = np.unique(lists[self.list_of], return_inverse=True)
        none = np.zeros(len(rows), dtype=np.int8)
        columns: dict[str, Any] = {
            "account": _words(accounts[rows], self.account_names),
            "price_list": _words(none, [""]),
            "item": _words(items[rows], self.item_names),
            "unit": _words(none, [""]),
            "level": _words(none, ["period"]),
            "quantity": _decimals(BREAKS[step] * MILLIONTHS),
            "price": _decimals(price),
            "discount": pa.nulls(len(rows), pa.decimal128(9, 6)),
            "from_list": _words(none, [""]),
            "currency": _words(codes[accounts[rows]], list(currencies)),
            "valid_from": pa.array(np.full(len(rows), np.datetime64(date(self.day.year, 1, 1)))),
            "valid_to": pa.array(np.full(len(rows), np.datetime64(date(self.day.year, 12, 31)))),
            "rule": _words(none, [""]),
        }
        return pa.table(columns).cast(schema(SpecialPrice))

    # -- all of it -------------------------------------------------------------------------------------

    def tables(self) -> dict[str, pa.Table]:
        """Canonical tables by name."""
        groups = [f"group-{number + 1:02}" for number in range(self.lists)]
        accounts = [
            Account(
                account=name,
                group=groups[int(number)],
                price_list=self.list_names[int(number)],
                currency=self.currency(int(number)),
            )
            for name, number in zip(self.account_names, self.list_of, strict=True)
        ]
        items = [
            Item(
                item=name,
                group=f"category-{number * ITEM_GROUPS // self.items:02}",
                manufacturer=f"maker-{number * 7919 % MANUFACTURERS:03}",
                unit="pc",
            )
            for number, name in enumerate(self.item_names)
        ]
        lists = [
            PriceList(
                price_list=name, currency=self.currency(number), base_list="" if number == 0 else self.list_names[0]
            )
            for number, name in enumerate(self.list_names)
        ]
        rules = [
            DiscountRule(
                rule=f"discount-{number}",
                scope="group",
                scoped_to=groups[number % self.lists],
                match="manufacturer",
                matched=f"maker-{number * 13 % MANUFACTURERS:03}",
                percent=Decimal(2 + number % 4),
            )
            for number in range(self.lists * 4)
        ]
        rates = [
            ExchangeRate(
                day=self.day, currency=one, into=other, rate=Decimal("1.1") if one == "EUR" else Decimal("0.9")
            )
            for one in sorted(set(CURRENCIES))
            for other in sorted(set(CURRENCIES))
            if one != other
        ]
        return {
            "account_groups": table(AccountGroup, [AccountGroup(group=one) for one in groups]),
            "accounts": table(Account, accounts),
            "items": table(Item, items),
            "price_lists": table(PriceList, lists),
            "list_prices": self.list_prices(),
            "exchange_rates": table(ExchangeRate, rates),
            "discount_rules": table(DiscountRule, rules),
            "special_prices": self.special_prices,
        }

    def list_prices(self) -> pa.Table:
        """Every item in every list."""
        lists = np.repeat(np.arange(self.lists), self.items)
        items = np.tile(np.arange(self.items), self.lists)
        cents = np.concatenate([self.list_price(number) for number in range(self.lists)])
        currencies = sorted(set(CURRENCIES))
        codes = np.array([currencies.index(self.currency(number)) for number in range(self.lists)])
        return pa.table(
            {
                "price_list": _words(lists, self.list_names),
                "item": _words(items, self.item_names),
                "unit": _words(np.zeros(len(items), dtype=np.int8), [""]),
                "currency": _words(codes[lists], currencies),
                "price": _decimals(cents * (MILLIONTHS // 100)),
            }
        ).cast(schema(ListPrice))


def _mixed(numbers: np.ndarray) -> np.ndarray:
    """A number that looks as if drawn by lot, not below zero, the same for the same number."""
    mixed = numbers.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    mixed ^= mixed >> np.uint64(29)
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    return (mixed >> np.uint64(33)).astype(np.int64)


def _words(codes: np.ndarray, words: list[str]) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32)), pa.array(words, pa.string())).cast(
        pa.string()
    )


def _decimals(millionths: np.ndarray) -> pa.Array:
    """decimal128(18, 6) of whole numbers of millionths."""
    halves = np.empty((len(millionths), 2), dtype=np.int64)
    halves[:, 0] = millionths
    halves[:, 1] = millionths >> 63
    return pa.Array.from_buffers(pa.decimal128(18, 6), len(millionths), [None, pa.py_buffer(halves.tobytes())])
