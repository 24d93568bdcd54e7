"""Which process is the daemon of a Dagster home; apart from the daemon, which needs Dagster."""

from __future__ import annotations

from pathlib import Path

import msgspec

from erp_sync.runtime.processes import ProcessName, read_whole, write_whole


class DaemonState(msgspec.Struct, frozen=True):
    """The daemon of a Dagster home. Attributes: process."""

    process: ProcessName


def state_file(dagster_home: Path | str) -> Path:
    """Where a daemon that has started says so."""
    return Path(dagster_home) / "daemon.json"


def running(dagster_home: Path | str) -> ProcessName | None:
    """The daemon of this home whose threads have started, if it lives."""
    state = read_whole(state_file(dagster_home), DaemonState)
    return state.process if state is not None and state.process.alive else None


def write(dagster_home: Path | str) -> None:
    """Say that this process is the daemon of that home and has started its threads."""
    write_whole(state_file(dagster_home), msgspec.json.encode(DaemonState(ProcessName.own())))
