"""What a person means by a word: order number, id here or there, external id, number of a delivery, SKU."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec
import sqlalchemy as sa

from erp_sync.ledger import codec
from erp_sync.ledger.schema import (
    cross_references,
    deliveries,
    known_state,
    plan_rows,
    plans,
    quarantine,
    receipts,
    received,
    requirements,
    steps,
)
from erp_sync.model.keys import EntityKey
from erp_sync.packing import content

if TYPE_CHECKING:
    from erp_sync.ledger.engine import Database

#: Documents that one word may stand for; a SKU is in many orders.
MOST = 50


class KnownValue(msgspec.Struct, frozen=True, kw_only=True):
    """What a system was last known to hold under a key. `value` is JSON text."""

    connection: str
    entity: str
    key: str
    value: str | None
    origin: str
    sure: bool
    observed_at: datetime
    why: str


class PlannedChange(msgspec.Struct, frozen=True, kw_only=True):
    """One row of a plan, with when the plan was made, by which `mapping` version, and when the row changed last."""

    plan_id: int
    flow: str
    target: str
    entity: str
    key: str
    action: str
    before: str | None
    after: str | None
    reason: str
    state: str
    code: str
    message: str
    planned_at: datetime
    changed_at: datetime
    run_id: str
    mapping: str


class Identifying:
    """`ledger.identifying`: looks in all rooms; changes nothing."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def documents(self, asked: str) -> list[EntityKey]:
        """Keys of the documents that a word stands for, by the first of these that answers:

        number or native id; external id at a target (key of a step); id or number at a target; id of a
        delivery; a value anywhere in a record as received. An empty list where none does.
        """
        return self._first(asked, (*_NAMES, self._by_payload))

    def named(self, asked: str) -> list[EntityKey]:
        """The same without the records as received: the SKU of a line stands in many of them, and names none."""
        return self._first(asked, _NAMES)

    def called(self, asked: str) -> list[EntityKey]:
        """The same without the ids of deliveries: what a document is called outside of this ledger."""
        return self._first(asked, _CALLED)

    def refused(self, asked: str) -> list[EntityKey]:
        """Records in quarantine that have it as a value anywhere: it may be the number of one, or not."""
        with self._database.read() as read:
            return sorted(self._by_value(read, quarantine, quarantine.c.row, asked))

    def _first(self, asked: str, looks: Sequence[Callable[[sa.Connection, str], set[EntityKey]]]) -> list[EntityKey]:
        with self._database.read() as read:
            for look in looks:
                found = look(read, asked)
                if found:
                    return sorted(found)
        return []

    def _by_payload(self, read: sa.Connection, asked: str) -> set[EntityKey]:
        """Records that were refused or not looked at yet: nobody has read their number out of them."""
        found = self._by_value(read, quarantine, quarantine.c.row, asked)
        return found or self._by_value(read, received, received.c.payload, asked)

    def _by_value(self, read: sa.Connection, table: sa.Table, column: Any, asked: str) -> set[EntityKey]:
        holds = _contains(self._database, column, msgspec.json.encode(asked))
        columns = (table.c.connection, table.c.scope, table.c.entity, table.c.native_id)
        query = sa.select(*columns).where(column.is_not(None), holds).distinct()
        return {EntityKey(*row) for row in read.execute(query.limit(MOST))}

    def with_sku(self, sku: str) -> list[EntityKey]:
        """The latest documents that hold a SKU or wait for it, at most `MOST`."""
        holds = _contains(self._database, deliveries.c.payload, b'"sku":' + msgspec.json.encode(sku))
        waits = deliveries.c.id.in_(
            sa.select(requirements.c.delivery_id).where(requirements.c.entity == "product", requirements.c.key == sku)
        )
        query = sa.select(*_KEY).where(sa.or_(holds, waits)).order_by(deliveries.c.id.desc()).limit(MOST)
        with self._database.read() as read:
            return list(dict.fromkeys(EntityKey(*row) for row in read.execute(query)))

    def about(self, keys: Iterable[EntityKey]) -> list[EntityKey]:
        """Other documents that concern these: shipments and status of an order."""
        found: set[EntityKey] = set()
        with self._database.read() as read:
            for key in keys:
                query = sa.select(*_KEY).where(
                    deliveries.c.target == key.connection,
                    deliveries.c.concerns == f"{key.entity} {key.native_id}",
                )
                found.update(EntityKey(*row) for row in read.execute(query))
        return sorted(found - set(keys))

    def state(self, sku: str) -> list[KnownValue]:
        """Known state of a SKU: of the key itself and of keys that end with a slash and it (``main/MUG``)."""
        columns = [known_state.c[name] for name in KnownValue.__struct_fields__]
        query = sa.select(*columns).where(_about(known_state.c.key, sku))
        with self._database.read() as read:
            return [KnownValue(**row._mapping) for row in read.execute(query.order_by(known_state.c.key))]

    def changes(self, sku: str, limit: int = 200) -> list[PlannedChange]:
        """The latest rows of plans about a SKU, oldest first."""
        names = ("plan_id", "flow", "target", "entity", "key", "action", "before", "after", "reason", "state")
        columns = [plan_rows.c[name] for name in (*names, "code", "message", "changed_at")]
        query = (
            sa.select(*columns, plans.c.created_at.label("planned_at"), plans.c.run_id, plans.c.summary)
            .join(plans, plans.c.id == plan_rows.c.plan_id)
            .where(_about(plan_rows.c.key, sku))
            .order_by(plan_rows.c.id.desc())
            .limit(limit)
        )
        with self._database.read() as read:
            rows = read.execute(query).all()
        found = []
        for row in reversed(rows):
            values = dict(row._mapping)
            mapping = codec.from_json(values.pop("summary")).get("mapping", "")
            found.append(PlannedChange(**values, mapping=mapping))
        return found


