"""The watchdog and Dagster itself: schedules that do not tick and parts of the daemon that stand still are told."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from dagster import DagsterInstance
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.remote_origin import (
    ManagedGrpcPythonEnvCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    ScheduleInstigatorData,
    TickData,
    TickStatus,
)
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._daemon.types import DaemonHeartbeat
from dagster_shared.error import SerializableErrorInfo

from erp_sync import settings as settings_module
from erp_sync.components.due import SENSOR_ALIVE
from erp_sync.components.installation import Installation
from erp_sync.monitoring import alerting
from erp_sync.operations.watching import Watchdog
from erp_sync.operations.watching_dagster import DagsterStorage, longest_gap
from erp_sync.runtime.storage import dagster_configuration
from erp_sync_tests.operations.house import House

NOON = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)
HOURLY, DAILY = "5 * * * *", "0 3 * * *"


class Clock:
    time = NOON

    def __call__(self) -> datetime:
        return self.time


class Told:
    """A channel that keeps what people are told."""

    def __init__(self) -> None:
        self.messages: list[alerting.Message] = []

    def names(self) -> list[str]:
        return ["all"]

    def send(self, message: alerting.Message, names: set[str] | None = None) -> dict[str, str]:
        self.messages.append(message)
        return {}


class Place:
    """An installation with Dagster's own storage, and what its daemon would write there."""

    def __init__(self, here: Installation, instance: DagsterInstance, clock: Clock) -> None:
        self.here, self.instance, self.clock, self.told = here, instance, clock, Told()
        self.watchdog = Watchdog(here, self.told)

    def beat(self, *names: str, ago: timedelta = timedelta(0)) -> None:
        for name in names or ("SENSOR", "SCHEDULER", "QUEUED_RUN_COORDINATOR"):
            at = (self.clock.time - ago).timestamp()
            self.instance.add_daemon_heartbeat(DaemonHeartbeat(at, name, "one", []))

    def schedule(self, name: str, cron: str, *, since: datetime, status: str = "DECLARED_IN_CODE") -> InstigatorState:
        """One as the daemon notes it when it first sees it."""
        target = LoadableTargetOrigin(module_name="erp_sync.definitions")
        location = ManagedGrpcPythonEnvCodeLocationOrigin(target, "erp_sync")
        origin = RemoteInstigatorOrigin(RemoteRepositoryOrigin(location, "__repository__"), name)
        data = ScheduleInstigatorData(cron, since.timestamp(), None)
        state = InstigatorState(origin, InstigatorType.SCHEDULE, InstigatorStatus[status], data)
        return self.instance.add_instigator_state(state)

    def tick(self, state: InstigatorState, at: datetime, status: TickStatus = TickStatus.SUCCESS) -> None:
        data = TickData(
            state.instigator_origin_id,
            state.instigator_name,
            InstigatorType.SCHEDULE,
            status,
            at.timestamp(),
            run_ids=[],
            error=SerializableErrorInfo("it failed", [], None) if status is TickStatus.FAILURE else None,
            selector_id=state.selector_id,
        )
        self.instance.create_tick(data)

    def look(self) -> dict[str, str]:
        """Key and text of what is wrong with Dagster."""
        self.here.ledger.heartbeats.beat([SENSOR_ALIVE])
        return self.look_only()

    def look_only(self) -> dict[str, str]:
        found = {one.key: one.text for one in self.watchdog.look()}
        return {key: text for key, text in found.items() if key.partition("/")[0] in ("sensor", "daemon", "schedule")}


@pytest.fixture
def place(home: Path) -> Iterator[Place]:
    settings, clock = settings_module.load(), Clock()
    settings.dagster_home.mkdir()
    (settings.dagster_home / "dagster.yaml").write_text(dagster_configuration(settings))
    here = Installation(settings, clock=clock)
    with DagsterInstance.from_config(str(settings.dagster_home)) as instance:
        yield Place(here, instance, clock)
    here.close()


