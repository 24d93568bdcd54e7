"""The warm launcher through real processes: a fork server, forked runs, and what happens when one of them dies."""

from __future__ import annotations

import logging
import os
import signal

import pytest
from dagster import DagsterRun, DagsterRunStatus
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.events import DagsterEventType
from dagster._core.launcher import WorkerStatus
from dagster._core.storage.tags import PRIORITY_TAG
from dagster._daemon.monitoring.run_monitoring import monitor_started_run

from erp_sync.runtime.launcher import NoForkServer
from erp_sync.runtime.processes import ProcessName
from erp_sync.runtime.workers import Worker
from erp_sync_tests.runtime.conftest import Installation, wait_for


@pytest.fixture
def served(installation: Installation) -> Installation:
    installation.start_server()
    return installation


def started(installation: Installation, job: str, **tags: str) -> str:
    """Launch a job and return its run's id once its step runs."""
    run_id = installation.launch(job, **tags)
    wait_for(lambda: installation.instance.all_logs(run_id, of_type=DagsterEventType.STEP_START))
    return run_id


def monitor(installation: Installation, run_id: str) -> None:
    """What the daemon's run monitoring does for one run every few seconds."""
    record = installation.instance.get_run_record_by_id(run_id)
    assert record is not None
    monitor_started_run(installation.instance, installation.workspace, record, logging.getLogger("test"))


def test_a_run_is_forked_from_the_warm_process(served: Installation) -> None:
    server = served.folder.server()
    run_id = served.launch("empty_job")
    wait_for(lambda: served.finished(run_id))
    assert served.run(run_id).status == DagsterRunStatus.SUCCESS
    assert "default launcher" not in served.messages(run_id)
    assert served.folder.server() == server
    wait_for(lambda: served.folder.worker(run_id) is None)


def test_what_a_step_prints_is_kept_with_the_run(served: Installation) -> None:
    run_id = served.launch("empty_job")
    wait_for(lambda: served.finished(run_id))
    captured = served.instance.all_logs(run_id, of_type=DagsterEventType.LOGS_CAPTURED)
    key = captured[0].get_dagster_event().event_specific_data.file_key
    data = served.instance.compute_log_manager.get_log_data([run_id, "compute_logs", key])
    assert b"printed by the empty asset" in (data.stdout or b"")
    wait_for(lambda: not served.folder.output(run_id).exists())


def test_a_run_whose_code_raises_fails_with_that_error(served: Installation) -> None:
    run_id = served.launch("refused_job")
    wait_for(lambda: served.finished(run_id))
    assert served.run(run_id).status == DagsterRunStatus.FAILURE
    failure = served.instance.all_logs(run_id, of_type=DagsterEventType.STEP_FAILURE)[0].get_dagster_event()
    assert "refused by its own code" in str(failure.event_specific_data)


def test_a_crashed_worker_is_reported_by_the_fork_server(served: Installation) -> None:
    run_id = served.launch("crashing_job")
    wait_for(lambda: served.finished(run_id))
    assert served.run(run_id).status == DagsterRunStatus.FAILURE
    assert "unexpectedly exited with code 9" in served.messages(run_id)


def test_a_terminated_run_is_interrupted_and_canceled(served: Installation) -> None:
    run_id = started(served, "sleeping_job")
    assert served.launcher.check_run_worker_health(served.run(run_id)).status == WorkerStatus.RUNNING
    assert served.launcher.terminate(run_id)
    wait_for(lambda: served.finished(run_id))
    assert served.run(run_id).status == DagsterRunStatus.CANCELED
    assert not served.launcher.terminate(run_id)


@pytest.mark.parametrize(("priority", "niceness"), [("0", 0), ("-1", 4), ("-2", 8), ("-99", 19), ("3", 0), ("soon", 0)])
def test_what_the_queue_puts_behind_gives_way_on_the_processor_too(
    served: Installation, priority: str, niceness: int
) -> None:
    run_id = started(served, "sleeping_job", **{PRIORITY_TAG: priority})
    worker, server = served.folder.worker(run_id), served.folder.server()
    assert worker is not None
    assert server is not None
    ours, usual = (os.getpriority(os.PRIO_PROCESS, one.process.pid) for one in (worker, server))
    assert ours == min(19, usual + niceness)
    served.launcher.terminate(run_id)
    wait_for(lambda: served.finished(run_id))


