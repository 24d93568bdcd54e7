"""Folders that chaos is played in: gone at the end, and at the next start where a run was killed."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

PREFIX = "erp-sync-chaos-"
_HELD = ".held"
# Who makes a folder holds it a moment later; one that was never held is of a version that held none.
_MOMENT_SECONDS = 60.0
_LONGEST_RUN_SECONDS = 86_400.0


def memory() -> Path:
    """Where files are in memory, if the machine has such a place."""
    shm = Path("/dev/shm")
    return shm if os.access(shm, os.W_OK) else Path(tempfile.gettempdir())


@contextmanager
def workshop(where: Path) -> Iterator[Path]:
    """A folder of its own, held while this process lives; those of runs that were killed go first."""
    for folder in left_behind(where):
        shutil.rmtree(folder, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=where))
    descriptor = os.open(folder / _HELD, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(descriptor)


def left_behind(where: Path) -> list[Path]:
    """Folders of chaos that nobody holds and no process was started with."""
    idle = [folder for folder in where.glob(f"{PREFIX}*") if _is_idle(folder)]
    if not idle:
        return []
    words = _words_of_processes()
    return [folder for folder in idle if str(folder) not in words]


def _is_idle(folder: Path) -> bool:
    try:
        if folder.stat().st_uid != os.getuid():
            return False
        descriptor = os.open(folder / _HELD, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return _age(folder) > _LONGEST_RUN_SECONDS
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return _age(folder / _HELD) > _MOMENT_SECONDS


def _age(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _words_of_processes() -> str:
    """Commands and environments of all living processes that may be read."""
    words: list[str] = []
    for process in psutil.process_iter():
        try:
            words += [*process.cmdline(), *process.environ().values()]
        except psutil.Error:
            continue
    return "\n".join(words)
