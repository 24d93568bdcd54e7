"""Bad terms are named with account, item and rule, and hold what they are about only."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from erp_sync.flows.prices.engine.defects import WORDS, Defect, circular
from erp_sync.model.price_terms import Account, ExchangeRate, Item, ItemUnit, ListPrice, PriceList, Promotion
from erp_sync_tests.flows.prices.worlds import (
    NOON,
    TODAY,
    agreement,
    ask,
    d,
    discount,
    period,
    resolved,
    special,
    world,
)

DAY = timedelta(days=1)
OTHER = Account(account="OTHER", group="plumbers", price_list="trade", currency="USD")


def beside(**more: Any):
    """A world in which another account pays 10.00 whatever becomes of ACME."""
    return world(**{**more, "accounts": (OTHER, *more.get("accounts", ()))})


def acme(**fields: Any):
    terms = beside()
    accounts = tuple(msgspec.structs.replace(one, **fields) if one.account == "ACME" else one for one in terms.accounts)
    return msgspec.structs.replace(terms, accounts=accounts)


def based_on(base: str) -> tuple[PriceList, ...]:
    return (
        PriceList(price_list="a", currency="USD", base_list="b"),
        PriceList(price_list="b", currency="USD", base_list=base),
    )


ENDS_BEFORE = {"valid_from": TODAY, "valid_to": TODAY - DAY}
HELD = {
    "dates that run backwards": (beside(special_prices=[special("8", **ENDS_BEFORE)]), Defect.DATES_BACKWARDS),
    "an agreement that runs backwards": (beside(agreements=[agreement("8", **ENDS_BEFORE)]), Defect.DATES_BACKWARDS),
    "two periods on one day": (
        beside(special_prices=[period("8", valid_to=TODAY), period("7", valid_from=TODAY)]),
        Defect.DATES_OVERLAP,
    ),
    "two periods that will meet": (
        beside(special_prices=[period("8", valid_from=TODAY + DAY), period("7", valid_from=TODAY + 9 * DAY)]),
        Defect.DATES_OVERLAP,
    ),
    "two agreements": (beside(agreements=[agreement("8"), agreement("7", agreement="BA-2")]), Defect.DATES_OVERLAP),
    "equal breaks": (beside(special_prices=[period("8", 10), period("7", 10)]), Defect.EQUAL_BREAKS),
    "breaks in two currencies": (
        beside(special_prices=[period("8"), period("7", 10, currency="EUR")]),
        Defect.TWO_CURRENCIES,
    ),
    "an agreement in two currencies": (
        beside(agreements=[agreement("8"), agreement("7", item="nut", currency="EUR")]),
        Defect.TWO_CURRENCIES,
    ),
    "a unit that does not convert": (beside(special_prices=[special("8", unit="box")]), Defect.UNIT_DOES_NOT_CONVERT),
    "a term without a price": (beside(special_prices=[special(None)]), Defect.NO_PRICE_GIVEN),
    "no exchange rate": (beside(special_prices=[special("8", currency="EUR")]), Defect.NO_EXCHANGE_RATE),
    "a percentage off an unknown list": (
        beside(special_prices=[special(None, discount=d(5), from_list="ghost")]),
        Defect.UNKNOWN_PRICE_LIST,
    ),
    "a percentage off a circle": (
        beside(price_lists=based_on("a"), special_prices=[special(None, discount=d(5), from_list="a")]),
        Defect.CIRCULAR_PRICE_LIST,
    ),
    "a percentage off a list with tax": (
        beside(
            price_lists=[PriceList(price_list="retail", currency="USD", gross=True)],
            list_prices=[ListPrice(price_list="retail", item="bolt", currency="USD", price=d(12))],
            special_prices=[special(None, discount=d(5), from_list="retail")],
        ),
        Defect.GROSS_AND_NET,
    ),
    "more off than there is": (
        beside(discount_rules=[discount("101", scope="account", scoped_to="ACME")]),
        Defect.PRICE_BELOW_ZERO,
    ),
    "a price too large": (beside(special_prices=[special("999999999999.999999")]), Defect.NUMBER_TOO_LARGE),
    "an agreement too large": (beside(agreements=[agreement("100000000000")]), Defect.NUMBER_TOO_LARGE),
    "a break too large": (
        beside(special_prices=[period("8"), period("7", "100000000000")]),
        Defect.NUMBER_TOO_LARGE,
    ),
    "a percentage of -600": (beside(special_prices=[special(None, discount=d(-600))]), Defect.PERCENT_OUT_OF_RANGE),
    "an unknown group": (acme(group="ghosts"), Defect.UNKNOWN_GROUP),
    "an unknown list": (acme(price_list="ghost"), Defect.UNKNOWN_PRICE_LIST),
}


@pytest.mark.parametrize("name", HELD)
def test_what_is_wrong_is_named_and_stops_no_other_account(name):
    terms, rule = HELD[name]
    assert ask(terms).held is rule
    assert ask(terms, account="OTHER").price == d(10)

    found = resolved(terms)
    rows = [
        row for row in found.quarantine().to_pylist() if row["rule"] == rule and row["price_list"] not in ("a", "b")
    ]
    own_discount = rule is Defect.PRICE_BELOW_ZERO  # a class of its own, named by its list
    assert {row["account"] for row in rows} == ({""} if own_discount else {"ACME"})
    assert {row["problem"] for row in rows} == {WORDS[rule]}
    whole_account = rule in (Defect.UNKNOWN_GROUP, Defect.UNKNOWN_PRICE_LIST) and not terms.special_prices
    assert "bolt" in {row["item"] for row in rows} or whole_account
    priced = {(row["account"], row["price"]) for row in found.of_accounts().to_pylist()}
    assert priced == {("OTHER", d(10))}


def test_a_percentage_of_a_discount_rule_that_cannot_be_holds_whom_it_is_for():
    rule = discount("-600", rule="D-7", scope="account", scoped_to="ACME", match="item", matched="bolt")
    terms = beside(discount_rules=[rule])
    assert ask(terms).held is Defect.PRICE_BELOW_ZERO
    found = resolved(terms)
    named = {(row["account"], row["item"], row["rule"], row["term"]) for row in found.quarantine().to_pylist()}
    assert ("ACME", "bolt", "percent_out_of_range", "D-7") in named
    assert [(row["account"], row["price"]) for row in found.of_accounts().to_pylist()] == [("OTHER", d(10))]


@pytest.mark.parametrize(
    ("table", "row", "problem"),
    [
        ("list_prices", ListPrice(price_list="trade", item="nut", currency="USD", price=d(10**11)), "number_too_large"),
        ("item_units", ItemUnit(item="nut", unit="box", factor=d(10**11)), "unit_does_not_convert"),
        (
            "special_prices",
            special("99999999999", item="nut", currency="EUR"),  # 151 times that is no price
            "number_too_large",
        ),
    ],
)
def test_a_number_that_is_too_large_holds_its_item_only(table, row, problem):
    nut = Item(item="nut", unit="pc", sold_in=("pc", "box"))
    rates = [ExchangeRate(day=TODAY, currency="EUR", into="USD", rate=d(151))]
    terms = beside(**{"items": [nut], "exchange_rates": rates, table: [row]})
    found = resolved(terms)
    assert ("nut", problem) in {(one["item"], one["rule"]) for one in found.quarantine().to_pylist()}
    assert {(one["account"], one["price"]) for one in found.of_accounts().to_pylist() if one["item"] == "bolt"} == {
        ("ACME", d(10)),
        ("OTHER", d(10)),
    }


@pytest.mark.parametrize("number", ["1e15", "-1e15", "NaN", "Infinity"])
def test_a_number_that_no_column_takes_is_held_with_its_record(number):
    """As a vendor gives it: the table is made all the same, and the record is named."""
    terms = beside(special_prices=[special(number, rule="SP-9"), special("8", account="OTHER")])
    found = resolved(terms)
    (row,) = found.quarantine().to_pylist()
    assert (row["account"], row["item"], row["rule"], row["term"]) == ("ACME", "bolt", "number_too_large", "SP-9")
    assert [(row["account"], row["price"]) for row in found.of_accounts().to_pylist()] == [("OTHER", d(8))]


def test_a_percentage_that_no_column_takes_is_held_with_its_record():
    found = resolved(beside(special_prices=[special(None, discount=d(-6000))]))
    assert [(row["account"], row["rule"]) for row in found.quarantine().to_pylist()] == [
        ("ACME", "percent_out_of_range")
    ]


OVER = {"valid_from": TODAY - 9 * DAY, "valid_to": TODAY - DAY}


@pytest.mark.parametrize(
    "dead",
    [
        {"special_prices": [special("8", currency="EUR", **OVER)]},
        {"special_prices": [special(None, **OVER)]},
        {"special_prices": [special("8", unit="box", **OVER)]},
        {"special_prices": [special("8", valid_from=TODAY - DAY, valid_to=TODAY - 9 * DAY)]},
        {"special_prices": [special("1e15", **OVER)]},
        {"agreements": [agreement("8", currency="EUR", active=False), agreement("8", active=False)]},
        {"agreements": [agreement("8", **ENDS_BEFORE, active=False)]},
        {"agreements": [agreement("8", unit="box", active=False)]},
        {"agreements": [agreement("8", item="nut", currency="EUR", **OVER)]},
        {"price_lists": [PriceList(price_list="trade2", currency="USD", base_list="trade2", active=False)]},
        {"special_prices": [special("8", account="GHOST", **OVER)]},
        {"special_prices": [special("8", item="ghost", **OVER)]},
        {
            "discount_rules": [
                discount("-600", active=False),
                discount("5", valid_from=TODAY - DAY, valid_to=TODAY - 2 * DAY),
            ]
        },
    ],
)
def test_what_is_over_or_switched_off_holds_nothing(dead):
    """Beside a live price of the same account and item."""
    live = {"special_prices": [period("7")]} if "agreements" not in dead else {"agreements": [agreement("7")]}
    together = {name: [*live.get(name, []), *dead.get(name, [])] for name in {*live, *dead}}
    terms = beside(**together)
    assert ask(terms).price == d(7)
    found = resolved(terms)
    assert found.quarantine().to_pylist() == []
    assert {(row["account"], row["price"]) for row in found.of_accounts().to_pylist()} == {
        ("ACME", d(7)),
        ("OTHER", d(10)),
    }


def test_what_holds_is_named_with_the_erps_own_name_of_it():
    terms = beside(
        special_prices=[period("8", rule="P-1"), period("7", rule="P-2", valid_from=TODAY)],
        agreements=[agreement("8", account="OTHER"), agreement("8", account="OTHER", agreement="BA-2")],
    )
    assert {
        (row["account"], row["item"], row["rule"], row["term"]) for row in resolved(terms).quarantine().to_pylist()
    } == {
        ("ACME", "bolt", "dates_overlap", "P-1, P-2"),
        ("OTHER", "bolt", "dates_overlap", "BA-1, BA-2"),
    }


def test_a_list_that_is_not_active_is_named_where_somebody_buys_from_it():
    lists = [PriceList(price_list=one, currency="USD", active=False) for one in ("off", "unused")]
    terms = beside(
        price_lists=lists, accounts=[Account(account="LATE", group="plumbers", price_list="off", currency="USD")]
    )
    assert [(row["price_list"], row["rule"]) for row in resolved(terms).quarantine().to_pylist()] == [
        ("off", "inactive_price_list")
    ]


def test_dates_that_met_in_the_past_hold_nothing():
    past = {"valid_from": TODAY - 9 * DAY, "valid_to": TODAY - DAY}
    terms = world(special_prices=[period("8", **past), period("7", **{**past, "valid_from": TODAY - 5 * DAY})])
    assert ask(terms).price == d(10)
    assert resolved(terms).quarantine().num_rows == 0


@pytest.mark.parametrize(("base", "loops"), [("a", {"a", "b"}), ("b", set()), ("", set()), ("ghost", set())])
def test_lists_that_are_based_on_each_other(base, loops):
    assert circular(based_on(base)) == loops


def test_a_list_that_leads_into_a_circle_is_as_bad():
    assert circular((*based_on("a"), PriceList(price_list="c", currency="USD", base_list="a"))) == {"a", "b", "c"}


def test_a_circle_holds_its_accounts_list_prices_but_not_their_own_terms():
    in_circle = Account(account="ROUND", group="plumbers", price_list="a", currency="USD")
    terms = beside(accounts=[in_circle], price_lists=based_on("a"), special_prices=[special("8", account="ROUND")])
    nut = Item(item="nut", unit="pc")
    terms = msgspec.structs.replace(terms, items=(*terms.items, nut))
    assert ask(terms, account="ROUND").price == d(8)
    assert ask(terms, account="ROUND", item="nut").held is Defect.CIRCULAR_PRICE_LIST
    found = resolved(terms)
    assert {row["price_list"] for row in found.quarantine().to_pylist() if row["rule"] == "circular_price_list"} == {
        "a",
        "b",
    }
    assert ("ROUND", d(8)) in {(row["account"], row["price"]) for row in found.of_accounts().to_pylist()}


def test_an_item_in_no_list_and_a_unit_that_is_sold_but_unknown_are_named():
    items = [Item(item="nut", unit="pc"), Item(item="wire", unit="m", sold_in=("m", "reel"))]
    listed = [ListPrice(price_list="trade", item="wire", currency="USD", price=d(2))]
    rows = resolved(world(items=items, list_prices=listed)).quarantine().to_pylist()
    assert {(row["item"], row["rule"]) for row in rows} == {
        ("nut", "item_in_no_list"),
        ("wire", "unit_does_not_convert"),
    }


def test_volume_prices_that_are_wrong_hold_who_would_pay_them():
    volume = {"account": "", "price_list": "trade", "unit": "pc"}
    terms = world(
        accounts=[OTHER],
        special_prices=[period("8", 10, **volume), period("7", 10, **volume), special("6", account="OTHER")],
    )
    assert ask(terms).held is Defect.EQUAL_BREAKS
    assert ask(terms, account="OTHER").price == d(6)
    found = resolved(terms)
    assert ("", "trade", "bolt", "equal_breaks") in {
        (row["account"], row["price_list"], row["item"], row["rule"]) for row in found.quarantine().to_pylist()
    }
    assert {row["account"] for row in found.of_accounts().to_pylist()} == {"OTHER"}


def test_a_price_that_begins_above_one_piece_and_nothing_below_is_held():
    nut = Item(item="nut", unit="pc")
    terms = world(items=[nut], special_prices=[period("8", 10, item="nut")])
    found = resolved(terms)
    assert ("ACME", "nut", "item_in_no_list") in {
        (row["account"], row["item"], row["rule"]) for row in found.quarantine().to_pylist()
    }


def test_rules_and_promotions_that_run_backwards_are_named_and_ignored():
    terms = world(
        discount_rules=[discount("5", match="item", matched="bolt", **ENDS_BEFORE)],
        promotions=[Promotion(promotion="P", item="bolt", price=d(1), currency="USD", starts=NOON, ends=NOON)],
    )
    found = resolved(terms, at=NOON)
    assert [(row["item"], row["rule"], row["term"]) for row in found.quarantine().to_pylist()] == [
        ("bolt", "dates_backwards", "D-5"),
        ("bolt", "dates_backwards", "P"),
    ]
    assert [row["price"] for row in found.of_accounts().to_pylist()] == [d(10)]


def test_terms_of_an_unknown_account_or_item_are_named():
    terms = world(special_prices=[special("8", account="GHOST"), special("8", item="ghost")])
    found = resolved(terms)
    assert {(row["account"], row["item"], row["rule"]) for row in found.quarantine().to_pylist()} == {
        ("GHOST", "", "unknown_account"),
        ("ACME", "ghost", "unknown_item"),
    }
    assert [row["price"] for row in found.of_accounts().to_pylist()] == [d(10)]
    assert ask(terms, account="GHOST").held is Defect.UNKNOWN_ACCOUNT
    assert ask(terms, item="ghost").held is Defect.UNKNOWN_ITEM


def test_a_unit_of_the_question_that_does_not_convert():
    assert ask(world(), unit="box").held is Defect.UNIT_DOES_NOT_CONVERT
    assert ask(world(item_units=[ItemUnit(item="bolt", unit="box", factor=d(0))]), unit="box").price is None
