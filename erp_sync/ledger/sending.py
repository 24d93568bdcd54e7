"""Beginning a step: the lock on its target key, and everything that speaks against sending."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import sqlalchemy as sa

from erp_sync.ledger import codec, events, moving
from erp_sync.ledger.documents import Claim, State, StepRow, StepState, receipt_of, step_of
from erp_sync.ledger.errors import AlreadyConfirmed, KeyBusy, NotInLedger, WrongState
from erp_sync.ledger.leases import lock_claim
from erp_sync.ledger.schema import deliveries, delivery_events, key_locks, receipts, steps
from erp_sync.ledger.sql import insert_into
from erp_sync.ports.outcomes import Receipt

#: Why a step that was never sent is not sent now, and is `unknown`: two orders of one new customer share a step.
LOOK_FIRST = "perhaps there by another delivery's send that had no answer, and looked for first"
#: Of one step of one delivery.
OF_STEP = sa.and_(steps.c.delivery_id == sa.bindparam("of_delivery"), steps.c.name == sa.bindparam("of_step"))
CHANGE_STEP = sa.update(steps).where(OF_STEP)
_STEP = sa.select(steps).where(OF_STEP)
_STEPS = (
    sa.select(steps).where(steps.c.delivery_id == sa.bindparam("of_delivery")).order_by(steps.c.position, steps.c.name)
)
_OF_LOCK = sa.and_(key_locks.c.target == sa.bindparam("of_target"), key_locks.c.concerns == sa.bindparam("of_concerns"))
_LOCK_OF = sa.select(key_locks).where(_OF_LOCK)
_FREE = sa.delete(key_locks).where(_OF_LOCK)
_ONE_ATTEMPT_MORE = (
    sa.update(deliveries)
    .where(deliveries.c.id == sa.bindparam("of_delivery"))
    .values(attempts=deliveries.c.attempts + 1)
)
_RECEIPT = (
    sa.select(receipts.c.receipt)
    .where(receipts.c.target == sa.bindparam("of_target"), receipts.c.key == sa.bindparam("of_key"))
    .order_by(receipts.c.confirmed_at.desc())
    .limit(1)
)
_RECEIPT_OF_OPERATION = _RECEIPT.where(receipts.c.operation == sa.bindparam("of_operation"))


_TAKE_OVER = sa.update(key_locks).where(_OF_LOCK)
_NOT_FOUND = sa.select(delivery_events.c.at, delivery_events.c.details).where(
    delivery_events.c.delivery_id == sa.bindparam("of_delivery"),
    delivery_events.c.kind == "not_found",
    delivery_events.c.step == sa.bindparam("of_step"),
)
# The state is written out: an index holds these steps only.
_UNKNOWN_ELSEWHERE = (
    sa.select(steps.c.delivery_id, steps.c.settle_until)
    .join(deliveries, deliveries.c.id == steps.c.delivery_id)
    .where(
        steps.c.state == sa.literal_column("'unknown'"),
        steps.c.key == sa.bindparam("of_key"),
        steps.c.operation == sa.bindparam("of_operation"),
        steps.c.delivery_id != sa.bindparam("of_delivery"),
        steps.c.attempts > 0,
        deliveries.c.target == sa.bindparam("of_target"),
    )
)


@cache
def _take_lock(dialect: str) -> Any:
    """The lock on a key: a free one, or one's own."""
    statement = insert_into(dialect, key_locks)
    new = statement.excluded
    return statement.on_conflict_do_update(
        index_elements=["target", "concerns"],
        set_={key: new[key] for key in ("delivery_id", "step", "state", "until")},
        where=sa.and_(key_locks.c.delivery_id == new.delivery_id, key_locks.c.step == new.step),
    ).returning(key_locks.c.step)


