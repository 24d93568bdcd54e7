"""Orders of a store that its ERP does not know, and with which of them stock was reckoned.

An order is known to the ERP once it is linked to a record there: the link is made in the transaction that confirms its
step, or by a person, or by an adoption. Until then every delivery of it that has not ended counts, whatever it waits
for: due, claimed, its outcome unknown, held, a dead letter. What a person dismissed or rejected counts no more, nor
what was taken back before it left, or was never accepted.

What stock was reckoned with is remembered by order and version, until nothing counts it any more: whatever comes, goes
or changes is found by comparing both, whoever changed it. A reckoning remembers before its plan is made, so that what
it counted is missed once it is gone; it is `told` once the SKUs of the order were made due for its coming. An order
that came and went between two looks moved the store's stock, too: what `ended` lately is remembered likewise.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import sqlalchemy as sa

from erp_sync.ledger.documents import FINISHED, State
from erp_sync.ledger.schema import cross_references, deliveries, unknown_orders
from erp_sync.ledger.sql import chunks, insert_into
from erp_sync.model.keys import Entity

if TYPE_CHECKING:
    from erp_sync.ledger.engine import Database

FLOW = "orders"
_END = " ended"


class OrderVersion(NamedTuple):
    """`version` changes with what the order asks for: with the delivery, the store's version, and a correction of it by
    a person."""

    scope: str
    native_id: str
    version: str

    @property
    def ended(self) -> bool:
        return self.version.endswith(_END)


class UnknownOrder(msgspec.Struct, frozen=True, kw_only=True):
    """`delivery`: the last one of the order, which has its content. `known_at`: when it was linked; None: it is not."""

    order: OrderVersion
    delivery: int
    known_at: datetime | None = None


class Reckoned(msgspec.Struct, frozen=True, kw_only=True):
    """`units`: JSON, as whoever remembered it wrote it. `told`: see the module."""

    order: OrderVersion
    units: str
    told: bool


class UnknownOrders:
    """`ledger.unknown_orders`. All of a store's connection and an ERP's."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, store: str, erp: str, routes: Collection[str], since: datetime) -> list[UnknownOrder]:
        """Orders of these routes that the ERP does not know, or did not at `since`; the last version of each.

        Costs what is open and what has ended since then, not what there is.
        """
        given = {"of_store": store, "of_erp": erp, "of_routes": sorted(routes), "of_since": since}
        return [
            UnknownOrder(order=_order(row, ""), delivery=row.id, known_at=row.linked_at)
            for row in self._last((_OPEN, _LINKED_LATELY), given)
        ]

    def ended(self, store: str, erp: str, routes: Collection[str], since: datetime) -> list[UnknownOrder]:
        """Orders of these routes that never came to the ERP and never will: dismissed, or taken back, since then. Their
        versions tell that they have ended."""
        given = {"of_store": store, "of_erp": erp, "of_routes": sorted(routes), "of_since": since}
        return [UnknownOrder(order=_order(row, _END), delivery=row.id) for row in self._last((_ENDED,), given)]

    def _last(self, queries: Iterable[Any], given: dict[str, Any]) -> list[Any]:
        """The last delivery of each order."""
        last: dict[tuple[str, str], Any] = {}
        with self._database.read() as read:
            for query in queries:
                for row in read.execute(query, given):
                    place = (row.scope, row.native_id)
                    if place not in last or (last[place].sequence, last[place].id) < (row.sequence, row.id):
                        last[place] = row
        return [row for _, row in sorted(last.items())]

    def contents(self, delivery_ids: Iterable[int]) -> dict[int, bytes]:
        """The documents of these deliveries, as corrected."""
        content = sa.func.coalesce(deliveries.c.corrected, deliveries.c.payload)
        found: dict[int, bytes] = {}
        with self._database.read() as read:
            for some in chunks(sorted(set(delivery_ids))):
                query = sa.select(deliveries.c.id, content).where(deliveries.c.id.in_(some))
                found |= {row[0]: bytes(row[1]) for row in read.execute(query)}
        return found

    def reckoned(self, store: str, erp: str) -> dict[OrderVersion, Reckoned]:
        """What stock was reckoned with and that nobody has missed since."""
        with self._database.read() as read:
            return {
                order: Reckoned(order=order, units=row.units, told=row.told)
                for row in read.execute(_RECKONED, {"of_store": store, "of_erp": erp})
                for order in (OrderVersion(row.scope, row.native_id, row.version),)
            }

    def remember(self, store: str, erp: str, orders: Sequence[Reckoned]) -> None:
        """What stock is reckoned with. What was told stays told."""
        same = {"connection": store, "target": erp}
        rows = [{**same, **one.order._asdict(), "units": one.units, "told": one.told} for one in orders]
        for some in chunks(rows):
            with self._database.write() as write:
                write.execute(_remember(write.dialect.name), list(some))

    def forget(self, store: str, erp: str, orders: Iterable[OrderVersion]) -> None:
        """These count no more, and their SKUs were made due for that."""
        columns = unknown_orders.c
        for some in chunks(sorted(orders)):
            with self._database.write() as write:
                for one in some:
                    mine = [columns[name] == value for name, value in one._asdict().items()]
                    write.execute(
                        sa.delete(unknown_orders).where(columns.connection == store, columns.target == erp, *mine)
                    )


