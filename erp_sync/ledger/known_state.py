"""Known state: what each target (or source) was last known to hold, per key.

`written` rows are ordered by the source's version: a value of an older version never replaces one of a
newer version. `read` rows are ordered by when the read *started*: a read that began before a write ended
says nothing about it. After an unknown outcome, or where a write moved a key besides its own, the row is
*unsure*: it is read again before the next plan believes it, and not before `blocked_until` or while a
document's write moves it (`erp_sync.ledger.moving`).

A read that finds something else than was surely known means that somebody else wrote at the target: what was
known until then is kept as *agreed*, until it is written again, found again or settled. `ABSENT`: nothing was there.

Keys are (connection, entity, scope, key); values are JSON text with decimals as text.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

import msgspec
import pyarrow as pa
import sqlalchemy as sa

from erp_sync.ledger.schema import known_state, moving_keys
from erp_sync.ledger.sql import chunks, insert_columns, upsert

if TYPE_CHECKING:
    from erp_sync.ledger.engine import Database

#: Rows a transaction when many are written, so that nobody waits long for the write lock.
BATCH = 2000

_TIME = pa.timestamp("us", tz="UTC")

#: What `KnownState.table` gives.
SCHEMA = pa.schema(
    [
        ("scope", pa.string()),
        ("key", pa.string()),
        ("value", pa.string()),
        ("source_version", pa.string()),
        ("source_order", pa.int64()),
        ("origin", pa.string()),
        ("sure", pa.bool_()),
        ("observed_at", _TIME),
        ("blocked_until", _TIME),
    ]
)

#: `agreed` of a key that was known to be absent.
ABSENT = "null"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def order_of(time: datetime) -> int:
    """Place of a source time in the order of versions: microseconds since 1970, exact."""
    return (time - _EPOCH) // timedelta(microseconds=1)


class KnownRow(msgspec.Struct, frozen=True, kw_only=True):
    """One row to write, or as it is.

    Attributes:
        key: business key, e.g. the SKU, or ``SKU|warehouse``.
        value: JSON text; None: known to be absent.
        source_version: the source's version or time as text, for people.
        source_order: orders versions of the source: `order_of(source_time)`, or its own growing number.
        agreed: what was known before somebody else wrote, see the module: of a key that is read for the first
            time, and of a write that leaves an edit as it is.
    """

    key: str
    value: str | None
    source_order: int = 0
    source_version: str = ""
    scope: str = ""
    origin: str = ""
    sure: bool = True
    observed_at: datetime | None = None
    blocked_until: datetime | None = None
    agreed: str | None = None


_OF_ENTITY = sa.and_(
    known_state.c.connection == sa.bindparam("of_connection"), known_state.c.entity == sa.bindparam("of_entity")
)
_FIRST_SCOPE = sa.select(known_state.c.scope).where(_OF_ENTITY).order_by(known_state.c.scope).limit(1)
_NEXT_SCOPE = _FIRST_SCOPE.where(known_state.c.scope > sa.bindparam("of_last"))
#: The condition for rows of some keys; `of_keys` gives its parameters.
OF_KEYS = sa.and_(
    _OF_ENTITY,
    known_state.c.scope.in_(sa.bindparam("of_scopes", expanding=True)),
    known_state.c.key.in_(sa.bindparam("of_keys", expanding=True)),
)
_KEYS = sa.select(known_state.c.key).where(OF_KEYS)
_IN_ORDER = (
    sa.select(known_state.c.key).where(OF_KEYS).order_by(known_state.c.scope, known_state.c.key).with_for_update()
)
_COUNT = sa.select(sa.func.count()).select_from(known_state).where(_OF_ENTITY, known_state.c.value.is_not(None))
_EDITED = sa.select(known_state.c.key, known_state.c.agreed).where(_OF_ENTITY, known_state.c.agreed.is_not(None))
_NOW = sa.bindparam("of_now", type_=known_state.c.observed_at.type)
_MARK = (
    sa.update(known_state)
    .where(OF_KEYS)
    .values(sure=False, observed_at=sa.case((known_state.c.observed_at > _NOW, known_state.c.observed_at), else_=_NOW))
)
_BLOCK = sa.update(known_state).where(
    OF_KEYS,
    sa.or_(
        known_state.c.blocked_until.is_(None),
        known_state.c.blocked_until < sa.bindparam("of_until", type_=known_state.c.blocked_until.type),
    ),
)


_RAISE = (
    sa.update(known_state)
    .where(OF_KEYS, known_state.c.source_order < sa.bindparam("of_order"))
    .values(source_order=sa.bindparam("of_order"))
)


@cache
def _table_queries(names: tuple[str, ...]) -> tuple[sa.Select[Any], sa.Select[Any]]:
    """These columns of all that is known of an entity, in order, and of some of its keys."""
    query = sa.select(*(known_state.c[name] for name in names))
    return query.where(_OF_ENTITY).order_by(known_state.c.scope, known_state.c.key), query.where(OF_KEYS)


class KnownState:
    """`ledger.known`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def table(
        self, connection: str, entity: str, keys: Sequence[str] | None = None, names: Sequence[str] = SCHEMA.names
    ) -> pa.Table:
        """Known state as an Arrow table with `SCHEMA`, ordered by scope and key.

        Args:
            keys: None: all keys.
            names: only these columns, scope and key among them. Times take longest to read.
        """
        schema = pa.schema([SCHEMA.field(name) for name in names])
        whole, of_some = _table_queries(tuple(names))
        rows: list[Any] = []
        with self._database.read() as read:
            if keys is None:
                rows = list(read.execute(whole, {"of_connection": connection, "of_entity": entity}).all())
            else:
                for mine in of_keys(read, connection, entity, keys):
                    rows.extend(read.execute(of_some, mine).all())
                rows.sort(key=lambda row: (row.scope, row.key))
        if not rows:
            return schema.empty_table()
        values = list(zip(*rows, strict=True))
        return pa.table([pa.array(column, field.type) for column, field in zip(values, schema, strict=True)], schema)

    def get(self, connection: str, entity: str, keys: Sequence[str]) -> dict[tuple[str, str], KnownRow]:
        """Rows by (scope, key); unknown keys are left out."""
        return {(row["scope"], row["key"]): KnownRow(**row) for row in self.table(connection, entity, keys).to_pylist()}

    def write(self, connection: str, entity: str, rows: pa.Table | Iterable[KnownRow]) -> int:
        """What we wrote to the target, with the source's version. Rows of an older version than known are left
        alone. Gives how many were written. Batches of `BATCH` rows, a transaction each.

        Args:
            rows: KnownRow, or a table with ``key``, ``value`` and, where there are, ``scope``,
                ``source_order`` (int64), ``source_version``.
        """
        return self._put(connection, entity, _rows(rows), "written", self._database.now())

    def read(self, connection: str, entity: str, rows: pa.Table | Iterable[KnownRow], started_at: datetime) -> int:
        """What a read that *started* at `started_at` (UTC) found. Gives how many rows changed or were made sure.

        Rows written or read later than that are left alone, blocked ones until their settle time is over, and
        those that a document moves at this moment.
        A row's source version stays.
        """
        return self._put(connection, entity, _rows(rows), "read", started_at)

    def mark_unknown(
        self,
        connection: str,
        entity: str,
        keys: Sequence[str],
        why: str,
        blocked_until: datetime | None = None,
        scope: str | None = None,
    ) -> None:
        """These may have changed without our knowing: read them again before believing them."""
        with self._database.write() as write:
            mark_unknown(write, self._database.now(), connection, entity, keys, why, blocked_until, scope)

    def doubt(self, connection: str, entity: str, keys: Sequence[str], why: str, order: int = 0) -> None:
        """`mark_unknown`, at once and of keys that nothing was known about, too: after a read of everything these would
        be taken as absent for sure.

        Args:
            order: what is older in the order of values is not written any more, and a write of it that is under way
                does not end the doubt.
        """
        with self._database.write() as write:
            now = self._database.now()
            known = {
                key for mine in of_keys(write, connection, entity, keys) for key in write.execute(_KEYS, mine).scalars()
            }
            mark_unknown(write, now, connection, entity, keys, why)
            doubt(write, now, connection, entity, "", sorted(set(keys) - known), why, now)
            for mine in of_keys(write, connection, entity, keys) if order else ():
                write.execute(_RAISE, {**mine, "of_order": order})

    def unsure(self, connection: str, entity: str, limit: int = 10_000) -> list[KnownRow]:
        """Rows to read again: their settle time is over, and nobody moves them."""
        now = self._database.now()
        given = {"of_connection": connection, "of_entity": entity, "of_now": now, "of_limit": limit}
        with self._database.read() as read:
            return [KnownRow(**row._mapping) for row in read.execute(_UNSURE, given)]

    def count(self, connection: str, entity: str) -> int:
        """How many keys are known to be there."""
        with self._database.read() as read:
            return int(read.execute(_COUNT, {"of_connection": connection, "of_entity": entity}).scalar_one())

    def any_unsure(self, connection: str, entity: str) -> bool:
        """Is there anything to read again now? One cheap query."""
        return bool(self.unsure(connection, entity, limit=1))

    def edited(self, connection: str, entity: str, keys: Sequence[str] | None = None) -> dict[str, str]:
        """What was agreed on, by key, where somebody else wrote since. None: of all keys."""
        given = {"of_connection": connection, "of_entity": entity}
        with self._database.read() as read:
            found = {key: agreed for key, agreed in read.execute(_EDITED, given)}
        return found if keys is None else {key: found[key] for key in keys if key in found}

    def settle_edits(self, connection: str, entity: str, keys: Sequence[str]) -> None:
        """Both sides agree on these again as they are."""
        for some in chunks(sorted(set(keys))):
            with self._database.write() as write:
                for mine in of_keys(write, connection, entity, some):
                    write.execute(sa.update(known_state).where(OF_KEYS), {**mine, "agreed": None})

    def forget(self, connection: str, entity: str, keys: Sequence[str] | None = None) -> int:
        """Forget rows (all of the entity where `keys` is None): the next plan compares with nothing."""
        count = 0
        with self._database.write() as write:
            if keys is None:
                condition = sa.and_(known_state.c.connection == connection, known_state.c.entity == entity)
                return write.execute(sa.delete(known_state).where(condition)).rowcount
            for mine in of_keys(write, connection, entity, keys):
                count += write.execute(sa.delete(known_state).where(OF_KEYS), mine).rowcount
        return count

    def _put(self, connection: str, entity: str, rows: list[KnownRow], origin: str, observed_at: datetime) -> int:
        count = 0
        for some in chunks(sorted(rows, key=lambda row: (row.scope, row.key)), BATCH):
            with self._database.write() as write:
                count += put(write, connection, entity, some, origin, observed_at, self._database.now())
        return count


