"""What a run costs here: warm and default launcher, one after another and at once, and from a touched file.

``python -m erp_sync.runtime.bench_runs`` prints the figures as JSON; `main` returns them. Loaded and idle services
share the machine with it: figures of two machines, or of a busy one, do not compare.
"""

from __future__ import annotations

import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import psutil
import yaml
from dagster import DagsterInstance, DagsterRunStatus, RunsFilter
from dagster._core.storage.dagster_run import FINISHED_STATUSES
from dagster._core.workspace.context import BaseWorkspaceRequestContext

from erp_sync import settings as settings_module
from erp_sync.model.advice import Advice
from erp_sync.runtime import figures, services
from erp_sync.runtime.service_set import Service
from erp_sync.runtime.storage import initialise
from erp_sync.runtime.submitting import create_run, workspace_of
from erp_sync.runtime.workers import WarmFolder
from erp_sync.settings import Settings

MODULE = "erp_sync.runtime.bench_location"
JOB = "nothing_job"
_PATIENCE_SECONDS = 300.0


class RunFailed(RuntimeError):
    """A run of the bench did not succeed. Attributes: run_id, status."""

    advice = Advice(
        means="A run of a bench failed. Concerns no business.",
        look=("make bench NAME=runs",),
        do="Look at the run that the message names.",
    )

    def __init__(self, run_id: str, status: str) -> None:
        self.run_id, self.status = run_id, status
        super().__init__(f"run {run_id} of the bench ended as {status}")


class Timing(msgspec.Struct, frozen=True):
    """Runs launched and finished, in seconds.

    Attributes:
        runs: how many.
        each_p50, each_p95: from launch to the run's end in storage.
        all: from the first launch to the last end.
        cpu_a_run: CPU time of all workers divided by the runs.
    """

    runs: int
    each_p50: float
    each_p95: float
    all: float
    cpu_a_run: float


def main(runs: int = 20, default_runs: int = 3) -> dict[str, Any]:
    """Measure in a folder of its own and return the figures.

    Args:
        runs: through the warm launcher, one after another and then at once.
        default_runs: through Dagster's default launcher, for comparison; each takes seconds.
    """
    with tempfile.TemporaryDirectory(prefix="erp_sync-bench-") as folder, installation(Path(folder) / "home") as chosen:
        plan = services.dagster_services(chosen, module=MODULE, web_port=None)
        services.start(chosen, plan)
        try:
            with (
                DagsterInstance.from_config(str(chosen.dagster_home)) as instance,
                workspace_of(instance, services.workspace_file(chosen)) as workspace,
            ):
                warm = WarmFolder(chosen.dagster_home)
                launch(instance, workspace, 2, at_once=False)  # the first ones touch pages that later ones find
                return {
                    "warm_one_after_another": _plain(timed(instance, workspace, warm, runs, at_once=False)),
                    "warm_at_once": _plain(timed(instance, workspace, warm, runs, at_once=True)),
                    "touched_to_finished_s": touched_to_finished(chosen, instance, 10),
                    "idle_cpu_share": idle_share(chosen, seconds=20.0),
                    "default_one_after_another": _plain(_default(chosen, instance, workspace, default_runs)),
                    "memory_megabytes": {
                        name: round(cost.resident_megabytes) for name, cost in figures.costs(chosen).items()
                    },
                }
        finally:
            services.stop(chosen)


def timed(
    instance: DagsterInstance,
    workspace: BaseWorkspaceRequestContext,
    warm: WarmFolder,
    runs: int,
    *,
    at_once: bool,
    job: str = JOB,
) -> Timing:
    """Launch runs of a job past the queue and time them; CPU is what the kernel counted for their workers."""
    started = time.monotonic()
    ids, each = launch(instance, workspace, runs, at_once=at_once, job=job)
    took = time.monotonic() - started
    _until(lambda: set(ids) <= {run.run_id for run in _finished(warm)})
    cpu = sum(run.cpu_seconds for run in _finished(warm) if run.run_id in set(ids))
    return _timing(each, took, cpu)


