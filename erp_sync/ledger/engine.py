"""The ledger's database: connections, transactions, clock.

SQLite: write-ahead log; every writing transaction is ``BEGIN IMMEDIATE`` and waits for its turn, so
none fails half-way with "database is locked". Threads of one process queue on a lock. Processes wait as SQLite
has them wait: ever longer between looks. Beside a process that writes without a
pause that would never end: who has waited for `PATIENCE_SECONDS` looks every `LOOK_SECONDS`.

What a crash leaves. kill -9 of any process loses no committed transaction. On power loss
``synchronous=NORMAL`` may lose the last commits, never the database; that is harmless for state
that is made again (received records with their cursor, plans, limits). What cannot be made again
commits with `write(durable=True)`, ``synchronous=FULL``: that a step is being sent (before the
request leaves), its outcome, an inbox event (before it is answered), a person's decision. A durable
commit also makes all commits before it durable, they share the log. PostgreSQL: ``synchronous_commit``
is on in every session of ours, or what is stronger; what its server promises besides, `Database.promises` tells.

Away. A PostgreSQL that is restarted is back within seconds: whoever begins a transaction meanwhile waits for it, at
most until `RESTART_SECONDS` after the first of them found it gone, and only where it has answered this process before.
A transaction that was under way fails; whoever was in it says whether that can be done again.

Fork: connections belong to the process that opened them; a child builds its own on first use and
never touches or closes its parent's.
"""

from __future__ import annotations

import hashlib
import os
import random
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import QueuePool

from erp_sync.ledger.errors import LedgerBusy
from erp_sync.packing import prepare
from erp_sync.places import place
from erp_sync.statements import statements

Clock = Callable[[], datetime]

BUSY_SECONDS = 60.0
PATIENCE_SECONDS = 1.0
LOOK_SECONDS = (0.0005, 0.002)
"""Looking so often from the first moment on is no gain: the demo's day took 337 and 355 s with it, 308 s without (one
run each; supposed, not measured: processes that take turns read their pages anew for every transaction)."""
RESTART_SECONDS = 5.0
KNOCK_SECONDS = (0.05, 0.15)
CACHED_STATEMENTS = 1000
"""What SQLite's driver keeps prepared on a connection: all of the ledger's. Its own 128 are used up within a run."""

_writer_locks: dict[str, threading.Lock] = {}
_of_parents: list[sa.Engine] = []  # never collected: closing a parent's SQLite connection would drop its locks


def _forget_locks() -> None:
    _writer_locks.clear()


os.register_at_fork(after_in_child=_forget_locks)


def utc_now() -> datetime:
    return datetime.now(UTC)


class Database:
    """Transactions on one database, safe to use from threads and across forks."""

    def __init__(self, url: str, clock: Clock = utc_now) -> None:
        self.url = sa.make_url(url)
        self.sqlite = self.url.get_backend_name() == "sqlite"
        if not self.sqlite and self.url.get_backend_name() != "postgresql":
            raise ValueError(f"a ledger lives in sqlite or postgresql, not in {self.url.get_backend_name()}")
        self.place = place(self.url)
        self._clock = clock
        self._engine: sa.Engine | None = None
        self._pid = 0
        self._local = threading.local()
        self._creating = threading.Lock()
        self._answered = False
        self._away_since: float | None = None  # of time.monotonic()

    def now(self) -> datetime:
        """The clock's time; refuses a clock without a time zone."""
        now = self._clock()
        if now.tzinfo is None:
            raise ValueError("the ledger's clock must give times with a time zone")
        return now.astimezone(UTC)

    @property
    def engine(self) -> sa.Engine:
        if self._engine is None or self._pid != os.getpid():
            if self._pid and self._pid != os.getpid():
                self._creating = threading.Lock()  # the parent's may have been held by a thread that is not here
                self._local = threading.local()
                if self._engine is not None:
                    _of_parents.append(self._engine)
                self._engine = None
                self._pid = os.getpid()
            with self._creating:
                if self._engine is None:
                    self._engine = _sqlite_engine(self.url) if self.sqlite else _postgres_engine(self.url)
                    self._pid = os.getpid()
        return self._engine

    def close(self) -> None:
        if self._engine is not None and self._pid == os.getpid():
            self._engine.dispose()
        elif self._engine is not None:
            _of_parents.append(self._engine)
        self._engine = None

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """One consistent look at the database, however many statements; not for writing."""
        options = {"ledger_begin": "DEFERRED"} if self.sqlite else {"isolation_level": "REPEATABLE READ"}
        with self._connect() as connection, connection.execution_options(**options).begin():
            yield connection

    @contextmanager
    def write(self, durable: bool = False) -> Iterator[sa.Connection]:
        """One writing transaction: committed at the end, rolled back by any error.

        Args:
            durable: the commit survives power loss on SQLite too.
        Raises:
            LedgerBusy: another writer held the database for `BUSY_SECONDS`.
        """
        if getattr(self._local, "writing", False):
            raise RuntimeError("this thread is in a writing transaction of the ledger already")
        lock = _writer_locks.setdefault(self.place, threading.Lock()) if self.sqlite else None
        if lock is not None and not lock.acquire(timeout=BUSY_SECONDS):
            raise LedgerBusy(self.place, BUSY_SECONDS)
        self._local.writing = True
        try:
            options = {"ledger_begin": "IMMEDIATE", "ledger_durable": durable}
            with self._connect() as connection:
                connection = connection.execution_options(**options)
                try:
                    transaction = connection.begin()
                except (OperationalError, sqlite3.OperationalError) as error:
                    if "locked" not in str(error):
                        raise
                    raise LedgerBusy(self.place, BUSY_SECONDS) from error
                with transaction:
                    yield connection
        finally:
            self._local.writing = False
            if lock is not None:
                lock.release()

    def _connect(self) -> sa.Connection:
        """From the pool; a server that is restarted is waited for. A file needs nobody to answer."""
        if self.sqlite:
            return self.engine.connect()
        while True:
            try:
                connection = self.engine.connect()
            except OperationalError:
                now = time.monotonic()
                if self._away_since is None:
                    self._away_since = now
                if not self._answered or now - self._away_since > RESTART_SECONDS:
                    raise
                time.sleep(random.uniform(*KNOCK_SECONDS))
            else:
                self._answered, self._away_since = True, None
                return connection

    def promises(self) -> dict[str, str]:
        """Settings of PostgreSQL that say whether what it has committed outlasts a crash of its machine, as they are in
        force for a session of ours. Empty for SQLite."""
        if self.sqlite:
            return {}
        with self.read() as read:
            return {row.name: row.setting for row in read.execute(_PROMISES)}

    def exclude(self, connection: sa.Connection, *name: str) -> None:
        """Until the transaction ends nobody else passes here with the same name.

        SQLite has one writer at a time anyway; PostgreSQL takes an advisory lock.
        """
        if self.sqlite:
            return
        digest = hashlib.blake2b("\x1f".join(name).encode(), digest_size=8).digest()
        number = int.from_bytes(digest, "big", signed=True)
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(:number)"), {"number": number})