def of_keys(
    read: sa.Connection, connection: str, entity: str, keys: Collection[str], scope: str | None = None
) -> Iterator[dict[str, Any]]:
    """Parameters of `OF_KEYS` for the rows of these keys, of one scope or of all, chunk by chunk.

    Scopes stand before keys in the primary key, and there are few of them: with their names a key is found at once,
    without them all that is known of the entity would be gone through.
    """
    mine: dict[str, Any] = {"of_connection": connection, "of_entity": entity}
    scopes = [] if scope is None else [scope]
    if scope is None and keys:
        last = read.execute(_FIRST_SCOPE, mine).scalar()
        while last is not None:
            scopes.append(last)
            last = read.execute(_NEXT_SCOPE, {**mine, "of_last": last}).scalar()
    for some in chunks(sorted(set(keys))):
        yield {**mine, "of_scopes": scopes, "of_keys": list(some)}


def put(
    write: sa.Connection,
    connection: str,
    entity: str,
    rows: Sequence[KnownRow],
    origin: str,
    observed_at: datetime,
    now: datetime,
) -> int:
    """Upsert in the caller's transaction; see `KnownState.write` and `read`. One row per key."""
    if not rows:
        return 0
    new = upsert(write, known_state).excluded
    columns = known_state.c
    if origin == "written":
        fresher = new.source_order >= columns.source_order
        kept: dict[str, Any] = {
            "source_version": new.source_version,
            "source_order": new.source_order,
            "agreed": new.agreed,
        }
    else:
        settled = sa.or_(columns.blocked_until.is_(None), columns.blocked_until <= new.observed_at)
        # By its name: a column of the table would make a query of its own over all that is known, since nothing in an
        # upsert is correlated, and any key that moves would keep all others from being read.
        row: sa.ColumnElement[str] = sa.literal_column(f'{known_state.name}."key"', sa.Text)
        moved = held(connection, entity, row, now)
        fresher = sa.and_(new.observed_at >= columns.observed_at, settled, ~moved)
        found, was = sa.func.coalesce(new.value, ABSENT), sa.func.coalesce(columns.value, ABSENT)
        kept = {
            "agreed": sa.case(
                (sa.func.coalesce(columns.agreed, ABSENT + "?") == found, None),
                (columns.agreed.is_not(None), columns.agreed),
                (sa.and_(columns.sure, found != was), was),
                else_=None,
            )
        }
    same: dict[str, Any] = {
        "connection": connection,
        "entity": entity,
        "origin": origin,
        "sure": True,
        "observed_at": observed_at,
    }
    conflict = {
        "index_elements": ["connection", "entity", "scope", "key"],
        "set_": {
            "value": new.value,
            "origin": new.origin,
            "sure": new.sure,
            "observed_at": new.observed_at,
            "blocked_until": None,
            "why": "",
            **kept,
        },
        "where": fresher,
    }
    own = ("scope", "key", "value", "source_version", "source_order", "agreed")
    values = {name: [getattr(row, name) for row in rows] for name in own}
    return insert_columns(write, known_state, same, values, conflict)


