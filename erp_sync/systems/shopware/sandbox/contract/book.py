"""Contracts of all operations: the published one, completed where it is silent or contradicts what the vendor does.

What is added to the published schemas, everywhere with its reason:

- Every property may be null: the file knows no null, the API prints it for what is empty and takes it.
- An object without properties may be a list: PHP prints an empty one as ``[]``.
- Read entities carry `apiAlias` and `_uniqueIdentifier` (Api/Serializer/JsonEntityEncoder.php) and the fields of the
  definitions that the file leaves out (`schema.declared.ADDED`). Nothing is required: `includes` and `fields` choose.
- Written entities may hold a foreign key resolver for an id (docs, sync; Api/Sync/SyncFkResolver.php) and
  `translations`; nothing is required, since an upsert may be an update.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from erp_sync.sandbox.contract import OWN, PUBLISHED, ContractBook, OperationContract, Side, closed
from erp_sync.systems.shopware.sandbox.contract import store
from erp_sync.systems.shopware.sandbox.contract.make import ENTITIES
from erp_sync.systems.shopware.sandbox.routing import Route
from erp_sync.systems.shopware.sandbox.schema import declared, published
from erp_sync.systems.shopware.sandbox.schema.fields import Field

_ERRORS = "ErrorResponseFactory.php and WriteConstraintViolationException.php; the published schema contradicts both"
_NO_BODY = Side(PUBLISHED, None)
_ID = {"type": "string", "pattern": "^[0-9a-f]{32}$"}
_RESOLVER = {
    "type": "object", "required": ["resolver", "value"],
    "properties": {"resolver": {"type": "string"}, "value": {}, "nullOnMissing": {"type": "boolean"}},
}  # fmt: skip
_OPEN = {"type": ["object", "array"]}
_TYPES: Mapping[str, Any] = {
    "string": {"type": "string"}, "list": {"type": "array", "items": {"type": "string"}}, "int": {"type": "integer"},
    "password": {"type": "string"},
}  # fmt: skip


_VERSIONS = "ApiController.php, OrderRecalculationController.php; not in the published file"
_TEXT: dict[str, Any] = {"type": ["string", "null"]}
_RULES = {"type": "array", "items": closed(
    {"type": "object", "properties": {"taxRate": {"type": "number"}, "percentage": {"type": "number"}}}
)}  # fmt: skip
_LINE = closed({
    "type": "object",
    "properties": {
        "identifier": _TEXT, "type": _TEXT, "label": _TEXT, "description": _TEXT, "quantity": {"type": "integer"},
        "priceDefinition": {"type": "object", "properties": {
            "price": {"type": "number"}, "quantity": {"type": "integer"}, "taxRules": _RULES, "type": _TEXT,
        }},
    },
})  # fmt: skip
#: Body and answer of the actions on drafts; an answer of None is a 204.
_UNPUBLISHED: Mapping[str, tuple[Any, Any]] = {
    "version.create": (
        closed({"type": "object", "properties": {"versionId": _ID, "versionName": _TEXT}}),
        closed({"type": "object", "properties": {"versionId": _ID, "versionName": _TEXT, "id": _ID, "entity": _TEXT}}),
    ),
    "version.merge": (None, None),
    "version.delete": (None, closed({"type": "object", "properties": {}})),
    "order.recalculate": (None, None),
    "order.add-product": (closed({"type": "object", "properties": {"quantity": {"type": "integer"}}}), None),
    "order.add-line-item": (_LINE, None),
    "order.add-credit-item": (_LINE, None),
}  # fmt: skip


def contract_book(routes: Iterable[Route]) -> ContractBook:
    """A contract of every route."""
    definitions = _definitions()
    operations = {one.name: _operation(one) for one in routes}
    return ContractBook(operations, definitions)


# -- definitions ---------------------------------------------------------------------------------------------------


def _definitions() -> dict[str, Any]:
    schemas = published()["schemas"]
    made: dict[str, Any] = {}
    for name, schema in ENTITIES.items():
        made[schema] = closed(_entity(name, schemas[schema], writing=False))
        made[f"{schema}Write"] = closed(_entity(name, schemas[schema], writing=True))
    for name in ("Criteria", "EqualsFilter", "Excludes", "Filters", "Includes", "MultiNotFilter", "RangeFilter",
                 "SimpleFilter", "Associations", "Price", "CustomPricingPrice", "CustomPricingUpsertOperation",
                 "CustomPricingDeleteOperation", "CustomPricingResponse", "resource", "links", "link", "meta",
                 "attributes", "relationships", "relationshipToOne", "relationshipToMany", "relationshipLinks",
                 "linkage"):  # fmt: skip
        made[name] = closed(_referred(schemas[name]))
    made["Criteria"]["properties"]["aggregations"] = {}
    made["Price"]["properties"]["percentage"] = {}
    for part in ("listPrice", "regulationPrice"):
        made["Price"]["properties"][part]["properties"]["percentage"] = {}
    _custom_prices(made)
    made["resource"].pop("additionalProperties", None)
    made["relationships"] = {"type": "object"}
    made["links"] = {"type": "object"}
    made["Error"] = closed(_error())
    return made | store.definitions(made["Product"])


def _custom_prices(made: dict[str, Any]) -> None:
    """The file requires `prices` where it and the docs define `price`; a delete is lists of ids by name (docs)."""
    row = made["CustomPricingUpsertOperation"]["properties"]["payload"]["items"]
    row["required"] = ["productId", "price"]
    row["properties"] = {key: _nullable(value) for key, value in row["properties"].items()}
    tier = made["CustomPricingPrice"]["properties"]
    tier["quantityEnd"] = _nullable(tier["quantityEnd"])
    lists = {key: {"type": "array", "items": _ID} for key in ("productIds", "customerIds", "customerGroupIds")}
    made["CustomPricingDeleteOperation"]["properties"]["payload"]["items"] = closed(
        {"type": "object", "properties": lists}
    )
    data = made["CustomPricingResponse"]["properties"]["data"]["items"]
    data["properties"]["extensions"] = dict(_OPEN)


def _referred(schema: Any) -> Any:
    """References as the book wants them."""
    if isinstance(schema, dict):
        return {
            key: f"#/$defs/{value.rpartition('/')[2]}" if key == "$ref" and isinstance(value, str) else _referred(value)
            for key, value in schema.items()
        }
    return [_referred(part) for part in schema] if isinstance(schema, list) else schema


def _entity(name: str, schema: Mapping[str, Any], *, writing: bool) -> dict[str, Any]:
    properties: dict[str, Any] = {}
    for key, value in schema["properties"].items():
        if writing and value.get("readOnly"):
            continue
        properties[key] = _nullable(_property(value, writing=writing))
        if (name, key) == declared.CUSTOM_PRICE_LIST:
            properties[key] = _nullable({"type": "array", "items": {"$ref": "#/$defs/CustomPricingPrice"}})
    for known in declared.ADDED.get(name, ()):
        if known.printed or (writing and known.kind == "password"):
            properties[known.name] = _nullable(_added(known))
    if writing:
        properties["translations"] = dict(_OPEN)
    else:
        properties |= {"apiAlias": {"type": "string"}, "_uniqueIdentifier": {"type": "string"}}
        properties["extensions"] = dict(_OPEN)
        properties["translated"] = dict(_OPEN)
    return {"type": "object", "properties": properties}


def _added(known: Field) -> dict[str, Any]:
    return dict(_TYPES[known.kind])


def _property(schema: Mapping[str, Any], *, writing: bool) -> dict[str, Any]:
    made: dict[str, Any] = _referred({key: value for key, value in schema.items() if key != "readOnly"})
    if writing:
        _write_references(made)
    if made.get("type") == "object" and "properties" not in made:
        return dict(_OPEN)
    if made.get("type") == "array" and "items" not in made:
        return dict(_OPEN)
    items = made.get("items")
    if isinstance(items, dict) and items.get("type") == "object" and "properties" not in items:
        made["items"] = {"type": "string"}  # lists of texts (ListField) that the file calls objects
    if "properties" in made:
        inner = made["properties"]
        made["properties"] = {key: _nullable(_property(value, writing=False)) for key, value in inner.items()}
        if not writing:
            made.pop("required", None)
            made["properties"]["apiAlias"] = {"type": "string"}
    if writing and "pattern" in made and "$ref" not in made:
        return {"anyOf": [made, dict(_RESOLVER)]}
    return made


def _write_references(made: dict[str, Any]) -> None:
    for holder in (made, made.get("items", {})):
        name = holder.get("$ref", "").rpartition("/")[2] if isinstance(holder, dict) else ""
        if name in ENTITIES.values():
            holder["$ref"] = f"#/$defs/{name}Write"


def _nullable(schema: dict[str, Any]) -> dict[str, Any]:
    kind = schema.get("type")
    if "enum" in schema:
        return {**schema, "type": [kind, "null"], "enum": [*schema["enum"], None]}
    if isinstance(kind, str) and kind in ("string", "integer", "number", "boolean"):
        return {**schema, "type": [kind, "null"]}
    return (
        {"anyOf": [schema, {"type": "null"}]}
        if "anyOf" not in schema
        else {"anyOf": [*schema["anyOf"], {"type": "null"}]}
    )


def _error() -> dict[str, Any]:
    error = {
        "type": "object", "required": ["code", "status", "detail"],
        "properties": {
            "code": {"type": "string"}, "status": {"type": "string"}, "title": {"type": "string"},
            "detail": {"type": ["string", "null"]}, "template": {"type": "string"},
            "meta": {"type": "object", "properties": {"parameters": dict(_OPEN)}},
            "source": {"type": "object", "properties": {"pointer": {"type": "string"}}},
        },
    }  # fmt: skip
    return {"type": "object", "required": ["errors"], "properties": {"errors": {"type": "array", "items": error}}}


# -- operations ----------------------------------------------------------------------------------------------------


def _operation(route: Route) -> OperationContract:
    entity, _, verb = route.name.rpartition(".")
    refusals = Side(OWN, {"$ref": "#/$defs/Error"}, _ERRORS)
    responses: dict[str, Side] = {"4XX": refusals, "5XX": refusals}
    if route.name.startswith("store-api."):
        return store.operation(route.name, refusals)
    if entity in ENTITIES and "/_action/" not in route.template:
        request = _resource(ENTITIES[entity], verb, responses)
        query = Side(OWN, {"type": "object"}, "any property may be a query parameter of a GET (PHP)")
        writes = Side(OWN, closed({"type": "object", "properties": {"_response": {"type": "string"}}}),
                      "the published query parameter _response")  # fmt: skip
        return OperationContract(request, responses, query if verb == "list" else writes)
    request = _action(route, responses)
    preview = Side(OWN, closed({"type": "object", "properties": {"preview": {"type": "string"}}}), "published: preview")
    none = Side(OWN, closed({"type": "object", "properties": {}}), "no query")
    return OperationContract(request, responses, preview if route.name == "number-range.reserve" else none)


def _listing(schema: str) -> dict[str, Any]:
    plain = closed({
        "type": "object", "required": ["total", "data"],
        "properties": {
            "total": {"type": "integer"}, "data": {"type": "array", "items": {"$ref": f"#/$defs/{schema}"}},
            "aggregations": dict(_OPEN),
        },
    })  # fmt: skip
    return {"anyOf": [plain, _json_api({"type": "array", "items": {"$ref": "#/$defs/resource"}})]}


def _json_api(data: dict[str, Any]) -> dict[str, Any]:
    """The published `success`, with the aggregations that JsonApiType prints."""
    return closed({
        "type": "object", "required": ["data"],
        "properties": {
            "data": data, "included": {"type": "array", "items": {"$ref": "#/$defs/resource"}},
            "links": {"$ref": "#/$defs/links"}, "meta": {"$ref": "#/$defs/meta"}, "aggregations": dict(_OPEN),
        },
    })  # fmt: skip


def _resource(schema: str, verb: str, responses: dict[str, Side]) -> Side:
    detail = {
        "anyOf": [
            closed({"type": "object", "required": ["data"], "properties": {"data": {"$ref": f"#/$defs/{schema}"}}}),
            _json_api({"$ref": "#/$defs/resource"}),
        ]
    }
    if verb in ("search", "list"):
        responses["200"] = Side(PUBLISHED, _listing(schema))
    elif verb == "search-ids":
        ids = {"type": "object", "required": ["total", "data"],
               "properties": {"total": {"type": "integer"}, "data": {"type": "array", "items": _ID}}}  # fmt: skip
        responses["200"] = Side(OWN, closed(ids), "ApiController.php (searchIds)")
    elif verb == "delete":
        responses["204"] = _NO_BODY
    else:
        responses["200"] = Side(PUBLISHED, detail)
        if verb != "read":
            responses["204"] = _NO_BODY
    if verb in ("search", "search-ids"):
        return Side(PUBLISHED, {"$ref": "#/$defs/Criteria"})
    return Side(PUBLISHED, {"$ref": f"#/$defs/{schema}Write"}) if verb in ("create", "update") else _NO_BODY


def _action(route: Route, responses: dict[str, Side]) -> Side:
    name = route.name
    if name == "oauth.token":
        responses["200"] = Side(PUBLISHED, _published_answer("post /oauth/token"))
        return Side(PUBLISHED, closed({
            "type": "object", "required": ["grant_type", "client_id", "client_secret"],
            "properties": {key: {"type": "string"} for key in ("grant_type", "client_id", "client_secret", "scope")},
        }))  # fmt: skip
    if name == "sync":
        key = {"anyOf": [_ID, {"type": "object", "additionalProperties": _ID}]}
        grouped = {"anyOf": [{"type": "object", "additionalProperties": {"type": "array", "items": key}},
                             {"type": "array", "maxItems": 0}]}  # fmt: skip
        done = {"type": "object", "required": ["data", "notFound", "deleted"],
                "properties": {"data": grouped, "notFound": grouped, "deleted": grouped,
                               "extensions": dict(_OPEN)}}  # fmt: skip
        responses["200"] = Side(OWN, closed(done), "SyncResult.php: a Struct prints extensions, an empty list as []")
        return Side(PUBLISHED, _sync())
    if name == "number-range.reserve":
        responses["200"] = Side(PUBLISHED, _published_answer("get /_action/number-range/reserve/{type}/{saleschannel}"))
        return _NO_BODY
    if name == "info.version":
        responses["200"] = Side(PUBLISHED, _published_answer("get /_info/version"))
        return _NO_BODY
    if name == "custom-price":
        answer = published()["actions"]["post /_action/custom-price"]["responses"]["200"]["content"]
        responses["200"] = Side(PUBLISHED, _referred(answer["application/json"]["schema"]))
        return Side(PUBLISHED, {"type": "array", "items": {"anyOf": [
            {"$ref": "#/$defs/CustomPricingUpsertOperation"}, {"$ref": "#/$defs/CustomPricingDeleteOperation"},
        ]}})  # fmt: skip
    if name in _UNPUBLISHED:
        wanted, given = _UNPUBLISHED[name]
        responses["204" if given is None else "200"] = Side(OWN, given, _VERSIONS)
        return Side(OWN, wanted, _VERSIONS)
    if name == "index-products":
        responses["204"] = _NO_BODY
        ids = closed({"type": "object", "properties": {"ids": {"type": "array", "items": _ID}}})
        return Side(OWN, ids, "fact sheet, section 11; the published operation has no body")
    if name.endswith(".state"):
        responses["200"] = Side(
            OWN, {"$ref": "#/$defs/StateMachineState"}, "OrderActionController.php: the state reached"
        )
        body = published()["actions"]["post /_action/order/{orderId}/state/{transition}"]["requestBody"]
        schema = dict(_referred(body["content"]["application/json"]["schema"]))
        schema["properties"] = {**schema["properties"], "sendMail": {"type": "boolean"}}
        return Side(PUBLISHED, {"anyOf": [closed(schema), {"type": "null"}]})
    raise KeyError(f"no contract for {name}")


def _published_answer(action: str) -> dict[str, Any]:
    found = published()["actions"][action]["responses"]["200"]["content"]["application/json"]["schema"]
    made: dict[str, Any] = closed(_referred(found))
    return made


def _sync() -> dict[str, Any]:
    """Operations by entity: the published body leaves rows open, but rows are entities, which are published."""
    key = {"key": {"type": "string"}}
    upserts = [
        closed({
            "type": "object", "required": ["entity", "action", "payload"],
            "properties": {
                **key, "entity": {"const": name}, "action": {"const": "upsert"},
                "payload": {"type": "array", "items": {"$ref": f"#/$defs/{schema}Write"}},
            },
        })
        for name, schema in ENTITIES.items()
    ]  # fmt: skip
    pairs = [
        closed({
            "type": "object", "required": ["entity", "action", "payload"],
            "properties": {
                **key, "entity": {"const": table}, "action": {"const": "upsert"},
                "payload": {"type": "array", "items": {"type": "object", "properties": {near: _ID, far: _ID}}},
            },
        })
        for table, (near, far) in declared.MAPPING_TABLES.items()
    ]  # fmt: skip
    delete = closed({
        "type": "object", "required": ["entity", "action"],
        "properties": {
            **key, "entity": {"type": "string"}, "action": {"const": "delete"},
            "payload": {"type": "array", "items": {}}, "criteria": {"$ref": "#/$defs/Filters"},
        },
    })  # fmt: skip
    operation = {"anyOf": [*upserts, *pairs, delete]}
    return {"anyOf": [{"type": "array", "items": operation}, {"type": "object", "additionalProperties": operation}]}
