"""How long a value was stale, by constructed journals, and what is too long."""

from __future__ import annotations

from pathlib import Path

import pytest

from erp_sync.sandbox.core import Commit
from erp_sync.sandbox.journal import Call, Entry
from erp_sync_tests.chaos.cases import capabilities_of
from erp_sync_tests.chaos.staleness import Stale, allowed, overstayed, stale_values, stretches
from erp_sync_tests.sandbox.checked_world import World

KEY = "GRO-1|east"


@pytest.fixture
def world(tmp_path: Path):
    """GRO-1 is counted in the ERP at 1000 and gets another price at 1100."""
    made = World(tmp_path)
    made.insert(made.erp, "transaction", id=9, type="InvAdjst", externalid="wh-1")
    made.insert(made.erp, "transactionline", transaction=9, id=1, mainline="F", item=1000, location=1)
    made.commit("erp", 1000.0, "inventoryAdjustment", "wh-1")
    made.erp.execute("ALTER TABLE item ADD COLUMN externalid")
    made.journals["erp"].append(Entry(None, [(1100.0, "", _commit("inventoryItem", "1000"))]))
    yield made
    for journal in made.journals.values():
        journal.close()


def _commit(entity: str, document: str) -> Commit:
    return Commit(entity, document, "update")


def found(world: World, *disturbed: float) -> list[Stale]:
    return stale_values(world.files["store"], world.files["erp"], disturbed)


@pytest.mark.parametrize(
    ("changes", "writes", "stale"),
    [
        ([10], [25], [(10, 25)]),
        ([10, 20], [25], [(10, 25)]),  # since the first that nobody had seen
        ([10, 30], [25, 40], [(10, 25), (30, 40)]),
        ([10], [25, 90], [(10, 25), (10, 90)]),  # an older value went over it
        ([10], [5], []),  # another one's
        ([10], [], []),
    ],
)
def test_a_value_is_stale_from_a_change_until_the_write(changes, writes, stale):
    assert stretches(changes, writes) == stale


def test_stock_is_stale_from_the_count_until_it_is_written(world: World):
    world.commit("store", 1024.0, "inventory_source_item", KEY)
    assert found(world) == [Stale("inventory", KEY, 1000.0, 1024.0, 24.0)]


def test_a_price_is_stale_from_its_change_until_it_is_written(world: World):
    world.commit("store", 1160.0, "product_price", "GRO-1")
    assert found(world) == [Stale("prices", "GRO-1", 1100.0, 1160.0, 60.0)]


def test_what_the_store_takes_off_by_itself_is_a_change_and_no_write(world: World):
    call = Call(arrived_at=1200.0, calendar="", method="POST", path="/", query="", agent="", endpoint="", kind="create")
    shipped = [(1200.0, "", _commit("inventory_source_item", KEY)), (1200.0, "", _commit("shipment", "1"))]
    world.commit("store", 1024.0, "inventory_source_item", KEY)
    world.journals["store"].append(Entry(call, shipped))
    world.commit("store", 1250.0, "inventory_source_item", KEY)
    assert [(one.since, one.until) for one in found(world)] == [(1000.0, 1024.0), (1200.0, 1250.0)]


def test_time_counts_from_the_last_thing_that_went_wrong(world: World):
    world.commit("store", 1900.0, "inventory_source_item", KEY)
    assert [one.undisturbed for one in found(world, 1300.0, 2000.0)] == [600.0]
    call = Call(
        arrived_at=1390.0, calendar="", method="GET", path="/", query="", agent="", endpoint="", kind="read",
        duration=10.0, fault="timeout",
    )  # fmt: skip
    world.journals["erp"].append(Entry(call))
    assert [(one.seconds, one.undisturbed) for one in found(world, 1300.0)] == [(900.0, 500.0)]


def test_who_is_stale_beyond_the_settle_time_is_told():
    most = {"inventory": allowed("inventory", capabilities_of("netsuite"), capabilities_of("magento"), pause=150.0)}
    assert most == {"inventory": 60.0 + 120.0 + 150.0 + 60.0}
    values = [
        Stale("inventory", KEY, 0.0, 391.0, 391.0),
        Stale("inventory", KEY, 500.0, 600.0, 100.0),
        Stale("inventory", "GRO-2|east", 0.0, 900.0, 390.0),
        Stale("prices", "GRO-1", 0.0, 900.0, 900.0),  # nobody says how often it is looked at
    ]
    assert overstayed(values, most) == [
        f"inventory {KEY} was stale for 391 s, 391 s of them with nothing in the way; 390 s are allowed"
    ]
