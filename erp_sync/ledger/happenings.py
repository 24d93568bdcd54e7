"""What happened in a run, or in a span of time, to any document."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from erp_sync.ledger import codec
from erp_sync.ledger.events import Event
from erp_sync.ledger.schema import deliveries, delivery_events, notes, plans, quarantine, received
from erp_sync.model.keys import EntityKey

if TYPE_CHECKING:
    from erp_sync.ledger.engine import Database

Happening = tuple[EntityKey | None, Event]
"""An event with the document it is about; None: a plan."""

# Rows are numbered in the order of their times, but for transactions that ran side by side.
_ASIDE = timedelta(minutes=10)
# What a run wrote into the ledger is not further from its calls than this, by far.
_BESIDE_CALLS = timedelta(days=1)
_KEY = ("connection", "scope", "entity", "native_id")


class Happenings:
    """`ledger.happenings`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(
        self,
        *,
        run: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        calls: tuple[datetime, datetime] | None = None,
        limit: int = 1000,
    ) -> list[Happening]:
        """Received, refused, left out, planned, sent, decided: the newest `limit` of a run, or since <= time < until
        (aware), or both; oldest first. A span is found by the rows' numbers.

        Args:
            calls: when the run made its first and its last call: only what was written within a day of them is looked
                at. None: everything is.
        """
        found: list[Happening] = []
        with self._database.read() as read:
            for table, column in (
                (received, received.c.received_at),
                (delivery_events, delivery_events.c.at),
                (notes, notes.c.at),
                (quarantine, quarantine.c.first_at),
                (plans, plans.c.created_at),
            ):
                conditions = [] if run is None else [table.c.run_id == run]
                if run is not None and calls is not None and table is not received:  # that has an index of runs
                    first, last = calls[0] - _BESIDE_CALLS, calls[1] + _BESIDE_CALLS
                    conditions.append(table.c.id >= _first(read, table, column, first))
                    conditions.append(table.c.id < _first(read, table, column, last))
                if since is not None:
                    conditions.append(column >= since)
                    if run is None:
                        conditions.append(table.c.id >= _first(read, table, column, since - _ASIDE))
                if until is not None:
                    conditions.append(column < until)
                    if run is None:
                        conditions.append(table.c.id <= _first(read, table, column, until + _ASIDE))
                found += _TOLD[table](read, sa.and_(sa.true(), *conditions), table.c.id.desc(), limit)
        return sorted(found, key=lambda one: one[1].at)[-limit:]


def _first(read: sa.Connection, table: sa.Table, column: sa.Column[datetime], moment: datetime) -> int:
    """Number of the first row from then on; beyond the last where there is none."""
    low, high = read.execute(sa.select(sa.func.min(table.c.id), sa.func.max(table.c.id))).one()
    if low is None:
        return 0
    high += 1
    query = sa.select(column).where(table.c.id >= sa.bindparam("middle")).order_by(table.c.id).limit(1)
    while low < high:
        middle = (low + high) // 2
        if read.execute(query, {"middle": middle}).scalar_one() < moment:
            low = middle + 1
        else:
            high = middle
    return int(low)


def _key(row: Any) -> EntityKey:
    return EntityKey(*(getattr(row, name) for name in _KEY))


def _events(read: sa.Connection, condition: Any, order: Any, limit: int) -> Iterator[Happening]:
    query = sa.select(delivery_events, *(deliveries.c[name] for name in _KEY)).join(
        deliveries, deliveries.c.id == delivery_events.c.delivery_id
    )
    for row in read.execute(query.where(condition).order_by(order).limit(limit)):
        names = ("at", "kind", "delivery_id", "step", "actor", "run_id")
        facts = {name: getattr(row, name) for name in names}
        yield _key(row), Event(**facts, details=codec.from_json(row.details))


def _received(read: sa.Connection, condition: Any, order: Any, limit: int) -> Iterator[Happening]:
    columns = [received.c[name] for name in (*_KEY, "received_at", "run_id", "version")]
    for row in read.execute(sa.select(*columns).where(condition).order_by(order).limit(limit)):
        yield _key(row), Event(at=row.received_at, kind="received", run_id=row.run_id, details={"version": row.version})


def _notes(read: sa.Connection, condition: Any, order: Any, limit: int) -> Iterator[Happening]:
    for row in read.execute(sa.select(notes).where(condition).order_by(order).limit(limit)):
        details = {"code": row.code, "reason": row.reason}
        yield _key(row), Event(at=row.at, kind="left_out", run_id=row.run_id, details=details)


def _refused(read: sa.Connection, condition: Any, order: Any, limit: int) -> Iterator[Happening]:
    columns = [quarantine.c[name] for name in (*_KEY, "first_at", "run_id", "rule", "field", "problem")]
    for row in read.execute(sa.select(*columns).where(condition).order_by(order).limit(limit)):
        details = {"rule": row.rule, "field": row.field, "problem": row.problem}
        yield _key(row), Event(at=row.first_at, kind="quarantined", run_id=row.run_id, details=details)


def _plans(read: sa.Connection, condition: Any, order: Any, limit: int) -> Iterator[Happening]:
    for row in read.execute(sa.select(plans).where(condition).order_by(order).limit(limit)):
        details = {
            "plan": row.id,
            "flow": row.flow,
            "target": row.target,
            "rows": row.row_count,
            "state": row.state,
            "reason": row.reason,
        }
        yield None, Event(at=row.created_at, kind="plan", run_id=row.run_id, details=details)


_TOLD = {received: _received, delivery_events: _events, notes: _notes, quarantine: _refused, plans: _plans}
