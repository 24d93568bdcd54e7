"""Stock: one article that is refused keeps no other, and an error of yesterday does not bring back its figure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from erp_sync.components.due import ALL, look
from erp_sync.operations import dead_letters
from erp_sync.sandbox.checker import SystemFiles, check
from erp_sync_tests.components.two_systems import CATALOGUE, TwoSystems, two_systems

INVENTORY = "{inventory: {mode: on, every: 5m}}"
SOURCE_ITEMS = "/V1/inventory/source-items"
MANY = [f"S-{number:03d}" for number in range(1, 250)]
NIGHT = timedelta(hours=12)


def catalogue() -> dict[str, Any]:
    """249 articles, and two that are sold as a set, which ships together; all lie in the east."""
    like = CATALOGUE["items"][0]
    skus = [*MANY, "POT", "LID"]
    items = [{**like, "sku": sku, "name": f"Article {sku}"} for sku in skus]
    parts = [{"sku": sku, "quantity": 1} for sku in ("POT", "LID")]
    items.append({**like, "sku": "SET", "price": None, "kind": "bundle", "components": parts, "ship_separately": False})
    stock = [{"sku": sku, "location": "east", "quantity": 5} for sku in skus]
    return CATALOGUE | {"items": items, "stock": stock}


@pytest.fixture
def warehouse(tmp_path: Path) -> Iterator[TwoSystems]:
    """A store and an ERP that agree on the stock of 251 articles."""
    with two_systems(tmp_path / "world", INVENTORY, catalogue=catalogue()) as systems:
        systems.run("inventory", full=True)
        yield systems


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[TwoSystems]:
    """A store and an ERP that agree on the stock of four articles."""
    with two_systems(tmp_path / "world", INVENTORY) as systems:
        systems.run("inventory", full=True)
        yield systems


def differing(systems: TwoSystems) -> set[str]:
    """The checker's word: what differs in the store from what the ERP could sell."""
    apps = [one.app for one in (systems.store, systems.erp)]
    files = [SystemFiles(app.database, app.journal.path, app.vendor) for app in apps]
    return set(check(*files).stock.mismatches)


def test_an_article_of_a_bundle_that_is_refused_inside_a_batch_of_250_keeps_none_of_the_others(warehouse: TwoSystems):
    """magento/magento2 33659, 37767: an article of a bundle that ships together cannot be put into a second warehouse,
    and the whole call with it is refused; who sends 250 rows has 249 stale ones."""
    # Given: the night's count changed 249 articles, and some pots were put into the west
    systems = warehouse
    systems.erp_sql(
        "UPDATE aggregateitemlocation SET quantityonhand = '7.00000', quantityavailable = 7, "
        "lastquantityavailablechange = ? WHERE item IN (SELECT id FROM item WHERE itemid LIKE 'S-%') "
        "AND location = (SELECT id FROM location WHERE externalid = 'east')",
        (f"{datetime.now(UTC) - timedelta(seconds=1):%Y-%m-%dT%H:%M:%SZ}",),
    )
    (pot,) = systems.erp_rows("SELECT id FROM item WHERE itemid = 'POT'")[0]
    line = {"item": {"id": str(pot)}, "location": {"id": systems.location("west")}, "adjustQtyBy": 3}
    account = {"account": {"id": "1"}, "subsidiary": {"id": "1"}}
    systems.warehouse.create("inventoryAdjustment", {**account, "inventory": {"items": [line]}})
    # When
    systems.run("inventory")
    # Then: 249 are right in the store, after one call of 250 that was halved until the pot stood alone
    assert {systems.store_quantities()[f"east/{sku}"] for sku in MANY} == {"7"}
    assert "west/POT" not in systems.store_quantities()
    assert len(differing(systems)) == 1
    assert 2 < systems.calls(systems.store, "POST", SOURCE_ITEMS) <= 1 + 2 * 8
    # And: the pot has its reason, in the store's words
    (refused,) = dead_letters.letters(systems.here)
    assert refused.number == "west/POT"
    assert "part of bundle product" in refused.reason
    # And: tomorrow's run does not begin with it again
    calls = systems.calls(systems.store, "POST", SOURCE_ITEMS)
    systems.run("inventory")
    assert systems.calls(systems.store, "POST", SOURCE_ITEMS) == calls


def test_a_write_that_failed_yesterday_goes_with_the_figure_of_today(shop: TwoSystems, monkeypatch: pytest.MonkeyPatch):
    """A queue of failed jobs keeps the quantity of when they were made: run again in the morning, it sells what went in
    the night."""
    # Given: yesterday evening the store took no stock
    shop.store.fault("server_error", "*source-items*", method="POST", times=None)
    shop.erp_set("MUG", "east", 4)
    assert shop.run("inventory").loaded.applied == 0
    assert shop.store_quantities()["east/MUG"] == "5"
    # And: in the night more went
    shop.erp_set("MUG", "east", 1)
    # When: the store is well again in the morning, and what failed is due
    shop.store.clear_faults()
    morning = datetime.now(UTC) + NIGHT
    monkeypatch.setattr(shop.here.ledger.database, "_clock", lambda: morning)
    (due,) = look(shop.here.configuration, morning, {}, installation=shop.here).due
    # Then: a run starts that reads before it writes, and the store never sees the figure of yesterday
    assert due.stages == ALL
    shop.run("inventory")
    assert shop.store_quantities()["east/MUG"] == "1"
    assert len(shop.store.commits(entity="inventory_source_item", document="MUG|east")) == 1
    assert differing(shop) == set()
