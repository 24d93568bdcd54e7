"""Extraction of state: what changed, single keys, or everything. Changes nothing at either side.

A snapshot goes to the lake only: it is compared as a whole and is no queue of changes. It counts once it is
complete, which a cursor of its own says (entity ``<entity>.snapshot``, token: the run that wrote it).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec

from erp_sync.flows.extraction import Extraction, Landing, read_until
from erp_sync.ports.raw import RawRecord

# Rows of a snapshot that are written to one file.
SNAPSHOT_FILE_ROWS = 25_000

# Between a version and when it was received again.
_AGAIN = " again "


def snapshot_entity(entity: str) -> str:
    """Name of the cursor that says which snapshot is complete."""
    return f"{entity}.snapshot"


def base_entity(route: str, flow: str, entity: str) -> str:
    """Name of the cursor that says which snapshot a route's flow last planned from."""
    return f"{entity}.base.{route}.{flow}"


def compared_entity(route: str, flow: str, entity: str, *, shadow: bool = False) -> str:
    """Name of the cursor that says when a route's flow last compared everything, with both sides read whole.

    In shadow mode it is another one: what was compared then was held, not written.
    """
    return f"{entity}.compared.{route}.{flow}{'.shadow' if shadow else ''}"


def extract_snapshot(
    source: Any, ledger: Any, land: Landing, *, connection: str, entity: str, now: datetime, run_id: str
) -> Extraction:
    """Read everything into the lake and say that it is complete; also moves the cursor of changes to `now`.

    Raises the source's errors; then nothing says complete and no cursor moves.
    """
    seen = 0
    files: list[str] = []
    waiting: list[RawRecord] = []
    for page in source.snapshot():
        seen += len(page)
        waiting += page
        if len(waiting) >= SNAPSHOT_FILE_ROWS:
            files.append(land(waiting))
            waiting = []
    if waiting:
        files.append(land(waiting))
    ledger.receive(connection, entity, [], advance_to=read_until(source, now), run_id=run_id)
    ledger.receive(connection, snapshot_entity(entity), [], advance_to=now, run_id=run_id, token=run_id)
    return Extraction(seen=seen, received=seen, window_start=None, window_end=now, files=tuple(files))


def extract_keys(
    source: Any,
    ledger: Any,
    land: Landing,
    *,
    connection: str,
    entity: str,
    keys: Sequence[str],
    now: datetime,
    run_id: str,
    again: bool = False,
) -> Extraction:
    """Receive these keys as they are now.

    With `again` they are received even in a version that is had already: what is to be compared with them
    has changed, not they.
    """
    seen = received = 0
    files: list[str] = []
    pages: Iterable[list[RawRecord]] = source.read(keys) if keys else ()
    for page in pages:
        seen += len(page)
        if again:
            page = [msgspec.structs.replace(one, version=f"{one.version}{_AGAIN}{now.isoformat()}") for one in page]
        fresh = ledger.cursors.not_received(connection, entity, page)
        if fresh:
            file = land(fresh)
            files.append(file)
            received += len(ledger.receive(connection, entity, fresh, run_id=run_id, lake_file=file))
    return Extraction(seen=seen, received=received, window_end=now, files=tuple(files))


def same_content(version: str, other: str) -> bool:
    """Whether two versions of a record are one that was received again."""
    return version.partition(_AGAIN)[0] == other.partition(_AGAIN)[0]


def keys_changed(source: Any, ledger: Any, *, connection: str, entity: str, keys: Sequence[str]) -> str | None:
    """A look at single keys: why a run should start, None where nothing of them is new."""
    versions = {record.native_id: record.version for page in source.read(keys) for record in page}
    fresh = ledger.cursors.count_new(connection, entity, versions)
    return f"{fresh} of {len(versions)} fast rows changed" if fresh else None
