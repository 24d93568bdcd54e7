"""Starts, watches and stops the processes of the sandboxes of an installation.

Each sandbox has a folder with its database, journal, log and ``launch.json``; ``process.json`` names the process.
A process is recognised by its number *and* its start time, so that neither a killed sandbox nor a reused process
number looks like a running one. Everything here may be called by several processes at once.
"""

from __future__ import annotations

import fcntl
import http.client
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import psutil

from erp_sync.sandbox import tls
from erp_sync.sandbox.latency import PROFILES


def known_vendors() -> list[str]:
    """Of whom there is a sandbox in this project."""
    systems = Path(__file__).parents[1] / "systems"
    return sorted(place.parent.parent.name for place in systems.glob("*/sandbox/__init__.py"))


class SandboxError(RuntimeError):
    """A sandbox cannot be started, stopped or told something; the message says which and what to do."""


class SandboxDidNotStart(SandboxError):
    """The process ended, or did not answer in time. The message carries the end of its log."""


@dataclass(frozen=True)
class Launch:
    """How a sandbox is started.

    Attributes:
        name: of the sandbox, by default the vendor's.
        vendor: folder under `erp_sync.systems`, or the dotted name of a module with a `create` kept elsewhere.
        profile: latency profile (`latency.PROFILES`).
        options: the vendor's own (e.g. tax, concurrency, index_lag_seconds; edition, input_limits).
        contract: check every exchange against the vendor's contract.
        hosts: serve TLS under these names, with a certificate of the sandboxes' own authority; empty: plain HTTP.
        speed, calendar_start: of the sandbox's calendar (ISO 8601); technical time is always real.
        seed: of the latency draws.
        port: 0 takes the port of the last start if it is free, else any.
    """

    name: str
    vendor: str
    profile: str = "demo"
    options: Mapping[str, Any] = field(default_factory=dict)
    contract: bool = False
    hosts: tuple[str, ...] = ()
    speed: float = 1.0
    calendar_start: str | None = None
    seed: int | None = None
    port: int = 0


def up(
    folder: Path,
    vendors: Iterable[str] | Mapping[str, str],
    profile: str = "demo",
    options: Mapping[str, Mapping[str, Any]] | None = None,
    *,
    contract: bool = False,
    hosts: Mapping[str, tuple[str, ...]] | None = None,
    speed: float = 1.0,
    calendar_start: str | None = None,
    seed: int | None = None,
    ports: Mapping[str, int] | None = None,
    fresh: bool = False,
    timeout: float = 20.0,
) -> dict[str, Any]:
    """Start the sandboxes that do not run yet, wait until they answer, and return `status`.

    Arguments:
        vendors: vendor names, or sandbox name to vendor, e.g. {"magento_de": "magento"}.
        options, hosts, ports: per sandbox name.
        fresh: remove what an earlier start left in the database and the journal.

    Starting twice is fine; a sandbox that runs with another launch is refused. Raises SandboxError.
    """
    names = dict(vendors) if isinstance(vendors, Mapping) else {vendor: vendor for vendor in vendors}
    launches = [
        Launch(
            name=name,
            vendor=vendor,
            profile=profile,
            options=dict((options or {}).get(name, {})),
            contract=contract,
            hosts=tuple((hosts or {}).get(name, ())),
            speed=speed,
            calendar_start=calendar_start,
            seed=seed,
            port=(ports or {}).get(name, 0),
        )
        for name, vendor in names.items()
    ]
    with _locked(folder):
        _bring_up(folder, launches, fresh, timeout)
    return status(folder)


def up_again(
    folder: Path,
    vendors: Iterable[str],
    profile: str | None = None,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    *,
    contract: bool | None = None,
    hosts: Mapping[str, tuple[str, ...]] | None = None,
    first_profile: str = "fast",
    timeout: float = 20.0,
) -> dict[str, Any]:
    """`up`, each sandbox as it was last started but for what is said here; of options, only those that are named.

    Arguments:
        profile, contract: None: as last time.
        hosts: per sandbox name, in place of its last ones.
        first_profile: of a sandbox that was never started.

    Raises SandboxError.
    """
    with _locked(folder):
        launches = []
        for name in vendors:
            last = _last(folder, name) or Launch(name=name, vendor=name, profile=first_profile)
            launches.append(
                replace(
                    last,
                    profile=last.profile if profile is None else profile,
                    options={**last.options, **(options or {}).get(name, {})},
                    contract=last.contract if contract is None else contract,
                    hosts=tuple((hosts or {}).get(name, last.hosts)),
                )
            )
        _bring_up(folder, launches, False, timeout)
    return status(folder)


def resume(folder: Path, timeout: float = 20.0) -> dict[str, Any]:
    """Start every sandbox that was ever started in this folder, as it was, with its state. Raises SandboxError."""
    with _locked(folder):
        launches = [launch for name in _names(folder) if (launch := _last(folder, name)) is not None]
        _bring_up(folder, launches, False, timeout)
    return status(folder)


