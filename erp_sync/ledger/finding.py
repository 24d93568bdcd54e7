"""Deliveries looked for without loading all of them: page by page, by what names them, or added up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import msgspec
import sqlalchemy as sa

from erp_sync.ledger.documents import Delivery, State, StepState, delivery_of, receipt_of
from erp_sync.ledger.leases import OWNER_DIED
from erp_sync.ledger.schema import deliveries, receipts, steps
from erp_sync.ledger.sql import CHUNK, chunks
from erp_sync.model.keys import EntityKey
from erp_sync.ports.outcomes import Receipt

if TYPE_CHECKING:
    from erp_sync.ledger.engine import Database


class Effect(msgspec.Struct, frozen=True, kw_only=True):
    """What an unfinished delivery has done at its target. `payload` where it has done nothing yet."""

    native_id: str
    done: bool
    payload: bytes | None


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """A record that a step made at its target, and the delivery that it was a step of.

    Attributes:
        ours: the step made it; False where it answered at once that the record was there (a ledger that knows
            nothing of what an earlier one has sent).
    """

    key: str
    receipt: Receipt
    ours: bool
    delivery: Delivery


class Finding:
    """The part of `ledger.deliveries` that looks for many, in bounded memory."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def ids(
        self,
        *,
        route: str | None = None,
        flow: str | None = None,
        states: Sequence[State] = (),
        code: str | None = None,
        limit: int | None = None,
    ) -> list[int]:
        """Ids only, newest first."""
        query = sa.select(deliveries.c.id).where(*filters(route, flow, states, code)).order_by(deliveries.c.id.desc())
        with self._database.read() as read:
            return list(read.execute(query.limit(limit)).scalars())

    def codes(self, ids: Sequence[int]) -> dict[str, int]:
        """How many of these there are of each code."""
        found: Counter[str] = Counter()
        with self._database.read() as read:
            for some in chunks(sorted(ids)):
                query = sa.select(deliveries.c.code, sa.func.count()).where(deliveries.c.id.in_(some))
                found.update(dict(read.execute(query.group_by(deliveries.c.code)).tuples().all()))
        return dict(found)

    def any_suspects(self, route: str, flow: str, target: str) -> bool:
        """Is there one to claim, or to rescue, with which owners died in a row? One query on an index."""
        given = {"of_route": route, "of_flow": flow, "of_target": target, "of_now": self._database.now()}
        with self._database.read() as read:
            return read.execute(_ANY_SUSPECTS, given).first() is not None

    def pages(
        self,
        *,
        route: str | None = None,
        flow: str | None = None,
        states: Sequence[State] = (),
        code: str | None = None,
        size: int = CHUNK,
    ) -> Iterator[list[Delivery]]:
        """All of them, newest first, so many at a time."""
        query = sa.select(deliveries).where(*filters(route, flow, states, code)).order_by(deliveries.c.id.desc())
        below: int | None = None
        while True:
            with self._database.read() as read:
                wanted = query if below is None else query.where(deliveries.c.id < below)
                page = [delivery_of(row) for row in read.execute(wanted.limit(size))]
            if page:
                yield page
                below = page[-1].id
            if len(page) < size:
                return

    def of(self, keys: Iterable[EntityKey], states: Sequence[State] = ()) -> list[Delivery]:
        """Deliveries of these documents that are in one of the states, to whatever target."""
        wanted = set(keys)
        found: list[Delivery] = []
        with self._database.read() as read:
            for some in chunks(sorted({key.native_id for key in wanted})):
                query = sa.select(deliveries).where(
                    deliveries.c.native_id.in_(some), *filters(None, None, states, None)
                )
                rows = map(delivery_of, read.execute(query.order_by(deliveries.c.id)))
                found.extend(one for one in rows if one.key in wanted)
        return found

    def accepted(self, route: str, flow: str, target: str, keys: Iterable[EntityKey]) -> set[EntityKey]:
        """Those of these documents that have a delivery to the target, in whatever state; none is loaded."""
        places: dict[tuple[str, str, str], set[str]] = {}
        for key in keys:
            places.setdefault((key.connection, key.scope, key.entity), set()).add(key.native_id)
        found: set[EntityKey] = set()
        with self._database.read() as read:
            for place, native_ids in sorted(places.items()):
                of = dict(zip(("of_connection", "of_scope", "of_entity"), place, strict=True))
                for some in chunks(sorted(native_ids)):
                    given = {"of_route": route, "of_flow": flow, "of_target": target, **of, "of_native_ids": list(some)}
                    found.update(EntityKey(*place, one) for one in read.execute(_ACCEPTED_IDS, given).scalars())
        return found

    def made(self, route: str, flow: str, target: str, operation: str, size: int = CHUNK) -> Iterator[list[Made]]:
        """Records that this operation made at the target and whose deliveries are kept, by key, so many at a time."""
        query = (
            sa.select(receipts.c.key, receipts.c.receipt, steps.c.attempts.label("step_attempts"), deliveries)
            .join(deliveries, deliveries.c.id == receipts.c.delivery_id)
            .outerjoin(
                steps,
                sa.and_(
                    steps.c.delivery_id == deliveries.c.id,
                    steps.c.key == receipts.c.key,
                    steps.c.operation == receipts.c.operation,
                ),
            )
            .where(
                receipts.c.target == target,
                receipts.c.operation == operation,
                deliveries.c.route == route,
                deliveries.c.flow == flow,
            )
            .order_by(receipts.c.key)
        )
        last = ""
        while True:
            with self._database.read() as read:
                rows = read.execute(query.where(receipts.c.key > last).limit(size)).all()
            if rows:
                yield [_made(row) for row in rows]
                last = rows[-1][0]
            if len(rows) < size:
                return

    def effects(
        self,
        route: str,
        flow: str,
        *,
        target: str,
        states: Sequence[State],
        operations: Iterable[str],
        step_states: Sequence[StepState],
        dead_of: Sequence[str] = (),
    ) -> Iterator[Effect]:
        """What the deliveries in these states have done at the target, in one statement, read bit by bit.

        Done is what follows an earlier delivery of its document, has a step of one of the operations in one of the
        step states, or died of one of the codes `dead_of`.
        """
        query = _effects(
            route, flow, target, tuple(states), tuple(sorted(operations)), tuple(step_states), tuple(dead_of)
        )
        with self._database.read() as read:
            for row in read.execution_options(yield_per=CHUNK).execute(query):
                yield Effect(
                    native_id=row.native_id,
                    done=bool(row.done),
                    payload=row.payload if row.payload is None else bytes(row.payload),
                )


