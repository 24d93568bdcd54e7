"""Products from NetSuite to Magento, end to end over HTTP: planned, approved, loaded in bulk."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from erp_sync.ledger import KnownRow, NewDelivery, State
from erp_sync.ledger.plans import Plans, PlanState
from erp_sync.model.keys import EntityKey
from erp_sync.operations import dead_letters
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


def test_plans_are_not_searched_for_values_that_cross_where_no_row_says_when_it_was_read(make, monkeypatch):
    """A product's place in the order of values is its last change: nearly all that is planned is newer than the oldest
    one's."""
    systems = make()
    asked: list[str] = []
    newer = Plans.newer

    def noted(self: Plans, route: str, flow: str, *others: Any) -> Any:
        asked.append(flow)
        return newer(self, route, flow, *others)

    monkeypatch.setattr(Plans, "newer", noted)
    systems.run("inventory", full=True)
    assert systems.run("products", full=True).transformed.compared == len(CATALOGUE["items"])
    assert set(asked) == {"inventory"}


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


def test_articles_of_one_name_have_a_page_each(make):
    """The store makes the page's address of the name, and refuses the second one."""
    systems = make("{products: {mode: on}}", store_catalogue=WITHOUT_POT)
    systems.erp_sql("UPDATE item SET displayname = 'Article MUG' WHERE itemid = 'POT'")
    systems.run("products", full=True)
    keys = dict(systems.store_rows("SELECT sku, url_key FROM catalog_product_entity"))
    assert (keys["MUG"], keys["POT"]) == ("article-mug", "article-mug-pot")


def test_what_the_store_does_not_take_is_in_quarantine_with_its_reason_and_the_others_go(make):
    """A page that somebody else's product has, and a value that would be cut without a word."""
    there = CATALOGUE | {
        name: [row for row in CATALOGUE[name] if row["sku"] not in ("CUP", "POT")] for name in ("items", "stock")
    }
    systems = make(
        "{products: {mode: on}}", store_catalogue=there, store_settings={"product_attributes": {"gtin": "gtin"}}
    )
    systems.store_sql("UPDATE catalog_product_entity SET url_key = 'article-pot' WHERE sku = 'TEA'")
    systems.erp_sql("UPDATE item SET upccode = ? WHERE itemid = 'MUG'", ("4" * 300,))
    systems.run("products", full=True)
    systems.load("products")
    reasons = {row.native_id: (row.rule, row.problem) for row in systems.here.ledger.quarantine.find()}
    assert reasons.keys() == {"MUG", "POT"}
    assert reasons["MUG"] == ("attribute_unfit", "MUG: attribute gtin would be cut: 300 characters, it holds 255")
    assert reasons["POT"][0] == "product_failed"
    assert "URL key for specified store already exists." in reasons["POT"][1]
    assert store_products(systems).keys() == {"MUG", "TEA", "CUP"}


def test_a_refused_product_that_is_retried_is_planned_anew_and_leaves_the_quarantine_when_it_is_written(make):
    """It was called lost, and its value was left out of every comparison of a day though its cause was mended."""
    systems = make("{products: {mode: on}}", store_catalogue=WITHOUT_POT)
    systems.store_sql("UPDATE catalog_product_entity SET url_key = 'article-pot' WHERE sku = 'TEA'")
    systems.run("products", full=True)
    (refused,) = systems.here.ledger.quarantine.find(flow="products")
    assert (refused.native_id, refused.rule, refused.received_id) == ("POT", "product_failed", None)
    systems.store_sql("UPDATE catalog_product_entity SET url_key = 'article-tea' WHERE sku = 'TEA'")
    systems.run("products")
    assert "POT" not in store_products(systems), "what was refused is not tried again by itself"
    retried = dead_letters.retry(systems.here, [f"q{refused.id}"], who="ann")
    assert (retried.planned, retried.lost, retried.count) == ([f"q{refused.id}"], [], 1)
    systems.run("products")
    assert "POT" in store_products(systems)
    assert systems.here.ledger.quarantine.find(flow="products") == []
    (resolved,) = systems.here.ledger.quarantine.find(flow="products", resolved=True)
    assert resolved.resolution.startswith("written in run ")


def test_a_refused_product_that_somebody_made_in_the_store_leaves_the_quarantine_with_its_retry(make):
    systems = make("{products: {mode: on}}", store_catalogue=WITHOUT_POT)
    systems.store_sql("UPDATE catalog_product_entity SET url_key = 'article-pot' WHERE sku = 'TEA'")
    systems.run("products", full=True)
    (refused,) = systems.here.ledger.quarantine.find(flow="products")
    wanted = systems.here.ledger.plans.refusals("magento_us", "product", refused.first_at - timedelta(hours=1))
    held = KnownRow(key="POT", value=wanted["", "POT"].after)
    systems.here.ledger.known.write("magento_us", "product", [held])
    systems.run("products", keys=("POT",))
    (resolved,) = systems.here.ledger.quarantine.find(flow="products", resolved=True)
    assert resolved.resolution.startswith("magento_us holds it, found run ")
