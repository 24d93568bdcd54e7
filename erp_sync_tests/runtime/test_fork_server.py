"""The fork server's promises: one per home, no fork with threads, no double start, replaced when code changes."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
from pathlib import Path

import pytest

from erp_sync.runtime import messages, run_worker
from erp_sync.runtime.fingerprint import fingerprint
from erp_sync.runtime.fork_server import ALREADY_SERVED, ForkServer
from erp_sync.runtime.launch_fork_server import fork_server_command
from erp_sync.runtime.processes import try_lock
from erp_sync.runtime.workers import WarmFolder
from erp_sync_tests.runtime.conftest import LOCATION, Installation, wait_for


@pytest.fixture
def served(installation: Installation) -> Installation:
    installation.start_server()
    return installation


def connect(installation: Installation) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(10)
    connection.connect(installation.folder.address)
    return connection


def figures(installation: Installation) -> messages.Figures:
    with connect(installation) as connection:
        messages.send(connection, messages.FiguresRequest())
        answer = messages.receive_answer(connection)
    assert isinstance(answer, messages.Figures)
    return answer


def test_it_has_one_native_thread_after_importing_everything(served: Installation) -> None:
    assert figures(served).native_tasks == 1


def test_a_second_server_of_the_same_home_ends_at_once(served: Installation) -> None:
    first = served.folder.server()
    assert subprocess.run(fork_server_command(served.folder, LOCATION), check=False).returncode == ALREADY_SERVED
    assert served.folder.server() == first


def test_a_worker_that_never_hears_go_does_nothing(served: Installation) -> None:
    forked = figures(served).forked
    with connect(served) as connection:
        messages.send(connection, messages.RunRequest("never-to-be", "{}", fingerprint(LOCATION)))
        assert isinstance(messages.receive_answer(connection), messages.Ready)
    wait_for(lambda: "never-to-be" in [run.run_id for run in figures(served).finished])
    assert figures(served).forked == forked + 1
    assert served.folder.worker("never-to-be") is None


def test_a_socket_that_was_tidied_away_is_opened_again(served: Installation) -> None:
    server = served.folder.server()
    Path(served.folder.address).unlink()
    os.kill(served.folder.server().process.pid, signal.SIGCHLD)  # type: ignore[union-attr]  # it looks at each waking
    wait_for(lambda: Path(served.folder.address).exists())
    run_id = served.launch("empty_job")
    wait_for(lambda: served.finished(run_id))
    assert "default launcher" not in served.messages(run_id)
    assert server is not None
    assert served.folder.server().process == server.process  # type: ignore[union-attr]


def test_a_worker_that_cannot_write_before_it_was_told_to_go_leaves_the_run_to_others(tmp_path: Path) -> None:
    folder = WarmFolder(tmp_path)  # without its folders: as on a full disk nothing can be written
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert run_worker._work(theirs, messages.RunRequest("any", "{}", ""), folder) == run_worker.NOT_STARTED
        assert ours.recv(10) == b""


def test_a_client_that_sends_nonsense_does_not_end_it(served: Installation) -> None:
    with connect(served) as connection:
        connection.sendall(b"nonsense\n")
        assert connection.recv(10) == b""
    assert figures(served).native_tasks == 1


def test_runs_beyond_its_places_are_refused_as_full(tmp_path: Path) -> None:
    folder = WarmFolder(tmp_path)
    folder.create()
    lock = try_lock(folder.lock)
    assert lock is not None
    server = ForkServer(folder, "same", LOCATION, [], most_workers=0, lock=lock)
    refused = server._refusal(messages.RunRequest("any", "{}", "same"))
    assert refused is not None
    assert refused.full
    os.close(lock)


def test_a_fixed_server_serves_launchers_that_see_newer_files(tmp_path: Path) -> None:
    folder = WarmFolder(tmp_path)
    folder.create()
    lock = try_lock(folder.lock)
    assert lock is not None
    for fixed, stale in ((True, False), (False, True)):
        server = ForkServer(folder, "of its start", LOCATION, [], most_workers=10, lock=lock, fixed=fixed)
        refused = server._refusal(messages.RunRequest("any", "{}", fingerprint(LOCATION)))
        assert (refused is not None and "code has changed" in refused.reason) == stale
    os.close(lock)


def test_it_refuses_to_fork_with_a_second_thread(tmp_path: Path) -> None:
    folder = WarmFolder(tmp_path)
    folder.create()
    lock = try_lock(folder.lock)
    assert lock is not None
    server = ForkServer(folder, "same", LOCATION, [], most_workers=10, lock=lock)
    held = threading.Event()
    thread = threading.Thread(target=held.wait)
    thread.start()
    try:
        refused = server._refusal(messages.RunRequest("any", "{}", "same"))
    finally:
        held.set()
        thread.join()
    assert refused is not None
    assert "threads" in refused.reason
    assert refused.stale  # another one takes its place
    os.close(lock)


def test_a_server_with_other_code_stops_accepting_and_ends_when_its_runs_have(
    served: Installation, location_source: Path
) -> None:
    run_id = served.launch("sleeping_job")
    server, worker = served.folder.server(), served.folder.worker(run_id)
    assert server is not None
    assert worker is not None
    location_source.touch()
    with connect(served) as connection:
        messages.send(connection, messages.RunRequest("not-run", "{}", fingerprint(LOCATION)))
        answer = messages.receive_answer(connection)
    assert isinstance(answer, messages.Refused)
    assert answer.stale
    wait_for(lambda: served.folder.server() is None)
    assert server.process.alive
    assert worker.process.alive
    served.start_server()
    assert served.folder.server() != server
    worker.process.signal(signal.SIGINT)
    wait_for(lambda: not server.process.alive)
    assert served.finished(run_id)


def test_a_home_with_a_long_path_has_a_short_address(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    folder = WarmFolder(deep)
    assert len(folder.address) <= 100
    assert folder.address == WarmFolder(deep).address
    assert folder.address != WarmFolder(deep.parent).address
