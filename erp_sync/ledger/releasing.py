"""Deliveries that may go because something else arrived or is finished."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from erp_sync.ledger import events
from erp_sync.ledger.documents import FINISHED, State
from erp_sync.ledger.schema import deliveries, key_locks, moving_keys, plan_rows, requirements
from erp_sync.ledger.sql import chunks


def before_is_open(write: sa.Connection, delivery_id: int) -> bool:
    before = deliveries.alias("before")
    query = (
        sa.select(before.c.id)
        .join(deliveries, deliveries.c.follows == before.c.id)
        .where(deliveries.c.id == delivery_id, before.c.state.not_in(FINISHED))
        .with_for_update(of=before)
    )
    return write.execute(query).first() is not None


_FOLLOWERS = sa.select(deliveries.c.id).where(
    deliveries.c.follows.in_(sa.bindparam("of_ids", expanding=True)), deliveries.c.state == State.WAITING
)


def release_followers(write: sa.Connection, now: datetime, ids: Sequence[int]) -> None:
    """Deliveries that came after these become due."""
    followers = list(write.execute(_FOLLOWERS, {"of_ids": list(ids)}).scalars())
    if not followers:
        return
    write.execute(
        sa.update(deliveries)
        .where(deliveries.c.id.in_(followers))
        .values(state=State.DUE.value, due_at=now, reason="", code="", changed_at=now)
    )
    events.append_all(write, now, followers, "released", because="the delivery before is finished")


def release_waiting(
    write: sa.Connection, now: datetime, connection: str, entity: str, keys: Sequence[str], run_id: str
) -> list[int]:
    affected: set[int] = set()
    for some in chunks(sorted(set(keys))):
        matching = sa.and_(
            requirements.c.target == connection, requirements.c.entity == entity, requirements.c.key.in_(some)
        )
        affected.update(write.execute(sa.select(requirements.c.delivery_id).where(matching)).scalars())
        write.execute(sa.delete(requirements).where(matching))
    released: list[int] = []
    for ids in chunks(sorted(affected)):
        still = sa.exists().where(requirements.c.delivery_id == deliveries.c.id)
        ready = list(
            write.execute(
                sa.select(deliveries.c.id)
                .where(
                    deliveries.c.id.in_(ids),
                    deliveries.c.state == State.WAITING,
                    deliveries.c.code == "requirement_missing",
                    ~still,
                )
                .order_by(deliveries.c.id)
                .with_for_update()
            ).scalars()
        )
        if ready:
            write.execute(
                sa.update(deliveries)
                .where(deliveries.c.id.in_(ready))
                .values(state=State.DUE.value, due_at=now, code="", reason="", changed_at=now)
            )
            events.append_all(write, now, ready, "released", run_id=run_id, entity=entity)
        released.extend(ready)
    return released


def free_keys(write: sa.Connection, ids: Sequence[int]) -> None:
    """Locks of deliveries that will not be sent again; an unknown outcome keeps its key until it has settled.

    What a person has decided on moves nothing any more: keys that were held are read again.
    """
    write.execute(sa.delete(moving_keys).where(moving_keys.c.delivery_id.in_(ids)))
    write.execute(
        sa.delete(key_locks).where(key_locks.c.delivery_id.in_(ids), key_locks.c.state.in_(["accepted", "sending"]))
    )


#: What did not leave since its target could not be called, by the code it is put off with.
POSTPONED = ("not_sent", "look_up_failed")


def release_postponed(write: sa.Connection, now: datetime, target: str) -> int:
    """The target can be called again: what certainly did not reach it is due at once. What may have reached it
    keeps its settle time. Gives how many documents and rows of plans."""
    count = 0
    for table in (deliveries, plan_rows):
        count += write.execute(
            sa.update(table)
            .where(
                table.c.target == target,
                table.c.state == State.DUE.value,
                table.c.due_at > now,
                table.c.code.in_(POSTPONED),
            )
            .values(due_at=now)
        ).rowcount
    return count
