"""Deletes entities with what hangs on them.

Facts: shopware/shopware src/Core/Framework/DataAbstractionLayer/Dbal/EntityForeignKeyResolver: an association says
whether its rows go along (cascade), are in the way (restrict), or lose their reference (null).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from erp_sync.systems.shopware.sandbox import errors, names
from erp_sync.systems.shopware.sandbox.database import Database
from erp_sync.systems.shopware.sandbox.schema import declared
from erp_sync.systems.shopware.sandbox.schema.fields import Entity
from erp_sync.systems.shopware.sandbox.writing.writer import Command


class Deleter:
    """Deletes rows of one version, inside a transaction."""

    def __init__(
        self, database: Database, entities: Mapping[str, Entity], *, version: str = names.LIVE_VERSION
    ) -> None:
        self.database, self.entities, self.version = database, entities, version

    def delete(self, entity: Entity, ids: Sequence[str]) -> tuple[list[Command], list[str]]:
        """What was deleted, cascades included, and the ids that were not there. Raises ShopwareError (409)."""
        done, absent = list[Command](), list[str]()
        for identity in ids:
            row = self._row(entity, identity)
            if row is None:
                absent.append(identity)
                continue
            self._refuse_used(entity, identity)
            self._delete(entity, row, done)
        return done, absent

    def refuse_used(self, entity: Entity, ids: Sequence[str]) -> None:
        """Before anything of a request is deleted (EntityWriter::extractDeleteCommands): what is in the way then is in
        the way, though the same request deletes it. Raises ShopwareError (409)."""
        for identity in ids:
            if self._row(entity, identity) is not None:
                self._refuse_used(entity, identity)

    def _row(self, entity: Entity, identity: str) -> dict[str, Any] | None:
        keys = {"id": identity, "versionId": self.version} if entity.versioned else {"id": identity}
        where = " AND ".join(f'"{name}" = ?' for name in keys)
        return self.database.row(f'SELECT * FROM "{entity.name}" WHERE {where}', list(keys.values()))

    def _refuse_used(self, entity: Entity, identity: str) -> None:
        usages: Counter[str] = Counter()
        for known in entity.associations.values():
            if known.delete == "restrict":
                count = self.database.value(
                    f'SELECT count(*) FROM "{known.entity}" WHERE "{known.other}" = ?', [identity]
                )
                if count:
                    usages[known.entity] += count
        if usages:
            raise errors.restricted(entity.name, usages)

    def _delete(self, entity: Entity, row: dict[str, Any], done: list[Command]) -> None:
        identity = row["id"]
        for known in entity.associations.values():
            if known.kind == "many_to_many":
                self.database.delete(known.table, {known.near: identity})
            if known.delete not in ("cascade", "null"):
                continue
            other = self.entities[known.entity]
            for child in self._children(other, known.other, identity):
                if known.delete == "cascade":
                    self._delete(other, child, done)
                else:
                    keys = {name: child[name] for name in other.keys}
                    self.database.update(other.name, keys, {known.other: None})
        keys = {name: row[name] for name in entity.keys}
        self.database.delete(entity.name, keys)
        done.append(Command(entity, "delete", (identity, self.version), {}, before=row))

    def _children(self, other: Entity, back: str, identity: str) -> list[dict[str, Any]]:
        text, values = f'SELECT * FROM "{other.name}" WHERE "{back}" = ?', [identity]
        if other.versioned:
            text, values = f'{text} AND "versionId" = ?', [*values, self.version]
        return self.database.rows(text, values)


def mapping(name: str) -> tuple[str, str] | None:
    """Fields of a mapping entity that sync may name, e.g. product_category."""
    return declared.MAPPING_TABLES.get(name)
