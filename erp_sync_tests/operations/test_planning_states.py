"""A plan of a state flow reads and compares as a run would, and changes nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from erp_sync.components.flow_table import FLOWS
from erp_sync.operations.planning_states import StatePlan, plan_states
from erp_sync_tests.components.two_systems import TwoSystems, two_systems


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwoSystems]:
    with two_systems(tmp_path_factory.mktemp("both"), "{inventory: {mode: on}}") as systems:
        systems.run("inventory", full=True)
        yield systems


def plan(both: TwoSystems, **how: bool) -> StatePlan:
    return plan_states(both.here, both.route, FLOWS["inventory"], both.flow("inventory"), **how)


def files(folder: Path) -> dict[str, str]:
    """Every file of the lake with a digest of its content."""
    return {str(one): hashlib.sha256(one.read_bytes()).hexdigest() for one in folder.rglob("*") if one.is_file()}


def test_a_plan_shows_the_difference_and_writes_nowhere(both: TwoSystems) -> None:
    both.erp_set("TEA", "east", 42)
    store, lake = both.store_quantities(), files(both.here.settings.lake)
    cursor = both.here.ledger.cursors.all()
    planned = plan(both)
    assert [(row.key.count("TEA"), "42" in (row.after or "")) for row in planned.rows] == [(1, True)]
    assert planned.looked
    assert both.store_quantities() == store
    assert files(both.here.settings.lake) == lake
    assert both.here.ledger.cursors.all() == cursor
    assert list(both.here.settings.home.glob("trial-*")) == []


def test_the_run_after_the_plan_does_what_the_plan_said(both: TwoSystems) -> None:
    planned = plan(both)
    ran = both.run("inventory")
    assert ran.transformed.changed == len(planned.rows) == 1
    assert plan(both).rows == []


def test_a_full_plan_compares_everything(both: TwoSystems) -> None:
    planned = plan(both, full=True)
    assert planned.figures["compared"] == len(both.store_quantities())
    assert planned.rows == []


def test_a_plan_that_asks_nobody_calls_nobody(both: TwoSystems) -> None:
    calls = len(both.erp.journal()) + len(both.store.journal())
    assert not plan(both, look=False).looked
    assert len(both.erp.journal()) + len(both.store.journal()) == calls
