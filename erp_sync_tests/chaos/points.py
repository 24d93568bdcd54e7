"""Where a process may die in ledger and lake, others may come in between, and the machine lets it down.

A full disk takes what the ledger or the lake writes, now and then after half of it. A ledger that is gone is a server
that is restarted: it breaks a transaction off, before its commit or after it, and then answers nobody for a while.
"""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import psycopg
import sqlalchemy as sa

from erp_sync.components import states
from erp_sync.lake import Lake
from erp_sync.lake import lake as lake_module
from erp_sync.lake.manifest import Manifest
from erp_sync.ledger import Ledger
from erp_sync.ledger import engine as ledger_engine
from erp_sync.ledger.errors import LedgerBusy
from erp_sync.ledger.plans import Plans
from erp_sync.ledger.steps import Steps
from erp_sync_tests.chaos.simulation import Killed, Simulation

# On a full disk some transactions still find room in what others have left.
REFUSED = 0.7


@contextmanager
def points(here: Simulation) -> Iterator[None]:
    """All of them, while inside."""
    with _ledger_points(here), _accepting_points(here), _begun_points(here), _lake_points(here):
        yield


@contextmanager
def _patched(*patches: Any) -> Iterator[None]:
    with ExitStack() as stack:
        for one in patches:
            stack.enter_context(one)
        yield


@contextmanager
def _ledger_points(here: Simulation) -> Iterator[None]:
    """Around a transaction of the ledger."""
    original, look = ledger_engine.Database.write, ledger_engine.Database.read

    @contextmanager
    def write(self: Any, durable: bool = False) -> Iterator[Any]:
        here.point("before a transaction")
        here.sleep(0.001)
        _reach(here)
        if left := here.lacks("ledger locked"):
            here.sleep(min(left, ledger_engine.BUSY_SECONDS))
            if here.lacks("ledger locked"):
                raise LedgerBusy(self.place, ledger_engine.BUSY_SECONDS)
        with original(self, durable) as connection:
            yield connection
            here.point("in a transaction")
            if here.lacks("ledger full") and here.random.random() < REFUSED:
                raise _full()
            if here.goes("in a transaction"):
                raise _broken_off()
        if here.goes("after a transaction"):
            raise _broken_off()
        here.point("after a transaction")

    def read(self: Any) -> Any:
        _reach(here)
        return look(self)

    with _patched(
        mock.patch.object(ledger_engine.Database, "write", write),
        mock.patch.object(ledger_engine.Database, "read", read),
    ):
        yield


def _reach(here: Simulation) -> None:
    """A ledger that is gone is waited for, as the product waits for a server that is restarted."""
    if left := here.lacks("ledger gone"):
        here.sleep(min(left, ledger_engine.RESTART_SECONDS))
        if here.lacks("ledger gone"):
            raise sa.exc.OperationalError("connect", {}, psycopg.OperationalError("connection refused"))


def _full() -> sa.exc.OperationalError:
    error = sqlite3.OperationalError("database or disk is full")
    error.sqlite_errorcode = sqlite3.SQLITE_FULL
    return sa.exc.OperationalError("COMMIT", {}, error)


def _broken_off() -> sa.exc.OperationalError:
    error = psycopg.OperationalError("server closed the connection unexpectedly")
    return sa.exc.OperationalError("COMMIT", {}, error, connection_invalidated=True)


@contextmanager
def _accepting_points(here: Simulation) -> Iterator[None]:
    """Between what is received and what is planned or due."""
    handling, receive, gather = Ledger.handling, Ledger.receive, states.gather

    @contextmanager
    def handle(self: Ledger, *arguments: Any, **options: Any) -> Iterator[Any]:
        here.point("before documents are accepted")
        with handling(self, *arguments, **options) as work:
            yield work
        here.point("documents accepted")

    def receive_and_die(self: Ledger, *arguments: Any, **options: Any) -> Any:
        ids = receive(self, *arguments, **options)
        here.point("records received")
        return ids

    def gather_and_die(*arguments: Any, **options: Any) -> Any:
        found = gather(*arguments, **options)
        if found:
            here.point("values gathered")
        return found

    with _patched(
        mock.patch.object(states, "gather", gather_and_die),
        mock.patch.object(Ledger, "handling", handle),
        mock.patch.object(Ledger, "receive", receive_and_die),
    ):
        yield


@contextmanager
def _begun_points(here: Simulation) -> Iterator[None]:
    """Where a write is begun in the ledger and has not left."""
    begin_steps, begin_rows = Steps.begin_all, Plans.begin

    def steps(self: Steps, *arguments: Any, **options: Any) -> Any:
        begun = begin_steps(self, *arguments, **options)
        if any(isinstance(one, int) for one in begun):
            here.point("write begun")
        return begun

    def rows(self: Plans, *arguments: Any, **options: Any) -> Any:
        begun = begin_rows(self, *arguments, **options)
        if begun:
            here.point("write begun")
        return begun

    with _patched(mock.patch.object(Steps, "begin_all", steps), mock.patch.object(Plans, "begin", rows)):
        yield


@contextmanager
def _lake_points(here: Simulation) -> Iterator[None]:
    """While the lake is written; what had been written by then lies there."""
    put, append, written = Lake._put, Manifest._append, lake_module._written

    def half_table(path: Path, *arguments: Any) -> int:
        size = written(path, *arguments)
        try:
            here.point("parquet half written")
        except Killed:
            # Who is killed does not tidy up.
            os.truncate(path, size // 2)
            path.rename(path.with_name(f"half {path.name}"))
            raise
        _find_room(here)
        return size

    def put_and_die(self: Lake, *arguments: Any) -> Any:
        entry = put(self, *arguments)
        here.point("parquet written")
        return entry

    def half_line(self: Manifest, descriptor: int, line: bytes) -> None:
        try:
            here.point("manifest half written")
            _find_room(here)
        except (Killed, OSError):
            append(self, descriptor, line[: len(line) // 2])
            raise
        append(self, descriptor, line)

    with _patched(
        mock.patch.object(Lake, "_put", put_and_die),
        mock.patch.object(Manifest, "_append", half_line),
        mock.patch.object(lake_module, "_written", half_table),
    ):
        yield


def _find_room(here: Simulation) -> None:
    if here.lacks("lake full") and here.random.random() < REFUSED:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
