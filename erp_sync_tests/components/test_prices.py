"""Prices from NetSuite to Magento, end to end over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from erp_sync.components import held_plans
from erp_sync.ledger.plans import PlanState
from erp_sync.operations.choosing import CannotDo
from erp_sync.operations.decisions import approve, reject
from erp_sync.systems.netsuite.client import NetSuiteClient
from erp_sync_tests.components.hung_reads import HungRead
from erp_sync_tests.components.two_systems import TwoSystems, two_systems

LEVELS = {"price_levels": {"1": "base"}}


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Any]:
    with ExitStack() as stack:

        def make(flow: str = "{mode: on}") -> TwoSystems:
            world = two_systems(tmp_path / "world", f"{{prices: {flow}}}", erp_settings=LEVELS)
            systems = stack.enter_context(world)
            systems.run("prices", full=True)
            return systems

        yield make


def erp_price(systems: TwoSystems, sku: str, amount: str) -> None:
    systems.erp_sql(
        "UPDATE itemprice SET price = ? WHERE pricelevel = 1 AND item = (SELECT id FROM item WHERE itemid = ?)",
        (f"{Decimal(amount):.8f}", sku),
    )


def store_prices(systems: TwoSystems) -> dict[str, Decimal]:
    rows = systems.store_rows("SELECT sku, price FROM catalog_product_entity")
    return {sku: Decimal(str(price)) for sku, price in rows}


def test_a_changed_base_price_is_in_the_store_and_running_again_writes_nothing(make):
    systems = make()
    erp_price(systems, "MUG", "11.25")
    assert systems.run("prices", full=True).loaded.applied == 1
    assert store_prices(systems) == {
        "MUG": Decimal("11.25"), "TEA": Decimal("3.20"), "CUP": Decimal("7"), "POT": Decimal("25")
    }  # fmt: skip
    assert systems.run("prices", full=True).loaded.batches == 0


def test_a_price_is_rounded_once_by_the_rule_of_its_currency(make):
    systems = make("{mode: on, rules: {rounding: {USD: {digits: 1, mode: down}}}}")
    erp_price(systems, "MUG", "11.29")
    systems.run("prices", full=True)
    assert store_prices(systems)["MUG"] == Decimal("11.2")


def test_a_price_of_zero_is_named_and_left_alone(make):
    systems = make()
    erp_price(systems, "MUG", "0")
    erp_price(systems, "TEA", "3.30")
    systems.run("prices", full=True)
    assert (store_prices(systems)["MUG"], store_prices(systems)["TEA"]) == (Decimal("10.5"), Decimal("3.3"))
    assert [row.rule for row in systems.here.ledger.quarantine.find(flow="prices")] == ["price_is_zero"]


def test_a_price_that_jumps_waits_and_the_others_go(make):
    systems = make()
    erp_price(systems, "MUG", "1050.00")
    erp_price(systems, "TEA", "3.30")
    systems.run("prices", full=True)
    assert (store_prices(systems)["MUG"], store_prices(systems)["TEA"]) == (Decimal("10.5"), Decimal("3.3"))
    (plan,) = systems.here.ledger.plans.find(states=[PlanState.HELD])
    assert systems.here.ledger.plans.table(plan.id).column("key").to_pylist() == ["base/0/MUG"]


@pytest.mark.parametrize("first_written", ["the newer one", "the older one"])
def test_of_a_comparison_and_a_read_that_hung_the_newer_value_stands_in_the_end(make, monkeypatch, first_written):
    """A comparison of everything begins after a read of one price, and is done before that price changes: its rows are
    of a snapshot, which is no queue of changes."""
    systems = make()
    systems.run("prices", full=True)
    erp_price(systems, "MUG", "11.25")
    query, hung = NetSuiteClient.query, []

    def slow(self: NetSuiteClient, *words: Any, **given: Any) -> Any:
        if not hung:
            hung.append(given["operation"])
            run_id, _ = systems.read("prices", full=True)
            systems.transform("prices", run_id, full=True)
            if first_written == "the older one":
                systems.load("prices")
            erp_price(systems, "MUG", "12.50")
        return query(self, *words, **given)

    monkeypatch.setattr(NetSuiteClient, "query", slow)
    run_id, _ = systems.read("prices", keys=("MUG", "TEA"))
    monkeypatch.undo()
    assert systems.transform("prices", run_id, keys=("MUG", "TEA")).unsure == 1
    systems.load("prices")
    systems.run("prices")
    assert (hung, store_prices(systems)["MUG"]) == (["price.read"], Decimal("12.5"))


@pytest.mark.parametrize("planned_first", ["the newer one", "the older one"])
def test_a_read_that_hung_lands_while_everything_is_compared(make, monkeypatch, planned_first):
    """The comparison has looked for reads that overlap with its own before the other one landed."""
    systems = make()
    systems.run("prices", full=True)
    erp_price(systems, "MUG", "11.25")
    newer_first = planned_first == "the newer one"
    hung = HungRead(systems, monkeypatch, "prices", "price.read", ("MUG", "TEA"), compared=newer_first)
    run_id, _ = systems.read("prices", full=True)
    erp_price(systems, "MUG", "12.50")
    report = systems.transform("prices", run_id, full=True)
    if not newer_first:
        hung.compare()
    assert report.unsure == 1
    systems.load("prices")
    systems.run("prices")
    assert store_prices(systems)["MUG"] == Decimal("12.5")


def test_of_two_versions_that_were_read_at_once_the_newer_one_stands_in_the_end(make, monkeypatch):
    """A read hangs in its first call. Another one begins after it, and is done before the price changes once more: of
    two values the older one is of the read that began last."""
    systems = make()
    erp_price(systems, "MUG", "11.25")
    query, hung = NetSuiteClient.query, []

    def slow(self: NetSuiteClient, *words: Any, **given: Any) -> Any:
        if not hung:
            hung.append(given["operation"])
            systems.read("prices", keys=("MUG",))
            erp_price(systems, "MUG", "12.50")
        return query(self, *words, **given)

    monkeypatch.setattr(NetSuiteClient, "query", slow)
    run_id, _ = systems.read("prices", keys=("MUG", "TEA"))
    monkeypatch.undo()
    assert systems.transform("prices", run_id).unsure == 1
    systems.load("prices")
    systems.run("prices")
    assert (hung, store_prices(systems)["MUG"]) == (["price.read"], Decimal("12.5"))


def held(systems: TwoSystems) -> list[list[str]]:
    """Keys that wait for a person, by plan, oldest first."""
    plans = systems.here.ledger.plans
    found = sorted(plans.find(states=[PlanState.HELD]), key=lambda plan: plan.id)
    return [plans.table(plan.id, states=["held"]).column("key").to_pylist() for plan in found]


def alerts(systems: TwoSystems) -> list[str]:
    """What people are told by now; each once."""
    return [one.text for one in systems.here.ledger.notices.take_untold(["warning"])]


def test_a_discount_that_comes_in_two_polls_is_one_alert_that_names_what_waits_still(make):
    systems = make()
    for sku in ("MUG", "TEA"):
        erp_price(systems, sku, "0.30")
        systems.run("prices", keys=(sku,))
    assert held(systems) == [["base/0/MUG"], ["base/0/TEA"]]
    first, second = sorted(plan.id for plan in systems.here.ledger.plans.find(states=[PlanState.HELD]))
    (text,) = alerts(systems)
    assert text.startswith(f"plan {second} of prices on us waits: 1 rows")
    assert f"plan {first} (1 rows)" in text
    approve(systems.here, f"p{first}", who="ann")
    (notice,) = systems.here.ledger.notices.open()
    assert (f"plan {first}" in notice.text, notice.link) == (False, f"plan/{second}")
    systems.load("prices")
    assert (store_prices(systems)["MUG"], store_prices(systems)["TEA"]) == (Decimal("0.3"), Decimal("3.2"))
    reject(systems.here, f"p{second}", who="ann", why="a mistake")
    assert systems.here.ledger.notices.open() == []
    systems.load("prices")
    assert store_prices(systems)["TEA"] == Decimal("3.2")


@pytest.mark.parametrize("approved_before", [False, True])
def test_of_two_held_prices_of_an_article_the_newer_one_is_decided_on(make, approved_before):
    systems = make()
    erp_price(systems, "MUG", "0.50")
    systems.run("prices", keys=("MUG",))
    (older,) = systems.here.ledger.plans.find(states=[PlanState.HELD])
    if approved_before:
        approve(systems.here, f"p{older.id}", who="ann")
    erp_price(systems, "MUG", "0.30")
    systems.run("prices", keys=("MUG",))
    assert store_prices(systems)["MUG"] == Decimal("10.5")
    (newer,) = systems.here.ledger.plans.find(states=[PlanState.HELD])
    assert newer.id != older.id
    if not approved_before:
        with pytest.raises(CannotDo, match="is not held"):
            approve(systems.here, f"p{older.id}", who="ann")
    approve(systems.here, f"p{newer.id}", who="ann")
    systems.load("prices")
    assert store_prices(systems)["MUG"] == Decimal("0.3")


def test_one_price_that_waits_does_not_hide_a_wave_that_comes_after_it(make):
    systems = make()
    erp_price(systems, "MUG", "0.30")
    systems.run("prices", keys=("MUG",))
    assert len(alerts(systems)) == 1
    systems.run("prices", keys=("MUG",))
    erp_price(systems, "TEA", "0.03")
    systems.run("prices", keys=("TEA",))
    assert alerts(systems) == []
    route = systems.here.configuration.routes["us"].name
    held_plans.tell(systems.here, route, "prices", before=2, now=12)
    assert len(alerts(systems)) == 1
    held_plans.tell(systems.here, route, "prices", before=12, now=21)
    assert alerts(systems) == []
