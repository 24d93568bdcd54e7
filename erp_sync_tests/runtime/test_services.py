"""Services as real processes: started in order, restarted, ended together, and after a kill of everything."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from http.server import HTTPServer, SimpleHTTPRequestHandler
from pathlib import Path

import msgspec
import pytest

from erp_sync import settings
from erp_sync.runtime import daemon_state, services
from erp_sync.runtime.processes import ProcessName
from erp_sync.runtime.pulse import answers
from erp_sync.runtime.service_set import Ready, Service, free_port, ordered
from erp_sync.runtime.supervisor import ServiceState, Status, Supervisor, files_of
from erp_sync.runtime.workers import WarmFolder
from erp_sync_tests.runtime.conftest import wait_for


def sleeping(name: str, after: list[str] | None = None) -> Service:
    return Service(name=name, command=[sys.executable, "-c", "import time; time.sleep(600)"], after=after or [])


class Running:
    """A supervisor in a thread of its own process, so that a test can look at it and signal it."""

    def __init__(self, home: Path, wanted: list[Service]) -> None:
        home.mkdir(parents=True, exist_ok=True)
        files = files_of(home)
        self.files = files
        files.plan.write_bytes(services.msgspec.json.encode(wanted))
        command = [sys.executable, "-m", "erp_sync.runtime.services", "--home", str(home)]
        # Under nohup, too: with a signal ignored by whoever started the tests, a closed terminal would end nothing.
        self.process = subprocess.Popen(["env", "--default-signal=HUP", *command])

    @property
    def status(self) -> Status:
        return self.files.status()

    def process_of(self, name: str) -> ProcessName:
        found = self.status.services[name].process
        assert found is not None
        return found


@pytest.fixture
def running(tmp_path: Path) -> Iterator[list[Running]]:
    """Supervisors that a test starts; ended with it."""
    made: list[Running] = []
    yield made
    for each in made:
        each.process.terminate()
        each.process.wait(30)


def test_a_service_that_dies_is_started_again(tmp_path: Path, running: list[Running]) -> None:
    running.append(Running(tmp_path / "home", [sleeping("one"), sleeping("two", after=["one"])]))
    wait_for(lambda: running[0].status.ready)
    first, second = running[0].process_of("one"), running[0].process_of("two")
    first.signal(signal.SIGKILL)
    wait_for(lambda: running[0].status.services["one"].restarts == 1 and running[0].status.ready)
    assert running[0].process_of("one") != first
    assert running[0].process_of("two") == second
    assert running[0].status.services["one"].exit_code == -signal.SIGKILL


def test_a_service_that_is_stopped_is_replaced_and_told_of(tmp_path: Path, running: list[Running]) -> None:
    """A process that hangs keeps its number: nothing noticed it."""
    hanging = msgspec.structs.replace(sleeping("one"), hung_seconds=2.0)
    running.append(Running(tmp_path / "home", [hanging, sleeping("two")]))
    wait_for(lambda: running[0].status.ready)
    first, second = running[0].process_of("one"), running[0].process_of("two")
    assert running[0].status.services["one"].hung_at is None
    first.signal(signal.SIGSTOP)
    wait_for(lambda: running[0].status.services["one"].restarts == 1 and running[0].status.ready)
    assert running[0].process_of("one") != first
    assert not first.alive
    assert running[0].status.services["one"].hung_at is not None
    assert (running[0].process_of("two"), running[0].status.services["two"].hung_at) == (second, None)


def test_ending_the_supervisor_ends_what_it_started(tmp_path: Path, running: list[Running]) -> None:
    running.append(Running(tmp_path / "home", [sleeping("one"), sleeping("two")]))
    wait_for(lambda: running[0].status.ready)
    processes = [running[0].process_of("one"), running[0].process_of("two")]
    running[0].process.send_signal(signal.SIGINT)
    assert running[0].process.wait(30) == 0
    assert not any(process.alive for process in processes)
    assert running[0].status.supervisor is None


def test_what_a_killed_supervisor_left_behind_is_ended_by_the_next_one(tmp_path: Path, running: list[Running]) -> None:
    running.append(Running(tmp_path / "home", [sleeping("one")]))
    wait_for(lambda: running[0].status.ready)
    left = running[0].process_of("one")
    running[0].process.kill()
    running[0].process.wait()
    assert left.alive
    running.append(Running(tmp_path / "home", [sleeping("one")]))
    wait_for(lambda: running[1].status.ready and running[1].status.supervisor is not None)
    assert not left.alive
    assert running[1].process_of("one").alive


def test_what_a_killed_supervisor_left_behind_does_not_keep_its_port(tmp_path: Path) -> None:
    """`erp-sync up` after it: the web server that listens there is its own."""
    chosen, port = settings.load({"ERP_SYNC_HOME": str(tmp_path / "home")}), free_port()
    command = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1"]
    wanted = [Service(name="web", command=command, ready=Ready(url=f"http://127.0.0.1:{port}/"))]
    try:
        before = services.start(chosen, wanted)
        assert before.supervisor is not None
        before.supervisor.signal(signal.SIGKILL)
        wait_for(lambda: services.status(chosen).supervisor is None)
        after = services.start(chosen, wanted)
        old, new = before.services["web"].process, after.services["web"].process
        assert old is not None
        assert new is not None
        assert (old.alive, new.alive) == (False, True)
    finally:
        services.stop(chosen)


def test_a_service_waits_until_the_one_before_it_is_ready(tmp_path: Path) -> None:
    port = free_port()
    told: list[tuple[str, str]] = []
    server = f"import socket; s = socket.create_server(('127.0.0.1', {port})); import time; time.sleep(600)"
    first = Service(name="first", command=[sys.executable, "-c", server], ready=Ready(port=port))
    supervisor = Supervisor(
        files_of(tmp_path), ordered([sleeping("second", ["first"]), first]), lambda *what: told.append(what)
    )
    for _ in range(2000):
        supervisor._step()
        if ("second", "ready") in told:
            break
        supervisor._sleep(0.02)
    supervisor._stop_all()
    assert told[:4] == [("first", "starting"), ("first", "ready"), ("second", "starting"), ("second", "ready")]
    assert told[4:] == [("second", "stopped"), ("first", "stopped")]


def test_a_service_that_still_works_at_its_start_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine everything takes its time, and ending it would only begin it anew."""
    monkeypatch.setattr(services, "_PATIENCE", 1000)
    chosen, port = settings.load({"ERP_SYNC_HOME": str(tmp_path / "home")}), free_port()
    busy = (
        "import socket, time\nwhile time.process_time() < 3: pass\n"
        f"s = socket.create_server(('127.0.0.1', {port})); time.sleep(600)"
    )
    try:
        wanted = [Service(name="busy", command=[sys.executable, "-c", busy], ready=Ready(port=port))]
        assert services.start(chosen, wanted, wait_seconds=1.5).ready
    finally:
        services.stop(chosen)


