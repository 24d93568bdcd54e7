"""The daemon's additions: runs lost before they started or while being canceled are ended, and intervals are short."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from dagster import DagsterEventType, DagsterInstance, DagsterRunStatus
from dagster._core.events import DagsterEvent
from dagster._daemon import backfill, controller, sensor
from dagster._daemon.run_coordinator.queued_run_coordinator_daemon import QueuedRunCoordinatorDaemon

from erp_sync.runtime import daemon
from erp_sync.runtime.processes import ProcessName, write_whole
from erp_sync.runtime.service_set import FORK_SERVER
from erp_sync.runtime.submitting import create_run
from erp_sync.runtime.supervisor import ServiceState, State, Status, files_of
from erp_sync.runtime.workers import ServerState, WarmFolder, Worker
from erp_sync_tests.runtime.conftest import Installation

GONE = ProcessName(pid=2**22 + 1, created=0.0)


def a_run_in(installation: Installation, event: DagsterEventType) -> str:
    run = create_run(installation.instance, installation.workspace, "empty_job")
    installation.instance.report_dagster_event(DagsterEvent(event.value, run.job_name), run.run_id)
    return run.run_id


def test_a_starting_run_whose_worker_died_is_failed(installation: Installation) -> None:
    run_id = a_run_in(installation, DagsterEventType.RUN_STARTING)
    installation.folder.create()
    installation.folder.write_worker(Worker(run_id, GONE))
    assert daemon.release_lost_runs(installation.instance) == [run_id]
    assert installation.run(run_id).status == DagsterRunStatus.FAILURE


def test_a_canceling_run_whose_worker_died_is_canceled(installation: Installation) -> None:
    run_id = a_run_in(installation, DagsterEventType.RUN_CANCELING)
    installation.folder.write_worker(Worker(run_id, GONE))
    assert daemon.release_lost_runs(installation.instance) == [run_id]
    assert installation.run(run_id).status == DagsterRunStatus.CANCELED


def test_a_starting_run_that_no_worker_has_taken_yet_is_left_alone(installation: Installation) -> None:
    run_id = a_run_in(installation, DagsterEventType.RUN_STARTING)
    assert daemon.release_lost_runs(installation.instance) == []
    assert installation.run(run_id).status == DagsterRunStatus.STARTING
    installation.instance.report_run_failed(installation.run(run_id))


def test_a_starting_run_whose_launch_was_cut_off_is_failed_at_once(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = a_run_in(installation, DagsterEventType.RUN_STARTING)
    record = installation.instance.get_run_record_by_id(run_id)
    assert record is not None
    later = ProcessName(GONE.pid, record.update_timestamp.timestamp() + 10.0)
    monkeypatch.setattr(daemon.ProcessName, "own", lambda: later)
    assert daemon.release_lost_runs(installation.instance) == [run_id]
    assert installation.run(run_id).status == DagsterRunStatus.FAILURE


def services_of(home: Path, state: State, *, supervised: bool = True) -> None:
    supervisor = ProcessName.own() if supervised else GONE
    files = files_of(home)
    write_whole(files.state, msgspec.json.encode(Status(supervisor, {FORK_SERVER: ServiceState(state, "log")})))


def test_the_daemon_waits_while_a_fork_server_is_being_started(tmp_path: Path) -> None:
    services_of(tmp_path, "starting")
    folder = WarmFolder(tmp_path / "dagster")
    folder.create()
    looks = 0

    def sleep(seconds: float) -> None:
        nonlocal looks
        looks += 1
        if looks == 3:
            folder.write_server(ServerState(ProcessName.own(), "code", "address", 0.0))

    assert daemon.wait_for_fork_server(tmp_path, tmp_path / "dagster", 60.0, sleep)
    assert looks == 3


@pytest.mark.parametrize(
    ("state", "supervised", "seconds"), [("died", True, 60.0), ("starting", False, 60.0), ("starting", True, 0.0)]
)
def test_the_daemon_does_not_wait_for_a_fork_server_that_nobody_starts(
    tmp_path: Path, state: State, supervised: bool, seconds: float
) -> None:
    services_of(tmp_path, state, supervised=supervised)

    def sleep(_: float) -> None:
        raise AssertionError("it waits")

    assert not daemon.wait_for_fork_server(tmp_path, tmp_path / "dagster", seconds, sleep)


def test_run_monitoring_and_queue_are_replaced_and_all_others_kept(installation: Installation) -> None:
    from dagster._daemon.controller import create_daemons_from_instance

    theirs = create_daemons_from_instance(installation.instance)
    ours = daemon.daemons_of(installation.instance)
    assert [each.daemon_type() for each in ours] == [each.daemon_type() for each in theirs]
    assert any(isinstance(each, daemon.RunMonitoring) for each in ours)
    assert "FRESHNESS_DAEMON" in [each.daemon_type() for each in ours]
    for each in [*theirs, *ours]:
        each.__exit__(None, None, None)


def test_backfills_are_looked_at_every_few_seconds_and_nothing_else_that_has_that_constant(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(controller, "DEFAULT_DAEMON_INTERVAL_SECONDS", 30)
    theirs = controller.create_daemons_from_instance(installation.instance)
    ours = daemon.daemons_of(installation.instance)
    assert daemon.BACKFILL_LOOP_SECONDS == controller.DEFAULT_DAEMON_INTERVAL_SECONDS
    assert "DEFAULT_DAEMON_INTERVAL_SECONDS" in backfill.execute_backfill_iteration_loop.__code__.co_names
    for their, our in zip(theirs, ours, strict=True):
        if their.daemon_type() == "ASSET":
            assert our._pre_sensor_interval_seconds == their._pre_sensor_interval_seconds  # type: ignore[attr-defined]
    for each in [*theirs, *ours]:
        each.__exit__(None, None, None)


def test_the_queue_is_looked_at_twice_a_second(tmp_path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "dagster.yaml").write_text(
        "run_coordinator: {module: dagster.core.run_coordinator, class: QueuedRunCoordinator}"
    )
    with DagsterInstance.from_config(str(tmp_path)) as instance:
        queues = [each for each in daemon.daemons_of(instance) if isinstance(each, QueuedRunCoordinatorDaemon)]
    assert [queue.interval_seconds for queue in queues] == [daemon.QUEUE_SECONDS]


def test_the_sensor_loop_is_shortened_through_the_constant_that_dagster_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sensor, "MIN_INTERVAL_LOOP_TIME", 5)
    daemon.shorten_sensor_loop(1)
    assert sensor.MIN_INTERVAL_LOOP_TIME == 1
    assert "MIN_INTERVAL_LOOP_TIME" in sensor.execute_sensor_iteration_loop.__code__.co_names
    monkeypatch.delattr(sensor, "MIN_INTERVAL_LOOP_TIME")
    with pytest.raises(daemon.OtherDagster, match="locked requirements"):
        daemon.shorten_sensor_loop(1)
