"""SQLite's files, in this process's memory while a seed is played: their locks, logs and checksums are for others."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

_connect = sqlite3.connect


class Kept:
    """Stands in the place of `sqlite3.connect` for the databases right in a folder, but for those `left` out.

    A file is read when it is first connected to, and left as it is: what is written is gone with `close`. Nobody
    commits to such a database while another connection reads it.
    """

    def __init__(self, folder: Path, left: frozenset[str] = frozenset()) -> None:
        self._folder, self._left = folder, left
        self._kept: dict[str, sqlite3.Connection] = {}

    def connect(self, database: Any, *arguments: Any, uri: bool = False, **options: Any) -> sqlite3.Connection:
        path = Path(str(database).removeprefix("file:").partition("?")[0] if uri else str(database))
        if path.parent != self._folder or path.name in self._left:
            return _connect(database, *arguments, uri=uri, **options)
        if path.name not in self._kept:
            self._kept[path.name] = self._read(path)
        return _opened(path, *arguments, **options)

    def _read(self, path: Path) -> sqlite3.Connection:
        kept = _opened(path, check_same_thread=False)
        if path.exists():
            with closing(_connect(path)) as there:
                there.backup(kept)
        else:
            path.touch()  # some look whether it is there
        return kept

    def close(self) -> None:
        for one in self._kept.values():
            one.close()
        self._kept.clear()


def _opened(path: Path, *arguments: Any, **options: Any) -> sqlite3.Connection:
    made = _connect(f"file:{path}?vfs=memdb", *arguments, uri=True, **options)
    made.execute("PRAGMA journal_mode = MEMORY")  # such a database has no other, and keeps it whatever it is asked for
    return made


@contextmanager
def kept(folder: Path, left: frozenset[str]) -> Iterator[None]:
    """Inside, the databases of the folder are in memory."""
    here = Kept(folder, left)
    with mock.patch.object(sqlite3, "connect", here.connect), closing(here):
        yield
