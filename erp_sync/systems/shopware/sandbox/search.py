"""Finds and reads entities by criteria: ids in SQL, then rows with their associations, a query for each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from erp_sync.systems.shopware.sandbox import names
from erp_sync.systems.shopware.sandbox.criteria import Criteria
from erp_sync.systems.shopware.sandbox.database import Database, marks
from erp_sync.systems.shopware.sandbox.filters import Compiler, Sql
from erp_sync.systems.shopware.sandbox.schema.fields import Association, Entity

_CHUNK = 500
PAGES_AHEAD = 6

Row = dict[str, Any]


@dataclass
class Result:
    """Rows in their order, and the total as the criteria's mode counts it."""

    rows: list[Row]
    total: int
    ids: list[str] = field(default_factory=list)


class Reader:
    """Reads in one version and language. `inheritance` fills a variant's empty fields from its parent."""

    def __init__(
        self, database: Database, entities: Mapping[str, Entity], *, version: str = names.LIVE_VERSION,
        inheritance: bool = False,
    ) -> None:  # fmt: skip
        self.database, self.entities, self.version, self.inheritance = database, entities, version, inheritance

    def ids(self, entity: Entity, criteria: Criteria) -> Result:
        """Ids only."""
        condition, order = self._query(entity, criteria)
        text = f'SELECT e.id AS id FROM "{entity.name}" e WHERE {condition.text}'
        if criteria.grouping:
            keys = ", ".join(Compiler(self.entities).accessor(entity, "e", name).text for name in criteria.grouping)
            text += f" GROUP BY {keys}"
        paged = f"{text} ORDER BY {order}" if order else text
        ahead = criteria.limit is not None and criteria.total == 2
        if criteria.limit is not None:
            wanted = criteria.limit * PAGES_AHEAD + 1 if ahead else criteria.limit
            paged += f" LIMIT {wanted} OFFSET {criteria.offset}"
        found = self.database.column(paged, condition.values)
        total = len(found)
        if criteria.total == 1:
            total = self.database.value(f"SELECT count(*) FROM ({text})", condition.values)
        if ahead:
            found = found[: criteria.limit]
        if criteria.ids and not criteria.sorting:
            place = {identity: index for index, identity in enumerate(criteria.ids)}
            found.sort(key=lambda identity: place[identity])
        return Result([], total, found)

    def search(self, entity: Entity, criteria: Criteria) -> Result:
        """Rows with the associations that were asked for."""
        found = self.ids(entity, criteria)
        rows = self.read(entity, found.ids)
        self._associate(entity, rows, criteria)
        return Result(rows, found.total, found.ids)

    def one(self, entity: Entity, identity: str, criteria: Criteria | None = None) -> Row | None:
        rows = self.read(entity, [identity])
        self._associate(entity, rows, criteria or Criteria())
        return rows[0] if rows else None

    def read(self, entity: Entity, ids: Sequence[str]) -> list[Row]:
        """Rows in the order of their ids, printed form, without associations."""
        found: dict[str, Row] = {}
        for start in range(0, len(ids), _CHUNK):
            chunk = ids[start : start + _CHUNK]
            version, values = self._version(entity, "e")
            text = f'SELECT e.* FROM "{entity.name}" e WHERE e.id IN ({marks(chunk)}){version}'
            for row in self.database.rows(text, [*chunk, *values]):
                found[row["id"]] = entity.load(row)
        rows = [found[identity] for identity in ids if identity in found]
        if self.inheritance:
            self._inherit(entity, rows)
        return rows

    # -- the query -----------------------------------------------------------------------------------------------

    def _query(self, entity: Entity, criteria: Criteria) -> tuple[Sql, str]:
        compiler = Compiler(self.entities, inheritance=self.inheritance)
        condition = compiler.where(entity, "e", [*criteria.filters, *criteria.post_filters])
        version, values = self._version(entity, "e")
        text, bound = condition.text + version, [*condition.values, *values]
        if criteria.ids is not None:
            text += f" AND e.id IN ({marks(criteria.ids)})"
            bound += criteria.ids
        return Sql(text, bound), compiler.order(entity, "e", criteria.sorting)

    def _version(self, entity: Entity, alias: str) -> tuple[str, list[str]]:
        """Rows of the version; where it has none of an id, the live one (Context's version fallback)."""
        if not entity.versioned:
            return "", []
        if self.version == names.LIVE_VERSION:
            return f' AND {alias}."versionId" = ?', [names.LIVE_VERSION]
        other = f'SELECT 1 FROM "{entity.name}" v WHERE v.id = {alias}.id AND v."versionId" = ?'
        return (
            f' AND ({alias}."versionId" = ? OR ({alias}."versionId" = ? AND NOT EXISTS ({other})))',
            [self.version, names.LIVE_VERSION, self.version],
        )

    def _inherit(self, entity: Entity, rows: list[Row]) -> None:
        inherited = [one.name for one in entity.fields.values() if one.inherited]
        parents = {row["parentId"] for row in rows if row.get("parentId")} if inherited else set()
        if not parents:
            return
        own = Reader(self.database, self.entities, version=self.version)
        known = {row["id"]: row for row in own.read(entity, sorted(parents))}
        for row in rows:
            parent = known.get(row.get("parentId") or "")
            for name in inherited if parent else ():
                if row[name] is None and parent is not None:
                    row[name] = parent[name]

    # -- associations --------------------------------------------------------------------------------------------

    def _associate(self, entity: Entity, rows: list[Row], criteria: Criteria) -> None:
        wanted = dict(criteria.associations)
        for name in criteria.fields:
            self._wanted_by(entity, name, wanted)
        for known in entity.associations.values():
            if known.autoload and known.name not in wanted:
                wanted[known.name] = Criteria()
        for name, inner in wanted.items():
            known = entity.associations[name]
            if not rows:
                continue
            if known.many:
                self._to_many(entity, known, rows, inner)
            else:
                self._to_one(known, rows, inner)

    def _wanted_by(self, entity: Entity, path: str, wanted: dict[str, Criteria]) -> None:
        """Associations on the way of a path in `fields`."""
        name, _, rest = path.partition(".")
        if name in entity.associations and rest:
            inner = wanted.setdefault(name, Criteria())
            self._wanted_by(self.entities[entity.associations[name].entity], rest, inner.associations)

    def _to_one(self, known: Association, rows: list[Row], criteria: Criteria) -> None:
        other = self.entities[known.entity]
        keys = sorted({row[known.own] for row in rows if row.get(known.own)})
        if known.other == "id":
            found = {row["id"]: row for row in self.read(other, keys)}
        else:
            criteria_of_keys = Criteria(ids=None)
            ids = self._children(other, known.other, keys, criteria_of_keys)
            found = {row[known.other]: row for row in self.read(other, [identity for _, identity in ids])}
        self._associate(other, list(found.values()), criteria)
        for row in rows:
            row[known.name] = found.get(row.get(known.own) or "")

    def _to_many(self, entity: Entity, known: Association, rows: list[Row], criteria: Criteria) -> None:
        other = self.entities[known.entity]
        owners = [row["id"] for row in rows]
        if known.kind == "many_to_many":
            pairs = self._mapped(other, known, owners, criteria)
        else:
            pairs = self._children(other, known.other, owners, criteria)
        read = self.read(other, list(dict.fromkeys(identity for _, identity in pairs)))
        self._associate(other, read, criteria)
        by_id = {row["id"]: row for row in read}
        lists: dict[str, list[Row]] = {owner: [] for owner in owners}
        for owner, identity in pairs:
            lists[owner].append(by_id[identity])
        if self.inheritance and known.inherited:
            self._inherit_list(entity, known, rows, lists, criteria)
        for row in rows:
            found = lists[row["id"]]
            if criteria.limit is not None:
                found = found[criteria.offset : criteria.offset + criteria.limit]
            row[known.name] = found

    def _inherit_list(
        self, entity: Entity, known: Association, rows: list[Row], lists: dict[str, list[Row]], criteria: Criteria
    ) -> None:
        parents = [{"id": row["parentId"]} for row in rows if row.get("parentId") and not lists[row["id"]]]
        if not parents:
            return
        Reader(self.database, self.entities, version=self.version)._to_many(entity, known, parents, criteria)
        found = {parent["id"]: parent[known.name] for parent in parents}
        for row in rows:
            if not lists[row["id"]] and row.get("parentId") in found:
                lists[row["id"]] = found[row["parentId"]]

    def _children(self, other: Entity, back: str, owners: Sequence[str], criteria: Criteria) -> list[tuple[str, str]]:
        condition, order = self._query(other, criteria)
        pairs = []
        for start in range(0, len(owners), _CHUNK):
            chunk = owners[start : start + _CHUNK]
            text = f'SELECT e."{back}" AS owner, e.id AS id FROM "{other.name}" e '
            text += f'WHERE {condition.text} AND e."{back}" IN ({marks(chunk)}) ORDER BY {order or "e.id"}'
            pairs += [(row["owner"], row["id"]) for row in self.database.rows(text, [*condition.values, *chunk])]
        return pairs

    def _mapped(
        self, other: Entity, known: Association, owners: Sequence[str], criteria: Criteria
    ) -> list[tuple[str, str]]:
        condition, order = self._query(other, criteria)
        text = f'SELECT m."{known.near}" AS owner, e.id AS id FROM "{known.table}" m '
        text += f'JOIN "{other.name}" e ON e.id = m."{known.far}" '
        text += f'WHERE m."{known.near}" IN ({marks(owners)}) AND {condition.text} ORDER BY {order or "e.id"}'
        return [(row["owner"], row["id"]) for row in self.database.rows(text, [*owners, *condition.values])]
