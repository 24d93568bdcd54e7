"""New, changed and ended products of every kind from NetSuite to Magento, and what waits for them: stock, prices."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from erp_sync.flows.convergence.endings import Endings
from erp_sync.ledger.plans import PlanState
from erp_sync.operations.decisions import approve
from erp_sync_tests.components.two_systems import CATALOGUE, TwoSystems, two_systems


def item(sku: str, **more: Any) -> dict[str, Any]:
    return {**CATALOGUE["items"][0], "sku": sku, "name": f"Article {sku}", **more}


PARTS = (("MUG", 2), ("NEW", 1))
ERP = CATALOGUE | {
    "custom_fields": {"custitem_color": {"type": "text"}},
    "items": [
        *CATALOGUE["items"],
        item("TEE", price=None, kind="configurable"),
        item("TEE-RED", parent_sku="TEE", custom={"custitem_color": "Red"}),
        item("TEE-BLUE", parent_sku="TEE", custom={"custitem_color": "Blue"}),
        item("NEW", price="4.50"),
        item("BOX", price=None, kind="bundle", components=[{"sku": sku, "quantity": many} for sku, many in PARTS]),
    ],
    "stock": [
        *CATALOGUE["stock"],
        *({"sku": sku, "location": "east", "quantity": 9} for sku in ("TEE-RED", "TEE-BLUE", "NEW")),
    ],
}  # fmt: skip
FLOWS = """{products: {mode: on, approval: required, guards: {max_disabled_share: 0.5, max_missing_share: 0.5}},
 inventory: {mode: on}, prices: {mode: on}}""".replace("\n", "")


@pytest.fixture
def systems(tmp_path: Path) -> Iterator[TwoSystems]:
    settings = {"matrix_options": {"color": "custitem_color"}}
    with two_systems(
        tmp_path / "world", FLOWS, catalogue=ERP, store_catalogue=CATALOGUE, erp_settings=settings
    ) as world:
        yield world


def kinds(systems: TwoSystems) -> dict[str, tuple[str, int]]:
    rows = systems.store_rows("SELECT sku, type_id, status FROM catalog_product_entity")
    return {sku: (kind, status) for sku, kind, status in rows}


def held(systems: TwoSystems) -> Any:
    (plan,) = systems.here.ledger.plans.find(flow="products", states=[PlanState.HELD])
    return plan


def test_products_of_every_kind_wait_for_approval_and_stock_and_prices_for_them(systems):
    assert systems.run("inventory", full=True).loaded.waiting == 3
    assert systems.run("prices", full=True).loaded.waiting == 3
    systems.run("products", full=True)
    plan = held(systems)
    assert plan.row_count == 5
    assert len(kinds(systems)) == 4

    # One at a time: the bundle waits for its part, though it was approved first.
    approve(systems.here, f"p{plan.id}", who="ada", only=["BOX"])
    assert systems.load("products").waiting == 1
    assert "BOX" not in kinds(systems)
    approve(systems.here, f"p{plan.id}", who="ada", only=["NEW"])
    systems.load("products")
    assert kinds(systems)["NEW"] == ("simple", 2), "not sold before it has a price"
    assert kinds(systems)["BOX"] == ("bundle", 1)
    parts = systems.store_rows(
        "SELECT product.sku, selection.selection_qty FROM catalog_product_bundle_selection selection "
        "JOIN catalog_product_entity product ON product.entity_id = selection.product_id ORDER BY product.sku"
    )
    assert [(sku, float(quantity)) for sku, quantity in parts] == [("MUG", 2.0), ("NEW", 1.0)]
    systems.load("inventory")
    systems.load("prices")
    assert systems.store_quantities()["east/NEW"] == "9"
    prices = systems.store_rows("SELECT price FROM catalog_product_entity WHERE sku = 'NEW'")
    assert float(prices[0][0]) == 4.5
    # Its price is what the rest of its row waited for: nobody is asked again.
    systems.load("products")
    assert kinds(systems)["NEW"] == ("simple", 1)

    # What is left of the plan: refused by a person, it is not held again; then the ERP names it anew.
    rest = held(systems)
    assert (rest.id, rest.row_count) == (plan.id, 3)
    systems.here.ledger.plans.reject(rest.id, "ada", "not this season")
    systems.run("products", full=True)
    assert _rows(systems, PlanState.HELD) == []
    assert not {"TEE", "TEE-RED", "TEE-BLUE"} & set(kinds(systems))


def _rows(systems: TwoSystems, state: PlanState) -> list[Any]:
    from types import SimpleNamespace

    plans = systems.here.ledger.plans
    return [
        SimpleNamespace(**row) for plan in plans.find(flow="products", states=[state])
        for row in plans.table(plan.id).to_pylist()
    ]  # fmt: skip


def test_a_product_that_is_made_while_its_price_finds_it_missing_is_sold_at_once(systems, monkeypatch):
    systems.run("products", full=True)
    approve(systems.here, f"p{held(systems).id}", who="ada", only=["NEW"])
    wait_for = Endings.wait_for

    def late(endings, claim, pairs):
        """Between the question whether the product is there and the answer's being kept, it is made."""
        if pairs and claim.flow == "prices" and "NEW" not in kinds(systems):
            systems.load("products")
        wait_for(endings, claim, pairs)

    monkeypatch.setattr(Endings, "wait_for", late)
    assert systems.run("prices", full=True).loaded.waiting == 3
    assert kinds(systems)["NEW"] == ("simple", 2)
    assert systems.load("prices").applied == 1
    assert systems.load("products").applied == 1
    assert kinds(systems)["NEW"] == ("simple", 1)


