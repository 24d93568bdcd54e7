"""Events that came in: stored before they are answered, each once, processed by runs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any

import msgspec
import sqlalchemy as sa

from erp_sync.ledger.lanes import lane_rank
from erp_sync.ledger.schema import inbox
from erp_sync.ledger.sql import chunks, insert_into, of_few_lengths

if TYPE_CHECKING:
    from erp_sync.ledger.engine import Database


class InboxEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A notification of a change.

    Attributes:
        event_id: the sender's id of the event, unique per connection: a replay has the same.
        topic: what happened, in the vendor's words.
        entity, scope, native_id: what it is about, where the event says so.
        payload: the body, redacted.
    """

    connection: str
    event_id: str
    topic: str
    entity: str = ""
    scope: str = ""
    native_id: str = ""
    lane: str = "now"
    payload: bytes | None = None


class Received(msgspec.Struct, frozen=True, kw_only=True):
    id: int
    event: InboxEvent
    received_at: datetime
    processed_at: datetime | None
    outcome: str


class PendingEvents(msgspec.Struct, frozen=True, kw_only=True):
    connection: str
    entity: str
    count: int
    oldest: datetime


class WaitingEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An unprocessed event without its payload."""

    id: int
    connection: str
    entity: str
    native_id: str
    received_at: datetime


class LatestEvent(msgspec.Struct, frozen=True, kw_only=True):
    """The last event about an entity of a connection."""

    connection: str
    entity: str
    id: int
    received_at: datetime


class Inbox:
    """`ledger.inbox`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, event: InboxEvent) -> bool:
        """Store an event, durably: the sender may be answered once this returns. False for a replay."""
        return self.put_all([event]) == 1

    def put_all(self, events: Sequence[InboxEvent]) -> int:
        """Store events in one durable transaction; gives how many are new."""
        for event in events:
            lane_rank(event.lane)
        count = 0
        with self._database.write(durable=True) as write:
            now = self._database.now()
            for some in chunks(list(events)):
                rows = [
                    {**{name: getattr(event, name) for name in InboxEvent.__struct_fields__}, "received_at": now}
                    for event in some
                ]
                count += len(write.execute(_put(write.dialect.name), rows).all())
        return count

    def unprocessed(
        self, connection: str | None = None, entities: Sequence[str] = (), limit: int = 500
    ) -> list[Received]:
        """Events that no run has processed, oldest first."""
        query = sa.select(inbox).where(inbox.c.processed_at.is_(None)).order_by(inbox.c.id).limit(limit)
        if connection is not None:
            query = query.where(inbox.c.connection == connection)
        if entities:
            query = query.where(inbox.c.entity.in_(list(entities)))
        with self._database.read() as read:
            return [_received(row) for row in read.execute(query)]

    def latest(self, connection: str | None = None, *, after: int = 0) -> list[LatestEvent]:
        """The last event by (connection, entity), of one connection or of all, among those that came after that id.

        None of where none came, or longer ago than events are kept. Reads all that came after the id.
        """
        columns = (inbox.c.connection, inbox.c.entity)
        query = sa.select(*columns, sa.func.max(inbox.c.id).label("id"), sa.func.max(inbox.c.received_at).label("at"))
        # Said so that no index begins with it: SQLite would else go through all events in order to group some.
        query = query.where(inbox.c.id > after).group_by(*(column.concat("") for column in columns), *columns)
        if connection is not None:
            query = query.where(inbox.c.connection == connection)
        with self._database.read() as read:
            rows = read.execute(query)
            return [
                LatestEvent(connection=row.connection, entity=row.entity, id=row.id, received_at=row.at) for row in rows
            ]

    def pending(self) -> list[PendingEvents]:
        """Unprocessed events of the whole installation by (connection, entity), in one query: for one sensor."""
        columns = (inbox.c.connection, inbox.c.entity)
        query = (
            sa.select(*columns, sa.func.count(), sa.func.min(inbox.c.received_at))
            .where(inbox.c.processed_at.is_(None))
            .group_by(*columns)
            .order_by(*columns)
        )
        with self._database.read() as read:
            return [
                PendingEvents(connection=row[0], entity=row[1], count=row[2], oldest=row[3])
                for row in read.execute(query)
            ]

    def outcomes(self) -> dict[tuple[str, str], int]:
        """How many events by (entity, outcome); "" is none yet. Of those that are still kept."""
        query = sa.select(inbox.c.entity, inbox.c.outcome, sa.func.count()).group_by(inbox.c.entity, inbox.c.outcome)
        with self._database.read() as read:
            return {(row[0], row[1] or ""): row[2] for row in read.execute(query)}

    def waiting(
        self, before: datetime, connection: str | None = None, entity: str = "", limit: int = 5000
    ) -> list[WaitingEvent]:
        """Unprocessed events received up to that time, oldest first: of the whole installation, or of one entity."""
        given: dict[str, Any] = {"of_time": before, "of_limit": limit}
        if connection is not None:
            given |= {"of_connection": connection, "of_entity": entity}
        with self._database.read() as read:
            rows = read.execute(_WAITING if connection is None else _WAITING_OF, given)
            return [WaitingEvent(**row._mapping) for row in rows]

    def mark(self, ids: Sequence[int], outcome: str) -> int:
        """These were processed; `outcome` in a word. Gives how many were open. Idempotent."""
        count = 0
        with self._database.write() as write:
            now = self._database.now()
            for some in chunks(sorted(set(ids))):
                count += write.execute(
                    sa.update(inbox)
                    .where(inbox.c.id.in_(of_few_lengths(some)), inbox.c.processed_at.is_(None))
                    .values(processed_at=now, outcome=outcome)
                ).rowcount
        return count


@cache
def _put(dialect: str) -> Any:
    return insert_into(dialect, inbox).on_conflict_do_nothing().returning(inbox.c.id)


_WAITING = (
    sa.select(inbox.c.id, inbox.c.connection, inbox.c.entity, inbox.c.native_id, inbox.c.received_at)
    .where(
        inbox.c.processed_at.is_(None), inbox.c.received_at <= sa.bindparam("of_time", type_=inbox.c.received_at.type)
    )
    .order_by(inbox.c.id)
    .limit(sa.bindparam("of_limit", type_=sa.Integer))
)
_WAITING_OF = _WAITING.where(
    inbox.c.connection == sa.bindparam("of_connection"), inbox.c.entity == sa.bindparam("of_entity")
)


def _received(row: sa.Row) -> Received:
    values = {name: row._mapping[name] for name in InboxEvent.__struct_fields__}
    return Received(
        id=row.id,
        event=InboxEvent(**values),
        received_at=row.received_at,
        processed_at=row.processed_at,
        outcome=row.outcome,
    )