_ACCEPTED_IDS = (
    sa.select(deliveries.c.native_id)
    .where(
        deliveries.c.route == sa.bindparam("of_route"),
        deliveries.c.flow == sa.bindparam("of_flow"),
        deliveries.c.target == sa.bindparam("of_target"),
        deliveries.c.connection == sa.bindparam("of_connection"),
        deliveries.c.scope == sa.bindparam("of_scope"),
        deliveries.c.entity == sa.bindparam("of_entity"),
        deliveries.c.native_id.in_(sa.bindparam("of_native_ids", expanding=True)),
    )
    .distinct()
)

_ANY_SUSPECTS = (
    sa.select(sa.literal(1))
    .where(
        deliveries.c.state.in_([State.DUE, State.CLAIMED]),
        deliveries.c.flow == sa.bindparam("of_flow"),
        deliveries.c.code == OWNER_DIED,
        # Not by the unique key, which would go through all that the route ever delivered, nor through all that is due.
        deliveries.c.route.concat("") == sa.bindparam("of_route"),
        deliveries.c.target.concat("") == sa.bindparam("of_target"),
        deliveries.c.due_at <= sa.bindparam("of_now", type_=deliveries.c.due_at.type),
    )
    .limit(1)
)


@lru_cache(maxsize=64)  # of a route and flow all but the times of asking is the same
def _effects(
    route: str,
    flow: str,
    target: str,
    states: tuple[State, ...],
    operations: tuple[str, ...],
    step_states: tuple[StepState, ...],
    dead_of: tuple[str, ...],
) -> sa.Select[Any]:
    begun = sa.exists().where(
        steps.c.delivery_id == deliveries.c.id,
        steps.c.operation.in_(operations),
        steps.c.state.in_([state.value for state in step_states]),
    )
    died = sa.and_(deliveries.c.state == State.DEAD, deliveries.c.code.in_(dead_of))
    done = sa.or_(deliveries.c.sequence > 1, begun, died)
    payload = sa.case((done, None), else_=sa.func.coalesce(deliveries.c.corrected, deliveries.c.payload))
    return (
        sa.select(deliveries.c.native_id, done.label("done"), payload.label("payload"))
        # Not by the unique key, which would go through all that the route ever delivered.
        .where(deliveries.c.route.concat("") == route, deliveries.c.target == target)
        .where(*filters(None, flow, states, None))
        .order_by(deliveries.c.id)
    )


def _made(row: sa.Row) -> Made:
    receipt = receipt_of(row.receipt)
    return Made(
        key=row.key,
        receipt=receipt,
        ours=not receipt.existed or (row.step_attempts or 0) > 1,
        delivery=delivery_of(row, leave_out=("key", "receipt", "step_attempts")),
    )


def filters(
    route: str | None, flow: str | None, states: Sequence[State], code: str | None
) -> list[sa.ColumnElement[bool]]:
    """Conditions on deliveries; what is not given is not asked for."""
    conditions: list[sa.ColumnElement[bool]] = []
    if route is not None:
        conditions.append(deliveries.c.route == route)
    if flow is not None:
        conditions.append(deliveries.c.flow == flow)
    if states:
        conditions.append(deliveries.c.state.in_([State(one) for one in states]))
    if code is not None:
        conditions.append(deliveries.c.code == code)
    return conditions
