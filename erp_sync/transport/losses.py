"""What the exchange log had to give up, by cause: one small file that all processes share and the watchdog reads.

Its room is taken while there is some, and it is written over where it stands: that goes on a full disk, too. Nobody
waits for it. Where it cannot be written, what is to be said is kept and said with the next exchange.
"""

from __future__ import annotations

import fcntl
import logging
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import sqlalchemy as sa

from erp_sync.transport.exchange_store import WrongExchangeLog

log = logging.getLogger(__name__)

FILE = "losses.jsonl"
DISK, DATABASE, QUEUE, DEFECT = "disk", "database", "queue", "defect"
CAUSES = (DISK, DATABASE, QUEUE, DEFECT)
#: A cause is over when nothing was lost by it for so long (and, of disk and database, something was written since).
QUIET = timedelta(minutes=10)
_SLOT = 512
_SIZE = _SLOT * len(CAUSES)
_LONGEST_WHY = 200
#: Of SQLite: what it cannot do because of the disk or the folder, not of the database.
_OF_THE_DISK = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN)


class Loss(msgspec.Struct, frozen=True, kw_only=True):
    """Exchanges that were given up by one cause. Times UTC.

    Attributes:
        cause: disk, database, queue (writing was too slow) or defect (one exchange could not be written).
        number: of exchanges since `since`, the first of them; `last`: of the latest.
        why: of the latest, in technical words.
        written: whether any exchange was written after the latest loss; told of disk and database only.
    """

    cause: str
    number: int
    since: datetime
    last: datetime
    why: str
    written: bool = False

    def over(self, now: datetime) -> bool:
        return now - self.last >= QUIET and (self.written or self.cause in (QUEUE, DEFECT))


def cause_of(error: Exception) -> str:
    """Why an exchange could not be written."""
    if isinstance(error, OSError):
        return DISK
    if isinstance(error, sa.exc.OperationalError):
        code = getattr(error.orig, "sqlite_errorcode", 0) & 0xFF  # the rest says more precisely of what kind
        return DISK if code in _OF_THE_DISK else DATABASE
    return DATABASE if isinstance(error, WrongExchangeLog) else DEFECT


class Losses:
    """The file in `folder`. Thread-safe; make another one after a fork."""

    def __init__(self, folder: Path, clock: Callable[[], datetime]) -> None:
        self._folder, self._path, self._clock = folder, folder / FILE, clock
        self._lock = threading.Lock()
        self._untold: dict[str, tuple[int, datetime, datetime, str]] = {}
        self._seen = 0

    def prepare(self) -> None:
        """Take the room of the file, where that is not done yet. Call it before anything is lost."""
        try:
            if self._path.exists() and self._path.stat().st_size >= _SIZE:
                return
            self._folder.mkdir(parents=True, exist_ok=True)
            with self._lock, self._alone(os.O_CREAT) as file:
                if file is not None and (size := os.fstat(file).st_size) < _SIZE:
                    os.pwrite(file, b" " * (_SIZE - size), size)
        except OSError as error:
            log.error("exchange_losses_not_prepared", extra={"why": str(error)})

    def lose(self, cause: str, number: int, why: str) -> None:
        """So many exchanges were given up just now. Never raises, waits for nobody."""
        now = self._clock()
        self.prepare()  # the folder may have been moved away
        with self._lock:
            before, since, _, _ = self._untold.get(cause, (0, now, now, ""))
            self._untold[cause] = (before + number, since, now, why)
            self._tell(written=False)

    def written(self) -> None:
        """Exchanges were written. Costs a look at the file's time where nothing was lost."""
        try:
            changed = self._path.stat().st_mtime_ns
        except OSError:
            changed = 0
        with self._lock:
            if self._untold or changed != self._seen:
                self._seen = changed
                self._tell(written=True)

    def all(self) -> list[Loss]:
        """What was lost last by each cause, also where it is over. Raises OSError where the file cannot be read."""
        try:
            return list(_slots(self._path.read_bytes()).values())
        except FileNotFoundError:
            return []

    def _tell(self, *, written: bool) -> None:
        try:
            with self._alone() as file:
                if file is None:
                    self._seen = 0  # another process writes it: the next time
                    return
                known = _slots(os.pread(file, _SIZE, 0))
                for cause, loss in self._new(known, written).items():
                    os.pwrite(file, _packed(loss), _SLOT * CAUSES.index(cause))
                self._untold.clear()
        except OSError as error:
            log.error("exchange_losses_not_told", extra={"why": str(error), "untold": str(self._untold)})

    def _new(self, known: dict[str, Loss], written: bool) -> dict[str, Loss]:
        changed: dict[str, Loss] = {}
        for cause, (number, since, last, why) in self._untold.items():
            before = known.get(cause)
            if before is not None and not before.over(since):
                number, since = number + before.number, before.since
            changed[cause] = Loss(cause=cause, number=number, since=since, last=last, why=why)
        if written:
            for cause in (DISK, DATABASE):
                loss = changed.get(cause) or known.get(cause)
                if loss is not None and not loss.written:
                    changed[cause] = msgspec.structs.replace(loss, written=True)
        return changed

    @contextmanager
    def _alone(self, create: int = 0) -> Iterator[int | None]:
        """The open file, locked; None where another process has it."""
        file = os.open(self._path, os.O_RDWR | create, 0o644)
        try:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield None
                return
            try:
                yield file
            finally:
                fcntl.flock(file, fcntl.LOCK_UN)  # a child forked meanwhile holds it, too: closing would not do
        finally:
            os.close(file)


def _packed(loss: Loss) -> bytes:
    why = loss.why[:_LONGEST_WHY]
    while len(packed := msgspec.json.encode(msgspec.structs.replace(loss, why=why))) >= _SLOT:
        why = why[: len(why) // 2]  # of characters that take several bytes
    return packed.ljust(_SLOT - 1) + b"\n"


def _slots(data: bytes) -> dict[str, Loss]:
    found = {}
    for index, cause in enumerate(CAUSES):
        slot = data[index * _SLOT : (index + 1) * _SLOT].strip(b" \n\0")
        try:
            if slot:
                found[cause] = msgspec.json.decode(slot, type=Loss)
        except msgspec.DecodeError:
            log.warning("exchange_losses_damaged", extra={"cause": cause})  # the next loss writes it anew
    return found
