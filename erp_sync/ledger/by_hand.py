"""What a warehouse does without the ERP: orders handed out to it, and what it shipped by hand.

The ERP knows a shipment by hand once a cross reference says which of its fulfillments that is: one that we booked, or
one that somebody else booked and that was recognised.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec
import sqlalchemy as sa

from erp_sync.ledger.documents import FORGOTTEN, Delivery, State, delivery_of
from erp_sync.ledger.schema import cross_references, deliveries, delivery_events, hand_shipments, handed_out
from erp_sync.ledger.sql import chunks, upsert
from erp_sync.model.keys import Entity

if TYPE_CHECKING:
    from erp_sync.ledger.engine import Database

#: An order in one of these states waits for its target, nobody having to decide about it.
WAITING = (State.WAITING, State.DUE, State.CLAIMED)
#: These wait for a person.
STUCK = (State.HELD, State.DEAD)


class HandedOut(msgspec.Struct, frozen=True, kw_only=True):
    """An order that the warehouse has on paper. UTC."""

    native_id: str
    number: str
    batch: str
    who: str
    at: datetime


class HandShipment(msgspec.Struct, frozen=True, kw_only=True):
    """What left by hand for one order, as the store is told it.

    Attributes:
        payload: the canonical shipment as JSON; `FORGOTTEN` once the ERP has known of it for long.
        known_as: the ERP's fulfillment that stands for it; "" while the ERP does not know of it.
        known_at: since when we know that.
        settled: a person has dismissed its booking: whatever was to be done in the ERP was done by hand.
    """

    route: str
    key: str
    store: str
    erp: str
    order_id: str
    number: str
    payload: bytes
    file: str
    who: str
    at: datetime
    known_as: str = ""
    known_at: datetime | None = None
    settled: bool = False


LINKED = sa.and_(
    cross_references.c.entity == Entity.SHIPMENT,
    cross_references.c.connection_a == hand_shipments.c.store,
    cross_references.c.id_a == hand_shipments.c.key,
    cross_references.c.connection_b == hand_shipments.c.erp,
)
# Not by its state alone: a booking whose person was erased has ended, and nobody has done anything in the ERP.
_SETTLED = sa.exists().where(
    deliveries.c.target == hand_shipments.c.erp,
    deliveries.c.connection == hand_shipments.c.store,
    deliveries.c.entity == Entity.SHIPMENT,
    deliveries.c.native_id == hand_shipments.c.key,
    deliveries.c.route == hand_shipments.c.route,
    deliveries.c.state == State.DISMISSED,
    delivery_events.c.delivery_id == deliveries.c.id,
    delivery_events.c.kind.in_(["dismissed", "rejected"]),
)
_SHIPMENTS = (
    sa.select(
        hand_shipments,
        _SETTLED.label("settled"),
        sa.func.coalesce(cross_references.c.id_b, "").label("known_as"),
        cross_references.c.linked_at.label("known_at"),
    )
    .join(cross_references, LINKED, isouter=True)
    .order_by(hand_shipments.c.at, hand_shipments.c.key)
)


def shipments_of(read: sa.Connection, route: str, order_ids: Iterable[str]) -> list[HandShipment]:
    """What left by hand for these orders of the route's store."""
    found: list[HandShipment] = []
    for some in chunks(sorted(set(order_ids))):
        query = _SHIPMENTS.where(hand_shipments.c.route == route, hand_shipments.c.order_id.in_(some))
        found += [HandShipment(**row._mapping) for row in read.execute(query)]
    return found


def add_shipments(write: sa.Connection, now: datetime, rows: Sequence[HandShipment]) -> None:
    """Record them; those that are there stay as they are."""
    columns = [column.name for column in hand_shipments.columns]
    values = [{**{name: getattr(row, name) for name in columns}, "at": now} for row in rows]
    if values:
        write.execute(upsert(write, hand_shipments).on_conflict_do_nothing(), values)


