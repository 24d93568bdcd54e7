"""Records received from sources, and which of them a flow has handled.

A record is received once per (connection, scope, entity, native id, version). Every route and flow that
reads the entity handles every received id once; the handled ids lie above a mark per (route, flow,
connection, entity) below which all are handled, so that looking for unhandled ones stays cheap.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import sqlalchemy as sa

from erp_sync.ledger import codec
from erp_sync.ledger.schema import handled, handled_marks, received
from erp_sync.ledger.sql import chunks, insert_into, of_few_lengths
from erp_sync.model.keys import EntityKey
from erp_sync.ports.raw import BadRecord, RawRecord

if TYPE_CHECKING:
    from erp_sync.ledger.engine import Database


class ReceivedRow(msgspec.Struct, frozen=True, kw_only=True):
    """One received record. `payload` is its JSON as received (redacted); None once retention removed it."""

    id: int
    connection: str
    scope: str
    entity: str
    native_id: str
    version: str
    source_time: datetime | None
    created_time: datetime | None
    lake_file: str
    lake_row: int | None
    payload: bytes | None
    received_at: datetime
    run_id: str

    def record(self) -> RawRecord:
        """The raw record; numbers that are not whole are Decimal. Raises BadRecord where retention removed it."""
        if self.payload is None:
            words = f"the {self.entity} was removed by retention; read {self.connection} again"
            raise BadRecord(self.native_id, "payload", words)
        return RawRecord(
            native_id=self.native_id,
            scope=self.scope,
            version=self.version,
            source_time=self.source_time,
            created_time=self.created_time,
            payload=codec.from_json(self.payload),
        )


class Landed(NamedTuple):
    """A version of a record, and when it was received."""

    id: int
    scope: str
    native_id: str
    version: str
    received_at: datetime


def insert_received(
    database: Database,
    connection: sa.Connection,
    source: str,
    entity: str,
    records: Sequence[RawRecord],
    run_id: str,
    lake_file: str,
    now: datetime,
) -> list[int]:
    """Insert the records not had yet, in order; gives the new ids. The caller holds the entity's cursor."""
    if not records:
        return []
    seen: set[tuple[str, str, str]] = set()
    had = _had(connection, source, entity, records)
    rows = []
    for index, record in enumerate(records):
        key = (record.scope, record.native_id, record.version)
        if key in had or key in seen:
            continue
        seen.add(key)
        rows.append(
            {
                "connection": source,
                "scope": record.scope,
                "entity": entity,
                "native_id": record.native_id,
                "version": record.version,
                "source_time": record.source_time,
                "created_time": record.created_time,
                "lake_file": lake_file,
                "lake_row": index if lake_file else None,
                "payload": codec.to_bytes(record.payload),
                "received_at": now,
                "run_id": run_id,
            }
        )
    if not rows:
        return []
    return list(connection.execute(_RECEIVE, rows).scalars())


_RECEIVE = sa.insert(received).returning(received.c.id, sort_by_parameter_order=True)


def among(connection: Any, entity: Any) -> sa.ColumnElement[bool]:
    """Of this connection and entity, said so that no index begins with it.

    Native ids and runs have indexes of their own that find the few rows asked for. Without statistics SQLite takes one
    that begins with the connection instead, and goes through everything that was ever received of it.
    """
    return sa.and_(received.c.connection.concat("") == connection, received.c.entity.concat("") == entity)


_HAD = sa.select(received.c.scope, received.c.native_id, received.c.version).where(
    among(sa.bindparam("of_connection"), sa.bindparam("of_entity")),
    received.c.native_id.in_(sa.bindparam("of_ids", expanding=True)),
)


def _had(
    connection: sa.Connection, source: str, entity: str, records: Iterable[RawRecord]
) -> set[tuple[str, str, str]]:
    had: set[tuple[str, str, str]] = set()
    for ids in chunks(sorted({record.native_id for record in records})):
        found = connection.execute(_HAD, {"of_connection": source, "of_entity": entity, "of_ids": ids})
        had.update((row.scope, row.native_id, row.version) for row in found)
    return had


_LANDED = sa.select(
    received.c.id, received.c.scope, received.c.native_id, received.c.version, received.c.received_at
).where(
    among(sa.bindparam("of_connection"), sa.bindparam("of_entity")),
    received.c.native_id.in_(sa.bindparam("of_ids", expanding=True)),
    received.c.received_at >= sa.bindparam("of_since", type_=received.c.received_at.type),
)

_NEWEST = (
    sa.select(received.c.scope, received.c.native_id, sa.func.max(received.c.source_time).label("time"))
    .where(
        among(sa.bindparam("of_connection"), sa.bindparam("of_entity")),
        received.c.native_id.in_(sa.bindparam("of_ids", expanding=True)),
        received.c.source_time.is_not(None),
    )
    .group_by(received.c.scope, received.c.native_id)
)


