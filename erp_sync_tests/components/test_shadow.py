"""What flows in shadow mode show in Dagster, as the sensor and runs leave it, over HTTP."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import dagster as dg
import pytest

from erp_sync.components import execution, installation
from erp_sync.components.route import flow_key, installation_definitions
from erp_sync.sandbox.testing import RunningSandbox
from erp_sync_tests.components.test_events import LOOKUPS, World
from erp_sync_tests.components.two_systems import TwoSystems, two_systems

FLOWS = """{
  orders: {mode: shadow, start: 2026-01-01T00:00:00Z, every: 1h, latest: 10m},
  inventory: {mode: shadow, every: 1h, latest: 10m} }"""


@dataclass
class Shadow:
    """An installation in shadow mode with Dagster's sensor, turned by hand. `cursor` is the sensor's."""

    systems: TwoSystems
    instance: dg.DagsterInstance
    cursor: str | None = field(default=None)

    def __post_init__(self) -> None:
        configuration = self.systems.here.configuration
        self.repository = installation_definitions(configuration).get_repository_def()

    def tick(self) -> list[tuple[str, tuple[str, ...]]]:
        """One tick of the sensor, and the runs that it asks for: flow and stages of each."""
        context = dg.build_sensor_context(
            instance=self.instance, cursor=self.cursor, repository_def=self.repository, sensor_name="due_work"
        )
        looked = self.repository.get_sensor_def("due_work").evaluate_tick(context)
        self.cursor = looked.cursor
        for event in looked.asset_events:
            self.instance.report_runless_asset_event(event)
        for asked in looked.run_requests or ():
            self.repository.get_job("us").execute_in_process(
                run_config=asked.run_config,
                partition_key=asked.partition_key,
                asset_selection=asked.asset_selection,
                tags=asked.tags,
                instance=self.instance,
                raise_on_error=False,
            )
        return [
            (asked.tags["erp_sync/flow"], tuple(key.path[-1] for key in asked.asset_selection or ()))
            for asked in looked.run_requests or ()
        ]

    def settle(self) -> None:
        while self.tick():
            pass

    def forget(self) -> None:
        """Polls are due again."""
        self.cursor = None

    def in_ui(self, flow: str) -> dict[str, Any]:
        """What the loaded asset says in the UI."""
        event = self.instance.get_latest_materialization_event(flow_key("us", flow, "loaded"))
        told = event.asset_materialization.metadata if event and event.asset_materialization else {}
        return {name: value.value for name, value in told.items()}


@pytest.fixture(scope="module")
def shadow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shadow]:
    folder = tmp_path_factory.mktemp("shadow")
    with (
        two_systems(folder / "world", FLOWS, lookups=LOOKUPS) as systems,
        dg.DagsterInstance.ephemeral() as instance,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr(installation, "_current", (os.getpid(), systems.here))
        yield Shadow(systems, instance)


@pytest.fixture(autouse=True)
def settled(shadow: Shadow) -> None:
    shadow.settle()


def written(side: RunningSandbox) -> list[str]:
    return [call["path"] for call in side.journal() if call["committed"]]


def test_a_flow_that_shows_everything_starts_no_run_and_keeps_showing_it(shadow: Shadow):
    """That it was looked at was told over what it shows: an order that waited was seen for a second or two."""
    World(shadow.systems, {}).shop("TEA")
    shadow.forget()
    assert ("orders", ("extracted", "transformed", "loaded")) in shadow.tick()
    seen = shadow.in_ui("orders")
    assert (seen["mode"], seen["would_due"]) == ("shadow", 1)
    shadow.settle()
    assert shadow.tick() == []
    later = shadow.in_ui("orders")
    assert later["looks_since_last"] >= 0
    assert (later["mode"], later["would_due"]) == ("shadow", seen["would_due"])
    assert shadow.in_ui("inventory")["mode"] == "shadow"


@pytest.mark.parametrize("flow", ["orders", "inventory"])
def test_what_a_failed_run_did_not_show_is_shown_by_one_more(
    shadow: Shadow, monkeypatch: pytest.MonkeyPatch, flow: str
):
    """It stayed hidden until the next document: only flows that are on were loaded for what is due."""
    before, load = shadow.in_ui(flow), execution.load
    if flow == "orders":
        World(shadow.systems, {}).shop("CUP")
    else:
        shadow.systems.erp_set("POT", "east", 7)

    def fail_once(*_: Any) -> None:
        monkeypatch.setattr(execution, "load", load)
        raise RuntimeError("the run dies before it has shown anything")

    monkeypatch.setattr(execution, "load", fail_once)
    shadow.forget()
    assert (flow, ("extracted", "transformed", "loaded")) in shadow.tick()
    name = "would_due" if flow == "orders" else "would_write"
    assert shadow.in_ui(flow).get(name, 0) == before.get(name, 0)
    assert shadow.tick() == [(flow, ("loaded",))]
    assert shadow.in_ui(flow)[name] == before.get(name, 0) + 1
    assert shadow.tick() == []


def test_nothing_is_written(shadow: Shadow):
    assert written(shadow.systems.erp) == []
