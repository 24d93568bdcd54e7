"""Edits in the store of what the ERP owns, over HTTP: found by the next comparison of everything, and judged."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from erp_sync.components.flow_table import FLOWS
from erp_sync.components.ownership import FIELDS, EntityRecord, in_words
from erp_sync.ledger.plans import PlanState
from erp_sync.operations.planning_states import plan_states
from erp_sync_tests.components.two_systems import CATALOGUE, TwoSystems, two_systems

PRODUCTS = (
    "{products: {mode: on, system_of_record: {entity: erp, foreign_edits: %s, "
    "fields: {description: store, weight: {foreign_edits: put_back}}}}}"
)
DESCRIBED = CATALOGUE | {"items": [{**item, "description": f"The {item['sku']}"} for item in CATALOGUE["items"]]}


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Any]:
    with ExitStack() as stack:

        def make(flow: str, flows: str, **more: Any) -> TwoSystems:
            systems = stack.enter_context(two_systems(tmp_path / "world", flows, **more))
            systems.run(flow, full=True)
            return systems

        yield make


def shop(systems: TwoSystems, sku: str) -> tuple[str, str, str | None]:
    """Name, weight and description in the store."""
    (name, weight, identity) = systems.store_rows(
        "SELECT name, weight, entity_id FROM catalog_product_entity WHERE sku = ?", (sku,)
    )[0]
    described = systems.store_rows(
        "SELECT value FROM catalog_product_attribute_value WHERE entity_id = ? AND attribute_code = 'description'",
        (identity,),
    )
    return name, f"{float(weight):g}", described[0][0] if described else None


def edit(systems: TwoSystems, sku: str, column: str, value: str) -> None:
    """Somebody edits a product in the store's admin."""
    systems.store_sql(f"UPDATE catalog_product_entity SET {column} = ? WHERE sku = ?", (value, sku))


def describe(systems: TwoSystems, sku: str, text: str) -> None:
    systems.store_sql(
        "UPDATE catalog_product_attribute_value SET value = ? WHERE attribute_code = 'description' AND entity_id = "
        "(SELECT entity_id FROM catalog_product_entity WHERE sku = ?)",
        (text, sku),
    )


def erp_change(systems: TwoSystems, sku: str, column: str, value: str) -> None:
    systems.erp_sql(
        f"UPDATE item SET {column} = ?, lastmodifieddate = strftime('%Y-%m-%dT%H:%M:%SZ', 'now') WHERE itemid = ?",
        (value, sku),
    )


def reasons(systems: TwoSystems, *states: PlanState) -> list[str]:
    plans = systems.here.ledger.plans
    return [text for plan in plans.find(states=states) for text in plans.table(plan.id).column("reason").to_pylist()]


def test_reported_edits_stay_until_the_owner_changes_the_field_and_store_fields_are_never_written_over(make):
    systems = make(
        "products", PRODUCTS % "report", catalogue=DESCRIBED, erp_settings={"description_column": "description"}
    )
    edit(systems, "MUG", "name", "Best mug ever")
    edit(systems, "TEA", "weight", "7.0000")
    describe(systems, "TEA", "Buy this tea")
    ran = systems.run("products", full=True)
    assert shop(systems, "MUG") == ("Best mug ever", "1", "The MUG")
    assert shop(systems, "TEA") == ("Article TEA", "1", "Buy this tea")
    assert reasons(systems) == ["weight: 7 by an edit in magento_us, goes back to 1"]
    assert [(one.key, one.field, one.theirs, one.ours) for one in ran.transformed.edits] == [
        ("MUG", "name", "Best mug ever", "Article MUG"),
        ("TEA", "weight", "7", "1"),
    ]
    (notice,) = systems.here.ledger.notices.open()
    assert "MUG: name: Best mug ever by an edit in magento_us, netsuite_us has Article MUG: stays" in notice.text

    looked = plan_states(systems.here, systems.route, FLOWS["products"], systems.flow("products"), full=True)
    assert looked.edits == ["MUG: name: Best mug ever by an edit in magento_us, netsuite_us has Article MUG: stays"]
    assert "description belong to `magento_us` and are never written over" in looked.system_of_record

    # Another field of the product goes, and leaves the edit alone; so does what the owner makes of the field.
    erp_change(systems, "MUG", "weight", "2.00000")
    systems.run("products", full=True)
    assert shop(systems, "MUG") == ("Best mug ever", "2", "The MUG")
    assert systems.run("products", full=True).transformed.changed == 0
    assert len(systems.here.ledger.notices.open()) == 1
    erp_change(systems, "MUG", "displayname", "Mug, blue")
    erp_change(systems, "TEA", "displayname", "Tea, green")
    systems.run("products", full=True)
    assert shop(systems, "MUG") == ("Mug, blue", "2", "The MUG")
    assert shop(systems, "TEA") == ("Tea, green", "1", "Buy this tea")
    assert systems.here.ledger.notices.open() == []
    assert systems.run("products", full=True).transformed.changed == 0


