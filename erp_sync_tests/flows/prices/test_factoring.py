"""Few rows of a store that give every account its price, whatever the rules are."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from erp_sync.flows.prices.engine.evaluation import Store, differences, evaluate
from erp_sync.flows.prices.engine.factoring import factor
from erp_sync.flows.prices.engine.plan import PricePlan, difference
from erp_sync.flows.prices.engine.schedules import Schedules
from erp_sync.flows.prices.engine.sharing import AccountSet, choose, new_name
from erp_sync.model.native_prices import KEY, NativeRow, NativeRule, RuleMember
from erp_sync.model.price_terms import (
    Account,
    Item,
    ListPrice,
    PriceList,
    PriceTerms,
    SpecialPrice,
    records,
    table,
)
from erp_sync.systems.shopware.pricing import MEANS
from erp_sync_tests.flows.prices.random_worlds import worlds
from erp_sync_tests.flows.prices.worlds import TODAY, d, discount, period, resolved, world

ITEMS = tuple(f"item-{number:02}" for number in range(20))


def distributor(accounts: str = "abcd", items: tuple[str, ...] = ITEMS, **more: Any) -> PriceTerms:
    """Accounts of one list, who all follow one agreement: 9.00, from ten on 8.00, for every item."""
    return msgspec.structs.replace(
        PriceTerms(),
        account_groups=world().account_groups,
        accounts=tuple(Account(account=one, group="plumbers", price_list="trade", currency="USD") for one in accounts),
        items=tuple(Item(item=one, unit="pc") for one in items),
        price_lists=(PriceList(price_list="trade", currency="USD"),),
        list_prices=tuple(ListPrice(price_list="trade", item=one, currency="USD", price=d(10)) for one in items),
        special_prices=tuple(row for one in accounts for item in items for row in agreed(one, item)),
        **more,
    )


def agreed(account: str, item: str, price: str = "9", second: str = "8") -> tuple[SpecialPrice, ...]:
    return period(price, account=account, item=item), period(second, 10, account=account, item=item)


def with_price(terms: PriceTerms, account: str, item: str, price: str) -> PriceTerms:
    """The account no longer pays what it paid for the item."""
    others = tuple(one for one in terms.special_prices if (one.account, one.item) != (account, item))
    return msgspec.structs.replace(terms, special_prices=(*others, *agreed(account, item, price)))


def made(terms: PriceTerms, known: dict[str, pa.Table] | None = None) -> tuple[Schedules, dict[str, pa.Table]]:
    schedules = resolved(terms)
    return schedules, factor(schedules, MEANS, known).tables()


def assert_no_tie(native: dict[str, pa.Table]) -> None:
    """A store orders rules of one priority by their ids, which nobody chose."""
    priorities = native["rules"]["priority"].to_pylist()
    assert len(set(priorities)) == len(priorities), native["rules"].to_pylist()


def rows_of(native: dict[str, pa.Table], kind: str) -> list[tuple[str, str, Decimal, Decimal]]:
    return [
        (row["owner"], row["item"], row["quantity"], row["price"])
        for row in native["rows"].to_pylist()
        if row["kind"] == kind
    ]


@settings(max_examples=12)
@given(terms=worlds(clean=True) | worlds())
def test_the_rows_give_every_account_its_price_at_every_quantity(terms: PriceTerms):
    schedules = resolved(terms)
    native = factor(schedules, MEANS, least_saving=1).tables()
    assert differences(schedules).to_pylist() == []
    assert_no_tie(native)

    again = factor(resolved(terms), MEANS, native, least_saving=1)
    assert difference(again, native).empty

    store = Store(
        records(native["rows"], NativeRow), records(native["rules"], NativeRule), records(native["members"], RuleMember)
    )
    answers = schedules.database.sql("SELECT * FROM store_answers LIMIT 200").to_arrow_table().to_pylist()
    for one in answers:
        found = store.price(one["account"], one["item"], one["unit"], one["currency"], one["quantity"])
        assert one["price"] == (found and found.price), one


NATIVE_RECORDS = {"rows": NativeRow, "rules": NativeRule, "members": RuleMember}
LADDERS = ((("9", "0"),), (("9", "0"), ("8", "10")), (("9.5", "5"),), (("10", "0"),))
CELLS = st.lists(st.sampled_from([None, 0, 0, 1, 1, 2, 3]), min_size=20, max_size=20)


def matrix(cells: list[int | None], lists: str = "ttttc") -> PriceTerms:
    """Five accounts and four items, and which ladder each pair has: often the same."""
    names = {"t": "trade", "c": "cheap"}
    pairs = [(account, item) for account in "abcde" for item in ITEMS[:4]]
    return PriceTerms(
        account_groups=world().account_groups,
        accounts=tuple(
            Account(account=one, group="plumbers", price_list=names[name], currency="USD")
            for one, name in zip("abcde", lists, strict=True)
        ),
        items=tuple(Item(item=one, unit="pc") for one in ITEMS[:4]),
        price_lists=tuple(PriceList(price_list=one, currency="USD") for one in names.values()),
        list_prices=tuple(
            ListPrice(price_list=name, item=one, currency="USD", price=d(10 if name == "trade" else 7))
            for one in ITEMS[:4]
            for name in names.values()
        ),
        special_prices=tuple(
            period(price, quantity, account=account, item=item)
            for (account, item), cell in zip(pairs, cells, strict=True)
            if cell is not None
            for price, quantity in LADDERS[cell]
        ),
    )


def applied(known: dict[str, pa.Table], plan: PricePlan) -> dict[str, set[tuple]]:
    """What a store that had `known` has after the plan."""
    rows = {tuple(row[one] for one in KEY): (row["price"], row["gross"]) for row in known["rows"].to_pylist()}
    rules = {row["rule"]: row["priority"] for row in known["rules"].to_pylist()}
    members = {(row["rule"], row["account"]) for row in known["members"].to_pylist()}
    for row in plan.rows.to_pylist():
        key = tuple(row[one] for one in KEY)
        assert (row["action"] == "create") == (key not in rows)
        rows.pop(key, None)
        if row["action"] != "remove":
            rows[key] = (row["after"], row["gross"])
    for row in plan.rules.to_pylist():
        rules.pop(row["rule"], None)
        if row["action"] != "remove":
            rules[row["rule"]] = row["priority"]
    for row in plan.members.to_pylist():
        {"add": members.add, "remove": members.remove}[row["action"]]((row["rule"], row["account"]))
    return {"rows": {(*key, *value) for key, value in rows.items()}, "rules": set(rules.items()), "members": members}


@settings(max_examples=12)
@given(cells=CELLS, after=CELLS, changed=st.integers(0, 20), lists=st.text("tc", min_size=5, max_size=5))
def test_a_plan_leads_from_one_set_of_rows_to_the_other(cells, after, changed, lists):
    before = factor(resolved(matrix(cells, lists)), MEANS, least_saving=1)
    known = before.tables()
    schedules = resolved(matrix([*after[:changed], *cells[changed:]], lists))
    native = factor(schedules, MEANS, known, least_saving=1)
    assert differences(schedules).to_pylist() == []
    wanted = {name: {tuple(row.values()) for row in rows.to_pylist()} for name, rows in native.tables().items()}
    assert applied(known, difference(native, known)) == wanted
    assert_no_tie(native.tables())


def test_a_check_with_a_wrong_row_finds_it():
    schedules, native = made(distributor())
    rows = records(native["rows"], NativeRow)
    wrong = [
        msgspec.structs.replace(one, price=d("7.99")) if (one.kind, one.item, one.quantity) == ("rule", ITEMS[3], d(10))
        else one
        for one in rows
    ]  # fmt: skip
    found = differences(schedules, {**native, "rows": table(NativeRow, wrong)}).to_pylist()
    assert {(row["account"], row["item"], row["due"], row["price"]) for row in found} == {
        (account, ITEMS[3], d(8), d("7.99")) for account in "abcd"
    }
    assert min(row["quantity"] for row in found) == 10


@pytest.mark.parametrize("pairs", [None, 100])
def test_a_check_finds_prices_that_nobody_should_have(pairs):
    """A row of an account for an item that it has no terms for, and rows of an account that is gone."""
    schedules, native = made(distributor())
    extra = [
        NativeRow(kind="account", owner=owner, item=item, unit="pc", currency="USD", quantity=d(1), price=d(3))
        for owner, item in (("GONE", ITEMS[0]), ("a", "no such item"))
    ]
    wrong = {**native, "rows": table(NativeRow, [*records(native["rows"], NativeRow), *extra])}
    found = differences(schedules, wrong, pairs=pairs).to_pylist()
    assert {(row["account"], row["item"], row["due"], row["price"]) for row in found} == {
        ("GONE", ITEMS[0], None, d(3)),
        ("a", "no such item", None, d(3)),
    }


def test_an_account_without_a_price_is_given_none():
    """ "x" buys from a list that has only half of the items, and has an agreement's price for two of the others."""
    terms = distributor("abcd")
    half = [ListPrice(price_list="half", item=one, currency="USD", price=d(10)) for one in ITEMS[:10]]
    terms = msgspec.structs.replace(
        terms,
        accounts=(*terms.accounts, Account(account="x", group="plumbers", price_list="half", currency="USD")),
        price_lists=(*terms.price_lists, PriceList(price_list="half", currency="USD")),
        list_prices=(*terms.list_prices, *half),
        special_prices=(*terms.special_prices, *(row for item in ITEMS[:12] for row in agreed("x", item))),
    )
    schedules, native = made(terms)
    assert differences(schedules).to_pylist() == []
    store = Store(*(records(native[name], record) for name, record in NATIVE_RECORDS.items()))
    assert store.price("x", ITEMS[11], "pc", "USD", d(1)).price == d(9)
    assert store.price("x", ITEMS[12], "pc", "USD", d(1)) is None
    assert store.price("a", ITEMS[12], "pc", "USD", d(1)).price == d(9)
    assert difference(factor(resolved(terms), MEANS, native), native).empty


