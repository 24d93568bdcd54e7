"""Which rows of plans may be claimed, what is doubted, and when a plan is done."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from erp_sync.ledger import known_state
from erp_sync.ledger.documents import lane_ranks
from erp_sync.ledger.rows import IN_FLIGHT, OPEN, RowState
from erp_sync.ledger.schema import known_state as known
from erp_sync.ledger.schema import plan_rows, plans


def close_plans(write: sa.Connection, now: datetime, plan_ids: Collection[int]) -> None:
    """Plans without open rows are applied; held ones of which every row was overtaken are superseded."""
    for plan_id in sorted(plan_ids):
        still_open = sa.exists().where(
            plan_rows.c.plan_id == plan_id, plan_rows.c.state.in_([state.value for state in OPEN])
        )
        write.execute(
            sa.update(plans)
            .where(plans.c.id == plan_id, plans.c.state.in_(["judged", "approved", "held"]), ~still_open)
            .values(
                state=sa.case((plans.c.state == "held", "superseded"), else_="applied"),
                changed_at=now,
                finished_at=now,
            )
        )


def claimable(now: datetime, route: str | None, flow: str, target: str, lanes: Sequence[str]) -> Any:
    other = plan_rows.alias("other")
    in_flight = sa.exists().where(
        other.c.target == plan_rows.c.target,
        other.c.entity == plan_rows.c.entity,
        other.c.key == plan_rows.c.key,
        other.c.scope == plan_rows.c.scope,
        other.c.id != plan_rows.c.id,
        other.c.state.in_(IN_FLIGHT),
    )
    settling = sa.exists().where(
        known.c.connection == plan_rows.c.target,
        known.c.entity == plan_rows.c.entity,
        known.c.scope == plan_rows.c.scope,
        known.c.key == plan_rows.c.key,
        known.c.blocked_until > now,
    )
    moving = known_state.held(plan_rows.c.target, plan_rows.c.entity, plan_rows.c.key, now, waited_for=True)
    query = (
        sa.select(plan_rows)
        .where(
            plan_rows.c.flow == flow,
            plan_rows.c.target == target,
            plan_rows.c.lane.in_(lane_ranks(lanes)),
            plan_rows.c.due_at <= now,
            sa.or_(
                plan_rows.c.state == RowState.ACCEPTED,
                sa.and_(plan_rows.c.state == RowState.DUE, ~in_flight, ~settling, ~moving),
            ),
        )
        .order_by(plan_rows.c.lane, plan_rows.c.due_at, plan_rows.c.id)
    )
    return query if route is None else query.where(plan_rows.c.route == route)


def given_back() -> Any:
    """State of a claimed row that nobody works on any more: what the target has in work stays so."""
    return sa.case((plan_rows.c.handle != "", RowState.ACCEPTED.value), else_=RowState.DUE.value)


def doubt_rows(
    write: sa.Connection,
    now: datetime,
    target: str,
    entity: str,
    rows: Sequence[Any],
    why: str,
    settle_until: datetime,
) -> None:
    """Known state of these keys is unknown and blocked, also of keys that were never known before."""
    by_scope: dict[str, list[str]] = {}
    for row in rows:
        by_scope.setdefault(row.scope, []).append(row.key)
    for scope, keys in sorted(by_scope.items()):
        known_state.doubt(write, now, target, entity, scope, keys, why, settle_until)
