"""How a fork server is started; apart from the launcher, which needs Dagster."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence

from erp_sync.runtime.workers import WarmFolder


def start_fork_server(
    folder: WarmFolder,
    module: str,
    preload: Sequence[str] = (),
    warm_up: Sequence[str] = (),
    environment: Sequence[str] = (),
    most_workers: int = 50,
) -> subprocess.Popen[bytes]:
    """Start a fork server in a session of its own; its output goes to the folder's log."""
    folder.create()
    command = fork_server_command(folder, module, preload, warm_up, environment, most_workers)
    with folder.log.open("ab") as output:
        return subprocess.Popen(
            command,
            env={**os.environ, "DAGSTER_HOME": str(folder.dagster_home)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )


def fork_server_command(
    folder: WarmFolder,
    module: str,
    preload: Sequence[str] = (),
    warm_up: Sequence[str] = (),
    environment: Sequence[str] = (),
    most_workers: int = 50,
    *,
    owner: str | None = None,
    wait: bool = False,
    fixed: bool = False,
) -> list[str]:
    """Command line of a fork server for one Dagster home.

    It ends a minute after the process `owner` has gone, by default the calling one; with `wait` it stands by while
    another one serves the home, and when `fixed` it keeps the code with which it started.
    """
    command = [sys.executable, "-m", "erp_sync.runtime.fork_server", "--home", str(folder.dagster_home)]
    command += ["--module", module, "--most-workers", str(most_workers), "--owner", owner or str(os.getpid())]
    for option, values in (("--preload", preload), ("--warm-up", warm_up), ("--environment", environment)):
        for value in values:
            command += [option, value]
    return command + ["--wait"] * wait + ["--fixed"] * fixed