def test_a_price_that_comes_while_its_product_is_made_is_noticed(systems, monkeypatch):
    systems.run("products", full=True)
    approve(systems.here, f"p{held(systems).id}", who="ada", only=["NEW"])
    partly = Endings.partly

    def late(endings, claim, pairs):
        systems.run("prices", full=True)
        partly(endings, claim, pairs)

    monkeypatch.setattr(Endings, "partly", late)
    loaded = systems.load("products")
    assert (loaded.applied, loaded.waiting) == (1, 1)
    assert kinds(systems)["NEW"] == ("simple", 1)


def test_variants_are_linked_changes_touch_only_what_changed_and_what_the_erp_ends_is_disabled(systems):
    systems.run("products", full=True)
    systems.here.ledger.plans.approve(held(systems).id, "ada")
    systems.load("products")
    linked = systems.store_rows(
        "SELECT parent.sku, child.sku FROM catalog_product_super_link link "
        "JOIN catalog_product_entity parent ON parent.entity_id = parent_id "
        "JOIN catalog_product_entity child ON child.entity_id = link.product_id ORDER BY child.sku"
    )
    assert linked == [("TEE", "TEE-BLUE"), ("TEE", "TEE-RED")]
    assert kinds(systems)["TEE"] == ("configurable", 1)

    # The shop's own of a product that changes in the ERP stays the shop's.
    systems.store_sql("UPDATE catalog_product_entity SET visibility = 2 WHERE sku = 'MUG'")
    systems.erp_sql("UPDATE item SET displayname = 'Mug, large' WHERE itemid = 'MUG'")
    systems.erp_sql("UPDATE item SET isinactive = 'T' WHERE itemid = 'TEA'")
    systems.erp_sql("UPDATE item SET itemtype = 'Payment' WHERE itemid = 'POT'")  # to this role it is gone
    systems.run("products", full=True)
    actions = {row.key: (row.action, row.reason) for row in _rows(systems, PlanState.HELD)}
    assert actions["MUG"] == ("update", "name: Article MUG becomes Mug, large")
    assert actions["TEA"] == ("disable", "active: True becomes False")
    assert actions["POT"] == ("disable", "netsuite_us has it no more, or it has ended")
    systems.here.ledger.plans.approve(held(systems).id, "ada")
    systems.load("products")
    rows = systems.store_rows("SELECT sku, name, visibility, status FROM catalog_product_entity WHERE sku < 'Q'")
    assert {sku: more for sku, *more in rows if sku in ("MUG", "POT")} == {
        "MUG": ["Mug, large", 2, 1],
        "POT": ["Article POT", 4, 2],
    }
    assert kinds(systems)["TEA"] == ("simple", 2)