def test_after_the_death_of_server_and_worker_the_run_fails_and_the_next_one_works(served: Installation) -> None:
    run_id = started(served, "sleeping_job")
    server, worker = served.folder.server(), served.folder.worker(run_id)
    assert server is not None
    assert worker is not None
    server.process.signal(signal.SIGKILL)
    worker.process.signal(signal.SIGKILL)
    wait_for(lambda: not worker.process.alive)
    assert served.launcher.check_run_worker_health(served.run(run_id)).status == WorkerStatus.NOT_FOUND
    monitor(served, run_id)
    assert served.run(run_id).status == DagsterRunStatus.FAILURE

    second = served.launch("empty_job")
    assert "the default launcher takes this run while a fork server starts" in served.messages(second)
    wait_for(lambda: served.finished(second))
    assert served.run(second).status == DagsterRunStatus.SUCCESS

    wait_for(served.folder.server)
    third = served.launch("empty_job")
    wait_for(lambda: served.finished(third))
    assert "default launcher" not in served.messages(third)


def test_a_run_of_the_default_launcher_is_judged_by_the_process_in_its_log(
    served: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(served.launcher, "_current_code", lambda: "another")
    monkeypatch.setattr(served.launcher, "_start_server", False)
    run_id = started(served, "sleeping_job")
    assert served.folder.worker(run_id) is None
    health = served.launcher.check_run_worker_health(served.run(run_id))
    assert health.status == WorkerStatus.RUNNING
    os.kill(int(health.run_worker_id or 0), signal.SIGKILL)
    wait_for(lambda: served.launcher.check_run_worker_health(served.run(run_id)).status == WorkerStatus.NOT_FOUND)
    monitor(served, run_id)
    assert served.run(run_id).status == DagsterRunStatus.FAILURE


def test_a_reused_process_number_is_not_the_worker(served: Installation) -> None:
    run_id = served.launch("empty_job")
    wait_for(lambda: served.finished(run_id) and served.folder.worker(run_id) is None)
    earlier = ProcessName(os.getpid(), ProcessName.own().created - 3600)
    served.folder.write_worker(Worker(run_id, earlier))
    assert served.launcher.check_run_worker_health(served.run(run_id)).status == WorkerStatus.NOT_FOUND
    served.folder.forget(run_id)


def test_a_full_fork_server_leaves_the_run_to_the_queue(served: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_run: DagsterRun) -> int:
        raise NoForkServer("All 50 places are taken", start=False, full=True)

    monkeypatch.setattr(served.launcher, "_hand_over", full)
    with pytest.raises(DagsterUserCodeUnreachableError, match="All 50 places"):
        served.launch("empty_job")


@pytest.fixture
def left_to_dagster(served: Installation, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Runs that the default launcher was given. It starts no process for them: what that takes is seen above."""
    given: list[str] = []
    monkeypatch.setattr(served.launcher._default, "launch_run", lambda one: given.append(one.dagster_run.run_id))
    return given


def test_a_fork_server_that_the_services_start_is_not_started_by_the_launcher(
    served: Installation, left_to_dagster: list[str]
) -> None:
    served.end_processes()
    served.folder.write_keeper(ProcessName.own())
    try:
        before = served.launcher._started
        run_id = served.launch("empty_job")
        assert "while a fork server starts in the background" in served.messages(run_id)
        assert served.launcher._started is before
        assert left_to_dagster == [run_id]
    finally:
        served.folder.kept.unlink()


def test_code_that_cannot_be_loaded_leaves_runs_to_the_default_launcher_and_is_not_tried_at_once_again(
    served: Installation, monkeypatch: pytest.MonkeyPatch, left_to_dagster: list[str]
) -> None:
    served.end_processes()
    monkeypatch.setattr(served.launcher, "_preload", ("no_such_module",))
    first = served.launch("empty_job")
    wait_for(lambda: served.launcher._started is not None and served.launcher._started.poll() is not None)
    second = served.launch("empty_job")
    assert "the default launcher takes this run." in served.messages(second)
    assert "no_such_module" in served.folder.log.read_text()
    assert left_to_dagster == [first, second]
