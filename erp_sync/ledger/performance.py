"""What became of documents and rows in a window of time, by flow: what key figures are worked out from."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec
import sqlalchemy as sa

from erp_sync.ledger import codec
from erp_sync.ledger.activity import FlowName
from erp_sync.ledger.documents import FORGOTTEN, State
from erp_sync.ledger.lanes import lane_rank
from erp_sync.ledger.plan_values import PlanState
from erp_sync.ledger.rows import RowState
from erp_sync.ledger.schema import (
    approvals,
    deliveries,
    delivery_events,
    plan_rows,
    plans,
    quarantine,
    received,
)
from erp_sync.ledger.sql import chunks

if TYPE_CHECKING:
    from erp_sync.ledger.engine import Database

#: The last one of plans alone.
BY_PEOPLE = ("approved", "rejected", "retried", "edited", "dismissed", "undone")
_STOPPED = ("held", "dead", "accepted", "replaced")
# Transactions that overlap commit their events a little out of order.
_SLACK = 1000


class Outcomes(msgspec.Struct, kw_only=True):
    """How documents or rows of a flow ended. `failed` by code; `first`: delivered documents without later versions."""

    delivered: int = 0
    first: int = 0
    failed: Counter[str] = msgspec.field(default_factory=Counter)


class Intervention(msgspec.Struct, frozen=True, kw_only=True):
    """What a person decided. `since`: when it was held or died; None where that is not kept any more, and where nothing
    waited for it: a plan that was undone. UTC.

    What was decided of many at once has one `at`, to the microsecond, and one `who`.
    """

    route: str
    flow: str
    kind: str
    who: str
    at: datetime
    since: datetime | None


class FirstShipment(msgspec.Struct, frozen=True, kw_only=True):
    """The first fulfillment of an order: created (picked) and marked as shipped in the ERP. UTC."""

    route: str
    order: str
    created: datetime | None
    shipped: datetime | None


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a document. `id`: of its delivery, which grows with time; UTC."""

    id: int
    accepted_at: datetime
    payload: bytes


