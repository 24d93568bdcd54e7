"""Everything that ever happened to a document, in order."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec
import sqlalchemy as sa

from erp_sync.ledger import codec
from erp_sync.ledger.documents import Delivery, StepRow, delivery_of, step_of
from erp_sync.ledger.events import Event
from erp_sync.ledger.schema import (
    attempts,
    cross_references,
    deliveries,
    delivery_events,
    inbox,
    notes,
    quarantine,
    received,
    steps,
)
from erp_sync.ledger.sql import chunks
from erp_sync.model.keys import EntityKey

if TYPE_CHECKING:
    from erp_sync.ledger.engine import Database


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One sending of a step, and how it ended. Times UTC."""

    delivery_id: int
    step: str
    attempt: int
    owner: str
    run_id: str
    sent_at: datetime | None
    ended_at: datetime
    outcome: str
    code: str
    message: str


class Trace(msgspec.Struct, frozen=True, kw_only=True):
    """What the ledger knows of a document.

    Attributes:
        deliveries: of all routes and targets, oldest first, with the payload each would deliver now.
        originals: by delivery id, the payload as it came, where a person corrected it.
        events: everything in order, also what happened before there was a delivery (delivery_id 0).
        payloads: by received id, the source's record as received, redacted; None once retention removed it.
        partners: ids of the document elsewhere, ``connection`` to id.
    """

    asked: str
    deliveries: tuple[Delivery, ...]
    originals: dict[int, bytes]
    steps: dict[int, tuple[StepRow, ...]]
    attempts: tuple[Attempt, ...]
    events: tuple[Event, ...]
    payloads: dict[int, bytes | None]
    partners: dict[str, str]

    @property
    def empty(self) -> bool:
        return not self.deliveries and not self.events


