"""Taking a person out of the ledger: every table, payloads and words alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from erp_sync.ledger import schema
from erp_sync.ledger.documents import State
from erp_sync.ledger.engine import Database
from erp_sync.ledger.errors import WrongState
from erp_sync.ledger.newer import Asked, NewBusiness, Place, newer_than
from erp_sync.ledger.privacy import NOBODY_PAYLOAD, hits
from erp_sync.ledger.scrubbing import changed_rows, scrub
from erp_sync.ledger.sql import chunks
from erp_sync.model.keys import Entity
from erp_sync.model.personal import FIELDS, PersonalTexts


def erase(
    database: Database,
    person: PersonalTexts,
    fields: frozenset[str],
    who: str,
    asked: Asked | None = None,
    known: Collection[Place] = (),
) -> Counter[str]:
    """Rows changed, by table. Received records of the person become nobody's; deliveries that have not ended are
    dismissed, and keep number, amounts and articles like those that have.

    Args:
        asked: None where everything is meant that is there now. Else what the person bought since is left as it is.
        known: records that were there when it was asked for, whenever they were received.

    Raises WrongState, and changes nothing, where one of them is being sent at this moment, or goods are still to be
    sent for one and that was not asked for.
    """
    changed: Counter[str] = Counter()
    with database.write(durable=True) as write:
        if database.sqlite:
            write.exec_driver_sql("PRAGMA secure_delete=ON")
        own = _own(write, person)
        newer = newer_than(write, person, own, asked, known)
        own = newer.without(own)
        if asked is not None and not asked.also_open:
            _refuse_open(write, person, own)
        _end(write, database, own["delivery_id"], who)
        changed["receipts"] += _forget_customer(write, own["delivery_id"], newer.ids["delivery_id"])
        changed["cross_references"] += _rename_links(write, person, newer.since)
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
            changed += scrub(write, table, person, FIELDS | fields, _owned(own), _among(table, own), newer.has)
    return changed


def newer(database: Database, person: PersonalTexts, asked: Asked | None, known: Collection[Place] = ()) -> NewBusiness:
    """What the ledger has of a person that they bought since their erasure was asked for."""
    with database.read() as read:
        return newer_than(read, person, _own(read, person), asked, known)


def numbers_of(database: Database, orders: Collection[tuple[str, str]]) -> set[str]:
    """Numbers of a store's orders (connection, native id), as exchanges about them are named."""
    table, found = schema.deliveries, set()
    with database.read() as read:
        for some in chunks(sorted({native_id for _, native_id in orders})):
            query = sa.select(table.c.connection, table.c.native_id, table.c.number).where(
                table.c.entity == Entity.SALES_ORDER, table.c.native_id.in_(some)
            )
            found |= {row.number for row in read.execute(query) if (row.connection, row.native_id) in orders}
    return found - {""}


def _refuse_open(write: sa.Connection, person: PersonalTexts, own: Mapping[str, set[Any]]) -> None:
    """None that is on its way to somebody is dismissed unless that was asked for. Those that are erased already mention
    nobody."""
    table, waiting = schema.deliveries, []
    for some in chunks(sorted(own["delivery_id"])):
        unfinished = sa.select(table).where(table.c.id.in_(some), table.c.finished_at.is_(None))
        for row in write.execute(unfinished.where(table.c.state != State.DEAD)):
            if person.email.casefold() in row.payload.decode(errors="replace").casefold():
                waiting.append(f"{row.number} ({row.state})")
    if waiting:
        raise WrongState(
            "the person",
            f"to be sent goods: {', '.join(waiting[:10])}",
            "nothing is touched; it goes on by itself once that has ended, or erase them with --also-open",
        )


def _forget_customer(write: sa.Connection, ids: set[int], newer: set[int]) -> int:
    """What was made of the person as a customer is not used for what they buy later."""
    receipts = schema.receipts
    old = sa.or_(receipts.c.delivery_id.is_(None), receipts.c.delivery_id.not_in(sorted(newer)))
    same = [sa.delete(receipts).where(one, old) for one in _receipts_of_customer(write, ids)]
    return sum(write.execute(one).rowcount for one in same)


def _receipts_of_customer(read: sa.Connection, ids: set[int]) -> list[sa.ColumnElement[bool]]:
    """Conditions of the receipts of the customer whose deliveries these are."""
    steps, receipts = schema.steps, schema.receipts
    found: list[sa.ColumnElement[bool]] = []
    for some in chunks(sorted(ids)):
        query = sa.select(schema.deliveries.c.target, steps.c.key, steps.c.operation)
        query = query.join_from(steps, schema.deliveries, schema.deliveries.c.id == steps.c.delivery_id)
        for row in read.execute(query.where(steps.c.delivery_id.in_(some), steps.c.name == Entity.CUSTOMER)).all():
            same = (receipts.c.target == row.target) & (receipts.c.key == row.key)
            found.append(same & (receipts.c.operation == row.operation))
    return found


def _rename_links(write: sa.Connection, person: PersonalTexts, since: datetime | None) -> int:
    """Links of who is known by their address: who was erased, bought again and is erased once more has several, which
    have to differ."""
    table, count = schema.cross_references, 0
    local, _, domain = person.pseudonym.partition("@")
    mentioned = table.c.id_a.icontains(person.email, autoescape=True)
    if since is not None:
        mentioned = sa.and_(mentioned, table.c.linked_at <= since)
    for row in write.execute(sa.select(table.c.id, table.c.id_a).where(mentioned)).all():
        new = person.without(row.id_a, own=False).replace(person.pseudonym, f"{local}-{row.id}@{domain}")
        if new == row.id_a:
            continue  # of somebody else, whose address ends like theirs
        count += write.execute(sa.update(table).where(table.c.id == row.id).values(id_a=new)).rowcount
    return count


def held(database: Database, person: PersonalTexts, fields: frozenset[str]) -> dict[str, list[dict[str, Any]]]:
    """Every row of the ledger that `erase` would change or delete, as it is, by table."""
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
        for same in _receipts_of_customer(read, own["delivery_id"]):
            _add(found, schema.receipts, read.execute(sa.select(schema.receipts).where(same)).all())
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