def launch(
    instance: DagsterInstance,
    workspace: BaseWorkspaceRequestContext,
    runs: int,
    *,
    at_once: bool,
    job: str = JOB,
) -> tuple[list[str], list[float]]:
    """Launch runs and wait for them; answers their ids and the seconds that each took. Raises RunFailed."""
    ids = [create_run(instance, workspace, job).run_id for _ in range(runs)]
    launched: dict[str, float] = {}
    ended: dict[str, float] = {}

    def look() -> bool:
        done = instance.get_runs(RunsFilter(run_ids=[each for each in launched if each not in ended] or [""]))
        for run in done:
            if run.status in FINISHED_STATUSES:
                ended[run.run_id] = time.monotonic()
                if run.status != DagsterRunStatus.SUCCESS:
                    raise RunFailed(run.run_id, run.status.value)
        return len(ended) == len(launched)

    for run_id in ids:
        launched[run_id] = time.monotonic()
        instance.launch_run(run_id, workspace)
        if not at_once:
            _until(look)
    _until(look)
    return ids, [ended[run_id] - launched[run_id] for run_id in ids]


def touched_to_finished(chosen: Settings, instance: DagsterInstance, times: int) -> dict[str, float]:
    """Seconds from touching the file that the sensor watches to the end of the run that the queue started."""
    taken = []
    for number in range(times):
        time.sleep(0.37 * (number % 3))  # not in step with the loops
        succeeded = RunsFilter(statuses=[DagsterRunStatus.SUCCESS])
        before = instance.get_runs_count(succeeded)
        started = time.monotonic()
        (chosen.dagster_home / "touched").touch()
        _until(partial(_more_than, instance, succeeded, before))
        taken.append(time.monotonic() - started)
    return {"p50": round(statistics.median(taken), 2), "max": round(max(taken), 2)}


def idle_share(chosen: Settings, seconds: float) -> dict[str, float]:
    """Share of one core that each service takes while nothing is due."""
    before, started = figures.costs(chosen), time.monotonic()
    time.sleep(seconds)
    after, took = figures.costs(chosen), time.monotonic() - started
    return {
        name: round((after[name].cpu_seconds - before[name].cpu_seconds) / took, 4) for name in after if name in before
    }


def _default(chosen: Settings, instance: DagsterInstance, workspace: BaseWorkspaceRequestContext, runs: int) -> Timing:
    """The same job through Dagster's default launcher, which the code server executes."""
    from dagster._core.launcher import LaunchRunContext

    launcher = instance.run_launcher._default  # type: ignore[attr-defined]
    code_server = services.status(chosen).services["code-server"].process
    assert code_server is not None
    each, cpu_before, started = [], _with_children(code_server.pid), time.monotonic()
    for _ in range(runs):
        run = create_run(instance, workspace, JOB)
        began = time.monotonic()
        launcher.launch_run(LaunchRunContext(run, workspace))
        _until(partial(_more_than, instance, RunsFilter([run.run_id], statuses=list(FINISHED_STATUSES)), 0))
        each.append(time.monotonic() - began)
    took = time.monotonic() - started
    time.sleep(2.0)  # the code server looks for ended workers twice a second
    return _timing(each, took, _with_children(code_server.pid) - cpu_before)


@contextmanager
def installation(home: Path) -> Iterator[Settings]:
    """An empty installation whose launcher loads the bench's code location."""
    before = {name: os.environ.get(name) for name in ("ERP_SYNC_HOME", "DAGSTER_HOME")}
    os.environ["ERP_SYNC_HOME"] = str(home)
    os.environ.pop("DAGSTER_HOME", None)
    try:
        chosen = settings_module.load()
        initialise(chosen)
        configuration = chosen.dagster_home / "dagster.yaml"
        content = yaml.safe_load(configuration.read_text())
        content["run_launcher"]["config"]["module"] = MODULE
        configuration.write_text(yaml.safe_dump(content))
        yield chosen
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _more_than(instance: DagsterInstance, runs: RunsFilter, count: int) -> bool:
    return instance.get_runs_count(runs) > count


def _finished(warm: WarmFolder) -> Sequence[Any]:
    found = figures.forked_runs(warm)
    return found.finished if found is not None else []


def _with_children(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system + times.children_user + times.children_system)


def _timing(each: Sequence[float], took: float, cpu: float) -> Timing:
    ordered = sorted(each)
    return Timing(
        runs=len(each),
        each_p50=round(statistics.median(ordered), 3),
        each_p95=round(ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))], 3),
        all=round(took, 2),
        cpu_a_run=round(cpu / len(each), 3),
    )


def _until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + _PATIENCE_SECONDS
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"nothing came of it in {_PATIENCE_SECONDS:.0f} s")
        time.sleep(0.01)


def _plain(timing: Timing) -> dict[str, Any]:
    return msgspec.structs.asdict(timing)


__all__ = ["MODULE", "RunFailed", "Service", "Timing", "idle_share", "installation", "launch", "main", "timed"]


if __name__ == "__main__":
    print(json.dumps(main(), indent=2))