def test_accounts_that_follow_one_agreement_share_one_rule():
    _, native = made(distributor())
    assert native["rules"].num_rows == 1
    assert {row["account"] for row in native["members"].to_pylist()} == set("abcd")
    assert len(rows_of(native, "rule")) == 2 * len(ITEMS)
    assert rows_of(native, "account") == []
    assert {row[3] for row in rows_of(native, "base")} == {d(10)}


def test_a_follower_with_a_price_of_its_own_gets_rows_and_the_rule_stays():
    _, native = made(distributor())
    schedules, after = made(with_price(distributor(), "b", ITEMS[5], "8.5"), native)
    assert rows_of(after, "account") == [("b", ITEMS[5], d(1), d("8.5")), ("b", ITEMS[5], d(10), d(8))]
    assert after["members"] == native["members"]
    assert differences(schedules).num_rows == 0


def test_a_price_that_all_followers_get_is_one_row():
    terms = distributor()
    _, native = made(terms)
    for account in "abcd":
        terms = with_price(terms, account, ITEMS[5], "8.5")
    schedules = resolved(terms)
    plan = difference(factor(schedules, MEANS, native), native)
    assert [(row["item"], row["action"], row["before"], row["after"]) for row in plan.rows.to_pylist()] == [
        (ITEMS[5], "update", d(9), d("8.5"))
    ]
    assert plan.rules.num_rows == plan.members.num_rows == 0


