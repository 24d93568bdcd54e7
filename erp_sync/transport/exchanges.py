"""The exchange log: what was said to whom, on whose behalf, and what came of it.

Recorded as `exchange_recording` says; here it is read, forgotten and erased.
"""

from __future__ import annotations

import fcntl
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import sqlalchemy as sa

from erp_sync.model.personal import PersonalTexts
from erp_sync.model.still_open import StillOpen
from erp_sync.transport.exchange_expiry import delete, forget_rows, gather, keeper, sweep
from erp_sync.transport.exchange_recording import Recorder
from erp_sync.transport.exchange_store import (
    Calls,
    EmptyPolls,
    Exchange,
    Store,
    WrongExchangeLog,
    empty_polls,
    exchanges,
)
from erp_sync.transport.exchange_turns import PATIENCE, ExchangeLogError, StillWriting, nobody_writing
from erp_sync.transport.exchange_unreferred import Reached, overwrite_unreferred, reached
from erp_sync.transport.segments import SUFFIX, BodyLost, overwrite, read_body, this_host

__all__ = [
    "BodyLost",
    "Calls",
    "EmptyPolls",
    "Exchange",
    "ExchangeLog",
    "ExchangeLogError",
    "Expired",
    "StillWriting",
    "WrongExchangeLog",
]


class Expired(msgspec.Struct, frozen=True, kw_only=True):
    """What `ExchangeLog.expire` deleted: exchanges, segment files and their bytes. `kept`: exchanges as old that
    stay, since their document is open."""

    exchanges: int
    kept: int
    segments: int
    freed_bytes: int


#: How the operations are called by which a person's records are looked for: no body of theirs outlives an erasure, also
#: where people wrote the name in a way of their own.
ABOUT_PERSONS = "privacy."


class ExchangeLog(Recorder):
    """All that was said to systems by this installation, in a folder that processes share; see `Recorder` for how it
    is made, and what it is given."""

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

    def span(self, run: str) -> tuple[datetime, datetime] | None:
        """When a run made its first and its last call, UTC; None where none is kept. Of one in this process what was
        recorded is flushed first."""
        self.flush()
        store = self._store()
        try:
            return store.span(run)
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
            # What goes whole goes first: gathering needs room.
            freed = delete(self._segments / name for name in store.drop_segments(older_than, before))
            known = store.segment_names()
            freed += delete(
                path
                for path in self._segments.glob(f"*{SUFFIX}")
                if path.name not in known and _modified(path) < older_than.timestamp()
            )
            with self._rewriting(wait=False) as alone:
                if alone:  # else somebody erases: the next time
                    freed += sweep(store, self._segments, self._clock())
                    freed += gather(store, self._segments, before, today)
        finally:
            store.close()
        return Expired(exchanges=number, kept=kept, segments=len(freed), freed_bytes=sum(freed))

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
        """The database, with all that this process has recorded; nobody moves bodies meanwhile, and nothing is left of
        those who were killed as they did. Raises StillWriting."""
        if not self.flush(PATIENCE):
            raise StillWriting(self.folder, PATIENCE)
        with self._rewriting(wait=True), self.opened() as store:
            sweep(store, self._segments, self._clock())
            yield store

    def overwrite_unreferred(self, store: Store) -> int:
        """While one is `erasing`: overwrite bodies that have no row and never will; gives how many places of files held
        any. Waits for whoever is between a body and its row. Raises StillWriting."""
        with nobody_writing(self.folder):
            now = reached(store, self._segments)
        return overwrite_unreferred(store, self._segments, now.sizes)

    def erase(self, person: PersonalTexts, stays: Callable[[Exchange, list[str]], bool] | None = None) -> Counter[str]:
        """Remove whatever names the person: bodies whole, and the words in addresses, headers and errors.

        `stays`: whether an exchange that names the person, with these bodies, is left as it is; that by which they were
        looked for never is.

        Gives `bodies`, `exchanges` (changed rows), `left`, `elsewhere`: bodies in files of other machines, which must
        be erased there, and `unreferred`: places in files here to which no row leads, also overwritten, whosever they
        were. Idempotent; bodies are overwritten where they stand, so that others may go on writing.

        At the moment at which it ends, nothing of the person stands in a file here, whoever was writing, or killed,
        meanwhile. What another process has in its memory then is written afterwards, and `exchange_forgetting` finds
        it. Raises StillWriting.
        """
        done: Counter[str] = Counter()
        left: set[int] = set()

        def look(before: Reached, now: Reached, files: Mapping[str, int]) -> None:
            # First what has no row: if one came after that it would lead to nothing, before that it is looked at.
            done["unreferred"] += overwrite_unreferred(store, self._segments, files)
            after, until = store.since(before.position), now.position.id
            for exchange in store.every(after=after, until=until):
                self._erase(store, exchange, person, stays, done, left)
            done["exchanges"] += store.replace(person, left, after, until)

        with self.erasing() as store:
            before = Reached()
            # Again what came while all was looked at, which takes minutes: little is left then.
            for _ in range(2):
                with nobody_writing(self.folder):
                    now = reached(store, self._segments)
                look(before, now, now.sizes)
                before = now
            with nobody_writing(self.folder):
                now = reached(store, self._segments)
                look(before, now, dict(now.sizes.items() - before.sizes.items()))
            done["left"] = len(left)
            store.vacuum()
        return done

    def _erase(
        self,
        store: Store,
        exchange: Exchange,
        person: PersonalTexts,
        stays: Callable[[Exchange, list[str]], bool] | None,
        done: Counter[str],
        left: set[int],
    ) -> None:
        """The bodies of one exchange."""
        texts = {side: self._text_here(exchange, side) for side in ("request", "response")}
        looked_for = exchange.operation.startswith(ABOUT_PERSONS)
        names = _names(exchange, person, texts.values())
        if names and stays is not None and not looked_for and stays(exchange, list(texts.values())):
            left.add(exchange.id)
            return
        for side, text in texts.items():
            if exchange.segment is None or getattr(exchange, f"{side}_offset") is None:
                continue
            if not (self._segments / exchange.segment).exists():
                done["elsewhere"] += exchange.host != this_host()
            elif looked_for or person.mentions(text):
                self.wipe(store, exchange, side)
                done["bodies"] += 1

    def about(self, person: PersonalTexts) -> list[Exchange]:
        """Every exchange that names the person, bodies included."""
        with self.opened() as store:
            return [
                one
                for one in store.every()
                if _names(one, person, (self.text(one, side) for side in ("request", "response")))
            ]

    def text(self, exchange: Exchange, side: str) -> str:
        """A body as text, "" where it cannot be read; `side` is request or response."""
        try:
            body = self.request_body(exchange) if side == "request" else self.response_body(exchange)
        except BodyLost:
            return ""
        return body.decode(errors="replace")

    def _text_here(self, exchange: Exchange, side: str) -> str:
        """As `text`, where nobody moves bodies: does not wait for this process's own writer, which may wait for us."""
        try:
            return self._read(exchange, side).decode(errors="replace")
        except BodyLost:
            return ""

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


def _names(exchange: Exchange, person: PersonalTexts, texts: Iterable[str]) -> bool:
    words = " ".join((exchange.url, exchange.document, exchange.error))
    return person.mentions(words) or any(map(person.mentions, texts))


def _modified(path: Path) -> float:
    """Seconds since the epoch; for ever where somebody else has just deleted it."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return float("inf")
