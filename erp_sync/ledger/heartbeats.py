"""Who is alive: a name, and when it last said so. Read by a watchdog that may be on another machine."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import msgspec
import sqlalchemy as sa

from erp_sync.ledger import owners
from erp_sync.ledger.schema import heartbeats
from erp_sync.ledger.sql import chunks, upsert

if TYPE_CHECKING:
    from erp_sync.ledger.engine import Database


class Heartbeat(msgspec.Struct, frozen=True, kw_only=True):
    """Attributes:
    at: the latest one; `since`: the first ever. UTC.
    owner: process that gave it.
    """

    name: str
    at: datetime
    since: datetime
    owner: str


class Heartbeats:
    """`ledger.heartbeats`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._beaten: dict[str, datetime] = {}

    def beat(self, names: Collection[str], every: timedelta = timedelta(0)) -> None:
        """These are alive now. Written at most once in `every` by this process: callers may come more often."""
        now = self._database.now()
        due = sorted(name for name in names if name not in self._beaten or not now - self._beaten[name] < every)
        if not due:
            return
        owner = owners.process_name()
        with self._database.write() as write:
            statement = upsert(write, heartbeats)
            statement = statement.on_conflict_do_update(
                index_elements=["name"], set_={name: statement.excluded[name] for name in ("at", "owner")}
            )
            write.execute(statement, [{"name": name, "at": now, "since": now, "owner": owner} for name in due])
        self._beaten.update(dict.fromkeys(due, now))

    def forget(self, names: Collection[str]) -> None:
        """As if these had never been given."""
        with self._database.write() as write:
            for some in chunks(sorted(names)):
                write.execute(sa.delete(heartbeats).where(heartbeats.c.name.in_(some)))

    def all(self) -> dict[str, Heartbeat]:
        """By name."""
        with self._database.read() as read:
            return {row.name: Heartbeat(**row._mapping) for row in read.execute(sa.select(heartbeats))}