def test_rules_of_as_many_accounts_have_different_priorities():
    """Two agreements of two followers each; "b" follows both, and the store would take the one of the smaller id."""
    terms = distributor("abc")
    both = [*(agreed("a", item) + agreed("b", item) for item in ITEMS[:10])]
    both += [agreed("b", item, "7", "6") + agreed("c", item, "7", "6") for item in ITEMS[10:]]
    schedules, native = made(msgspec.structs.replace(terms, special_prices=tuple(row for one in both for row in one)))
    assert native["rules"].num_rows == 2
    assert_no_tie(native)
    assert differences(schedules).num_rows == 0


def test_a_new_follower_joins_the_rule_and_no_row_is_written():
    _, native = made(distributor("abcd"))
    schedules = resolved(distributor("abcde"))
    plan = difference(factor(schedules, MEANS, native), native)
    assert plan.rows.num_rows == 0
    assert [(row["account"], row["action"]) for row in plan.members.to_pylist()] == [("e", "add")]
    assert differences(schedules).num_rows == 0


def test_a_follower_without_the_agreement_for_one_item_pays_the_list_price_for_it():
    terms = distributor()
    kept = tuple(one for one in terms.special_prices if (one.account, one.item) != ("c", ITEMS[0]))
    schedules, native = made(msgspec.structs.replace(terms, special_prices=kept))
    assert rows_of(native, "account") == [("c", ITEMS[0], d(1), d(10))]
    assert differences(schedules).num_rows == 0


def test_the_same_terms_in_another_order_make_the_same_rows():
    terms = distributor()
    turned = msgspec.structs.replace(
        terms, special_prices=terms.special_prices[::-1], accounts=terms.accounts[::-1], items=terms.items[::-1]
    )
    assert made(terms)[1] == made(turned)[1]


@pytest.mark.parametrize(
    ("steps", "tiers"),
    [
        ([("9", "0.5"), ("8", "2.5")], [("1", "9"), ("3", "8")]),
        ([("9", "1"), ("8", "2.2"), ("7", "2.8")], [("1", "9"), ("3", "7")]),
        ([("7", "10")], [("1", "10"), ("10", "7")]),  # below the first break the list price: a tier of its own
    ],
)
def test_tiers_begin_at_whole_quantities_from_one_on(steps, tiers):
    terms = world(special_prices=[period(price, quantity) for price, quantity in steps])
    schedules, native = made(terms)
    assert rows_of(native, "account") == [("ACME", "bolt", d(start), d(price)) for start, price in tiers]
    assert differences(schedules).num_rows == 0


