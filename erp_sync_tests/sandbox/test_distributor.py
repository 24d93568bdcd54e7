"""The generated contracts are always the same, and are shared as in life."""

from __future__ import annotations

from collections import Counter, defaultdict

from erp_sync.model.price_terms import TABLES, schema, terms_of
from erp_sync.sandbox.distributor import Distributor

SMALL = Distributor(items=300, accounts=40, lists=4, pairs=2_000, seed=3)


def test_the_same_arguments_give_the_same_tables():
    again = Distributor(items=300, accounts=40, lists=4, pairs=2_000, seed=3)
    assert SMALL.tables() == again.tables()
    other = Distributor(items=300, accounts=40, lists=4, pairs=2_000, seed=4)
    assert SMALL.special_prices != other.special_prices


def test_the_tables_are_canonical():
    tables = SMALL.tables()
    assert all(table.schema == schema(TABLES[name]) for name, table in tables.items())
    terms = terms_of(tables)
    assert {one.account for one in terms.special_prices} <= {one.account for one in terms.accounts}
    assert {one.item for one in terms.special_prices} <= {one.item for one in terms.items}
    assert all(one.price > 0 for one in terms.special_prices)


def test_there_are_as_many_pairs_as_asked_for_with_three_breaks_on_average():
    steps = Counter((row["account"], row["item"]) for row in SMALL.special_prices.to_pylist())
    assert 1_900 <= len(steps) <= 2_000
    assert 2.7 < sum(steps.values()) / len(steps) < 3.3


def test_no_break_comes_twice_and_none_is_dearer_than_the_one_below():
    ladders = defaultdict(dict)
    for row in SMALL.special_prices.to_pylist():
        ladder = ladders[(row["account"], row["item"])]
        assert row["quantity"] not in ladder
        ladder[row["quantity"]] = row["price"]
    for ladder in ladders.values():
        prices = [ladder[quantity] for quantity in sorted(ladder)]
        assert min(ladder) == 0
        assert prices == sorted(prices, reverse=True)


def test_most_accounts_pay_what_others_pay():
    payers = Counter()
    ladders = defaultdict(list)
    for row in SMALL.special_prices.to_pylist():
        ladders[(row["account"], row["item"])].append((row["quantity"], row["price"], row["currency"]))
    for (_, item), ladder in ladders.items():
        payers[(item, *sorted(ladder))] += 1
    shared = sum(number for number in payers.values() if number > 1)
    assert 0.5 < shared / len(ladders) < 0.99


def test_the_scale_leaves_pairs_an_account_as_they_are():
    tenth = Distributor.scaled(0.1)
    assert (tenth.items, tenth.accounts, tenth.pairs, tenth.lists) == (5_000, 200, 100_000, 12)
    double = Distributor.scaled(2)
    assert (double.items, double.accounts, double.pairs) == (50_000, 4_000, 2_000_000)