def down(folder: Path, names: Iterable[str] | None = None, timeout: float = 5.0) -> list[str]:
    """Stop sandboxes (all by default); returns the names of those that ran. Their state stays."""
    stopped = []
    with _locked(folder):
        chosen = _names(folder) if names is None else list(names)
        processes = [(name, process) for name in chosen if (process := _process(_home(folder, name)))]
        for name, process in processes:
            process.send_signal(signal.SIGTERM)
            stopped.append(name)
        _, alive = psutil.wait_procs([process for _, process in processes], timeout=timeout)
        for process in alive:
            process.kill()
        psutil.wait_procs(alive, timeout=timeout)
        for name in chosen:
            (folder / name / "process.json").unlink(missing_ok=True)
    return stopped


def status(folder: Path) -> dict[str, Any]:
    """Every sandbox by name: running, pid, profile, base_url, credentials, files, options, latency, contract counts.

    JSON-able. Of a sandbox that does not run only what is on disk is told; `stale` is true if its process was
    killed rather than stopped.
    """
    return {name: _status(folder, name) for name in _names(folder)}


def fault(folder: Path, name: str, rule: Mapping[str, Any]) -> dict[str, Any]:
    """Set a fault (fields of `faults.FaultRule`) on a running sandbox; returns the rule with its id."""
    rules: list[dict[str, Any]] = control(folder, name, "POST", "faults", dict(rule))
    return rules[0]


def faults(folder: Path, name: str) -> list[dict[str, Any]]:
    """Fault rules in force, with how often each was made."""
    rules: list[dict[str, Any]] = control(folder, name, "GET", "faults")
    return rules


def clear_faults(folder: Path, name: str, rule_id: int | None = None) -> int:
    """Remove one fault rule, or all; returns how many went."""
    path = "faults" if rule_id is None else f"faults/{rule_id}"
    return int(control(folder, name, "DELETE", path)["removed"])


def control(folder: Path, name: str, method: str, path: str, body: Any = None, timeout: float = 120.0) -> Any:
    """Call the control API of a running sandbox, e.g. ``control(folder, "netsuite", "POST", "seed", data)``."""
    home = _home(folder, name)
    if _process(home) is None:
        raise SandboxError(f"sandbox {name} does not run; start it with: erp-sync sandbox up")
    return _call(home, folder, method, path, body, timeout)


# -- starting ----------------------------------------------------------------------------------------------


def _check(launch: Launch) -> None:
    if launch.profile not in PROFILES:
        raise SandboxError(f"no latency profile {launch.profile!r}; known are {', '.join(PROFILES)}")
    if not launch.name.replace("_", "").replace("-", "").isalnum():
        raise SandboxError(f"sandbox name {launch.name!r}: letters, digits, - and _ only")


def _last(folder: Path, name: str) -> Launch | None:
    """How a sandbox was last started, on whatever port; None: never."""
    launch = _read(folder / name / "launch.json")
    return None if launch is None else Launch(**{**launch, "port": 0})


def _bring_up(folder: Path, launches: Sequence[Launch], fresh: bool, timeout: float) -> None:
    for launch in launches:
        _check(launch)
    before = {launch.name: _read(folder / launch.name / "launch.json") for launch in launches}
    started = [(launch, _start(folder, launch, fresh)) for launch in launches]
    deadline = time.monotonic() + timeout
    for launch, process in started:
        try:
            _wait_until_ready(folder / launch.name, launch.name, process, deadline)
        except SandboxDidNotStart:
            # What it cannot start with is not kept for the next time.
            if process is not None and process.poll() is not None:
                _keep(folder / launch.name / "launch.json", before[launch.name])
            raise


def _keep(file: Path, launch: Any) -> None:
    if launch is None:
        file.unlink(missing_ok=True)
    else:
        _write(file, launch)


