"""Keeps services running: a loop over child processes with back-off, and a file that tells how they are."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import msgspec

from erp_sync.runtime.fingerprint import fingerprint
from erp_sync.runtime.processes import ProcessName, read_whole, write_whole
from erp_sync.runtime.pulse import Pulse
from erp_sync.runtime.service_set import SUPERVISOR, Service, environment_of

_STEADY_SECONDS = 30.0
_LONGEST_WAIT = 60.0
_RATHER_SECONDS = 60.0
_LONGEST_LOG = 20_000_000
_CODE_SECONDS = 3.0

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD)

State = Literal["waiting", "starting", "ready", "died", "stopped"]


class ServiceState(msgspec.Struct, frozen=True):
    """How a service is.

    Attributes:
        state: waiting (for what it comes after), starting, ready, died (and will be restarted), stopped.
        process: its process, if it has one.
        url: where a person finds it.
        restarts: how often it was restarted.
        log: file with its output.
        exit_code: of the last process that died, if one did.
        hung_at: when one that had not answered was replaced last, seconds since 1970-01-01 UTC.
    """

    state: State
    log: str
    process: ProcessName | None = None
    url: str | None = None
    restarts: int = 0
    exit_code: int | None = None
    hung_at: float | None = None


class Status(msgspec.Struct, frozen=True):
    """All services of a home.

    Attributes:
        supervisor: its process; None when nothing supervises.
        services: by name.
    """

    supervisor: ProcessName | None
    services: dict[str, ServiceState]

    @property
    def ready(self) -> bool:
        return bool(self.services) and all(service.state == "ready" for service in self.services.values())


@dataclass(frozen=True)
class Files:
    """Files of the services of one home."""

    folder: Path

    @property
    def lock(self) -> Path:
        return self.folder / "services.lock"

    @property
    def plan(self) -> Path:
        return self.folder / "services.plan.json"

    @property
    def state(self) -> Path:
        return self.folder / "services.json"

    @property
    def logs(self) -> Path:
        return self.folder / "logs"

    def log(self, name: str) -> Path:
        self.logs.mkdir(parents=True, exist_ok=True)
        return self.logs / f"{name}.log"

    def status(self) -> Status:
        """What the file says, corrected by which processes live."""
        told = read_whole(self.state, Status)
        if told is None:
            return Status(None, {})
        services = {
            name: service
            if service.process is None or service.process.alive
            else msgspec.structs.replace(service, state="died", process=None)
            for name, service in told.services.items()
        }
        return Status(told.supervisor if told.supervisor is not None and told.supervisor.alive else None, services)


def files_of(home: Path) -> Files:
    return Files(home)


@dataclass
class _Kept:
    service: Service
    log: Path
    process: subprocess.Popen[bytes] | None = None
    name: ProcessName | None = None
    state: State = "waiting"
    started: float = 0.0
    not_before: float = 0.0
    failures: int = 0
    restarts: int = 0
    exit_code: int | None = None
    hung_at: float | None = None
    code: str = ""
    seen_code: str = field(default="", repr=False)


class Supervisor:
    """Starts services in order, restarts those that die, and ends them in reverse order on a signal.

    A service that dies soon after its start is restarted after 1, 2, 4 ... up to 60 seconds; one that ran for half a
    minute at once. A service of code is restarted when its module's files have changed and been quiet for 3 seconds.
    One that lives and does not answer is killed and replaced.
    """

    def __init__(self, files: Files, services: Sequence[Service], tell: Callable[[str, str], None]) -> None:
        self._files, self._told = files, tell
        self._kept = {service.name: _Kept(service, files.log(service.name)) for service in services}
        self._signals = 0
        self._next_code_look = 0.0
        self._began = time.monotonic()
        self._wake, self._woken = socket.socketpair()
        self._pulse = Pulse(self._ready)

    def run(self) -> int:
        self._wake.setblocking(False)
        self._woken.setblocking(False)
        earlier = {number: signal.getsignal(number) for number in _SIGNALS}
        earlier_wakeup = signal.set_wakeup_fd(self._wake.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGINT, self._asked_to_stop)
        signal.signal(signal.SIGTERM, self._asked_to_stop)
        if earlier[signal.SIGHUP] != signal.SIG_IGN:  # a closed terminal, unless started by nohup
            signal.signal(signal.SIGHUP, self._asked_to_stop)
        self._pulse.start()
        try:
            while not self._signals:
                self._step()
                starting = any(kept.state in ("waiting", "starting", "died") for kept in self._kept.values())
                self._sleep(0.1 if starting else 2.0)
            return 0
        finally:
            self._pulse.stop()
            self._stop_all()
            for number, handler in earlier.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(earlier_wakeup)
            self._wake.close()
            self._woken.close()

    def _tell(self, name: str, what: str) -> None:
        with suppress(OSError):  # a full disk takes no words
            self._told(name, what)

    def _asked_to_stop(self, _number: int, _frame: object) -> None:
        self._signals += 1

    def _sleep(self, seconds: float) -> None:
        readable, _, _ = select.select([self._woken], [], [], seconds)
        if readable:
            self._woken.recv(4096)

    def _ready(self) -> dict[str, tuple[Service, ProcessName]]:
        """Services that said that they are ready, with their processes. Called by the thread that asks them."""
        return {
            name: (kept.service, process)
            for name, kept in self._kept.items()
            if kept.state == "ready" and (process := kept.name) is not None
        }

    def _step(self) -> None:
        changed = False
        for kept in self._kept.values():
            before = kept.state
            self._look_after(kept)
            changed |= kept.state != before
        if changed:
            self._write()
        if time.monotonic() >= self._next_code_look:
            self._next_code_look = time.monotonic() + _CODE_SECONDS
            self._look_for_new_code()
            for kept in self._kept.values():
                with suppress(OSError):  # looked at again
                    _shorten(kept.log)

    def _look_after(self, kept: _Kept) -> None:
        if kept.process is not None and kept.process.poll() is not None:
            self._died(kept, kept.process.returncode)
        if kept.state in ("waiting", "died"):
            ready = all(self._kept[name].state == "ready" for name in kept.service.after)
            if ready and not self._waits_for_rather(kept) and time.monotonic() >= kept.not_before:
                self._start(kept)
        elif kept.state == "starting" and kept.service.ready.holds():
            kept.state = "ready"
            self._tell(kept.service.name, "ready")
        elif kept.state == "ready":
            self._replace_hung(kept)

    def _replace_hung(self, kept: _Kept) -> None:
        """Runs that a fork server has started go on: each is in a process group of its own."""
        if kept.process is None or kept.name is None:
            return
        silent = self._pulse.silent_seconds(kept.service, kept.name)
        if silent is None:
            return
        kept.hung_at = time.time()
        os.killpg(kept.process.pid, signal.SIGKILL)
        self._died(kept, kept.process.wait(), f"has not answered for {silent:.0f} s and is killed")

    def _waits_for_rather(self, kept: _Kept) -> bool:
        """Only at the start: a service that comes back is not kept waiting."""
        if kept.state == "died" or time.monotonic() - self._began > _RATHER_SECONDS:
            return False
        rather = [self._kept[name] for name in kept.service.rather_after if name in self._kept]
        return any(other.state in ("waiting", "starting") for other in rather)

    def _start(self, kept: _Kept) -> None:
        if kept.state == "died":
            kept.restarts += 1
        if kept.service.code is not None:
            kept.code = kept.seen_code = fingerprint(kept.service.code)
        kept.started = time.monotonic()
        try:
            kept.process = self._process(kept)
        except OSError as error:
            # No memory, no descriptor, a full disk: the other services go on, and it is tried again.
            self._died(kept, -1, str(error))
            self._write()
            return
        kept.name = ProcessName.of(kept.process.pid)
        kept.state = "starting"
        self._tell(kept.service.name, "starting")
        self._write()

    def _process(self, kept: _Kept) -> subprocess.Popen[bytes]:
        command = [part.replace(SUPERVISOR, str(os.getpid())) for part in kept.service.command]
        with kept.log.open("ab") as output:
            return subprocess.Popen(
                command,
                env=environment_of(kept.service),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                process_group=0,
            )

    def _died(self, kept: _Kept, exit_code: int, why: str = "") -> None:
        lived = time.monotonic() - kept.started
        kept.failures = 0 if lived >= _STEADY_SECONDS else kept.failures + 1
        wait = 0.0 if kept.failures == 0 else min(2.0 ** (kept.failures - 1), _LONGEST_WAIT)
        kept.not_before = time.monotonic() + wait
        kept.process, kept.name, kept.exit_code, kept.state = None, None, exit_code, "died"
        self._tell(kept.service.name, f"{why or f'died with exit code {exit_code}'}; restarted in {wait:.0f} s")

    def _look_for_new_code(self) -> None:
        for kept in self._kept.values():
            if kept.service.code is None or kept.process is None or kept.state != "ready":
                continue
            now = fingerprint(kept.service.code)
            quiet, kept.seen_code = now == kept.seen_code, now
            if quiet and now != kept.code:
                self._tell(kept.service.name, "restarting with new code")
                _end([kept], signal.SIGTERM)
                kept.process, kept.name, kept.state, kept.not_before = None, None, "died", 0.0

    def _stop_all(self) -> None:
        """End in reverse order: what depends on others goes first; what needs nothing from the rest goes together."""
        depths: dict[str, int] = {}
        for name, kept in self._kept.items():
            depths[name] = max((depths[needed] + 1 for needed in kept.service.after), default=0)
        for depth in sorted(set(depths.values()), reverse=True):
            tier = [self._kept[name] for name, found in depths.items() if found == depth]
            _end([kept for kept in tier if kept.process is not None], signal.SIGTERM, lambda: self._signals > 1)
            for kept in tier:
                kept.process, kept.name, kept.state = None, None, "stopped"
                self._tell(kept.service.name, "stopped")
        self._files.state.unlink(missing_ok=True)

    def _write(self) -> None:
        services = {
            kept.service.name: ServiceState(
                state=kept.state,
                log=str(kept.log),
                process=kept.name,
                url=kept.service.url,
                restarts=kept.restarts,
                exit_code=kept.exit_code,
                hung_at=kept.hung_at,
            )
            for kept in self._kept.values()
        }
        with suppress(OSError):  # written at the next change
            write_whole(self._files.state, msgspec.json.encode(Status(ProcessName.own(), services)))


def _end(group: list[_Kept], number: int, hurry: Callable[[], bool] = lambda: False) -> None:
    """Signal processes, wait as long as each may take, kill the rest with their process groups."""
    started = time.monotonic()
    for kept in group:
        if kept.process is not None:
            kept.process.send_signal(number)
    for kept in group:
        if kept.process is None:
            continue
        while kept.process.poll() is None and not hurry() and time.monotonic() < started + kept.service.stop_seconds:
            time.sleep(0.02)
        if kept.process.poll() is None:
            os.killpg(kept.process.pid, signal.SIGKILL)
            kept.process.wait()


def _shorten(log: Path) -> None:
    """Keep a log bounded: its content moves to ``.1`` and it begins again; writers append, so they follow."""
    try:
        if log.stat().st_size < _LONGEST_LOG:
            return
    except FileNotFoundError:
        return
    log.with_suffix(".log.1").write_bytes(log.read_bytes())
    os.truncate(log, 0)
