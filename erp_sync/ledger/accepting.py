"""Documents into deliveries: new, a newer version of one that waits, or a follow-up of one under way."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from erp_sync.ledger import codec, events
from erp_sync.ledger.documents import CANCEL, FINISHED, Accepted, Change, Delivery, NewDelivery, State, delivery_of
from erp_sync.ledger.lanes import lane_rank
from erp_sync.ledger.schema import deliveries, requirements, steps
from erp_sync.ledger.sql import chunks
from erp_sync.ledger.taking_back import hasten
from erp_sync.model.keys import EntityKey
from erp_sync.ports.outcomes import APPROVAL_REJECTED, CREATED_UNRECOGNISED, MAY_BE_THERE, NOT_TAKEN_BACK

#: What waits for requirements is looked at again after this long even if nobody announces them: they may
#: have been entered by hand, or have arrived between the look and the wait.
LOOK_AGAIN = timedelta(minutes=10)


def look_again_at(now: datetime, deadline: datetime | None) -> datetime:
    return now + LOOK_AGAIN if deadline is None else min(deadline, now + LOOK_AGAIN)


_LATEST = (
    sa.select(deliveries)
    .where(
        deliveries.c.route == sa.bindparam("of_route"),
        deliveries.c.flow == sa.bindparam("of_flow"),
        deliveries.c.target == sa.bindparam("of_target"),
        # With the scope the unique key finds each; without it all of a connection's documents would be gone through.
        deliveries.c.connection == sa.bindparam("of_connection"),
        deliveries.c.scope == sa.bindparam("of_scope"),
        deliveries.c.entity == sa.bindparam("of_entity"),
        deliveries.c.native_id.in_(sa.bindparam("of_native_ids", expanding=True)),
    )
    .order_by(deliveries.c.id)  # of one document, and of rows to lock: everybody's order
)
_LATEST_LOCKED = _LATEST.with_for_update()
_ACCEPTED = sa.select(deliveries).where(deliveries.c.id == sa.bindparam("of_delivery"))
_INSERT = sa.insert(deliveries).returning(deliveries.c.id)
_BEGUN = (
    sa.select(steps.c.delivery_id)
    .where(
        steps.c.delivery_id.in_(sa.bindparam("of_deliveries", expanding=True)),
        sa.or_(
            steps.c.state.in_(["sending", "unknown", "accepted", "confirmed"]),
            sa.and_(steps.c.state == "refused", steps.c.code.in_([CREATED_UNRECOGNISED, NOT_TAKEN_BACK])),
        ),
    )
    .distinct()
)


def latest(
    read: sa.Connection, route: str, flow: str, target: str, keys: Iterable[EntityKey], *, lock: bool = False
) -> dict[EntityKey, Delivery]:
    """The last delivery of each document for this target, whatever its state; keys without one are left out.

    With `lock` nobody claims, begins or decides on them until the transaction ends: what is decided about them by
    their state must still be so when it is written.
    """
    grouped: dict[tuple[str, str, str], list[str]] = {}
    wanted = set(keys)
    for key in wanted:
        grouped.setdefault((key.connection, key.scope, key.entity), []).append(key.native_id)
    found: dict[EntityKey, Delivery] = {}
    for (connection, scope, entity), native_ids in sorted(grouped.items()):
        for some in chunks(sorted(native_ids)):
            given = {"of_route": route, "of_flow": flow, "of_target": target, "of_native_ids": some}
            given |= {"of_connection": connection, "of_scope": scope, "of_entity": entity}
            for row in read.execute(_LATEST_LOCKED if lock else _LATEST, given):
                delivery = delivery_of(row)
                found[delivery.key] = delivery
    return found


def accept(
    write: sa.Connection, now: datetime, route: str, flow: str, run_id: str, documents: Sequence[NewDelivery]
) -> list[Accepted]:
    """One `Accepted` per document, in order. Idempotent: a version that is there already changes nothing.

    The caller excludes other transactions of the same (route, flow).
    """
    by_target: dict[str, list[EntityKey]] = {}
    for document in documents:
        by_target.setdefault(document.target, []).append(document.key)
    current: dict[tuple[str, EntityKey], Delivery] = {}
    for target, keys in by_target.items():
        for key, delivery in latest(write, route, flow, target, keys, lock=True).items():
            current[target, key] = delivery
    started = begun(write, [delivery.id for delivery in current.values()])
    results = []
    for document in documents:
        before = current.get((document.target, document.key))
        if before is None:
            accepted = _insert(write, now, route, flow, run_id, document, None)
        else:
            accepted = _after(write, now, route, flow, run_id, document, before, before.id in started)
        results.append(accepted)
        if accepted.change in (Change.NEW, Change.REPLACED, Change.FOLLOW_UP):
            row = write.execute(_ACCEPTED, {"of_delivery": accepted.id}).one()
            current[document.target, document.key] = delivery_of(row)
    return results


def _after(
    write: sa.Connection,
    now: datetime,
    route: str,
    flow: str,
    run_id: str,
    document: NewDelivery,
    before: Delivery,
    begun: bool,
) -> Accepted:
    replaceable = not begun and before.state in (State.WAITING, State.DUE, State.DEAD, State.HELD)
    rejected = before.state is State.DEAD and before.code == APPROVAL_REJECTED
    if rejected and document.operation == CANCEL:
        replaceable = False  # what was rejected is at the target still, and is taken back there
    if before.version == document.version and not (replaceable and _mapped_anew(before, document)):
        return Accepted(before.id, Change.SAME)
    if (
        document.source_time is not None
        and before.source_time is not None
        and (document.source_time < before.source_time)
    ):
        events.append(write, now, before.id, "stale_version", run_id=run_id, version=document.version)
        return Accepted(before.id, Change.STALE)
    if not replaceable and not document.follow_up:
        events.append(write, now, before.id, "change_without_effect", run_id=run_id, version=document.version)
        return Accepted(before.id, Change.NOTHING)
    if not replaceable:
        return _insert(write, now, route, flow, run_id, document, before)
    follows = before.follows if _unfinished(write, before.follows) else None
    if follows is not None and document.operation == CANCEL:
        hasten(write, now, follows)
    values = _values(now, run_id, document, follows)
    if before.sequence == 1:
        # The document was never delivered: whatever changed since, it is still to be created.
        values["operation"] = before.operation
    write.execute(
        sa.update(deliveries)
        .where(deliveries.c.id == before.id)
        .values(**values, corrected=None, fencing=deliveries.c.fencing + 1)
    )
    if not rejected:
        write.execute(sa.delete(steps).where(steps.c.delivery_id == before.id))
    write.execute(sa.delete(requirements).where(requirements.c.delivery_id == before.id))
    _require(write, before.id, document)
    events.append(
        write,
        now,
        before.id,
        "replaced",
        run_id=run_id,
        version=document.version,
        previous=before.version,
        was=before.state,
        was_code=before.code or None,
        correction_dropped=before.corrected,
        **_mapping(document),
    )
    return Accepted(before.id, Change.REPLACED)


def _mapped_anew(before: Delivery, document: NewDelivery) -> bool:
    """The same version, transformed again after a mapping or the record was corrected, says something else."""
    return not before.corrected and before.payload != document.payload and before.received_id == document.received_id


def _insert(
    write: sa.Connection,
    now: datetime,
    route: str,
    flow: str,
    run_id: str,
    document: NewDelivery,
    before: Delivery | None,
) -> Accepted:
    follows = before.id if before is not None and before.state not in FINISHED else None
    if follows is not None and document.operation == CANCEL:
        hasten(write, now, follows)
    values = _values(now, run_id, document, follows)
    if before is not None and before.allowed:
        values["allowed"] = codec.to_text(before.allowed)
    values.update(
        route=route,
        flow=flow,
        connection=document.key.connection,
        scope=document.key.scope,
        entity=document.key.entity,
        native_id=document.key.native_id,
        sequence=(2 if document.corrects else 1) if before is None else before.sequence + 1,
        target=document.target,
        queued_at=_queued_at(now, document, follow_up=before is not None),
        accepted_at=now,
    )
    result = write.execute(_INSERT, values)
    delivery_id = int(result.scalar_one())
    _require(write, delivery_id, document)
    events.append(
        write,
        now,
        delivery_id,
        "accepted",
        run_id=run_id,
        version=document.version,
        state=values["state"],
        operation=document.operation,
        after_delivery=before.id if before is not None else None,
        **_mapping(document),
    )
    return Accepted(delivery_id, Change.NEW if before is None else Change.FOLLOW_UP)


def _queued_at(now: datetime, document: NewDelivery, *, follow_up: bool) -> datetime:
    """Its place in the queue. Of a source whose clock is ahead nothing goes behind what comes later."""
    arose = document.source_time if follow_up else document.arose_at
    return now if arose is None else min(arose, now)


def _mapping(document: NewDelivery) -> dict[str, str]:
    return {"mapping": document.mapping} if document.mapping else {}


def _values(now: datetime, run_id: str, document: NewDelivery, follows: int | None) -> dict[str, Any]:
    state, code, reason = State.DUE, "", ""
    due_at: datetime | None = document.due_at or now
    if document.held is not None:
        state, due_at = State.HELD, None
        code, reason = document.held
    elif follows is not None:
        state, due_at, reason = State.WAITING, None, f"comes after delivery {follows}"
    elif document.requirements:
        state = State.WAITING
        due_at = look_again_at(now, document.deadline)
        code = "requirement_missing"
        reason = "waits for " + ", ".join(f"{one.entity} {one.key}" for one in document.requirements)
    return {
        "number": document.number,
        "version": document.version,
        "source_time": document.source_time,
        "operation": document.operation,
        "lane": lane_rank(document.lane),
        "concerns": document.concerns,
        "state": state.value,
        "payload": document.payload,
        "facts": codec.to_text({**document.facts, **_mapping(document)}),
        "code": code,
        "reason": reason,
        "differences": codec.to_text(document.differences) if document.differences else "",
        "due_at": due_at,
        "deadline": document.deadline,
        "owner": "",
        "follows": follows,
        "received_id": document.received_id,
        "run_id": run_id,
        "changed_at": now,
    }


def _require(write: sa.Connection, delivery_id: int, document: NewDelivery) -> None:
    rows = [
        {"delivery_id": delivery_id, "target": document.target, "entity": one.entity, "key": one.key}
        for one in sorted(set(document.requirements))
    ]
    if rows:
        write.execute(sa.insert(requirements), rows)


def begun(write: sa.Connection, ids: Sequence[int]) -> set[int]:
    """Deliveries of which a step has left at some time (refused and not arrived ones included: what was
    confirmed or is unknown must not be forgotten; a step only planned does not count)."""
    found: set[int] = set()
    for some in chunks(sorted(ids)):
        found.update(write.execute(_BEGUN, {"of_deliveries": list(some)}).scalars())
    return found


def _document_begun(write: sa.Connection, some: Iterable[Delivery]) -> set[int]:
    """Deliveries of which the document itself has left, or may have: the step that is named like its entity.

    A step before it (the order's customer) may be at the target: it is not of this document alone and stays.
    """
    entities = {delivery.id: delivery.key.entity for delivery in some}
    own: set[int] = set()
    for ids in chunks(sorted(entities)):
        for row in write.execute(sa.select(steps.c.delivery_id, steps.c.name).where(steps.c.delivery_id.in_(ids))):
            if row.name == entities[row.delivery_id]:
                own.add(row.delivery_id)
    left = begun(write, list(entities))
    for ids in chunks(sorted(left & own)):
        waiting = sa.select(steps.c.delivery_id, steps.c.name).where(
            steps.c.delivery_id.in_(ids),
            steps.c.state.in_(["planned", "refused"]),
            steps.c.code.not_in(MAY_BE_THERE),
        )
        left -= {row.delivery_id for row in write.execute(waiting) if row.name == entities[row.delivery_id]}
    return left


def _unfinished(write: sa.Connection, delivery_id: int | None) -> bool:
    if delivery_id is None:
        return False
    state = write.execute(sa.select(deliveries.c.state).where(deliveries.c.id == delivery_id)).scalar()
    return state is not None and state not in FINISHED


def withdraw(
    write: sa.Connection,
    now: datetime,
    route: str,
    flow: str,
    run_id: str,
    target: str,
    keys: Iterable[EntityKey],
    code: str,
    reason: str,
) -> dict[EntityKey, bool]:
    """See `Handling.withdraw`."""
    current = latest(write, route, flow, target, keys, lock=True)
    started = _document_begun(write, current.values())
    answers = {}
    for key, delivery in current.items():
        waits = delivery.state in (State.WAITING, State.DUE, State.DEAD, State.HELD) and delivery.id not in started
        if waits:
            write.execute(
                sa.update(deliveries)
                .where(deliveries.c.id == delivery.id)
                .values(
                    state=State.SUPERSEDED.value,
                    code=code,
                    reason=reason,
                    due_at=None,
                    fencing=deliveries.c.fencing + 1,
                    changed_at=now,
                    finished_at=now,
                )
            )
            write.execute(sa.delete(requirements).where(requirements.c.delivery_id == delivery.id))
            events.append(write, now, delivery.id, "withdrawn", run_id=run_id, code=code, reason=reason)
        gone = delivery.state in (State.DISMISSED, State.SUPERSEDED)
        answers[key] = (waits or gone) and delivery.sequence == 1
    return answers
