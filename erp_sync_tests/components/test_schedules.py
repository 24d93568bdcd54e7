"""When runs start: the sensor's looks on a clock of its own, and the schedules over a week."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest
from dagster._utils.schedules import schedule_execution_time_iterator

from erp_sync.components.configuration import Configuration, Mode, WrongConfiguration, read_configuration
from erp_sync.components.due import Looked, look
from erp_sync.components.flow_table import FLOWS
from erp_sync.components.route import installation_definitions
from erp_sync.components.sensing import asset_keys, run_request
from erp_sync.components.under_way import UnderWay
from erp_sync.ledger.ledger import Unreachable
from erp_sync.ledger.outlook import Outlook, Reader
from erp_sync.ports.capabilities import Capabilities, Limits, Reading
from erp_sync.ports.raw import BadRecord, MappingProblem
from erp_sync.transport.errors import NotSentError

MONDAY = datetime(2026, 11, 23, tzinfo=UTC)
SHIPPED = read_configuration(Path(__file__).resolve().parents[2] / "erp_sync" / "defs")
STAGES = ("extracted", "transformed", "loaded")


def documents_only(**flows: dict[str, Any]) -> Configuration:
    """The shipped route with these document flows; every look a minute."""
    (route,) = SHIPPED.routes.values()
    chosen = {name: route.flows[name].model_copy(update=values) for name, values in flows.items()}
    only = route.model_copy(update={"flows": chosen})
    return Configuration(connections=SHIPPED.connections, routes={route.name: only})


class House:
    """An installation whose sources and ledger say what a test tells them."""

    def __init__(self) -> None:
        self.news: dict[str, str] = {}
        self.silent: set[str] = set()
        self.broken: dict[str, Exception] = {}
        self.unhandled: set[str] = set()
        self.due: set[str] = set()
        self.looks: Counter[str] = Counter()
        self.read_at: datetime | None = None
        self.complete_at: datetime | None = None
        self.away: dict[str, Unreachable] = {}
        self.configuration = SHIPPED
        self.alive: set[str] = set()
        self.ledger = SimpleNamespace(
            cursors=SimpleNamespace(
                get=lambda connection, entity: SimpleNamespace(position=MONDAY),
                count_new=lambda connection, entity, versions: len(versions),
            ),
            inbox=SimpleNamespace(waiting=lambda now: []),
            outlook=self.outlook,
            unreachable=lambda: self.away,
            heartbeats=SimpleNamespace(beat=lambda names, every: self.alive.update(names)),
            deliveries=SimpleNamespace(pending=lambda route, flow, target: {"due": 1} if flow in self.due else {}),
        )

    def outlook(self, readers: list[Reader]) -> Outlook:
        (route,) = SHIPPED.routes.values()
        return Outlook(
            unhandled=frozenset((reader.route, reader.flow) for reader in readers if reader.flow in self.unhandled),
            deliveries=frozenset((route.name, flow, getattr(route, FLOWS[flow].target)) for flow in self.due),
            moved={(reader.connection, reader.entity): self.read_at for reader in readers},
            positions={(reader.connection, f"{reader.entity}.complete"): self.complete_at for reader in readers},
        )

    def source(self, route: Any, flow: str) -> Any:
        readings = tuple(Reading(entity=entity) for entity in ("sales_order", "order_status", "shipment"))

        def peek(window: Any) -> dict[str, str] | None:
            self.looks[flow] += 1
            if flow in self.broken:
                raise self.broken[flow]
            if flow in self.silent:
                raise NotSentError("the store does not answer")
            return {self.news[flow]: "1"} if flow in self.news else {}

        capabilities = Capabilities(vendor="fake", operations=(), readings=readings, limits=Limits())
        return SimpleNamespace(capabilities=capabilities, peek=peek)


@pytest.fixture
def house() -> House:
    return House()


ORDERS = documents_only(orders={"every": timedelta(minutes=1), "latest": timedelta(minutes=9)})
QUIET = {f"{next(iter(SHIPPED.routes))}/orders/observed": MONDAY.isoformat()}


def looked(
    house: House, now: datetime, cursor: dict[str, Any], configuration: Configuration = ORDERS, **v: Any
) -> Looked:
    house.configuration = configuration
    return look(configuration, now, cursor, installation=house, **v)  # type: ignore[arg-type]


def test_a_source_is_looked_at_as_often_as_its_flow_says(house):
    cursor: dict[str, Any] = dict(QUIET)
    for second in range(0, 600, 5):
        cursor = looked(house, MONDAY + timedelta(seconds=second), cursor).cursor
    assert house.looks == {"orders": 10}


def test_nothing_new_starts_nothing_and_is_told_as_fresh_from_time_to_time(house):
    cursor: dict[str, Any] = {}
    fresh = []
    for second in range(0, 540, 5):
        found = looked(house, MONDAY + timedelta(seconds=second), cursor)
        cursor = found.cursor
        assert found.due == ()
        fresh += found.fresh
    (route,) = SHIPPED.routes
    assert fresh == [(route, "orders", 1), (route, "orders", 3), (route, "orders", 3)]  # a third of nine minutes


def test_while_its_source_is_silent_an_asset_is_not_told_as_fresh(house):
    """It goes late by its policy: nobody knows what the source has."""
    house.silent = {"orders"}
    cursor: dict[str, Any] = {}
    for second in range(0, 540, 5):
        found = looked(house, MONDAY + timedelta(seconds=second), cursor)
        cursor = found.cursor
        assert (found.due, found.fresh) == ((), ())
    house.silent = set()
    found = looked(house, MONDAY + timedelta(minutes=10), cursor)
    assert [flow for _, flow, _ in found.fresh] == ["orders"]


def test_something_new_starts_one_run_of_the_whole_flow(house):
    house.news["orders"] = "7"
    (due,) = looked(house, MONDAY, dict(QUIET)).due
    assert (due.flow, due.stages, due.lane, due.why) == ("orders", STAGES, "normal", "1 new or changed")


@pytest.mark.parametrize(
    "problem",
    [
        WrongConfiguration("connection store", "credentials.token", "environment variable STORE_TOKEN is not set"),
        BadRecord("7", "updated_at", "is no time"),
        MappingProblem("ambiguous_sku_map", "sku_map", "A", "several rules match"),
    ],
)
def test_what_one_flow_cannot_look_at_keeps_no_other_from_its_look(house, problem):
    """The look as a whole failed, and nothing ran any more."""
    house.broken["orders"] = problem
    house.news["shipments"] = "9"
    both = documents_only(orders={"every": timedelta(minutes=1)}, shipments={"every": timedelta(minutes=1)})
    due = {one.flow: one.why for one in looked(house, MONDAY, dict(QUIET), both).due}
    assert due == {"orders": "could not be looked at", "shipments": "1 new or changed"}


def test_work_in_the_ledger_starts_only_the_stages_that_it_needs(house):
    house.unhandled = {"orders"}
    assert looked(house, MONDAY, dict(QUIET)).due[0].stages == ("transformed", "loaded")
    house.unhandled, house.due = set(), {"orders"}
    assert looked(house, MONDAY, dict(QUIET)).due[0].stages == ("loaded",)


def test_a_flow_in_shadow_is_loaded_for_what_it_does_not_show_and_idle_once_it_does(house):
    shadow = documents_only(orders={"mode": Mode.SHADOW})
    (route,) = SHIPPED.routes
    assert looked(house, MONDAY, dict(QUIET), shadow).due == ()
    house.due = {"orders"}
    assert [one.stages for one in looked(house, MONDAY, dict(QUIET), shadow).due] == [("loaded",)]
    shown = {(route, "orders"): {"would_due": 1}}
    assert looked(house, MONDAY, dict(QUIET), shadow, shown=shown).due == ()
    house.due = set()
    assert [one.stages for one in looked(house, MONDAY, dict(QUIET), shadow, shown=shown).due] == [("loaded",)]


def test_what_a_flow_in_shadow_does_not_show_yet_is_left_to_its_run(house):
    """The run may be between what it accepts and what it shows."""
    house.due, house.read_at = {"orders"}, MONDAY
    shadow = documents_only(orders={"mode": Mode.SHADOW})
    for lane in ("normal", "bulk"):
        run = run_of(MONDAY - timedelta(minutes=5), lane=lane)
        assert looked(house, MONDAY, dict(QUIET), shadow, runs=[run]).due == ()


def test_a_flow_that_is_off_is_not_looked_at(house):
    house.due = house.unhandled = {"orders"}
    off = documents_only(orders={"mode": Mode.OFF})
    assert looked(house, MONDAY, {}, off).due == ()
    assert house.looks == {}


def test_while_a_run_is_about_to_start_no_other_does(house):
    house.news["orders"], house.due = "7", {"orders"}
    assert looked(house, MONDAY, dict(QUIET), runs=[run_of(None)]).due == ()
    assert len(looked(house, MONDAY, dict(QUIET)).due) == 1


def run_of(since: datetime | None, **values: Any) -> UnderWay:
    """A run of orders, about to start or started."""
    (route,) = SHIPPED.routes
    return UnderWay(**{"route": route, "flow": "orders", "stages": frozenset(STAGES), "since": since, **values})


def test_a_run_that_has_not_read_its_source_yet_will_find_what_is_new(house):
    house.news["orders"] = "7"
    now = MONDAY + timedelta(minutes=5)
    run = run_of(now - timedelta(seconds=3))
    for house.read_at in (None, now - timedelta(seconds=30)):
        assert looked(house, now, dict(QUIET), runs=[run]).due == ()
    house.read_at = now - timedelta(seconds=1)
    assert [due.why for due in looked(house, now, dict(QUIET), runs=[run]).due] == ["1 new or changed"]


def test_no_fourth_run_of_a_flow_is_started(house):
    house.news["orders"] = "7"
    now = MONDAY + timedelta(minutes=5)
    house.read_at = now - timedelta(seconds=1)
    runs = [run_of(now - timedelta(seconds=age)) for age in (4, 3, 2)]
    assert looked(house, now, dict(QUIET), runs=runs).due == ()


def test_due_work_is_left_to_a_run_that_will_come_to_it(house):
    house.due, house.read_at = {"orders"}, MONDAY
    now = MONDAY + timedelta(minutes=5)
    young, old = now - timedelta(seconds=5), now - timedelta(seconds=25)
    quiet = QUIET | {f"{run_of(None).route}/orders/polled": now.isoformat()}
    house.read_at = young + timedelta(seconds=1)
    assert looked(house, now, quiet, runs=[run_of(young)]).due == ()
    assert len(looked(house, now, quiet, runs=[run_of(old)]).due) == 1
    assert len(looked(house, now, quiet, runs=[run_of(young, lane="bulk")]).due) == 1
    assert len(looked(house, now, quiet, runs=[run_of(young, flow="shipments")]).due) == 1


def test_what_is_to_be_transformed_is_not_left_to_a_run_that_only_loads(house):
    house.unhandled = {"orders"}
    now = MONDAY + timedelta(minutes=5)
    quiet = QUIET | {f"{run_of(None).route}/orders/polled": now.isoformat()}
    run = run_of(now - timedelta(seconds=5), stages=frozenset({"loaded"}))
    assert [due.stages for due in looked(house, now, quiet, runs=[run]).due] == [("transformed", "loaded")]


def away(connection: str) -> dict[str, Unreachable]:
    return {connection: Unreachable(connection=connection, planned=True, why="planned maintenance until 04:00 UTC")}


def test_while_the_target_is_away_documents_are_received_and_queue(house):
    (route,) = SHIPPED.routes.values()
    house.away, house.news["orders"] = away(route.erp), "7"
    assert [due.stages for due in looked(house, MONDAY, dict(QUIET)).due] == [("extracted", "transformed")]
    house.news, house.due = {}, {"orders"}
    found = looked(house, MONDAY, dict(QUIET))
    assert found.due == ()
    assert "planned maintenance until 04:00 UTC" in found.summary
    house.away = {}
    assert [due.stages for due in looked(house, MONDAY, dict(QUIET)).due] == [("loaded",)]


def test_a_source_that_is_away_is_not_looked_at_and_what_was_received_goes_on(house):
    (route,) = SHIPPED.routes.values()
    house.away, house.news["orders"], house.unhandled = away(route.store), "7", {"orders"}
    assert [due.stages for due in looked(house, MONDAY, dict(QUIET)).due] == [("transformed", "loaded")]
    assert house.looks == {}


def test_a_flow_whose_system_is_away_is_not_told_as_fresh(house):
    (route,) = SHIPPED.routes.values()
    house.away = away(route.erp)
    assert looked(house, MONDAY, {}).fresh == ()


def test_a_daily_comparison_that_did_not_get_through_is_made_up_for(house):
    house.complete_at = MONDAY - timedelta(hours=24)
    assert looked(house, MONDAY, dict(QUIET)).due == ()
    house.complete_at = MONDAY - timedelta(hours=25)
    found = looked(house, MONDAY, dict(QUIET))
    (due,) = found.due
    assert (due.full, due.lane, due.why) == (True, "bulk", "last compared as a whole 2026-11-21 23:00 UTC")
    assert looked(house, MONDAY + timedelta(minutes=9), found.cursor).due == ()
    assert [one.full for one in looked(house, MONDAY + timedelta(minutes=11), found.cursor).due] == [True]


def test_a_source_that_does_not_answer_keeps_nobody_and_is_asked_again(house):
    both = documents_only(orders={"every": timedelta(minutes=1)}, shipments={"every": timedelta(minutes=1)})
    house.silent, house.news = {"orders"}, {"shipments": "9"}
    found = looked(house, MONDAY, {}, both)
    assert [due.flow for due in found.due] == ["shipments"]
    house.silent, house.news = set(), {"orders": "7"}
    later = looked(house, MONDAY + timedelta(minutes=1), found.cursor, both)
    assert [due.flow for due in later.due] == ["orders"]


def test_the_watchdog_is_told_that_the_sensor_ticks_and_which_sources_answer(house):
    both = documents_only(orders={"every": timedelta(minutes=1)}, shipments={"every": timedelta(minutes=1)})
    house.silent = {"orders"}
    looked(house, MONDAY, {}, both)
    (route,) = SHIPPED.routes
    assert house.alive == {"sensor/due_work", f"look/{route}/shipments"}
    house.alive.clear()
    looked(house, MONDAY + timedelta(minutes=1), {}, both, runs=[run_of(MONDAY)])
    assert f"look/{route}/orders" in house.alive  # a run under way reads its source itself


def test_three_hours_without_a_daemon_are_caught_up_by_the_first_look(house):
    cursor = looked(house, MONDAY, dict(QUIET)).cursor
    house.news["orders"] = "7"
    (due,) = looked(house, MONDAY + timedelta(hours=3), cursor).due
    assert due.stages == STAGES


def test_a_deleted_cursor_of_the_sensor_costs_one_look(house):
    looked(house, MONDAY, {})
    assert looked(house, MONDAY + timedelta(seconds=1), {}).due == ()
    assert house.looks == {"orders": 2}


def test_a_cursor_is_plain_json(house):
    cursor = looked(house, MONDAY, {}).cursor
    assert json.loads(json.dumps(cursor)) == cursor


# Run requests ------------------------------------------------------------------------------------------------


def test_a_run_request_names_route_flow_lane_and_why_and_selects_one_flow_of_today():
    (route,) = SHIPPED.routes
    late = datetime(2026, 11, 23, 23, 30, tzinfo=UTC)
    request = run_request(SHIPPED, route, "orders", STAGES, now=late, why="3 new", lane="now", keys=["7"])
    assert request.job_name == route
    assert request.partition_key == "2026-11-23"
    assert request.tags["erp_sync/route"] == route
    assert request.tags["erp_sync/flow"] == "orders"
    assert request.tags["erp_sync/lane"] == "now"
    assert request.tags["erp_sync/why"] == "3 new"
    assert request.asset_selection == asset_keys(SHIPPED, route, "orders", STAGES)
    configs = [op["config"] for op in request.run_config["ops"].values()]
    assert configs == [{"lane": "now", "full": False, "keys": ["7"]}] * 3


@pytest.mark.parametrize("flow", FLOWS)
def test_a_run_that_hangs_is_ended_by_dagster_and_one_of_everything_may_take_longer(flow):
    """Three runs of a flow that never end would keep every later one of it away."""
    (route,) = SHIPPED.routes
    usual, whole = (
        int(
            run_request(SHIPPED, route, flow, STAGES, now=datetime.now(UTC), why="", full=full).tags[
                "dagster/max_runtime"
            ]
        )
        for full in (False, True)
    )
    assert 3600 <= usual <= 7200
    assert whole == 6 * usual


@pytest.mark.parametrize(
    ("flow", "how", "priority"),
    [
        ("orders", {}, None),
        ("shipments", {}, "-1"),
        ("inventory", {}, "-1"),
        ("inventory", {"lane": "fast"}, None),
        ("inventory", {"full": True}, "-2"),
        ("prices", {}, "-2"),
        ("orders", {"lane": "bulk", "full": True}, "-2"),
    ],
)
def test_orders_and_the_fast_lane_come_first_and_comparisons_of_everything_last(flow, how, priority):
    (route,) = SHIPPED.routes
    request = run_request(SHIPPED, route, flow, STAGES, now=MONDAY, why="test", **how)
    assert request.tags.get("dagster/priority") == priority


def test_a_run_request_is_one_that_its_job_takes():
    (route,) = SHIPPED.routes
    repository = installation_definitions(SHIPPED).get_repository_def()
    job = repository.get_job(route)
    names = {node.name for node in job.nodes}
    for flow in SHIPPED.routes[route].flows:
        request = run_request(SHIPPED, route, flow, STAGES, now=MONDAY, why="test")
        assert set(request.run_config["ops"]) <= names


# Schedules over a week ---------------------------------------------------------------------------------------


def ticks(schedule: dg.ScheduleDefinition, begin: datetime, end: datetime) -> Iterator[datetime]:
    """When a schedule ticks between two moments."""
    cron = schedule.cron_schedule
    assert isinstance(cron, str)
    for moment in schedule_execution_time_iterator(begin.timestamp(), cron, schedule.execution_timezone or "UTC"):
        if moment >= end:
            return
        yield moment


def test_over_a_week_every_flow_is_compared_in_full_once_a_day():
    repository = installation_definitions(SHIPPED).get_repository_def()
    (route,) = SHIPPED.routes.values()
    active = {name for name, flow in route.flows.items() if flow.mode is not Mode.OFF}
    compared: Counter[tuple[str, str]] = Counter()
    comparing = [one for one in repository.schedule_defs if one.name.endswith("_full_comparison")]
    assert {one.name for one in repository.schedule_defs} - {one.name for one in comparing} == {"daily_housekeeping"}
    for schedule in comparing:
        for moment in ticks(schedule, MONDAY, MONDAY + timedelta(days=7)):
            context = dg.build_schedule_context(scheduled_execution_time=moment, repository_def=repository)
            for request in schedule.evaluate_tick(context).run_requests or []:
                assert request.tags["erp_sync/full"] == "true"
                assert request.tags["erp_sync/lane"] == "bulk"
                assert request.partition_key == f"{moment:%Y-%m-%d}"
                compared[request.partition_key, request.tags["erp_sync/flow"]] += 1
    days = [f"{MONDAY + timedelta(days=day):%Y-%m-%d}" for day in range(7)]
    assert compared == {(day, flow): 1 for day in days for flow in active}


def test_the_schedules_and_the_sensor_run_from_the_start():
    repository = installation_definitions(SHIPPED).get_repository_def()
    assert {one.default_status for one in repository.schedule_defs} == {dg.DefaultScheduleStatus.RUNNING}
    assert {one.default_status for one in repository.sensor_defs} == {dg.DefaultSensorStatus.RUNNING}


def test_over_a_week_the_production_route_looks_as_often_as_it_says(house):
    """Orders every minute, status every two, shipments every minute; a week in steps of half a minute."""
    (route,) = SHIPPED.routes.values()
    flows = {name: {} for name in ("orders", "order_status", "shipments")}
    week, cursor = documents_only(**flows), {}
    steps = 7 * 24 * 60 * 2
    for step in range(0, steps, 12):  # every sixth minute a stretch of six half minutes, all through the week
        for half in range(6):
            moment = MONDAY + timedelta(seconds=30 * (step + half))
            cursor = looked(house, moment, cursor, week).cursor
    every = {name: route.flows[name].every.total_seconds() for name in flows}
    assert every == {"orders": 60, "order_status": 120, "shipments": 60}
    stretches = steps // 12
    assert house.looks == {"orders": 3 * stretches, "order_status": 2 * stretches, "shipments": 3 * stretches}
