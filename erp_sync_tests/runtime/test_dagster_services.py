"""Dagster's services together, as real processes: which end they come to, and what becomes of runs meanwhile."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import yaml
from dagster import DagsterInstance, DagsterRunStatus, RunsFilter
from dagster._core.workspace.context import BaseWorkspaceRequestContext

from erp_sync import settings
from erp_sync.runtime import services
from erp_sync.runtime.service_set import FORK_SERVER, Service, environment_of
from erp_sync.runtime.storage import initialise
from erp_sync.runtime.submitting import create_run, workspace_of
from erp_sync.runtime.supervisor import ServiceState
from erp_sync.runtime.workers import WarmFolder
from erp_sync.settings import Settings
from erp_sync_tests.runtime.conftest import LOCATION, wait_for


def small_installation(folder: Path) -> Settings:
    """Initialised, with the test location in place of the project's own."""
    chosen = settings.load({"ERP_SYNC_HOME": str(folder / "home")})
    initialise(chosen)
    configuration = chosen.dagster_home / "dagster.yaml"
    content = yaml.safe_load(configuration.read_text())
    content["run_launcher"]["config"] = {"module": LOCATION, "preload": []}
    configuration.write_text(yaml.safe_dump(content))
    return chosen


@pytest.mark.parametrize(("chosen", "arenas"), [(None, "2"), ("8", "8")])
def test_threads_of_the_code_server_share_their_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chosen: str | None, arenas: str
) -> None:
    monkeypatch.delenv("MALLOC_ARENA_MAX", raising=False)
    if chosen is not None:
        monkeypatch.setenv("MALLOC_ARENA_MAX", chosen)
    plan = services.dagster_services(small_installation(tmp_path), module=LOCATION, web_port=None)
    (code_server,) = [one for one in plan if one.name == "code-server"]
    assert environment_of(code_server)["MALLOC_ARENA_MAX"] == arenas


class Serving:
    """Dagster's services over the test location. They take ten seconds of a processor to start: those of a test are
    the next one's, where it has not ended them."""

    def __init__(self, folder: Path) -> None:
        self.settings = small_installation(folder)
        self.folder = WarmFolder(self.settings.dagster_home)

    def plan(self) -> list[Service]:
        """A fork server that does not answer is replaced early: nobody waits for a minute here."""
        return [
            msgspec.structs.replace(one, hung_seconds=5.0 if one.name == FORK_SERVER else 600.0)
            for one in services.dagster_services(self.settings, module=LOCATION, web_port=None)
        ]

    def up(self) -> None:
        if services.status(self.settings).supervisor is None:
            services.start(self.settings, self.plan())
        wait_for(lambda: services.status(self.settings).ready)

    def down(self) -> bool:
        ended = services.stop(self.settings)
        for left in self.folder.workers():
            left.process.signal(signal.SIGKILL)
        return ended

    @property
    def fork_server(self) -> ServiceState:
        return services.status(self.settings).services[FORK_SERVER]


class Runs:
    """Runs of the test location, given to the queue."""

    def __init__(self, instance: DagsterInstance, workspace: BaseWorkspaceRequestContext) -> None:
        self.instance, self.workspace = instance, workspace

    def submitted(self, job: str) -> str:
        run_id = create_run(self.instance, self.workspace, job).run_id
        self.instance.submit_run(run_id, self.workspace)
        return run_id

    def status(self, run_id: str) -> DagsterRunStatus:
        run = self.instance.get_run_by_id(run_id)
        assert run is not None
        return run.status

    def reaches(self, run_id: str, wanted: DagsterRunStatus) -> None:
        wait_for(lambda: self.status(run_id) == wanted)

    def cold(self, run_id: str) -> bool:
        events = (entry.dagster_event for entry in self.instance.all_logs(run_id))
        return any("default launcher" in (event.message or "") for event in events if event is not None)

    def succeeded(self) -> int:
        return self.instance.get_runs_count(RunsFilter(statuses=[DagsterRunStatus.SUCCESS]))


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    made = Serving(tmp_path_factory.mktemp("serving"))
    yield made
    made.down()


