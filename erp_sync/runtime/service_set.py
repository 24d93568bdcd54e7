"""Which processes an installation consists of, and how each shows that it is ready."""

from __future__ import annotations

import os
import socket
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import yaml

from erp_sync.runtime import daemon_state
from erp_sync.runtime.launch_fork_server import fork_server_command
from erp_sync.runtime.processes import write_whole
from erp_sync.runtime.workers import WarmFolder
from erp_sync.settings import Settings

LOCATION = "erp_sync"
"""Name of the code location in Dagster."""

FORK_SERVER = "fork-server"
"""Name of the service that forks runs."""

FORK_SERVER_SECONDS = 60.0
"""So long the daemon waits for it at most."""

ARENAS = "2"
"""Areas from which glibc gives memory to a process's threads (``MALLOC_ARENA_MAX``) of the code server, where the
environment says nothing else. Its own choice is eight a processor, and each keeps the room of the largest answers that
its threads ever held: the sensor has a thread for every look."""

SUPERVISOR = "{supervisor}"
"""In a command: the process number of the supervisor that starts it."""


_straight = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def ask(url: str, seconds: float) -> Any:
    """The answer of a service of this machine, whatever proxy its environment names: that one would answer instead."""
    return _straight.open(url, timeout=seconds)


class Ready(msgspec.Struct, frozen=True):
    """How a service shows that it is ready; one of these, or nothing: ready as soon as it lives.

    Attributes:
        socket: something listens on this Unix socket.
        port: something listens on this port of 127.0.0.1.
        url: answers with a status below 500.
        fork_server: a fork server serves this Dagster home.
        daemon: the daemon of this Dagster home has started.
    """

    socket: str | None = None
    port: int | None = None
    url: str | None = None
    fork_server: str | None = None
    daemon: str | None = None

    def holds(self) -> bool:
        if self.fork_server is not None:
            return WarmFolder(self.fork_server).server() is not None
        if self.daemon is not None:
            return daemon_state.running(self.daemon) is not None
        if self.url is not None:
            try:
                with ask(self.url, 2.0) as answer:
                    return answer.status < 500
            except urllib.error.HTTPError as error:
                return error.code < 500
            except (OSError, HTTPException):
                return False
        if self.socket is not None:
            with socket.socket(socket.AF_UNIX) as connection:
                return connection.connect_ex(self.socket) == 0
        if self.port is not None:
            with socket.socket() as connection:
                return connection.connect_ex(("127.0.0.1", self.port)) == 0
        return True


class Service(msgspec.Struct, frozen=True):
    """A process that is kept running.

    Attributes:
        name: also the name of its log, ``<home>/logs/<name>.log``.
        command: program and arguments.
        environment: variables added to those of the supervisor.
        ready: how it shows that it is ready.
        after: names of services that must be ready before it is started.
        rather_after: names of services that it waits for as long as they have not died, for a minute at most.
        url: where a person finds it, if anywhere.
        stop_seconds: how long it may take to end before it is killed.
        code: module whose code it has loaded; it is restarted when that changes.
        hung_seconds: it is killed and replaced once it has not answered for so long.
    """

    name: str
    command: list[str]
    environment: dict[str, str] = {}
    ready: Ready = Ready()
    after: list[str] = []
    rather_after: list[str] = []
    url: str | None = None
    stop_seconds: float = 20.0
    code: str | None = None
    hung_seconds: float = 60.0

    @property
    def listens_on(self) -> int | None:
        """Port that must be free before it starts."""
        if self.ready.port is not None:
            return self.ready.port
        return urlsplit(self.ready.url).port if self.ready.url is not None else None


