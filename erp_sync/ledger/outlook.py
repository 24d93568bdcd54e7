"""What there is to do in the whole installation, at one moment, in a handful of queries: for the sensor.

One question a flow would be some hundreds of statements a second where twenty routes are idle.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import sqlalchemy as sa

from erp_sync.ledger.plan_values import PlanState
from erp_sync.ledger.schema import cursors, deliveries, handled, handled_marks, known_state, plan_rows, plans, received

if TYPE_CHECKING:
    from erp_sync.ledger.engine import Database


class Reader(NamedTuple):
    """A flow of a route, and what it reads."""

    route: str
    flow: str
    connection: str
    entity: str


class Outlook(msgspec.Struct, frozen=True, kw_only=True):
    """Attributes:
    unhandled: (route, flow) with received records that it has not handled.
    deliveries, rows: (route, flow, target) with documents, with rows of plans, to claim or to rescue now.
    unsure: (connection, entity) with known state to read again now.
    positions: of all cursors, by (connection, entity); None where one never had any.
    moved: when each of them was moved last.
    """

    unhandled: frozenset[tuple[str, str]] = frozenset()
    deliveries: frozenset[tuple[str, str, str]] = frozenset()
    rows: frozenset[tuple[str, str, str]] = frozenset()
    unsure: frozenset[tuple[str, str]] = frozenset()
    positions: Mapping[tuple[str, str], datetime | None] = {}
    moved: Mapping[tuple[str, str], datetime | None] = {}


def outlook(database: Database, readers: Sequence[Reader]) -> Outlook:
    """What there is to do. `unhandled` is told of these readers, the rest of everybody."""
    now = database.now()
    columns = (cursors.c.connection, cursors.c.entity, cursors.c.position, cursors.c.changed_at)
    with database.read() as read:
        read_to = read.execute(sa.select(*columns)).all()
        return Outlook(
            unhandled=_rows(read, _unhandled(readers)) if readers else frozenset(),
            deliveries=_rows(read, _due_deliveries(now)),
            rows=_rows(read, _due_rows(now)),
            unsure=_rows(
                read,
                sa.select(known_state.c.connection, known_state.c.entity)
                .where(
                    known_state.c.sure == sa.false(),
                    sa.or_(known_state.c.blocked_until.is_(None), known_state.c.blocked_until <= now),
                )
                .distinct(),
            ),
            positions={(row.connection, row.entity): row.position for row in read_to},
            moved={(row.connection, row.entity): row.changed_at for row in read_to},
        )


def _rows(read: sa.Connection, query: sa.Select[Any]) -> frozenset[Any]:
    return frozenset(tuple(row) for row in read.execute(query))


def _due_deliveries(now: datetime) -> sa.Select[Any]:
    named = (deliveries.c.route, deliveries.c.flow, deliveries.c.target)
    return sa.select(*named).where(deliveries.c.due_at <= now).distinct()


def _due_rows(now: datetime) -> sa.Select[Any]:
    """One look a plan that is open: its first due row in the queue. A first load has 150,000 due rows, or as many that
    wait, and neither are gone through."""
    one = sa.exists().where(
        plan_rows.c.flow == plans.c.flow,
        plan_rows.c.target == plans.c.target,
        plan_rows.c.lane == plans.c.lane,
        plan_rows.c.due_at <= now,
        plan_rows.c.route == plans.c.route,
    )
    going = plans.c.state.in_([PlanState.JUDGED, PlanState.APPROVED])
    return sa.select(plans.c.route, plans.c.flow, plans.c.target).where(going, one).distinct()


def _unhandled(readers: Sequence[Reader]) -> sa.Select[Any]:
    one = (
        sa.values(*(sa.column(name, sa.Text) for name in Reader._fields), name="readers")
        .data([tuple(reader) for reader in readers])
        .cte("readers")
    )
    mark = (
        sa.select(handled_marks.c.up_to)
        .where(*(handled_marks.c[name] == one.c[name] for name in Reader._fields))
        .correlate(one)
        .scalar_subquery()
    )
    done = (
        sa.exists()
        .where(
            handled.c.route == one.c.route,
            handled.c.flow == one.c.flow,
            handled.c.received_id == received.c.id,
        )
        .correlate(one, received)
    )
    left = (
        sa.exists()
        .where(
            received.c.connection == one.c.connection,
            received.c.entity == one.c.entity,
            received.c.id > sa.func.coalesce(mark, 0),
            ~done,
        )
        .correlate(one)
    )
    return sa.select(one.c.route, one.c.flow).where(left)
