"""The exchange log: what was said to whom, on whose behalf, and what came of it.

`record` only puts an exchange into a queue; a thread of this process, started with the first one,
writes. After a fork the child starts a thread and files of its own. Call `flush` before a process
ends by `os._exit`, which runs no exit handlers.
"""

from __future__ import annotations

import atexit
import fcntl
import logging
import os
import threading
import time
import weakref
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import sqlalchemy as sa

from erp_sync.model.personal import PersonalTexts
from erp_sync.model.still_open import StillOpen
from erp_sync.transport.exchange_expiry import forget_rows, gather, keeper
from erp_sync.transport.exchange_store import (
    Calls,
    EmptyPolls,
    Exchange,
    Store,
    WrongExchangeLog,
    empty_polls,
    exchanges,
)
from erp_sync.transport.losses import DEFECT, QUEUE, Loss, Losses, cause_of
from erp_sync.transport.segments import SUFFIX, BodyLost, SegmentWriter, overwrite, read_body, this_host

__all__ = ["BodyLost", "Calls", "EmptyPolls", "Exchange", "ExchangeLog", "Expired", "WrongExchangeLog"]

log = logging.getLogger(__name__)

_COLUMNS = (
    *("time", "connection", "operation", "document", "run_id", "route", "flow", "lane", "attempt"),
    *("method", "url", "status", "verdict", "error", "seconds"),
)
_KEYS = frozenset({*_COLUMNS, "found_nothing", "request_headers", "request_body", "response_headers", "response_body"})
_WRITE_ATTEMPTS = 3
_PLAIN_BYTES = 2048  # rough size of an exchange without its bodies


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Expired(msgspec.Struct, frozen=True, kw_only=True):
    """What `ExchangeLog.expire` deleted: exchanges, segment files and their bytes. `kept`: exchanges as old that
    stay, since their document is open."""

    exchanges: int
    kept: int
    segments: int
    freed_bytes: int


class _Process:
    """The queue and writer thread of one process."""

    def __init__(self) -> None:
        self.id = os.getpid()
        self.condition = threading.Condition()
        self.queue: deque[dict[str, Any]] = deque()
        self.queued_bytes = 0
        self.taken = self.written = 0
        self.hurry = self.closing = False
        self.thread: threading.Thread | None = None


#: How the operations are called by which a person's records are looked for: no body of theirs outlives an erasure, also
#: where people wrote the name in a way of their own.
ABOUT_PERSONS = "privacy."


