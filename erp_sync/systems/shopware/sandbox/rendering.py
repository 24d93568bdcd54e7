"""Entities as the Admin API prints them: plain JSON, or JSON:API where the client does not ask for plain JSON.

Facts: shopware/shopware src/Core/Framework/Api/Serializer (JsonEntityEncoder, JsonApiEncoder) and
Api/Response/Type/Api; what an association holds that was not loaded is printed as null.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from erp_sync.systems.shopware.sandbox.criteria import Criteria
from erp_sync.systems.shopware.sandbox.schema.fields import Entity

Row = Mapping[str, Any]
JSON, JSON_API = "application/json", "application/vnd.api+json"


def media_type(accept: str) -> str:
    """What an Accept header gets; without one, or with anything, JSON:API."""
    wanted = [part.split(";")[0].strip() for part in accept.split(",")]
    for one in wanted:
        if one == JSON:
            return JSON
        if one in (JSON_API, "*/*", ""):
            return JSON_API
    return JSON_API


class Printer:
    """Prints rows that `search.Reader` read for the same criteria."""

    def __init__(self, entities: Mapping[str, Entity], criteria: Criteria, base_url: str) -> None:
        self._entities, self._criteria, self._base = entities, criteria, base_url

    # -- plain JSON ----------------------------------------------------------------------------------------------

    def plain(self, entity: Entity, row: Row, fields: Sequence[str] | None = None) -> dict[str, Any]:
        chosen = self._criteria.fields if fields is None else fields
        made = self._values(entity, row, chosen)
        for known in entity.associations.values():
            if known.name not in row:
                if not chosen:
                    made[known.name] = None
                continue
            inner = [path.partition(".")[2] for path in chosen if path.startswith(f"{known.name}.")]
            other, value = self._entities[known.entity], row[known.name]
            if isinstance(value, list):
                made[known.name] = [self.plain(other, one, inner) for one in value]
            else:
                made[known.name] = None if value is None else self.plain(other, value, inner)
        if entity.translated:
            made["translated"] = {name: made[name] for name in entity.translated if name in made}
        made["_uniqueIdentifier"] = row["id"]
        if not chosen:
            made["extensions"] = {}
        made = self._included(entity, made)
        made["apiAlias"] = entity.name
        return made

    def _values(self, entity: Entity, row: Row, chosen: Sequence[str]) -> dict[str, Any]:
        """`fields` names what is read; the id and keys of what it goes through are read anyway."""
        own = {name.partition(".")[0] for name in chosen} | {"id"}
        return {
            name: row[name]
            for name, known in entity.fields.items()
            if known.printed and name in row and (not chosen or name in own)
        }

    def _included(self, entity: Entity, made: dict[str, Any]) -> dict[str, Any]:
        includes, excludes = self._criteria.includes or {}, self._criteria.excludes or {}
        if entity.name in includes:
            made = {name: value for name, value in made.items() if name in includes[entity.name]}
        if entity.name in excludes:
            made = {name: value for name, value in made.items() if name not in excludes[entity.name]}
        return made

    # -- JSON:API ------------------------------------------------------------------------------------------------

    def resources(self, entity: Entity, rows: Sequence[Row]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """The rows as resources, and those that are included with them, each once."""
        included: dict[tuple[str, str], dict[str, Any]] = {}
        data = [self._resource(entity, row, included) for row in rows]
        own = {(entity.name, row["id"]) for row in rows}
        return data, [one for key, one in included.items() if key not in own]

    def _resource(self, entity: Entity, row: Row, included: dict[tuple[str, str], dict[str, Any]]) -> dict[str, Any]:
        here = f"{self._base}/{entity.path}/{row['id']}"
        attributes = {name: value for name, value in self._values(entity, row, ()).items() if name != "id"}
        if entity.translated:
            attributes["translated"] = {name: attributes[name] for name in entity.translated}
        relationships = {}
        for known in entity.associations.values():
            relationships[known.name] = {
                "data": self._linkage(known.entity, row.get(known.name), known.many, included),
                "links": {"related": f"{here}/{_dashed(known.name)}"},
            }
        made: dict[str, Any] = {
            "id": row["id"], "type": entity.name, "attributes": self._included(entity, attributes),
            "links": {"self": here}, "relationships": self._included(entity, relationships),
            "meta": None,
        }  # fmt: skip
        return {name: value for name, value in made.items() if value is not None}

    def _linkage(self, name: str, value: Any, many: bool, included: dict[tuple[str, str], dict[str, Any]]) -> Any:
        other = self._entities[name]
        rows = value if isinstance(value, list) else [value] if value is not None else []
        for one in rows:
            if (name, one["id"]) not in included:
                included[name, one["id"]] = {}
                included[name, one["id"]] = self._resource(other, one, included)
        found = [{"type": name, "id": one["id"]} for one in rows]
        return found if many else next(iter(found), None)


def _dashed(name: str) -> str:
    return "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in name)