def _sqlite_engine(url: sa.URL) -> sa.Engine:
    engine = sa.create_engine(
        url,
        poolclass=QueuePool,
        hide_parameters=True,  # payloads hold personal data, and errors reach logs
        pool_size=8,
        max_overflow=56,
        execution_options={"compiled_cache": statements},
        connect_args={
            "timeout": BUSY_SECONDS,
            "check_same_thread": False,
            "isolation_level": None,
            "cached_statements": CACHED_STATEMENTS,
        },
    )

    def connected(raw: Any, record: Any) -> None:
        raw.isolation_level = None
        prepare(raw)
        raw.execute("PRAGMA foreign_keys=OFF")
        raw.execute("PRAGMA synchronous=NORMAL")
        raw.execute("PRAGMA temp_store=MEMORY")
        raw.execute("PRAGMA cache_size=-16000")
        record.info["durable"] = False

    def begin(connection: sa.Connection) -> None:
        options = connection.get_execution_options()
        durable = bool(options.get("ledger_durable", False))
        raw = connection.connection.dbapi_connection
        assert raw is not None
        if connection.info.get("durable", False) != durable:
            raw.execute("PRAGMA synchronous=FULL" if durable else "PRAGMA synchronous=NORMAL")
            connection.info["durable"] = durable
        if options.get("ledger_begin") == "IMMEDIATE":
            _begin_to_write(raw)
        else:
            raw.execute("BEGIN DEFERRED")

    sa.event.listen(engine, "connect", connected)
    sa.event.listen(engine, "begin", begin)
    return engine


def _begin_to_write(raw: Any) -> None:
    began = time.monotonic()
    raw.execute(f"PRAGMA busy_timeout={int(PATIENCE_SECONDS * 1000)}")
    try:
        if _begun(raw):
            return
        raw.execute("PRAGMA busy_timeout=0")
        while not _begun(raw, last=time.monotonic() - began > BUSY_SECONDS):
            time.sleep(random.uniform(*LOOK_SECONDS))
    finally:
        raw.execute(f"PRAGMA busy_timeout={int(BUSY_SECONDS * 1000)}")


def _begun(raw: Any, last: bool = False) -> bool:
    try:
        raw.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError as error:
        if last or error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
            raise
        return False
    return True


def _postgres_engine(url: sa.URL) -> sa.Engine:
    engine = sa.create_engine(
        url.set(drivername="postgresql+psycopg"),
        poolclass=QueuePool,
        hide_parameters=True,  # payloads hold personal data, and errors reach logs
        pool_size=8,
        max_overflow=56,
        execution_options={"compiled_cache": statements},
        pool_pre_ping=True,
        connect_args={"options": "-c timezone=utc"},
    )
    sa.event.listen(engine, "connect", _commits_wait_for_the_disk)
    return engine


def _commits_wait_for_the_disk(raw: Any, _record: Any) -> None:
    """Not among the connection's options: those would also weaken ``remote_apply`` where the server has that."""
    raw.autocommit = True
    raw.execute(_WAIT_FOR_THE_DISK)
    raw.autocommit = False


_WEAKER_THAN_ON = ("off", "local", "remote_write")
_WAIT_FOR_THE_DISK = (
    "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') IN "
    f"{_WEAKER_THAN_ON}"
)
_PROMISES = sa.text(
    "SELECT name, setting FROM pg_settings WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit')"
)