def test_lists_are_rules_and_a_class_that_pays_less_has_only_the_rows_that_differ():
    price = {item: 7 if item in ITEMS[:5] else 10 for item in ITEMS}
    cheap = [ListPrice(price_list="cheap", item=one, currency="USD", price=d(price[one])) for one in ITEMS]
    accounts = [
        Account(account="z", group="plumbers", price_list="cheap", currency="USD"),
        Account(account="discounted", group="plumbers", price_list="trade", currency="USD"),
    ]
    terms = distributor("ab")
    terms = msgspec.structs.replace(
        terms,
        special_prices=(),
        accounts=(*terms.accounts, *accounts),
        price_lists=(*terms.price_lists, PriceList(price_list="cheap", currency="USD")),
        list_prices=(*terms.list_prices, *cheap),
        discount_rules=(discount("5", scope="account", scoped_to="discounted", match="item", matched=ITEMS[9]),),
    )
    schedules, native = made(terms)
    assert rows_of(native, "rule") == [
        ("class trade, USD, discounts of account discounted", ITEMS[9], d(1), d("9.5")),
        *(("list cheap USD", item, d(1), d(7)) for item in ITEMS[:5]),
    ]
    assert differences(schedules).num_rows == 0


def test_a_held_account_and_a_held_pair_keep_the_rows_that_the_store_has():
    terms = with_price(distributor(), "b", ITEMS[5], "8.5")
    _, native = made(terms)
    backwards = tuple(
        msgspec.structs.replace(one, valid_from=TODAY, valid_to=TODAY.replace(day=1))
        if (one.account, one.item) == ("b", ITEMS[5])
        else one
        for one in terms.special_prices
    )
    schedules = resolved(msgspec.structs.replace(terms, special_prices=backwards))
    plan = difference(factor(schedules, MEANS, native), native)
    assert (plan.empty, plan.kept) == (True, 2)

    accounts = tuple(
        msgspec.structs.replace(one, group="ghosts") if one.account == "b" else one for one in terms.accounts
    )
    schedules = resolved(msgspec.structs.replace(terms, accounts=accounts))
    plan = difference(factor(schedules, MEANS, native), native)
    assert plan.rows.num_rows == 0
    assert plan.members.num_rows == 0


def test_what_is_gone_is_taken_away():
    _, native = made(distributor())
    schedules = resolved(distributor(items=ITEMS[:19]))
    plan = difference(factor(schedules, MEANS, native), native)
    assert {(row["kind"], row["item"], row["action"]) for row in plan.rows.to_pylist()} == {
        ("base", ITEMS[19], "remove"),
        ("rule", ITEMS[19], "remove"),
    }


# -- how sets are chosen -------------------------------------------------------------------------------


def sets(**saving: float) -> list[AccountSet]:
    return [AccountSet(frozenset(accounts), weight) for accounts, weight in saving.items()]


def test_a_smaller_set_inside_a_chosen_one_is_left_to_it():
    assert [sorted(one) for one in choose(sets(abcd=100, abc=50, ab=40, xy=30))] == [["a", "b", "c", "d"], ["x", "y"]]
    assert len(choose(sets(abcdef=100, ab=50))) == 2  # less than half of it: worth a rule of its own


def test_a_set_that_saves_little_or_is_a_rule_already_is_no_new_one():
    assert choose(sets(ab=11)) == []
    assert choose(sets(ab=100), ["ab"]) == []


def test_an_account_is_in_no_more_rules_than_the_store_looks_at():
    assert len(choose(sets(ab=50, ac=40, ad=30), most=2)) == 2
    assert choose(sets(ab=50), ["ac", "ad"], most=2) == []


def test_a_name_is_made_of_the_accounts_and_is_nobody_elses():
    name = new_name("abc", ())
    assert new_name("cba", ()) == name
    assert new_name("abd", ()) != name
    assert new_name("abc", {name}) == f"{name}-2"


@given(st.lists(st.tuples(st.frozensets(st.sampled_from("abcdef"), min_size=2), st.integers(1, 99)), max_size=8))
def test_what_is_chosen_does_not_depend_on_the_order(given_sets):
    wanted = [AccountSet(accounts, float(saving)) for accounts, saving in given_sets]
    assert choose(reversed(wanted), least_saving=1) == choose(wanted, least_saving=1)


def test_the_store_answers_none_where_it_has_no_price():
    import duckdb

    assert Store([], [], []).price("a", "bolt", "pc", "USD", d(1)) is None
    database = duckdb.connect()
    for name, record in {"rows": NativeRow, "rules": NativeRule, "members": RuleMember}.items():
        database.register(f"no_{name}", table(record, []))
    database.execute("CREATE TABLE questions AS SELECT 'a' account, 'bolt' item, 'pc' unit, 'USD' currency, 1 quantity")
    evaluate(database, "questions", "no", "answers")
    assert database.execute("SELECT price FROM answers").fetchall() == [(None,)]
