"""What can go wrong in the ledger.

LedgerError
  LedgerMissing, SchemaTooOld, SchemaTooNew   the database is not the one this version works with
  DatabaseAway                                the database does not answer, or not now
  LedgerBusy                                  the write lock was not to be had in time
  LeaseLost                                   somebody else owns the delivery now: stop, write nothing
  KeyBusy                                     the key is in flight or in its settle time elsewhere
  AlreadyConfirmed                            this step's key has a receipt already
  WrongState                                  the operation does not fit the state
  NotInLedger                                 no such row
  CrossReferenceConflict                      an id is linked to another one already
  BadLookupFile                               a CSV of a look-up table has errors
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from erp_sync.model.advice import Advice
from erp_sync.places import place


class LedgerError(Exception):
    """Base of everything the ledger raises by itself."""

    advice = Advice(
        means="The ledger refused something; nothing was changed by it.",
        look=("erp-sync status",),
        do="See the entry of the error named.",
    )


class LedgerMissing(LedgerError):
    """There is no ledger at this place yet."""

    advice = Advice(
        means="There is no ledger here yet: nothing can be recorded, and so nothing is sent.",
        look=("env | grep ERP_SYNC_HOME",),
        do="`erp-sync init`. Where there was one: the home is another folder, or the disk is not mounted.",
    )

    def __init__(self, place: str) -> None:
        self.place = place
        super().__init__(f"no ledger at {place}: run `erp-sync init`")


class SchemaTooOld(LedgerError):
    advice = Advice(
        means="The ledger is of an earlier version than the program: nothing is sent until it is upgraded.",
        look=("erp-sync status",),
        do="`erp-sync up` ends what runs and upgrades it.",
    )

    def __init__(self, place: str, found: str, expected: str) -> None:
        self.place, self.found, self.expected = place, found, expected
        super().__init__(f"ledger {place} has schema {found}, this version needs {expected}: run `erp-sync init`")


class SchemaTooNew(LedgerError):
    advice = Advice(
        means="The program is older than the ledger: it does not touch it.",
        look=("erp-sync --help",),
        do="Install the version that wrote it, or a later one.",
    )

    def __init__(self, place: str, found: str, expected: str) -> None:
        self.place, self.found, self.expected = place, found, expected
        super().__init__(
            f"ledger {place} has schema {found}, which is newer than {expected} of this version of erp_sync: "
            "start the version of erp_sync that wrote it, or a later one"
        )


class LedgerBusy(LedgerError):
    """The database was locked for longer than the busy time-out. Trying again later is safe."""

    advice = Advice(
        means="The ledger was locked for too long. Nothing is lost; the work is tried again by itself.",
        look=("erp-sync status", "ls -l $ERP_SYNC_HOME"),
        do="Nothing at first. Where it stays: a slow or full disk, a backup that locks the file, or time for "
        "PostgreSQL.",
    )

    def __init__(self, place: str, seconds: float) -> None:
        self.place, self.seconds = place, seconds
        super().__init__(
            f"ledger {place} was locked by another writer for more than {seconds:.0f} s; next: nothing, it is tried "
            "again; where it stays, end what holds it (a backup, another program)"
        )


class LeaseLost(LedgerError):
    """The lease ran out and the delivery or row has another owner, or none. Stop: nothing was written."""

    advice = Advice(
        means="A worker was away too long and another took its work over. Nothing was written twice.",
        look=("erp-sync trace NUMBER",),
        do="Nothing. Where it happens often, the machine is overloaded or suspended.",
    )

    def __init__(self, what: str, owner: str, fencing: int) -> None:
        self.what, self.owner, self.fencing = what, owner, fencing
        super().__init__(f"{what}: {owner} does not hold the lease with fencing number {fencing} any more")


class KeyBusy(LedgerError):
    """Another holder has the key in flight, or it settles after an unknown outcome. Try after `until`."""

    advice = Advice(
        means="Another send about the same thing is under way, or may still arrive. It goes after that.",
        look=("erp-sync trace NUMBER",),
        do="Nothing.",
    )

    def __init__(self, target: str, key: str, holder: int, until: datetime, why: str) -> None:
        self.target, self.key, self.holder, self.until, self.why = target, key, holder, until, why
        super().__init__(f"{key} of {target} is {why} (delivery {holder}): not before {until.isoformat()}")


class AlreadyConfirmed(LedgerError):
    """The step, or another delivery's step with the same operation and key, is confirmed: use `receipt`."""

    advice = Advice(
        means="The target has it already. It is not sent twice.",
        look=("erp-sync trace NUMBER",),
        do="Nothing.",
    )

    def __init__(self, target: str, key: str, receipt: Any) -> None:
        self.target, self.key, self.receipt = target, key, receipt
        super().__init__(f"{key} of {target} is confirmed already as {receipt.target_id}")


class WrongState(LedgerError):
    advice = Advice(
        means="What was asked does not fit the state that the document or plan is in now. Nothing was changed.",
        look=("erp-sync trace NUMBER",),
        do="Look at its state; somebody else may have decided meanwhile.",
    )

    def __init__(self, what: str, state: str, wanted: str) -> None:
        self.what, self.state, self.wanted = what, state, wanted
        super().__init__(f"{what} is {state}: {wanted}")