def newest(read: sa.Connection, keys: Iterable[EntityKey]) -> dict[EntityKey, datetime]:
    """When the source last changed each record, of all that was received of it; what has no time is left out."""
    grouped: dict[tuple[str, str], set[str]] = {}
    wanted = set(keys)
    for key in wanted:
        grouped.setdefault((key.connection, key.entity), set()).add(key.native_id)
    found: dict[EntityKey, datetime] = {}
    for (connection, entity), ids in grouped.items():
        for some in chunks(sorted(ids)):
            given = {"of_connection": connection, "of_entity": entity, "of_ids": list(some)}
            for row in read.execute(_NEWEST, given):
                key = EntityKey(connection, row.scope, entity, row.native_id)
                if key in wanted:
                    found[key] = row.time
    return found


_OF_RUN = (
    sa.select(received)
    .where(received.c.run_id == sa.bindparam("of_run"), among(sa.bindparam("of_connection"), sa.bindparam("of_entity")))
    .order_by(received.c.id)
)


class Received:
    """`ledger.received`: looking at received records. They are written by `Ledger.receive`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def not_received(self, connection: str, entity: str, records: Sequence[RawRecord]) -> list[RawRecord]:
        """Those of the records that were not received in their version yet, in order, without repeats."""
        with self._database.read() as read:
            had = _had(read, connection, entity, records)
        fresh = []
        for record in records:
            key = (record.scope, record.native_id, record.version)
            if key not in had:
                had.add(key)
                fresh.append(record)
        return fresh

    def never_received(self, connection: str, entity: str, native_ids: Sequence[str]) -> list[str]:
        """Those of the ids of which no version was ever received, in order."""
        had: set[str] = set()
        with self._database.read() as read:
            for ids in chunks(sorted(set(native_ids))):
                had.update(
                    read.execute(
                        sa.select(received.c.native_id).where(among(connection, entity), received.c.native_id.in_(ids))
                    ).scalars()
                )
        return [native_id for native_id in dict.fromkeys(native_ids) if native_id not in had]

    def fresh(self, connection: str, entity: str, versions: Mapping[str, str]) -> set[str]:
        """Ids of those (native id -> version) pairs that were not received yet."""
        had: set[tuple[str, str]] = set()
        with self._database.read() as read:
            for ids in chunks(sorted(versions)):
                given = {"of_connection": connection, "of_entity": entity, "of_ids": of_few_lengths(ids)}
                had.update((row.native_id, row.version) for row in read.execute(_HAD, given))
        return {native_id for native_id, version in versions.items() if (native_id, version) not in had}

    def count_new(self, connection: str, entity: str, versions: Mapping[str, str]) -> int:
        """How many of the (native id -> version) pairs were not received yet."""
        return len(self.fresh(connection, entity, versions))

    def count_documents(self, connection: str, entity: str) -> int:
        """How many different documents were received, whatever their versions."""
        with self._database.read() as read:
            key = sa.select(received.c.scope, received.c.native_id).where(
                received.c.connection == connection, received.c.entity == entity
            )
            return int(read.execute(sa.select(sa.func.count()).select_from(key.distinct().subquery())).scalar_one())

    def landed_since(self, connection: str, entity: str, native_ids: Sequence[str], since: datetime) -> list[Landed]:
        """Of these records, any scope, what was received since then, the same version several times, too."""
        found: list[Landed] = []
        with self._database.read() as read:
            for ids in chunks(sorted(set(native_ids))):
                given = {"of_connection": connection, "of_entity": entity, "of_ids": of_few_lengths(ids)}
                found += [Landed(*row) for row in read.execute(_LANDED, {**given, "of_since": since})]
        return found

    def rows(self, ids: Sequence[int]) -> list[ReceivedRow]:
        """These received records, by id."""
        found: list[ReceivedRow] = []
        with self._database.read() as read:
            for some in chunks(sorted(set(ids))):
                found.extend(
                    ReceivedRow(**row._mapping)
                    for row in read.execute(sa.select(received).where(received.c.id.in_(some)).order_by(received.c.id))
                )
        return found

    def kept(self, ids: Sequence[int]) -> set[int]:
        """Those of these records whose payload is still there."""
        found: set[int] = set()
        with self._database.read() as read:
            for some in chunks(sorted(set(ids))):
                query = sa.select(received.c.id).where(received.c.id.in_(some), received.c.payload.is_not(None))
                found.update(read.execute(query).scalars())
        return found

    def of_run(self, connection: str, entity: str, run_id: str) -> list[ReceivedRow]:
        """What this run received, handled or not, oldest first."""
        given = {"of_run": run_id, "of_connection": connection, "of_entity": entity}
        with self._database.read() as read:
            return [ReceivedRow(**row._mapping) for row in read.execute(_OF_RUN, given)]

    def of(self, connection: str, entity: str, native_ids: Sequence[str]) -> list[ReceivedRow]:
        """All versions received of these native ids, oldest first."""
        found: list[ReceivedRow] = []
        with self._database.read() as read:
            for some in chunks(sorted(set(native_ids))):
                query = sa.select(received).where(among(connection, entity), received.c.native_id.in_(some))
                found.extend(ReceivedRow(**row._mapping) for row in read.execute(query))
        return sorted(found, key=lambda row: row.id)

    def unhandled(self, route: str, flow: str, connection: str, entity: str, limit: int) -> list[ReceivedRow]:
        """Received records that the flow of the route has not handled, oldest first, at most `limit`."""
        with self._database.read() as read:
            given = {**_place(route, flow, connection, entity), "of_limit": limit}
            rows = read.execute(_UNHANDLED, {**given, "of_mark": _mark(read, route, flow, connection, entity)})
            return [ReceivedRow(**row._mapping) for row in rows]

    def any_unhandled(self, route: str, flow: str, connection: str, entity: str) -> bool:
        """Is there anything to transform? One cheap query."""
        with self._database.read() as read:
            given = _place(route, flow, connection, entity)
            mark = _mark(read, route, flow, connection, entity)
            return read.execute(_ANY_UNHANDLED, {**given, "of_mark": mark}).first() is not None

    def count_unhandled(self, route: str, flow: str, connection: str, entity: str) -> int:
        with self._database.read() as read:
            query = _unhandled(read, sa.select(sa.func.count()).select_from(received), route, flow, connection, entity)
            return int(read.execute(query).scalar_one())

    def rewind(self, route: str, flow: str, ids: Sequence[int]) -> int:
        """Let the flow handle these received ids again, e.g. after a corrected mapping. Gives how many."""
        if not ids:
            return 0
        with self._database.write() as write:
            self._database.exclude(write, "handling", route, flow)
            lowest = min(ids)
            marks = write.execute(
                sa.select(handled_marks).where(
                    handled_marks.c.route == route, handled_marks.c.flow == flow, handled_marks.c.up_to >= lowest
                )
            ).all()
            for mark in marks:
                # Below the mark there are no rows per id: write them out before the mark moves down.
                between = sa.select(sa.literal(route), sa.literal(flow), received.c.id).where(
                    received.c.connection == mark.connection,
                    received.c.entity == mark.entity,
                    received.c.id >= lowest,
                    received.c.id <= mark.up_to,
                )
                write.execute(sa.insert(handled).from_select(["route", "flow", "received_id"], between))
                write.execute(
                    sa.update(handled_marks)
                    .where(
                        handled_marks.c.route == route,
                        handled_marks.c.flow == flow,
                        handled_marks.c.connection == mark.connection,
                        handled_marks.c.entity == mark.entity,
                    )
                    .values(up_to=lowest - 1)
                )
            count = 0
            for some in chunks(sorted(set(ids))):
                count += write.execute(
                    sa.delete(handled).where(
                        handled.c.route == route, handled.c.flow == flow, handled.c.received_id.in_(some)
                    )
                ).rowcount
            return count

    def skip_before(self, route: str, flow: str, connection: str, entity: str, start: datetime) -> int:
        """Mark what was created before `start` (updated, where there is no created time) as handled.

        For switching a flow on: nothing from before its start is sent. Gives how many were skipped.
        """
        time = sa.func.coalesce(received.c.created_time, received.c.source_time)
        with self._database.write() as write:
            self._database.exclude(write, "handling", route, flow)
            query = _unhandled(write, sa.select(received.c.id), route, flow, connection, entity)
            ids = list(write.execute(query.where(time < start)).scalars())
            mark_handled(write, route, flow, ids)
            return len(ids)


def _mark(read: sa.Connection, route: str, flow: str, connection: str, entity: str) -> int:
    return int(read.execute(_MARK, _place(route, flow, connection, entity)).scalar() or 0)


def _place(route: str, flow: str, connection: str, entity: str) -> dict[str, Any]:
    return {"of_route": route, "of_flow": flow, "of_connection": connection, "of_entity": entity}


_MARK = sa.select(handled_marks.c.up_to).where(
    handled_marks.c.route == sa.bindparam("of_route"),
    handled_marks.c.flow == sa.bindparam("of_flow"),
    handled_marks.c.connection == sa.bindparam("of_connection"),
    handled_marks.c.entity == sa.bindparam("of_entity"),
)


def _not_handled(query: Any) -> Any:
    """Of a connection's entity what a flow has not handled. Parameters: those of `_place`, and its mark."""
    done = sa.exists().where(
        handled.c.route == sa.bindparam("of_route"),
        handled.c.flow == sa.bindparam("of_flow"),
        handled.c.received_id == received.c.id,
    )
    return query.where(
        received.c.connection == sa.bindparam("of_connection"),
        received.c.entity == sa.bindparam("of_entity"),
        received.c.id > sa.bindparam("of_mark"),
        ~done,
    )


