"""Runs of jobs, created as Dagster's own daemon creates them, for commands and benches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dagster import DagsterInstance, DagsterRun, DagsterRunStatus
from dagster._core.workspace.context import BaseWorkspaceRequestContext, WorkspaceProcessContext
from dagster._core.workspace.load_target import ModuleTarget, WorkspaceFileTarget, WorkspaceLoadTarget

from erp_sync.model.advice import Advice


class NoSuchJob(LookupError):
    """No loaded code location has this job. Attributes: job, known."""

    advice = Advice(
        means="A job was asked for that no route has. Nothing was started.",
        look=("erp-sync status",),
        do="Take one of the names in the message. After a change of the YAML: `erp-sync down`, `erp-sync up`.",
    )

    def __init__(self, job: str, known: list[str]) -> None:
        self.job, self.known = job, known
        super().__init__(f"no job named {job!r}; there are {', '.join(sorted(known)) or 'none'}")


@contextmanager
def workspace_of(instance: DagsterInstance, target: Path | str) -> Iterator[BaseWorkspaceRequestContext]:
    """Code locations of a workspace file, or of a module by name.

    A workspace file that names a running code server connects to it; a module is loaded by a server of its own,
    which takes seconds.
    """
    load: WorkspaceLoadTarget
    if isinstance(target, Path):
        load = WorkspaceFileTarget([str(target)])
    else:
        load = ModuleTarget(target, attribute=None, working_directory=str(Path.cwd()), location_name=target)
    with WorkspaceProcessContext(instance, load) as processes:
        yield processes.create_request_context()


def create_run(
    instance: DagsterInstance,
    workspace: BaseWorkspaceRequestContext,
    job_name: str,
    *,
    run_config: Mapping[str, Any] | None = None,
    tags: Mapping[str, str] | None = None,
) -> DagsterRun:
    """Store a run of a job, not started: hand its id to ``instance.submit_run`` (queue) or ``instance.launch_run``.

    A partition is given by the tag ``dagster/partition``. Raises NoSuchJob.
    """
    known: list[str] = []
    for entry in workspace.get_code_location_entries().values():
        location = entry.code_location
        if location is None:
            continue
        for repository in location.get_repositories().values():
            known += [job.name for job in repository.get_all_jobs()]
            if not repository.has_job(job_name):
                continue
            job = repository.get_full_job(job_name)
            plan = location.get_execution_plan(job, run_config or {}, None, None, instance)
            return instance.create_run(
                job_name=job.name,
                run_id=None,
                run_config=run_config or {},
                resolved_op_selection=job.resolved_op_selection,
                step_keys_to_execute=None,
                op_selection=job.op_selection,
                status=DagsterRunStatus.NOT_STARTED,
                root_run_id=None,
                parent_run_id=None,
                tags={**job.run_tags, **(tags or {})},
                job_snapshot=job.job_snapshot,
                execution_plan_snapshot=plan.execution_plan_snapshot,
                parent_job_snapshot=job.parent_job_snapshot,
                remote_job_origin=job.get_remote_origin(),
                job_code_origin=job.get_python_origin(),
                asset_selection=None,
                asset_check_selection=None,
                asset_graph=repository.asset_graph,
            )
    raise NoSuchJob(job_name, known)