def dagster_services(
    settings: Settings,
    *,
    module: str = "erp_sync.definitions",
    web_host: str = "127.0.0.1",
    web_port: int | None = 3000,
    follow_code: bool = False,
) -> list[Service]:
    """Dagster's processes for this installation: code server, fork server, daemon and, with a port, the webserver.

    Writes the workspace file through which they find the code server (``workspace_file(settings)``). All keep the code
    with which they started; with `follow_code` the code server is restarted and the fork server replaced when files of
    the module's package change, for development.
    """
    folder = WarmFolder(settings.dagster_home)
    folder.create()
    code_socket = folder.socket("code")
    server = {"socket": code_socket, "host": "localhost", "location_name": LOCATION}
    write_whole(workspace_file(settings), yaml.safe_dump({"load_from": [{"grpc_server": server}]}).encode())
    workspace = str(workspace_file(settings))
    environment = {"DAGSTER_HOME": str(settings.dagster_home), "ERP_SYNC_HOME": str(settings.home)}
    services = [
        Service(
            name="code-server",
            command=[
                *[sys.executable, "-m", "dagster", "api", "grpc", "--lazy-load-user-code"],
                *_options(module_name=module, socket=code_socket, location_name=LOCATION, log_level="warning"),
            ],
            environment={"MALLOC_ARENA_MAX": os.environ.get("MALLOC_ARENA_MAX", ARENAS), **environment},
            ready=Ready(socket=code_socket),
            code=module if follow_code else None,
        ),
        Service(
            name=FORK_SERVER,
            command=fork_server_command(
                folder, **_launcher(settings), owner=SUPERVISOR, wait=True, fixed=not follow_code
            ),
            environment=environment,
            ready=Ready(fork_server=str(settings.dagster_home)),
            stop_seconds=30.0,
        ),
        Service(
            name="daemon",
            command=[
                *[sys.executable, "-m", "erp_sync.runtime.daemon", "--workspace", workspace],
                # It waits itself, with all of its imports done: flows move the moment that runs can be forked.
                *_options(fork_server_seconds=FORK_SERVER_SECONDS),
            ],
            environment=environment,
            ready=Ready(daemon=str(settings.dagster_home)),
            after=["code-server"],
        ),
    ]
    if web_port is not None:
        url = f"http://{'127.0.0.1' if web_host == '0.0.0.0' else web_host}:{web_port}"
        services.append(
            Service(
                name="webserver",
                command=[
                    *[sys.executable, "-m", "dagster_webserver"],
                    *_options(workspace=workspace, host=web_host, port=web_port, log_level="warning"),
                ],
                environment=environment,
                ready=Ready(url=f"{url}/server_info"),
                after=["code-server"],
                # Business before its picture: on two cores it would take them from what flows wait for.
                rather_after=[FORK_SERVER],
                url=url,
            )
        )
    return services


def event_service(settings: Settings, port: int, host: str = "127.0.0.1") -> Service:
    """The web process that takes change notifications, to be appended to `dagster_services`.

    Senders post to ``<url>/events/<connection>``. Only what stands before it (a proxy with TLS) should be reachable
    from outside.
    """
    url = f"http://{'127.0.0.1' if host == '0.0.0.0' else host}:{port}"
    return Service(
        name="events",
        command=[sys.executable, "-m", "erp_sync.service", "--host", host, "--port", str(port)],
        environment={"ERP_SYNC_HOME": str(settings.home)},
        ready=Ready(url=f"{url}/health"),
        url=url,
    )


def watchdog_service(settings: Settings) -> Service:
    """Looks for what fails silently and tells people; a process of its own, since Dagster itself may be gone."""
    return Service(
        name="watchdog",
        command=[sys.executable, "-m", "erp_sync.cli", "alerts", "watch"],
        environment={"ERP_SYNC_HOME": str(settings.home)},
        rather_after=[FORK_SERVER],
    )


def workspace_file(settings: Settings) -> Path:
    """Workspace file of the running installation: connects to its code server instead of starting another."""
    return settings.dagster_home / "workspace.yaml"


def free_port() -> int:
    """A port of 127.0.0.1 that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def port_is_free(port: int, host: str = "127.0.0.1") -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True


def environment_of(service: Service) -> dict[str, str]:
    """Complete environment of a service's process."""
    return {**os.environ, **service.environment}


def _options(**values: object) -> list[str]:
    return [part for name, value in values.items() for part in (f"--{name.replace('_', '-')}", str(value))]


def _launcher(settings: Settings) -> Mapping[str, Any]:
    """Arguments of the fork server as dagster.yaml configures the launcher, so that both mean the same server."""
    content = yaml.safe_load((settings.dagster_home / "dagster.yaml").read_text())
    chosen: dict[str, Any] = dict(content["run_launcher"].get("config") or {})
    chosen.pop("start_server", None)
    return {"module": "erp_sync.definitions", **chosen}


def ordered(services: Sequence[Service]) -> list[Service]:
    """Services so that each comes after those that it needs. Raises ValueError for an unknown name or a circle."""
    left = {service.name: service for service in services}
    done: list[Service] = []
    while left:
        free = [s for s in left.values() if not any(name in left for name in s.after)]
        if not free:
            raise ValueError(f"services wait for each other: {', '.join(left)}")
        for service in free:
            del left[service.name]
            done.append(service)
    known = {service.name for service in done}
    for service in done:
        for name in service.after:
            if name not in known:
                raise ValueError(f"service {service.name} comes after {name}, which is not there")
    return done
