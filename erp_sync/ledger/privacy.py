"""Erasing a person from the ledger, and knowing them again: whatever is read of them later is received as nobody's.

Only salted hashes are kept (`tombstones`). What was created after the erasure is a new business with the person and
goes its way.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec
import sqlalchemy as sa

from erp_sync.ledger import codec
from erp_sync.ledger.schema import deliveries, received, tombstones
from erp_sync.ledger.sql import upsert
from erp_sync.model.keys import Entity
from erp_sync.model.personal import IMPERSONAL, NOBODY, PersonalTexts, Tombstone, known_again, likeness, texts_of, token
from erp_sync.model.personal import tombstones as tombstones_of
from erp_sync.model.remains import Erased
from erp_sync.packing import Packed, PackedText, content
from erp_sync.ports.raw import RawRecord

if TYPE_CHECKING:
    from erp_sync.ledger.engine import Database
    from erp_sync.model.personal import Likeness

NOBODY_PAYLOAD = codec.to_bytes(NOBODY)

CLOCKS_DIFFER = timedelta(minutes=5)
"""How far a system's clock may be behind ours."""

KEY = "key"
"""Kind of the rows that are no tombstone: keys of erasures under way (`begin`)."""

LEARNED = "learned"
"""Kind, and token, of a person's row that is no tombstone either: when theirs were written down last. An erasure that
ends days after it was asked for learns names then, and its tombstones are of the time of asking."""

MEANWHILE = timedelta(hours=1)
"""No run holds a page of records in its hands for so long before it records them."""


def is_nobody(payload: bytes | None) -> bool:
    """Whether a received record is one of an erased person: nothing becomes of it."""
    return payload == NOBODY_PAYLOAD


