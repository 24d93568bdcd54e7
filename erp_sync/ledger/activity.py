"""How much came, went and waits, by flow: what the watchdog judges."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import msgspec
import sqlalchemy as sa

from erp_sync.ledger import could_go, held_since
from erp_sync.ledger.documents import State
from erp_sync.ledger.plan_values import PlanState
from erp_sync.ledger.rows import RowState
from erp_sync.ledger.schema import approvals, deliveries, plan_rows, plans, received, steps

if TYPE_CHECKING:
    from erp_sync.ledger.engine import Database

_BY_ITSELF = [PlanState.JUDGED.value, PlanState.APPLIED.value, PlanState.UNDONE.value]

FlowName = tuple[str, str]
"""Route and flow."""


class Queue(msgspec.Struct, frozen=True, kw_only=True):
    """Documents, or rows of plans, of one flow to one target. Times UTC.

    Attributes:
        due: may go now, are tried again after a pause, or are under way.
        oldest: since when the first of them could go, however often it was tried.
    """

    route: str
    flow: str
    target: str
    due: int
    oldest: datetime


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """A plan that nobody had to let pass: `rows` of the flow's target were to change. Times UTC."""

    plan: int
    route: str
    flow: str
    at: datetime
    rows: int


class DeadGroup(msgspec.Struct, frozen=True, kw_only=True):
    """Dead letters of one cause. `number` of the one that died last, `reason` its words."""

    route: str
    flow: str
    code: str
    count: int
    number: str
    reason: str


class HeldGroup(msgspec.Struct, frozen=True, kw_only=True):
    """Documents of one cause that no time will move. Times UTC.

    Attributes:
        code: why they are held, or ``requirement_missing``.
        lacks: kind of what the target lacks (``product``, ``customer``), else "".
        oldest, number, reason: of the one that has stood longest.
    """

    route: str
    flow: str
    code: str
    lacks: str
    count: int
    oldest: datetime
    number: str
    reason: str


class InHand(msgspec.Struct, frozen=True, kw_only=True):
    """Documents, or rows of plans, that one owner (run id and process) has in hand since then. `example` of them."""

    route: str
    flow: str
    owner: str
    count: int
    since: datetime
    example: str