_KEY = (deliveries.c.connection, deliveries.c.scope, deliveries.c.entity, deliveries.c.native_id)


def _contains(database: Database, column: Any, text: bytes) -> Any:
    written = content(column, database.sqlite)
    if database.sqlite:
        return sa.func.instr(written, text) > 0
    return sa.func.position(sa.literal(text, sa.LargeBinary).op("IN")(written)) > 0


def _about(column: Any, sku: str) -> Any:
    return sa.or_(column == sku, column.endswith(f"/{sku}", autoescape=True))


def _by_name(read: sa.Connection, asked: str) -> set[EntityKey]:
    named = sa.or_(deliveries.c.number == asked, deliveries.c.native_id == asked)
    found = {EntityKey(*row) for row in read.execute(sa.select(*_KEY).where(named))}
    for table in (received, quarantine):
        columns = (table.c.connection, table.c.scope, table.c.entity, table.c.native_id)
        query = sa.select(*columns).where(table.c.native_id == asked).distinct()
        found |= {EntityKey(*row) for row in read.execute(query)}
    numbered = {key for key in found if key.native_id != asked}
    # A number that people know means more than an id that happens to read the same.
    return numbered or found


def _by_step_key(read: sa.Connection, asked: str) -> set[EntityKey]:
    ids = sa.select(steps.c.delivery_id).where(steps.c.key == asked)
    return _of(read, deliveries.c.id.in_(ids))


def _by_target(read: sa.Connection, asked: str) -> set[EntityKey]:
    columns = cross_references.c
    query = sa.select(columns.connection_a, columns.scope_a, columns.entity, columns.id_a).where(columns.id_b == asked)
    found = {EntityKey(*row) for row in read.execute(query.limit(MOST))}
    number = '"number":' + msgspec.json.encode(asked).decode()
    ids = sa.select(receipts.c.delivery_id).where(receipts.c.receipt.contains(number, autoescape=True))
    return found | _of(read, deliveries.c.id.in_(ids))


def _by_delivery(read: sa.Connection, asked: str) -> set[EntityKey]:
    number = asked.removeprefix("d")
    if not number.isdigit() or len(number) > 18 or str(int(number)) != number:
        return set()
    return _of(read, deliveries.c.id == int(number))


def _of(read: sa.Connection, condition: Any) -> set[EntityKey]:
    return {EntityKey(*row) for row in read.execute(sa.select(*_KEY).where(condition).limit(MOST))}


_CALLED = (_by_name, _by_step_key, _by_target)
_NAMES = (*_CALLED, _by_delivery)
