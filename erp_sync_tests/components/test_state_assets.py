"""State flows as Dagster runs them: assets, checks and the sensor's view of what is due."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from erp_sync.components import installation
from erp_sync.components.configuration import Configuration, Mode
from erp_sync.components.due import look
from erp_sync.components.mapping_version import TAG, mapping_version
from erp_sync.components.route import installation_definitions
from erp_sync.components.sensing import run_request
from erp_sync.ledger.plans import PlanState
from erp_sync.operations.trace import trace
from erp_sync_tests.components.two_systems import SECOND, TwoSystems, two_systems

FLOWS = "{inventory: {mode: on, every: 1s, fast: {every: 1s, skus: [MUG, TEA]}, guards: {few: 3}}}"


@pytest.fixture
def systems(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TwoSystems]:
    with two_systems(tmp_path / "world", FLOWS) as world:
        monkeypatch.setattr(installation, "_current", (os.getpid(), world.here))
        yield world


def run_as_dagster(systems: TwoSystems, **asked: Any) -> dg.ExecuteInProcessResult:
    """One run of the inventory flow with the config that the sensor gives it."""
    configuration = systems.here.configuration
    stages = ("extracted", "transformed", "loaded")
    request = run_request(configuration, "us", "inventory", stages, now=datetime.now(UTC), why="test", **asked)
    job = installation_definitions(configuration).resolve_job_def("us")
    return job.execute_in_process(
        run_config=request.run_config,
        partition_key=request.partition_key,
        asset_selection=request.asset_selection,
        tags=request.tags,
    )


def metadata(result: dg.ExecuteInProcessResult, stage: str) -> dict[str, Any]:
    (event,) = [
        event
        for event in result.get_asset_materialization_events()
        if event.asset_key is not None and event.asset_key.path[-1] == stage
    ]
    return {name: value.value for name, value in event.materialization.metadata.items()}


def test_a_run_tells_what_it_read_compared_and_wrote(systems):
    run_as_dagster(systems, full=True, lane="bulk")
    systems.erp_set("MUG", "east", 3)
    result = run_as_dagster(systems)
    assert metadata(result, "extracted")["rows_new"] == 8
    assert metadata(result, "transformed")["rows_that_change"] == 1
    assert metadata(result, "loaded")["written"] == 1
    assert all(check.passed for check in result.get_asset_check_evaluations())
    assert systems.store_quantities()["east/MUG"] == "3"


def test_a_run_and_its_plan_tell_the_version_of_the_mapping_that_they_went_by(systems):
    run_as_dagster(systems, full=True, lane="bulk")
    systems.erp_set("MUG", "east", 3)
    result = run_as_dagster(systems)
    version = mapping_version(systems.here.configuration, systems.here.configuration.routes["us"], "inventory")
    for stage in ("transformed", "loaded"):
        told = metadata(result, stage)
        parts = ", ".join(f"{name} {part}" for name, part in version.parts.items())
        assert (told["mapping"], told["mapping_parts"]) == (version.value, parts)
    assert result.dagster_run.tags[TAG] == version.value
    assert systems.here.ledger.plans.find(route="us")[0].summary["mapping"] == version.value
    (change, *_) = [one for one in trace(systems.here, "MUG").entries if one.kind == "planned_change"]
    assert change.facts["mapping"] == version.value


def test_a_held_plan_is_a_warning_that_says_how_to_let_it_pass(systems):
    run_as_dagster(systems, full=True, lane="bulk")
    for sku in ("MUG", "TEA", "CUP", "POT"):
        systems.erp_set(sku, "east", 0)
    result = run_as_dagster(systems)
    (check,) = [one for one in result.get_asset_check_evaluations() if one.check_name == "plan"]
    assert result.success
    assert not check.passed
    assert check.severity is dg.AssetCheckSeverity.WARN
    assert "`erp-sync plan p1`, then `erp-sync approve p1`" in (check.description or "")
    waiting = check.metadata["waiting_rows"]
    assert isinstance(waiting, dg.TableMetadataValue)
    (tea,) = [one.data for one in waiting.records if one.data["key"] == "east/TEA"]
    assert tea == {
        "plan": "p1", "key": "east/TEA", "action": "update", "before": "in_stock yes, quantity 100",
        "change": "100 becomes 0",
    }  # fmt: skip
    assert systems.store_quantities()["east/TEA"] == "100"


def test_the_first_comparison_is_of_everything_and_the_next_look_finds_nothing(systems):
    now = datetime.now(UTC)
    first = look(systems.here.configuration, now, {}, installation=systems.here)
    assert [(one.lane, one.full) for one in first.due] == [("bulk", True)]
    run_as_dagster(systems, full=True, lane="bulk")
    run_as_dagster(systems)
    later = look(systems.here.configuration, now + timedelta(seconds=5), first.cursor, installation=systems.here)
    assert later.due == ()


def test_a_fast_seller_starts_a_run_of_its_own_lane_with_its_keys(systems):
    run_as_dagster(systems, full=True, lane="bulk")
    run_as_dagster(systems)
    systems.erp_set("TEA", "east", 90)
    due = look(systems.here.configuration, datetime.now(UTC) + SECOND, {}, installation=systems.here).due
    assert {(one.lane, one.keys) for one in due} == {("now", ("MUG", "TEA")), ("normal", ())}
    run_as_dagster(systems, lane="now", keys=("MUG", "TEA"))
    assert systems.store_quantities()["east/TEA"] == "90"


def test_a_key_that_became_unknown_is_due_once_it_has_settled(systems):
    run_as_dagster(systems, full=True, lane="bulk")
    run_as_dagster(systems)
    known = systems.here.ledger.known
    known.mark_unknown("magento_us", "stock_level", ["east/MUG"], "a shipment was posted")
    systems.store_sql("UPDATE inventory_source_item SET quantity = '1.0000' WHERE sku = 'MUG' AND source_code = 'east'")
    due = look(systems.here.configuration, datetime.now(UTC), {}, installation=systems.here).due
    assert [(one.lane, one.stages[0]) for one in due] == [("normal", "extracted")]
    run_as_dagster(systems)
    assert systems.store_quantities()["east/MUG"] == "5"
    assert not known.any_unsure("magento_us", "stock_level")


def test_a_flow_that_is_switched_from_shadow_to_on_compares_everything_anew(systems):
    """What it planned in shadow stands held; the first comparison that may write overtakes it."""
    systems.erp_set("MUG", "east", 3)
    shadow = only_inventory(systems, Mode.SHADOW)
    (first,) = look(shadow, datetime.now(UTC), {}, installation=systems.here).due
    assert (first.full, first.why) == (True, "never compared")
    with_mode(systems, Mode.SHADOW).run("inventory", full=True)
    (held,) = systems.here.ledger.plans.find(states=[PlanState.HELD])
    assert "shadow mode: nothing is written" in held.reason
    assert systems.store_quantities()["east/MUG"] == "5"
    later = datetime.now(UTC) + 2 * SECOND
    assert not any(due.full for due in look(shadow, later, {}, installation=systems.here).due)

    on = with_mode(systems, Mode.ON)
    (again,) = look(on.here.configuration, later, {}, installation=systems.here).due
    assert (again.full, again.why) == (True, "never compared")
    on.run("inventory", full=True)
    assert systems.store_quantities()["east/MUG"] == "3"
    assert systems.here.ledger.plans.find(states=[PlanState.HELD]) == []
    assert not any(due.full for due in look(on.here.configuration, later, {}, installation=systems.here).due)


def only_inventory(systems: TwoSystems, mode: Mode) -> Configuration:
    return with_mode(systems, mode).here.configuration


def with_mode(systems: TwoSystems, mode: Mode) -> TwoSystems:
    """The same installation with the flow in another mode, as its YAML would say."""
    configuration = systems.here.configuration
    route = configuration.routes["us"]
    flows = {"inventory": route.flows["inventory"].model_copy(update={"mode": mode, "fast": None})}
    systems.here.configuration = Configuration(
        connections=configuration.connections, routes={"us": route.model_copy(update={"flows": flows})}
    )
    return systems
