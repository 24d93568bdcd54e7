"""The entities that the sandbox keeps: the published contract, completed by the vendor's definitions."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from erp_sync.systems.shopware.sandbox.contract.make import ENTITIES, TARGET
from erp_sync.systems.shopware.sandbox.schema import declared
from erp_sync.systems.shopware.sandbox.schema.fields import Association, Entity, Field, FieldKind

_NAMES = {schema: name for name, schema in ENTITIES.items()}
_REF = "#/components/schemas/"


@cache
def published() -> dict[str, Any]:
    """The cut contract as it ships."""
    found: dict[str, Any] = json.loads(TARGET.read_text(encoding="utf-8"))
    return found


@cache
def entities() -> Mapping[str, Entity]:
    """All entities by the name that sync calls them."""
    schemas = published()["schemas"]
    fields = {name: {one.name: one for one in _fields(name, schemas[schema])} for name, schema in ENTITIES.items()}
    return {
        name: Entity(
            name,
            schema,
            fields[name],
            {one.name: one for one in _associations(name, schemas[schema], fields)},
            versioned="versionId" in schemas[schema]["properties"],
            unique=declared.UNIQUE.get(name, ()),
        )
        for name, schema in ENTITIES.items()
    }


def entity(name: str) -> Entity | None:
    return entities().get(name)


def by_path(path: str) -> Entity | None:
    """The entity of a resource in a URL: ``order-delivery`` is order_delivery."""
    return entities().get(path.replace("-", "_")) if "_" not in path else None


def statements() -> list[str]:
    """SQL that makes all tables."""
    made = [statement for one in entities().values() for statement in one.statements()]
    for table, (near, far) in sorted(declared.MAPPING_TABLES.items()):
        made.append(f'CREATE TABLE "{table}" ("{near}" TEXT, "{far}" TEXT, PRIMARY KEY ("{near}", "{far}"))')
        made.append(f'CREATE INDEX "idx.{table}.{far}" ON "{table}" ("{far}")')
    return made


def _target(schema: Mapping[str, Any]) -> tuple[str, bool] | None:
    """Entity that a property is an association to, and whether to many."""
    many = schema.get("type") == "array"
    reference = (schema.get("items", {}) if many else schema).get("$ref", "")
    name = _NAMES.get(reference.removeprefix(_REF))
    return None if name is None else (name, many)


def _kind(name: str, schema: Mapping[str, Any]) -> FieldKind:
    kind = schema.get("type")
    if kind == "array":
        return "price" if schema.get("items", {}).get("$ref") == f"{_REF}Price" else "list"
    if kind in ("integer", "boolean", "number"):
        return {"integer": "int", "boolean": "bool", "number": "float"}[kind]  # type: ignore[return-value]
    if kind == "object":
        return "custom" if name == "customFields" else "json"
    if schema.get("format") == "date-time":
        return "time"
    if "pattern" in schema:
        return "version" if name.lower().endswith("versionid") else "id"
    return "string"


def _fields(name: str, schema: Mapping[str, Any]) -> Iterator[Field]:
    properties, required = schema["properties"], set(schema.get("required", ()))
    defaults, inherited = declared.DEFAULTS.get(name, {}), declared.INHERITED.get(name, frozenset())
    for key, value in properties.items():
        if _target(value) is not None or key in ("translated", "extensions"):
            continue
        if "$ref" in value or (value.get("type") == "array" and "items" not in value):
            continue
        kind = _kind(key, value)
        if (name, key) == declared.CUSTOM_PRICE_LIST:
            kind = "list"
        generated = key in declared.GENERATED.get(name, {})
        yield Field(
            key,
            kind,
            required=key in required and (name, key) not in declared.OPTIONAL and key != "id",
            protected=bool(value.get("readOnly")) or generated,
            inherited=key in inherited,
            reference=_reference(name, key, properties) if kind == "id" else None,
            constrained=(name, key) not in declared.UNCONSTRAINED,
            increment=key == "autoIncrement",
            default=defaults.get(key),
            translated=key in declared.TRANSLATED.get(name, ()),
        )
    yield from declared.ADDED.get(name, ())


def _reference(name: str, key: str, properties: Mapping[str, Any]) -> str | None:
    if key == "id":
        return None
    if (name, key) in declared.REFERENCES:
        return declared.REFERENCES[name, key]
    target = _target(properties.get(key.removesuffix("Id"), {}))
    return target[0] if target and not target[1] else None


def _associations(
    name: str, schema: Mapping[str, Any], fields: Mapping[str, Mapping[str, Field]]
) -> Iterator[Association]:
    for key, value in schema["properties"].items():
        found = _target(value)
        if found is None:
            continue
        other, many = found
        made = _association(name, key, other, many, fields)
        if made is not None:
            yield made


def _association(
    name: str, key: str, other: str, many: bool, fields: Mapping[str, Mapping[str, Field]]
) -> Association | None:
    delete = declared.ON_DELETE.get((name, key), "")
    common: dict[str, Any] = {
        "delete": delete,
        "autoload": (name, key) in declared.AUTOLOAD,
        "inherited": key in declared.INHERITED.get(name, ()),
    }
    if (name, key) in declared.MAPPINGS:
        table, near, far = declared.MAPPINGS[name, key]
        return Association(key, "many_to_many", other, table=table, near=near, far=far, **common)
    if (name, key) in declared.ONE_TO_ONE:
        own, back = declared.ONE_TO_ONE[name, key]
        return Association(key, "one_to_one", other, own=own, other=back, **common)
    if not many:
        own = "stateId" if key == "stateMachineState" else f"{key}Id"
        return Association(key, "to_one", other, own=own, **common) if own in fields[name] else None
    back_field = declared.BACK.get((name, key)) or _back(name, key, other, fields)
    return None if back_field is None else Association(key, "to_many", other, other=back_field, **common)


def _back(name: str, key: str, other: str, fields: Mapping[str, Mapping[str, Field]]) -> str | None:
    if key == "children":
        return "parentId"
    back = [one.name for one in fields[other].values() if one.reference == name and one.name != "parentId"]
    return back[0] if len(back) == 1 else None