def begin_step(
    write: sa.Connection,
    now: datetime,
    claim: Claim,
    name: str,
    settle_seconds: float,
    once: bool,
    moves: moving.Moves = (),
    again: bool = False,
    proceeding: bool = False,
) -> int:
    lock_claim(write, claim, alive_at=now)
    target = claim.delivery.target
    row = step_named(write, claim, name)
    if row.state is StepState.CONFIRMED:
        assert row.receipt is not None
        raise AlreadyConfirmed(target, row.key, row.receipt)
    if row.state is StepState.ACCEPTED and not proceeding:
        raise WrongState(f"step {name} of {claim}", row.state, "the target has it in work: ask `settle`")
    if row.state is StepState.SENDING:
        raise WrongState(f"step {name} of {claim}", row.state, "record its outcome first")
    if row.settle_until is not None and row.settle_until > now:
        raise KeyBusy(target, row.key, claim.id, row.settle_until, "in its settle time")
    if moves and not (once and receipt_for(write, target, row.key, row.operation)):
        free_at = moving.busy_until(write, now, claim.id, name, moves)
        if free_at is not None:
            raise KeyBusy(target, row.key, claim.id, free_at, "waiting for writes of the state that it moves")
    mine = {"of_target": target, "of_concerns": row.concerns}
    of_step = {"of_delivery": claim.id, "of_step": name}
    lock = {
        "target": target,
        "concerns": row.concerns,
        "delivery_id": claim.id,
        "step": name,
        "state": "sending",
        "until": None,
    }
    free = write.execute(_take_lock(write.dialect.name), lock).first() is not None
    if not free:
        holder = write.execute(_LOCK_OF, mine).one()
        if holder.until is None:
            until = _ask_again_at(write, holder.delivery_id, now)
            raise KeyBusy(target, row.concerns, holder.delivery_id, until, "in flight")
        if holder.until > now:
            raise KeyBusy(target, row.concerns, holder.delivery_id, holder.until, "in its settle time")
    other = None if again else _may_be_there(write, claim.id, row, target)
    if other is not None:
        if free:
            write.execute(_FREE, mine)
        write.execute(CHANGE_STEP, {**of_step, "state": StepState.UNKNOWN.value, "settle_until": other.settle_until,
                                    "message": LOOK_FIRST, "changed_at": now})  # fmt: skip
        raise KeyBusy(target, row.key, other.delivery_id, max(now, other.settle_until or now), LOOK_FIRST)
    if not free:
        write.execute(_TAKE_OVER, {**mine, "delivery_id": claim.id, "step": name, "state": "sending", "until": None})
    if once:
        known = receipt_for(write, target, row.key, row.operation)
        if known is not None:
            write.execute(_FREE, mine)
            raise AlreadyConfirmed(target, row.key, known)
    attempt = row.attempts + 1
    write.execute(
        CHANGE_STEP,
        {
            **of_step,
            "state": StepState.SENDING.value,
            "attempts": attempt,
            "sent_at": now,
            "settle_seconds": settle_seconds,
            "settle_until": None,
            "code": "",
            "message": "",
            "changed_at": now,
        },
    )
    settled = now + timedelta(seconds=settle_seconds)
    moving.hold(write, now, claim.id, name, moves, settled + moving.UNKNOWN_FOR, f"{row.operation} {row.key}")
    write.execute(_ONE_ATTEMPT_MORE, {"of_delivery": claim.id})
    events.append(write, now, claim.id, "sending", step=name, actor=claim.owner, run_id=claim.run_id, attempt=attempt)
    return attempt


def _may_be_there(write: sa.Connection, delivery_id: int, row: StepRow, target: str) -> Any:
    """Another delivery's send of the same that had no answer, where nobody has found since that the target does not
    have it: neither that delivery nor, of this key, this one. None where there is none."""
    given = {"of_delivery": delivery_id, "of_key": row.key, "of_operation": row.operation, "of_target": target}
    others = write.execute(_UNKNOWN_ELSEWHERE, given).all()
    if not others:
        return None
    latest = max(others, key=lambda one: one.settle_until or _LONG_AGO)
    events_of_step = write.execute(_NOT_FOUND, {"of_delivery": delivery_id, "of_step": row.name}).all()
    looked = [at for at, details in events_of_step if codec.from_json(details.encode()).get("key", row.key) == row.key]
    return None if looked and max(looked) >= (latest.settle_until or _LONG_AGO) else latest


_LONG_AGO = datetime.min.replace(tzinfo=UTC)


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
    return [step_of(row) for row in read.execute(_STEPS, {"of_delivery": delivery_id})]


def step_named(read: sa.Connection, claim: Claim, name: str) -> StepRow:
    row = read.execute(_STEP, {"of_delivery": claim.id, "of_step": name}).first()
    if row is None:
        raise NotInLedger(f"step {name} of {claim}: `steps.plan` comes first")
    return step_of(row)


def receipt_for(read: sa.Connection, target: str, key: str, operation: str | None) -> Receipt | None:
    given = {"of_target": target, "of_key": key}
    if operation is None:
        text = read.execute(_RECEIPT, given).scalar()
    else:
        text = read.execute(_RECEIPT_OF_OPERATION, {**given, "of_operation": operation}).scalar()
    return receipt_of(text) if text else None