class Tracing:
    """Looks at all rooms of the ledger for one document."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def trace(self, asked: str | EntityKey, entity: str | None = None) -> Trace:
        """A document by its number or native id (text), or by its key. Empty where the ledger knows nothing.

        Two stores may share a number: then both are told, each delivery with its key.
        """
        with self._database.read() as read:
            rows = read.execute(
                sa.select(deliveries).where(_named(deliveries, asked, entity)).order_by(deliveries.c.id)
            ).all()
            found = [delivery_of(row) for row in rows]
            ids = [delivery.id for delivery in found]
            keys = {delivery.key for delivery in found}
            if isinstance(asked, EntityKey):
                keys.add(asked)
            else:
                keys |= _keys_of(read, asked, entity)
            events = _events(read, ids)
            payloads: dict[int, bytes | None] = {}
            for key in sorted(keys):
                events += _before(read, key, payloads)
            events += _notes(read, asked, entity)
            return Trace(
                asked=str(asked),
                deliveries=tuple(found),
                originals={row.id: row.payload for row in rows if row.corrected is not None},
                steps=_steps(read, ids),
                attempts=_attempts(read, ids),
                events=tuple(sorted(events, key=lambda event: event.at)),
                payloads=payloads,
                partners=_partners(read, keys),
            )


def _named(table: sa.Table, asked: str | EntityKey, entity: str | None) -> Any:
    if isinstance(asked, EntityKey):
        return _is(table, asked)
    condition = sa.or_(table.c.number == asked, table.c.native_id == asked)
    return condition if entity is None else sa.and_(condition, table.c.entity == entity)


def _is(table: sa.Table, key: EntityKey) -> Any:
    return sa.and_(
        table.c.native_id == key.native_id,
        table.c.connection == key.connection,
        table.c.scope == key.scope,
        table.c.entity == key.entity,
    )


def _keys_of(read: sa.Connection, asked: str, entity: str | None) -> set[EntityKey]:
    """Keys with this native id that were received or refused, whether or not a delivery came of it."""
    keys = set()
    for table in (received, quarantine, notes):
        columns = (table.c.connection, table.c.scope, table.c.entity, table.c.native_id)
        condition = table.c.native_id == asked
        if table is notes:
            condition = sa.or_(condition, notes.c.number == asked)
        for row in read.execute(sa.select(*columns).where(condition).distinct()):
            if entity is None or row.entity == entity:
                keys.add(EntityKey(row.connection, row.scope, row.entity, row.native_id))
    return keys


def _events(read: sa.Connection, ids: list[int]) -> list[Event]:
    found = []
    for some in chunks(ids):
        query = sa.select(delivery_events).where(delivery_events.c.delivery_id.in_(some))
        for row in read.execute(query.order_by(delivery_events.c.id)):
            found.append(
                Event(
                    at=row.at,
                    kind=row.kind,
                    delivery_id=row.delivery_id,
                    step=row.step,
                    actor=row.actor,
                    run_id=row.run_id,
                    details=codec.from_json(row.details),
                )
            )
    return found


def _before(read: sa.Connection, key: EntityKey, payloads: dict[int, bytes | None]) -> list[Event]:
    """What happened to a record before, and beside, its deliveries."""
    found = []
    for row in read.execute(sa.select(received).where(_is(received, key)).order_by(received.c.id)):
        payloads[row.id] = row.payload
        found.append(
            Event(
                at=row.received_at,
                kind="received",
                run_id=row.run_id,
                details={
                    "key": str(key),
                    "version": row.version,
                    "received_id": row.id,
                    "source_time": row.source_time,
                    "lake_file": row.lake_file,
                    "lake_row": row.lake_row,
                },
            )
        )
    for row in read.execute(sa.select(quarantine).where(_is(quarantine, key)).order_by(quarantine.c.id)):
        details = {"key": str(key), "rule": row.rule, "field": row.field, "problem": row.problem, "times": row.times}
        found.append(Event(at=row.first_at, kind="quarantined", run_id=row.run_id, details=details))
        if row.resolved_at is not None:
            found.append(Event(at=row.resolved_at, kind="resolved", details={"resolution": row.resolution}))
    notified = sa.and_(
        inbox.c.connection == key.connection, inbox.c.entity == key.entity, inbox.c.native_id == key.native_id
    )
    for row in read.execute(sa.select(inbox).where(notified).order_by(inbox.c.id)):
        found.append(Event(at=row.received_at, kind="notified", details={"topic": row.topic, "event_id": row.event_id}))
    return found


def _notes(read: sa.Connection, asked: str | EntityKey, entity: str | None) -> list[Event]:
    return [
        Event(at=row.at, kind="left_out", run_id=row.run_id, details={"code": row.code, "reason": row.reason})
        for row in read.execute(sa.select(notes).where(_named(notes, asked, entity)).order_by(notes.c.id))
    ]


def _steps(read: sa.Connection, ids: list[int]) -> dict[int, tuple[StepRow, ...]]:
    found: dict[int, list[StepRow]] = {one: [] for one in ids}
    for some in chunks(ids):
        query = sa.select(steps).where(steps.c.delivery_id.in_(some)).order_by(steps.c.delivery_id, steps.c.position)
        for row in read.execute(query):
            found[row.delivery_id].append(step_of(row))
    return {one: tuple(rows) for one, rows in found.items()}


def _attempts(read: sa.Connection, ids: list[int]) -> tuple[Attempt, ...]:
    found = []
    for some in chunks(ids):
        query = sa.select(attempts).where(attempts.c.delivery_id.in_(some)).order_by(attempts.c.id)
        for row in read.execute(query):
            found.append(Attempt(**{name: row._mapping[name] for name in Attempt.__struct_fields__}))
    return tuple(found)


def _partners(read: sa.Connection, keys: set[EntityKey]) -> dict[str, str]:
    found: dict[str, str] = {}
    columns = cross_references.c
    for key in sorted(keys):
        forward = sa.select(columns.connection_b, columns.id_b).where(
            columns.entity == key.entity, columns.connection_a == key.connection, columns.id_a == key.native_id
        )
        backward = sa.select(columns.connection_a, columns.id_a).where(
            columns.entity == key.entity, columns.connection_b == key.connection, columns.id_b == key.native_id
        )
        for query in (forward, backward):
            found.update((row[0], row[1]) for row in read.execute(query))
    return found