class Activity:
    """`ledger.activity`. Windows are half-open, in UTC."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def accepted(self, start: datetime, end: datetime) -> Counter[FlowName]:
        """New documents by flow; later versions of known ones are not counted."""
        return self._count(deliveries.c.accepted_at, start, end)

    def finished(self, start: datetime, end: datetime) -> Counter[FlowName]:
        """Documents that ended, whatever their version."""
        query = (
            sa.select(deliveries.c.route, deliveries.c.flow, sa.func.count())
            .where(deliveries.c.finished_at >= start, deliveries.c.finished_at < end)
            .group_by(deliveries.c.route, deliveries.c.flow)
        )
        with self._database.read() as read:
            return Counter({(row[0], row[1]): int(row[2]) for row in read.execute(query)})

    def accepted_times(self, route: str, flow: str, start: datetime, end: datetime) -> list[datetime]:
        """When each new document was accepted, oldest first; from an index."""
        query = (
            sa.select(deliveries.c.accepted_at)
            .where(
                deliveries.c.accepted_at >= start,
                deliveries.c.accepted_at < end,
                deliveries.c.route == route,
                deliveries.c.flow == flow,
                deliveries.c.sequence == 1,
            )
            .order_by(deliveries.c.accepted_at)
        )
        with self._database.read() as read:
            return list(read.execute(query).scalars())

    def first_accepted(self, route: str, flow: str) -> datetime | None:
        """Since when there is a history."""
        query = sa.select(sa.func.min(deliveries.c.accepted_at)).where(
            deliveries.c.route == route, deliveries.c.flow == flow
        )
        with self._database.read() as read:
            found: datetime | None = read.execute(query).scalar()
        return found

    def changes(
        self,
        *,
        after: int = 0,
        since: datetime | None = None,
        of: FlowName | None = None,
    ) -> list[Change]:
        """Plans beyond the one of this id, or of one flow, made since then; oldest first.

        What was held, and what restores something, is not among them: a plan that waits is made again and again, and
        both say what a person did, not what the source does.
        """
        decided = sa.exists().where(approvals.c.subject == "plan", approvals.c.subject_id == plans.c.id)
        query = (
            sa.select(plans.c.id, plans.c.route, plans.c.flow, plans.c.created_at, plans.c.row_count)
            .where(plans.c.undoes.is_(None), plans.c.state.in_(_BY_ITSELF), ~decided)
            .order_by(plans.c.id)
        )
        if after:
            query = query.where(plans.c.id > after)
        if since is not None:
            query = query.where(plans.c.created_at >= since)
        if of is not None:
            query = query.where(plans.c.route == of[0], plans.c.flow == of[1])
        with self._database.read() as read:
            return [
                Change(plan=row[0], route=row[1], flow=row[2], at=row[3], rows=row[4]) for row in read.execute(query)
            ]

    def plans_held(self) -> set[FlowName]:
        """Flows of which a plan waits for a person."""
        query = sa.select(plans.c.route, plans.c.flow).where(plans.c.state == PlanState.HELD.value).distinct()
        with self._database.read() as read:
            return {(row[0], row[1]) for row in read.execute(query)}

    def made(self, connection: str, entity: str, after: datetime, *, read_within: timedelta) -> list[datetime]:
        """When each document was made at its source, by the source, oldest first: those made after then and received
        so soon. From an index."""
        query = (
            sa.select(sa.func.min(received.c.created_time), sa.func.min(received.c.received_at))
            .where(
                received.c.connection == connection,
                received.c.entity == entity,
                received.c.created_time > after,
            )
            .group_by(received.c.scope, received.c.native_id)
        )
        with self._database.read() as read:
            return sorted(made for made, came in read.execute(query) if came - made <= read_within)

    def queues(self) -> list[Queue]:
        """What may go now, of every flow: documents, or rows of plans."""
        now = self._database.now()
        found = []
        with self._database.read() as read:
            for some in (could_go.documents(now), could_go.rows(now)):
                columns = (some.c.route, some.c.flow, some.c.target)
                query = (
                    sa.select(*columns, sa.func.count(), sa.func.min(some.c.since))
                    .group_by(*columns)
                    .order_by(*columns)
                )
                found += [
                    Queue(route=row[0], flow=row[1], target=row[2], due=row[3], oldest=row[4])
                    for row in read.execute(query)
                ]
        return found

    def in_hand(self, before: datetime) -> list[InHand]:
        """What was claimed before then by owners that live, and has not come a step forward since."""
        now = self._database.now()
        stepped = sa.exists().where(steps.c.delivery_id == deliveries.c.id, steps.c.changed_at >= before)
        kinds = (
            (deliveries, [State.CLAIMED.value], deliveries.c.number, ~stepped),
            (plan_rows, [RowState.CLAIMED.value, RowState.SENDING.value], plan_rows.c.key, sa.true()),
        )
        found = []
        with self._database.read() as read:
            for table, states, name, still in kinds:
                columns = (table.c.route, table.c.flow, table.c.owner)
                query = (
                    sa.select(*columns, sa.func.count(), sa.func.min(table.c.changed_at), sa.func.min(name))
                    .where(table.c.due_at > now, table.c.state.in_(states), table.c.changed_at < before, still)
                    .group_by(*columns)
                    .order_by(*columns)
                )
                found += [
                    InHand(route=row[0], flow=row[1], owner=row[2], count=row[3], since=row[4], example=row[5])
                    for row in read.execute(query)
                ]
        return found

    def dead(self) -> list[DeadGroup]:
        """Dead letters by cause."""
        columns = (deliveries.c.route, deliveries.c.flow, deliveries.c.code)
        groups = (
            sa.select(*columns, sa.func.count().label("count"), sa.func.max(deliveries.c.id).label("last"))
            .where(deliveries.c.state == State.DEAD)
            .group_by(*columns)
            .subquery()
        )
        query = sa.select(groups, deliveries.c.number, deliveries.c.reason).join(
            deliveries, deliveries.c.id == groups.c.last
        )
        with self._database.read() as read:
            return [
                DeadGroup(
                    route=row.route,
                    flow=row.flow,
                    code=row.code,
                    count=row._mapping["count"],
                    number=row.number,
                    reason=row.reason,
                )
                for row in read.execute(query.order_by(groups.c.route, groups.c.flow, groups.c.code))
            ]

    def held(self) -> list[HeldGroup]:
        """What waits for a person, or for what its target lacks, by cause: `held_since`."""
        found = held_since.documents()
        columns = (found.c.route, found.c.flow, found.c.code, found.c.lacks)
        ranked = sa.select(
            *columns,
            found.c.since.label("oldest"),
            found.c.number,
            found.c.reason,
            sa.func.count().over(partition_by=columns).label("count"),
            sa.func.row_number().over(partition_by=columns, order_by=(found.c.since, found.c.id)).label("place"),
        ).subquery()
        query = sa.select(*[one for one in ranked.c if one.name != "place"]).where(ranked.c.place == 1)
        with self._database.read() as read:
            rows = read.execute(query.order_by(ranked.c.route, ranked.c.flow, ranked.c.code, ranked.c.lacks))
            return [HeldGroup(**row._mapping) for row in rows]

    def _count(self, column: sa.Column[datetime], start: datetime, end: datetime) -> Counter[FlowName]:
        query = (
            sa.select(deliveries.c.route, deliveries.c.flow, sa.func.count())
            .where(column >= start, column < end, deliveries.c.sequence == 1)
            .group_by(deliveries.c.route, deliveries.c.flow)
        )
        with self._database.read() as read:
            return Counter({(row[0], row[1]): int(row[2]) for row in read.execute(query)})
