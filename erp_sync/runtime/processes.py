"""Processes named so that a later process is never taken for an earlier one with the same number."""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import msgspec
import psutil

Content = TypeVar("Content")


class ProcessName(msgspec.Struct, frozen=True):
    """One process of this machine, distinct from any that reuses its number.

    Attributes:
        pid: process number.
        created: when it started, seconds since 1970-01-01 UTC, as the kernel tells it.
    """

    pid: int
    created: float

    @classmethod
    def of(cls, pid: int) -> ProcessName | None:
        """Name of the living process `pid`; None if there is none. A zombie is not living."""
        try:
            process = psutil.Process(pid)
            if process.status() == psutil.STATUS_ZOMBIE:
                return None
            return cls(pid, process.create_time())
        except psutil.NoSuchProcess:
            return None

    @classmethod
    def own(cls) -> ProcessName:
        return cls(os.getpid(), psutil.Process().create_time())

    @property
    def alive(self) -> bool:
        # create_time is computed from the boot time, which a clock correction moves a little
        now = ProcessName.of(self.pid)
        return now is not None and abs(now.created - self.created) < 2.0

    def signal(self, number: int) -> bool:
        """Send a signal. False if the process is gone."""
        if not self.alive:
            return False
        try:
            os.kill(self.pid, number)
        except ProcessLookupError:
            return False
        return True


def native_tasks() -> int:
    """Threads of this process as the kernel counts them, those of native libraries included."""
    return psutil.Process().num_threads()


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on the file `path` (created if need be), waiting for it.

    The kernel releases it when the holder dies.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def try_lock(path: Path) -> int | None:
    """Descriptor that holds the exclusive lock on `path` until closed; None if another process holds it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def read_whole(path: Path, type_: type[Content]) -> Content | None:
    """What a file written by `write_whole` holds; None without one, or where it cannot be read as that.

    After a power cut a file may be empty, after an upgrade of another form: what it told is lost, and nothing more.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=type_)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def write_whole(path: Path, content: bytes) -> None:
    """Replace a file so that a reader sees the old or the new content, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_native_id()}")
    temporary.write_bytes(content)
    temporary.replace(path)