class ExchangeLog:
    """An `ExchangeSink` in a database and segment files below `folder`. Threads and processes share the
    folder; one object per process is enough.

    Args:
        folder: of the SQLite file and the segment files; made when needed.
        url: SQLAlchemy URL where the tables are elsewhere (PostgreSQL). Segment files stay on the machine
            that wrote them.
        most_body_bytes: of a longer body only the beginning is kept; its size is known all the same.
        most_queued_bytes: beyond them `record` waits for `longest_wait` seconds, then drops.
        linger_seconds: how long the writer gathers exchanges for one transaction.
        clock: aware; by which losses are told.

    Attributes:
        lost: exchanges of this process that were dropped or could not be written; `losses` tells of all processes.
    """

    def __init__(
        self,
        folder: Path,
        url: str | None = None,
        *,
        most_body_bytes: int = 4 * 1024 * 1024,
        most_queued_bytes: int = 64 * 1024 * 1024,
        longest_wait: float = 0.5,
        linger_seconds: float = 0.1,
        segment_bytes: int = 64 * 1024 * 1024,
        clock: Callable[[], datetime] = _utc_now,
    ) -> None:
        self.folder, self.url = folder, url or f"sqlite:///{folder / 'exchanges.db'}"
        self._segments = folder / "segments"
        self._most_body_bytes, self._most_queued_bytes = most_body_bytes, most_queued_bytes
        self._longest_wait, self._linger, self._segment_bytes = longest_wait, linger_seconds, segment_bytes
        self.lost, self._clock = 0, clock
        self._losses = Losses(folder, clock)
        self._guard = threading.Lock()
        self._process: _Process | None = None
        _logs.add(self)

    # Writing

    def record(self, exchange: Mapping[str, Any]) -> None:
        """Queue an exchange as `erp_sync.transport.policies.Log` describes it. Never raises for a full
        queue; waits for at most `longest_wait` seconds. Raises ValueError for what is no exchange."""
        item = dict(exchange)
        missing = _KEYS - item.keys()
        if missing:
            raise ValueError(f"an exchange lacks {', '.join(sorted(missing))}")
        while not self._queue(self._current(), item):
            pass  # it was closed just now; the next one is not

    def _queue(self, process: _Process, item: dict[str, Any]) -> bool:
        size = _PLAIN_BYTES + len(item["request_body"]) + len(item["response_body"])
        with process.condition:
            if process.closing:
                return False
            full = process.queued_bytes > 0 and process.queued_bytes + size > self._most_queued_bytes
            if full:
                process.hurry = True
                process.condition.notify_all()
                full = not process.condition.wait_for(
                    lambda: process.queued_bytes + size <= self._most_queued_bytes or not process.queued_bytes,
                    self._longest_wait,
                )
            if not full:
                process.queue.append(item)
                process.queued_bytes += size
                process.taken += 1
                if len(process.queue) == 1:
                    process.condition.notify_all()
        if full:
            self._lose(1, QUEUE, f"{self._most_queued_bytes:,} bytes wait to be written")
        return True

    @property
    def recorded(self) -> int:
        """Exchanges that this process has recorded so far: calls, those that found nothing included."""
        process = self._process
        return process.taken if process is not None and process.id == os.getpid() else 0

    def flush(self, timeout: float = 30.0) -> bool:
        """Wait until everything recorded so far is written (or counted as lost); False on time-out."""
        process = self._process
        if process is None or process.id != os.getpid():
            return True
        with process.condition:
            wanted = process.taken
            process.hurry = True
            process.condition.notify_all()
            return process.condition.wait_for(lambda: process.written >= wanted, timeout)

    def close(self, timeout: float = 30.0) -> bool:
        """Write what is queued and end the thread; False on time-out. A later `record` starts a new one."""
        process = self._process
        if process is None or process.id != os.getpid():
            return True
        with process.condition:
            process.closing = process.hurry = True
            process.condition.notify_all()
        if process.thread:
            process.thread.join(timeout)
            return not process.thread.is_alive()
        return True

    def _current(self) -> _Process:
        process = self._process
        if process and process.id == os.getpid() and not process.closing:
            return process
        with self._guard:
            process = self._process
            if not process or process.id != os.getpid() or process.closing:
                process = _Process()
                process.thread = threading.Thread(target=self._write, args=(process,), name="exchange log", daemon=True)
                process.thread.start()
                self._process = process
            return process

    def losses(self) -> list[Loss]:
        """What any process had to give up, by cause, also where that is over. Raises OSError: it cannot be read."""
        return self._losses.all()

    def _lose(self, number: int, cause: str, why: str) -> None:
        with self._guard:
            self.lost += number
        log.error("exchanges_lost", extra={"number": number, "cause": cause, "why": why, "lost": self.lost})
        self._losses.lose(cause, number, why)

    def _write(self, process: _Process) -> None:
        try:
            self._write_batches(process)
        except Exception as error:
            log.exception("exchange_log_writer_died")
            cause, why = cause_of(error), _words(error)
        else:
            cause, why = DEFECT, "the writer ended"
        # Nobody waits for a writer that is gone, and the next exchange starts another.
        with process.condition:
            left = len(process.queue)
            process.closing = True
            process.queue.clear()
            process.queued_bytes = 0
            process.written = process.taken
            process.condition.notify_all()
        if left:
            self._lose(left, cause, why)

    def _write_batches(self, process: _Process) -> None:
        self._losses.prepare()
        store = Store(self.url, self.folder)
        writer = SegmentWriter(self._segments, self._segment_bytes)
        prepared = False
        try:
            while batch := self._batch(process):
                try:
                    if not prepared:
                        store.prepare()
                        prepared = True
                    self._keep(store, writer, batch)
                except (sa.exc.SQLAlchemyError, OSError, WrongExchangeLog) as error:
                    if isinstance(error, OSError):
                        writer.abandon()
                    self._lose(len(batch), cause_of(error), _words(error))
                finally:
                    with process.condition:
                        process.written += len(batch)
                        process.condition.notify_all()
        finally:
            writer.close()
            store.close()

    def _keep(self, store: Store, writer: SegmentWriter, batch: Sequence[Mapping[str, Any]]) -> None:
        """Write the batch; where one exchange of it cannot be written, the others."""
        try:
            self._write_batch(store, writer, batch)
        except (sa.exc.OperationalError, OSError, WrongExchangeLog):
            raise
        except Exception as error:
            log.exception("exchange_not_written", extra={"number": len(batch)})
            if len(batch) == 1:
                self._lose(1, cause_of(error), _words(error))
                return
            for item in batch:
                self._keep(store, writer, [item])

    def _batch(self, process: _Process) -> list[dict[str, Any]]:
        """The next exchanges to write together; none when the log is being closed."""
        with process.condition:
            process.condition.wait_for(lambda: process.queue or process.closing)
            if not process.hurry:
                process.condition.wait_for(lambda: process.hurry or len(process.queue) >= 200, self._linger)
            batch = [process.queue.popleft() for _ in range(min(len(process.queue), 500))]
            for item in batch:
                process.queued_bytes -= _PLAIN_BYTES + len(item["request_body"]) + len(item["response_body"])
            if not process.queue and not process.closing:
                process.hurry = False
            process.condition.notify_all()
            return batch

    def _write_batch(self, store: Store, writer: SegmentWriter, batch: Sequence[Mapping[str, Any]]) -> None:
        rows: list[dict[str, Any]] = []
        polls: dict[tuple[Any, ...], dict[str, Any]] = {}
        segment = None
        if any(not item["found_nothing"] and (item["request_body"] or item["response_body"]) for item in batch):
            writer.turn_to(self._clock().astimezone(UTC).date())
            segment = writer.name
        for item in batch:
            if item["found_nothing"]:
                _count(polls, item)
                continue
            row = {name: item[name] for name in _COLUMNS}
            for side in ("request", "response"):
                body = item[f"{side}_body"]
                row[f"{side}_headers"] = msgspec.json.encode(item[f"{side}_headers"]).decode()
                row[f"{side}_size"] = len(body)
                row[f"{side}_offset"], row[f"{side}_length"] = (
                    writer.append(body[: self._most_body_bytes]) if body else (None, None)
                )
            rows.append(row)
        writer.flush()
        for attempt in range(1, _WRITE_ATTEMPTS + 1):
            try:
                store.write(segment, this_host(), rows, polls.values())
                self._losses.written()
                return
            except sa.exc.OperationalError:  # a database that was restarted, for one
                if attempt == _WRITE_ATTEMPTS:
                    raise
                time.sleep(attempt)

    # Reading

    def search(
        self,
        *,
        document: str | None = None,
        run: str | None = None,
        connection: str | None = None,
        operation: str | None = None,
        verdict: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int = 1000,
        whole: bool = False,
    ) -> list[Exchange]:
        """Exchanges that fulfil everything given: the newest `limit`, oldest first.

        `document` is the whole key. Where no exchange has it those are given whose key contains it, for which every
        key that was ever logged is read; not with `whole`. Times are aware, since <= time < until. What this process
        has recorded is flushed first.
        """
        equal = {"run_id": run, "connection": connection, "operation": operation, "verdict": verdict}
        conditions = [exchanges.c[name] == value for name, value in equal.items() if value is not None]
        if since is not None:
            conditions.append(exchanges.c.time >= since)
        if until is not None:
            conditions.append(exchanges.c.time < until)
        self.flush()
        store = self._store()
        try:
            if document is None:
                return store.search(conditions, limit)
            found = store.search([*conditions, exchanges.c.document == document], limit)
            if found or whole:
                return found
            return store.search([*conditions, exchanges.c.document.contains(document, autoescape=True)], limit)
        finally:
            store.close()

    def request_body(self, exchange: Exchange) -> bytes:
        """Raises BodyLost, which names the segment file and, where it is elsewhere, the machine."""
        return self._body(exchange, "request")

    def response_body(self, exchange: Exchange) -> bytes:
        """Raises BodyLost, which names the segment file and, where it is elsewhere, the machine."""
        return self._body(exchange, "response")

    def _body(self, exchange: Exchange, side: str) -> bytes:
        try:
            return self._read(exchange, side)
        except BodyLost:
            # Housekeeping may have moved it since its row was read.
            with self.opened() as store:
                found = store.search([exchanges.c.id == exchange.id], 1)
            if not found or found[0].segment == exchange.segment:
                raise
            return self._read(found[0], side)

    def _read(self, exchange: Exchange, side: str) -> bytes:
        offset, length = getattr(exchange, f"{side}_offset"), getattr(exchange, f"{side}_length")
        if offset is None or length is None or exchange.segment is None:
            return b""
        if exchange.host != this_host() and not (self._segments / exchange.segment).exists():
            raise BodyLost(exchange.segment, f"it is on machine {exchange.host}")
        return read_body(self._segments, exchange.segment, offset, length)

    def empty_polls(self, *, connection: str | None = None, since: datetime | None = None) -> list[EmptyPolls]:
        """Counters of polls that found nothing, by day (UTC)."""
        conditions: list[sa.ColumnElement[bool]] = []
        if connection is not None:
            conditions.append(empty_polls.c.connection == connection)
        if since is not None:
            conditions.append(empty_polls.c.last_at >= since)
        self.flush()
        store = self._store()
        try:
            return store.polls(conditions)
        finally:
            store.close()

    def calls(self, since: datetime, until: datetime) -> list[Calls]:
        """How many requests were begun in the window (aware), by connection, route, flow and verdict; those that found
        nothing are not among them: see `empty_polls`."""
        self.flush()
        store = self._store()
        try:
            return store.count(since, until)
        finally:
            store.close()

    def expire(self, older_than: datetime, still: StillOpen = StillOpen()) -> Expired:
        """Delete exchanges begun before `older_than` (aware), but for those of what is still open (`exchange_expiry`
        says how many at most), and segment files that nothing refers to any more, also those that a crash left without
        a row. Safe while others write; running it again does no harm.
        """
        # A writer leaves yesterday's file with its first exchange of today.
        today = self._clock().astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        before = min(older_than, today - timedelta(hours=1))
        store = self._store()
        try:
            number, kept = forget_rows(store, older_than, keeper(still))
            files = [self._segments / name for name in store.drop_segments(older_than, before)]
            with self._rewriting(wait=False) as alone:
                if alone:  # else somebody erases: the next time
                    files += gather(store, self._segments, before, today)
            known = store.segment_names()
        finally:
            store.close()
        for path in self._segments.glob(f"*{SUFFIX}"):
            if path.name not in known and path not in files and _modified(path) < older_than.timestamp():
                files.append(path)
        freed = removed = 0
        for path in files:
            try:
                size = path.stat().st_size
                path.unlink()
            except FileNotFoundError:
                continue  # another machine's, which will find it without a row
            freed, removed = freed + size, removed + 1
        return Expired(exchanges=number, kept=kept, segments=removed, freed_bytes=freed)

    @contextmanager
    def _rewriting(self, *, wait: bool) -> Iterator[bool]:
        """Alone among those who move bodies or write over them on this machine; False where another does and one does
        not wait."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with open(self.folder / "bodies.lock", "w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            except BlockingIOError:
                yield False
                return
            try:
                yield True
            finally:
                fcntl.flock(lock, fcntl.LOCK_UN)

    @contextmanager
    def erasing(self) -> Iterator[Store]:
        """The database, with all that this process has recorded; nobody moves bodies meanwhile."""
        with self._rewriting(wait=True), self.opened() as store:
            yield store

    def erase(self, person: PersonalTexts) -> Counter[str]:
        """Remove whatever names the person: bodies whole, and the words in addresses, headers and errors.

        Gives `bodies`, `exchanges` (changed rows), and `elsewhere`: bodies in files of other machines, which must be
        erased there. Idempotent; bodies are overwritten where they stand, so that others may go on writing.
        """
        done: Counter[str] = Counter()
        with self.erasing() as store:
            for exchange in store.every():
                for side in ("request", "response"):
                    self._erase_body(store, exchange, side, person, done)
            done["exchanges"] += store.replace(person)
            store.vacuum()
        return done

    def about(self, person: PersonalTexts) -> list[Exchange]:
        """Every exchange that names the person, bodies included."""
        with self.opened() as store:
            return [one for one in store.every() if self._names(one, person)]

    def _names(self, exchange: Exchange, person: PersonalTexts) -> bool:
        words = " ".join((exchange.url, exchange.document, exchange.error))
        return person.mentions(words) or any(
            person.mentions(self.text(exchange, side)) for side in ("request", "response")
        )

    def text(self, exchange: Exchange, side: str) -> str:
        """A body as text, "" where it cannot be read; `side` is request or response."""
        try:
            body = self.request_body(exchange) if side == "request" else self.response_body(exchange)
        except BodyLost:
            return ""
        return body.decode(errors="replace")

    def _erase_body(
        self, store: Store, exchange: Exchange, side: str, person: PersonalTexts, done: Counter[str]
    ) -> None:
        if exchange.segment is None or getattr(exchange, f"{side}_offset") is None:
            return
        if not (self._segments / exchange.segment).exists():
            done["elsewhere"] += exchange.host != this_host()
            return
        if exchange.operation.startswith(ABOUT_PERSONS) or person.mentions(self.text(exchange, side)):
            self.wipe(store, exchange, side)
            done["bodies"] += 1

    def wipe(self, store: Store, exchange: Exchange, side: str) -> None:
        """Overwrite a body that can be read here."""
        assert exchange.segment is not None
        offset, length = getattr(exchange, f"{side}_offset"), getattr(exchange, f"{side}_length")
        overwrite(self._segments / exchange.segment, offset, length)
        store.without_body(exchange.id, side)

    @contextmanager
    def opened(self) -> Iterator[Store]:
        """The database, with all that this process has recorded."""
        self.flush()
        store = self._store()
        try:
            yield store
        finally:
            store.close()

    def _store(self) -> Store:
        store = Store(self.url, self.folder)
        store.prepare()
        return store

    def _forget_parent(self) -> None:
        """In a child: the parent's thread does not exist here, and its lock may have been held."""
        self._guard, self._process, self.lost = threading.Lock(), None, 0
        self._losses = Losses(self.folder, self._clock)


_logs: weakref.WeakSet[ExchangeLog] = weakref.WeakSet()


def _after_fork() -> None:
    for exchange_log in list(_logs):
        exchange_log._forget_parent()


def _at_exit() -> None:
    deadline = time.monotonic() + 10.0
    for exchange_log in list(_logs):
        exchange_log.close(max(0.1, deadline - time.monotonic()))


os.register_at_fork(after_in_child=_after_fork)
atexit.register(_at_exit)


def _count(polls: dict[tuple[Any, ...], dict[str, Any]], item: Mapping[str, Any]) -> None:
    at = item["time"]
    key = (at.astimezone(UTC).date(), item["connection"], item["operation"], item["route"])
    poll = polls.setdefault(
        key, dict(zip(("day", "connection", "operation", "route"), key, strict=True)) | {"polls": 0, "last_at": at}
    )
    poll["polls"] += 1
    poll["last_at"] = max(poll["last_at"], at)


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0]


def _modified(path: Path) -> float:
    """Seconds since the epoch; for ever where somebody else has just deleted it."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return float("inf")
