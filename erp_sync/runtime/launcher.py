"""Run launcher of this project: hands each run to a fork server, or to Dagster's default launcher without one."""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from dagster import Array, Bool, DagsterRun, DagsterRunStatus, Field, Int, String
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.events import DagsterEventType
from dagster._core.launcher import CheckRunHealthResult, DefaultRunLauncher, LaunchRunContext, RunLauncher, WorkerStatus
from dagster._core.storage.tags import GRPC_INFO_TAG, PRIORITY_TAG
from dagster._serdes import ConfigurableClass, ConfigurableClassData, serialize_value

from erp_sync.model.advice import Advice
from erp_sync.runtime import messages
from erp_sync.runtime.fingerprint import fingerprint
from erp_sync.runtime.launch_fork_server import start_fork_server
from erp_sync.runtime.processes import ProcessName, try_lock
from erp_sync.runtime.workers import WarmFolder

log = logging.getLogger(__name__)

_CONNECT_SECONDS = 10.0
_FINGERPRINT_SECONDS = 1.0
_INTERPRETER_SECONDS = 3.0
"""A fork server just started may not have reached its lock yet."""

_NICE_A_STEP = 4
"""Each step of niceness leaves a fifth less of a processor that others want, too: so four leave 40 %."""

_SILENT_SECONDS = 60.0
"""A started run that has named no process for so long has none."""


class NoForkServer(Exception):
    """No fork server takes this run. Attributes: reason, start (a new server would help), full."""

    advice = Advice(
        means="A run starts the slow way, through the default launcher. Nothing is lost, runs take two seconds longer.",
        look=("erp-sync status",),
        do="Nothing at first: a new server is started. Where it stays, `erp-sync down` and `erp-sync up`.",
    )

    def __init__(self, reason: str, *, start: bool, full: bool = False) -> None:
        self.reason, self.start, self.full = reason, start, full
        super().__init__(reason)


