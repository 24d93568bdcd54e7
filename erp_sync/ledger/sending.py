"""Beginning a step: the lock on its target key, and everything that speaks against sending."""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa

from erp_sync.ledger import events, moving
from erp_sync.ledger.documents import Claim, State, StepRow, StepState, receipt_of, step_of
from erp_sync.ledger.errors import AlreadyConfirmed, KeyBusy, NotInLedger, WrongState
from erp_sync.ledger.leases import lock_claim
from erp_sync.ledger.schema import deliveries, key_locks, receipts, steps
from erp_sync.ledger.sql import upsert
from erp_sync.ports.outcomes import Receipt


def begin_step(
    write: sa.Connection,
    now: datetime,
    claim: Claim,
    name: str,
    settle_seconds: float,
    once: bool,
    moves: moving.Moves = (),
) -> int:
    lock_claim(write, claim, alive_at=now)
    target = claim.delivery.target
    row = step_named(write, claim, name)
    if row.state is StepState.CONFIRMED:
        assert row.receipt is not None
        raise AlreadyConfirmed(target, row.key, row.receipt)
    if row.state is StepState.ACCEPTED:
        raise WrongState(f"step {name} of {claim}", row.state, "the target has it in work: ask `settle`")
    if row.state is StepState.SENDING:
        raise WrongState(f"step {name} of {claim}", row.state, "record its outcome first")
    if row.settle_until is not None and row.settle_until > now:
        raise KeyBusy(target, row.key, claim.id, row.settle_until, "in its settle time")
    if moves and not (once and receipt_for(write, target, row.key, row.operation)):
        free_at = moving.busy_until(write, now, claim.id, name, moves)
        if free_at is not None:
            raise KeyBusy(target, row.key, claim.id, free_at, "waiting for writes of the state that it moves")
    lock = {
        "target": target,
        "concerns": row.concerns,
        "delivery_id": claim.id,
        "step": name,
        "state": "sending",
        "until": None,
    }
    statement = upsert(write, key_locks)
    taken = write.execute(
        statement.on_conflict_do_update(
            index_elements=["target", "concerns"],
            set_={key: lock[key] for key in ("delivery_id", "step", "state", "until")},
            where=sa.or_(
                sa.and_(key_locks.c.delivery_id == claim.id, key_locks.c.step == name), key_locks.c.until <= now
            ),
        ).returning(key_locks.c.step),
        lock,
    ).first()
    if taken is None:
        holder = write.execute(
            sa.select(key_locks).where(key_locks.c.target == target, key_locks.c.concerns == row.concerns)
        ).one()
        if holder.until is not None:
            raise KeyBusy(target, row.concerns, holder.delivery_id, holder.until, "in its settle time")
        until = _ask_again_at(write, holder.delivery_id, now)
        raise KeyBusy(target, row.concerns, holder.delivery_id, until, "in flight")
    if once:
        known = receipt_for(write, target, row.key, row.operation)
        if known is not None:
            write.execute(
                sa.delete(key_locks).where(key_locks.c.target == target, key_locks.c.concerns == row.concerns)
            )
            raise AlreadyConfirmed(target, row.key, known)
    attempt = row.attempts + 1
    write.execute(
        sa.update(steps)
        .where(steps.c.delivery_id == claim.id, steps.c.name == name)
        .values(
            state=StepState.SENDING.value,
            attempts=attempt,
            sent_at=now,
            settle_seconds=settle_seconds,
            settle_until=None,
            code="",
            message="",
            changed_at=now,
        )
    )
    settled = now + timedelta(seconds=settle_seconds)
    moving.hold(write, now, claim.id, name, moves, settled + moving.UNKNOWN_FOR, f"{row.operation} {row.key}")
    write.execute(sa.update(deliveries).where(deliveries.c.id == claim.id).values(attempts=deliveries.c.attempts + 1))
    events.append(write, now, claim.id, "sending", step=name, actor=claim.owner, run_id=claim.run_id, attempt=attempt)
    return attempt


def _ask_again_at(write: sa.Connection, delivery_id: int, now: datetime) -> datetime:
    """A time at which asking for a key in flight again makes sense: soon, at the end of its lease at the latest."""
    row = write.execute(
        sa.select(deliveries.c.state, deliveries.c.due_at).where(deliveries.c.id == delivery_id)
    ).first()
    soon = now + timedelta(seconds=1)
    if row is None or row.state != State.CLAIMED or row.due_at is None:
        return soon
    return max(now, min(soon, row.due_at))


def steps_of(read: sa.Connection, delivery_id: int) -> list[StepRow]:
    query = sa.select(steps).where(steps.c.delivery_id == delivery_id).order_by(steps.c.position, steps.c.name)
    return [step_of(row) for row in read.execute(query)]


def step_named(read: sa.Connection, claim: Claim, name: str) -> StepRow:
    row = read.execute(sa.select(steps).where(steps.c.delivery_id == claim.id, steps.c.name == name)).first()
    if row is None:
        raise NotInLedger(f"step {name} of {claim}: `steps.plan` comes first")
    return step_of(row)


def receipt_for(read: sa.Connection, target: str, key: str, operation: str | None) -> Receipt | None:
    query = sa.select(receipts.c.receipt).where(receipts.c.target == target, receipts.c.key == key)
    if operation is not None:
        query = query.where(receipts.c.operation == operation)
    text = read.execute(query.order_by(receipts.c.confirmed_at.desc()).limit(1)).scalar()
    return receipt_of(text) if text else None
