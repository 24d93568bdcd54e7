"""What becomes of rows whose owner died; with which keys owners died, and how often in a row.

A plan's row that kills the process that writes it comes back with every lease, and so do all that were in hand beside
it. From the second death on they are claimed apart, with nothing else in hand, in ever smaller batches: those that are
not to blame go, and are forgotten here. The one that a process has died with alone, again and again, is refused and
in quarantine.

Counted by key: a row that was being sent ends as unknown, and the next comparison plans its key anew.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from erp_sync.ledger import quarantine
from erp_sync.ledger.leases import ALONE_FROM, MOST_DEATHS, OWNER_DIED
from erp_sync.ledger.plan_values import PlanState
from erp_sync.ledger.row_queries import close_plans, doubt_rows, given_back
from erp_sync.ledger.rows import RowClaim, RowState
from erp_sync.ledger.schema import plan_rows, plans, row_deaths
from erp_sync.ledger.sql import chunks, insert_columns

RESCUED_AT_ONCE = 5000

#: With every further death a batch of suspects is so many times smaller: one of 500 is down to single rows with the
#: fourth, and the 500 cost some 60 calls.
SMALLER = 8
#: A death that long ago is not counted with those of today.
FORGOTTEN_AFTER = timedelta(days=7)
#: A key that was refused for its deaths may have another value by now: this is tried, and not more often than so.
TRIED_AGAIN = timedelta(hours=1)

_OF_ROW = sa.and_(
    row_deaths.c.target == plan_rows.c.target,
    row_deaths.c.entity == plan_rows.c.entity,
    row_deaths.c.scope == plan_rows.c.scope,
    row_deaths.c.key == plan_rows.c.key,
)


_ANY_OF = (
    sa.select(sa.literal(1)).select_from(row_deaths).where(row_deaths.c.target == sa.bindparam("of_target")).limit(1)
)


def any_of(read: sa.Connection, target: str) -> bool:
    """Whether a process died with any key of the target. Mostly none has."""
    return read.execute(_ANY_OF, {"of_target": target}).first() is not None


def _lately(now: datetime) -> sa.ColumnElement[bool]:
    return row_deaths.c.last_at > now - FORGOTTEN_AFTER


def suspect(now: datetime) -> sa.ColumnElement[bool]:
    """The condition that processes died with the key of a plan's row, one after the other."""
    return sa.exists().where(_OF_ROW, row_deaths.c.deaths >= ALONE_FROM, _lately(now))


def most_deaths_first(claimable: Any, now: datetime) -> Any:
    """The suspects among claimable rows, with the number of deaths as ``deaths``."""
    found = claimable.add_columns(row_deaths.c.deaths).join(row_deaths, _OF_ROW)
    found = found.where(row_deaths.c.deaths >= ALONE_FROM, _lately(now))
    return found.order_by(None).order_by(row_deaths.c.deaths.desc(), plan_rows.c.lane, plan_rows.c.id)