class WarmRunLauncher(RunLauncher, ConfigurableClass):
    """Forks runs from a process that has everything imported; a run's overhead is a fraction of a second.

    Every run takes this way, whoever started it. Without a fork server (it died, its code is out of date) a new one
    is started in the background and the run goes to Dagster's default launcher, which the run's log says.

    Worker health is judged by process number and start time, kept in files, so it holds after a restart of
    everything; runs of the default launcher and runs executed by a command are judged by the process that their
    log names. Workers are on this machine: for several machines use one installation each, or Dagster's Celery or
    Kubernetes launchers instead of this one.

    Args:
        module: code location that the fork server loads.
        preload: further modules to import before forking.
        warm_up: functions to call before forking, as ``module:function``.
        environment: variables besides ``ERP_SYNC_*`` whose change makes a fork server out of date.
        most_workers: runs at the same time, at most; keep it above ``max_concurrent_runs``.
        start_server: whether this launcher starts a missing fork server itself.
    """

    def __init__(
        self,
        module: str = "erp_sync.definitions",
        preload: Sequence[str] = (),
        warm_up: Sequence[str] = (),
        environment: Sequence[str] = (),
        most_workers: int = 50,
        start_server: bool = True,
        inst_data: ConfigurableClassData | None = None,
    ) -> None:
        self._inst_data = inst_data
        self._module, self._preload, self._warm_up = module, tuple(preload), tuple(warm_up)
        self._environment, self._most_workers, self._start_server = tuple(environment), most_workers, start_server
        self._default = DefaultRunLauncher()
        self._starting = threading.Lock()
        self._started: subprocess.Popen[bytes] | None = None
        self._not_before = 0.0
        self._started_at = 0.0
        self._proved = False
        self._failures = 0
        self._fingerprint = ("", 0.0)
        self._processes: dict[str, ProcessName | None] = {}
        super().__init__()

    @property
    def inst_data(self) -> ConfigurableClassData | None:
        return self._inst_data

    @classmethod
    def config_type(cls) -> Mapping[str, Field]:
        return {
            "module": Field(String, is_required=False, default_value="erp_sync.definitions"),
            "preload": Field(Array(String), is_required=False, default_value=[]),
            "warm_up": Field(Array(String), is_required=False, default_value=[]),
            "environment": Field(Array(String), is_required=False, default_value=[]),
            "most_workers": Field(Int, is_required=False, default_value=50),
            "start_server": Field(Bool, is_required=False, default_value=True),
        }

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData, config_value: Mapping[str, Any]) -> WarmRunLauncher:
        return cls(inst_data=inst_data, **config_value)

    def register_instance(self, instance: Any) -> None:
        super().register_instance(instance)
        self._default.register_instance(instance)

    @property
    def folder(self) -> WarmFolder:
        return WarmFolder(self._instance.root_directory)

    # --- launching

    def launch_run(self, context: LaunchRunContext) -> None:
        run = context.dagster_run
        try:
            pid = self._hand_over(run)
        except NoForkServer as missing:
            if missing.full:
                # the queue keeps such a run and tries again; another launcher would overload the machine
                raise DagsterUserCodeUnreachableError(missing.reason) from missing
            starting = missing.start and self._start_server and self._start()
            self._instance.report_engine_event(
                f"{missing.reason}; the default launcher takes this run"
                + (" while a fork server starts in the background." if starting else "."),
                run,
                cls=self.__class__,
            )
            log.warning("no_fork_server", extra={"run_id": run.run_id, "reason": missing.reason})
            self._default.launch_run(context)
        else:
            self._failures, self._proved = 0, True
            log.info("forked", extra={"run_id": run.run_id, "pid": pid})

    def _hand_over(self, run: DagsterRun) -> int:
        """Have the fork server start the run; answers the worker's pid. Raises NoForkServer with nothing started."""
        origin = run.job_code_origin
        if origin is not None and origin.repository_origin.executable_path not in (None, sys.executable):
            raise NoForkServer("This run's code location uses another Python", start=False)
        instance, code = serialize_value(self._instance.get_ref()), self._current_code()
        request = messages.RunRequest(run.run_id, instance, code, niceness(run))
        connection = socket.socket(socket.AF_UNIX)
        with connection:
            connection.settimeout(_CONNECT_SECONDS)
            try:
                connection.connect(self.folder.address)
                messages.send(connection, request)
                answer = messages.receive_answer(connection)
            except (FileNotFoundError, ConnectionRefusedError) as error:
                raise NoForkServer("No fork server is running", start=True) from error
            except (OSError, EOFError, msgspec.DecodeError) as error:
                # nothing has started: a worker that hears no GO ends
                raise NoForkServer(f"The fork server did not answer ({error})", start=True) from error
            if isinstance(answer, messages.Refused):
                sentence = answer.reason[:1].upper() + answer.reason[1:]
                raise NoForkServer(sentence, start=answer.stale, full=answer.full)
            if not isinstance(answer, messages.Ready):
                raise NoForkServer("The fork server answered nonsense", start=False)
            try:
                connection.sendall(messages.GO)
            except OSError as error:
                raise NoForkServer(f"The worker died before it started ({error})", start=True) from error
            return answer.pid

    def _current_code(self) -> str:
        value, until = self._fingerprint
        if time.monotonic() >= until:
            value = fingerprint(self._module, self._environment)
            self._fingerprint = (value, time.monotonic() + _FINGERPRINT_SECONDS)
        return value

    def _start(self) -> bool:
        """Start a fork server, detached, unless one is starting; False while it is left alone after failures.

        A second server finds the lock of the first and ends at once, so two launchers do no harm.
        """
        with self._starting:
            now = time.monotonic()
            if self._started is not None:
                exit_code = self._started.poll()
                if exit_code is None and now - self._started_at < _INTERPRETER_SECONDS:
                    return True
                if exit_code not in (None, 0) and not self._proved:
                    self._failures += 1
                    self._not_before = now + min(5.0 * 2**self._failures, 120.0)
                    log.error("fork_server_failed", extra={"exit_code": exit_code, "log": str(self.folder.log)})
                    self._started = None
            if now < self._not_before:
                return False
            if self.folder.keeper() is not None:
                return True  # the services start it, with the code that all of them have
            self.folder.create()
            lock = try_lock(self.folder.lock)
            if lock is None:
                return True  # one is importing, or has just become ready
            os.close(lock)
            self._started, self._started_at, self._proved = self._start_process(), now, False
            return True

    def _start_process(self) -> subprocess.Popen[bytes]:
        return start_fork_server(
            self.folder, self._module, self._preload, self._warm_up, self._environment, self._most_workers
        )

    # --- ending and judging

    def terminate(self, run_id: str) -> bool:
        """Interrupt a run: its steps see an interrupt, as with any Dagster launcher. False if it runs no more."""
        run = self._instance.get_run_by_id(run_id)
        if run is None or run.is_finished:
            return False
        worker = self.folder.worker(run_id)
        if worker is None and GRPC_INFO_TAG in run.tags:
            return self._default.terminate(run_id)
        self._instance.report_run_canceling(run)
        process = worker.process if worker is not None else self._process_in_log(run)
        if process is None or not process.signal(signal.SIGINT):
            self._instance.report_engine_event("No process executes this run any more.", run, cls=self.__class__)
            return False
        return True

    @property
    def supports_check_run_worker_health(self) -> bool:
        return True

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        worker = self.folder.worker(run.run_id)
        if worker is not None:
            return _judged(worker.process)
        if run.run_id not in self._processes:
            process = self._process_in_log(run)
            if process is None:
                return self._judge_silent(run)
            if len(self._processes) > 10_000:
                self._processes.clear()
            self._processes[run.run_id] = process
        known = self._processes[run.run_id]
        return _judged(known) if known is not None else self._judge_silent(run)

    def get_run_worker_debug_info(self, run: DagsterRun, include_container_logs: bool | None = True) -> str | None:
        worker = self.folder.worker(run.run_id)
        if worker is None:
            return None
        return f"Its worker was process {worker.process.pid}.{self.folder.last_words(run.run_id)}"

    def _process_in_log(self, run: DagsterRun) -> ProcessName | None:
        """The process that the run's log names first, if it lives; a dead one as a name that is not alive."""
        for entry in self._instance.all_logs(run.run_id, of_type=DagsterEventType.ENGINE_EVENT):
            event = entry.dagster_event
            if event is None or "pid" not in event.engine_event_data.metadata:
                continue
            pid = int(str(event.engine_event_data.metadata["pid"].value))
            living = ProcessName.of(pid)
            if living is not None and living.created <= entry.timestamp + 2.0:
                return living
            return ProcessName(pid, 0.0)
        return None

    def _judge_silent(self, run: DagsterRun) -> CheckRunHealthResult:
        record = self._instance.get_run_record_by_id(run.run_id)
        launching = run.status in (DagsterRunStatus.STARTING, DagsterRunStatus.NOT_STARTED, DagsterRunStatus.CANCELING)
        if record is None or launching or time.time() - record.update_timestamp.timestamp() < _SILENT_SECONDS:
            return CheckRunHealthResult(WorkerStatus.RUNNING, "no process is known yet")
        return CheckRunHealthResult(WorkerStatus.NOT_FOUND, "no process has ever reported for this run")


def niceness(run: DagsterRun) -> int:
    """Of a run's process, by its priority in Dagster's queue: what comes later there gives way on the processor, too.

    The queue seldom holds anything back, the processor often does: without this an order waits for prices.
    """
    try:
        priority = int(run.tags.get(PRIORITY_TAG, "0"))
    except ValueError:  # anybody may tag a run; the queue takes such a tag for none, and says so
        return 0
    return min(19, max(0, -priority) * _NICE_A_STEP)


def _judged(process: ProcessName) -> CheckRunHealthResult:
    if process.alive:
        return CheckRunHealthResult(WorkerStatus.RUNNING, run_worker_id=str(process.pid))
    return CheckRunHealthResult(
        WorkerStatus.NOT_FOUND, f"its worker, process {process.pid}, is gone", run_worker_id=str(process.pid)
    )
