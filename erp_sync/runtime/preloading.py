"""What a fork server does once so that no run has to: imports, definitions, one empty run."""

from __future__ import annotations

import contextlib
import importlib
import io
import pkgutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

if TYPE_CHECKING:
    from dagster import DagsterInstance

ALWAYS = ("pandas", "pyarrow", "pyarrow.parquet", "sqlalchemy", "httpx", "duckdb")
"""Imported for every code location; they take about two seconds."""

_NOT_FOR_RUNS = {"sandbox", "migrations", "migrate", "__main__"}

_opened: dict[str, DagsterInstance] = {}


def load(module: str, preload: Sequence[str], warm_up: Sequence[str]) -> None:
    """Import everything that a run of code location `module` needs and leave no thread and no connection behind.

    Args:
        module: holds the Definitions object of the code location.
        preload: modules to import besides; ``package.*`` means the package with everything below it.
        warm_up: functions without arguments, as ``module:function``, called at the end.

    Raises whatever an import or the definitions raise: a fork server with broken code must not start.
    """
    tqdm.monitor_interval = 0  # the first progress bar of a process would start a thread that watches them
    for name in preload:
        if name.endswith(".*"):
            _import_below(name.removesuffix(".*"))
        else:
            importlib.import_module(name)
    _load_definitions(module)
    _run_empty_job()
    _open_instance()
    for entry in warm_up:
        where, _, function = entry.partition(":")
        getattr(importlib.import_module(where), function)()
    # an interactive shell puts the working directory first; `-m` does so too, and so do Dagster's own commands
    if "" in sys.path:
        sys.path[sys.path.index("")] = str(Path.cwd())


def _import_below(package: str) -> None:
    """Import a package and its modules, but none that runs never use: sandboxes, migrations, programs."""
    folder = importlib.import_module(package).__path__
    for found in pkgutil.iter_modules(folder, prefix=f"{package}."):
        if found.name.rpartition(".")[2] in _NOT_FOR_RUNS:
            continue
        if found.ispkg:
            _import_below(found.name)
        else:
            importlib.import_module(found.name)


def _load_definitions(module: str) -> None:
    """Build the repository and its jobs: Definitions keep them, so a worker finds them built."""
    from dagster._core.definitions.reconstruct import repository_def_from_target_def
    from dagster._core.workspace.autodiscovery import loadable_targets_from_python_module

    for target in loadable_targets_from_python_module(module, working_directory=str(Path.cwd())):
        repository = repository_def_from_target_def(target.target_definition)
        if repository is not None:
            repository.get_all_jobs()


def _open_instance() -> None:
    """Open this home's storage and keep it, without its connections, so that workers may inherit it."""
    from dagster import DagsterInstance
    from dagster._core.events import DagsterEventType
    from dagster._serdes import serialize_value

    from erp_sync.runtime.sqlite import close_connections

    opened = DagsterInstance.get()
    for run in opened.get_runs(limit=1):
        opened.get_run_record_by_id(run.run_id)
        opened.all_logs(run.run_id, of_type=DagsterEventType.ENGINE_EVENT)
    opened.get_concurrency_config()
    assert opened.compute_log_manager  # opened when first asked for
    close_connections(opened)
    _opened[serialize_value(opened.get_ref())] = opened


def instance_of(reference: str) -> DagsterInstance:
    """The instance of a serialised reference: the one that the fork server opened, or a new one."""
    from dagster import DagsterInstance
    from dagster._core.instance import InstanceRef
    from dagster._serdes import deserialize_value

    found = _opened.get(reference)
    return found if found is not None else DagsterInstance.from_ref(deserialize_value(reference, InstanceRef))


def _run_empty_job() -> None:
    """Execute an empty asset with a check through the same executor that runs use, on an instance in memory."""
    import dagster as dg
    import dagster._cli.api  # what a worker calls

    @dg.asset(name="warm_up", check_specs=[dg.AssetCheckSpec("warm_up_check", asset="warm_up")])
    def warm_up():
        yield dg.MaterializeResult(metadata={"rows": 0})
        yield dg.AssetCheckResult(passed=True, check_name="warm_up_check")

    with (
        tempfile.TemporaryDirectory() as folder,
        dg.DagsterInstance.ephemeral(tempdir=folder) as instance,
        contextlib.redirect_stderr(io.StringIO()),  # Dagster's own account of it
    ):
        dg.materialize([warm_up], instance=instance)
