"""Records and rows that a rule refused. They stop nothing else; a row stays open until it is resolved."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec
import sqlalchemy as sa

from erp_sync.ledger.schema import quarantine
from erp_sync.ledger.sql import CHUNK, chunks
from erp_sync.model.keys import EntityKey

if TYPE_CHECKING:
    from erp_sync.ledger.engine import Database


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """A record that a rule refused.

    Attributes:
        rule: stable name of the rule or error, e.g. ``negative_quantity``; lists group by it.
        field: path in the record, where the rule is about one.
        row: the record or row as JSON.
    """

    connection: str
    entity: str
    native_id: str
    rule: str
    problem: str
    field: str = ""
    scope: str = ""
    row: bytes | None = None
    received_id: int | None = None


class Quarantined(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the quarantine. `times` counts how often it was refused for the same reason."""

    id: int
    route: str
    flow: str
    connection: str
    scope: str
    entity: str
    native_id: str
    rule: str
    field: str
    problem: str
    row: bytes | None
    received_id: int | None
    run_id: str
    first_at: datetime
    last_at: datetime
    times: int
    resolved_at: datetime | None
    resolution: str

    @property
    def key(self) -> EntityKey:
        """Of the record."""
        return EntityKey(self.connection, self.scope, self.entity, self.native_id)


class RefusedGroup(msgspec.Struct, frozen=True, kw_only=True):
    """Open rows with one rule. `example` is the problem of the newest, whose id is `example_row`; times UTC."""

    route: str
    flow: str
    rule: str
    count: int
    oldest: datetime
    latest: datetime
    example: str
    example_id: str
    example_row: int


def add(
    write: sa.Connection, now: datetime, route: str, flow: str, run_id: str, refusals: Sequence[Refusal]
) -> list[int]:
    """Put records in quarantine; the same record refused by the same rule again is counted, not repeated."""
    ids = []
    for one in refusals:
        open_row = write.execute(
            sa.select(quarantine.c.id).where(
                quarantine.c.connection == one.connection,
                quarantine.c.entity == one.entity,
                quarantine.c.native_id == one.native_id,
                quarantine.c.scope == one.scope,
                quarantine.c.route == route,
                quarantine.c.flow == flow,
                quarantine.c.rule == one.rule,
                quarantine.c.field == one.field,
                quarantine.c.resolved_at.is_(None),
            )
        ).scalar()
        values = {
            "problem": one.problem,
            "row": one.row,
            "received_id": one.received_id,
            "run_id": run_id,
            "last_at": now,
        }
        if open_row is not None:
            write.execute(
                sa.update(quarantine).where(quarantine.c.id == open_row).values(**values, times=quarantine.c.times + 1)
            )
            ids.append(int(open_row))
            continue
        values.update(
            route=route,
            flow=flow,
            connection=one.connection,
            scope=one.scope,
            entity=one.entity,
            native_id=one.native_id,
            rule=one.rule,
            field=one.field,
            first_at=now,
        )
        ids.append(int(write.execute(sa.insert(quarantine).returning(quarantine.c.id), values).scalar_one()))
    return ids


def written(
    write: sa.Connection,
    now: datetime,
    route: str,
    flow: str,
    connection: str,
    entity: str,
    keys: Collection[tuple[str, str]],
    resolution: str,
) -> int:
    """A target took these (scope, key): what it refused of them before needs nobody any more. Gives how many."""
    mine = [quarantine.c.connection == connection, quarantine.c.entity == entity, *_open(route, flow, None)]
    if write.execute(sa.select(sa.literal(1)).where(*mine).limit(1)).first() is None:
        return 0
    by_scope: dict[str, list[str]] = {}
    for scope, key in sorted(keys):
        by_scope.setdefault(scope, []).append(key)
    count = 0
    for scope, some_keys in by_scope.items():
        for some in chunks(some_keys):
            statement = sa.update(quarantine).where(
                *mine, quarantine.c.scope == scope, quarantine.c.native_id.in_(some)
            )
            count += write.execute(statement.values(resolved_at=now, resolution=resolution)).rowcount
    return count


