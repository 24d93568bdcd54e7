"""Dagster's daemon, with shorter waits and an eye on runs that died before they started.

``python -m erp_sync.runtime.daemon --workspace FILE`` takes the place of ``dagster-daemon run``. The daemons are
Dagster's own; only their intervals differ, and run monitoring sees more.
"""

from __future__ import annotations

import argparse
import logging
import os
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from types import ModuleType

from dagster import DagsterInstance, DagsterRun, DagsterRunStatus
from dagster._core.launcher import CheckRunHealthResult, WorkerStatus
from dagster._core.storage.dagster_run import RunsFilter
from dagster._core.workspace.context import IWorkspaceProcessContext
from dagster._core.workspace.load_target import WorkspaceFileTarget
from dagster._daemon import controller, sensor
from dagster._daemon.controller import create_daemons_from_instance, daemon_controller_from_instance
from dagster._daemon.daemon import DaemonIterator, DagsterDaemon, MonitoringDaemon
from dagster._daemon.run_coordinator.queued_run_coordinator_daemon import QueuedRunCoordinatorDaemon
from dagster._utils.interrupts import capture_interrupts, setup_interrupt_handlers

from erp_sync import settings
from erp_sync.model.advice import Advice
from erp_sync.runtime import daemon_state
from erp_sync.runtime.cut_off import is_cut_off
from erp_sync.runtime.launcher import WarmRunLauncher
from erp_sync.runtime.processes import ProcessName
from erp_sync.runtime.retention import Retention
from erp_sync.runtime.service_set import FORK_SERVER
from erp_sync.runtime.supervisor import files_of
from erp_sync.runtime.workers import WarmFolder

SENSOR_LOOP_SECONDS = 0.5
"""How often sensors are looked at. Dagster looks every 5 s; a sensor with a shorter interval would wait for that.

Half of the shortest interval in use: a sensor of one second would else be found early and wait for another round.
"""

QUEUE_SECONDS = 0.5
"""How often queued runs are looked at; dagster.yaml takes whole seconds only."""

BACKFILL_LOOP_SECONDS = 5
"""How often backfills are looked at. Dagster looks every 30 s: a backfill would begin that late, and end as late."""

_LOOP_CONSTANT = "MIN_INTERVAL_LOOP_TIME"
_BACKFILL_CONSTANT = "DEFAULT_DAEMON_INTERVAL_SECONDS"

log = logging.getLogger("erp_sync.daemon")


class OtherDagster(Exception):
    """The installed Dagster has no such constant: the versions of the lock are not those installed."""

    advice = Advice(
        means="The installed Dagster is another version than the lock names: the daemon does not start, nothing is "
        "synchronised.",
        look=(".venv/bin/python -m pip show dagster",),
        do="Install requirements/run.lock, then `erp-sync up`.",
    )


class RunMonitoring(MonitoringDaemon):
    """Dagster's run monitoring, which judges started runs, and the same for runs that are starting or ending.

    Dagster gives these a time-out only, of a minute or more, and they hold their place in the queue meanwhile. Old
    runs are deleted here too.
    """

    def __init__(self, interval_seconds: float, retention: Retention | None = None) -> None:
        super().__init__(interval_seconds)
        self._retention = retention

    @classmethod
    def daemon_type(cls) -> str:
        return MonitoringDaemon.daemon_type()

    def run_iteration(self, workspace_process_context: IWorkspaceProcessContext) -> DaemonIterator:
        release_lost_runs(workspace_process_context.instance)
        yield from super().run_iteration(workspace_process_context)
        if self._retention is not None:
            self._retention.step(workspace_process_context.instance)


def release_lost_runs(instance: DagsterInstance) -> list[str]:
    """End runs that are starting or being canceled and whose worker is gone; answers their ids.

    A run that no worker has taken yet is left alone, since the launcher may be at it, unless all are gone that could.
    """
    launcher = instance.run_launcher
    if not isinstance(launcher, WarmRunLauncher):
        return []
    ended = []
    for run in instance.get_runs(RunsFilter(statuses=[DagsterRunStatus.STARTING, DagsterRunStatus.CANCELING])):
        health = launcher.check_run_worker_health(run)
        if health.status == WorkerStatus.RUNNING and health.run_worker_id is None and _is_cut_off(instance, run):
            health = CheckRunHealthResult(WorkerStatus.NOT_FOUND, "what launched it ended before it had one")
        if health.status == WorkerStatus.RUNNING:
            continue
        current = instance.get_run_by_id(run.run_id)
        if current is None or current.status != run.status:
            continue
        if run.status == DagsterRunStatus.CANCELING:
            instance.report_run_canceled(run, f"Its worker is gone ({health.msg}): the run is canceled.")
        else:
            instance.report_run_failed(run, f"Its worker is gone ({health.msg}) before the run started.")
        ended.append(run.run_id)
    return ended


