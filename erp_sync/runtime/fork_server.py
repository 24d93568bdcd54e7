"""Process that has everything imported and forks a worker for each run.

Started by the launcher or by the services; one per Dagster home. ``python -m erp_sync.runtime.fork_server --help``.

It forks only while the kernel counts one thread in it: a fork copies the calling thread alone, and a lock that
another thread held would stay locked in the worker for ever. Native libraries start threads too, which is why the
environment is set before anything is imported here.
"""

from __future__ import annotations

import argparse
import fcntl
import gc
import os
import selectors
import signal
import socket
import sys
import threading
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import msgspec

from erp_sync.runtime import fingerprint as code
from erp_sync.runtime import messages
from erp_sync.runtime.processes import ProcessName, native_tasks
from erp_sync.runtime.workers import ServerState, WarmFolder

# numpy's OpenBLAS starts a pool when imported, Arrow's jemalloc a thread that returns memory;
# great_expectations would start one that reports usage
SINGLE_THREADED = {
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
    "GX_ANALYTICS_ENABLED": "false",
}

ALREADY_SERVED = 0
"""Exit code when another fork server serves this home."""

_DRAIN_SECONDS = 15.0
_INTERRUPT_SECONDS = 10.0
_OWNER_SECONDS = 10.0
_ORPHAN_SECONDS = 60.0
_REQUEST_SECONDS = 2.0


@dataclass
class _Child:
    run_id: str
    instance_ref: str
    forked: float