def parts(systems: TwoSystems) -> dict[str, tuple[int, float]]:
    """By SKU of a part of the bundle, the option that it is in and how many."""
    rows = systems.store_rows(
        "SELECT product.sku, selection.option_id, selection.selection_qty FROM catalog_product_bundle_selection "
        "selection JOIN catalog_product_entity product ON product.entity_id = selection.product_id"
    )
    return {sku: (option, float(quantity)) for sku, option, quantity in rows}


def converge(systems: TwoSystems) -> dict[str, str]:
    """A comparison of everything whose plan a person approves; the reasons by key."""
    systems.run("products", full=True)
    reasons = {row.key: row.reason for row in _rows(systems, PlanState.HELD)}
    for plan in systems.here.ledger.plans.find(flow="products", states=[PlanState.HELD]):
        systems.here.ledger.plans.approve(plan.id, "ada")
    systems.load("products")
    return reasons


def test_parts_categories_and_bar_code_of_a_product_that_is_there_follow_the_erp(tmp_path):
    custom = {"custitem_category": {"type": "text"}}
    erp = ERP | {"custom_fields": ERP["custom_fields"] | custom}
    store = {"categories": {"Kitchen": 101, "Gifts": 102}, "product_attributes": {"gtin": "gtin"}}
    settings = {"matrix_options": {"color": "custitem_color"}, "category_column": "custitem_category"}
    with two_systems(
        tmp_path / "world", FLOWS, catalogue=erp, store_catalogue=CATALOGUE, erp_settings=settings,
        store_settings=store,
    ) as systems:  # fmt: skip
        for number in (101, 102, 103):
            systems.store_sql(
                "INSERT INTO catalog_category_entity (entity_id, parent_id, name, path, level) VALUES (?, 2, ?, '', 2)",
                (number, f"Category {number}"),
            )
        mug = "(SELECT entity_id FROM catalog_product_entity WHERE sku = 'MUG')"
        systems.store_sql(f"INSERT INTO catalog_category_product VALUES (103, {mug}, 7)")
        converge(systems)
        systems.load("products")
        before = parts(systems)
        assert {sku: quantity for sku, (_, quantity) in before.items()} == {"MUG": 2, "NEW": 1}

        systems.erp_sql("UPDATE itemmember SET quantity = '3.00000' WHERE quantity = '2.00000'")
        systems.erp_sql(
            "UPDATE itemmember SET item = (SELECT id FROM item WHERE itemid = 'CUP') "
            "WHERE item = (SELECT id FROM item WHERE itemid = 'NEW')"
        )
        systems.erp_sql(
            "UPDATE item SET upccode = '0012345678905', custom = '{\"custitem_category\": \"Home : Kitchen\"}' "
            "WHERE itemid = 'MUG'"
        )
        reasons = converge(systems)
        assert reasons["BOX"] == "components: 2 MUG, 1 NEW becomes 1 CUP, 3 MUG"
        assert reasons["MUG"] == "categories: None becomes Kitchen; gtin: None becomes 0012345678905"
        after = parts(systems)
        assert {sku: quantity for sku, (_, quantity) in after.items()} == {"MUG": 3, "CUP": 1}
        assert after["MUG"][0] == before["MUG"][0], "carts refer to the option"
        codes = "SELECT value FROM catalog_product_attribute_value WHERE attribute_code = 'gtin'"
        assert systems.store_rows(codes) == [("0012345678905",)]
        links = f"SELECT category_id, position FROM catalog_category_product WHERE product_id = {mug} ORDER BY 1"
        here = [row for row in systems.store_rows(links) if row[0] > 100]
        assert here == [(101, 0), (103, 7)], "the shop's own stays"
        assert not {"BOX", "MUG"} & set(converge(systems))

        systems.erp_sql("UPDATE item SET custom = '{\"custitem_category\": \"Gifts\"}' WHERE itemid = 'MUG'")
        systems.store_sql("UPDATE catalog_product_bundle_selection SET selection_qty = '9.0000' WHERE position = 1")
        assert "CUP 9, MUG 9 by an edit in magento_us, goes back to" in converge(systems)["BOX"]
        assert {sku: quantity for sku, (_, quantity) in parts(systems).items()} == {"MUG": 3, "CUP": 1}
        assert [row for row in systems.store_rows(links) if row[0] > 100] == [(102, 0), (103, 7)]
