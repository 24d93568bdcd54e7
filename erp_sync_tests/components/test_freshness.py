"""Latest acceptable age: the loaded asset is late once its last event is older, judged by Dagster's own evaluator."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.freshness import FreshnessState
from dagster._core.definitions.freshness_evaluator import FRESHNESS_EVALUATORS_BY_POLICY_TYPE
from dagster._core.loader import LoadingContextForTest

from erp_sync.components.configuration import Configuration, read_configuration
from erp_sync.components.route import flow_key, installation_definitions

SHIPPED = read_configuration(Path(__file__).resolve().parents[2] / "erp_sync" / "defs")
ROUTE = next(iter(SHIPPED.routes))
LATEST = timedelta(minutes=10)


def judged(instance: dg.DagsterInstance, key: dg.AssetKey, latest: timedelta | None) -> FreshnessState | None:
    """What Dagster's freshness daemon would say of the loaded asset now; None where it has no policy."""
    route = SHIPPED.routes[ROUTE]
    flows = {"orders": route.flows["orders"].model_copy(update={"latest": latest})}
    configuration = Configuration(
        connections=SHIPPED.connections, routes={ROUTE: route.model_copy(update={"flows": flows})}
    )
    node = installation_definitions(configuration).get_repository_def().asset_graph.get(key)
    policy = node.freshness_policy_or_from_metadata
    if policy is None:
        return None
    evaluator = FRESHNESS_EVALUATORS_BY_POLICY_TYPE[type(policy)]()
    return asyncio.run(evaluator.evaluate_freshness(context=LoadingContextForTest(instance), node=node))


def test_a_loaded_asset_is_late_once_its_last_event_is_older_than_latest(monkeypatch: pytest.MonkeyPatch):
    key = flow_key(ROUTE, "orders", "loaded")
    with dg.DagsterInstance.ephemeral() as instance:
        assert judged(instance, key, LATEST) is FreshnessState.UNKNOWN
        instance.report_runless_asset_event(dg.AssetMaterialization(key, partition=f"{datetime.now(UTC):%Y-%m-%d}"))
        assert judged(instance, key, LATEST) is FreshnessState.PASS
        for age, state in ((LATEST - timedelta(seconds=5), "PASS"), (LATEST + timedelta(seconds=5), "FAIL")):
            then = datetime.now(UTC) + age
            monkeypatch.setattr(
                "dagster._core.definitions.freshness_evaluator.get_current_timestamp", lambda at=then: at.timestamp()
            )
            assert judged(instance, key, LATEST) is FreshnessState[state]


@pytest.mark.parametrize("stage", ["transformed", "loaded"])
def test_only_the_loaded_asset_of_a_flow_with_a_latest_age_has_a_policy(stage: str):
    with dg.DagsterInstance.ephemeral() as instance:
        assert judged(instance, flow_key(ROUTE, "orders", stage), None) is None
        told = judged(instance, flow_key(ROUTE, "orders", stage), LATEST)
        assert told is (FreshnessState.UNKNOWN if stage == "loaded" else None)
