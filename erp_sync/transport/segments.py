"""Append-only files of compressed bodies. Each process writes files of its own, so none needs a lock.

A file is named ``YYYYMMDD-host-process-random.segment`` and is left for a new one when the UTC day
changes or it is full; whole files are dropped when everything in them has expired. Bodies that outlive their
file move to one that is named ``…-gathered.segment``.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import socket
import zlib
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import IO

from erp_sync.model.advice import Advice

SUFFIX = ".segment"
GATHERED = "-gathered" + SUFFIX
_LONG = 32 * 1024
_PIECE = 1024 * 1024
_ZSTANDARD = b"\x28\xb5\x2f\xfd"


class BodyLost(Exception):
    """A body cannot be read. Attributes: segment (file name), why."""

    advice = Advice(
        means="The body of an old exchange cannot be read: a trace lacks it. No business is concerned.",
        look=("ls -l $ERP_SYNC_HOME/exchanges",),
        do="Restore the file from the backup where the text is needed.",
    )

    def __init__(self, segment: str, why: str) -> None:
        self.segment, self.why = segment, why
        super().__init__(f"a body in {segment} cannot be read: {why}")


def this_host() -> str:
    return re.sub(r"[^A-Za-z0-9.]+", "", socket.gethostname())[:40] or "host"


class SegmentWriter:
    """Appends bodies to the file of this process and day. Not for use by two threads."""

    def __init__(self, folder: Path, most_bytes: int = 64 * 1024 * 1024, suffix: str = SUFFIX) -> None:
        self._folder, self._most_bytes, self._suffix = folder, most_bytes, suffix
        self._file: IO[bytes] | None = None
        self._day: date | None = None
        self._size = 0
        self.name = ""

    def turn_to(self, day: date) -> bool:
        """Make sure that a file of this day with room is open; True where it is a new one."""
        if self._file and self._day == day and self._size < self._most_bytes:
            return False
        self.close()
        self._folder.mkdir(parents=True, exist_ok=True)
        self.name = f"{day:%Y%m%d}-{this_host()}-{os.getpid()}-{secrets.token_hex(4)}{self._suffix}"
        self._file = open(self._folder / self.name, "xb")  # noqa: SIM115 - open as long as the writer
        self._day, self._size = day, 0
        return True

    def append(self, body: bytes) -> tuple[int, int]:
        """Offset and length of the compressed body."""
        packed = _packed(body)
        return self.append_packed(packed), len(packed)

    def append_packed(self, packed: bytes) -> int:
        """Offset of a body that is compressed already."""
        assert self._file is not None
        offset = self._size
        self._file.write(packed)
        self._size += len(packed)
        return offset

    @property
    def size(self) -> int:
        """Bytes in the open file."""
        return self._size if self._file else 0

    def cut(self, size: int) -> None:
        """End the file after so many bytes and leave it; without any it goes. The next body begins another."""
        self.abandon()
        path = self._folder / self.name
        if size:
            os.truncate(path, size)
        else:
            path.unlink()

    def sync(self) -> None:
        """Once this returns everything is on the disk: what it was copied from may go."""
        if self._file:
            self._file.flush()
            os.fsync(self._file.fileno())

    def flush(self) -> None:
        """Hand everything to the operating system: rows that refer to it may be committed now.

        Not forced to the disk: after a power failure the last bodies may be lost, and say so.
        """
        if self._file:
            self._file.flush()

    def abandon(self) -> None:
        """Leave a file that could not be written: where its end is, is not known any more. The next body begins
        another."""
        file, self._file = self._file, None
        if file:
            with contextlib.suppress(OSError):  # closing tries once more to write what could not be written
                file.close()

    def close(self) -> None:
        if self._file:
            self._file.close()
            self._file = None


def read_body(folder: Path, segment: str, offset: int, length: int) -> bytes:
    """The body as it was recorded. Raises BodyLost, which names the file."""
    try:
        with open(folder / segment, "rb") as file:
            file.seek(offset)
            packed = file.read(length)
    except FileNotFoundError as error:
        raise BodyLost(segment, f"the file is not in {folder}") from error
    if len(packed) < length:
        raise BodyLost(segment, f"the file ends at {offset + len(packed)} bytes, the body at {offset + length}")
    try:
        return unpacked_body(packed)
    except (zlib.error, OSError) as error:
        raise BodyLost(segment, f"damaged at byte {offset}") from error


def _packed(body: bytes) -> bytes:
    """Pages of records repeat themselves over a longer way than zlib looks back: they take half as much so.

    Higher levels than 6 take nearly twice as long for a twentieth less.
    """
    if len(body) < _LONG:
        return zlib.compress(body, 4)
    import pyarrow  # runs, which read such pages, have it anyway

    packed: bytes = pyarrow.Codec("zstd", compression_level=6).compress(body, asbytes=True)
    return packed


def unpacked_body(packed: bytes) -> bytes:
    """What `SegmentWriter.append` was given. Raises zlib.error or OSError where it is damaged."""
    if not packed.startswith(_ZSTANDARD):
        return zlib.decompress(packed)
    import pyarrow

    body: bytes = pyarrow.CompressedInputStream(pyarrow.BufferReader(packed), "zstd").read()
    return body


def overwrite(path: Path, offset: int, length: int) -> None:
    """Put zeros where a body stands; what follows stays where it is. Once this returns it is on the disk."""
    descriptor = os.open(path, os.O_WRONLY)
    try:
        os.pwrite(descriptor, bytes(length), offset)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def clear(path: Path, places: Sequence[tuple[int, int]]) -> int:
    """Put zeros over these places (offset, length); gives how many held anything else. Once this returns they are on
    the disk. Raises FileNotFoundError."""
    if not places:
        return 0
    descriptor = os.open(path, os.O_RDWR)
    try:
        found = sum(_cleared(descriptor, offset, length) for offset, length in places)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return found


def _cleared(descriptor: int, offset: int, length: int) -> bool:
    """Whether anything was there."""
    found = False
    for start in range(offset, offset + length, _PIECE):
        piece = os.pread(descriptor, min(_PIECE, offset + length - start), start)
        if piece != bytes(len(piece)):
            os.pwrite(descriptor, bytes(len(piece)), start)
            found = True
    return found