def test_a_schedule_that_did_not_tick_is_told_once_and_settled_when_it_ticks_again(place: Place):
    hourly = place.schedule("hourly_kpis", HOURLY, since=NOON - timedelta(days=3))
    last = NOON.replace(minute=5) - timedelta(hours=1)
    place.tick(hourly, last)
    place.beat()
    assert place.look() == {}
    place.clock.time = last + timedelta(minutes=90)
    place.beat()
    assert place.look() == {}
    place.clock.time += timedelta(seconds=1)
    found = place.look()
    assert list(found) == ["schedule/hourly_kpis"]
    assert "hourly_kpis (5 * * * *) is on and did not tick since 2026-11-27 11:05 UTC" in found["schedule/hourly_kpis"]
    place.look()
    assert [(one.severity, "hourly_kpis" in one.text) for one in place.told.messages] == [("error", True)]
    place.tick(hourly, place.clock.time)
    assert place.look() == {}
    assert [one.severity for one in place.told.messages] == ["error", "recovered"]


def test_a_tick_that_failed_is_none_and_one_that_found_nothing_to_start_is_one(place: Place):
    daily = place.schedule("us_full_comparison", DAILY, since=NOON - timedelta(days=9))
    place.tick(daily, NOON - timedelta(days=2))
    place.tick(daily, NOON - timedelta(hours=9), TickStatus.FAILURE)
    place.beat()
    assert list(place.look()) == ["schedule/us_full_comparison"]
    place.tick(daily, NOON - timedelta(hours=9), TickStatus.SKIPPED)
    assert place.look() == {}


def test_one_that_is_off_is_not_missed_and_one_just_switched_on_has_its_time(place: Place):
    place.schedule("off", HOURLY, since=NOON - timedelta(days=3), status="STOPPED")
    place.schedule("new", HOURLY, since=NOON - timedelta(minutes=89))
    place.beat()
    assert place.look() == {}
    place.clock.time += timedelta(minutes=2)
    place.beat()
    assert list(place.look()) == ["schedule/new"], "it never ticked at all"


@pytest.mark.parametrize(
    ("cron", "hours"),
    [((HOURLY,), 1), ((DAILY,), 24), (("0 9-17 * * 1-5",), 64), (("0 0 1 * *",), 31 * 24), ((DAILY, "0 15 * * *"), 12)],
)
def test_what_a_cron_allows_is_the_longest_time_between_two_of_its_ticks(cron: tuple[str, ...], hours: int):
    assert longest_gap(cron) == timedelta(hours=hours)


def test_a_part_of_the_daemon_that_stands_still_is_told_though_the_sensor_goes_on(place: Place):
    """The sensor ticks, so that nothing else would notice that no schedule does."""
    place.schedule("hourly_kpis", HOURLY, since=NOON - timedelta(days=3))
    place.beat()
    place.beat("SCHEDULER", ago=timedelta(minutes=6))
    found = place.look()
    assert list(found) == ["daemon"], "its schedules do not tick for the same reason"
    assert "no schedule ticks (SCHEDULER) since 2026-11-27 11:54 UTC" in found["daemon"]
    assert "SENSOR" not in found["daemon"]
    place.beat("SCHEDULER")
    assert place.look() == {}, "it makes up for what it missed first"
    assert [one.severity for one in place.told.messages] == ["critical", "recovered"]
    place.clock.time += timedelta(minutes=5)
    place.beat()
    assert place.look() == {}
    place.clock.time += timedelta(seconds=1)
    assert list(place.look()) == ["schedule/hourly_kpis"], "it does not"
    assert [one.severity for one in place.told.messages] == ["critical", "recovered", "error"]


def test_schedules_have_their_time_after_a_sensor_that_was_silent_and_what_was_told_before_stays(place: Place):
    place.schedule("told", HOURLY, since=NOON - timedelta(hours=2))
    place.beat()
    assert list(place.look()) == ["schedule/told"]
    place.schedule("new", HOURLY, since=NOON - timedelta(minutes=89))
    place.clock.time += timedelta(minutes=4)
    place.beat()
    assert sorted(place.look_only()) == ["schedule/told", "sensor"]
    assert list(place.look()) == ["schedule/told"]
    place.clock.time += timedelta(minutes=6)
    place.beat()
    assert sorted(place.look()) == ["schedule/new", "schedule/told"]


def test_a_daemon_that_is_gone_is_one_matter_with_the_sensor_that_is_silent_for_it(place: Place):
    place.beat()
    assert place.look() == {}
    place.clock.time += timedelta(minutes=10)
    assert list(place.look_only()) == ["sensor"]
    place.beat("SENSOR")
    assert list(place.look()) == ["daemon"]
    place.clock.time += timedelta(minutes=10)
    assert sorted(place.look_only()) == ["daemon", "sensor"], "it was told before, and is not over"


