"""Plans of state flows: rows with key, before, after and reason; judged, held or due, applied, undone.

Applying is in `erp_sync.ledger.plan_rows`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import msgspec
import pyarrow as pa
import sqlalchemy as sa

from erp_sync.ledger import codec, overtaking
from erp_sync.ledger.errors import NotInLedger, WrongState
from erp_sync.ledger.lanes import LANES, lane_rank
from erp_sync.ledger.plan_values import (
    AddedPlan,
    Approval,
    NewPlan,
    Plan,
    PlannedValue,
    PlanRow,
    PlanState,
    Verdict,
)
from erp_sync.ledger.row_queries import close_plans
from erp_sync.ledger.row_retries import RowRetries
from erp_sync.ledger.rows import OPEN, RowState
from erp_sync.ledger.schema import approvals, plan_rows, plans
from erp_sync.ledger.sql import chunks, insert_columns

if TYPE_CHECKING:
    from erp_sync.ledger.engine import Database


def add_plan(write: sa.Connection, now: datetime, route: str, flow: str, run_id: str, plan: NewPlan) -> AddedPlan:
    """See `Handling.add_plan`. The caller excludes other transactions of the same (route, flow)."""
    mine = sa.and_(
        plans.c.route == route, plans.c.flow == flow, plans.c.target == plan.target, plans.c.entity == plan.entity
    )
    plan, doubted = overtaking.still_true(write, plan)
    fingerprint = _fingerprint(plan.rows)
    failed = [verdict for verdict in plan.verdicts if not verdict.passed]
    held = bool(failed) or plan.approval
    reason = "; ".join(verdict.words for verdict in failed) or ("waits for approval" if plan.approval else "")
    if plan.rows and held:
        last = write.execute(
            sa.select(plans.c.id, plans.c.state, plans.c.fingerprint)
            .where(mine, plans.c.state.in_([PlanState.HELD, PlanState.REJECTED]))
            .order_by(plans.c.id.desc())
            .limit(1)
        ).first()
        if last is not None and last.fingerprint == fingerprint:
            values: dict[str, Any] = {"changed_at": now}
            if last.state == PlanState.HELD:
                # Why it waits is what this comparison says: a flow that was in shadow may be on by now.
                values |= {"judgement": codec.to_text(plan.verdicts), "reason": reason}
            write.execute(sa.update(plans).where(plans.c.id == last.id).values(**values))
            overtaking.learn(write, now, plan, doubted)
            return AddedPlan(id=last.id, state=PlanState(last.state), known=True)
    overtaken = overtaking.overtake(write, now, route, flow, plan)
    overtaking.learn(write, now, plan, doubted)
    if not plan.rows:
        return AddedPlan(id=None, state=None, overtaken=overtaken)
    state = PlanState.HELD if held else PlanState.JUDGED
    plan_id = _insert(
        write,
        now,
        {
            "route": route,
            "flow": flow,
            "entity": plan.entity,
            "target": plan.target,
            "lane": lane_rank(plan.lane),
            "state": state.value,
            "row_count": len(plan.rows),
            "fingerprint": fingerprint,
            "summary": codec.to_text(plan.summary),
            "judgement": codec.to_text(plan.verdicts),
            "reason": reason,
            "run_id": run_id,
        },
        plan.rows,
        due=not held,
    )
    return AddedPlan(id=plan_id, state=state, overtaken=overtaken)


def _insert(write: sa.Connection, now: datetime, values: dict[str, Any], rows: Sequence[PlanRow], due: bool) -> int:
    values = {**values, "created_at": now, "changed_at": now}
    plan_id = int(write.execute(sa.insert(plans).returning(plans.c.id), values).scalar_one())
    same = {
        "plan_id": plan_id,
        **{name: values[name] for name in ("route", "flow", "target", "entity", "lane")},
        "state": (RowState.DUE if due else RowState.HELD).value,
        "due_at": now if due else None,
        "changed_at": now,
    }
    own = ("scope", "key", "action", "before", "after", "reason", "source_version", "source_order")
    insert_columns(write, plan_rows, same, {name: [getattr(row, name) for row in rows] for name in own})
    return plan_id


def _fingerprint(rows: Sequence[PlanRow]) -> str:
    digest = hashlib.sha256()
    for row in sorted(rows, key=lambda row: (row.scope, row.key)):
        digest.update(codec.to_bytes((row.scope, row.key, row.action, row.before, row.after)))
    return digest.hexdigest()


def _as_planned(rows: Iterable[Any]) -> list[PlanRow]:
    return [PlanRow(**{name: row._mapping[name] for name in PlanRow.__struct_fields__}) for row in rows]


@lru_cache(maxsize=256)  # every run of a flow asks the same
def _found(route: str | None, flow: str | None, states: tuple[PlanState, ...], limit: int) -> sa.Select[Any]:
    query = sa.select(plans).order_by(plans.c.id.desc()).limit(limit)
    if route is not None:
        query = query.where(plans.c.route == route)
    if flow is not None:
        query = query.where(plans.c.flow == flow)
    if states:
        query = query.where(plans.c.state.in_(states))
    return query


class Plans(RowRetries):
    """`ledger.plans`."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)

    def get(self, plan_id: int) -> Plan:
        """Raises NotInLedger."""
        with self._database.read() as read:
            row = read.execute(sa.select(plans).where(plans.c.id == plan_id)).first()
        if row is None:
            raise NotInLedger(f"plan {plan_id}")
        return _plan_of(row)

    def find(
        self,
        *,
        route: str | None = None,
        flow: str | None = None,
        states: Sequence[PlanState] = (),
        limit: int = 50,
    ) -> list[Plan]:
        """Plans, newest first."""
        query = _found(route, flow, tuple(PlanState(state) for state in states), limit)
        with self._database.read() as read:
            return [_plan_of(row) for row in read.execute(query)]

    def went_lately(self, route: str, flow: str, since: datetime) -> list[Plan]:
        """The flow's plans that went, by themselves or since a person let them, and were not through before `since`; in
        their order."""
        # Not by an index of the state: nearly all plans there are were applied.
        through = sa.and_(plans.c.finished_at >= since, plans.c.state.concat("") == PlanState.APPLIED)
        going = plans.c.state.in_([PlanState.JUDGED, PlanState.APPROVED])
        mine = sa.and_(plans.c.route == route, plans.c.flow == flow)
        with self._database.read() as read:
            found = [
                row for condition in (through, going) for row in read.execute(sa.select(plans).where(mine, condition))
            ]
        return [_plan_of(row) for row in sorted(found, key=lambda row: row.id)]

    def changes(self, plan_ids: Sequence[int]) -> list[tuple[str, str | None, str | None]]:
        """Rows of these plans: key, before and after; in the order of the plans."""
        columns = (plan_rows.c.key, plan_rows.c.before, plan_rows.c.after)
        found: list[tuple[str, str | None, str | None]] = []
        with self._database.read() as read:
            for some in chunks(sorted(plan_ids)):
                query = (
                    sa.select(*columns)
                    .where(plan_rows.c.plan_id.in_(some))
                    .order_by(plan_rows.c.plan_id, plan_rows.c.id)
                )
                found += [(row.key, row.before, row.after) for row in read.execute(query)]
        return found

    def counts(self, plan_id: int) -> dict[str, int]:
        """How many rows of the plan by state."""
        query = (
            sa.select(plan_rows.c.state, sa.func.count())
            .where(plan_rows.c.plan_id == plan_id)
            .group_by(plan_rows.c.state)
        )
        with self._database.read() as read:
            return {row[0]: row[1] for row in read.execute(query)}

    def pending(self, route: str, flow: str, target: str) -> dict[str, int]:
        """How many rows of open plans are due (now), later, held, claimed, sending, accepted; only those that are."""
        now = self._database.now()
        name = sa.case(
            (sa.and_(plan_rows.c.state == RowState.DUE, plan_rows.c.due_at > now), "later"), else_=plan_rows.c.state
        ).label("name")
        query = (
            sa.select(name, sa.func.count())
            .join(plans, plans.c.id == plan_rows.c.plan_id)
            .where(
                plans.c.route == route,
                plans.c.flow == flow,
                plans.c.target == target,
                plans.c.state.in_([PlanState.JUDGED, PlanState.HELD, PlanState.APPROVED]),
                plan_rows.c.state.in_(OPEN),
            )
            .group_by(name)
        )
        with self._database.read() as read:
            return {row[0]: row[1] for row in read.execute(query)}

    def newer(self, route: str, flow: str, target: str, entity: str, than: int) -> list[PlannedValue]:
        """What open rows of the flow's plans, held ones too, make of keys from reads that began after `than`, a place
        in the order of values."""
        query = (
            sa.select(plan_rows.c.key, plan_rows.c.source_order, plan_rows.c.after, plan_rows.c.source_version)
            .join(plans, plans.c.id == plan_rows.c.plan_id)
            .where(
                plans.c.route == route,
                plans.c.flow == flow,
                plans.c.target == target,
                plans.c.entity == entity,
                plans.c.state.in_([PlanState.JUDGED, PlanState.HELD, PlanState.APPROVED]),
                plan_rows.c.state.in_(OPEN),
                plan_rows.c.source_order > than,
            )
        )
        with self._database.read() as read:
            return [PlannedValue(*row) for row in read.execute(query)]

    def open_rows(
        self, route: str, flow: str, target: str, entity: str, states: Sequence[PlanState]
    ) -> dict[str, str | None]:
        """What rows of plans in these states still want to make of their keys: key to after."""
        query = (
            sa.select(plan_rows.c.key, plan_rows.c.after)
            .join(plans, plans.c.id == plan_rows.c.plan_id)
            .where(
                plan_rows.c.route == route,
                plan_rows.c.flow == flow,
                plan_rows.c.target == target,
                plan_rows.c.entity == entity,
                plan_rows.c.state.in_(OPEN),
                plans.c.state.in_(states),
            )
            .order_by(plan_rows.c.id)
        )
        with self._database.read() as read:
            return {row.key: row.after for row in read.execute(query)}

    def settled_rows(self, route: str, flow: str, target: str, entity: str, most: int = 20) -> dict[str, str | None]:
        """What the flow's last plans that a person has rejected or undone would make of their keys: key to after."""
        found: dict[str, str | None] = {}
        plans_of = self.find(route=route, flow=flow, states=[PlanState.REJECTED, PlanState.UNDONE], limit=most)
        mine = [one.id for one in plans_of if (one.target, one.entity) == (target, entity)]
        for key, _, after in self.changes(mine):
            found[key] = after
        return found

    def table(self, plan_id: int, states: Sequence[str] = (), limit: int | None = None) -> pa.Table:
        """The plan's rows, as planned, as an Arrow table of text columns and ``source_order`` (int64)."""
        names = (
            "scope",
            "key",
            "action",
            "before",
            "after",
            "reason",
            "source_version",
            "source_order",
            "state",
            "code",
            "message",
        )
        schema = pa.schema([(name, pa.int64() if name == "source_order" else pa.string()) for name in names])
        query = (
            sa.select(*[plan_rows.c[name] for name in names])
            .where(plan_rows.c.plan_id == plan_id)
            .order_by(plan_rows.c.id)
        )
        if states:
            query = query.where(plan_rows.c.state.in_(list(states)))
        if limit is not None:
            query = query.limit(limit)
        with self._database.read() as read:
            rows = read.execute(query).all()
        if not rows:
            return schema.empty_table()
        return pa.table(
            [pa.array(column, field.type) for column, field in zip(zip(*rows, strict=True), schema, strict=True)],
            schema=schema,
        )

    def approve(self, plan_id: int, who: str, why: str = "", keys: Sequence[str] = ()) -> Plan:
        """Let a held plan be applied. Durable.

        Args:
            keys: only these of its rows; they become a plan of their own, and the others wait on. None: all.
        Gives the plan that is approved. Raises NotInLedger, WrongState, ValueError (nobody's name, a key that no
        held row has).
        """
        if keys:
            plan_id = self._split(plan_id, keys)
        return self._decide(plan_id, PlanState.APPROVED, who, why)

    def _split(self, plan_id: int, keys: Sequence[str]) -> int:
        """A held plan of these rows of a held plan; where these are all of them, the plan itself."""
        with self._database.write() as write:
            now = self._database.now()
            plan = write.execute(sa.select(plans).where(plans.c.id == plan_id).with_for_update()).first()
            if plan is None:
                raise NotInLedger(f"plan {plan_id}")
            if plan.state != PlanState.HELD:
                raise WrongState(f"plan {plan_id}", plan.state, "only a held one can be decided on")
            mine = sa.and_(plan_rows.c.plan_id == plan_id, plan_rows.c.state == RowState.HELD)
            held = write.execute(sa.select(plan_rows).where(mine).order_by(plan_rows.c.id)).all()
            absent = sorted(set(keys) - {row.key for row in held})
            if absent:
                raise ValueError(f"plan {plan_id} has no held row {absent[0]}")
            chosen = [row for row in held if row.key in set(keys)]
            left = [row for row in held if row.key not in set(keys)]
            if not left:
                return plan_id
            names = ("route", "flow", "entity", "target", "lane", "state", "summary", "judgement", "reason", "run_id")
            values = {name: plan._mapping[name] for name in names}
            values |= {"row_count": len(chosen), "fingerprint": _fingerprint(_as_planned(chosen))}
            values |= {"created_at": plan.created_at, "changed_at": now}
            part = int(write.execute(sa.insert(plans).returning(plans.c.id), values).scalar_one())
            for some in chunks(sorted(set(keys))):
                write.execute(sa.update(plan_rows).where(mine, plan_rows.c.key.in_(some)).values(plan_id=part))
            write.execute(
                sa.update(plans)
                .where(plans.c.id == plan_id)
                .values(row_count=len(left), fingerprint=_fingerprint(_as_planned(left)), changed_at=now)
            )
            return part

    def reject(self, plan_id: int, who: str, why: str, keys: Sequence[str] = ()) -> Plan:
        """Refuse a held plan, or these of its rows as `approve` does; the same plan is not held again. Raises
        NotInLedger, WrongState, ValueError."""
        if keys:
            plan_id = self._split(plan_id, keys)
        return self._decide(plan_id, PlanState.REJECTED, who, why)

    def approvals(self, plan_id: int) -> list[Approval]:
        """Who decided what about a plan, and why; oldest first."""
        query = (
            sa.select(approvals)
            .where(approvals.c.subject == "plan", approvals.c.subject_id == plan_id)
            .order_by(approvals.c.id)
        )
        with self._database.read() as read:
            return [
                Approval(**{name: value for name, value in row._mapping.items() if name != "id"})
                for row in read.execute(query)
            ]

    def undo(self, plan_id: int, who: str, why: str) -> int:
        """Plan to restore what was before an applied plan, for the rows that were applied. Gives the new plan.

        Rows whose key has been written for a newer version since are left alone when it is applied. The next
        comparison plans the same change again unless the source or the route changes first.

        Raises NotInLedger, WrongState, ValueError.
        """
        if not who or not why:
            raise ValueError("undoing needs a name and a reason")
        with self._database.write(durable=True) as write:
            now = self._database.now()
            plan = write.execute(sa.select(plans).where(plans.c.id == plan_id).with_for_update()).first()
            if plan is None:
                raise NotInLedger(f"plan {plan_id}")
            if plan.state != PlanState.APPLIED:
                raise WrongState(f"plan {plan_id}", plan.state, "only an applied one can be undone")
            applied = write.execute(
                sa.select(plan_rows)
                .where(plan_rows.c.plan_id == plan_id, plan_rows.c.state == RowState.APPLIED)
                .order_by(plan_rows.c.id)
            ).all()
            orders = overtaking.orders_to_undo(write, plan.target, plan.entity, applied)
            rows = [
                PlanRow(
                    key=row.key,
                    scope=row.scope,
                    before=row.after,
                    after=row.before,
                    action=_OPPOSITE.get(row.action, row.action),
                    reason=f"undoes plan {plan_id}",
                    source_version=row.source_version,
                    source_order=orders[row.id],
                )
                for row in applied
            ]
            if not rows:
                raise WrongState(f"plan {plan_id}", plan.state, "none of its rows was applied")
            values = {name: plan._mapping[name] for name in ("route", "flow", "entity", "target", "lane", "run_id")}
            values.update(
                state=PlanState.APPROVED.value,
                row_count=len(rows),
                fingerprint=_fingerprint(rows),
                undoes=plan_id,
                reason=why,
            )
            undoing = _insert(write, now, values, rows, due=True)
            write.execute(
                sa.update(plans)
                .where(plans.c.id == plan_id)
                .values(state=PlanState.UNDONE.value, reason=f"undone by plan {undoing}: {why}", changed_at=now)
            )
            _approved(write, now, plan_id, "undone", who, why)
            _approved(write, now, undoing, "approved", who, why)
            return undoing

    def expire(self, older_than: timedelta) -> list[int]:
        """Held plans about which nobody decided in time become expired; gives their ids."""
        with self._database.write() as write:
            now = self._database.now()
            ids = list(
                write.execute(
                    sa.select(plans.c.id)
                    .where(plans.c.state == PlanState.HELD, plans.c.created_at < now - older_than)
                    .order_by(plans.c.id)
                    .with_for_update()
                ).scalars()
            )
            for some in chunks(ids):
                write.execute(
                    sa.update(plan_rows)
                    .where(plan_rows.c.plan_id.in_(some), plan_rows.c.state == RowState.HELD)
                    .values(state=RowState.EXPIRED.value, changed_at=now)
                )
                write.execute(
                    sa.update(plans)
                    .where(plans.c.id.in_(some))
                    .values(
                        state=PlanState.EXPIRED.value,
                        reason="nobody decided in time",
                        changed_at=now,
                        finished_at=now,
                    )
                )
            return ids

    def _decide(self, plan_id: int, decision: PlanState, who: str, why: str) -> Plan:
        if not who:
            raise ValueError("a decision needs the name of who decides")
        with self._database.write(durable=True) as write:
            now = self._database.now()
            row = write.execute(sa.select(plans).where(plans.c.id == plan_id).with_for_update()).first()
            if row is None:
                raise NotInLedger(f"plan {plan_id}")
            if row.state != PlanState.HELD:
                raise WrongState(f"plan {plan_id}", row.state, "only a held one can be decided on")
            approved = decision is PlanState.APPROVED
            write.execute(
                sa.update(plan_rows)
                .where(plan_rows.c.plan_id == plan_id, plan_rows.c.state == RowState.HELD)
                .values(
                    state=(RowState.DUE if approved else RowState.REJECTED).value,
                    due_at=now if approved else None,
                    changed_at=now,
                )
            )
            write.execute(
                sa.update(plans)
                .where(plans.c.id == plan_id)
                .values(state=decision.value, changed_at=now, finished_at=None if approved else now)
            )
            _approved(write, now, plan_id, decision.value, who, why)
            close_plans(write, now, {plan_id})
        return self.get(plan_id)


_OPPOSITE = {"create": "remove", "remove": "create", "enable": "disable", "disable": "enable"}


def _approved(write: sa.Connection, now: datetime, plan_id: int, decision: str, who: str, why: str) -> None:
    write.execute(
        sa.insert(approvals),
        {"subject": "plan", "subject_id": plan_id, "decision": decision, "who": who, "why": why, "at": now},
    )


def _plan_of(row: sa.Row) -> Plan:
    values = dict(row._mapping)
    values.pop("fingerprint")
    values["lane"] = LANES[values["lane"]]
    values["state"] = PlanState(values["state"])
    values["summary"] = codec.from_json(values["summary"])
    values["verdicts"] = msgspec.json.decode(values.pop("judgement"), type=tuple[Verdict, ...])
    return Plan(**values)


__all__ = [
    "AddedPlan",
    "Approval",
    "NewPlan",
    "Plan",
    "PlanRow",
    "PlanState",
    "Plans",
    "RowState",
    "Verdict",
    "add_plan",
]
