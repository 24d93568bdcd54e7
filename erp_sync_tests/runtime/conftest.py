"""A Dagster home with this project's launcher, a workspace over the test location, and their processes."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from dagster import DagsterInstance, DagsterRun
from dagster._core.workspace.context import BaseWorkspaceRequestContext

from erp_sync.runtime.launch_fork_server import start_fork_server
from erp_sync.runtime.launcher import WarmRunLauncher
from erp_sync.runtime.storage import TEMPLATE, _filled
from erp_sync.runtime.submitting import create_run, workspace_of
from erp_sync.runtime.workers import WarmFolder

LOCATION = "small_location"
"""The module `location.py` beside this file, copied to a folder of its own: nobody edits it while tests run."""


def wait_for(condition: Callable[[], object], seconds: float = 120.0) -> None:
    """Return when the condition holds; fail the test if it does not in time."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


@pytest.fixture(scope="session", autouse=True)
def location_source(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """File of the module LOCATION, importable here and in child processes."""
    folder = tmp_path_factory.mktemp("location")
    source = folder / f"{LOCATION}.py"
    shutil.copy(Path(__file__).with_name("location.py"), source)
    paths = [str(folder), str(Path(__file__).parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])]
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        patch.setenv("PYTHONPATH", os.pathsep.join(paths))
        yield source


class Installation:
    """A Dagster home for tests. `launch` starts a run of a job of the test location as the queue would."""

    def __init__(self, home: Path, instance: DagsterInstance, workspace: BaseWorkspaceRequestContext) -> None:
        self.home, self.instance, self.workspace = home, instance, workspace
        self.folder = WarmFolder(home)

    @property
    def launcher(self) -> WarmRunLauncher:
        launcher = self.instance.run_launcher
        assert isinstance(launcher, WarmRunLauncher)
        return launcher

    def start_server(self) -> None:
        if self.folder.server() is None:
            start_fork_server(self.folder, LOCATION)
            wait_for(self.folder.server)

    def launch(self, job_name: str, **tags: str) -> str:
        run = create_run(self.instance, self.workspace, job_name, tags=tags)
        self.instance.launch_run(run.run_id, self.workspace)
        return run.run_id

    def run(self, run_id: str) -> DagsterRun:
        run = self.instance.get_run_by_id(run_id)
        assert run is not None
        return run

    def finished(self, run_id: str) -> bool:
        return self.run(run_id).is_finished

    def messages(self, run_id: str) -> str:
        events = (entry.dagster_event for entry in self.instance.all_logs(run_id))
        return "\n".join(event.message or "" for event in events if event is not None)

    def end_processes(self) -> None:
        for worker in self.folder.workers():
            worker.process.signal(signal.SIGKILL)
        server = self.folder.server()
        if server is not None:
            server.process.signal(signal.SIGKILL)
            wait_for(lambda: not server.process.alive)


@contextlib.contextmanager
def installation_in(home: Path, content: dict[str, Any] | None = None) -> Iterator[Installation]:
    """An installation in a folder, with dagster.yaml as it ships or with other content, over the test location."""
    home.mkdir(parents=True, exist_ok=True)
    configuration = content or _filled(yaml.safe_load(TEMPLATE.read_text()), str(home))
    configuration["run_launcher"]["config"] = {"module": LOCATION, "preload": []}
    del configuration["run_coordinator"], configuration["concurrency"]
    (home / "dagster.yaml").write_text(yaml.safe_dump(configuration))
    before = os.environ.get("DAGSTER_HOME")
    os.environ["DAGSTER_HOME"] = str(home)
    with DagsterInstance.from_config(str(home)) as instance, workspace_of(instance, LOCATION) as workspace:
        installation = Installation(home, instance, workspace)
        try:
            yield installation
        finally:
            installation.end_processes()
            if before is None:
                del os.environ["DAGSTER_HOME"]
            else:
                os.environ["DAGSTER_HOME"] = before


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Shared by a module: a code server and a fork server take seconds to start."""
    with installation_in(tmp_path_factory.mktemp("dagster")) as made:
        yield made
