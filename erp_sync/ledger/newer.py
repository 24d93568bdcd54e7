"""What a person bought since their erasure was asked for: a new business with them, which it leaves as it is."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa

from erp_sync.ledger import codec, schema
from erp_sync.ledger.columns import Utc
from erp_sync.ledger.documents import State
from erp_sync.ledger.privacy import CLOCKS_DIFFER
from erp_sync.ledger.sql import chunks
from erp_sync.model.keys import Entity
from erp_sync.model.personal import PersonalTexts

#: (connection, entity, native id).
Place = tuple[str, str, str]


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody asked for when they asked for an erasure.

    Attributes:
        at: when; what is received later is a new business with the person.
        also_open: also where goods are still to be sent.
    """

    at: datetime
    also_open: bool


class NewBusiness(msgspec.Struct, frozen=True, kw_only=True):
    """Of one person; nothing where they did not come back.

    Attributes:
        since: when the erasure was asked for; None where they did not come back.
        ids: of received records and deliveries, and their places: received_id, delivery_id, place.
        numbers: of the documents.
        being_sent: numbers of those that are, at this moment.
        customers: (target, id there) of the customer records that deliveries of it were booked on.
    """

    since: datetime | None = None
    ids: dict[str, set[Any]] = msgspec.field(default_factory=lambda: _nothing())
    numbers: set[str] = set()
    being_sent: set[str] = set()
    customers: set[tuple[str, str]] = set()

    @property
    def places(self) -> set[Place]:
        return self.ids["place"]

    def without(self, own: Mapping[str, set[Any]]) -> dict[str, set[Any]]:
        return {name: some - self.ids[name] for name, some in own.items()}

    def has(self, table: sa.Table, row: Mapping[Any, Any]) -> bool:
        """Whether a row is of it: refers to it, or was written since and refers to nothing that says whose it is."""
        if self.since is None:
            return False
        for name in ("received_id", "delivery_id"):
            if row.get(name) is not None:
                return row[name] in self.ids[name]
        if table is schema.deliveries:
            return row["id"] in self.ids["delivery_id"]
        if table is schema.received:
            return row["id"] in self.ids["received_id"]
        if table is schema.hand_shipments:
            return (row["store"], Entity.SALES_ORDER, row["order_id"]) in self.places
        if row.get("native_id"):
            return (row.get("connection"), row.get("entity"), row["native_id"]) in self.places
        times = [row[one.name] for one in table.c if isinstance(one.type, Utc) and row[one.name] is not None]
        return bool(times) and min(times) > self.since


def _nothing() -> dict[str, set[Any]]:
    return {"received_id": set(), "delivery_id": set(), "place": set()}


def newer_than(
    read: sa.Connection,
    person: PersonalTexts,
    own: Mapping[str, set[Any]],
    asked: Asked | None,
    known: Collection[Place] = (),
) -> NewBusiness:
    """Of what is the person's (`own`), what was bought after the erasure was asked for: by the rule by which it would
    be received as theirs (`Privacy.forget`), and not what was there by then, known to the ledger or to a system."""
    if asked is None:
        return NewBusiness()
    ids = _nothing()
    for row in _received(read, own, asked):
        place = (row.connection, row.entity, row.native_id)
        created = row.created_time is not None and row.created_time > asked.at - CLOCKS_DIFFER
        if created and place not in known and person.concerns((row.payload or b"").decode(errors="replace")):
            ids["received_id"].add(row.id)
            ids["place"].add(place)
    numbers, being_sent, table = set(), set(), schema.deliveries
    for some in chunks(sorted(own["delivery_id"])):
        for row in read.execute(sa.select(table).where(table.c.id.in_(some), table.c.accepted_at > asked.at)):
            place = (row.connection, row.entity, row.native_id)
            mine = row.received_id is None and place not in known and person.concerns(row.payload.decode())
            # What a run had read before it was asked for, and accepted since, is not newer.
            if mine or row.received_id in ids["received_id"]:
                ids["delivery_id"].add(row.id)
                ids["place"].add(place)
                numbers.add(row.number)
                if row.state == State.CLAIMED:
                    being_sent.add(row.number)
    if not any(ids.values()):
        return NewBusiness()
    customers = _customers(read, ids["delivery_id"])
    return NewBusiness(since=asked.at, ids=ids, numbers=numbers - {""}, being_sent=being_sent, customers=customers)


def _received(read: sa.Connection, own: Mapping[str, set[Any]], asked: Asked) -> list[Any]:
    """Rows received since, of records that were not known before."""
    table = schema.received
    rows = [
        row
        for some in chunks(sorted(own["received_id"]))
        for row in read.execute(sa.select(table).where(table.c.id.in_(some), table.c.received_at > asked.at))
    ]
    before: set[Place] = set()
    for some in chunks(sorted({row.native_id for row in rows})):
        query = sa.select(table.c.connection, table.c.entity, table.c.native_id).where(
            table.c.native_id.in_(some), table.c.received_at <= asked.at
        )
        before |= {(row.connection, row.entity, row.native_id) for row in read.execute(query)}
    return [row for row in rows if (row.connection, row.entity, row.native_id) not in before]


def _customers(read: sa.Connection, ids: set[int]) -> set[tuple[str, str]]:
    steps, deliveries, found = schema.steps, schema.deliveries, set()
    for some in chunks(sorted(ids)):
        query = sa.select(deliveries.c.target, steps.c.receipt).join_from(
            steps, deliveries, deliveries.c.id == steps.c.delivery_id
        )
        mine = query.where(steps.c.delivery_id.in_(some), steps.c.name == Entity.CUSTOMER, steps.c.receipt != "")
        found |= {(row.target, str(codec.from_json(row.receipt)["target_id"])) for row in read.execute(mine)}
    return found
