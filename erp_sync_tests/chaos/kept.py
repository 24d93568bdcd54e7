"""SQLite's files, in this process's memory while a seed is played: their locks, logs and checksums are for others."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path
from typing import Any
from unittest import mock

_connect = sqlite3.connect
_numbers = count(1)  # no two folders share a database, though they are called alike


class _Reader(sqlite3.Connection):
    """Who closes it gives it back: to read what tables there are takes longer than most questions."""

    idle: list[_Reader]

    def close(self) -> None:
        self.row_factory = None
        self.idle.append(self)

    def end(self) -> None:
        super().close()


class Kept:
    """Stands in the place of `sqlite3.connect` for the databases right in a folder, but for those `left` out.

    A file is read when it is first connected to, and left as it is: what is written is gone with `close`. Nobody
    commits to such a database while another connection reads it.
    """

    def __init__(self, folder: Path, left: frozenset[str] = frozenset()) -> None:
        self._folder, self._left, self._number = folder, left, next(_numbers)
        self._kept: dict[str, sqlite3.Connection] = {}
        self._readers: dict[str, list[_Reader]] = {}

    def connect(self, database: Any, *arguments: Any, uri: bool = False, **options: Any) -> sqlite3.Connection:
        path, _, asked = str(database).removeprefix("file:").partition("?") if uri else (str(database), "", "")
        place, reads_only = Path(path), "mode=ro" in asked
        mine = place.parent == self._folder and place.name not in self._left
        if not mine or (reads_only and not place.exists()):
            return _connect(database, *arguments, uri=uri, **options)
        if place.name not in self._kept:
            self._kept[place.name] = self._read(place)
        return self._reader(place) if reads_only else self._opened(place, *arguments, **options)

    def _reader(self, place: Path) -> _Reader:
        idle = self._readers.setdefault(place.name, [])
        if idle:
            return idle.pop()
        made = self._opened(place, factory=_Reader)
        assert isinstance(made, _Reader)
        made.idle = idle
        made.execute("PRAGMA query_only = ON")
        return made

    def _read(self, place: Path) -> sqlite3.Connection:
        kept = self._opened(place, check_same_thread=False)
        if place.exists():
            with closing(_connect(place)) as there:
                there.backup(kept)
        else:
            place.touch()  # some look whether it is there
        return kept

    def _opened(self, place: Path, *arguments: Any, **options: Any) -> sqlite3.Connection:
        made = _connect(f"file:/{self._number}/{place.name}?vfs=memdb", *arguments, uri=True, **options)
        made.execute("PRAGMA journal_mode = MEMORY")  # it has no other, and keeps it whatever it is asked for
        return made

    def close(self) -> None:
        for reader in (one for idle in self._readers.values() for one in idle):
            reader.end()
        for one in self._kept.values():
            one.close()
        self._readers.clear()
        self._kept.clear()


@contextmanager
def kept(folder: Path, left: frozenset[str]) -> Iterator[None]:
    """Inside, the databases of the folder are in memory."""
    here = Kept(folder, left)
    with mock.patch.object(sqlite3, "connect", here.connect), closing(here):
        yield