def mark_unknown(
    write: sa.Connection,
    now: datetime,
    connection: str,
    entity: str,
    keys: Sequence[str],
    why: str,
    blocked_until: datetime | None = None,
    scope: str | None = None,
) -> None:
    """Make rows unsure in the caller's transaction; a longer block stays. Keys without a row need none.

    The time of observation moves to now, so that a read under way cannot make them sure again.
    """
    for mine in of_keys(write, connection, entity, keys, scope):
        if write.dialect.name != "sqlite":
            # One order for everybody, so that two that mark the same rows do not lock each other out.
            write.execute(_IN_ORDER, mine).all()
        write.execute(_MARK, {**mine, "of_now": now, "why": why})
        if blocked_until is not None:
            write.execute(_BLOCK, {**mine, "of_until": blocked_until, "blocked_until": blocked_until})


def held(connection: Any, entity: Any, key: Any, now: Any, *, waited_for: bool = False) -> Any:
    """The condition that a document's write moves the key at this moment, or (`waited_for`) waits to do so."""
    conditions = [
        moving_keys.c.connection == connection,
        moving_keys.c.entity == entity,
        moving_keys.c.key == key,
        moving_keys.c.until > now,
    ]
    if not waited_for:
        conditions.append(moving_keys.c.state != "waiting")
    return sa.exists().where(*conditions)


