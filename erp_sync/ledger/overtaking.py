"""What a new comparison means for what older ones still want, and for what moved while it was made.

A comparison says of every compared key what the target should hold, also where that is what it is known to hold and
nothing is to be written. Older rows of such a key are not applied, also those that a run plans only now which has read
before it and stood still since; one that has left already makes the key unsure once it is done, since its older value
stands at the target then.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from itertools import chain
from typing import Any

import msgspec
import sqlalchemy as sa

from erp_sync.ledger import known_state
from erp_sync.ledger.plan_values import NewPlan
from erp_sync.ledger.row_queries import close_plans
from erp_sync.ledger.rows import OPEN, ClaimedRow, RowState
from erp_sync.ledger.schema import known_state as known
from erp_sync.ledger.schema import plan_rows
from erp_sync.ledger.sql import chunks

#: Keys from which on they are not looked up one by one.
_MANY = 5000
_WAITING = (RowState.DUE, RowState.HELD, RowState.CLAIMED)
_RAISE = (
    sa.update(known)
    .where(
        known.c.connection == sa.bindparam("of_connection"),
        known.c.entity == sa.bindparam("of_entity"),
        known.c.scope == sa.bindparam("of_scope"),
        known.c.key == sa.bindparam("of_key"),
        known.c.source_order < sa.bindparam("of_order"),
    )
    .values(source_order=sa.bindparam("of_order"))
)

_ORDERS = sa.select(known.c.scope, known.c.key, known.c.source_order).where(known_state.OF_KEYS)
_LOCKED_ORDERS = _ORDERS.order_by(known.c.scope, known.c.key).with_for_update()
_CHANGED = sa.select(known.c.scope, known.c.key, known.c.value, known.c.sure, known.c.source_order).where(
    known.c.connection == sa.bindparam("of_connection"),
    known.c.entity == sa.bindparam("of_entity"),
    sa.or_(
        known.c.sure == sa.false(),
        known.c.observed_at > sa.bindparam("of_seen_at", type_=known.c.observed_at.type),
    ),
)
_CHANGED_OF_KEYS = _CHANGED.where(known_state.OF_KEYS)


def still_true(write: sa.Connection, plan: NewPlan) -> tuple[NewPlan, list[str]]:
    """Without the rows whose key changed at the target since the comparison looked: a shipment lowered it, or
    another run wrote it. They are to be doubted, see `learn`, so that both sides are read again, and so are keys that
    seemed to need nothing and got an older value meanwhile."""
    planned = {row.key for row in plan.rows}
    if plan.seen_at is None or not (planned or plan.orders):
        return plan, []
    changed: dict[tuple[str, str], str | None] = {}
    doubted: list[str] = []
    given = {"of_connection": plan.target, "of_entity": plan.entity, "of_seen_at": plan.seen_at}
    keys = sorted(planned.union(plan.orders))
    # Of many rows it is cheaper to look at all that is known of the target.
    looks: list[Any] = (
        [write.execute(_CHANGED, given)]
        if len(keys) > _MANY
        else [
            write.execute(_CHANGED_OF_KEYS, {**given, **mine})
            for mine in known_state.of_keys(write, plan.target, plan.entity, keys)
        ]
    )
    for row in chain.from_iterable(looks):
        changed[row.scope, row.key] = row.value if row.sure else None
        if row.sure and row.key not in planned and row.source_order < plan.orders.get(row.key, row.source_order):
            doubted.append(row.key)
    stand = []
    for one in plan.rows:
        if (one.scope, one.key) not in changed:
            stand.append(one)
        elif one.after is None or changed[one.scope, one.key] != one.after:
            doubted.append(one.key)
    return (msgspec.structs.replace(plan, rows=stand) if len(stand) < len(plan.rows) else plan), doubted


def overtake(write: sa.Connection, now: datetime, route: str, flow: str, plan: NewPlan) -> int:
    """Rows of older plans for the compared keys that have not been sent are not applied any more; gives how many."""
    mine = sa.and_(
        plan_rows.c.route == route,
        plan_rows.c.flow == flow,
        plan_rows.c.target == plan.target,
        plan_rows.c.entity == plan.entity,
    )
    waiting = sa.and_(mine, plan_rows.c.state.in_(_WAITING), plan_rows.c.handle == "")
    if plan.order is not None:
        waiting &= plan_rows.c.source_order <= plan.order
    groups: Iterable[Sequence[str] | None] = [None]
    if plan.compared is not None:
        groups = list(chunks(sorted({*plan.compared, *(row.key for row in plan.rows)})))
    count = 0
    for keys in groups:
        some = sa.true() if keys is None else plan_rows.c.key.in_(keys)
        count += _end(write, now, sa.and_(waiting, some))
        if plan.orders:
            count += _overtake_each(write, now, sa.and_(mine, some), plan)
    return count


def _overtake_each(write: sa.Connection, now: datetime, mine: sa.ColumnElement[bool], plan: NewPlan) -> int:
    """What is still open, by the place of each key: not every key was read when the oldest was."""
    columns = (plan_rows.c.id, plan_rows.c.scope, plan_rows.c.key, plan_rows.c.state, plan_rows.c.handle)
    found = write.execute(sa.select(*columns, plan_rows.c.source_order).where(mine, plan_rows.c.state.in_(OPEN))).all()
    older = [row for row in found if row.source_order < plan.orders.get(row.key, row.source_order)]
    ids = [row.id for row in older if row.state in _WAITING and not row.handle]
    count = sum(_end(write, now, plan_rows.c.id.in_(some)) for some in chunks(ids))
    return count


def learn(write: sa.Connection, now: datetime, plan: NewPlan, doubted: Collection[str]) -> None:
    """What is known of the keys that need nothing counts from this comparison on: whatever is older and comes later is
    not written over it. The `doubted` are unsure.

    Both at once and after the rows of plans, as everybody does who locks these: documents that move some of the keys
    would lock this out, and be locked out by it.
    """
    planned = {row.key for row in plan.rows}
    standing = {key: order for key, order in plan.orders.items() if key not in planned}
    older = [
        {
            "of_connection": plan.target,
            "of_entity": plan.entity,
            "of_scope": row.scope,
            "of_key": row.key,
            "of_order": standing[row.key],
        }
        for mine in known_state.of_keys(write, plan.target, plan.entity, {*standing, *doubted})
        for row in write.execute(_LOCKED_ORDERS, mine)
        if row.source_order < standing.get(row.key, row.source_order)
    ]
    if older:
        write.execute(_RAISE, older)
    if doubted:
        known_state.mark_unknown(write, now, plan.target, plan.entity, list(doubted), "changed while it was compared")


def orders_to_undo(write: sa.Connection, target: str, entity: str, applied: Sequence[Any]) -> dict[int, int]:
    """By id of a row that was applied, where the row that undoes it stands in the order of values.

    Comparisons since may have found its value to stand (`learn`), and what undoes it is not older than they
    are. Where another row has written the key since, its own place: then it is left alone.
    """
    orders = {row.id: row.source_order for row in applied}
    last: dict[tuple[str, str], Any] = {(row.scope, row.key): row for row in applied}
    keys = sorted({row.key for row in applied})
    for some in chunks(keys):
        later = sa.select(plan_rows.c.scope, plan_rows.c.key, sa.func.max(plan_rows.c.id)).where(
            plan_rows.c.target == target,
            plan_rows.c.entity == entity,
            plan_rows.c.key.in_(some),
            plan_rows.c.state == RowState.APPLIED,
        )
        for scope, key, newest in write.execute(later.group_by(plan_rows.c.scope, plan_rows.c.key)).all():
            if (row := last.get((scope, key))) is not None and newest > row.id:
                del last[scope, key]
    for mine in known_state.of_keys(write, target, entity, [key for _, key in last]):
        for scope, key, order in write.execute(_ORDERS, mine):
            if (row := last.get((scope, key))) is not None:
                orders[row.id] = max(orders[row.id], order)
    return orders


def _end(write: sa.Connection, now: datetime, condition: sa.ColumnElement[bool]) -> int:
    touched = set(write.execute(sa.select(plan_rows.c.plan_id).where(condition).distinct()).scalars())
    if not touched:
        return 0
    count = write.execute(
        sa.update(plan_rows)
        .where(condition)
        .values(state=RowState.OVERTAKEN.value, due_at=None, token="", owner="", changed_at=now)
    ).rowcount
    close_plans(write, now, touched)
    return count


def doubt_older(
    write: sa.Connection, now: datetime, target: str, entity: str, rows: Sequence[ClaimedRow]
) -> None:  # fmt: skip
    """Rows that were written though their keys are known in a newer version: the target holds the older value."""
    orders: Mapping[tuple[str, str], int] = {(row.scope, row.key): row.source_order for row in rows}
    newer: dict[str, list[str]] = {}
    for mine in known_state.of_keys(write, target, entity, [row.key for row in rows]):
        for row in write.execute(_ORDERS, mine):
            if row.source_order > orders.get((row.scope, row.key), row.source_order):
                newer.setdefault(row.scope, []).append(row.key)
    for scope, keys in newer.items():
        known_state.mark_unknown(
            write, now, target, entity, keys, "an older value was written meanwhile", scope=scope
        )  # fmt: skip