def _is_cut_off(instance: DagsterInstance, run: DagsterRun) -> bool:
    record = instance.get_run_record_by_id(run.run_id)
    if record is None or run.status != DagsterRunStatus.STARTING:
        return False
    return is_cut_off(run, record.update_timestamp.timestamp(), instance.root_directory, ProcessName.own())


def wait_for_fork_server(
    home: Path, dagster_home: Path, seconds: float, sleep: Callable[[float], None] = time.sleep
) -> bool:
    """Wait until runs can be forked, for as long as the services are at starting the fork server; whether they can.

    The first runs would start cold, seconds of CPU each; without a fork server they still do.
    """
    end = time.monotonic() + seconds
    while WarmFolder(dagster_home).server() is None:
        found = files_of(home).status()
        server = found.services.get(FORK_SERVER)
        if found.supervisor is None or server is None or server.state not in ("waiting", "starting"):
            return False
        if time.monotonic() >= end:
            return False
        sleep(0.05)
    return True


def daemons_of(instance: DagsterInstance, run_days: int | None = None) -> Sequence[DagsterDaemon]:
    """Dagster's daemons for this instance, two of them replaced by quicker ones.

    Args:
        run_days: how long finished runs are kept; for ever if None.
    """
    chosen: list[DagsterDaemon] = []
    for daemon in create_daemons_from_instance(instance):
        if isinstance(daemon, MonitoringDaemon):
            chosen.append(RunMonitoring(daemon.interval_seconds, None if run_days is None else Retention(run_days)))
        elif isinstance(daemon, QueuedRunCoordinatorDaemon):
            chosen.append(QueuedRunCoordinatorDaemon(interval_seconds=QUEUE_SECONDS))
        else:
            chosen.append(daemon)
    # After the daemons were made: only the loop of backfills, which reads it when it begins, is to have it.
    _shorten(controller, _BACKFILL_CONSTANT, BACKFILL_LOOP_SECONDS)
    return chosen


def shorten_sensor_loop(seconds: float = SENSOR_LOOP_SECONDS) -> None:
    """Let the sensor daemon look every `seconds`.

    Its loop reads the constant at each round and paces each sensor by that sensor's own interval, so the only effect
    is a finer grain. Raises OtherDagster if there is no such constant.
    """
    _shorten(sensor, _LOOP_CONSTANT, seconds)


def _shorten(module: ModuleType, constant: str, seconds: float) -> None:
    if not hasattr(module, constant):
        raise OtherDagster(f"{module.__name__} has no {constant}; install the locked requirements")
    setattr(module, constant, seconds)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m erp_sync.runtime.daemon", description=__doc__)
    parser.add_argument("--workspace", type=Path, default=Path("workspace.yaml"), help="workspace file")
    parser.add_argument("--log-level", default="warning", choices=["debug", "info", "warning", "error"])
    parser.add_argument("--sensor-loop-seconds", type=float, default=SENSOR_LOOP_SECONDS)
    parser.add_argument("--fork-server-seconds", type=float, default=0.0, help="wait so long for the fork server")
    options = parser.parse_args(arguments)
    here = settings.load()
    shorten_sensor_loop(options.sensor_loop_seconds)
    setup_interrupt_handlers()
    try:
        wait_for_fork_server(here.home, here.dagster_home, options.fork_server_seconds)
        with (
            capture_interrupts(),
            DagsterInstance.get() as instance,
            daemon_controller_from_instance(
                instance,
                workspace_load_target=WorkspaceFileTarget([str(options.workspace)]),
                gen_daemons=partial(daemons_of, run_days=here.run_days),
                log_level=options.log_level,
                code_server_log_level="warning",
            ) as daemons,
        ):
            home = Path(instance.root_directory)
            daemon_state.write(home)
            log.info("daemon_ready", extra={"pid": os.getpid()})
            daemons.check_daemon_loop()
    except KeyboardInterrupt:
        return 0
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