_OF_NOW = sa.bindparam("of_now", type_=known_state.c.blocked_until.type)
_UNSURE = (
    sa.select(*[known_state.c[name] for name in SCHEMA.names])
    .where(
        known_state.c.connection == sa.bindparam("of_connection"),
        known_state.c.entity == sa.bindparam("of_entity"),
        known_state.c.sure == sa.false(),
        sa.or_(known_state.c.blocked_until.is_(None), known_state.c.blocked_until <= _OF_NOW),
        ~held(known_state.c.connection, known_state.c.entity, known_state.c.key, _OF_NOW),
    )
    .order_by(known_state.c.scope, known_state.c.key)
    .limit(sa.bindparam("of_limit", type_=sa.Integer))
)


def _rows(rows: pa.Table | Iterable[KnownRow]) -> list[KnownRow]:
    if not isinstance(rows, pa.Table):
        return list(rows)
    names = set(rows.column_names)
    missing = {"key", "value"} - names
    if missing:
        raise ValueError(f"the table has no column {sorted(missing)[0]}; it has {', '.join(rows.column_names)}")
    size = rows.num_rows

    def column(name: str, default: Any) -> list[Any]:
        return rows.column(name).to_pylist() if name in names else [default] * size

    return [
        KnownRow(key=key, value=value, scope=scope, source_order=order, source_version=version)
        for key, value, scope, order, version in zip(
            column("key", ""),
            column("value", None),
            column("scope", ""),
            column("source_order", 0),
            column("source_version", ""),
            strict=True,
        )
    ]


def doubt(
    write: sa.Connection,
    now: datetime,
    connection: str,
    entity: str,
    scope: str,
    keys: Sequence[str],
    why: str,
    blocked_until: datetime,
) -> None:
    """`mark_unknown` for one scope that also makes rows for keys which nothing was known about."""
    mark_unknown(write, now, connection, entity, keys, why, blocked_until, scope)
    absent = set(keys)
    for some in chunks(sorted(absent)):
        absent -= set(
            write.execute(
                sa.select(known_state.c.key).where(
                    known_state.c.connection == connection,
                    known_state.c.entity == entity,
                    known_state.c.scope == scope,
                    known_state.c.key.in_(some),
                )
            ).scalars()
        )
    if absent:
        same = {
            "connection": connection,
            "entity": entity,
            "scope": scope,
            "value": None,
            "source_order": 0,
            "origin": "unknown",
            "sure": False,
            "observed_at": now,
            "blocked_until": blocked_until,
            "why": why,
        }
        # PostgreSQL lets another one make the row meanwhile, of a read that knows nothing of the doubt, or of a doubt
        # that lasts longer.
        columns, new = known_state.c, upsert(write, known_state).excluded
        later = {
            name: sa.case((columns[name] > new[name], columns[name]), else_=new[name])
            for name in ("observed_at", "blocked_until")
        }
        conflict = {
            "index_elements": ["connection", "entity", "scope", "key"],
            "set_": {"sure": new.sure, "why": new.why, **later},
        }
        insert_columns(write, known_state, same, {"key": sorted(absent)}, conflict)
