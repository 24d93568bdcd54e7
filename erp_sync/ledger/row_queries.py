"""Which rows of plans may be claimed, what is doubted, and when a plan is done."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
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


def _claimable() -> Any:
    now = sa.bindparam("of_now", type_=plan_rows.c.due_at.type)
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
    return (
        sa.select(plan_rows)
        .where(
            plan_rows.c.flow == sa.bindparam("of_flow"),
            plan_rows.c.target == sa.bindparam("of_target"),
            plan_rows.c.lane.in_(sa.bindparam("of_lanes", expanding=True)),
            plan_rows.c.due_at <= now,
            sa.or_(
                plan_rows.c.state == RowState.ACCEPTED,
                sa.and_(plan_rows.c.state == RowState.DUE, ~in_flight, ~settling, ~moving),
            ),
        )
        .order_by(plan_rows.c.lane, plan_rows.c.due_at, plan_rows.c.id)
    )


_CLAIMABLE = {False: _claimable(), True: _claimable().where(plan_rows.c.route == sa.bindparam("of_route"))}


def _taking(query: Any) -> Any:
    return query.limit(sa.bindparam("of_limit", type_=sa.Integer)).with_for_update(of=plan_rows, skip_locked=True)


_TAKING = {of_route: _taking(query) for of_route, query in _CLAIMABLE.items()}


def take(
    write: sa.Connection,
    now: datetime,
    route: str | None,
    flow: str,
    target: str,
    lanes: Sequence[str],
    limit: int,
    narrowed: Callable[[Any], Any] | None = None,
) -> list[Any]:
    """Rows that may be claimed, locked: most urgent lane first, then by when they are due.

    Args:
        narrowed: makes another query of the one of claimable rows.
    """
    given = {"of_now": now, "of_flow": flow, "of_target": target, "of_lanes": lane_ranks(lanes), "of_limit": limit}
    if route is not None:
        given["of_route"] = route
    query = _TAKING[route is not None] if narrowed is None else _taking(narrowed(_CLAIMABLE[route is not None]))
    return list(write.execute(query, given).all())


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
