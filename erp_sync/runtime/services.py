"""Everything of an installation running on one machine: started in order, restarted when it dies, ended together.

A supervisor process holds the services as children, each in a process group of its own: Ctrl-C reaches the
supervisor alone, which ends them in order. Their output is in ``<home>/logs``, their state in
``<home>/services.json``, which any other process can read.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import psutil

from erp_sync.model.advice import Advice
from erp_sync.runtime import daemon_state
from erp_sync.runtime.processes import exclusive, try_lock, write_whole
from erp_sync.runtime.service_set import (
    Service,
    dagster_services,
    event_service,
    ordered,
    port_is_free,
    watchdog_service,
    workspace_file,
)
from erp_sync.runtime.supervisor import ServiceState, Status, Supervisor, files_of
from erp_sync.runtime.workers import WarmFolder
from erp_sync.settings import Settings

__all__ = [
    "AlreadyRunning",
    "DidNotStart",
    "PortTaken",
    "Service",
    "ServiceState",
    "Status",
    "dagster_services",
    "event_service",
    "kill_everything",
    "run",
    "start",
    "status",
    "stop",
    "watchdog_service",
    "workspace_file",
]


_DYING_SECONDS = 10.0
"""A supervisor that is dying, or only starting, holds its lock for a moment without being seen."""

_PATIENCE = 4
"""So many times as long as asked for is waited for services that get on."""


class ServicesError(RuntimeError):
    """The services cannot be started or ended as asked."""

    advice = Advice(
        means="The services cannot be started or ended as asked: nothing is synchronised until they are.",
        look=("erp-sync status", "ls $ERP_SYNC_HOME/logs"),
        do="Do what the message says.",
    )


class AlreadyRunning(ServicesError):
    """Another supervisor serves this home. Attributes: pid."""

    advice = Advice(
        means="Everything runs already. Nothing is wrong.",
        look=("erp-sync status",),
        do="Nothing; `erp-sync down` first where it is to be started anew.",
    )

    def __init__(self, pid: int | None) -> None:
        self.pid = pid
        super().__init__(f"it is running already (process {pid}); next: erp-sync status, or erp-sync down")


class PortTaken(ServicesError):
    """Another program listens where a service is to listen. Attributes: service, port."""

    advice = Advice(
        means="Another program listens on the port: the UI or the event service is not there.",
        look=("ss -ltnp",),
        do="Choose another port with the option of `erp-sync up`, or end the other program.",
    )

    def __init__(self, service: str, port: int) -> None:
        self.service, self.port = service, port
        super().__init__(f"port {port} of {service} is taken by another program; choose another one")


class DidNotStart(ServicesError):
    """Not everything was ready in time. Attributes: missing, logs (folder), last_lines."""

    advice = Advice(
        means="A service was not ready in time: nothing is synchronised.",
        look=("tail -n 50 $ERP_SYNC_HOME/logs/*.log",),
        do="Mend what its log says, then `erp-sync up`.",
    )

    def __init__(self, missing: Sequence[str], logs: Path, last_lines: str) -> None:
        self.missing, self.logs, self.last_lines = list(missing), logs, last_lines
        super().__init__(f"not ready: {', '.join(missing)}; see {logs}\n{last_lines}".rstrip())


def run(
    settings: Settings, services: Sequence[Service], tell: Callable[[str, str], None] = lambda _name, _what: None
) -> int:
    """Run the services in the foreground until SIGINT or SIGTERM; a second signal kills what is left.

    Args:
        tell: called with a service's name and what became of it (``starting``, ``ready``, ``died``, ``stopped``).

    Raises AlreadyRunning, PortTaken.
    """
    files = files_of(settings.home)
    lock = try_lock(files.lock)
    if lock is None:
        found = status(settings)
        raise AlreadyRunning(found.supervisor.pid if found.supervisor is not None else None)
    try:
        _clear_leftovers(settings)
        for service in services:
            port = service.listens_on
            if port is not None and not port_is_free(port):
                raise PortTaken(service.name, port)
        return Supervisor(files, ordered(services), tell).run()
    finally:
        os.close(lock)


def start(settings: Settings, services: Sequence[Service], wait_seconds: float = 90.0) -> Status:
    """Start the services in the background and wait until all are ready.

    Args:
        wait_seconds: how long nothing may get on. A service that is starting and uses the processor does: on a machine
            that has much to do after a power cut everything takes its time, and ending it would only begin it anew.
            It has four times as long, and no longer than `wait_seconds` where services die and are started again.

    Raises AlreadyRunning, PortTaken, DidNotStart (and ends what was started).
    """
    files = files_of(settings.home)
    with exclusive(files.folder / "start.lock"):
        lock, end = try_lock(files.lock), time.monotonic() + _DYING_SECONDS
        while lock is None:
            found = status(settings)
            if found.supervisor is not None or time.monotonic() > end:
                raise AlreadyRunning(found.supervisor.pid if found.supervisor is not None else None)
            time.sleep(0.05)
            lock = try_lock(files.lock)
        try:
            # They listen where the new ones are to.
            _clear_leftovers(settings)
        finally:
            os.close(lock)
        for service in services:
            if service.listens_on is not None and not port_is_free(service.listens_on):
                raise PortTaken(service.name, service.listens_on)
        write_whole(files.plan, msgspec.json.encode(list(services)))
        log = files.log("supervisor")
        with log.open("ab") as output:
            supervisor = subprocess.Popen(
                [sys.executable, "-m", "erp_sync.runtime.services", "--home", str(settings.home)],
                env={**os.environ, "ERP_SYNC_HOME": str(settings.home)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        began = moved = time.monotonic()
        used = 0.0
        while time.monotonic() < moved + wait_seconds and supervisor.poll() is None:
            found = status(settings)
            before, used = used, _used_at_starting(found, supervisor.pid)
            if used != before and time.monotonic() < began + _PATIENCE * wait_seconds and not _dies(found):
                moved = time.monotonic()
            if found.supervisor is not None and found.supervisor.pid == supervisor.pid and found.ready:
                return found
            time.sleep(0.05)
        missing = [s.name for s in services if s.name not in found.services or found.services[s.name].state != "ready"]
        last_lines = _last_lines(files.log(missing[0] if supervisor.poll() is None and missing else "supervisor"))
        stop(settings)
        raise DidNotStart(missing, files.logs, last_lines)


def _used_at_starting(found: Status, supervisor: int) -> float:
    """Seconds of processor time that starting services have used; before there are any, the supervisor."""
    if found.supervisor is None or found.supervisor.pid != supervisor:
        starting = [supervisor]
    else:
        services = found.services.values()
        starting = [one.process.pid for one in services if one.state == "starting" and one.process is not None]
    total = 0.0
    for pid in starting:
        with contextlib.suppress(psutil.Error):
            times = psutil.Process(pid).cpu_times()
            total += times.user + times.system
    return total


def _dies(found: Status) -> bool:
    return any(service.restarts or service.state == "died" for service in found.services.values())


def stop(settings: Settings, timeout_seconds: float = 60.0) -> bool:
    """End everything that runs for this home, from any process; answers whether anything ran.

    Also ends what a supervisor that was killed has left behind, and a fork server that a launcher started.
    """
    found = status(settings)
    ran = found.supervisor is not None
    if found.supervisor is not None:
        found.supervisor.signal(signal.SIGTERM)
        end = time.monotonic() + timeout_seconds
        while found.supervisor.alive and time.monotonic() < end:
            time.sleep(0.05)
        found.supervisor.signal(signal.SIGKILL)
    return _clear_leftovers(settings) or ran


def status(settings: Settings) -> Status:
    """What runs for this home now."""
    return files_of(settings.home).status()


def kill_everything(settings: Settings) -> list[int]:
    """Kill supervisor, services, fork servers and run workers at once, as a power cut would; answers process numbers.

    For tests of what happens after it.
    """
    found = status(settings)
    names = [found.supervisor] if found.supervisor is not None else []
    names += [service.process for service in found.services.values() if service.process is not None]
    folder = WarmFolder(settings.dagster_home)
    server = folder.server()
    names += [server.process] if server is not None else []
    names += [worker.process for worker in folder.workers()]
    killed = []
    for name in dict.fromkeys(names):
        with contextlib.suppress(ProcessLookupError):
            if name.alive:
                if os.getpgid(name.pid) == name.pid:
                    os.killpg(name.pid, signal.SIGKILL)
                else:
                    os.kill(name.pid, signal.SIGKILL)
                killed.append(name.pid)
    return killed


def _clear_leftovers(settings: Settings) -> bool:
    """End services whose supervisor is gone; answers whether there were any."""
    found = status(settings)
    left = [service.process for service in found.services.values() if service.process is not None]
    folder = WarmFolder(settings.dagster_home)
    server = folder.server()
    daemon = daemon_state.running(settings.dagster_home)
    left += [server.process] if server is not None else []
    left += [daemon] if daemon is not None else []
    living = {process.pid: process for process in left if process.alive}
    for process in living.values():
        process.signal(signal.SIGTERM)
    end = time.monotonic() + 30.0
    while time.monotonic() < end and any(process.alive for process in living.values()):
        time.sleep(0.05)
    for process in living.values():
        process.signal(signal.SIGKILL)
    return bool(living)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _last_lines(log: Path, count: int = 12) -> str:
    try:
        return "\n".join(log.read_text(errors="replace").splitlines()[-count:])
    except FileNotFoundError:
        return ""


def main(arguments: list[str] | None = None) -> int:
    """The supervisor of `start`: reads the plan that it wrote."""
    from erp_sync import settings as settings_module

    parser = argparse.ArgumentParser(prog="python -m erp_sync.runtime.services", description=__doc__)
    parser.add_argument("--home", type=Path, required=True, help="ERP_SYNC_HOME whose services.plan.json is run")
    options = parser.parse_args(arguments)
    settings = settings_module.load({**os.environ, "ERP_SYNC_HOME": str(options.home)})
    services = msgspec.json.decode(files_of(settings.home).plan.read_bytes(), type=list[Service])
    try:
        return run(settings, services, lambda name, what: print(f"{_now()} {name}: {what}", flush=True))
    except ServicesError as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    raise SystemExit(main())
