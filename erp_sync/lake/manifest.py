"""Manifests: which files of the lake count. One per (connection, entity), ``manifest.jsonl``.

Each line is one transaction: files added and files removed, together. A line is appended under a file
lock and forced to disk before the lock is given up; a line without its end (a crash, a full disk) never
counts and is cut off by the next writer. So a swap of files is visible as a whole or not at all, for any
number of processes on one machine.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from erp_sync.lake.errors import LakeError, room_for
from erp_sync.lake.origins import Part

_TAIL = 4096


class FileEntry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One file. `file` is its path below the lake's root.

    Attributes:
        written_at: when its rows were received, UTC; for a compacted file of its latest rows.
        first_at: of its earliest rows, where that differs.
        joined: for a joined or rewritten file: how many files its rows came from. Their names are in its footer.
        parts: these names, in manifests of before they were in the footer. The next compaction moves them there.
    """

    file: str
    rows: int
    bytes: int
    written_at: datetime
    first_at: datetime | None = None
    run_id: str = ""
    joined: int = 0
    parts: tuple[Part, ...] = ()

    @property
    def earliest(self) -> datetime:
        return self.first_at or self.written_at


class Change(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of a manifest."""

    at: datetime
    add: tuple[FileEntry, ...] = ()
    remove: tuple[str, ...] = ()


class Manifest:
    """The manifest in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "manifest.jsonl"

    def entries(self) -> list[FileEntry]:
        """Files that count now, in the order in which they were added."""
        return list(self._read()[0].values())

    def removed(self) -> dict[str, datetime]:
        """Files that were swapped out and may still lie in the folder, with when they were."""
        return self._read()[1]

    def _read(self) -> tuple[dict[str, FileEntry], dict[str, datetime]]:
        current: dict[str, FileEntry] = {}
        gone: dict[str, datetime] = {}
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return current, gone
        whole, _, _ = content.rpartition(b"\n")
        for number, line in enumerate(whole.split(b"\n") if whole else [], start=1):
            try:
                change = _decoder.decode(line)
            except msgspec.DecodeError as error:
                raise LakeError(f"{self.path}, line {number}: not a line of a manifest: {error}") from error
            for name in change.remove:
                current.pop(name, None)
                gone[name] = change.at
            for entry in change.add:
                current[entry.file] = entry
                gone.pop(entry.file, None)
        return current, gone

    def change(self, decide: Callable[[dict[str, FileEntry]], Change | None]) -> Change | None:
        """Append what `decide` makes of the current files, while nobody else may. None changes nothing."""
        with room_for(self.path), self._alone() as descriptor:
            change = decide(self._read()[0])
            if change is not None:
                self._append(descriptor, _encode(change) + b"\n")
            return change

    def rewrite(self, forget_before: datetime) -> None:
        """Shorten the manifest to what counts now, and what was removed since `forget_before`."""
        with room_for(self.path), self._alone():
            current, gone = self._read()
            lines = [_encode(Change(at=at, remove=(name,))) + b"\n" for name, at in gone.items() if at >= forget_before]
            if current:
                lines.append(_encode(Change(at=datetime.now(UTC), add=tuple(current.values()))) + b"\n")
            fresh = self.path.with_name("manifest.jsonl.new")
            with fresh.open("wb") as out:
                out.writelines(lines)
                out.flush()
                os.fsync(out.fileno())
            os.replace(fresh, self.path)
            sync_folder(self.folder)

    def _append(self, descriptor: int, line: bytes) -> None:
        size = os.fstat(descriptor).st_size
        end = _whole_until(descriptor, size)
        if end != size:
            os.ftruncate(descriptor, end)
            size = end
        os.lseek(descriptor, size, os.SEEK_SET)
        left = memoryview(line)
        while left:
            left = left[os.write(descriptor, left) :]
        os.fsync(descriptor)

    @contextmanager
    def _alone(self) -> Iterator[int]:
        """The lock is on a file of its own, since the manifest itself may be replaced."""
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(self.folder / "manifest.lock", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            new = not self.path.exists()
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
            try:
                if new:
                    sync_folder(self.folder)
                yield descriptor
            finally:
                os.close(descriptor)
        finally:
            os.close(lock)


def _whole_until(descriptor: int, size: int) -> int:
    """Where the last whole line ends. Looks from the end: the manifest grows with every run."""
    end = size
    while end:
        begin = max(0, end - _TAIL)
        found = os.pread(descriptor, end - begin, begin).rfind(b"\n")
        if found >= 0:
            return begin + found + 1
        end = begin
    return 0


def sync_folder(folder: Path) -> None:
    """Make names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


_decoder = msgspec.json.Decoder(Change)
_encode = msgspec.json.Encoder().encode