class ForkServer:
    """Accepts runs on a Unix socket and forks a worker for each.

    Args:
        folder: files of this Dagster home.
        fingerprint: of the code that was imported, computed before importing it.
        module: code location.
        environment: variables that count as code (see `fingerprint`).
        most_workers: places; a run beyond them is refused.
        lock: descriptor that holds the lock of the home.
        owner: process without which the server is not needed; it ends a minute after that one has gone.
        fixed: keep the code of the start, whatever a launcher sees in the files now.
    """

    def __init__(
        self,
        folder: WarmFolder,
        fingerprint: str,
        module: str,
        environment: list[str],
        most_workers: int,
        lock: int,
        owner: ProcessName | None = None,
        fixed: bool = False,
    ) -> None:
        self._folder, self._fingerprint, self._module, self._environment = folder, fingerprint, module, environment
        self._most_workers = most_workers
        self._lock: int | None = lock
        self._owner, self._fixed = owner, fixed
        self._owned = time.monotonic()
        self._children: dict[int, _Child] = {}
        self._reporters: set[int] = set()
        self._finished: deque[messages.FinishedRun] = deque(maxlen=1000)
        self._forked = 0
        self._listener: socket.socket | None = None
        self._file = 0
        self._stopping: float | None = None
        self._interrupted = False
        self._selector = selectors.DefaultSelector()
        self._wake, self._woken = socket.socketpair()

    def serve(self) -> None:
        """Accept runs until told to stop or until the code is out of date; returns when the last run has ended."""
        self._wake.setblocking(False)
        self._woken.setblocking(False)
        signal.set_wakeup_fd(self._wake.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._open()
        while self._listener is not None or self._children or self._reporters:
            for key, _ in self._selector.select(timeout=0.5 if self._listener is None else _OWNER_SECONDS):
                if key.fileobj is self._woken:
                    self._woken.recv(4096)
                else:
                    self._accept()
            self._reap()
            self._drain()
            self._look_for_owner()
            self._look_for_address()

    def _open(self) -> None:
        address = self._folder.address
        temporary = f"{address}.{os.getpid()}"
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(temporary)
        listener.listen(128)
        # renamed over the old one: there is no moment without an address
        os.rename(temporary, address)
        self._file = os.stat(address).st_ino
        listener.setblocking(False)
        self._listener = listener
        self._selector.register(listener, selectors.EVENT_READ)
        self._folder.write_server(ServerState(ProcessName.own(), self._fingerprint, address, time.time()))

    def _retire(self) -> None:
        """Accept no more: give up address and lock, let the runs end."""
        if self._listener is None or self._lock is None:
            return
        self._selector.unregister(self._listener)
        self._listener.close()
        self._listener = None
        self._folder.state.unlink(missing_ok=True)
        Path(self._folder.address).unlink(missing_ok=True)
        os.close(self._lock)
        self._lock = None

    def _stop(self, number: int, _frame: object) -> None:
        if self._stopping is None:
            self._stopping = time.monotonic()

    def _drain(self) -> None:
        """After a signal: give runs some time to end, then interrupt them as Dagster does."""
        if self._stopping is None:
            return
        self._retire()
        waited = time.monotonic() - self._stopping
        if waited > _DRAIN_SECONDS and not self._interrupted:
            self._interrupted = True
            for pid in self._children:
                os.kill(pid, signal.SIGINT)
        if waited > _DRAIN_SECONDS + _INTERRUPT_SECONDS:
            for pid in self._children:
                os.kill(pid, signal.SIGKILL)

    def _look_for_owner(self) -> None:
        if self._owner is None or self._children or self._owner.alive:
            self._owned = time.monotonic()
        elif time.monotonic() - self._owned > _ORPHAN_SECONDS:
            self._retire()

    def _look_for_address(self) -> None:
        """Something that tidies temporary folders removed the socket: no launcher would come to this server again."""
        if self._listener is None:
            return
        with suppress(FileNotFoundError):
            if os.stat(self._folder.address).st_ino == self._file:
                return
        print("the socket is gone; a new one is opened", file=sys.stderr, flush=True)
        self._selector.unregister(self._listener)
        self._listener.close()
        self._open()

    def _accept(self) -> None:
        if self._listener is None:
            return
        try:
            connection, _ = self._listener.accept()
        except BlockingIOError:
            return
        with connection:
            connection.settimeout(_REQUEST_SECONDS)
            try:
                request = messages.receive_request(connection)
                if isinstance(request, messages.FiguresRequest):
                    messages.send(connection, self._figures())
                else:
                    self._run(connection, request)
            except (OSError, EOFError, msgspec.DecodeError) as error:
                # the launcher that went away launches elsewhere; this server has nothing to mend
                print(f"a launcher went away or sent nonsense: {error}", file=sys.stderr, flush=True)

    def _run(self, connection: socket.socket, request: messages.RunRequest) -> None:
        if refusal := self._refusal(request):
            messages.send(connection, refusal)
            if refusal.stale:
                self._retire()
            return
        pid = os.fork()
        if pid == 0:
            self._become_worker(connection, request)
        self._forked += 1
        self._children[pid] = _Child(request.run_id, request.instance_ref, time.monotonic())

    def _refusal(self, request: messages.RunRequest) -> messages.Refused | None:
        if request.fingerprint != self._fingerprint and not self._fixed:
            # asked again here: a launcher may have looked before the newest change
            if code.fingerprint(self._module, self._environment) == self._fingerprint:
                return messages.Refused("the fork server has newer code or another environment than the launcher")
            return messages.Refused("the code has changed since the fork server started", stale=True)
        if len(self._children) >= self._most_workers:
            return messages.Refused(f"all {self._most_workers} places of the fork server are taken", full=True)
        if (tasks := native_tasks()) > 1:
            # They will not go away: another server takes its place.
            return messages.Refused(f"the fork server has {tasks} threads; forking would be unsafe", stale=True)
        return None

    def _become_worker(self, connection: socket.socket, request: messages.RunRequest) -> NoReturn:
        from erp_sync.runtime import run_worker

        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self._selector.close()
        for held in (self._listener, self._wake, self._woken):
            if held is not None:
                held.close()
        if self._lock is not None:
            os.close(self._lock)  # the lock is the open file's: kept here, it would outlive the server
        run_worker.become(connection, request, self._folder)

    def _reap(self) -> None:
        from erp_sync.runtime import run_worker

        while self._children or self._reporters:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            self._reporters.discard(pid)
            child = self._children.pop(pid, None)
            if child is None:
                continue
            exit_code = os.waitstatus_to_exitcode(status)
            self._finished.append(
                messages.FinishedRun(
                    run_id=child.run_id,
                    exit_code=exit_code,
                    wall_seconds=time.monotonic() - child.forked,
                    cpu_seconds=usage.ru_utime + usage.ru_stime,
                    largest_kilobytes=usage.ru_maxrss,
                )
            )
            if exit_code in run_worker.ORDERLY:
                self._folder.forget(child.run_id)
            elif native_tasks() == 1:
                reporter = os.fork()
                if reporter == 0:
                    signal.set_wakeup_fd(-1)
                    run_worker.report_crash(child.run_id, child.instance_ref, exit_code, self._folder)
                self._reporters.add(reporter)

    def _figures(self) -> messages.Figures:
        own = os.times()
        return messages.Figures(
            pid=os.getpid(),
            fingerprint=self._fingerprint,
            native_tasks=native_tasks(),
            running=[child.run_id for child in self._children.values()],
            forked=self._forked,
            cpu_seconds=own.user + own.system,
            finished=list(self._finished),
        )


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m erp_sync.runtime.fork_server", description=__doc__)
    parser.add_argument("--home", type=Path, default=os.environ.get("DAGSTER_HOME"), help="DAGSTER_HOME to serve")
    parser.add_argument("--module", default="erp_sync.definitions", help="code location to load")
    parser.add_argument("--preload", action="append", default=[], metavar="MODULE", help="import this too")
    parser.add_argument("--warm-up", action="append", default=[], metavar="MODULE:FUNCTION", help="call this before")
    parser.add_argument("--environment", action="append", default=[], metavar="NAME", help="variable that is code")
    parser.add_argument("--most-workers", type=int, default=50, help="runs at the same time, at most")
    parser.add_argument("--owner", type=int, metavar="PID", help="end a minute after this process")
    parser.add_argument("--fixed", action="store_true", help="keep the code of the start; the owner restarts it")
    parser.add_argument("--wait", action="store_true", help="if another serves this home, wait until it ends")
    options = parser.parse_args(arguments)
    if options.home is None:
        parser.error("--home is needed when DAGSTER_HOME is not set")

    folder = WarmFolder(options.home)
    folder.create()
    owner = None if options.owner is None else ProcessName.of(options.owner) or ProcessName(options.owner, 0.0)
    if options.fixed and owner is not None:
        folder.write_keeper(owner)  # from now on launchers leave it to the owner to start another one
    lock = os.open(folder.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX if options.wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return ALREADY_SERVED
    os.environ["DAGSTER_HOME"] = str(folder.dagster_home)
    os.environ.update(SINGLE_THREADED)
    folder.sweep()

    from erp_sync.runtime import preloading

    started = time.monotonic()
    fingerprint = code.fingerprint(options.module, options.environment)
    preloading.load(options.module, [*preloading.ALWAYS, *options.preload], options.warm_up)
    if (tasks := native_tasks()) > 1:
        names = ", ".join(thread.name for thread in threading.enumerate())
        print(f"{tasks} threads after loading {options.module}, no run can be forked: {names}", file=sys.stderr)
        return 3
    gc.collect()
    gc.freeze()  # workers do not copy pages only because the collector marks objects
    server = ForkServer(
        folder, fingerprint, options.module, options.environment, options.most_workers, lock, owner, options.fixed
    )
    print(f"fork server {os.getpid()} ready after {time.monotonic() - started:.1f} s", flush=True)
    server.serve()
    return 0


if __name__ == "__main__":
    exit_code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(exit_code)  # nothing is left to do; native libraries would report what the frozen heap still holds