def _order(row: Any, end: str) -> OrderVersion:
    return OrderVersion(row.scope, row.native_id, f"{row.id}/{row.version}/{row.corrected or ''}{end}")


# Its entity by the delivery's: by its name all links of orders would be gone through, to find their deliveries.
_LINKED = sa.and_(
    cross_references.c.entity == deliveries.c.entity,
    cross_references.c.connection_a == deliveries.c.connection,
    cross_references.c.scope_a == deliveries.c.scope,
    cross_references.c.id_a == deliveries.c.native_id,
    cross_references.c.connection_b == deliveries.c.target,
)
# Not by the unique key, which would go through all that the route ever delivered.
_MINE = sa.and_(
    deliveries.c.route.concat("").in_(sa.bindparam("of_routes", expanding=True)),
    deliveries.c.target.concat("") == sa.bindparam("of_erp"),
    deliveries.c.connection.concat("") == sa.bindparam("of_store"),
    deliveries.c.entity.concat("") == Entity.SALES_ORDER,
)
_SINCE = sa.bindparam("of_since", type_=cross_references.c.linked_at.type)
_WANTED = sa.select(
    deliveries.c.id,
    deliveries.c.scope,
    deliveries.c.native_id,
    deliveries.c.sequence,
    deliveries.c.version,
    sa.func.length(deliveries.c.corrected, type_=sa.Integer).label("corrected"),
    cross_references.c.linked_at,
)
_before = deliveries.alias("before")
# What follows an order that was sent, or that a person said is not to be sent, is no order that is to come.
_DECIDED = sa.exists().where(
    *(
        _before.c[name] == deliveries.c[name]
        for name in ("route", "flow", "target", "connection", "scope", "entity", "native_id")
    ),
    _before.c.state.in_([State.DELIVERED.value, State.DISMISSED.value]),
)
_OPEN = (
    _WANTED.select_from(deliveries.join(cross_references, _LINKED, isouter=True))
    # By the index of ends, of which all these have none: of states there are few, and statistics speak against theirs.
    .where(deliveries.c.finished_at.is_(None), deliveries.c.flow.concat("") == FLOW, _MINE)
    .where(deliveries.c.state.concat("").in_([state.value for state in State if state not in FINISHED]))
    .where(sa.or_(sa.and_(cross_references.c.linked_at.is_(None), ~_DECIDED), cross_references.c.linked_at > _SINCE))
)
_FINISHED = sa.and_(deliveries.c.finished_at >= _SINCE, deliveries.c.flow.concat("") == FLOW, _MINE)
_LINKED_LATELY = (
    _WANTED.select_from(deliveries.join(cross_references, _LINKED))
    .where(_FINISHED, cross_references.c.linked_at > _SINCE)
    .where(deliveries.c.state.concat("").in_([State.DELIVERED.value, State.DISMISSED.value]))
    # What an adoption brings was in the ERP before, and never waited here.
    .where(sa.or_(cross_references.c.origin != "adopted", cross_references.c.linked_at > deliveries.c.accepted_at))
)
_ENDED = (
    _WANTED.select_from(deliveries.join(cross_references, _LINKED, isouter=True))
    .where(_FINISHED, cross_references.c.linked_at.is_(None))
    .where(deliveries.c.state.concat("").in_([State.DISMISSED.value, State.SUPERSEDED.value]))
)
_RECKONED = sa.select(unknown_orders).where(
    unknown_orders.c.connection == sa.bindparam("of_store"), unknown_orders.c.target == sa.bindparam("of_erp")
)


@cache
def _remember(dialect: str) -> Any:
    statement = insert_into(dialect, unknown_orders)
    new = statement.excluded
    return statement.on_conflict_do_update(
        index_elements=["connection", "target", "scope", "native_id", "version"],
        set_={"units": new.units, "told": sa.or_(unknown_orders.c.told, new.told)},
    )