def test_a_held_edit_waits_alone_and_is_written_over_only_when_a_person_says_so(make):
    systems = make("products", PRODUCTS % "hold")
    edit(systems, "MUG", "name", "Best mug ever")
    erp_change(systems, "TEA", "displayname", "Tea, green")
    systems.run("products", full=True)
    assert (shop(systems, "MUG")[0], shop(systems, "TEA")[0]) == ("Best mug ever", "Tea, green")
    (plan,) = systems.here.ledger.plans.find(states=[PlanState.HELD])
    assert plan.reason == "1 rows were edited in magento_us; see each"
    assert reasons(systems, PlanState.HELD) == [
        "name: Best mug ever by an edit in magento_us, netsuite_us has Article MUG: waits"
    ]
    systems.here.ledger.plans.reject(plan.id, "ada", "it sells better")
    systems.run("products", full=True)
    assert systems.here.ledger.plans.find(states=[PlanState.HELD]) == []
    edit(systems, "CUP", "name", "Best cup ever")
    systems.run("products", full=True)
    (plan,) = systems.here.ledger.plans.find(states=[PlanState.HELD])
    assert systems.here.ledger.plans.table(plan.id).column("key").to_pylist() == ["CUP"]
    systems.here.ledger.plans.approve(plan.id, "ada", "it does not")
    systems.load("products")
    assert (shop(systems, "MUG")[0], shop(systems, "CUP")[0]) == ("Best mug ever", "Article CUP")


def test_a_row_made_in_the_store_is_taken_away_where_the_erp_owns_its_kind(make):
    flow = "{prices: {mode: on, guards: {max_changed_share: 1}}}"
    tiers = {"price_levels": {"1": "base"}}
    systems = make("prices", flow, erp_settings=tiers)
    tier = (
        "INSERT INTO catalog_product_entity_tier_price (entity_id, all_groups, customer_group_id, qty, value, "
        "website_id) SELECT entity_id, 1, 0, '5.0000', '1.000000', 0 FROM catalog_product_entity WHERE sku = ?"
    )
    systems.store_sql(tier, ("MUG",))
    systems.run("prices", full=True)
    kept = "SELECT value FROM catalog_product_entity_tier_price"
    assert len(systems.store_rows(kept)) == 1, "the ERP has no such price of anything: it is the store's own business"

    systems.erp_sql(
        "INSERT INTO itemprice (item, pricelevel, currency, quantity, price, isinactive, pricelevelname) "
        "SELECT item, pricelevel, currency, '10.00000', '2.00000000', 'F', pricelevelname FROM itemprice "
        "WHERE item = (SELECT id FROM item WHERE itemid = 'TEA')"
    )
    systems.store_sql(tier, ("CUP",))
    systems.run("prices", full=True)
    assert [f"{float(row[0]):g}" for row in systems.store_rows(kept)] == ["2"]
    assert "amount 1 by an edit in magento_us, goes back to nothing" in reasons(systems)


def test_fields_that_yaml_may_name_are_those_that_the_store_keeps(make):
    flows = "{products: {mode: on}, prices: {mode: on}, inventory: {mode: on}}"
    systems = make("products", flows, catalogue=DESCRIBED, erp_settings={"description_column": "description"})
    systems.run("inventory", full=True)
    systems.run("prices", full=True)
    for name in ("inventory", "products", "prices"):
        table = systems.here.ledger.known.table("magento_us", FLOWS[name].entity).to_pylist()
        there = {field for row in table for field in json.loads(row["value"])}
        assert there <= set(FIELDS[name])


def test_the_system_of_record_is_told_in_words():
    record = EntityRecord.model_validate({"foreign_edits": "hold", "fields": {"name": "store"}})
    assert in_words(FLOWS["products"], record, "netsuite_us", "magento_us") == (
        "System of record is `netsuite_us`; edits in `magento_us` wait for a person; "
        "name belong to `magento_us` and are never written over."
    )
    assert in_words(FLOWS["orders"], None, "magento_us", "netsuite_us") == (
        "System of record is `magento_us`; edits in `netsuite_us` are reported."
    )
