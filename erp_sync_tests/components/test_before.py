"""What an applied plan keeps as `before` is what the store held, and is enough to bring it back there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from erp_sync.flows.comparison import value_text
from erp_sync.ledger.plans import PlanState
from erp_sync.ports.outcomes import Accepted, Applied, Outcome
from erp_sync_tests.components.test_price_kinds import DATES, SETTINGS, dates, day, no_price, price
from erp_sync_tests.components.test_product_kinds import ERP
from erp_sync_tests.components.two_systems import TwoSystems, two_systems

FLOWS = """{products: {mode: on, guards: {max_disabled_share: 1, max_missing_share: 1}},
 prices: {mode: on, guards: {max_changed_share: 1, max_missing_share: 1, max_jump_factor: 1000}}}""".replace("\n", "")
SKUS = ["MUG", "TEA", "CUP", "POT", "BOX", "NEW"]


@pytest.fixture
def systems(tmp_path: Path) -> Iterator[TwoSystems]:
    erp = ERP | {"custom_fields": ERP["custom_fields"] | DATES}
    settings = SETTINGS | {"matrix_options": {"color": "custitem_color"}}
    store = {"edition": "commerce"}
    with two_systems(
        tmp_path / "world", FLOWS, catalogue=erp, erp_settings=settings, store_settings=store, store_options=store
    ) as world:
        yield world


def held(systems: TwoSystems, entity: str) -> dict[str, str]:
    """What the store holds by key, read now over its API."""
    target = systems.here.connector_for(systems.route, "store").port(entity, "target")
    return {target.key(row): value_text(target.values(row)) for page in target.read(SKUS) for row in page}


def applied_rows(systems: TwoSystems, flow: str, first: int) -> list[dict[str, Any]]:
    plans = systems.here.ledger.plans
    found = [plan for plan in plans.find(flow=flow, states=[PlanState.APPLIED]) if plan.id > first]
    return [row for plan in found for row in plans.table(plan.id).to_pylist()]


def latest_plan(systems: TwoSystems, flow: str) -> int:
    return max((plan.id for plan in systems.here.ledger.plans.find(flow=flow)), default=0)


def done(target: Any, outcomes: list[Outcome]) -> None:
    """Wait until what the store took is saved."""
    for outcome in outcomes:
        while isinstance(outcome, Accepted):
            (outcome,) = target.settle([outcome.handle])
        assert isinstance(outcome, Applied), outcome


def put_back(systems: TwoSystems, entity: str, rows: list[dict[str, Any]]) -> None:
    """Write what the rows keep of before: first take away what was not there, then put what was."""
    target = systems.here.connector_for(systems.route, "store").port(entity, "target")
    made = [row for row in rows if row["before"] is None]
    done(target, target.remove([target.row(row["key"], json.loads(row["after"])) for row in made]) if made else [])
    for row in rows:
        if row["before"] is None:
            continue
        before, after = json.loads(row["before"]), json.loads(row["after"] or "{}")
        changed = [name for name, value in before.items() if after.get(name) != value]
        done(target, target.submit([target.row(row["key"], {**before, "only": changed})]))


def test_prices_can_be_brought_back_to_what_a_plan_says_was_there(systems):
    price(systems, "MUG", 5, "9.00")
    dates(systems, "MUG", day(1), day(9))
    price(systems, "CUP", 1, "6.00", quantity=10)
    systems.run("prices", full=True)
    before, first = held(systems, "price"), latest_plan(systems, "prices")

    # Changed, moved to another day, taken away, and new.
    price(systems, "MUG", 1, "11.00")
    dates(systems, "MUG", day(2), day(12))
    no_price(systems, "CUP", 1, quantity=10)
    price(systems, "POT", 3, "20.00")
    systems.run("prices", full=True)
    assert held(systems, "price") != before

    rows = applied_rows(systems, "prices", first)
    assert sorted(row["action"] for row in rows) == ["create", "create", "remove", "remove", "update"]
    assert {row["key"]: row["before"] for row in rows} == {row["key"]: before.get(row["key"]) for row in rows}
    put_back(systems, "price", rows)
    assert held(systems, "price") == before


def test_products_can_be_brought_back_to_what_a_plan_says_was_there(systems):
    systems.run("products", full=True)
    before, first = held(systems, "product"), latest_plan(systems, "products")

    systems.erp_sql("UPDATE item SET displayname = 'Mug, large', weight = '2.00000' WHERE itemid = 'MUG'")
    systems.erp_sql("UPDATE item SET isinactive = 'T' WHERE itemid = 'TEA'")
    systems.erp_sql("UPDATE itemmember SET quantity = '3.00000' WHERE quantity = '2.00000'")
    systems.run("products", full=True)
    assert held(systems, "product") != before

    rows = applied_rows(systems, "products", first)
    assert {row["key"]: row["action"] for row in rows} == {"MUG": "update", "TEA": "disable", "BOX": "update"}
    assert {row["key"]: row["before"] for row in rows} == {row["key"]: before[row["key"]] for row in rows}
    put_back(systems, "product", rows)
    assert held(systems, "product") == before
