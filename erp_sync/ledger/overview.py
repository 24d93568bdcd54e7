"""How every flow stands, in a handful of queries: for `erp-sync status` and the console."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec
import sqlalchemy as sa

from erp_sync.ledger import could_go
from erp_sync.ledger.documents import FINISHED, State
from erp_sync.ledger.plans import PlanState
from erp_sync.ledger.schema import deliveries, plan_rows, plans, quarantine

if TYPE_CHECKING:
    from erp_sync.ledger.engine import Database


#: Codes of rows that wait for something at their target, as ``missing_product:SKU-1``.
LACKING = r"missing\_%:%"


class FlowCounts(msgspec.Struct, frozen=True, kw_only=True):
    """What the ledger holds of one flow. Times UTC.

    Attributes:
        deliveries: by state; ``due`` now, ``later`` not before a moment to come. Finished ones are left out.
        rows_due: rows of plans that are due, under way or due later.
        rows_waiting: rows of plans that are looked at again now and then, since the target lacks what they need.
        plans_held: plans that wait for a person.
        quarantined: open rows of the quarantine.
        oldest_due: since when the oldest delivery or row that has not gone could go.
        last_loaded: when the last delivery or plan was finished.
    """

    route: str
    flow: str
    deliveries: dict[str, int] = {}
    rows_due: int = 0
    rows_waiting: int = 0
    plans_held: int = 0
    quarantined: int = 0
    oldest_due: datetime | None = None
    last_loaded: datetime | None = None


class Overview:
    """`ledger.overview`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def flows(self, names: Sequence[tuple[str, str]]) -> dict[tuple[str, str], FlowCounts]:
        """How these (route, flow) stand, at one moment."""
        now = self._database.now()
        found = {name: FlowCounts(route=name[0], flow=name[1]) for name in names}
        with self._database.read() as read:
            counted = _deliveries(read, now)
            oldest = _oldest(read, could_go.documents(now))
            oldest_rows = _oldest(read, could_go.rows(now))
            lacking = plan_rows.c.code.like(LACKING, escape="\\")
            rows = _counts(read, plan_rows, plan_rows.c.due_at.is_not(None) & ~lacking)
            rows_waiting = _counts(read, plan_rows, plan_rows.c.due_at.is_not(None) & lacking)
            held = _counts(read, plans, plans.c.state == PlanState.HELD)
            refused = _counts(read, quarantine, quarantine.c.resolved_at.is_(None))
            for name in found:
                due = [time for time in (oldest.get(name), oldest_rows.get(name)) if time is not None]
                done = [time for time in (_last_delivered(read, *name), _last_applied(read, *name)) if time is not None]
                found[name] = FlowCounts(
                    route=name[0],
                    flow=name[1],
                    deliveries=counted.get(name, {}),
                    rows_due=rows.get(name, 0),
                    rows_waiting=rows_waiting.get(name, 0),
                    plans_held=held.get(name, 0),
                    quarantined=refused.get(name, 0),
                    oldest_due=min(due, default=None),
                    last_loaded=max(done, default=None),
                )
        return found

    def on_the_way(self, target: str) -> int:
        """Documents and rows of plans that are due, now or later, to one connection."""
        with self._database.read() as read:
            return sum(
                read.execute(
                    sa.select(sa.func.count()).where(
                        table.c.target == target, table.c.due_at.is_not(None), table.c.state == "due"
                    )
                ).scalar_one()
                for table in (deliveries, plan_rows)
            )


def _deliveries(read: sa.Connection, now: datetime) -> dict[tuple[str, str], dict[str, int]]:
    state = sa.case(
        (sa.and_(deliveries.c.state == State.DUE, deliveries.c.due_at > now), "later"), else_=deliveries.c.state
    ).label("name")
    query = (
        sa.select(deliveries.c.route, deliveries.c.flow, state, sa.func.count())
        .where(deliveries.c.state.in_([one for one in State if one not in FINISHED]))
        .group_by(deliveries.c.route, deliveries.c.flow, state)
    )
    found: dict[tuple[str, str], dict[str, int]] = {}
    for route, flow, name, count in read.execute(query):
        found.setdefault((route, flow), {})[name] = count
    return found


def _counts(read: sa.Connection, table: sa.Table, condition: sa.ColumnElement[bool]) -> dict[tuple[str, str], int]:
    query = sa.select(table.c.route, table.c.flow, sa.func.count()).where(condition)
    return {(row[0], row[1]): row[2] for row in read.execute(query.group_by(table.c.route, table.c.flow))}


def _oldest(read: sa.Connection, some: sa.Subquery) -> dict[tuple[str, str], datetime]:
    query = sa.select(some.c.route, some.c.flow, sa.func.min(some.c.since)).group_by(some.c.route, some.c.flow)
    return {(row[0], row[1]): row[2] for row in read.execute(query)}


def _last_delivered(read: sa.Connection, route: str, flow: str) -> datetime | None:
    query = (
        sa.select(deliveries.c.finished_at)
        # By the index of times: the newest is found at once, and not by looking at all that was delivered.
        .where(
            deliveries.c.route.concat("") == route,
            deliveries.c.flow.concat("") == flow,
            deliveries.c.state.concat("") == State.DELIVERED,
            deliveries.c.finished_at.is_not(None),
        )
        .order_by(deliveries.c.finished_at.desc())
    )
    return read.execute(query.limit(1)).scalar()


def _last_applied(read: sa.Connection, route: str, flow: str) -> datetime | None:
    query = (
        sa.select(plans.c.finished_at)
        .where(
            plans.c.route == route,
            plans.c.flow == flow,
            plans.c.state == PlanState.APPLIED,
            plans.c.finished_at.is_not(None),
        )
        .order_by(plans.c.finished_at.desc())
    )
    return read.execute(query.limit(1)).scalar()
