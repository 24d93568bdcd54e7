"""How far each (connection, entity) was read. The only truth about that; windows are derived from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any

import msgspec
import sqlalchemy as sa

from erp_sync.ledger.schema import cursors
from erp_sync.ledger.sql import insert_into
from erp_sync.ports.raw import RawRecord

if TYPE_CHECKING:
    from erp_sync.ledger.engine import Database
    from erp_sync.ledger.received import Received


class Cursor(msgspec.Struct, frozen=True, kw_only=True):
    """Attributes:
    position: everything updated before it was read; None: never read. UTC.
    token: for sources that page by a token of theirs.
    """

    connection: str
    entity: str
    position: datetime | None = None
    token: str = ""
    changed_at: datetime | None = None
    run_id: str = ""


_CURSOR = sa.select(cursors).where(
    cursors.c.connection == sa.bindparam("of_connection"), cursors.c.entity == sa.bindparam("of_entity")
)


@cache
def _moved(dialect: str) -> Any:
    statement = insert_into(dialect, cursors)
    return statement.on_conflict_do_update(
        index_elements=["connection", "entity"],
        set_={name: statement.excluded[name] for name in ("position", "token", "changed_at", "run_id")},
    )


def advance(
    database: Database, write: sa.Connection, connection: str, entity: str, to: datetime | None, token: str, run_id: str
) -> None:
    """Move the cursor forward; never back. Nothing to do without a position and token."""
    if to is None and not token:
        return
    now = database.now()
    before = current(write, connection, entity)
    position = to
    if before is not None and before.position is not None and (to is None or before.position > to):
        position = before.position
    write.execute(
        _moved(write.dialect.name),
        {
            "connection": connection,
            "entity": entity,
            "position": position,
            "token": token or (before.token if before is not None else ""),
            "changed_at": now,
            "run_id": run_id,
        },
    )


def current(read: sa.Connection, connection: str, entity: str) -> Any:
    """The cursor's row; None where there is none."""
    return read.execute(_CURSOR, {"of_connection": connection, "of_entity": entity}).first()


class Cursors:
    """`ledger.cursors`. Moved by `Ledger.receive`, in the transaction that records the received ids."""

    def __init__(self, database: Database, received: Received) -> None:
        self._database = database
        self._received = received

    def get(self, connection: str, entity: str) -> Cursor:
        """The cursor; `position` None where the entity was never read."""
        with self._database.read() as read:
            row = read.execute(_CURSOR, {"of_connection": connection, "of_entity": entity}).first()
        if row is None:
            return Cursor(connection=connection, entity=entity)
        return Cursor(**row._mapping)

    def all(self) -> list[Cursor]:
        with self._database.read() as read:
            query = sa.select(cursors).order_by(cursors.c.connection, cursors.c.entity)
            return [Cursor(**row._mapping) for row in read.execute(query)]

    def reset(self, connection: str, entity: str, position: datetime, run_id: str = "") -> None:
        """Put the cursor back (or forward) on purpose: what lies after `position` is read again."""
        with self._database.write() as write:
            self._database.exclude(write, "receive", connection, entity)
            write.execute(sa.delete(cursors).where(cursors.c.connection == connection, cursors.c.entity == entity))
            advance(self._database, write, connection, entity, position, "", run_id)

    def not_received(self, connection: str, entity: str, records: Sequence[RawRecord]) -> list[RawRecord]:
        """See `Received.not_received`."""
        return self._received.not_received(connection, entity, records)

    def never_received(self, connection: str, entity: str, native_ids: Sequence[str]) -> list[str]:
        """See `Received.never_received`."""
        return self._received.never_received(connection, entity, native_ids)

    def fresh(self, connection: str, entity: str, versions: Mapping[str, str]) -> set[str]:
        """See `Received.fresh`."""
        return self._received.fresh(connection, entity, versions)

    def count_new(self, connection: str, entity: str, versions: Mapping[str, str]) -> int:
        """See `Received.count_new`."""
        return self._received.count_new(connection, entity, versions)