class Quarantine:
    """`ledger.quarantine`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, refusals: Sequence[Refusal], route: str = "", flow: str = "", run_id: str = "") -> list[int]:
        """Put records in quarantine; gives their ids. A record that is there for the same rule is counted."""
        with self._database.write() as write:
            return add(write, self._database.now(), route, flow, run_id, refusals)

    def find(
        self,
        *,
        route: str | None = None,
        flow: str | None = None,
        run_id: str | None = None,
        rule: str | None = None,
        resolved: bool = False,
        limit: int = 200,
    ) -> list[Quarantined]:
        """Open rows (with `resolved` all), latest first."""
        query = sa.select(quarantine).order_by(quarantine.c.last_at.desc(), quarantine.c.id.desc()).limit(limit)
        for column, value in (
            (quarantine.c.route, route),
            (quarantine.c.flow, flow),
            (quarantine.c.run_id, run_id),
            (quarantine.c.rule, rule),
        ):
            if value is not None:
                query = query.where(column == value)
        if not resolved:
            query = query.where(quarantine.c.resolved_at.is_(None))
        with self._database.read() as read:
            return [Quarantined(**row._mapping) for row in read.execute(query)]

    def pages(
        self, *, route: str | None = None, flow: str | None = None, rule: str | None = None, size: int = CHUNK
    ) -> Iterator[list[Quarantined]]:
        """All open rows, newest first, so many at a time."""
        query = sa.select(quarantine).where(*_open(route, flow, rule)).order_by(quarantine.c.id.desc())
        below: int | None = None
        while True:
            with self._database.read() as read:
                wanted = query if below is None else query.where(quarantine.c.id < below)
                page = [Quarantined(**row._mapping) for row in read.execute(wanted.limit(size))]
            if page:
                yield page
                below = page[-1].id
            if len(page) < size:
                return

    def some(self, ids: Sequence[int]) -> list[Quarantined]:
        """Open rows, by id; what is none is left out."""
        return self._those(quarantine.c.id, sorted(set(ids)))

    def of(self, keys: Iterable[EntityKey]) -> list[Quarantined]:
        """Open rows of these records."""
        wanted = set(keys)
        rows = self._those(quarantine.c.native_id, sorted({key.native_id for key in wanted}))
        return [row for row in rows if row.key in wanted]

    def open_ids(self, connection: str, route: str, flow: str) -> set[str]:
        """Native ids of a source's records that have open rows in a flow."""
        given = {"of_connection": connection, "of_route": route, "of_flow": flow}
        with self._database.read() as read:
            return set(read.execute(_OPEN_IDS, given).scalars())

    def reasons(self, connection: str, route: str, flow: str, native_ids: Sequence[str]) -> dict[str, tuple[str, str]]:
        """Rule and problem of those of a source's records that have an open row in a flow; of several the latest."""
        found: dict[str, tuple[str, str]] = {}
        with self._database.read() as read:
            for some in chunks(sorted(set(native_ids))):
                query = sa.select(quarantine.c.native_id, quarantine.c.rule, quarantine.c.problem).where(
                    quarantine.c.connection == connection, quarantine.c.native_id.in_(some), *_open(route, flow, None)
                )
                found |= {row[0]: (row[1], row[2]) for row in read.execute(query.order_by(quarantine.c.last_at))}
        return found

    def groups(self, route: str | None = None, flow: str | None = None) -> list[RefusedGroup]:
        """Open rows by route, flow and rule, most first."""
        columns = (quarantine.c.route, quarantine.c.flow, quarantine.c.rule)
        groups = (
            sa.select(
                *columns,
                sa.func.count().label("records"),
                sa.func.min(quarantine.c.first_at).label("oldest"),
                sa.func.max(quarantine.c.last_at).label("latest"),
                sa.func.max(quarantine.c.id).label("example"),
            )
            .where(*_open(route, flow, None))
            .group_by(*columns)
            .subquery()
        )
        query = (
            sa.select(groups, quarantine.c.problem, quarantine.c.native_id)
            .join(quarantine, quarantine.c.id == groups.c.example)
            .order_by(groups.c.records.desc(), groups.c.route, groups.c.flow, groups.c.rule)
        )
        with self._database.read() as read:
            return [
                RefusedGroup(
                    route=row.route,
                    flow=row.flow,
                    rule=row.rule,
                    count=row.records,
                    oldest=row.oldest,
                    latest=row.latest,
                    example=row.problem,
                    example_id=row.native_id,
                    example_row=row.example,
                )
                for row in read.execute(query)
            ]

    def _those(self, column: sa.Column[Any], values: Sequence[Any]) -> list[Quarantined]:
        found: list[Quarantined] = []
        with self._database.read() as read:
            for some in chunks(values):
                query = sa.select(quarantine).where(column.in_(some), quarantine.c.resolved_at.is_(None))
                found += [Quarantined(**row._mapping) for row in read.execute(query.order_by(quarantine.c.id))]
        return found

    def counts(self) -> dict[tuple[str, str, str], int]:
        """Open rows by (route, flow, rule)."""
        columns = (quarantine.c.route, quarantine.c.flow, quarantine.c.rule)
        query = sa.select(*columns, sa.func.count()).where(quarantine.c.resolved_at.is_(None)).group_by(*columns)
        with self._database.read() as read:
            return {(row[0], row[1], row[2]): row[3] for row in read.execute(query)}

    def resolve(
        self,
        connection: str,
        entity: str,
        native_ids: Sequence[str],
        resolution: str,
        route: str | None = None,
        flow: str | None = None,
    ) -> int:
        """These records passed, or a person settled them. Gives how many open rows are closed."""
        count = 0
        with self._database.write() as write:
            for some in chunks(sorted(set(native_ids))):
                given: dict[str, Any] = {"of_connection": connection, "of_entity": entity, "of_ids": list(some)}
                given |= {"of_now": self._database.now(), "of_resolution": resolution}
                given |= {name: value for name, value in (("of_route", route), ("of_flow", flow)) if value is not None}
                count += write.execute(_RESOLVE[route is not None, flow is not None], given).rowcount
        return count


