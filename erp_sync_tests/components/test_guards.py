"""What the ERP does not say, half says or says wrongly leaves the shop as it is, over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from erp_sync.ledger.plans import PlanState
from erp_sync.systems.netsuite.client import NetSuiteClient
from erp_sync.transport.errors import TransportError
from erp_sync_tests.components.two_systems import CATALOGUE, TwoSystems, two_systems

FLOWS = "{inventory: {mode: on}, products: {mode: on}, prices: {mode: on}}"
LEVELS = {"price_levels": {"1": "base", "5": "special"}}
ALL = ("products", "prices", "inventory")
MANY = CATALOGUE | {
    "items": [{**CATALOGUE["items"][0], "sku": f"S{number:03}"} for number in range(12)],
    "stock": [
        {"sku": f"S{number:03}", "location": place, "quantity": 5 + number}
        for number in range(12)
        for place in ("east", "west")
    ],
}


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Any]:
    with ExitStack() as stack:

        def make(flows: str = FLOWS, **more: Any) -> TwoSystems:
            return stack.enter_context(two_systems(tmp_path / "world", flows, erp_settings=LEVELS, **more))

        yield make


def shop(systems: TwoSystems) -> tuple[Any, ...]:
    """Everything that flows write in the store."""
    return (
        systems.store_quantities(),
        systems.store_rows("SELECT sku, name, status, price FROM catalog_product_entity ORDER BY sku"),
        systems.store_rows("SELECT * FROM catalog_product_special_price ORDER BY 1"),
    )


def notices(systems: TwoSystems) -> dict[str, str]:
    return {one.key.split("/")[-1]: one.text for one in systems.here.ledger.notices.open()}


def test_an_empty_answer_changes_nothing_in_the_shop_and_is_told_once_for_each_flow(make):
    systems = make()
    systems.erp_sql(
        "INSERT INTO itemprice (item, pricelevel, currency, quantity, price, isinactive, pricelevelname) "
        "SELECT item, 5, currency, quantity, '1.00000000', 'F', 'Special' FROM itemprice WHERE item = "
        "(SELECT id FROM item WHERE itemid = 'MUG')"
    )
    for flow in ALL:
        systems.run(flow, full=True)
    assert len(shop(systems)[2]) == 1
    before = shop(systems)
    systems.erp_sql("DELETE FROM aggregateitemlocation")
    systems.erp_sql("DELETE FROM itemprice")
    systems.erp_sql("UPDATE item SET itemtype = 'Payment'")
    for _ in range(3):
        for flow in ALL:
            systems.run(flow, full=True)
            systems.run(flow)
    assert shop(systems) == before
    held = systems.here.ledger.plans.find(states=[PlanState.HELD])
    assert sorted(plan.flow for plan in held) == sorted(ALL)
    assert all("gave no row at all" in plan.reason for plan in held)
    assert sorted(notices(systems)) == sorted(ALL)


def test_an_empty_answer_for_which_nothing_would_be_written_is_told_too(make):
    systems = make("{prices: {mode: on}}")
    systems.run("prices", full=True)
    systems.erp_sql("UPDATE itemprice SET pricelevel = 3")
    for _ in range(2):
        systems.run("prices", full=True)
    assert systems.here.ledger.plans.find() == []
    assert "netsuite_us gave no row at all" in notices(systems)["prices"]
    systems.erp_sql("UPDATE itemprice SET pricelevel = 1")
    systems.run("prices", full=True)
    assert notices(systems) == {}


def test_half_an_answer_is_held_and_passes_only_once_a_person_says_so(make):
    systems = make("{inventory: {mode: on}}", catalogue=MANY)
    systems.run("inventory", full=True)
    before = systems.store_quantities()
    systems.erp_sql("DELETE FROM aggregateitemlocation WHERE item % 2 = 0")
    systems.run("inventory", full=True)
    systems.run("inventory", full=True)
    assert systems.store_quantities() == before
    (plan,) = systems.here.ledger.plans.find(states=[PlanState.HELD])
    assert "12 of 24 rows are missing from the extract (50.0%, limit 10.0%)" in plan.reason
    assert list(notices(systems)) == ["inventory"]

    systems.here.ledger.plans.approve(plan.id, "ada", "the range was halved")
    systems.load("inventory")
    assert sorted(systems.store_quantities().values()).count("0") == 12
    # What was let pass is not held again the next day.
    (sku,) = systems.erp_rows(
        "SELECT itemid FROM item JOIN aggregateitemlocation ON item = id ORDER BY itemid LIMIT 1"
    )[0]
    systems.erp_set(sku, "east", 4)
    systems.run("inventory", full=True)
    assert systems.store_quantities()[f"east/{sku}"] == "4"
    assert systems.here.ledger.plans.find(states=[PlanState.HELD]) == []
    assert notices(systems) == {}


def test_a_page_that_fails_after_the_first_leaves_everything_as_it_was(make, monkeypatch):
    monkeypatch.setattr("erp_sync.systems.netsuite.stock.PAGE", 6)
    monkeypatch.setitem(NetSuiteClient.query.__kwdefaults__, "limit", 6)
    systems = make("{inventory: {mode: on}}", catalogue=MANY)
    systems.run("inventory", full=True)
    before = systems.store_quantities()
    snapshot = systems.here.ledger.cursors.get("netsuite_us", "stock_level.snapshot")
    asked = systems.calls(systems.erp, "POST", "suiteql")
    assert asked >= 4, "24 rows are four pages of six"
    systems.erp_set("S000", "east", 1)
    systems.erp.fault("server_error", "suiteql", skip=asked - 2, times=5)
    with pytest.raises(TransportError):
        systems.run("inventory", full=True)
    assert systems.calls(systems.erp, "POST", "suiteql") == asked + asked - 2 + 5
    assert systems.store_quantities() == before
    assert systems.here.ledger.plans.find() == []
    assert systems.here.ledger.cursors.get("netsuite_us", "stock_level.snapshot") == snapshot
    systems.run("inventory", full=True)
    assert systems.store_quantities() == {**before, "east/S000": "1"}