_UNHANDLED = _not_handled(sa.select(received)).order_by(received.c.id).limit(sa.bindparam("of_limit", type_=sa.Integer))
_ANY_UNHANDLED = _not_handled(sa.select(received.c.id)).limit(1)


def _unhandled(read: sa.Connection, query: Any, route: str, flow: str, connection: str, entity: str) -> Any:
    mark = _mark(read, route, flow, connection, entity)
    return _not_handled(query).params(**_place(route, flow, connection, entity), of_mark=mark)


_OF_ENTITY = (
    received.c.connection == sa.bindparam("of_connection"),
    received.c.entity == sa.bindparam("of_entity"),
)
_OF_FLOW = (handled.c.route == sa.bindparam("of_route"), handled.c.flow == sa.bindparam("of_flow"))
_ABOVE_MARK = received.c.id > sa.bindparam("of_mark")
_OF_IDS = received.c.id.in_(sa.bindparam("of_ids", expanding=True))
_ENTITIES = sa.select(received.c.connection, received.c.entity).where(_OF_IDS).distinct()
_HIGHEST = sa.select(sa.func.max(received.c.id)).where(*_OF_ENTITY, _ABOVE_MARK)
_HIGHEST_BELOW = _HIGHEST.where(received.c.id < sa.bindparam("of_first_open"))
_FIRST_OPEN = _not_handled(sa.select(sa.func.min(received.c.id)))
_FORGET_PASSED = sa.delete(handled).where(
    *_OF_FLOW,
    handled.c.received_id <= sa.bindparam("of_highest"),
    handled.c.received_id.in_(
        sa.select(received.c.id).where(*_OF_ENTITY, _ABOVE_MARK, received.c.id <= sa.bindparam("of_highest"))
    ),
)
_FORGET_BELOW = sa.delete(handled).where(
    *_OF_FLOW, handled.c.received_id.in_(sa.select(received.c.id).where(*_OF_ENTITY, _OF_IDS))
)


