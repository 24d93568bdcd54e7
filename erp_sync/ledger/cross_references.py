"""Which record here is which record there. One id of A has at most one partner in B."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec
import sqlalchemy as sa

from erp_sync.ledger.errors import CrossReferenceConflict
from erp_sync.ledger.schema import cross_references
from erp_sync.ledger.sql import chunks

if TYPE_CHECKING:
    from erp_sync.ledger.engine import Database


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """`id_a` of connection A is `id_b` of connection B.

    Attributes:
        origin: how it is known: ``delivered``, ``found`` (by our key), ``adopted`` (by natural keys),
            ``manual``.
    """

    entity: str
    connection_a: str
    id_a: str
    connection_b: str
    id_b: str
    scope_a: str = ""
    scope_b: str = ""
    origin: str = "delivered"


_OF_LINK = ("entity", "connection_a", "scope_a", "id_a", "connection_b")
_MINE = sa.and_(*(cross_references.c[name] == sa.bindparam(f"of_{name}") for name in _OF_LINK))
_PARTNER = sa.select(cross_references.c.id_b, cross_references.c.scope_b).where(_MINE)
_UNLINK = sa.delete(cross_references).where(_MINE)
_SAY_AGAIN = sa.update(cross_references).where(_MINE).values(origin=sa.bindparam("new_origin"))
_LINK = sa.insert(cross_references)


def record(write: sa.Connection, now: datetime, link: Link, replace: bool = False) -> bool:
    """Record a link; False where it is known. Raises CrossReferenceConflict where A's id has another partner."""
    mine = {f"of_{name}": getattr(link, name) for name in _OF_LINK}
    existing = write.execute(_PARTNER, mine).first()
    if existing is not None:
        if (existing.id_b, existing.scope_b) == (link.id_b, link.scope_b):
            if replace:  # a person's word for what is known
                write.execute(_SAY_AGAIN, {**mine, "new_origin": link.origin})
            return False
        if not replace:
            raise CrossReferenceConflict(
                f"{link.entity} {link.id_a} of {link.connection_a}",
                f"{existing.id_b} of {link.connection_b}",
                link.id_b,
            )
        write.execute(_UNLINK, mine)
    write.execute(
        _LINK,
        {**{name: getattr(link, name) for name in link.__struct_fields__}, "linked_at": now},
    )
    return True


class CrossReferences:
    """`ledger.cross_references`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def link(self, links: Sequence[Link], replace: bool = False) -> int:
        """Record links in one transaction; gives how many are new. Raises CrossReferenceConflict: then none is.

        Args:
            replace: a person corrects a link: the old partner is forgotten.
        """
        with self._database.write() as write:
            now = self._database.now()
            return sum(record(write, now, link, replace) for link in links)

    def find(
        self, entity: str, connection: str, ids: Sequence[str], other: str, scope: str | None = None
    ) -> dict[str, str]:
        """Partners in connection `other` of these ids of `connection`, whichever side was A; unknown ones are
        left out. `scope` None looks in all scopes."""
        given = {"of_entity": entity, "of_connection": connection, "of_other": other}
        if scope is not None:
            given["of_scope"] = scope
        found: dict[str, str] = {}
        with self._database.read() as read:
            for some in chunks(sorted(set(ids))):
                for query in _FIND[scope is not None]:
                    rows = read.execute(query, {**given, "of_ids": some})
                    found.update((row[0], row[1]) for row in rows)
        return found

    def all(self, entity: str, connection: str, other: str) -> dict[str, str]:
        """All pairs of an entity between two connections, id of `connection` to id of `other`."""
        columns = cross_references.c
        with self._database.read() as read:
            backward = read.execute(
                sa.select(columns.id_b, columns.id_a).where(
                    columns.entity == entity, columns.connection_b == connection, columns.connection_a == other
                )
            ).all()
            forward = read.execute(
                sa.select(columns.id_a, columns.id_b).where(
                    columns.entity == entity, columns.connection_a == connection, columns.connection_b == other
                )
            ).all()
        return {row[0]: row[1] for row in [*backward, *forward]}

    def by_hand(self, entity: str, connection: str, other: str) -> set[str]:
        """Ids of `connection` (A of the link) that a person linked to a record of `other`."""
        columns = cross_references.c
        query = sa.select(columns.id_a).where(
            columns.entity == entity,
            columns.connection_a == connection,
            columns.connection_b == other,
            columns.origin == "manual",
        )
        with self._database.read() as read:
            return set(read.execute(query).scalars())

    def adopted(self, entity: str, connection: str) -> dict[str, tuple[str, datetime]]:
        """Records of `connection` that carried no key of ours when they were linked: id to the other connection, and
        when that was."""
        with self._database.read() as read:
            rows = read.execute(_ADOPTED, {"of_entity": entity, "of_connection": connection})
            return {row.id_b: (row.connection_a, row.linked_at) for row in rows}

    def unlink(self, entity: str, connection_a: str, id_a: str, connection_b: str, scope_a: str = "") -> bool:
        """Forget a link; False where there is none."""
        columns = cross_references.c
        with self._database.write() as write:
            condition = sa.and_(
                columns.entity == entity,
                columns.connection_a == connection_a,
                columns.scope_a == scope_a,
                columns.id_a == id_a,
                columns.connection_b == connection_b,
            )
            return write.execute(sa.delete(cross_references).where(condition)).rowcount > 0


_ADOPTED = sa.select(cross_references.c.id_b, cross_references.c.connection_a, cross_references.c.linked_at).where(
    cross_references.c.entity == sa.bindparam("of_entity"),
    cross_references.c.connection_b == sa.bindparam("of_connection"),
    cross_references.c.origin == "adopted",
)


def _found(mine: str, its: str, *, scoped: bool) -> sa.Select[Any]:
    """Partners at side `its` of links, by ids at side `mine`; `scoped`: of one scope."""
    columns = cross_references.c
    query = sa.select(columns[f"id_{mine}"], columns[f"id_{its}"]).where(
        columns.entity == sa.bindparam("of_entity"),
        columns[f"connection_{mine}"] == sa.bindparam("of_connection"),
        columns[f"connection_{its}"] == sa.bindparam("of_other"),
        columns[f"id_{mine}"].in_(sa.bindparam("of_ids", expanding=True)),
    )
    return query.where(columns[f"scope_{mine}"] == sa.bindparam("of_scope")) if scoped else query


#: By whether a scope is given, the backward links first: of both, a forward one counts.
_FIND = {scoped: (_found("b", "a", scoped=scoped), _found("a", "b", scoped=scoped)) for scoped in (True, False)}
