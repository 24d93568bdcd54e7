"""A launch counts as cut off only when nothing is left that could still start the run's worker."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from dagster import DagsterRun
from dagster._core.storage.tags import GRPC_INFO_TAG

from erp_sync.runtime.cut_off import is_cut_off, listener, processes_of
from erp_sync.runtime.processes import ProcessName

LISTENING = "import socket, sys; s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen(); print(flush=1)"
Start = Callable[..., ProcessName]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a process that has printed a line and waits; with a home it is of that Dagster home."""
    started: list[subprocess.Popen[str]] = []

    def one(code: str, *arguments: str, home: Path | None = None) -> ProcessName:
        process = subprocess.Popen(
            [sys.executable, "-c", f"{code}; sys.stdin.read()", *arguments],
            env={**os.environ, **({"DAGSTER_HOME": str(home)} if home is not None else {})},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        started.append(process)
        assert process.stdout is not None
        process.stdout.readline()
        name = ProcessName.of(process.pid)
        assert name is not None
        return name

    yield one
    for process in started:
        process.kill()
        process.communicate()


def a_run(socket: str | None = None) -> DagsterRun:
    tags = {GRPC_INFO_TAG: json.dumps({"host": "localhost", "socket": socket})} if socket else {}
    return DagsterRun(job_name="some", tags=tags)


def test_a_launch_before_this_daemon_that_nobody_had_taken_is_cut_off(tmp_path: Path) -> None:
    daemon = ProcessName(1, 1000.0)
    assert is_cut_off(a_run(), 990.0, tmp_path, daemon)
    assert not is_cut_off(a_run(), 1000.0, tmp_path, daemon)
    assert not is_cut_off(a_run(), 1001.0, tmp_path, daemon)


def test_what_an_earlier_code_server_had_taken_is_cut_off_once_nothing_of_it_is_left(
    tmp_path: Path, start: Start
) -> None:
    path = str(tmp_path / "code")
    # The worker that the code server of before had begun to start lives on without it.
    orphan = start("import sys; print(flush=True)", home=tmp_path)
    server = start(LISTENING, path, home=tmp_path)
    assert listener(path) == server
    daemon = ProcessName(1, server.created + 5.0)
    began = orphan.created - 2.0
    assert not is_cut_off(a_run(path), began, tmp_path, daemon)
    orphan.signal(9)
    os.waitpid(orphan.pid, 0)
    assert is_cut_off(a_run(path), began, tmp_path, daemon)


def test_a_code_server_that_has_been_there_all_the_time_may_still_start_it(tmp_path: Path, start: Start) -> None:
    path = str(tmp_path / "code")
    server = start(LISTENING, path, home=tmp_path)
    assert not is_cut_off(a_run(path), server.created + 1.0, tmp_path, ProcessName(1, server.created + 5.0))


def test_without_a_code_server_nothing_is_said(tmp_path: Path) -> None:
    assert listener(str(tmp_path / "nobody")) is None
    assert not is_cut_off(a_run(str(tmp_path / "nobody")), 1.0, tmp_path, ProcessName.own())


def test_processes_are_found_by_their_home(tmp_path: Path, start: Start) -> None:
    ours = start("import sys; print(flush=True)", home=tmp_path / "ours")
    start("import sys; print(flush=True)", home=tmp_path / "others")
    assert processes_of(tmp_path / "ours") == [ours]