def test_a_service_that_stands_still_at_its_start_is_not(tmp_path: Path) -> None:
    chosen = settings.load({"ERP_SYNC_HOME": str(tmp_path / "home")})
    idle = msgspec.structs.replace(sleeping("idle"), ready=Ready(port=free_port()))
    with pytest.raises(services.DidNotStart) as caught:
        services.start(chosen, [idle], wait_seconds=1.5)
    assert caught.value.missing == ["idle"]
    assert services.status(chosen).supervisor is None


def test_a_proxy_of_the_environment_does_not_answer_for_a_service(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setattr(urllib.request, "_opener", None)  # whatever a test before this one made of another environment
    with HTTPServer(("127.0.0.1", 0), SimpleHTTPRequestHandler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/"
        web = Service(name="web", command=["none"], ready=Ready(url=url))
        assert web.ready.holds()
        assert answers(web, ProcessName.of(os.getpid()), 5.0)
        server.shutdown()
        server.server_close()
        assert not answers(web, ProcessName.of(os.getpid()), 5.0)


def test_services_that_wait_for_each_other_are_refused() -> None:
    with pytest.raises(ValueError, match="wait for each other: one, two"):
        ordered([sleeping("one", ["two"]), sleeping("two", ["one"])])


def test_a_service_that_cannot_be_started_does_not_end_the_others(tmp_path: Path, running: list[Running]) -> None:
    missing = Service(name="missing", command=[str(tmp_path / "none")])
    running.append(Running(tmp_path / "home", [sleeping("one"), missing]))
    wait_for(lambda: running[0].status.services.get("missing", ServiceState("waiting", "")).restarts >= 2)
    assert running[0].status.services["missing"].state == "died"
    assert running[0].process_of("one").alive


def test_a_closed_terminal_ends_everything_in_order(tmp_path: Path, running: list[Running]) -> None:
    running.append(Running(tmp_path / "home", [sleeping("one")]))
    wait_for(lambda: running[0].status.ready)
    one = running[0].process_of("one")
    running[0].process.send_signal(signal.SIGHUP)
    assert running[0].process.wait(30) == 0
    assert not one.alive


@pytest.mark.parametrize("content", [b"", b'{"of": "another version"}'], ids=["empty", "another form"])
def test_files_that_a_power_cut_or_an_upgrade_left_unreadable_count_as_absent(tmp_path: Path, content: bytes) -> None:
    folder = WarmFolder(tmp_path)
    folder.create()
    files = [folder.state, folder.kept, folder.runs / "one.json", files_of(tmp_path).state]
    files.append(daemon_state.state_file(tmp_path))
    for file in files:
        file.write_bytes(content)
    assert (folder.server(), folder.keeper(), folder.worker("one"), folder.workers()) == (None, None, None, [])
    assert files_of(tmp_path).status() == Status(None, {})
    assert daemon_state.running(tmp_path) is None


def test_a_taken_port_is_named(tmp_path: Path) -> None:
    chosen = settings.load({"ERP_SYNC_HOME": str(tmp_path / "home")})
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(services.PortTaken, match=f"port {port} of web is taken"):
            services.start(
                chosen, [Service(name="web", command=["none"], ready=Ready(url=f"http://127.0.0.1:{port}/"))]
            )