class NotInLedger(LedgerError):
    advice = Advice(
        means="The ledger has nothing of this name. Nothing was changed.",
        look=("erp-sync deadletters --each",),
        do="Compare the number or id.",
    )

    def __init__(self, what: str) -> None:
        self.what = what
        super().__init__(f"the ledger holds no {what}")


class CrossReferenceConflict(LedgerError):
    advice = Advice(
        means="A record is linked to another one already. Neither link was changed.",
        look=("erp-sync trace NUMBER",),
        do="See alert cross_reference.",
    )

    def __init__(self, left: str, existing: str, wanted: str) -> None:
        self.left, self.existing, self.wanted = left, existing, wanted
        super().__init__(f"{left} is linked to {existing} already, not to {wanted}")


class BadLookupFile(LedgerError):
    """A look-up CSV was refused as a whole. `problems` has (line, column, problem); line 1 is the header."""

    advice = Advice(
        means="A CSV of a look-up table has errors. None of it was taken: the table in force stays.",
        look=("erp-sync lookups import TABLE FILE",),
        do="Correct the lines and columns that the message names, import again.",
    )

    def __init__(self, file: str, problems: Sequence[tuple[int, str, str]]) -> None:
        self.file, self.problems = file, list(problems)
        shown = "; ".join(f"{file}, line {line}, column {column}: {text}" for line, column, text in self.problems[:5])
        more = f" (and {len(self.problems) - 5} more)" if len(self.problems) > 5 else ""
        super().__init__(shown + more)


class DatabaseAway(LedgerError):
    """The ledger, Dagster's storage or the exchange log does not answer, or cannot be used for now. Attributes: place,
    setting, why."""

    advice = Advice(
        means="The database that everything is recorded in does not answer: nothing is sent, and nothing is lost; "
        "documents wait at their source. Where the message names the exchange log, business goes on, and only what "
        "looks into the log ends.",
        look=(
            "env | grep -E 'ERP_SYNC_(LEDGER|DAGSTER_POSTGRES)_URL' | sed 's#://[^@]*@#://#'",
            "df -h $ERP_SYNC_HOME",
        ),
        do="Start the database, or correct the setting that the message names. What runs goes on by itself once it "
        "answers.",
    )

    def __init__(self, what: str, setting: str, url: str | sa.URL, error: BaseException, do: str = "") -> None:
        # The URL may hold a password.
        cause = getattr(error, "orig", None) or error
        self.place, self.setting = place(url), setting
        self.why = in_short(error)
        do = do or f"start the database, or correct {setting}"
        if _is_full(cause):
            do = "make room on its disk"
        super().__init__(f"{what} at {self.place} does not answer: {self.why}; next: {do}")


#: What is raised where a database does not answer: restarted, out of connections, its disk full. Of SQLite its driver's
#: own error, too: SQLAlchemy does not wrap what its listeners raise, which begin the transactions. SQLite raises the
#: same for a statement that is wrong: who catches these asks `is_away`.
NO_ANSWER = (sa.exc.OperationalError, sa.exc.InterfaceError, sa.exc.TimeoutError, sqlite3.OperationalError)

#: What may be raised where `is_away`.
AWAY = (LedgerBusy, DatabaseAway, *NO_ANSWER)

#: SQLite's primary result codes that are about the file. Any other is about the statement.
_OF_THE_FILE = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_PROTOCOL,  # the write-ahead log was busy for too long
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_READONLY,
    }
)

#: PostgreSQL's class 54, program limit exceeded.
_STATEMENT_TOO_LARGE = "54"


def in_short(error: BaseException) -> str:
    """What went wrong, of a database its driver's own words: with the statement there would be data in it."""
    cause = getattr(error, "orig", None) or error
    return " ".join(str(cause).split()) or type(cause).__name__


def is_restarted(error: BaseException) -> bool:
    """Whether the database's server went away with the connection, or is not back yet: it may answer soon. What was
    under way may have been committed. A file's trouble is not of this kind."""
    if not isinstance(error, sa.exc.OperationalError):
        return False
    # No connection, no state: a server that refuses a statement gives one.
    return error.connection_invalidated or getattr(error.orig, "sqlstate", "") is None


def _is_full(cause: BaseException) -> bool:
    return _sqlite_code(cause) == sqlite3.SQLITE_FULL or getattr(cause, "sqlstate", None) == "53100"


def _sqlite_code(cause: BaseException) -> int | None:
    """SQLite's primary result code; None where it gave none."""
    code: int | None = getattr(cause, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


def is_away(error: BaseException) -> bool:
    """Whether the ledger's database could not be used for now: no answer, or busy. Not for what a statement is to blame
    for."""
    if not isinstance(error, AWAY):
        return False
    cause = getattr(error, "orig", None) or error
    if isinstance(cause, sqlite3.Error):
        return _sqlite_code(cause) in _OF_THE_FILE
    # Both drivers of PostgreSQL call it operational, too, that a statement is larger than it takes.
    state = getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None) or ""
    return not state.startswith(_STATEMENT_TOO_LARGE)


@contextmanager
def answering(url: str | sa.URL) -> Iterator[None]:
    """What the driver raises where the ledger at `url` does not answer becomes DatabaseAway."""
    try:
        yield
    except NO_ANSWER as error:
        if not is_away(error):
            raise
        raise DatabaseAway("the ledger", "ERP_SYNC_LEDGER_URL", url, error) from error