@pytest.fixture
def runs(serving: Serving) -> Iterator[Runs]:
    """With everything running."""
    serving.up()
    with (
        DagsterInstance.from_config(str(serving.settings.dagster_home)) as instance,
        workspace_of(instance, services.workspace_file(serving.settings)) as workspace,
    ):
        yield Runs(instance, workspace)


@pytest.mark.e2e
def test_a_fork_server_that_dies_alone_is_started_again_and_no_run_is_lost(serving: Serving, runs: Runs) -> None:
    """Runs that come meanwhile take the default launcher, the one under way goes on, later ones are warm."""
    restarts = serving.fork_server.restarts
    under_way = runs.submitted("sleeping_job")
    runs.reaches(under_way, DagsterRunStatus.STARTED)
    worker, first = serving.folder.worker(under_way), serving.folder.server()
    assert worker is not None
    assert first is not None
    for _ in range(2):  # the second time soon after its start
        server = serving.folder.server()
        assert server is not None
        server.process.signal(signal.SIGKILL)
        wait_for(lambda dead=server: not dead.process.alive)  # type: ignore[misc]
        meanwhile = runs.submitted("empty_job")
        wait_for(lambda dead=server: serving.folder.server() not in (None, dead))  # type: ignore[misc]
        runs.reaches(meanwhile, DagsterRunStatus.SUCCESS)
        wait_for(lambda: services.status(serving.settings).ready)
        later = runs.submitted("empty_job")
        runs.reaches(later, DagsterRunStatus.SUCCESS)
        assert not runs.cold(later)
    assert serving.fork_server.restarts == restarts + 2
    assert runs.status(under_way) == DagsterRunStatus.STARTED
    assert worker.process.alive
    runs.instance.run_launcher.terminate(under_way)
    runs.reaches(under_way, DagsterRunStatus.CANCELED)


@pytest.mark.e2e
def test_a_fork_server_that_hangs_is_replaced_and_the_run_under_way_goes_on(serving: Serving, runs: Runs) -> None:
    """It kept socket and lock: every run took the default launcher, until somebody looked."""
    under_way = runs.submitted("sleeping_job")
    runs.reaches(under_way, DagsterRunStatus.STARTED)
    worker, first = serving.folder.worker(under_way), serving.folder.server()
    assert worker is not None
    assert first is not None
    first.process.signal(signal.SIGSTOP)
    wait_for(lambda: serving.folder.server() not in (None, first))
    assert not first.process.alive
    assert serving.fork_server.hung_at is not None
    wait_for(lambda: services.status(serving.settings).ready)
    later = runs.submitted("empty_job")
    runs.reaches(later, DagsterRunStatus.SUCCESS)
    assert not runs.cold(later)
    assert runs.status(under_way) == DagsterRunStatus.STARTED
    assert worker.process.alive
    runs.instance.run_launcher.terminate(under_way)
    runs.reaches(under_way, DagsterRunStatus.CANCELED)


@pytest.mark.e2e
def test_after_a_kill_of_everything_the_run_is_failed_and_the_next_ones_run(serving: Serving, runs: Runs) -> None:
    chosen = serving.settings
    with pytest.raises(services.AlreadyRunning):
        services.start(chosen, serving.plan())
    before = runs.succeeded()
    (chosen.dagster_home / "touched").touch()
    wait_for(lambda: runs.succeeded() == before + 1)
    run_id = runs.submitted("sleeping_job")
    runs.reaches(run_id, DagsterRunStatus.STARTED)

    wait_for(lambda: len(serving.folder.workers()) == 1)  # those of the tests before it have ended
    killed = services.kill_everything(chosen)
    assert len(killed) == 5
    wait_for(lambda: services.status(chosen).supervisor is None)
    assert services.start(chosen, serving.plan()).ready
    runs.reaches(run_id, DagsterRunStatus.FAILURE)
    (chosen.dagster_home / "touched").touch()
    wait_for(lambda: runs.succeeded() == before + 2)
    processes = [each.process for each in services.status(chosen).services.values()]
    assert serving.down()
    assert not any(process.alive for process in processes if process is not None)
