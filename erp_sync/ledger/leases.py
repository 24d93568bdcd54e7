"""Claims on deliveries: who may work on what, and what becomes of the work of owners that died.

A claim is a lease with a fencing number that grows with every claim. Each write of an owner names its
number in the statement that writes; when the lease ran out and somebody else took over, nothing is
written and `LeaseLost` is raised.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from erp_sync.ledger import events, moving
from erp_sync.ledger.documents import Claim, Delivery, State, delivery_of, lane_ranks
from erp_sync.ledger.errors import LeaseLost
from erp_sync.ledger.schema import attempts, deliveries, delivery_events, key_locks, steps

RESCUED_AT_ONCE = 200

#: Code of a delivery with which process after process died, one after the other. It is claimed alone, so that nothing
#: else is in hand when the next one dies, and is a dead letter of this code in the end.
OWNER_DIED = "owner_died"
#: From so many deaths in a row on it is claimed alone; a restart of everything is nobody's fault.
ALONE_FROM = 2
MOST_DEATHS = 5


def _lost(*names: str) -> sa.Select[Any]:
    """Claimed, and their lease has ended; `names`: by which of flow and target they are asked for."""
    columns = (deliveries.c.id, deliveries.c.owner, deliveries.c.due_at, deliveries.c.code, deliveries.c.reason)
    query = sa.select(*columns).where(
        deliveries.c.state == State.CLAIMED,
        deliveries.c.due_at <= sa.bindparam("of_now", type_=deliveries.c.due_at.type),
    )
    if "of_flow" in names:
        query = query.where(deliveries.c.flow == sa.bindparam("of_flow"))
    if "of_target" in names:
        # Not by an index of the queue: few are claimed, and every claim would go through all that is due to find them.
        query = query.where(deliveries.c.target.concat("") == sa.bindparam("of_target"))
    return query.order_by(deliveries.c.id).limit(RESCUED_AT_ONCE).with_for_update(skip_locked=True)


_LOST: dict[tuple[str, ...], sa.Select[Any]] = {
    names: _lost(*names) for names in ((), ("of_flow",), ("of_target",), ("of_flow", "of_target"))
}


def rescue(
    write: sa.Connection,
    now: datetime,
    flow: str | None,
    target: str | None,
    most_deaths: int = MOST_DEATHS,
    *,
    ended_by: datetime | None = None,
) -> list[int]:
    """Give back deliveries whose lease ended. Their steps in `sending` become `unknown`.

    Settle time counts from the end of the lease, until which the request may have left; until it is over the
    delivery is not due again. This is no failed attempt: a restart is nobody's fault. Gives the ids.

    Args:
        most_deaths: a delivery that so many owners in a row did not come back from, the last of them with nothing
            else in hand, is a dead letter.
        ended_by: only leases that had ended by then (default: now). Before the database was waited for: an owner whose
            lease ended since may wait for the same database, with an answer that nobody else knows.
    """
    place = {"of_flow": flow, "of_target": target}
    given = {name: value for name, value in place.items() if value is not None}
    lost = write.execute(_LOST[tuple(given)], {**given, "of_now": ended_by or now}).all()
    for row in lost:
        names, due_at = doubt(write, now, row.id, row.owner, row.due_at, f"{row.owner} did not come back")
        deaths, alone = deaths_in_a_row(write, row.id) + 1, row.code == OWNER_DIED
        values: dict[str, Any] = {"state": State.DUE.value, "due_at": due_at}
        if deaths >= ALONE_FROM:
            values |= {
                "code": OWNER_DIED,
                "reason": f"{deaths} processes in a row ended while they had it in hand, the last one {row.owner}",
            }
        if deaths >= max(most_deaths, ALONE_FROM) and alone:
            values |= {"state": State.DEAD.value, "due_at": None, "reason": f"{values['reason']}, with nothing else"}
        write.execute(
            sa.update(deliveries)
            .where(deliveries.c.id == row.id)
            .values(**values, owner="", fencing=deliveries.c.fencing + 1, changed_at=now)
        )
        events.append(write, now, row.id, "rescued", actor=row.owner, unknown_steps=names, due_at=due_at)
        if values["state"] == State.DEAD:
            events.append(write, now, row.id, "dead", actor=row.owner, code=OWNER_DIED, reason=values["reason"])
    return [int(row.id) for row in lost]


def deaths_in_a_row(write: sa.Connection, delivery_id: int) -> int:
    """How often the delivery was rescued since anything else became of it."""
    kinds = ("claimed", "planned", "sending", "unknown", "rescued")
    other = sa.select(sa.func.coalesce(sa.func.max(delivery_events.c.id), 0)).where(
        delivery_events.c.delivery_id == delivery_id, delivery_events.c.kind.not_in(kinds)
    )
    query = sa.select(sa.func.count()).where(
        delivery_events.c.delivery_id == delivery_id,
        delivery_events.c.kind == "rescued",
        delivery_events.c.id > other.scalar_subquery(),
    )
    return int(write.execute(query).scalar_one())


def doubt(
    write: sa.Connection, now: datetime, delivery_id: int, owner: str, left_until: datetime, why: str
) -> tuple[list[str], datetime]:
    """Steps of the delivery in `sending` become `unknown`: their owner will record no outcome.

    Args:
        left_until: until when the request may have left; the settle time counts from then.
    Returns:
        Their names, and when all of them have settled (`now` where there are none).
    """
    settled = now
    sending = write.execute(
        sa.select(steps).where(steps.c.delivery_id == delivery_id, steps.c.state == "sending")
    ).all()
    for step in sending:
        settle_until = max(step.sent_at, left_until) + timedelta(seconds=step.settle_seconds)
        settled = max(settled, settle_until)
        write.execute(
            sa.update(steps)
            .where(steps.c.delivery_id == delivery_id, steps.c.name == step.name)
            .values(state="unknown", settle_until=settle_until, message=why, changed_at=now)
        )
        write.execute(
            sa.update(key_locks)
            .where(key_locks.c.delivery_id == delivery_id, key_locks.c.step == step.name)
            .values(state="unknown", until=settle_until)
        )
        moving.unknown(write, delivery_id, step.name, settle_until)
        write.execute(
            sa.insert(attempts),
            {
                "delivery_id": delivery_id,
                "step": step.name,
                "attempt": step.attempts,
                "owner": owner,
                "sent_at": step.sent_at,
                "ended_at": now,
                "outcome": "lost",
                "message": why,
            },
        )
    return [step.name for step in sending], settled


#: Written out: an index holds the rows with any other. Where a statement compares with a parameter what an index
#: compares with a constant, SQLite plans it anew each time, which takes several times as long as the claim.
_NOBODY = sa.literal_column("''", sa.Text)


def _claimable() -> sa.Select[Any]:
    """Deliveries of a lane that may be claimed now, the oldest first, whose key nobody else has in work.

    Of one lane: an index has them in this order. Over several lanes all that is due would be sorted for every claim.
    """
    other = deliveries.alias("other")
    now = sa.bindparam("of_now", type_=deliveries.c.due_at.type)
    key_in_flight = sa.exists().where(
        key_locks.c.target == deliveries.c.target,
        key_locks.c.concerns == deliveries.c.concerns,
        key_locks.c.delivery_id != deliveries.c.id,
        sa.or_(key_locks.c.until.is_(None), key_locks.c.until > now),
    )
    claimed_elsewhere = sa.exists().where(
        other.c.target == deliveries.c.target,
        other.c.concerns == deliveries.c.concerns,
        other.c.concerns != _NOBODY,
        other.c.id != deliveries.c.id,
        other.c.state == State.CLAIMED,
    )
    return (
        sa.select(deliveries)
        .where(
            deliveries.c.flow == sa.bindparam("of_flow"),
            deliveries.c.target == sa.bindparam("of_target"),
            deliveries.c.lane == sa.bindparam("of_lane"),
            deliveries.c.due_at <= now,
            deliveries.c.state.in_([State.DUE, State.WAITING]),
            sa.or_(deliveries.c.concerns == "", ~key_in_flight & ~claimed_elsewhere),
        )
        .order_by(deliveries.c.queued_at, deliveries.c.id)
        .limit(sa.bindparam("of_limit", type_=sa.Integer))
        .with_for_update(skip_locked=True, of=deliveries)
    )


_OF_ROUTE = deliveries.c.route == sa.bindparam("of_route")
_SUSPECTS = {True: deliveries.c.code == OWNER_DIED, False: deliveries.c.code != OWNER_DIED, None: sa.true()}
#: By whether a route is given, and by `suspects`.
_CLAIMABLE = {
    (of_route, suspects): _claimable().where(*([_OF_ROUTE] if of_route else []), condition)
    for of_route in (True, False)
    for suspects, condition in _SUSPECTS.items()
}
_OF_IDS: sa.BindParameter[list[int]] = sa.bindparam("of_ids", expanding=True)
_TAKE = (
    sa.update(deliveries)
    .where(deliveries.c.id.in_(_OF_IDS))
    .values(state=State.CLAIMED.value, fencing=deliveries.c.fencing + 1)
)


def claim_due(
    write: sa.Connection,
    now: datetime,
    route: str | None,
    flow: str,
    target: str,
    lanes: Sequence[str],
    limit: int,
    owner: str,
    lease_seconds: float,
    run_id: str,
    mapping: str = "",
    suspects: bool | None = None,
) -> list[Claim]:
    given: dict[str, Any] = {
        "of_now": now,
        "of_flow": flow,
        "of_target": target,
    }
    if route is not None:
        given["of_route"] = route
    query = _CLAIMABLE[route is not None, suspects]
    found: list[Delivery] = []
    for lane in sorted(lane_ranks(lanes)):
        if len(found) < limit:
            rows = write.execute(query, {**given, "of_lane": lane, "of_limit": limit - len(found)})
            found.extend(map(delivery_of, rows.all()))
    lease_until = now + timedelta(seconds=lease_seconds)
    taken: set[str] = set()
    claims = []
    for delivery in found:
        if delivery.concerns:
            if delivery.concerns in taken:
                continue
            taken.add(delivery.concerns)
        claims.append(
            Claim(
                delivery=delivery,
                owner=owner,
                fencing=delivery.fencing + 1,
                lease_until=lease_until,
                run_id=run_id,
            )
        )
    if claims:
        ids = [claim.id for claim in claims]
        write.execute(_TAKE, {"of_ids": ids, "owner": owner, "due_at": lease_until, "changed_at": now})
        told = {"mapping": mapping} if mapping else {}
        events.append_all(write, now, ids, "claimed", actor=owner, run_id=run_id, **told)
    return claims


#: The condition under which a claim's owner may write to its delivery; `holder` gives its parameters.
HELD = sa.and_(
    deliveries.c.id == sa.bindparam("of_delivery"),
    deliveries.c.state == State.CLAIMED,
    deliveries.c.owner == sa.bindparam("of_owner"),
    deliveries.c.fencing == sa.bindparam("of_fencing"),
)
_LOCK = sa.select(deliveries.c.id).where(HELD).with_for_update()
_LOCK_ALIVE = (
    sa.select(deliveries.c.id)
    .where(HELD, deliveries.c.due_at > sa.bindparam("of_alive_at", type_=deliveries.c.due_at.type))
    .with_for_update()
)


def holder(claim: Claim) -> dict[str, Any]:
    """Parameters of `HELD`."""
    return {"of_delivery": claim.id, "of_owner": claim.owner, "of_fencing": claim.fencing}


def lock_claim(write: sa.Connection, claim: Claim, alive_at: datetime | None = None) -> None:
    """Hold the delivery's row until the transaction ends.

    Args:
        alive_at: also refuse a lease that ended before this time.
    Raises:
        LeaseLost: the claim's owner does not hold it any more.
    """
    mine = holder(claim)
    found = (
        write.execute(_LOCK, mine)
        if alive_at is None
        else write.execute(_LOCK_ALIVE, {**mine, "of_alive_at": alive_at})
    )
    if found.first() is None:
        raise LeaseLost(str(claim), claim.owner, claim.fencing)


_LOCK_ALL = (
    sa.select(deliveries.c.id, deliveries.c.owner, deliveries.c.fencing)
    .where(deliveries.c.id.in_(_OF_IDS), deliveries.c.state == State.CLAIMED)
    .order_by(deliveries.c.id)  # everybody's order
    .with_for_update()
)


def lock_claims(write: sa.Connection, claims: Sequence[Claim]) -> set[int]:
    """Hold the rows of many deliveries until the transaction ends; ids of those that their owners still hold."""
    rows = write.execute(_LOCK_ALL, {"of_ids": [claim.id for claim in claims]})
    found = {row.id: (row.owner, row.fencing) for row in rows}
    return {claim.id for claim in claims if found.get(claim.id) == (claim.owner, claim.fencing)}