@cache
def _note_handled(dialect: str) -> Any:
    return insert_into(dialect, handled).on_conflict_do_nothing()


@cache
def _move_mark(dialect: str) -> Any:
    statement = insert_into(dialect, handled_marks)
    return statement.on_conflict_do_update(
        index_elements=["route", "flow", "connection", "entity"], set_={"up_to": statement.excluded.up_to}
    )


def mark_handled(write: sa.Connection, route: str, flow: str, ids: Sequence[int]) -> None:
    """Mark ids as handled and move the marks up over what is handled without a gap. Idempotent.

    The caller excludes other transactions of the same (route, flow).
    """
    if not ids:
        return
    rows = [{"route": route, "flow": flow, "received_id": one} for one in sorted(set(ids))]
    write.execute(_note_handled(write.dialect.name), rows)
    touched: set[tuple[str, str]] = set()
    for some in chunks(sorted(set(ids))):
        touched.update((row.connection, row.entity) for row in write.execute(_ENTITIES, {"of_ids": some}))
    for connection, entity in sorted(touched):
        mark = _mark(write, route, flow, connection, entity)
        mine = {**_place(route, flow, connection, entity), "of_mark": mark}
        # The highest id comes first: each statement sees what was committed before it, and a record that comes in
        # between two of them has a higher id (`Ledger.receive`), so the mark cannot pass it.
        highest = write.execute(_HIGHEST, mine).scalar()
        first_open = write.execute(_FIRST_OPEN, mine).scalar()
        if first_open is not None and highest is not None and first_open <= highest:
            highest = write.execute(_HIGHEST_BELOW, {**mine, "of_first_open": first_open}).scalar()
        if highest is not None:
            write.execute(
                _move_mark(write.dialect.name),
                {"route": route, "flow": flow, "connection": connection, "entity": entity, "up_to": highest},
            )
        # Also of ids that lay below the mark already: two runs may handle the same records.
        below = [one for one in sorted(set(ids)) if one <= mark]
        _forget_handled(write, route, flow, connection, entity, mark, highest if highest is not None else mark, below)


def _forget_handled(
    write: sa.Connection,
    route: str,
    flow: str,
    connection: str,
    entity: str,
    mark: int,
    highest: int,
    below: Sequence[int],
) -> None:
    """Rows of ids that the mark stands for now: those that it moved over, and those `below` where it stood."""
    place = _place(route, flow, connection, entity)
    write.execute(_FORGET_PASSED, {**place, "of_mark": mark, "of_highest": highest})
    for some in chunks(below):
        write.execute(_FORGET_BELOW, {**place, "of_ids": some})
