"""Since when what has not gone could have gone.

A document that fails and is tried again is due anew each time: when it is due says nothing of how long it waits. Its
events do: it could go since it was last let go, whoever or whatever had held it until then.
"""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from erp_sync.ledger.documents import State
from erp_sync.ledger.schema import deliveries, delivery_events, plan_rows

#: Events after which a document may go, and those that say that it could not: a look at what it waits for that found
#: it lacking. Attempts, rescues and pauses are none of them.
MOMENTS = ("accepted", "replaced", "released", "approved", "retried", "edited", "waiting")

_SINCE = (
    sa.select(sa.func.max(delivery_events.c.at))
    .where(delivery_events.c.delivery_id == deliveries.c.id, delivery_events.c.kind.in_(MOMENTS))
    .scalar_subquery()
)


def documents(now: datetime) -> sa.Subquery:
    """Route, flow, target and `since` of documents that may go, are tried again after a pause, or are under way.

    A look at what a document waits for is no attempt, and one that was never due before a moment to come could not go.
    """
    pending = sa.or_(
        sa.and_(deliveries.c.state == State.DUE, sa.or_(deliveries.c.due_at <= now, deliveries.c.code != "")),
        sa.and_(deliveries.c.state == State.CLAIMED, deliveries.c.code != "requirement_missing"),
    )
    since = sa.func.coalesce(_SINCE, deliveries.c.accepted_at, type_=deliveries.c.accepted_at.type).label("since")
    columns = (deliveries.c.route, deliveries.c.flow, deliveries.c.target)
    return sa.select(*columns, since).where(deliveries.c.due_at.is_not(None), pending).subquery()


def rows(now: datetime) -> sa.Subquery:
    """The same of rows of plans. The next comparison takes the place of one that has failed for long."""
    columns = (plan_rows.c.route, plan_rows.c.flow, plan_rows.c.target)
    return (
        sa.select(*columns, plan_rows.c.due_at.label("since"))
        .where(plan_rows.c.due_at <= now, plan_rows.c.state == State.DUE.value)
        .subquery()
    )
