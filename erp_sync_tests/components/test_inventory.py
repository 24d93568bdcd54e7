"""Stock from NetSuite to Magento, end to end over HTTP: what the store's own database holds afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from erp_sync_tests.components.two_systems import TwoSystems, two_systems

SOURCE_ITEMS = "/V1/inventory/source-items"


@pytest.fixture
def systems(tmp_path: Path) -> Iterator[TwoSystems]:
    with two_systems(tmp_path / "world", "{inventory: {mode: on, every: 5m, guards: {few: 3}}}") as world:
        world.run("inventory", full=True)
        yield world


def test_a_changed_quantity_is_in_the_store_after_one_run(systems):
    systems.erp_set("MUG", "east", 3)
    ran = systems.run("inventory")
    assert systems.store_quantities() == {
        "east/MUG": "3", "west/MUG": "2", "east/TEA": "100", "west/TEA": "0",
        "east/CUP": "8", "west/CUP": "8", "east/POT": "1", "west/POT": "3",
    }  # fmt: skip
    assert (ran.transformed.changed, ran.loaded.applied, ran.loaded.batches) == (1, 1, 1)


def test_nothing_changed_means_no_plan_and_no_write(systems):
    systems.run("inventory")
    systems.run("inventory", full=True)
    assert systems.here.ledger.plans.find() == []
    assert systems.calls(systems.store, "POST", SOURCE_ITEMS) == 0