class Performance:
    """`ledger.performance`. Windows are half-open, in UTC."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def outcomes(self, start: datetime, end: datetime) -> dict[FlowName, Outcomes]:
        """How documents and rows ended in the window; what died or was refused before and went since is delivered.

        A row counts when it ends, and not with the last one of its plan.
        """
        found: defaultdict[FlowName, Outcomes] = defaultdict(Outcomes)
        names = (deliveries.c.route, deliveries.c.flow)
        # Not by an index of the state: nearly all deliveries there are have it.
        state = deliveries.c.state.concat("")
        finished = (deliveries.c.finished_at >= start, deliveries.c.finished_at < end)
        died = sa.exists().where(
            delivery_events.c.delivery_id == deliveries.c.id, delivery_events.c.kind == State.DEAD.value
        )
        first = sa.func.sum(sa.case((deliveries.c.sequence == 1, 1), else_=0))
        delivered = sa.select(*names, sa.func.count(), first).where(state == State.DELIVERED, *finished)
        failures = [
            sa.select(*names, deliveries.c.code, sa.func.count()).where(
                deliveries.c.state == State.DEAD, deliveries.c.changed_at >= start, deliveries.c.changed_at < end
            ),
            sa.select(*names, deliveries.c.code, sa.func.count()).where(state == State.DISMISSED, died, *finished),
        ]
        refused = sa.select(quarantine.c.route, quarantine.c.flow, quarantine.c.rule, sa.func.count()).where(
            quarantine.c.resolved_at.is_(None), quarantine.c.first_at >= start, quarantine.c.first_at < end
        )
        # By the plans that could have ended rows then: rows have no index of times.
        open_then = sa.select(plans.c.id).where(sa.or_(plans.c.finished_at.is_(None), plans.c.finished_at >= start))
        kinds = (plan_rows.c.route, plan_rows.c.flow, plan_rows.c.state, plan_rows.c.code)
        rows = (
            sa.select(*kinds, sa.func.count())
            .where(plan_rows.c.plan_id.in_(open_then))
            .where(plan_rows.c.changed_at >= start, plan_rows.c.changed_at < end)
            .where(plan_rows.c.state.in_([RowState.APPLIED.value, RowState.REFUSED.value]))
            .group_by(*kinds)
        )
        with self._database.read() as read:
            for route, flow, count, new in read.execute(delivered.group_by(*names)):
                found[route, flow].delivered += count
                found[route, flow].first += int(new)
            for query in failures:
                for route, flow, code, count in read.execute(query.group_by(*names, deliveries.c.code)):
                    found[route, flow].failed[code or "unknown"] += count
            grouped = refused.group_by(quarantine.c.route, quarantine.c.flow, quarantine.c.rule)
            for route, flow, rule, count in read.execute(grouped):
                found[route, flow].failed[rule] += count
            for route, flow, state, code, count in read.execute(rows):
                if state == RowState.APPLIED:
                    found[route, flow].delivered += count
                else:
                    found[route, flow].failed[code or "refused"] += count
        return dict(found)

    def latencies(self, start: datetime, end: datetime) -> dict[FlowName, list[float]]:
        """Seconds from a change at the source (a comparison, for state) to the end of its delivery.

        Without a past that is caught up with (lane bulk), and without what waited for a person.
        """
        found: defaultdict[FlowName, list[float]] = defaultdict(list)
        decided = sa.exists().where(
            delivery_events.c.delivery_id == deliveries.c.id, delivery_events.c.kind.in_(BY_PEOPLE)
        )
        documents = sa.select(
            deliveries.c.route,
            deliveries.c.flow,
            sa.func.coalesce(deliveries.c.source_time, deliveries.c.accepted_at),
            deliveries.c.finished_at,
        ).where(
            deliveries.c.finished_at >= start,
            deliveries.c.finished_at < end,
            deliveries.c.state.concat("") == State.DELIVERED,  # see `outcomes`
            deliveries.c.lane != lane_rank("bulk"),
            ~decided,
        )
        approved = sa.exists().where(approvals.c.subject == "plan", approvals.c.subject_id == plans.c.id)
        states = sa.select(plans.c.route, plans.c.flow, plans.c.created_at, plans.c.finished_at).where(
            plans.c.finished_at >= start,
            plans.c.finished_at < end,
            plans.c.state == PlanState.APPLIED,
            plans.c.lane != lane_rank("bulk"),
            ~approved,
        )
        with self._database.read() as read:
            for query in (documents, states):
                for route, flow, begun, done in read.execute(query):
                    # Clocks differ: a source that is ahead changed nothing after it arrived.
                    found[route, flow].append(max(0.0, (done - begun).total_seconds()))
        return dict(found)

    def interventions(self, start: datetime, end: datetime) -> list[Intervention]:
        """What people decided in the window, oldest first."""
        query = (
            sa.select(delivery_events, deliveries.c.route, deliveries.c.flow)
            .join(deliveries, deliveries.c.id == delivery_events.c.delivery_id)
            .where(delivery_events.c.at >= start, delivery_events.c.at < end, delivery_events.c.kind.in_(BY_PEOPLE))
        )
        about_plans = (
            sa.select(
                plans.c.route, plans.c.flow, plans.c.created_at, approvals.c.decision, approvals.c.who, approvals.c.at
            )
            .join(plans, plans.c.id == approvals.c.subject_id)
            .where(approvals.c.subject == "plan", approvals.c.at >= start, approvals.c.at < end)
            # Undoing is one decision: the plan that restores what was is approved with it.
            .where(sa.or_(plans.c.undoes.is_(None), approvals.c.decision != PlanState.APPROVED.value))
        )
        found = []
        with self._database.read() as read:
            events = read.execute(query.where(delivery_events.c.id >= _first_event(read, start))).all()
            stops = _stops(read, {event.delivery_id for event in events})
            for event in events:
                since = max((at for number, at in stops[event.delivery_id] if number < event.id), default=None)
                whose = {"route": event.route, "flow": event.flow, "who": event.actor}
                found.append(Intervention(**whose, kind=event.kind, at=event.at, since=since))
            for route, flow, since, decision, who, at in read.execute(about_plans):
                waited = since if decision != PlanState.UNDONE else None
                found.append(Intervention(route=route, flow=flow, kind=decision, who=who, at=at, since=waited))
        return sorted(found, key=lambda one: one.at)

    def first_shipments(self, start: datetime, end: datetime, flow: str = "shipments") -> list[FirstShipment]:
        """First fulfillments, accepted in the window, of orders; where several came at once, the earliest."""
        earlier = deliveries.alias("earlier")
        before = sa.exists().where(
            earlier.c.target == deliveries.c.target,
            earlier.c.concerns == deliveries.c.concerns,
            # As the index of what deliveries concern says it: without, all of the flow are gone through for each.
            earlier.c.concerns != "",
            earlier.c.route == deliveries.c.route,
            earlier.c.flow == flow,
            earlier.c.id < deliveries.c.id,
        )
        query = (
            sa.select(deliveries.c.route, deliveries.c.facts, deliveries.c.source_time, received.c.created_time)
            .outerjoin(received, received.c.id == deliveries.c.received_id)
            .where(
                deliveries.c.accepted_at >= start,
                deliveries.c.accepted_at < end,
                deliveries.c.flow == flow,
                deliveries.c.sequence == 1,
                deliveries.c.concerns != "",
                ~before,
            )
        )
        with self._database.read() as read:
            return [
                FirstShipment(
                    route=row.route,
                    order=str(codec.from_json(row.facts).get("order", "")),
                    created=row.created_time,
                    shipped=row.source_time,
                )
                for row in read.execute(query)
            ]

    def accepted_ids(self, start: datetime, end: datetime, flow: str) -> dict[str, set[str]]:
        """By route, native ids of a flow's documents of which a version was accepted in the window."""
        query = sa.select(deliveries.c.route, deliveries.c.native_id).where(
            deliveries.c.accepted_at >= start, deliveries.c.accepted_at < end, deliveries.c.flow == flow
        )
        found: defaultdict[str, set[str]] = defaultdict(set)
        with self._database.read() as read:
            for route, native_id in read.execute(query):
                found[route].add(native_id)
        return dict(found)

    def placed(self, route: str, orders: Collection[str], flow: str = "orders") -> dict[str, datetime]:
        """When these orders (ids in their store) were placed, as far as the ledger has them."""
        found: dict[str, datetime] = {}
        with self._database.read() as read:
            for some in chunks(sorted(orders)):
                query = sa.select(deliveries.c.native_id, deliveries.c.facts).where(
                    deliveries.c.native_id.in_(some), deliveries.c.route == route, deliveries.c.flow == flow
                )
                for native_id, facts in read.execute(query):
                    placed_at = codec.from_json(facts).get("placed_at")
                    if placed_at:
                        found[native_id] = datetime.fromisoformat(placed_at)
        return found

    def versions(self, route: str, flow: str, native_ids: Collection[str]) -> dict[str, list[Version]]:
        """All versions of these documents of which the ledger has the content, the first one first; corrected ones as
        corrected."""
        found: defaultdict[str, list[Version]] = defaultdict(list)
        payload = sa.func.coalesce(deliveries.c.corrected, deliveries.c.payload)
        with self._database.read() as read:
            for some in chunks(sorted(native_ids)):
                query = (
                    sa.select(deliveries.c.native_id, deliveries.c.id, deliveries.c.accepted_at, payload)
                    .where(deliveries.c.native_id.in_(some), deliveries.c.route == route, deliveries.c.flow == flow)
                    .where(deliveries.c.payload != FORGOTTEN)
                    .order_by(deliveries.c.id)
                )
                for native_id, number, at, content in read.execute(query):
                    found[native_id].append(Version(id=number, accepted_at=at, payload=content))
        return dict(found)


def _first_event(read: sa.Connection, start: datetime) -> int:
    """An id below which no event is as late as `start`: ids grow with time, so some twenty look-ups by id find it."""
    low, high = read.execute(sa.select(sa.func.min(delivery_events.c.id), sa.func.max(delivery_events.c.id))).one()
    if low is None:
        return 0
    while low < high:
        middle = (low + high) // 2
        row = read.execute(
            sa.select(delivery_events.c.id, delivery_events.c.at)
            .where(delivery_events.c.id >= middle)
            .order_by(delivery_events.c.id)
            .limit(1)
        ).one()
        low, high = (row.id + 1, high) if row.at < start else (low, middle)
    return int(low) - _SLACK


def _stops(read: sa.Connection, ids: Iterable[int]) -> defaultdict[int, list[tuple[int, datetime]]]:
    """When each delivery was held, died or came in held: (id of the event, time)."""
    found: defaultdict[int, list[tuple[int, datetime]]] = defaultdict(list)
    for some in chunks(sorted(ids)):
        query = sa.select(delivery_events).where(
            delivery_events.c.delivery_id.in_(some), delivery_events.c.kind.in_(_STOPPED)
        )
        for event in read.execute(query):
            found[event.delivery_id].append((event.id, event.at))
    return found
