"""Whether the launch of a run was cut off: whoever could still start its worker is gone."""

from __future__ import annotations

import json
import socket
import struct
from pathlib import Path

import psutil
from dagster import DagsterRun
from dagster._core.storage.tags import GRPC_INFO_TAG

from erp_sync.runtime.processes import ProcessName

_SECONDS = 1.0
"""A process's start is told to a hundredth of a second from the boot time, which a clock correction moves a little."""


def is_cut_off(run: DagsterRun, began: float, dagster_home: Path | str, daemon: ProcessName) -> bool:
    """Whether no worker can come any more for a run that is starting and has named none.

    So it is when its launch began before this daemon did and, had it been handed to a code server, before the one
    that is there now, and no process that the earlier one may have started for it is left. A machine's crash leaves
    such runs; the time-out for starting would keep their flows waiting.

    Args:
        began: when its launch began, seconds since 1970-01-01 UTC.
        daemon: the daemon that launches runs now.
    """
    if daemon.created < began + _SECONDS:
        return False
    handed_to = run.tags.get(GRPC_INFO_TAG)
    if handed_to is None:
        return True
    path = json.loads(handed_to).get("socket")
    server = listener(path) if path else None
    if server is None or server.created < began + _SECONDS:
        return False
    return not any(
        began - _SECONDS <= process.created < server.created for process in processes_of(dagster_home)
    )  # fmt: skip


def listener(path: str) -> ProcessName | None:
    """The process that listens on a Unix socket; None where none does."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(5.0)
        try:
            connection.connect(path)
        except OSError:
            return None
        told = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return ProcessName.of(struct.unpack("3i", told)[0])


def processes_of(dagster_home: Path | str) -> list[ProcessName]:
    """Living processes that were started for this Dagster home, by their environment."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("DAGSTER_HOME") == str(dagster_home):
                found.append(ProcessName(process.pid, process.create_time()))
        except psutil.Error:  # gone meanwhile, or another user's
            continue
    return found
