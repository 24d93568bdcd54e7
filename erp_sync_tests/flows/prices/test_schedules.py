"""All prices at once say what single questions say."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from erp_sync.flows.prices.engine.book import Book
from erp_sync.flows.prices.engine.question import Answer, Question, answer
from erp_sync.flows.prices.engine.schedules import resolve
from erp_sync.model.price_terms import Account, ItemUnit, ListPrice, PriceList, PriceTerms
from erp_sync.ports.pricing import Fact, Level, Precedence, PriceSource, Rounding
from erp_sync.systems.sap_b1.pricing import PRECEDENCE
from erp_sync_tests.flows.prices.random_worlds import worlds
from erp_sync_tests.flows.prices.worlds import TODAY, agreement, changed, d, discount, period, resolved, special, world

PROMOTED = Precedence(
    system="an ERP with promotions",
    levels=(
        Level(source=PriceSource.AGREEMENT, always=True, fact=Fact(says="", source="test")),
        Level(source=PriceSource.PROMOTION, discount="replaces", fact=Fact(says="", source="test")),
        Level(source=PriceSource.ACCOUNT_SPECIAL, fact=Fact(says="", source="test")),
        Level(source=PriceSource.LIST_SPECIAL, discount="none", fact=Fact(says="", source="test")),
        Level(source=PriceSource.LIST_PRICE, discount="applies", fact=Fact(says="", source="test")),
    ),
)
EXACT_UNITS = msgspec.structs.replace(
    PRECEDENCE, levels=tuple(msgspec.structs.replace(one, exact_unit=True) for one in PRECEDENCE.levels)
)
IN_CENTS = msgspec.structs.replace(PRECEDENCE, zero_is_none=True, price_digits=2)
MODES = ("half_up", "half_even", "half_down", "up", "down")
Steps = dict[tuple[str, str, str], list[tuple[Decimal, Decimal, int]]]


def steps_of(terms: PriceTerms, precedence: Precedence = PRECEDENCE, rounding=None) -> tuple[Steps, list[dict]]:
    """(account, item, unit) to (quantity, price, place), and the quarantine."""
    found = resolved(terms, precedence, rounding=rounding)
    steps: Steps = {}
    for row in found.of_accounts().to_pylist():
        key = (row["account"], row["item"], row["unit"])
        steps.setdefault(key, []).append((row["quantity"], row["price"], row["place"]))
    return steps, found.quarantine().to_pylist()


def quantities(terms: PriceTerms, item: str, unit: str) -> list[Decimal]:
    """At, just below and just above every quantity that anything could begin at."""
    factors = {one.factor for one in terms.item_units if one.item == item and one.factor > 0} | {Decimal(1)}
    named = {one.quantity for one in (*terms.special_prices, *terms.promotions)} | {Decimal(1)}
    least = Decimal("0.000001")
    starts = {(one / factor).quantize(least) for one in named for factor in factors}
    return sorted(q for start in starts for q in (start - least, start, start + least) if q > 0)


@settings(max_examples=12)
@given(
    terms=worlds(clean=True) | worlds(),
    precedence=st.sampled_from([EXACT_UNITS, PROMOTED, IN_CENTS]),
    mode=st.sampled_from(MODES),
)
def test_all_at_once_is_what_single_questions_say(terms: PriceTerms, precedence: Precedence, mode: str):
    rounding = {currency: Rounding(mode=mode) for currency in ("USD", "EUR", "JPY")}
    steps, _ = steps_of(terms, precedence, rounding)
    book = Book(terms)
    for account in terms.accounts:
        for item in terms.items:
            for unit in set(item.sold_in or (item.unit,)):
                schedule = steps.get((account.account, item.item, unit))
                answers = {
                    quantity: answer(
                        Question(account=account.account, item=item.item, unit=unit, quantity=quantity, day=TODAY),
                        book,
                        precedence,
                        rounding,
                    )
                    for quantity in quantities(terms, item.item, unit)
                }
                _compare(schedule, answers)


def _compare(schedule: list[tuple[Decimal, Decimal, int]] | None, answers: dict[Decimal, Answer]) -> None:
    if schedule is None:
        assert any(one.price is None for one in answers.values()), answers
        return
    assert min(schedule)[0] <= 1
    for quantity, found in answers.items():
        assert found.held is None, (quantity, found, schedule)
        reached = [step for step in schedule if step[0] <= quantity]
        assert (max(reached)[1] if reached else None) == found.price, (quantity, found, schedule)


def test_a_schedule_has_every_break_once_and_equal_prices_are_one_step():
    terms = world(special_prices=[period("8"), period("7", 10), period("7", 50), period("6", 100)])
    steps, _ = steps_of(terms)
    assert steps == {("ACME", "bolt", "pc"): [(d(0), d(8), 1), (d(10), d(7), 1), (d(100), d(6), 1)]}


def test_below_the_first_break_the_schedule_has_the_next_sources_price():
    steps, _ = steps_of(world(special_prices=[period("7", 10)], discount_rules=[discount("5")]))
    assert steps[("ACME", "bolt", "pc")] == [(d(0), d("9.5"), 3), (d(10), d(7), 1)]


def test_accounts_that_are_treated_alike_are_resolved_once():
    more = [Account(account=name, group="plumbers", price_list="trade", currency="USD") for name in "abc"]
    terms = world(accounts=more, special_prices=[special("8", account=name) for name in ("a", "b", "ACME")])
    found = resolved(terms)
    assert found.database.sql("SELECT count(*) FROM classes").fetchall() == [(1,)]
    assert found.database.sql("SELECT accounts FROM groups").fetchall() == [(3,)]
    assert found.of_accounts().num_rows == 4


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("price", ["10.995", "10.985", "10.9949", "10.9951", "0.005", "0", "10"])
def test_rounding_in_sql_is_that_of_the_port(price, mode):
    rounding = {"USD": Rounding(mode=mode)}
    terms = world(special_prices=[special(price)])
    steps, _ = steps_of(terms, rounding=rounding)
    single = answer(Question(account="ACME", item="bolt", day=TODAY), Book(terms), PRECEDENCE, rounding)
    assert steps[("ACME", "bolt", "pc")] == [(d(0), single.price, 1)]


@pytest.mark.parametrize("own", ["10", "7", "-3", "100", "33.333333"])
def test_a_replaced_percentage_in_sql_is_that_of_single_questions(own):
    row = special("9", account="", price_list="trade", discount=d(own))
    terms = world(special_prices=[row], discount_rules=[discount("20")])
    steps, _ = steps_of(terms)
    single = answer(Question(account="ACME", item="bolt", day=TODAY), Book(terms), PRECEDENCE)
    assert steps[("ACME", "bolt", "pc")] == [(d(0), single.price, 2)]


def test_a_price_that_begins_at_one_piece_needs_no_list():
    """Nobody buys less: that the list has no price of the item takes nothing from an account that has one."""
    terms = changed(world(special_prices=[period("8", 1), period("7", 10)]), "list_prices", item="nut")
    steps, _ = steps_of(terms)
    assert steps == {("ACME", "bolt", "pc"): [(d(1), d(8), 1), (d(10), d(7), 1)]}


def test_like_terms_decide_for_their_own_unit_only():
    """Two accounts of different lists with the same special price: for a box each pays by its own list, where the ERP
    does not convert."""
    other = Account(account="CHEAP", group="plumbers", price_list="cheap", currency="USD")
    terms = world(
        accounts=[other],
        price_lists=[PriceList(price_list="cheap", currency="USD")],
        list_prices=[ListPrice(price_list="cheap", item="bolt", currency="USD", price=d(6))],
        item_units=[ItemUnit(item="bolt", unit="box", factor=d(12))],
        special_prices=[period("8", account=one) for one in ("ACME", "CHEAP")],
    )
    steps, _ = steps_of(changed(terms, "items", sold_in=("pc", "box")), EXACT_UNITS)
    assert {key: price for key, ((_, price, _),) in steps.items()} == {
        ("ACME", "bolt", "pc"): d(8),
        ("ACME", "bolt", "box"): d(120),
        ("CHEAP", "bolt", "pc"): d(8),
        ("CHEAP", "bolt", "box"): d(72),
    }


def test_an_agreement_is_one_step():
    steps, _ = steps_of(world(agreements=[agreement("7")], special_prices=[period("6", 10)]))
    assert steps[("ACME", "bolt", "pc")] == [(d(0), d(7), 0)]


def test_a_table_of_another_name_is_refused():
    with pytest.raises(ValueError, match="no table of price terms is called prices"):
        resolve({"prices": world().tables()["items"]}, PRECEDENCE, day=TODAY)
