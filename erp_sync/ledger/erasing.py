"""Taking a person out of the ledger: every table, payloads and words alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from erp_sync.ledger import schema
from erp_sync.ledger.documents import State
from erp_sync.ledger.engine import Database
from erp_sync.ledger.errors import WrongState
from erp_sync.ledger.privacy import NOBODY_PAYLOAD, hits
from erp_sync.ledger.scrubbing import changed_rows, scrub
from erp_sync.ledger.sql import chunks
from erp_sync.model.keys import Entity
from erp_sync.model.personal import FIELDS, PersonalTexts


def erase(database: Database, person: PersonalTexts, fields: frozenset[str], who: str) -> Counter[str]:
    """Rows changed, by table. Received records of the person become nobody's; deliveries that have not ended are
    dismissed, and keep number, amounts and articles like those that have.

    Raises WrongState where one is being sent at this moment.
    """
    changed: Counter[str] = Counter()
    with database.write(durable=True) as write:
        if database.sqlite:
            write.exec_driver_sql("PRAGMA secure_delete=ON")
        own = _own(write, person)
        _end(write, database, own["delivery_id"], who)
        changed["receipts"] += _forget_customer(write, own["delivery_id"])
        nobody: tuple[tuple[sa.Table, dict[str, Any], str], ...] = (
            (schema.received, {"payload": NOBODY_PAYLOAD}, "id"),
            (schema.corrections, {"original": NOBODY_PAYLOAD, "corrected": NOBODY_PAYLOAD}, "received_id"),
            (
                schema.quarantine,
                {"row": NOBODY_PAYLOAD, "resolved_at": database.now(), "resolution": "erased"},
                "received_id",
            ),
        )
        for table, values, key in nobody:
            first = next(iter(values))
            for some in chunks(sorted(own["received_id"])):
                stale = sa.or_(table.c[first].is_(None), table.c[first] != NOBODY_PAYLOAD)
                done = sa.update(table).where(table.c[key].in_(some), stale).values(**values)
                changed[str(table.name)] += write.execute(done).rowcount
        for table in schema.metadata.sorted_tables:
            if table is schema.tombstones:
                continue
            changed += scrub(write, table, person, FIELDS | fields, _owned(own), _among(table, own))
    return changed


def _forget_customer(write: sa.Connection, ids: set[int]) -> int:
    """What was made of the person as a customer is not used for what they buy later."""
    steps, receipts, count = schema.steps, schema.receipts, 0
    for some in chunks(sorted(ids)):
        query = sa.select(schema.deliveries.c.target, steps.c.key, steps.c.operation)
        query = query.join_from(steps, schema.deliveries, schema.deliveries.c.id == steps.c.delivery_id)
        for row in write.execute(query.where(steps.c.delivery_id.in_(some), steps.c.name == Entity.CUSTOMER)).all():
            same = (receipts.c.target == row.target) & (receipts.c.key == row.key)
            gone = sa.delete(receipts).where(same, receipts.c.operation == row.operation)
            count += write.execute(gone).rowcount
    return count


def held(database: Database, person: PersonalTexts, fields: frozenset[str]) -> dict[str, list[dict[str, Any]]]:
    """Every row of the ledger that `erase` would change, as it is, by table."""
    found: dict[str, dict[tuple[Any, ...], dict[str, Any]]] = {}
    with database.read() as read:
        own = _own(read, person)
        for table, key in (
            (schema.received, "id"),
            (schema.corrections, "received_id"),
            (schema.quarantine, "received_id"),
        ):
            for some in chunks(sorted(own["received_id"])):
                _add(found, table, read.execute(sa.select(table).where(table.c[key].in_(some))).all())
        for table in schema.metadata.sorted_tables:
            if table is not schema.tombstones:
                changes = changed_rows(read, table, person, FIELDS | fields, _owned(own), _among(table, own))
                _add(found, table, [row for row, _ in changes])
    return {name: list(rows.values()) for name, rows in found.items()}


def _add(found: dict[str, dict[tuple[Any, ...], dict[str, Any]]], table: sa.Table, rows: Sequence[Any]) -> None:
    keys = [column.name for column in table.primary_key.columns] or [column.name for column in table.columns]
    for row in rows:
        values = dict(row._mapping)
        if values.get("payload") != NOBODY_PAYLOAD:
            found.setdefault(str(table.name), {})[tuple(values[name] for name in keys)] = values


def _own(write: sa.Connection, person: PersonalTexts) -> dict[str, set[Any]]:
    """Ids of received records and deliveries about the person, and their places: what refers to them is theirs as well.

    A place is (connection, entity, native id): customer 15 of a store is not whoever gave order 15.
    """
    own: dict[str, set[Any]] = {"received_id": set(), "delivery_id": set(), "place": set()}
    for table, name in ((schema.received, "received_id"), (schema.deliveries, "delivery_id")):
        for row in write.execute(sa.select(table).where(hits(table, person, write.dialect.name == "sqlite"))).all():
            if person.concerns((row.payload or b"").decode(errors="replace")):
                own[name].add(row.id)
                own["place"].add((row.connection, row.entity, row.native_id))
                if name == "delivery_id" and row.received_id is not None:
                    own["received_id"].add(row.received_id)
    for entity, places in ((Entity.SALES_ORDER, person.orders), (Entity.CUSTOMER, person.customers)):
        own["place"] |= {(connection, entity, native_id) for connection, native_id in places}
    # A delivery is the person's where its document is, also once it was erased before a run that was cut short.
    table = schema.deliveries
    query = sa.select(table.c.id, table.c.connection, table.c.entity, table.c.native_id)
    for row in write.execute(query.where(table.c.native_id.in_(_native_ids(own)))):
        if (row.connection, row.entity, row.native_id) in own["place"]:
            own["delivery_id"].add(row.id)
    return own


def _owned(own: Mapping[str, set[Any]]) -> Any:
    def owned(table: sa.Table, row: Mapping[str, Any]) -> bool:
        if row.get("delivery_id") in own["delivery_id"] or row.get("received_id") in own["received_id"]:
            return True
        if table is schema.deliveries:
            return row["id"] in own["delivery_id"]
        if table is schema.hand_shipments:
            return (row["store"], Entity.SALES_ORDER, row["order_id"]) in own["place"]
        return (row.get("connection"), row.get("entity"), row.get("native_id")) in own["place"]

    return owned


def _among(table: sa.Table, own: Mapping[str, set[Any]]) -> sa.ColumnElement[bool]:
    """Rows that refer to what is the person's."""
    some: list[sa.ColumnElement[bool]] = [sa.false()]
    for name in ("delivery_id", "received_id"):
        if name in table.c:
            some.append(table.c[name].in_(sorted(own[name])))
    if table is schema.deliveries:
        some.append(table.c.id.in_(sorted(own["delivery_id"])))
    if table is schema.hand_shipments:
        some.append(table.c.order_id.in_(_native_ids(own)))
    if "native_id" in table.c and table is not schema.received:
        some.append(table.c.native_id.in_(_native_ids(own)))
    return sa.or_(*some)


def _native_ids(own: Mapping[str, set[Any]]) -> list[str]:
    return sorted({native_id for _, _, native_id in own["place"]})


def _end(write: sa.Connection, database: Database, ids: set[int], who: str) -> None:
    table = schema.deliveries
    for some in chunks(sorted(ids)):
        rows = write.execute(
            sa.select(table.c.id, table.c.number, table.c.state).where(
                table.c.id.in_(some), table.c.finished_at.is_(None)
            )
        ).all()
        for row in rows:
            if row.state == State.CLAIMED:
                raise WrongState(f"delivery {row.number}", row.state, "it is being sent: erase again in a minute")
        now = database.now()
        write.execute(
            sa.update(table)
            .where(table.c.id.in_([row.id for row in rows]))
            .values(
                state=State.DISMISSED.value, due_at=None, finished_at=now, changed_at=now, code="",
                reason=f"its person was erased by {who}",
            )
        )  # fmt: skip
