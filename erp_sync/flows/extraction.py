"""Extraction: what changed at a source becomes received records. Changes nothing at the source.

One cursor per (connection, entity), moved in the transaction that records the received ids. Windows
overlap by the source's declared lateness; a record seen twice in the same version is received once.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Protocol

import msgspec

from erp_sync.ports.capabilities import Capabilities
from erp_sync.ports.documents import ReadsSingly, TellsTime
from erp_sync.ports.raw import News, RawRecord, Window

# A window is read in slices, so that a first run over a long past is resumable. An empty slice doubles the
# next one: years in which nothing happened cost a handful of calls.
FIRST_SLICE = timedelta(days=1)
# A full comparison proves the completeness of so many days before its own again.
PROVED_AGAIN = timedelta(days=3)


class Source(Protocol):
    capabilities: Capabilities

    def changed(self, window: Window, news: News) -> Iterable[list[RawRecord]]: ...

    def fetch(self, native_ids: list[str]) -> Iterable[list[RawRecord]]: ...

    def created(self, window: Window) -> dict[str, str]: ...


class Extraction(msgspec.Struct, frozen=True, kw_only=True):
    """What an extraction did. `received` counts new (id, version) pairs, `seen` all records read:
    a source may leave out what it need not read again."""

    seen: int = 0
    received: int = 0
    window_start: datetime | None = None
    window_end: datetime | None = None
    files: tuple[str, ...] = ()
    missing: int = 0


# Writes one page of raw records to the lake; gives (file, row of each record).
Landing = Callable[[list[RawRecord]], str]


def extract_changes(
    source: Source,
    ledger: Any,
    land: Landing,
    *,
    connection: str,
    entity: str,
    start: datetime,
    now: datetime,
    run_id: str,
) -> Extraction:
    """Receive what changed since the cursor, at the first run since `start`. Safe to run twice at once.

    Raises the source's TransportError where it does not answer; what was received until then stays,
    and the cursor stands at the last whole slice.
    """
    reading = source.capabilities.reading(entity)
    cursor = ledger.cursors.get(connection, entity)
    position = cursor.position if cursor is not None else None
    since = (position or start) - timedelta(seconds=reading.lateness_seconds if position else 0)
    seen = received = 0
    files: list[str] = []
    news_of = partial(ledger.cursors.fresh, connection, entity)
    begin, length = since, FIRST_SLICE
    while begin < now:
        end = min(begin + length, now)
        empty = True
        for page in source.changed(Window(start=begin, end=end), news_of):
            if not page:
                continue
            empty = False
            seen += len(page)
            fresh = ledger.privacy.forget(connection, entity, ledger.cursors.not_received(connection, entity, page))
            if fresh:
                file = land(fresh)
                files.append(file)
                received += len(
                    ledger.receive(connection, entity, fresh, advance_to=None, run_id=run_id, lake_file=file)
                )
        ledger.receive(connection, entity, [], advance_to=min(end, read_until(source, now)), run_id=run_id)
        begin, length = end, length * 2 if empty else FIRST_SLICE
    return Extraction(seen=seen, received=received, window_start=since, window_end=now, files=tuple(files))


def several(days: Window) -> bool:
    """More than one day: only a backfill is about these."""
    return days.end - days.start > timedelta(days=1)


def read_until(source: Any, now: datetime) -> datetime:
    """Up to where a read at `now` has seen all changes.

    What changes at this moment gets a time of the source's clock: one that is behind may put it before ours.
    """
    behind = source.behind_seconds() if isinstance(source, TellsTime) else 0.0
    return now - timedelta(seconds=behind)


def completeness_window(days: Window, *, full: bool, start: datetime | None, now: datetime) -> Window | None:
    """Of which creation times a run of these days proves completeness; None where of none.

    Days that are over are always proved (a backfill, also one that goes on to today); a full comparison proves the
    last days, too, since it runs when its own day has hardly begun. Nothing before `start`, the routes' first.
    """
    if not full and days.end > now and not several(days):
        return None
    begin = days.start - PROVED_AGAIN if full else days.start
    window = Window(start=max(begin, start) if start is not None else begin, end=min(days.end, now))
    return window if window.start < window.end else None


def complete_entity(entity: str) -> str:
    """The cursor that says when all days of the daily comparison were last proved complete."""
    return f"{entity}.complete"


def extract_missing(
    source: Source,
    ledger: Any,
    land: Landing,
    *,
    connection: str,
    entity: str,
    window: Window,
    run_id: str,
) -> Extraction:
    """Completeness by *created* time: receive what was created in the window and never received.

    Created time does not move, so this finds what any window of updates could have missed.
    """
    created = source.created(window)
    missing = ledger.cursors.never_received(connection, entity, list(created))
    seen = received = 0
    files: list[str] = []
    for page in source.fetch(missing):
        seen += len(page)
        if page:
            page = ledger.privacy.forget(connection, entity, page)
            file = land(page)
            files.append(file)
            received += len(ledger.receive(connection, entity, page, advance_to=None, run_id=run_id, lake_file=file))
    return Extraction(
        seen=seen,
        received=received,
        window_start=window.start,
        window_end=window.end,
        files=tuple(files),
        missing=len(missing),
    )


def extract_named(
    source: Source, ledger: Any, land: Landing, *, connection: str, entity: str, native_ids: list[str], run_id: str
) -> tuple[Extraction, set[str]]:
    """Receive these records as they are now; gives which of them exist. Moves no cursor.

    What is received already in that version is not received again.
    """
    seen = received = 0
    files: list[str] = []
    found: set[str] = set()

    def news_of(versions: Mapping[str, str]) -> Collection[str]:
        found.update(versions)
        fresh: set[str] = ledger.cursors.fresh(connection, entity, versions)
        return fresh

    pages = source.fetch_new(native_ids, news_of) if isinstance(source, ReadsSingly) else source.fetch(native_ids)
    for page in pages if native_ids else ():
        seen += len(page)
        found.update(record.native_id for record in page)
        fresh = ledger.privacy.forget(connection, entity, ledger.cursors.not_received(connection, entity, page))
        if fresh:
            file = land(fresh)
            files.append(file)
            received += len(ledger.receive(connection, entity, fresh, advance_to=None, run_id=run_id, lake_file=file))
    return Extraction(seen=seen, received=received, files=tuple(files)), found


def news(source: Any, ledger: Any, *, connection: str, entity: str, start: datetime, now: datetime) -> str | None:
    """A cheap look: why a run should start, None where nothing is new.

    What was received already does not count, so an overlap does not start runs for ever.
    """
    reading = source.capabilities.reading(entity)
    cursor = ledger.cursors.get(connection, entity)
    position = cursor.position if cursor is not None else None
    if position is None:
        return "the source was never read"
    since = position - timedelta(seconds=reading.lateness_seconds)
    changed = source.peek(Window(start=since, end=now))
    if changed is None:
        return "the source could not be judged by a look"
    fresh = ledger.cursors.count_new(connection, entity, changed)
    return f"{fresh} new or changed" if fresh else None
