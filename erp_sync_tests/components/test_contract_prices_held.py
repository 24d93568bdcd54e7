"""Contract prices that wait for a person, and what becomes of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from erp_sync.ledger.plan_values import PlanState
from erp_sync.model.price_terms import Account, Item, ListPrice, PriceList, SpecialPrice
from erp_sync.operations.choosing import CannotDo
from erp_sync.operations.decisions import approve, reject
from erp_sync.operations.plans import told
from erp_sync_tests.components.price_systems import PriceSystems, price_systems
from erp_sync_tests.components.test_contract_prices import dealer, list_price, paid, special

D = Decimal


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Any]:
    with ExitStack() as stack:

        def make(**flow: Any) -> PriceSystems:
            return dealer(stack.enter_context(price_systems(tmp_path / "world", flow)))

        yield make


def held(systems: PriceSystems) -> dict[str, str | None]:
    rows: dict[str, str | None] = {}
    for plan in systems.plans(PlanState.HELD):
        rows |= systems.rows_of(plan.id)
    return rows


def reasons(systems: PriceSystems) -> str:
    return "; ".join(plan.reason for plan in systems.plans(PlanState.HELD))


@pytest.mark.parametrize("price", ["7.00", "11.00"])
def test_a_price_that_changes_too_much_waits_and_the_others_go(make, price):
    systems = make()
    special(systems, "ACME", "bolt", price)
    special(systems, "ACME", "nut", "1.90")
    systems.run()
    assert paid(systems, "ACME", "bolt", "nut") == [D(9), D("1.9")]
    assert list(held(systems)) == ["row/account/ACME/bolt//EUR/1"]
    assert reasons(systems) == "1 rows: changes by more than 20 %"
    assert len(systems.here.ledger.notices.open()) == 1
    systems.run(full=True)
    assert len(systems.plans(PlanState.HELD)) == 1


def test_a_list_price_that_changes_too_much_waits_for_everybody_who_pays_it(make):
    systems = make()
    list_price(systems, "bolt", "5.00")
    list_price(systems, "nut", "2.20")
    systems.run()
    assert paid(systems, "BETA", "bolt", "nut") == [D(10), D("2.2")]
    assert paid(systems, "ACME", "bolt", "nut") == [D(9), D("2.2")]


def test_a_first_price_of_an_account_is_judged_by_what_it_paid_before(make):
    """The row is new in the store, the price of the account is not."""
    systems = make()
    special(systems, "BETA", "bolt", "1.00")
    special(systems, "BETA", "nut", "1.90")
    systems.run()
    assert paid(systems, "BETA", "bolt", "nut") == [D(10), D("1.9")]
    assert "row/account/BETA/bolt//EUR/1" in held(systems)


def test_an_account_keeps_what_it_pays_while_the_price_that_it_paid_changes_for_the_others(make):
    """Its own price waits, and the list's goes: it pays neither the list's new price nor its own."""
    systems = make()
    special(systems, "ACME", "nut", "1.00")
    list_price(systems, "nut", "2.20")
    systems.run()
    assert (paid(systems, "ACME", "nut"), paid(systems, "BETA", "nut")) == ([D(2)], [D("2.2")])
    assert held(systems) == {"row/account/ACME/nut//EUR/1": '{"price":"1"}'}
    systems.run(full=True)
    (plan,) = systems.plans(PlanState.HELD)
    systems.here.ledger.plans.approve(plan.id, "ada")
    systems.run()
    assert paid(systems, "ACME", "nut") == [D(1)]


def test_a_special_price_that_ends_is_judged_by_what_is_paid_then(make):
    systems = make()
    special(systems, "ACME", "washer", "0.90")
    systems.run()
    list_price(systems, "washer", "1.19")
    systems.run()
    systems.erp.take("SpecialPrices/ACME,washer")
    systems.run(full=True)
    assert paid(systems, "ACME", "washer") == [D("0.9")]
    assert held(systems) == {"row/account/ACME/washer//EUR/1": None}


def test_many_small_steps_are_one_large_one(make):
    systems = make()
    for price in ("8.00", "7.20", "6.50", "5.90"):
        special(systems, "ACME", "bolt", price)
        systems.run()
    assert paid(systems, "ACME", "bolt") == [D("7.2")]
    assert "in a day" in reasons(systems)
    systems.skipped += timedelta(hours=25)
    systems.run()
    assert paid(systems, "ACME", "bolt") == [D("5.9")]


def test_an_approved_price_goes_and_is_what_further_changes_are_measured_by(make):
    systems = make()
    special(systems, "ACME", "bolt", "5.00")
    systems.run()
    (plan,) = systems.plans(PlanState.HELD)
    systems.here.ledger.plans.approve(plan.id, "ada")
    systems.run()
    assert paid(systems, "ACME", "bolt") == [D(5)]
    special(systems, "ACME", "bolt", "5.50")
    systems.run()
    assert paid(systems, "ACME", "bolt") == [D("5.5")]


def test_an_approval_ends_when_the_source_changes_again_before_it_is_written(make):
    systems = make()
    special(systems, "ACME", "bolt", "5.00")
    systems.run()
    (plan,) = systems.plans(PlanState.HELD)
    systems.here.ledger.plans.approve(plan.id, "ada")
    special(systems, "ACME", "bolt", "1.00")
    systems.run()
    assert paid(systems, "ACME", "bolt") == [D(9)]
    assert held(systems) == {"row/account/ACME/bolt//EUR/1": '{"price":"1"}'}


def test_a_part_of_what_waits_can_be_approved(make):
    systems = make()
    special(systems, "ACME", "bolt", "5.00")
    special(systems, "ACME", "nut", "1.00")
    systems.run()
    (plan,) = systems.plans(PlanState.HELD)
    systems.here.ledger.plans.approve(plan.id, "ada", keys=["row/account/ACME/nut//EUR/1"])
    systems.run()
    assert paid(systems, "ACME", "bolt", "nut") == [D(9), D(1)]
    assert list(held(systems)) == ["row/account/ACME/bolt//EUR/1"]


def test_a_part_is_chosen_by_a_pattern_and_tiers_of_a_price_go_together(make):
    systems = make()
    steps = [
        SpecialPrice(account="ACME", item="bolt", price=D(price), currency="EUR", quantity=D(at), level="period")
        for at, price in ((0, "5.00"), (10, "4.00"))
    ]
    systems.erp.put("SpecialPrices/ACME,bolt", *steps)
    special(systems, "ACME", "nut", "1.00")
    special(systems, "BETA", "nut", "1.00")
    systems.run()
    (plan,) = systems.plans(PlanState.HELD)
    approve(systems.here, f"p{plan.id}", who="ada", only=["row/account/ACME/bolt/*/10"])
    reject(systems.here, f"p{plan.id}", who="ada", why="a mistake", only=["row/*/BETA/*"])
    systems.run()
    assert [systems.shop.price("ACME", "bolt", quantity) for quantity in (1, 10)] == [D(5), D(4)]
    assert list(held(systems)) == ["row/account/ACME/nut//EUR/1"]
    with pytest.raises(CannotDo, match="has no held row row/account/DORA"):
        approve(systems.here, f"p{systems.plans(PlanState.HELD)[0].id}", who="ada", only=["row/account/DORA/*"])


def test_a_held_plan_tells_how_many_prices_change_by_how_much_largest_first(make):
    systems = make()
    special(systems, "ACME", "bolt", "6.00")
    special(systems, "ACME", "nut", "0.50")
    special(systems, "BETA", "washer", "1.40")
    systems.run()
    (plan,) = systems.plans(PlanState.HELD)
    it = told(systems.here, plan.id, 2)
    assert it.histogram == {"-100 % to -50 %": 1, "-50 % to -20 %": 1, "+20 % to +50 %": 1}
    assert [one.key for one in it.changes] == ["row/account/ACME/nut//EUR/1", "row/account/BETA/washer//EUR/1"]


def test_a_plan_that_is_held_as_a_whole_goes_as_a_whole(make):
    systems = make(guards={"few": 2})
    for item, price in (("bolt", "10.10"), ("nut", "2.10")):
        list_price(systems, item, price)
    systems.run()
    (plan,) = systems.plans(PlanState.HELD)
    with pytest.raises(CannotDo, match="as a whole or not at all"):
        approve(systems.here, f"p{plan.id}", who="ada", only=["row/*/nut/*"])


def test_a_rejected_price_is_not_asked_again_until_the_source_changes_it(make):
    systems = make()
    special(systems, "ACME", "bolt", "5.00")
    systems.run()
    (plan,) = systems.plans(PlanState.HELD)
    systems.here.ledger.plans.reject(plan.id, "ada", "a mistake")
    systems.run(full=True)
    assert (paid(systems, "ACME", "bolt"), held(systems)) == ([D(9)], {})
    special(systems, "ACME", "bolt", "8.80")
    systems.run()
    assert paid(systems, "ACME", "bolt") == [D("8.8")]


def test_a_price_of_zero_waits(make):
    systems = make(guards={"max_price_change": 5})
    special(systems, "ACME", "bolt", 0)
    systems.run()
    assert paid(systems, "ACME", "bolt") == [D(9)]
    assert "is zero" in reasons(systems)


def test_a_break_that_is_dearer_than_the_one_below_it_waits(make):
    systems = make()
    row = SpecialPrice(account="ACME", item="bolt", price=D(9), currency="EUR")
    dearer = SpecialPrice(account="ACME", item="bolt", price=D("9.50"), currency="EUR", quantity=D(10), level="period")
    first = SpecialPrice(account="ACME", item="bolt", price=D(9), currency="EUR", level="period")
    systems.erp.put("SpecialPrices/ACME,bolt", row, first, dearer)
    systems.run()
    assert systems.shop.price("ACME", "bolt", 10) == D(9)
    assert "is dearer than for less" in reasons(systems)


def test_a_price_below_cost_or_below_the_lowest_advertised_one_waits(make):
    systems = make(rules={"cost_list": "cost", "map_list": "map"})
    erp = systems.erp
    for name in ("cost", "map"):
        erp.put(f"PriceLists/{name}", PriceList(price_list=name, currency="EUR"))
    erp.put(
        "Items/bolt",
        Item(item="bolt", unit="pc"),
        ListPrice(price_list="1", item="bolt", currency="EUR", price=D(10)),
        ListPrice(price_list="cost", item="bolt", currency="EUR", price=D("8.50")),
        ListPrice(price_list="map", item="bolt", currency="EUR", price=D("8.80")),
    )
    systems.run(full=True)
    special(systems, "ACME", "bolt", "8.60")
    systems.run()
    assert paid(systems, "ACME", "bolt") == [D(9)]
    assert reasons(systems) == "1 rows: is below the lowest advertised price"
    special(systems, "ACME", "bolt", "8.40")
    systems.run()
    assert "is below cost, is below the lowest advertised price" in reasons(systems)


def test_a_change_of_currency_waits(make):
    systems = make()
    systems.erp.put("BusinessPartners/ACME", Account(account="ACME", group="1", price_list="1", currency="USD"))
    systems.erp.put("SpecialPrices/ACME,bolt", SpecialPrice(account="ACME", item="bolt", price=D(9), currency="USD"))
    systems.run()
    assert paid(systems, "ACME", "bolt") == [D(9)]
    assert "changes its currency" in reasons(systems)


def test_many_articles_at_once_hold_the_plan_as_a_whole(make):
    systems = make(guards={"few": 2})
    for item, price in (("bolt", "10.10"), ("nut", "2.10")):
        list_price(systems, item, price)
    systems.run()
    assert paid(systems, "BETA", "bolt", "nut", "washer") == [D(10), D(2), D(1)]
    assert "articles change their price at once" in reasons(systems)
    (plan,) = systems.plans(PlanState.HELD)
    systems.here.ledger.plans.approve(plan.id, "ada")
    systems.run()
    assert paid(systems, "BETA", "bolt", "nut") == [D("10.1"), D("2.1")]


@pytest.mark.parametrize("first", ["written", "compared"])
def test_an_undone_plan_stays_undone_until_the_source_changes(make, first):
    systems = make()
    special(systems, "ACME", "bolt", "8.00")
    report = systems.run()
    systems.here.ledger.plans.undo(report.plans[0][0], "ada", "too early")
    if first == "compared":
        run_id, _ = systems.read()
        systems.transform(run_id)
    systems.load()
    assert paid(systems, "ACME", "bolt") == [D(9)]
    systems.run(full=True)
    assert paid(systems, "ACME", "bolt") == [D(9)]
    special(systems, "ACME", "bolt", "8.50")
    systems.run()
    assert paid(systems, "ACME", "bolt") == [D("8.5")]


def test_undoing_leaves_alone_what_has_changed_since(make):
    systems = make()
    special(systems, "ACME", "bolt", "8.00")
    special(systems, "ACME", "nut", "1.80")
    first = systems.run().plans[0][0]
    special(systems, "ACME", "bolt", "8.20")
    systems.run()
    systems.here.ledger.plans.undo(first, "ada", "too early")
    systems.load()
    assert paid(systems, "ACME", "bolt", "nut") == [D("8.2"), D(2)]