class Buried(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the tombstones. `person` is an id that says nothing."""

    token: str
    person: str
    kind: str
    salt: str
    erased_at: datetime


def _erased_at(record: RawRecord, buried: Sequence[Buried]) -> datetime | None:
    """When the person was erased whose record this is; None where it is of nobody who was, or is newer than that."""
    persons: dict[str, list[Buried]] = {}
    for one in buried:
        persons.setdefault(one.person, []).append(one)
    seen: dict[str, Likeness] = {}  # all have one salt, but where two ledgers became one
    for own in persons.values():
        erased_at = max(one.erased_at for one in own)
        if record.created_time is not None and record.created_time > erased_at:
            continue
        salt = own[0].salt
        if salt not in seen:
            seen[salt] = likeness(record.payload, bytes.fromhex(salt))
        if known_again(seen[salt], {one.token: one.kind for one in own}):
            return erased_at
    return None


_IS_TOMBSTONE = tombstones.c.kind.not_in((KEY, LEARNED))
_BURIED = sa.select(tombstones).where(_IS_TOMBSTONE)
_LATELY = sa.select(tombstones.c.person).where(tombstones.c.erased_at >= sa.bindparam("of_since"))
_BURIED_LATELY = _BURIED.where(tombstones.c.person.in_(_LATELY))


class Privacy:
    """`ledger.privacy`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def buried(self) -> list[Buried]:
        """All tombstones."""
        with self._database.read() as read:
            return [Buried(**row._mapping) for row in read.execute(_BURIED)]

    def begin(self, email: str) -> tuple[str, bytes]:
        """Of an erasure that begins or goes on: the person's mark, and the key of what it writes down of them."""
        with self._database.write(durable=True) as write:
            salt = write.execute(sa.select(tombstones.c.salt).limit(1)).scalar() or secrets.token_hex(32)
            mark = token(email, bytes.fromhex(salt))[:16]
            own = sa.select(tombstones.c.token).where(tombstones.c.person == mark, tombstones.c.kind == KEY)
            key = write.execute(own).scalar()
            if key is None:
                key = secrets.token_hex(32)
                row = {"token": key, "person": mark, "kind": KEY, "salt": salt, "erased_at": self._database.now()}
                write.execute(sa.insert(tombstones).values(**row))
        return mark, bytes.fromhex(key)

    def under_way(self) -> dict[str, bytes]:
        """Keys of erasures that have not ended, by mark."""
        query = sa.select(tombstones.c.person, tombstones.c.token).where(tombstones.c.kind == KEY)
        with self._database.read() as read:
            return {row.person: bytes.fromhex(row.token) for row in read.execute(query)}

    def end(self, mark: str) -> None:
        """Destroy the key of an erasure."""
        with self._database.write(durable=True) as write:
            if self._database.sqlite:
                write.exec_driver_sql("PRAGMA secure_delete=ON")
            write.execute(sa.delete(tombstones).where(tombstones.c.person == mark, tombstones.c.kind == KEY))

    def bury(self, person: PersonalTexts, at: datetime | None = None) -> list[Buried]:
        """From now on records of this person are known again. Idempotent; what is known in addition is added."""
        with self._database.write(durable=True) as write:
            found = write.execute(sa.select(tombstones.c.salt).limit(1)).scalar()
            salt = found or secrets.token_hex(32)
            stones = tombstones_of(person, bytes.fromhex(salt))
            identity = next(one.token for one in stones if one.kind == "email")[:16]
            now = at or self._database.now()
            rows = [_row(one, identity, salt, now) for one in stones]
            write.execute(_later(upsert(write, tombstones)), [*rows, self._learned(identity, salt)])
        return [Buried(**row) for row in rows]

    def _learned(self, person: str, salt: str) -> dict[str, Any]:
        now = self._database.now()
        return {"token": LEARNED, "person": person, "kind": LEARNED, "salt": salt, "erased_at": now}

    def erased_at(self, email: str) -> datetime | None:
        """When this person was erased last; None where they were not."""
        own = [one for one in self.buried() if one.person == token(email, bytes.fromhex(one.salt))[:16]]
        return max((one.erased_at for one in own), default=None)

    def rebury(self, some: Sequence[Buried]) -> None:
        """Put back tombstones, after a restore of a ledger that is older than they."""
        if some:
            with self._database.write(durable=True) as write:
                rows = [msgspec.structs.asdict(one) for one in some]
                persons = {one.person: one.salt for one in some}
                rows += [self._learned(person, salt) for person, salt in sorted(persons.items())]
                write.execute(_later(upsert(write, tombstones)), rows)

    def forget(self, connection: str, entity: str, records: Sequence[RawRecord]) -> list[RawRecord]:
        """The records of one entity of a connection, those of erased persons without what they hold.

        Systems tell times in whole seconds, by clocks of their own. What seems to be from the last minutes before the
        erasure and was not known here by then may have been bought after it: it goes its way, an order must not be
        lost.
        """
        return self._forgotten(connection, entity, records, self.buried() if records else [])

    def forget_meanwhile(
        self, write: sa.Connection, connection: str, entity: str, records: Sequence[RawRecord]
    ) -> Sequence[RawRecord]:
        """Once more, in the transaction that records them: whoever was erased since they were looked at is in none.

        What they landed in the lake is taken out by `nobodies`.
        """
        if not records or entity in IMPERSONAL:
            return records
        since = {"of_since": self._database.now() - MEANWHILE}
        buried = [Buried(**row._mapping) for row in write.execute(_BURIED_LATELY, since)]
        return self._forgotten(connection, entity, records, buried) if buried else records

    def nobodies(self) -> dict[tuple[str, str], list[str]]:
        """Native ids of received records whose person was erased, by connection and entity: in the lake, too, nothing
        is to be left of them."""
        found: dict[tuple[str, str], set[str]] = {}
        with self._database.read() as read:
            if read.execute(sa.select(tombstones.c.token).where(_IS_TOMBSTONE).limit(1)).first() is None:
                return {}
            query = sa.select(received.c.connection, received.c.entity, received.c.native_id)
            for row in read.execute(query.where(received.c.payload == NOBODY_PAYLOAD)):
                found.setdefault((row.connection, row.entity), set()).add(row.native_id)
        return {place: sorted(ids) for place, ids in found.items()}

    def _forgotten(
        self, connection: str, entity: str, records: Sequence[RawRecord], buried: Sequence[Buried]
    ) -> list[RawRecord]:
        given = []
        for record in records:
            erased_at = _erased_at(record, buried)
            if erased_at is None or (
                record.created_time is not None
                and record.created_time > erased_at - CLOCKS_DIFFER
                and not self._known_before(connection, entity, record.native_id, erased_at)
            ):
                given.append(record)
            else:
                given.append(msgspec.structs.replace(record, payload=dict(NOBODY)))
        return given

    def _known_before(self, connection: str, entity: str, native_id: str, moment: datetime) -> bool:
        known = sa.select(received.c.id).where(
            received.c.connection == connection,
            received.c.entity == entity,
            received.c.native_id == native_id,
            received.c.received_at <= moment,
        )
        with self._database.read() as read:
            return read.execute(known.limit(1)).first() is not None

    def erased(self) -> list[Erased]:
        """Who was erased, as one looks for what is left of them."""
        persons: dict[str, list[Buried]] = {}
        for one in self.buried():
            persons.setdefault(one.person, []).append(one)
        return [
            Erased(
                mark=mark,
                salt=own[0].salt,
                erased_at=max(one.erased_at for one in own),
                kinds={one.token: one.kind for one in own},
            )
            for mark, own in persons.items()
        ]

    def returned(self) -> set[str]:
        """Marks of erased persons who bought again: the ledger has records that are theirs and not nobody's."""
        erased, found = self.erased(), set()
        query = sa.select(received.c.payload).where(
            received.c.payload.is_not(None), received.c.payload != NOBODY_PAYLOAD, received.c.entity.not_in(IMPERSONAL)
        )
        with self._database.read() as read:
            for row in read.execute(query) if erased else ():
                payload = codec.from_json(row.payload) if row.payload else None
                for one in erased:
                    if one.mark not in found and known_again(likeness(payload, bytes.fromhex(one.salt)), one.kinds):
                        found.add(one.mark)
        return found

    def persons_known_again(self) -> set[str]:
        """E-mail addresses of erased persons whose data is here all the same: after a restore."""
        buried, found = self.buried(), set()
        with self._database.read() as read:
            for row in read.execute(sa.select(received.c.payload, received.c.created_time)):
                if not row.payload or is_nobody(row.payload):
                    continue
                record = RawRecord(
                    native_id="", version="", created_time=row.created_time, payload=codec.from_json(row.payload)
                )
                if _erased_at(record, buried) is not None:
                    found |= {text for text in _addresses(record.payload) if not text.endswith(".invalid")}
        return found

    def texts(self, email: str) -> PersonalTexts:
        """Everything that received records and deliveries say of a person."""
        person = PersonalTexts(email=email)
        with self._database.read() as read:
            for table, columns in ((received, ("payload",)), (deliveries, ("payload", "corrected"))):
                hits = sa.or_(*(_mentions(table.c[name], (email,), self._database.sqlite) for name in columns))
                query = sa.select(table.c.connection, table.c.entity, table.c.native_id, *(table.c[c] for c in columns))
                for row in read.execute(query.where(hits)):
                    for name in columns:
                        body = getattr(row, name)
                        if body:
                            person = person.joined(texts_of(codec.from_json(body), email))
                    own = frozenset({(row.connection, row.native_id)})
                    if row.entity == Entity.SALES_ORDER:
                        person = person.joined(PersonalTexts(email=email, orders=own))
                    elif row.entity == Entity.CUSTOMER:
                        person = person.joined(PersonalTexts(email=email, customers=own))
        return person

    def email_of(self, connection: str, customer: str) -> str | None:
        """Of a store's customer, by what their orders say."""
        with self._database.read() as read:
            query = sa.select(received.c.entity, received.c.payload).where(
                received.c.connection == connection, received.c.entity.in_((Entity.SALES_ORDER, Entity.CUSTOMER))
            )
            for row in read.execute(query):
                payload = codec.from_json(row.payload) if row.payload else None
                if not isinstance(payload, dict):
                    continue
                name = "customer_id" if row.entity == Entity.SALES_ORDER else "id"
                if str(payload.get(name) or "") == customer:
                    found = next(iter(_addresses(payload)), None)
                    if found:
                        return found
        return None

    def on_their_way(self, person: PersonalTexts) -> list[tuple[int, str, str]]:
        """(id, number, state) of deliveries of this person that have not ended."""
        with self._database.read() as read:
            mentioned = _mentions(deliveries.c.payload, (person.email,), self._database.sqlite)
            query = sa.select(deliveries.c.id, deliveries.c.number, deliveries.c.state).where(
                deliveries.c.finished_at.is_(None), mentioned
            )
            return [(row.id, row.number, row.state) for row in read.execute(query)]


def _later(statement: Any) -> Any:
    """Who is erased once more: what they bought in between is gone, too."""
    return statement.on_conflict_do_update(
        index_elements=["token", "person"],
        set_={"erased_at": statement.excluded.erased_at},
        where=statement.excluded.erased_at > tombstones.c.erased_at,
    )


def hits(table: sa.Table, person: PersonalTexts, sqlite: bool = True) -> sa.ColumnElement[bool]:
    """Rows that may mention the person in any text of theirs."""
    return sa.or_(sa.false(), *(_mentions(one, person.needles, sqlite) for one in texts_in(table)))


def texts_in(table: sa.Table) -> list[sa.Column[Any]]:
    """Columns that may hold words about a person."""
    return [one for one in table.c if isinstance(one.type, sa.Text | sa.String | Packed | PackedText)]


def _mentions(column: sa.ColumnElement[Any], needles: Sequence[str], sqlite: bool) -> sa.ColumnElement[bool]:
    if sqlite and isinstance(column.type, Packed | PackedText):
        return sa.or_(*(sa.cast(content(column, sqlite), sa.Text).icontains(one, autoescape=True) for one in needles))
    if not isinstance(column.type, Packed):
        return sa.or_(*(column.icontains(one, autoescape=True) for one in needles))
    shown = sa.func.encode(content(column, sqlite), "escape", type_=sa.Text)
    return sa.or_(*(shown.icontains(one, autoescape=True) for one in {*needles, *map(_escaped, needles)}))


def _escaped(text: str) -> str:
    """As PostgreSQL shows bytes."""
    return "".join(chr(byte) if byte < 128 else f"\\{byte:03o}" for byte in text.encode())


def _row(stone: Tombstone, person: str, salt: str, at: datetime) -> dict[str, Any]:
    return {"token": stone.token, "person": person, "kind": stone.kind, "salt": salt, "erased_at": at}


def _addresses(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value] if "@" in value and " " not in value else []
    some = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for one in some for text in _addresses(one)]


__all__ = ["NOBODY_PAYLOAD", "Buried", "Privacy", "hits", "is_nobody", "texts_in"]