def _start(folder: Path, launch: Launch, fresh: bool) -> subprocess.Popen[bytes] | None:
    home = folder / launch.name
    wanted = json.loads(json.dumps(asdict(launch)))
    if _process(home) is not None:
        running = json.loads((home / "launch.json").read_text())
        differing = [key for key in wanted if key != "port" and wanted[key] != running.get(key)]
        if differing or fresh:
            why = f"with another {differing[0]}" if differing else "and its state cannot be removed"
            raise SandboxError(f"sandbox {launch.name} runs {why}; stop it first: erp-sync sandbox down")
        return None
    if fresh:
        shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True, exist_ok=True)
    if launch.hosts:
        tls.certificate(folder, launch.hosts, home)
    listener = _listen(launch.port or _last_port(home), launch.port != 0)
    wanted["port"] = listener.getsockname()[1]
    _write(home / "launch.json", wanted)
    with (home / "sandbox.log").open("ab") as log, listener:
        descriptor = listener.fileno()
        process = subprocess.Popen(
            [sys.executable, "-m", "erp_sync.sandbox.run", str(home), str(descriptor)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            pass_fds=[descriptor],
            cwd="/",
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        )
    try:
        created = psutil.Process(process.pid).create_time()
    except psutil.NoSuchProcess as error:
        raise SandboxDidNotStart(f"sandbox {launch.name} ended at once\n{_tail(home)}") from error
    _write(home / "process.json", {"pid": process.pid, "created": created})
    return process


def _listen(port: int, must: bool) -> socket.socket:
    try:
        return socket.create_server(("127.0.0.1", port), backlog=4096)
    except OSError as error:
        if must:
            raise SandboxError(f"port {port} cannot be taken: {error.strerror}") from error
        return socket.create_server(("127.0.0.1", 0), backlog=4096)


def _last_port(home: Path) -> int:
    file = home / "launch.json"
    return int(json.loads(file.read_text())["port"]) if file.exists() else 0


def _wait_until_ready(home: Path, name: str, process: subprocess.Popen[bytes] | None, deadline: float) -> None:
    while True:
        if process is not None and process.poll() is not None:
            (home / "process.json").unlink(missing_ok=True)
            raise SandboxDidNotStart(f"sandbox {name} ended with code {process.returncode}\n{_tail(home)}")
        try:
            _call(home, home.parent, "GET", "status", None, timeout=max(0.1, deadline - time.monotonic()))
        except (OSError, http.client.HTTPException) as error:
            if time.monotonic() > deadline:
                raise SandboxDidNotStart(f"sandbox {name} does not answer: {error}\n{_tail(home)}") from error
            time.sleep(0.02)
        else:
            return


def _tail(home: Path, size: int = 4000) -> str:
    log = home / "sandbox.log"
    return log.read_bytes()[-size:].decode("utf-8", "replace") if log.exists() else ""


# -- looking -----------------------------------------------------------------------------------------------


def _names(folder: Path) -> list[str]:
    return sorted(file.parent.name for file in folder.glob("*/launch.json"))


def _home(folder: Path, name: str) -> Path:
    home = folder / name
    if not (home / "launch.json").exists():
        known = ", ".join(_names(folder)) or "none"
        raise SandboxError(f"no sandbox {name!r}; known are {known}; start one with: erp-sync sandbox up")
    return home


def _process(home: Path) -> psutil.Process | None:
    """The running process of a sandbox, or None when it was stopped or killed."""
    file = home / "process.json"
    if not file.exists():
        return None
    noted = json.loads(file.read_text())
    try:
        process = psutil.Process(noted["pid"])
        if process.status() == psutil.STATUS_ZOMBIE or abs(process.create_time() - noted["created"]) > 1.0:
            return None
    except psutil.NoSuchProcess:
        return None
    return process


def _status(folder: Path, name: str) -> dict[str, Any]:
    home = _home(folder, name)
    launch = json.loads((home / "launch.json").read_text())
    process = _process(home)
    told: dict[str, Any] = {
        "name": name,
        "vendor": launch["vendor"],
        "running": process is not None,
        "stale": process is None and (home / "process.json").exists(),
        "pid": process.pid if process else None,
        "profile": launch["profile"],
        "options": launch["options"],
        "base_url": _base_url(launch),
        "database": str(home / "database.db"),
        "journal": str(home / "journal.db"),
        "log": str(home / "sandbox.log"),
    }
    if launch["hosts"]:
        told["ca_certificate"] = str(tls.authority(folder))
        told["resolve"] = {host: f"127.0.0.1:{launch['port']}" for host in launch["hosts"]}
    if process is not None:
        told = {**_call(home, folder, "GET", "status", None, 30.0), **told}
        if launch["contract"]:
            told["contract"] = _call(home, folder, "GET", "contract", None, 30.0)
    return told


def _base_url(launch: Mapping[str, Any]) -> str:
    if launch["hosts"]:
        return f"https://{launch['hosts'][0]}:{launch['port']}"
    return f"http://127.0.0.1:{launch['port']}"


def _call(home: Path, folder: Path, method: str, path: str, body: Any, timeout: float) -> Any:
    launch = json.loads((home / "launch.json").read_text())
    connection: http.client.HTTPConnection
    if launch["hosts"]:
        context = ssl.create_default_context(cafile=str(tls.authority(folder)))
        connection = http.client.HTTPSConnection("127.0.0.1", launch["port"], timeout=timeout, context=context)
    else:
        connection = http.client.HTTPConnection("127.0.0.1", launch["port"], timeout=timeout)
    try:
        payload = None if body is None else json.dumps(body, default=str).encode()
        connection.request(method, f"/__sandbox/{path}", payload, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        raw = answer.read()
    finally:
        connection.close()
    if answer.status >= 400:
        raise SandboxError(
            f"sandbox {home.name}, {method} {path}: {answer.status} {raw[:500].decode('utf-8', 'replace')}"
        )
    return json.loads(raw)


# -- files -------------------------------------------------------------------------------------------------


def _read(path: Path) -> Any:
    """None where there is no such file."""
    return json.loads(path.read_text()) if path.exists() else None


def _write(path: Path, data: Any) -> None:
    temporary = path.with_suffix(".new")
    temporary.write_text(json.dumps(data, indent=1))
    temporary.replace(path)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "supervisor.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