def test_a_daemon_that_never_saw_a_sensor_is_missed_all_the_same(place: Place):
    """Of the sensor nothing was ever heard: only Dagster's storage tells that a daemon was there."""
    place.beat(ago=timedelta(minutes=6))
    found = place.look_only()
    assert list(found) == ["daemon"]
    assert "no run begins (QUEUED_RUN_COORDINATOR)" in found["daemon"]


def test_a_storage_that_does_not_answer_is_told_and_ends_no_watchdog(place: Place, monkeypatch: pytest.MonkeyPatch):
    def away(self: DagsterStorage, now: datetime) -> dict[str, datetime]:
        raise sa.exc.OperationalError("SELECT", {}, OSError("unable to open database file"))

    hourly = place.schedule("hourly_kpis", HOURLY, since=NOON - timedelta(days=3))

    def look() -> dict[str, str]:
        place.clock.time += timedelta(seconds=30)
        place.beat()
        return place.look()

    for _ in range(2):
        assert list(look()) == ["schedule/hourly_kpis"]
        with monkeypatch.context() as broken:
            broken.setattr(DagsterStorage, "silent_daemons", away)
            assert list(look()) == ["schedule/hourly_kpis"], "one look may fail; what was told before stays"
    with monkeypatch.context() as broken:
        broken.setattr(DagsterStorage, "silent_daemons", away)
        for _ in range(2):
            found = look()
            assert sorted(found) == ["daemon", "schedule/hourly_kpis"], "the second in a row, and on"
            assert "storage does not answer" in found["daemon"]
    place.tick(hourly, place.clock.time)
    assert look() == {}


def test_what_was_told_stays_through_a_failed_look_of_a_watchdog_from_cron(
    place: Place, monkeypatch: pytest.MonkeyPatch
):
    """Each look is a process of its own: it was settled and told anew, at night by every lock."""

    def away(self: DagsterStorage, now: datetime) -> dict[str, datetime]:
        raise sa.exc.OperationalError("SELECT", {}, OSError("unable to open database file"))

    def look() -> dict[str, str]:
        place.clock.time += timedelta(seconds=30)
        place.beat()
        place.watchdog = Watchdog(place.here, place.told)
        return place.look()

    place.schedule("hourly_kpis", HOURLY, since=NOON - timedelta(days=3))
    before = look()
    assert list(before) == ["schedule/hourly_kpis"]
    with monkeypatch.context() as broken:
        broken.setattr(DagsterStorage, "silent_daemons", away)
        assert look() == before
        assert sorted(look()) == ["daemon", "schedule/hourly_kpis"]
    assert look() == before
    assert [one.severity for one in place.told.messages] == ["error", "critical", "recovered"]


@pytest.mark.parametrize(
    "failure",
    [
        sa.exc.OperationalError("SELECT", {}, sqlite3.OperationalError("no such column: daemon_heartbeats.kind")),
        sa.exc.ProgrammingError("SELECT", {}, Exception("no such column: daemon_heartbeats.kind")),
    ],
    ids=["sqlite", "postgresql"],
)
def test_a_storage_that_cannot_be_read_is_none_that_does_not_answer(
    place: Place, monkeypatch: pytest.MonkeyPatch, failure: Exception
):
    def unreadable(self: DagsterStorage, now: datetime) -> dict[str, datetime]:
        raise failure

    place.schedule("hourly_kpis", HOURLY, since=NOON - timedelta(days=3))
    place.beat()
    assert list(place.look()) == ["schedule/hourly_kpis"]
    with monkeypatch.context() as broken:
        broken.setattr(DagsterStorage, "silent_daemons", unreadable)
        found = place.look()
        assert sorted(found) == ["daemon", "schedule/hourly_kpis"], "told at once; what was told before stays"
        assert "does not answer" not in found["daemon"]
        assert "cannot be read" in found["daemon"]
        assert "no such column: daemon_heartbeats.kind" in found["daemon"]
        assert "SELECT" not in found["daemon"]
    assert list(place.look()) == ["schedule/hourly_kpis"]


def test_where_dagster_lives_on_another_machine_nothing_of_it_is_told(house: House):
    house.ledger.heartbeats.beat([SENSOR_ALIVE])
    assert not DagsterStorage(house.here.settings).exists
    assert [one.key for one in Watchdog(house.here).look() if one.key.startswith(("daemon", "schedule"))] == []