def batch_size(limit: int, deaths: int) -> int:
    """How many suspects go together, where processes died with the first of them so often."""
    return max(1, limit // SMALLER ** (deaths - 1))


def met(write: sa.Connection, rows: Sequence[Any], together: int | None) -> frozenset[int]:
    """Ids of the claimed rows with whose keys a process died.

    Args:
        together: how many of them are in hand and nothing else, where they are suspects.
    """
    found: set[int] = set()
    for some in chunks(rows):
        ids = [row.id for row in some]
        found.update(
            write.execute(
                sa.select(plan_rows.c.id).where(plan_rows.c.id.in_(ids), sa.exists().where(_OF_ROW))
            ).scalars()
        )
    if together is not None:
        for condition in _of([row for row in rows if row.id in found]):
            write.execute(sa.update(row_deaths).where(condition).values(together=together))
    return frozenset(found)


def ended(write: sa.Connection, claim: RowClaim, ids: Collection[int]) -> None:
    """Their owner lives: what it wrote, or was told about, killed nobody."""
    rows = [row for row in claim.rows if row.id in claim.died_with and row.id in ids]
    forget(write, claim.target, claim.entity, [(row.scope, row.key) for row in rows])


def forget(write: sa.Connection, target: str, entity: str, keys: Collection[tuple[str, str]]) -> None:
    """Nothing is held against these (scope, key) any more."""
    for some in chunks(sorted(keys)):
        write.execute(
            sa.delete(row_deaths).where(
                row_deaths.c.target == target,
                row_deaths.c.entity == entity,
                sa.tuple_(row_deaths.c.scope, row_deaths.c.key).in_(some),
            )
        )


# By the few plans that are open, which have an index of their rows' states: by flow and target every claim would go
# through all rows that wait, 150,000 of a first load, while nobody else may write.
_OPEN_PLANS = sa.select(plans.c.id).where(
    plans.c.flow == sa.bindparam("of_flow"),
    plans.c.target == sa.bindparam("of_target"),
    plans.c.state.in_([PlanState.JUDGED, PlanState.APPROVED]),
)
_LOST = (
    sa.select(plan_rows)
    .where(
        plan_rows.c.plan_id.in_(_OPEN_PLANS),
        plan_rows.c.state.in_([RowState.CLAIMED, RowState.SENDING]),
        plan_rows.c.due_at <= sa.bindparam("of_now", type_=plan_rows.c.due_at.type),
    )
    .order_by(plan_rows.c.id)
    .limit(RESCUED_AT_ONCE)
    .with_for_update(skip_locked=True)
)


def rescue_rows(write: sa.Connection, now: datetime, flow: str, target: str, *, ended_by: datetime) -> None:
    """Rows whose lease had ended by then, see `leases.rescue`: what was not sent is due again; what was being sent is
    unknown.

    What the target took, and said with which handle to ask, is asked for. A row with which process after process died
    alone is refused (see the module); where it may have left, its key is doubted like the others.
    """
    rows = write.execute(_LOST, {"of_flow": flow, "of_target": target, "of_now": ended_by}).all()
    condemned = count(write, now, rows)
    refuse(write, now, [row for row in rows if row.id in condemned], condemned)
    idle = [row.id for row in rows if row.id not in condemned and (row.state == RowState.CLAIMED or row.handle)]
    for some in chunks(idle):
        write.execute(
            sa.update(plan_rows)
            .where(plan_rows.c.id.in_(some))
            .values(state=given_back(), due_at=now, owner="", token="", changed_at=now)
        )
    sent = [row for row in rows if row.state == RowState.SENDING and not row.handle]
    why = "its owner did not come back"
    for some in chunks([row.id for row in sent if row.id not in condemned]):
        write.execute(
            sa.update(plan_rows)
            .where(plan_rows.c.id.in_(some))
            .values(state=RowState.UNKNOWN.value, due_at=None, owner="", token="", message=why, changed_at=now)
        )
    groups: dict[tuple[str, datetime], list[Any]] = {}
    asked = [row for row in rows if row.handle and row.id in condemned]
    for row in (*sent, *asked):
        # Until the lease ended the request may have left.
        settle_until = max(row.sent_at or row.due_at, row.due_at) + timedelta(seconds=row.settle_seconds)
        groups.setdefault((row.entity, settle_until), []).append(row)
    for (entity, settle_until), some_rows in groups.items():
        doubt_rows(write, now, target, entity, some_rows, why, settle_until)
    close_plans(write, now, {row.plan_id for row in rows if row.id in condemned} | {row.plan_id for row in sent})


def count(write: sa.Connection, now: datetime, rows: Sequence[Any]) -> dict[int, str]:
    """One more death with each of these rows; gives why, by id, for those that are not to be tried again."""
    if not rows:
        return {}
    by_key = {(row.target, row.entity, row.scope, row.key): row for row in rows}
    columns = dict(zip(("target", "entity", "scope", "key"), map(list, zip(*sorted(by_key), strict=True)), strict=True))
    insert_columns(
        write,
        row_deaths,
        {"deaths": 1, "last_at": now},
        columns,
        {
            "index_elements": ["target", "entity", "scope", "key"],
            "set_": {"deaths": sa.case((_lately(now), row_deaths.c.deaths + 1), else_=1), "last_at": now},
        },
    )
    condemned: dict[int, str] = {}
    for condition in _of(list(by_key.values())):
        alone = sa.and_(condition, row_deaths.c.deaths >= MOST_DEATHS, row_deaths.c.together == 1)
        for death in write.execute(sa.update(row_deaths).where(alone).values(refused_at=now).returning(row_deaths)):
            row = by_key[death.target, death.entity, death.scope, death.key]
            condemned[row.id] = (
                f"{death.deaths} processes in a row ended while they had it in hand, the last one {row.owner}, "
                "with nothing else"
            )
        write.execute(sa.update(row_deaths).where(condition).values(together=0))
    return condemned


def refuse(write: sa.Connection, now: datetime, rows: Sequence[Any], why: dict[int, str]) -> None:
    """These are not tried again by themselves: refused, and in quarantine under their keys."""
    for row in rows:
        write.execute(
            sa.update(plan_rows)
            .where(plan_rows.c.id == row.id)
            .values(
                state=RowState.REFUSED.value,
                due_at=None,
                owner="",
                token="",
                code=OWNER_DIED,
                message=why[row.id],
                changed_at=now,
            )
        )
        refusal = quarantine.Refusal(
            connection=row.target,
            entity=row.entity,
            native_id=row.key,
            scope=row.scope,
            rule=OWNER_DIED,
            problem=why[row.id],
            row=(row.after or "null").encode(),
        )
        quarantine.add(write, now, row.route, row.flow, row.owner.split(":")[0], [refusal])


def put_off(write: sa.Connection, now: datetime, target: str) -> None:
    """New values of keys that were refused for their deaths are not due before they may be tried."""
    query = sa.select(row_deaths).where(row_deaths.c.target == target, row_deaths.c.refused_at > now - TRIED_AGAIN)
    for death in write.execute(query).all():
        write.execute(
            sa.update(plan_rows)
            .where(
                plan_rows.c.target == target,
                plan_rows.c.entity == death.entity,
                plan_rows.c.scope == death.scope,
                plan_rows.c.key == death.key,
                plan_rows.c.state == RowState.DUE,
                plan_rows.c.due_at <= now,
            )
            .values(due_at=death.refused_at + TRIED_AGAIN, code=OWNER_DIED, message="processes died with its key")
        )


def _of(rows: Sequence[Any]) -> list[sa.ColumnElement[bool]]:
    """Conditions for the deaths of these rows' keys, of which each names not too many."""
    groups: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for row in rows:
        groups.setdefault((row.target, row.entity), []).append((row.scope, row.key))
    return [
        sa.and_(
            row_deaths.c.target == target,
            row_deaths.c.entity == entity,
            sa.tuple_(row_deaths.c.scope, row_deaths.c.key).in_(some),
        )
        for (target, entity), keys in groups.items()
        for some in chunks(keys, 200)
    ]
