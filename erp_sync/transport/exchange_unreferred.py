"""Bodies that no exchange refers to: whoever wrote them was killed before the row, or the row could not be written.

Whose they are cannot be told without their row, and nobody can read them by one: an erasure overwrites them all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import msgspec

from erp_sync.transport.exchange_store import Store
from erp_sync.transport.exchange_tables import Position
from erp_sync.transport.segments import SUFFIX, clear


class Reached(msgspec.Struct, frozen=True, kw_only=True):
    """How far the log had come at a moment at which nobody was writing: every body that stands before the ends of the
    files (`sizes`, in bytes, by name) has its row at or before `position`, or will never have one."""

    position: Position = Position()
    sizes: dict[str, int] = {}


def reached(store: Store, folder: Path) -> Reached:
    """To be asked while nobody writes. `folder`: of the segment files."""
    return Reached(position=store.last(), sizes=dict(_sizes(folder)))


def _sizes(folder: Path) -> Iterator[tuple[str, int]]:
    # Also files of another machine's name: a container has a new one each time.
    for path in folder.glob(f"*{SUFFIX}"):
        try:
            yield path.name, path.stat().st_size
        except FileNotFoundError:
            continue  # its exchanges had their time just now


def overwrite_unreferred(store: Store, folder: Path, sizes: Mapping[str, int]) -> int:
    """Put zeros where files hold, before these ends, what no row refers to; gives the number of places that held
    anything. Idempotent. Call it where nobody gathers meanwhile, with ends of which no row can come any more."""
    number = 0
    for name, size in sizes.items():
        try:
            number += clear(folder / name, list(_between(store.extents(name), size)))
        except FileNotFoundError:
            continue  # its exchanges had their time just now
    return number


def _between(extents: Iterable[tuple[int, int]], size: int) -> Iterator[tuple[int, int]]:
    """Offset and length of what lies between the extents and before `size`."""
    at = 0
    for offset, length in sorted(extents):
        if min(offset, size) > at:
            yield at, min(offset, size) - at
        at = max(at, offset + length)
    if at < size:
        yield at, size - at
