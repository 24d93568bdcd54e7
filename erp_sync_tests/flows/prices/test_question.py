"""What a customer pays, by SAP's order of sources: each test is a line of its documents (systems/sap_b1/pricing.py)."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import msgspec
import pytest

from erp_sync.flows.prices.engine.book import Book
from erp_sync.flows.prices.engine.conversion import before_discount
from erp_sync.flows.prices.engine.discounts import combined
from erp_sync.flows.prices.engine.question import Question, answer
from erp_sync.model.price_terms import (
    Combination,
    ExchangeRate,
    ItemUnit,
    ListPrice,
    Policy,
    PriceList,
    Promotion,
    SpecialPrice,
)
from erp_sync.ports.pricing import Fact, Level, Precedence, PriceSource, Rounding
from erp_sync.systems.sap_b1.pricing import PRECEDENCE
from erp_sync_tests.flows.prices.worlds import (
    NOON,
    TODAY,
    agreement,
    ask,
    changed,
    d,
    discount,
    period,
    special,
    world,
)

YESTERDAY, TOMORROW = TODAY - timedelta(days=1), TODAY + timedelta(days=1)


def volume(price: str | None = None, quantity: str | int = 0, **fields) -> SpecialPrice:
    """A period and volume price of everybody who buys from the list "trade"."""
    row = {"account": "", "price_list": "trade", "level": "period", "quantity": d(quantity), "unit": "pc"}
    return special(price, **{**row, **fields})


def test_the_list_price_is_the_last_resort():
    found = ask(world())
    assert (found.price, found.source, found.rule) == (d("10.00"), PriceSource.LIST_PRICE, "trade")


@pytest.mark.parametrize(
    ("terms", "price", "source"),
    [
        ({"special_prices": [volume("9")]}, "9.00", PriceSource.LIST_SPECIAL),
        ({"special_prices": [volume("9"), special("8")]}, "8.00", PriceSource.ACCOUNT_SPECIAL),
        (
            {"special_prices": [volume("9"), special("8")], "agreements": [agreement("11")]},
            "11.00",
            PriceSource.AGREEMENT,
        ),
    ],
)
def test_agreement_before_special_price_before_volume_price_before_list(terms, price, source):
    found = ask(world(**terms))
    assert (str(found.price), found.source) == (price, source)


def test_the_answer_says_what_else_there_was():
    found = ask(world(special_prices=[special("8", rule="SP-7")], discount_rules=[discount("5")]))
    assert found.rule == "SP-7"
    assert found.why == ("account special: SP-7: 8", "list price: trade: 10 less 5 %")


# -- discount rules ------------------------------------------------------------------------------------


def test_a_percentage_comes_off_the_list_but_never_off_an_accounts_special_price():
    rules = [discount("5", scope="group", scoped_to="plumbers")]
    assert ask(world(discount_rules=rules)).price == d("9.50")
    assert ask(world(discount_rules=rules, special_prices=[special("8")])).price == d("8.00")


def test_a_percentage_replaces_that_of_a_volume_price():
    off = volume(None, discount=d(20))
    assert ask(world(special_prices=[off])).price == d("8.00")
    assert ask(world(special_prices=[off], discount_rules=[discount("5")])).price == d("9.50")
    assert ask(world(special_prices=[volume("9")], discount_rules=[discount("10")])).price == d("8.10")


def test_a_percentage_that_replaces_a_volume_prices_own_comes_off_the_price_before_it():
    """10.00 less 10 % is 9.00: with 20 % in its place it is 8.00, not 7.20."""
    terms = world(special_prices=[volume("9", discount=d(10))])
    assert ask(terms).price == d("9.00")
    assert ask(world(special_prices=[volume("9", discount=d(10))], discount_rules=[discount("20")])).price == d("8.00")
    whole = [volume("9", discount=d(100))]  # nobody knows what 100 % came off
    assert ask(world(special_prices=whole, discount_rules=[discount("20")])).price == d("7.20")


def test_the_price_before_a_discount_has_six_digits():
    assert before_discount(d("9"), d(7)) == d("9.677419")
    assert before_discount(d("9"), d("-3")) == d("8.737864")
    assert before_discount(d("9"), None) == d(9)


@pytest.mark.parametrize(
    ("fields", "hit"),
    [
        ({"match": "item", "matched": "bolt"}, True),
        ({"match": "item_group", "matched": "fasteners"}, True),
        ({"match": "manufacturer", "matched": "Hilti"}, True),
        ({"match": "property", "matched": "zinc"}, True),
        ({"match": "property", "matched": "brass"}, False),
        ({"scope": "account", "scoped_to": "ACME"}, True),
        ({"scope": "account", "scoped_to": "plumbers"}, False),
        ({"valid_to": YESTERDAY}, False),
        ({"valid_from": TODAY, "valid_to": TODAY}, True),
        ({"active": False}, False),
    ],
)
def test_what_a_discount_rule_is_for(fields, hit):
    assert ask(world(discount_rules=[discount("5", **fields)])).price == d("9.50" if hit else "10.00")


@pytest.mark.parametrize(
    ("how", "percent"),
    [("lowest", "5"), ("highest", "7"), ("average", "6"), ("total", "12"), ("multiples", "11.65")],
)
def test_several_percentages_are_one(how, percent):
    assert combined([d(5), d(7)], Combination(how)) == d(percent)
    terms = changed(world(discount_rules=[discount("5"), discount("7")]), "accounts", combination=Combination(how))
    assert ask(terms).discount == d(percent)


def test_properties_of_one_rule_are_combined_by_its_own_relation_first():
    zinc, m8 = ({"match": "property", "matched": one, "rule": "P", "relation": "total"} for one in ("zinc", "m8"))
    rules = [discount("2", **zinc), discount("3", **m8), discount("4")]
    terms = changed(world(discount_rules=rules), "accounts", combination=Combination.HIGHEST)
    assert ask(terms).discount == d(5)


@pytest.mark.parametrize("table", ["accounts", "items"])
def test_discount_rules_can_be_switched_off(table):
    assert ask(changed(world(discount_rules=[discount("5")]), table, no_discounts=True)).price == d("10.00")


# -- policy --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "every_source", "percent", "price"),
    [
        ("default", True, "40", "8.00"),
        ("lowest", False, "40", "6.00"),
        ("highest", False, "10", "9.00"),
        ("highest", False, None, "8.00"),  # no discount rule for the item: nothing is compared
        ("highest", True, None, "10.00"),
        ("lowest", True, None, "8.00"),
    ],
)
def test_the_lowest_or_highest_price_where_the_account_says_so(policy, every_source, percent, price):
    rules = [discount(percent)] if percent else []
    terms = world(special_prices=[special("8")], discount_rules=rules)
    terms = changed(terms, "accounts", policy=Policy(policy), every_source=every_source)
    assert str(ask(terms).price) == price


def test_an_agreement_wins_under_every_policy():
    terms = world(agreements=[agreement("12")], special_prices=[special("8")])
    assert ask(changed(terms, "accounts", policy=Policy.LOWEST, every_source=True)).price == d("12.00")


# -- dates and breaks ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("valid_from", "valid_to", "price"),
    [
        (TODAY, TODAY, "8.00"),
        (None, YESTERDAY, "10.00"),
        (TOMORROW, None, "10.00"),
        (None, TODAY, "8.00"),
    ],
)
def test_the_posting_date_decides_both_ends_included(valid_from, valid_to, price):
    assert str(ask(world(special_prices=[special("8", valid_from=valid_from, valid_to=valid_to)])).price) == price


def test_an_agreement_that_is_not_approved_or_over_is_none():
    assert ask(world(agreements=[agreement("7", active=False)])).price == d("10.00")
    assert ask(world(agreements=[agreement("7", valid_to=YESTERDAY)])).price == d("10.00")


def test_a_current_period_beats_the_header_even_an_expired_one():
    header, week = special("8"), period("7", valid_from=TODAY, valid_to=TOMORROW)
    assert ask(world(special_prices=[header, week])).price == d("7.00")
    assert ask(world(special_prices=[header, week]), day=TOMORROW + timedelta(days=1)).price == d("8.00")
    expired = special("8", valid_to=YESTERDAY)
    assert ask(world(special_prices=[expired, week])).price == d("7.00")


@pytest.mark.parametrize(
    ("quantity", "price"),
    [("1", "8.00"), ("9.999999", "8.00"), ("10", "7.00"), ("99", "7.00"), ("100", "6.00"), ("1000", "6.00")],
)
def test_the_break_is_the_largest_quantity_not_above_the_ordered_one(quantity, price):
    steps = [period("8"), period("6", 100), period("7", 10)]
    assert str(ask(world(special_prices=steps), quantity).price) == price


def test_below_the_first_break_the_next_source_has_the_price():
    terms = world(special_prices=[period("7", 10)])
    assert ask(terms, 9).source is PriceSource.LIST_PRICE
    assert ask(terms, 10).price == d("7.00")


# -- units, currencies, rounding -----------------------------------------------------------------------


def test_a_unit_has_its_own_price_or_that_of_what_it_holds():
    box = ItemUnit(item="bolt", unit="box", factor=d(100))
    assert ask(world(item_units=[box]), unit="box").price == d("1000.00")
    own = ListPrice(price_list="trade", item="bolt", unit="box", currency="USD", price=d(900))
    assert ask(world(item_units=[box], list_prices=[own]), unit="box").price == d("900.00")


def test_a_break_in_pieces_is_reached_by_boxes():
    terms = world(
        item_units=[ItemUnit(item="bolt", unit="box", factor=d(100))],
        special_prices=[period("8"), period("7", 150), period("650", 3, unit="box")],
    )
    assert ask(terms, 150).price == d("7.00")
    assert ask(terms, 2, unit="box").price == d("1000.00")  # its own rows have no price below three boxes
    assert ask(terms, 3, unit="box").price == d("650.00")


def test_a_volume_price_needs_the_rows_own_unit():
    terms = world(item_units=[ItemUnit(item="bolt", unit="box", factor=d(100))], special_prices=[volume("9")])
    assert ask(terms, unit="box").source is PriceSource.LIST_PRICE


def test_a_list_has_a_price_in_the_currency_or_it_is_converted_at_the_days_rate():
    rates = [
        ExchangeRate(day=YESTERDAY, currency="USD", into="EUR", rate=d("0.9")),
        ExchangeRate(day=TODAY, currency="USD", into="EUR", rate=d("0.8")),
        ExchangeRate(day=TOMORROW, currency="USD", into="EUR", rate=d("0.7")),
    ]
    assert ask(world(exchange_rates=rates), currency="EUR").price == d("8.00")
    own = ListPrice(price_list="trade", item="bolt", currency="EUR", price=d("8.49"))
    assert ask(world(exchange_rates=rates, list_prices=[own]), currency="EUR").price == d("8.49")


def test_a_rate_the_other_way_round_is_divided_by():
    """USD 1234.56 at 1.1 USD for a euro: 1122.33; by a reciprocal of six digits it would be 1122.33 too, but not at
    a hundred times that."""
    rates = [ExchangeRate(day=TODAY, currency="EUR", into="USD", rate=d("1.1"))]
    terms = changed(world(exchange_rates=rates), "list_prices", price=d("123456.78"))
    assert ask(terms, currency="EUR").price == d("112233.44")
    rates.append(ExchangeRate(day=TODAY, currency="GBP", into="USD", rate=d("1.3")))
    terms = world(exchange_rates=rates, special_prices=[special("13", currency="GBP")])
    assert ask(terms, currency="EUR").price == d("15.36")  # 13 * 1.3 / 1.1, by way of the dollar


def test_a_list_price_in_another_currency_than_its_lists_is_converted_from_that():
    rates = [ExchangeRate(day=TODAY, currency="EUR", into="USD", rate=d("1.1"))]
    terms = changed(world(exchange_rates=rates), "list_prices", currency="EUR")
    assert ask(terms).price == d("11.00")


def test_an_erp_that_rounds_what_it_calculates():
    """1.115 for 12 pieces is 13.38; in cents, a price that is kept with more is not rounded before it is calculated."""
    in_cents = msgspec.structs.replace(PRECEDENCE, price_digits=2)
    box = ItemUnit(item="bolt", unit="box", factor=d("12.5"))
    terms = changed(world(item_units=[box], discount_rules=[discount("7")]), "list_prices", price=d("1.113"))
    question = Question(account="ACME", item="bolt", unit="box", day=TODAY)
    # 13.9125 less 7 % is 12.938625; in cents 13.91 less 7 % is 12.9363.
    exact, rounded = (answer(question, Book(terms), one).price for one in (PRECEDENCE, in_cents))
    assert (exact, rounded) == (d("12.94"), d("12.94"))
    terms = changed(terms, "list_prices", price=d("1.1156"))
    # 13.945 less 7 % is 12.96885; in cents 13.95 less 7 % is 12.9735.
    exact, rounded = (answer(question, Book(terms), one).price for one in (PRECEDENCE, in_cents))
    assert (exact, rounded) == (d("12.97"), d("12.97"))
    terms = changed(terms, "discount_rules", percent=d("50"))
    exact, rounded = (answer(question, Book(terms), one).price for one in (PRECEDENCE, in_cents))
    assert (exact, rounded) == (d("6.97"), d("6.98"))


def test_a_lists_zero_is_no_price_where_the_erp_says_so():
    zero = changed(world(), "list_prices", price=d(0))
    found = answer(Question(account="ACME", item="bolt", day=TODAY), Book(zero), PRECEDENCE)
    assert (found.price, found.source) == (None, None)
    zero_counts = msgspec.structs.replace(PRECEDENCE, zero_is_none=False)
    assert answer(Question(account="ACME", item="bolt", day=TODAY), Book(zero), zero_counts).price == d(0)


@pytest.mark.parametrize(
    ("price", "mode", "rounded"),
    [
        ("10.995", "half_up", "11.00"),
        ("10.995", "half_down", "10.99"),
        ("10.985", "half_even", "10.98"),
        ("10.995", "half_even", "11.00"),
        ("10.991", "up", "11.00"),
        ("10.999", "down", "10.99"),
    ],
)
def test_a_price_is_rounded_once_by_the_rule_of_its_currency(price, mode, rounded):
    found = ask(world(special_prices=[special(price)]), rounding={"USD": Rounding(mode=mode)})
    assert str(found.price) == rounded


def test_nothing_is_rounded_before_the_discount_comes_off():
    """12.2155 less 10 % is 10.99395; rounded first, 12.22 less 10 % would be 11.00."""
    terms = changed(world(discount_rules=[discount("10")]), "list_prices", price=d("12.2155"))
    assert ask(terms).price == d("10.99")


def test_the_yen_has_no_digits():
    assert str(ask(changed(changed(world(), "accounts", currency="JPY"), "list_prices", currency="JPY")).price) == "10"


def test_prices_of_a_gross_list_are_gross():
    assert ask(changed(world(), "price_lists", gross=True)).gross is True


def test_a_percentage_off_another_list():
    terms = world(
        price_lists=[PriceList(price_list="net", currency="USD")],
        list_prices=[ListPrice(price_list="net", item="bolt", currency="USD", price=d(6))],
        special_prices=[special(None, discount=d(10), from_list="net")],
    )
    assert ask(terms).price == d("5.40")


def test_a_promotion_has_a_time_of_day_and_the_cheapest_of_several_counts():
    order = Precedence(
        system="an ERP with promotions",
        levels=(
            Level(source=PriceSource.PROMOTION, fact=Fact(says="first", source="test")),
            Level(source=PriceSource.LIST_PRICE, fact=Fact(says="last", source="test")),
        ),
    )
    fields = {"item": "bolt", "currency": "USD", "starts": NOON, "ends": NOON + timedelta(hours=2)}
    terms = world(
        promotions=[
            Promotion(promotion="noon", price=d(9), **fields),
            Promotion(promotion="lunch", discount=d(15), **fields),
        ]
    )

    def at(moment) -> tuple[Decimal | None, str]:
        found = answer(Question(account="ACME", item="bolt", day=TODAY, at=moment), Book(terms), order)
        return found.price, found.rule

    assert at(NOON - timedelta(microseconds=1)) == (d("10.00"), "trade")
    assert at(NOON) == (d("8.50"), "lunch")
    assert at(NOON + timedelta(hours=2)) == (d("10.00"), "trade")


def test_an_item_without_any_price_has_none():
    terms = world()
    found = ask(changed(terms, "list_prices", item="nut"))
    assert (found.price, found.held, found.source) == (None, None, None)


def test_a_question_for_nothing_is_refused():
    with pytest.raises(ValueError, match="0 of bolt is no quantity"):
        ask(world(), 0)


def test_the_order_is_a_document_with_the_source_of_each_line():
    text = PRECEDENCE.document()
    rows = [line for line in text.splitlines() if line.startswith("| ") and line[2].isdigit()]
    assert [row.split("|")[2].strip() for row in rows] == [
        "agreement (under every policy)",
        "account special",
        "list special",
        "list price",
    ]
    assert all("[" in row for row in rows)
    assert "- The posting date decides what is valid ([H])" in text
    assert text.count("unconfirmed") == sum(not fact.confirmed for fact in PRECEDENCE.facts)


def test_a_percentage_that_comes_off_a_special_price_is_no_order():
    with pytest.raises(ValueError, match="comes off list prices"):
        Level(source=PriceSource.ACCOUNT_SPECIAL, discount="applies", fact=Fact(says="", source=""))