#: By whether a route is given, and a flow.
_RESOLVE = {
    (of_route, of_flow): sa.update(quarantine)
    .where(
        quarantine.c.connection == sa.bindparam("of_connection"),
        quarantine.c.entity == sa.bindparam("of_entity"),
        quarantine.c.native_id.in_(sa.bindparam("of_ids", expanding=True)),
        quarantine.c.resolved_at.is_(None),
        *([quarantine.c.route == sa.bindparam("of_route")] if of_route else []),
        *([quarantine.c.flow == sa.bindparam("of_flow")] if of_flow else []),
    )
    .values(resolved_at=sa.bindparam("of_now"), resolution=sa.bindparam("of_resolution"))
    for of_route in (True, False)
    for of_flow in (True, False)
}


_OPEN_IDS = (
    sa.select(quarantine.c.native_id)
    .where(
        quarantine.c.connection == sa.bindparam("of_connection"),
        quarantine.c.resolved_at.is_(None),
        quarantine.c.route == sa.bindparam("of_route"),
        quarantine.c.flow == sa.bindparam("of_flow"),
    )
    .distinct()
)


def _open(route: str | None, flow: str | None, rule: str | None) -> list[sa.ColumnElement[bool]]:
    conditions: list[sa.ColumnElement[bool]] = [quarantine.c.resolved_at.is_(None)]
    for column, value in ((quarantine.c.route, route), (quarantine.c.flow, flow), (quarantine.c.rule, rule)):
        if value is not None:
            conditions.append(column == value)
    return conditions
