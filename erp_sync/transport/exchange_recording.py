"""How exchanges are recorded: `Recorder.record` only puts them into a queue.

A thread of this process, started with the first one, writes. After a fork the child starts a thread and files of its
own. Call `flush` before a process ends by `os._exit`, which runs no exit handlers.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import sqlalchemy as sa

from erp_sync.transport.exchange_store import (
    Store,
    WrongExchangeLog,
)
from erp_sync.transport.exchange_turns import WritersTurn
from erp_sync.transport.losses import DEFECT, QUEUE, Loss, Losses, cause_of
from erp_sync.transport.segments import SegmentWriter, this_host

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


class Recorder:
    """The writing half of `ExchangeLog`: an `ExchangeSink` in a database and segment files below `folder`. Threads and
    processes share the folder; one object per process is enough.

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
        turn = WritersTurn(self.folder)
        prepared = False
        try:
            while batch := self._batch(process):
                try:
                    if not prepared:
                        store.prepare()
                        prepared = True
                    with turn:
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
            turn.close()
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

    def _forget_parent(self) -> None:
        """In a child: the parent's thread does not exist here, and its lock may have been held."""
        self._guard, self._process, self.lost = threading.Lock(), None, 0
        self._losses = Losses(self.folder, self._clock)


_logs: weakref.WeakSet[Recorder] = weakref.WeakSet()


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
