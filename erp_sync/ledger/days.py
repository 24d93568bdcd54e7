"""What became of a day: for partitions, which show a day's totals however many runs worked on it."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import sqlalchemy as sa

from erp_sync.ledger.schema import deliveries, plan_rows, plans, received

if TYPE_CHECKING:
    from erp_sync.ledger.engine import Database

_KEY = ("connection", "scope", "entity", "native_id")


class Days:
    """`ledger.days`. Windows are half-open, in UTC."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def received(self, connection: str, entity: str, start: datetime, end: datetime) -> int:
        """Documents that the source created in the window, of which any version was received."""
        documents = _created(connection, entity, start, end).subquery()
        with self._database.read() as read:
            return int(read.execute(sa.select(sa.func.count()).select_from(documents)).scalar_one())

    def documents(
        self, route: str, flow: str, target: str, connection: str, entity: str, start: datetime, end: datetime
    ) -> dict[str, int]:
        """Where the documents that the source created in the window are now: state of their latest delivery."""
        created = _created(connection, entity, start, end).subquery()
        later = deliveries.alias()
        latest = ~sa.exists().where(
            later.c.route == route,
            later.c.flow == flow,
            later.c.target == target,
            *(later.c[name] == deliveries.c[name] for name in _KEY),
            later.c.sequence > deliveries.c.sequence,
        )
        query = (
            sa.select(deliveries.c.state, sa.func.count())
            .select_from(created)
            .join(deliveries, sa.and_(*(deliveries.c[name] == created.c[name] for name in _KEY)))
            .where(deliveries.c.route == route, deliveries.c.flow == flow, deliveries.c.target == target, latest)
            .group_by(deliveries.c.state)
        )
        with self._database.read() as read:
            return {str(state): int(count) for state, count in read.execute(query)}

    def rows(self, route: str, flow: str, start: datetime, end: datetime) -> dict[str, int]:
        """Rows of the plans that were finished in the window, by state."""
        query = (
            sa.select(plan_rows.c.state, sa.func.count())
            .select_from(plans.join(plan_rows, plan_rows.c.plan_id == plans.c.id))
            .where(plans.c.route == route, plans.c.flow == flow)
            .where(plans.c.finished_at >= start, plans.c.finished_at < end)
            .group_by(plan_rows.c.state)
        )
        with self._database.read() as read:
            return {str(state): int(count) for state, count in read.execute(query)}


def _created(connection: str, entity: str, start: datetime, end: datetime) -> sa.Select[tuple[str, str, str, str]]:
    return (
        sa.select(*(received.c[name] for name in _KEY))
        .where(
            received.c.connection == connection,
            received.c.entity == entity,
            received.c.created_time >= start,
            received.c.created_time < end,
        )
        .distinct()
    )
