"""Who writes calls and who erases them take turns.

A body is in its file before the row that leads to it is in the database. Who erases goes by the rows, and must know of
each body without one whether a row may still come. So a writer holds a lock, shared, from the first body of a batch to
the last row; what it has not finished when the lock is free it never will, also where it was killed: the operating
system lets go of the lock then.

Writers never wait for each other. They would never leave a moment to who erases, so it shuts the door first: those who
are at it finish, the next ones wait until it is open again.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from erp_sync.model.advice import Advice

#: How long who erases waits for those who write, in seconds: the others log nothing meanwhile, they queue.
PATIENCE = 30.0
_LOOK_SECONDS = 0.005
_DOOR, _ROOM = "writers-door.lock", "writers.lock"


class ExchangeLogError(Exception):
    """Base of what the exchange log raises by itself about the whole of it."""

    advice = Advice(
        means="The log of calls cannot be used as it is. No business is concerned.",
        look=("ls -l $ERP_SYNC_HOME/exchanges",),
        do="See the entry of the error named.",
    )


class StillWriting(ExchangeLogError):
    """Somebody writes calls and does not come to an end: whether they belong to an erased person cannot be told yet.
    Attributes: folder (of the log), seconds (that were waited)."""

    advice = Advice(
        means="A process is writing calls into the exchange log and does not come to an end, so that an erasure cannot "
        "tell whether the person is in them. Nothing is lost; the erasure is kept until it can be ended.",
        look=("lslocks -u -o PID,COMMAND,PATH | grep writers.lock", "df -h $ERP_SYNC_HOME"),
        do="Let the process that holds writers.lock go on, or end it: it was stopped, or the log's database or disk "
        "does not answer. The erasure is ended by `erp-sync privacy resume`, and by the daily housekeeping.",
    )

    def __init__(self, folder: Path, seconds: float) -> None:
        self.folder, self.seconds = folder, seconds
        super().__init__(
            f"a process has been writing calls into the exchange log at {folder} for more than {seconds:g} seconds, "
            "so what it has of the person cannot be erased yet; next: let it go on or end it "
            f"(lslocks -u | grep {_ROOM} names it), then erp-sync privacy resume"
        )


class WritersTurn:
    """The locks of one writer. For one thread; `with` it while bodies and rows are written."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._door = self._room = -1

    def __enter__(self) -> None:
        """Waits while somebody erases. Raises OSError."""
        if self._room < 0:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._door, self._room = _open(self._folder / _DOOR), _open(self._folder / _ROOM)
        fcntl.flock(self._door, fcntl.LOCK_SH)
        try:
            fcntl.flock(self._room, fcntl.LOCK_SH)
        finally:
            fcntl.flock(self._door, fcntl.LOCK_UN)

    def __exit__(self, *_: object) -> None:
        fcntl.flock(self._room, fcntl.LOCK_UN)

    def close(self) -> None:
        for descriptor in (self._door, self._room):
            if descriptor >= 0:
                _close(descriptor)
        self._door = self._room = -1


@contextmanager
def nobody_writing(folder: Path) -> Iterator[None]:
    """No process of this machine is between a body and its row, and none begins. Raises StillWriting.

    Do not flush the log in it: its own writer waits, too.
    """
    deadline = time.monotonic() + PATIENCE
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as locks:
        for name in (_DOOR, _ROOM):
            descriptor = _open(folder / name)
            locks.callback(_close, descriptor)
            while not _locked(descriptor):
                if time.monotonic() > deadline:
                    raise StillWriting(folder, PATIENCE)
                time.sleep(_LOOK_SECONDS)
            locks.callback(fcntl.flock, descriptor, fcntl.LOCK_UN)
        yield


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


# A child of a fork shares the locks until it closes them: else they would outlive a parent that is killed.
_guard = threading.Lock()
_opened: set[int] = set()


def _open(path: Path) -> int:
    with _guard:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        _opened.add(descriptor)
        return descriptor


def _close(descriptor: int) -> None:
    with _guard:
        _opened.discard(descriptor)
        os.close(descriptor)


def _before_fork() -> None:
    _guard.acquire()


def _in_parent() -> None:
    _guard.release()


def _in_child() -> None:
    for descriptor in _opened:
        with contextlib.suppress(OSError):
            os.close(descriptor)
    _opened.clear()
    _guard.release()


os.register_at_fork(before=_before_fork, after_in_parent=_in_parent, after_in_child=_in_child)
