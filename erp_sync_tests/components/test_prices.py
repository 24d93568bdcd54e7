"""Prices from NetSuite to Magento, end to end over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from erp_sync.ledger.plans import PlanState
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