class ByHand:
    """`ledger.by_hand`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # What is handed out

    def waiting(self, route: str, target: str, states: Sequence[State] = WAITING) -> Iterator[Delivery]:
        """Orders that the target does not have, the oldest first. Read bit by bit."""
        query = (
            sa.select(deliveries)
            .where(
                deliveries.c.route == route,
                deliveries.c.flow == "orders",
                deliveries.c.target == target,
                deliveries.c.sequence == 1,
                deliveries.c.entity == Entity.SALES_ORDER,
                deliveries.c.state.in_(list(states)),
            )
            .order_by(deliveries.c.queued_at, deliveries.c.id)
        )
        with self._database.read() as read:
            for row in read.execution_options(yield_per=200).execute(query):
                yield delivery_of(row)

    def orders(self, route: str, numbers: Iterable[str]) -> dict[str, Delivery]:
        """The last delivery of each of these orders, by number; not of those so old that their content is forgotten."""
        found: dict[str, Delivery] = {}
        with self._database.read() as read:
            for some in chunks(sorted(set(numbers))):
                query = (
                    sa.select(deliveries)
                    .where(
                        deliveries.c.number.in_(some),
                        deliveries.c.route == route,
                        deliveries.c.flow == "orders",
                        deliveries.c.entity == Entity.SALES_ORDER,
                        deliveries.c.payload != FORGOTTEN,
                    )
                    .order_by(deliveries.c.id)
                )
                found |= {one.number: one for one in map(delivery_of, read.execute(query))}
        return found

    def hand_out(
        self,
        route: str,
        orders: Sequence[tuple[str, str]],
        *,
        batch: str,
        who: str,
        again: bool,
        first: Callable[[Mapping[str, HandedOut]], None] | None = None,
    ) -> dict[str, HandedOut]:
        """Mark orders (native id, number) as handed out; gives those that were before, by native id.

        With `again` those are marked anew. Two at once never hand out the same order: one of them is told so.

        Args:
            first: writes the papers, knowing what was handed out before. Where it raises, all marks are as they were.
        """
        with self._database.write() as write:
            self._database.exclude(write, "hand_out", route)
            before = _handed_out(write, route, [native_id for native_id, _ in orders])
            if first is not None:
                first(before)
            now = self._database.now()
            rows: list[dict[str, Any]] = [
                {"route": route, "native_id": native_id, "number": number, "batch": batch, "who": who, "at": now}
                for native_id, number in orders
                if again or native_id not in before
            ]
            for row in rows:
                statement = upsert(write, handed_out)
                new = {name: statement.excluded[name] for name in ("number", "batch", "who", "at")}
                write.execute(statement.on_conflict_do_update(index_elements=["route", "native_id"], set_=new), row)
        return before

    def handed_out(self, route: str, native_ids: Iterable[str] | None = None) -> dict[str, HandedOut]:
        """Orders that a warehouse has on paper, by native id; all of the route, or those of these ids."""
        with self._database.read() as read:
            if native_ids is not None:
                return _handed_out(read, route, native_ids)
            query = sa.select(handed_out).where(handed_out.c.route == route).order_by(handed_out.c.at)
            return {row.native_id: _handed(row) for row in read.execute(query)}

    # What left

    def shipments(self, route: str, order_ids: Iterable[str] | None = None) -> list[HandShipment]:
        """What left by hand: all of the route, or for these orders."""
        with self._database.read() as read:
            if order_ids is not None:
                return shipments_of(read, route, order_ids)
            return [HandShipment(**row._mapping) for row in read.execute(_SHIPMENTS.where(_of(route)))]

    def unknown_to_erp(self, route: str, since: datetime) -> list[HandShipment]:
        """What left by hand and the ERP does not know of, or did not at `since`."""
        with self._database.read() as read:
            rows = read.execute(_UNKNOWN, {"of_route": route, "of_since": since})
            return [HandShipment(**row._mapping) for row in rows]

    def shipments_of_orders(self, target: str, concerns: Iterable[str]) -> list[Delivery]:
        """Shipments on their way to the store, or there, of these orders; the last version of each."""
        last: dict[tuple[str, str, str], Delivery] = {}
        with self._database.read() as read:
            for some in chunks(sorted(set(concerns))):
                query = (
                    sa.select(deliveries)
                    .where(
                        deliveries.c.target == target,
                        deliveries.c.concerns.in_(some),
                        deliveries.c.entity == Entity.SHIPMENT,
                        deliveries.c.state.not_in([State.SUPERSEDED, State.DISMISSED]),
                        deliveries.c.payload != FORGOTTEN,
                    )
                    .order_by(deliveries.c.id)
                )
                for one in map(delivery_of, read.execute(query)):
                    last[one.route, one.key.connection, one.key.native_id] = one
        return list(last.values())


def _of(route: str) -> sa.ColumnElement[bool]:
    return hand_shipments.c.route == route


_UNKNOWN = _SHIPMENTS.where(
    hand_shipments.c.route == sa.bindparam("of_route"),
    sa.or_(
        sa.and_(cross_references.c.linked_at.is_(None), ~_SETTLED),
        cross_references.c.linked_at >= sa.bindparam("of_since"),
    ),
)


def _handed_out(read: sa.Connection, route: str, native_ids: Iterable[str]) -> dict[str, HandedOut]:
    found: dict[str, HandedOut] = {}
    for some in chunks(sorted(set(native_ids))):
        query = sa.select(handed_out).where(handed_out.c.route == route, handed_out.c.native_id.in_(some))
        found |= {row.native_id: _handed(row) for row in read.execute(query)}
    return found


def _handed(row: Any) -> HandedOut:
    return HandedOut(**{name: row._mapping[name] for name in HandedOut.__struct_fields__})
