"""The process of one run, forked from the fork server. It does what ``dagster api execute_run`` does."""

from __future__ import annotations

import atexit
import faulthandler
import gc
import os
import signal
import socket
import sys
import threading
import traceback
from contextlib import suppress
from typing import NoReturn

from erp_sync.runtime import messages, preloading
from erp_sync.runtime.processes import ProcessName
from erp_sync.runtime.workers import WarmFolder, Worker

SUCCEEDED = 0
RUN_FAILED = 1
NOT_STARTED = 75
"""The launcher never said go: nothing was done, the run is somebody else's."""

ORDERLY = (SUCCEEDED, RUN_FAILED, NOT_STARTED)
"""Exit codes after which the run's own log says how it ended."""

GARBAGE_THRESHOLD = (50_000, 20, 20)
"""Objects made, and collections of the young, before the collector looks. With Python's own 700, 10, 10 it took some
9 % of a run over 100,000 rows."""

_BROKEN = 2
_GO_SECONDS = 30.0


def become(connection: socket.socket, request: messages.RunRequest, folder: WarmFolder) -> NoReturn:
    """Turn this freshly forked process into the worker of a run; never returns."""
    exit_code = _BROKEN
    try:
        exit_code = _work(connection, request, folder)
    except BaseException:  # noqa: BLE001 - the process ends here; whoever reaps it reports the run as crashed
        traceback.print_exc()
    finally:
        _end(exit_code)


def _work(connection: socket.socket, request: messages.RunRequest, folder: WarmFolder) -> int:
    output = folder.output(request.run_id)
    try:
        with output.open("ab") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        faulthandler.enable()
        # an own group: Ctrl-C in the terminal of the services does not interrupt runs behind Dagster's back
        os.setpgid(0, 0)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        folder.write_worker(Worker(request.run_id, ProcessName.own()))
        messages.send(connection, messages.Ready(os.getpid()))
        connection.settimeout(_GO_SECONDS)
        gone = messages.receive_line(connection) != messages.GO
    except (OSError, EOFError):
        traceback.print_exc()
        gone = True  # a full disk among others: whoever waits for Ready launches elsewhere
    connection.close()
    if gone:
        with suppress(OSError):
            folder.forget(request.run_id)
            output.unlink(missing_ok=True)
        return NOT_STARTED
    if request.niceness > 0:
        os.nice(request.niceness)
    # A run makes rows by the hundred thousand that live until it ends: among them there is little garbage.
    gc.set_threshold(*GARBAGE_THRESHOLD)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()  # else every run would draw the same numbers
    exit_code = _execute(request)
    if exit_code == SUCCEEDED:
        output.unlink(missing_ok=True)  # the run's events and its captured output are in Dagster
    return exit_code


def _execute(request: messages.RunRequest) -> int:
    from dagster._cli.api import _execute_run_command_body
    from dagster._utils.interrupts import capture_interrupts

    with capture_interrupts(), preloading.instance_of(request.instance_ref) as instance:
        return _execute_run_command_body(request.run_id, instance, lambda _event: None, set_exit_code_on_failure=True)


def report_crash(run_id: str, instance_ref: str, exit_code: int, folder: WarmFolder) -> NoReturn:
    """Mark a run whose worker died as failed, with how it died, unless the run had ended; never returns."""
    reported = _BROKEN
    try:
        from dagster import DagsterRunStatus
        from dagster._utils import get_run_crash_explanation

        with preloading.instance_of(instance_ref) as instance:
            run = instance.get_run_by_id(run_id)
            if run is not None and not run.is_finished:
                message = get_run_crash_explanation(f"Run execution process for {run_id}", exit_code)
                instance.report_engine_event(message + folder.last_words(run_id), run)
                if run.status == DagsterRunStatus.CANCELING:
                    instance.report_run_canceled(run)
                else:
                    instance.report_run_failed(run)
        folder.forget(run_id)
        reported = SUCCEEDED
    except BaseException:  # noqa: BLE001 - the process ends here; run monitoring finds the run by its dead worker
        traceback.print_exc()
    finally:
        _end(reported)


def _end(exit_code: int) -> NoReturn:
    """End as an interpreter does: wait for threads, call what asked to be called at exit, flush.

    `os._exit` closes without tearing down every imported module, which would take longer than a small run.
    """
    try:
        for thread in threading.enumerate():
            if thread is not threading.current_thread() and not thread.daemon:
                thread.join()
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(exit_code)
