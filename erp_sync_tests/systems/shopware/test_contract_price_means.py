"""Whatever rows there are, the shop finds the price that `ports.pricing.StoreMeans` says of them.

The price engine counts on it: what it makes rows for is what accounts then pay.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from erp_sync.model.native_prices import NativeRow, NativeRule, RuleMember, native_key
from erp_sync_tests.systems.shopware.priced_shop import PricedShop, keyed, member, priced_shop, row, rule

D = Decimal
NAMES = [f"shared {digest:016x}" for digest in (0x1F, 0x20, 0xC1)] + ["list 1 EUR"]
ACCOUNTS, ITEMS = ("C-1", "C-2", "C-3"), ("NUT", "BOLT")
PRICES = st.integers(1, 9000).map(lambda cents: str(D(cents) / 100))
TIERS = st.dictionaries(st.sampled_from([1, 2, 5, 10]), PRICES, min_size=1, max_size=3)
WORLD = st.fixed_dictionaries({
    # The list rule is below the shared ones, which may have one priority: then the first name counts.
    "priorities": st.tuples(*[st.sampled_from([10, 20])] * 3, st.just(1)),
    "members": st.sets(st.tuples(st.sampled_from(NAMES), st.sampled_from(ACCOUNTS))),
    "rules": st.dictionaries(st.tuples(st.sampled_from(NAMES), st.sampled_from(ITEMS)), TIERS, max_size=6),
    "accounts": st.dictionaries(st.tuples(st.sampled_from(ACCOUNTS), st.sampled_from(ITEMS)), TIERS, max_size=2),
    "base": st.fixed_dictionaries({item: PRICES for item in ITEMS}),
})  # fmt: skip


@pytest.fixture(scope="module")
def shop() -> Iterator[PricedShop]:
    with priced_shop() as one:
        yield one


def rows_of(world: dict[str, Any]) -> list[Any]:
    rows: list[Any] = [rule(name, priority) for name, priority in zip(NAMES, world["priorities"], strict=True)]
    rows += [member(*one) for one in sorted(world["members"])]
    rows += [row(price, rule=name, item=item, quantity=start)
             for (name, item), tiers in world["rules"].items() for start, price in tiers.items()]  # fmt: skip
    rows += [row(price, account=account, item=item, quantity=start)
             for (account, item), tiers in world["accounts"].items() for start, price in tiers.items()]  # fmt: skip
    return rows + [row(price, item=item) for item, price in world["base"].items()]


def due(rows: list[Any], account: str, item: str, quantity: int) -> Decimal:
    """What `StoreMeans` says, spelled out."""
    prices = [one for one in rows if isinstance(one, NativeRow) and one.item == item]
    joined = {one.rule for one in rows if isinstance(one, RuleMember) and one.account == account}
    ranked = sorted((one for one in rows if isinstance(one, NativeRule)), key=lambda one: (-one.priority, one.rule))
    owners = [("account", account), *(("rule", one.rule) for one in ranked if one.rule in joined), ("base", "")]
    for kind, owner in owners:
        own = sorted((one for one in prices if (one.kind, one.owner) == (kind, owner)), key=lambda one: one.quantity)
        if own:
            return next((one for one in reversed(own) if one.quantity <= quantity), own[0]).price
    raise AssertionError("there is a base price")


@given(WORLD, WORLD)
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_accounts_pay_what_the_rows_mean_before_and_after_a_change(shop, first, second):
    """The way from one world to another is the difference of keys and values, in one call, as a plan has it."""
    there = {key: values for key, values in shop.held(base=True).items() if not key.startswith("row/base/")}
    for world in (first, second):
        rows = rows_of(world)
        wanted = keyed(*rows)
        puts = [one for one in rows if there.get(native_key(one)) != wanted[native_key(one)]]
        takes = [shop.target.row(key, values) for key, values in there.items() if key not in wanted]
        outcomes = shop.target.submit_together(puts, takes)
        assert {type(one).__name__ for one in outcomes} <= {"Applied"}, outcomes
        assert shop.held(base=True) == keyed(*rows, row("100", item="A/B 100%"))
        for account in ACCOUNTS:
            for item in ITEMS:
                quantities = (1, 2, 4, 5, 9, 10, 11)
                expected = [due(rows, account, item, quantity) for quantity in quantities]
                assert shop.paid(account, item, *quantities) == expected
        there = {key: values for key, values in wanted.items() if not key.startswith("row/base/")}
