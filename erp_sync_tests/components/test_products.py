"""Products from NetSuite to Magento, end to end over HTTP: planned, approved, loaded in bulk."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from erp_sync.ledger import NewDelivery, State
from erp_sync.ledger.plans import PlanState
from erp_sync.model.keys import EntityKey
from erp_sync.ports.documents import Requirement
from erp_sync_tests.components.two_systems import CATALOGUE, TwoSystems, two_systems

WITHOUT_POT = CATALOGUE | {
    "items": [item for item in CATALOGUE["items"] if item["sku"] != "POT"],
    "stock": [row for row in CATALOGUE["stock"] if row["sku"] != "POT"],
}
FLOWS = "{products: {mode: on, approval: required}, inventory: {mode: on}}"


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Any]:
    with ExitStack() as stack:

        def make(flows: str = FLOWS, **more: Any) -> TwoSystems:
            return stack.enter_context(two_systems(tmp_path / "world", flows, **more))

        yield make


def store_products(systems: TwoSystems) -> dict[str, tuple[str, int]]:
    """SKU to name and status: 1 enabled, 2 disabled."""
    rows = systems.store_rows("SELECT sku, name, status FROM catalog_product_entity")
    return {sku: (name, status) for sku, name, status in rows}


def approve(systems: TwoSystems) -> None:
    (plan,) = systems.here.ledger.plans.find(flow="products", states=[PlanState.HELD])
    systems.here.ledger.plans.approve(plan.id, "ada", "looks right")
    systems.load("products")


def test_a_new_product_waits_for_approval_and_its_stock_for_the_product(make):
    systems = make(store_catalogue=WITHOUT_POT)
    assert systems.run("inventory", full=True).loaded.waiting == 2
    systems.run("products", full=True)
    assert "POT" not in store_products(systems)
    approve(systems)
    assert store_products(systems)["POT"][0] == "Article POT"
    systems.load("inventory")
    assert (systems.store_quantities()["east/POT"], systems.store_quantities()["west/POT"]) == ("1", "3")


def test_an_order_that_waits_for_an_item_goes_when_the_erp_has_it(make):
    systems = make()
    ledger = systems.here.ledger
    documents = [
        NewDelivery(
            key=EntityKey("magento_us", "", "sales_order", sku), target="netsuite_us", version="1", payload=b"{}",
            number=sku, requirements=(Requirement("product", sku),),
        )
        for sku in ("MUG", "NOT-THERE")
    ]  # fmt: skip
    with ledger.handling("us", "orders") as work:
        mug, other = (accepted.id for accepted in work.accept(documents))
    systems.run("products", full=True)
    assert [ledger.deliveries.get(one).state for one in (mug, other)] == [State.DUE, State.WAITING]


def test_an_inactive_product_is_disabled_and_running_again_plans_nothing(make):
    systems = make("{products: {mode: on, guards: {max_disabled_share: 0.5}}}")
    systems.run("products", full=True)
    systems.erp_sql("UPDATE item SET isinactive = 'T' WHERE itemid = 'MUG'")
    systems.run("products", full=True)
    assert store_products(systems)["MUG"][1] == 2
    assert store_products(systems)["TEA"][1] == 1
    assert systems.run("products", full=True).transformed.changed == 0


def test_disabling_a_large_share_is_held(make):
    systems = make("{products: {mode: on, guards: {few: 2}}}")
    systems.run("products", full=True)
    systems.erp_sql("UPDATE item SET isinactive = 'T' WHERE itemid IN ('MUG', 'TEA')")
    systems.run("products", full=True)
    assert {status for _, status in store_products(systems).values()} == {1}
    (plan,) = systems.here.ledger.plans.find(states=[PlanState.HELD])
    assert "are disabled" in plan.reason
