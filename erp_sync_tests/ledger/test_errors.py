"""What says that the database is away, and what says that a statement is wrong: SQLite raises the same for both."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from erp_sync.ledger.errors import NO_ANSWER, DatabaseAway, LedgerBusy, answering, is_away


def full(file: Path, raw: sqlite3.Connection) -> None:
    raw.execute("PRAGMA max_page_count=1")
    raw.execute("CREATE TABLE more AS SELECT zeroblob(10000000) AS weight")


def locked(file: Path, raw: sqlite3.Connection) -> None:
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        raw.execute("BEGIN IMMEDIATE")


def read_only(file: Path, raw: sqlite3.Connection) -> None:
    raw.execute("PRAGMA query_only=ON")
    raw.execute("INSERT INTO t VALUES (1)")


def gone(file: Path, raw: sqlite3.Connection) -> None:
    sqlite3.connect(file / "no folder" / "ledger.db")


def no_column(file: Path, raw: sqlite3.Connection) -> None:
    raw.execute("SELECT nothing FROM t")


def no_table(file: Path, raw: sqlite3.Connection) -> None:
    raw.execute("SELECT 1 FROM nothing")


def syntax(file: Path, raw: sqlite3.Connection) -> None:
    raw.execute("SELEKT 1")


def too_many(file: Path, raw: sqlite3.Connection) -> None:
    raw.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, 2)
    raw.execute("SELECT ?, ?, ?", (1, 2, 3))


Trouble = Callable[[Path, sqlite3.Connection], None]


def met(trouble: Trouble, folder: Path) -> sqlite3.OperationalError:
    file = folder / "ledger.db"
    with closing(sqlite3.connect(file, isolation_level=None, timeout=0)) as raw:
        raw.execute("CREATE TABLE t (a)")
        with pytest.raises(sqlite3.OperationalError) as raised:
            trouble(file, raw)
    return raised.value


@pytest.mark.parametrize("trouble", [full, locked, read_only, gone])
def test_a_file_that_cannot_be_used_is_a_ledger_that_is_away(tmp_path: Path, trouble: Trouble):
    error = met(trouble, tmp_path)
    for one in (error, sa.exc.OperationalError("INSERT", {}, error)):
        assert is_away(one)
        with pytest.raises(DatabaseAway, match=r"the ledger at .*does not answer"), answering("sqlite:///ledger.db"):
            raise one


@pytest.mark.parametrize("trouble", [no_column, no_table, syntax, too_many])
def test_a_statement_that_is_wrong_is_told_as_what_it_is(tmp_path: Path, trouble: Trouble):
    error = met(trouble, tmp_path)
    for one in (error, sa.exc.OperationalError("SELECT", {}, error)):
        assert isinstance(one, NO_ANSWER)
        assert not is_away(one)
        with pytest.raises(type(one)) as raised, answering("sqlite:///ledger.db"):
            raise one
        assert raised.value is one


@pytest.mark.parametrize(
    "error",
    [
        LedgerBusy("ledger.db", 60),
        DatabaseAway("the ledger", "ERP_SYNC_LEDGER_URL", "sqlite:///ledger.db", OSError("gone")),
        sa.exc.OperationalError("SELECT", {}, psycopg.errors.AdminShutdown("terminating connection")),
        sa.exc.InterfaceError("SELECT", {}, psycopg.InterfaceError("the connection is closed")),
        sa.exc.TimeoutError("QueuePool limit reached"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_server_that_does_not_answer_is_away(error: Exception):
    assert is_away(error)


def test_a_statement_that_the_server_finds_too_large_is_no_server_that_does_not_answer():
    assert not is_away(sa.exc.OperationalError("SELECT", {}, psycopg.errors.ProgramLimitExceeded("too many columns")))
