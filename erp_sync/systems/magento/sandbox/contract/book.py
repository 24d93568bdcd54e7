"""The contract of every operation, for the kit's check of both sides of each exchange.

Checked by the published contract: bodies of requests, and answers with status 200. By schemas of ours: errors, empty
answers, asynchronous answers, since the Swagger has no shape or a wrong one for them; each names its source. Where life
and the Swagger differ, the published schema is relaxed in these ways and no other:

- a request may leave out properties of a data interface: `required` marks getters that are never null, and Magento
  asks for arguments of the service only; an argument may be spelt in snake case, too;
- a property that is always there may be null in an answer (`DataObjectProcessor` prints required getters that way);
- `fields` trims answers of GET, so nothing is required there;
- values of custom attributes and a payment's additional data are declared as text and are of any type.
"""

from __future__ import annotations

from typing import Any

from erp_sync.sandbox.contract import (
    NOT_CHECKABLE,
    OWN,
    PUBLISHED,
    ContractBook,
    OperationContract,
    Side,
)
from erp_sync.systems.magento.sandbox.contract.definitions import Contract, load, snake
from erp_sync.systems.magento.sandbox.routing import Route

ERROR_SOURCE = (
    "magento/magento2 Framework/Webapi/ErrorProcessor and Rest/Response: message, parameters, errors, code, trace"
)
VOID_SOURCE = "a service without a result answers [] (magento/magento2 Framework/Webapi/ServiceOutputProcessor)"
ASYNC_SOURCE = (
    "developer.adobe.com/commerce/webapi/rest/use-rest/asynchronous-web-endpoints; the request is the synchronous one's"
)
SALABLE_SOURCE = (
    "magento/inventory InventoryExportStockApi ProductStockIndexDataInterface; the Swagger says object only"
)

_FREE = {("framework-attribute-interface", "value"), ("quote-data-payment-interface", "additional_data")}

_PARAMETERS: dict[str, Any] = {"type": ["object", "array"]}
ERROR: dict[str, Any] = {
    "type": "object",
    "required": ["message"],
    "additionalProperties": False,
    "properties": {
        "message": {"type": "string"},
        "parameters": _PARAMETERS,
        "code": {"type": "integer"},
        "trace": {"type": ["string", "null"]},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["message"],
                "additionalProperties": False,
                "properties": {"message": {"type": "string"}, "parameters": _PARAMETERS},
            },
        },
    },
}
ACCEPTED: dict[str, Any] = {
    "type": "object",
    "required": ["bulk_uuid", "request_items", "errors"],
    "additionalProperties": False,
    "properties": {
        "bulk_uuid": {"type": "string", "pattern": "^[0-9a-f-]{36}$"},
        "errors": {"type": "boolean"},
        "request_items": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["id", "data_hash", "status"],
                "additionalProperties": False,
                "properties": {
                    "id": {"type": "integer"},
                    "data_hash": {"type": ["string", "null"]},
                    "status": {"enum": ["accepted", "rejected"]},
                    "error_message": {"type": "string"},
                    "error_code": {"type": "integer"},
                },
            },
        },
    },
}
SALABLE: dict[str, Any] = {
    "type": "object",
    "required": ["sku", "qty", "is_salable"],
    "additionalProperties": False,
    "properties": {"sku": {"type": "string"}, "qty": {"type": "number"}, "is_salable": {"type": "boolean"}},
}


def contract_book(routes: list[Route]) -> ContractBook:
    """Contracts of these routes, called synchronously, asynchronously and in bulk."""
    contract = load()
    definitions: dict[str, Any] = {}
    for name, definition in contract.definitions.items():
        for side in ("in", "get", "out"):
            definitions[f"{side}.{name}"] = _translated(contract, name, definition, side)
    errors = Side(OWN, ERROR, ERROR_SOURCE)
    web_tier = Side(NOT_CHECKABLE, note="HTML of the web server before Magento")
    common = {"default": errors, "502": web_tier, "503": web_tier, "504": web_tier}
    operations = {"unknown": OperationContract(Side(NOT_CHECKABLE, note="no such route"), common)}
    public_key = Side(NOT_CHECKABLE, note="a PEM file, in life of another host")
    no_query = Side(OWN, {"type": "object", "additionalProperties": False}, "the key's address has no query")
    operations["events.public-key"] = OperationContract(Side(PUBLISHED, None), {"200": public_key}, no_query)
    for entry in routes:
        request = _request(contract, entry)
        responses = {**common, "200": _answer(contract, entry)}
        query = Side(PUBLISHED, _query(contract, entry))
        operations[entry.name] = OperationContract(request, responses, query)
        if not entry.asynchronous:
            continue
        accepted = {**common, "202": Side(OWN, ACCEPTED, ASYNC_SOURCE)}
        operations[asynchronous_name(entry, "async")] = OperationContract(request, accepted, query)
        operations[asynchronous_name(entry, "async/bulk")] = OperationContract(
            _bulk_request(entry, request), accepted, query
        )
    return ContractBook(operations, definitions)


def asynchronous_name(entry: Route, mode: str) -> str:
    """Name of the operation's asynchronous twin: ``PUT /async/bulk/V1/products/bySku``."""
    template = entry.template
    if mode == "async/bulk":
        parts = (f"by{part[1].upper()}{part[2:-1]}" if part.startswith("{") else part for part in template.split("/"))
        template = "/".join(parts)
    return f"{entry.method} /{mode}{template}"


def _translated(contract: Contract, name: str, definition: dict[str, Any], side: str) -> dict[str, Any]:
    """A Swagger definition as a closed JSON schema for one side."""
    if definition.get("type") == "array":
        return {"type": "array", "items": _schema(definition["items"], side, (name, ""), nullable=False)}
    required = set(definition.get("required", ()))
    properties = definition.get("properties")
    if properties is None:
        return {"type": ["object", "array"], "maxProperties": 0, "maxItems": 0}  # an empty map prints as []
    result: dict[str, Any] = {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            key: _schema(value, side, (name, key), nullable=side != "in" and key in required)
            for key, value in properties.items()
        },
    }
    if side == "out" and required:
        result["required"] = sorted(required)
    return result


def _schema(schema: dict[str, Any], side: str, where: tuple[str, str], *, nullable: bool) -> dict[str, Any]:
    if where in _FREE:
        return {}
    if "$ref" in schema:
        reference = {"$ref": f"#/$defs/{side}.{schema['$ref'].rpartition('/')[2]}"}
        return {"anyOf": [reference, {"type": "null"}]} if nullable else reference
    kind = schema.get("type")
    if kind == "array":
        items = _schema(schema["items"], side, where, nullable=False)
        return {"type": ["array", "null"] if nullable else "array", "items": items}
    if kind in ("string", "number", "integer", "boolean"):
        return {"type": [kind, "null"]} if nullable else {"type": kind}
    if kind == "object" and schema.get("properties"):
        properties = {
            key: _schema(value, side, (where[0], key), nullable=False) for key, value in schema["properties"].items()
        }
        result = {"type": "object", "additionalProperties": False, "properties": properties}
        if schema.get("required"):
            result["required"] = schema["required"]
        return result
    return {}


def _request(contract: Contract, entry: Route) -> Side:
    schemas, required = contract.arguments(entry.method, entry.template)
    if entry.method not in ("POST", "PUT"):
        return Side(PUBLISHED, None)
    properties: dict[str, Any] = {}
    for name, schema in schemas.items():
        translated = _schema(schema, "in", ("", name), nullable=False)
        properties[name] = translated
        properties[snake(name)] = translated
    if not properties:
        return Side(PUBLISHED, None)
    in_path = {part[1:-1] for part in entry.template.split("/") if part.startswith("{")}
    result: dict[str, Any] = {"type": "object", "additionalProperties": False, "properties": properties}
    needed = [name for name in required if name not in in_path]
    if needed:
        result["allOf"] = [{"anyOf": [{"required": [name]}, {"required": [snake(name)]}]} for name in needed]
    return Side(PUBLISHED, result)


def _bulk_request(entry: Route, request: Side) -> Side:
    names = [part[1:-1] for part in entry.template.split("/") if part.startswith("{")]
    schema = dict(request.schema or {"type": "object", "additionalProperties": False})
    parameters = {name: {"type": ["string", "integer"]} for name in names}
    schema["properties"] = {**parameters, **schema.get("properties", {})}
    return Side(PUBLISHED, {"type": "array", "items": schema}, ASYNC_SOURCE)


def _answer(contract: Contract, entry: Route) -> Side:
    if "export-stock-salable-qty" in entry.template:
        page = {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "items": {"type": "array", "items": SALABLE},
                "search_criteria": {"$ref": "#/$defs/get.framework-search-criteria-interface"},
                "total_count": {"type": "integer"},
            },
        }
        return Side(OWN, page, SALABLE_SOURCE)
    response = contract.paths[entry.template][entry.method.lower()]["responses"].get("200", {})
    if "schema" not in response:
        return Side(OWN, {"type": "array", "maxItems": 0}, VOID_SOURCE)
    side = "get" if entry.method == "GET" else "out"
    return Side(PUBLISHED, _schema(response["schema"], side, ("", ""), nullable=False))


def _query(contract: Contract, entry: Route) -> dict[str, Any]:
    parameters = contract.paths[entry.template][entry.method.lower()].get("parameters", ())
    names = {parameter["name"].partition("[")[0] for parameter in parameters if parameter["in"] == "query"}
    properties: dict[str, Any] = {"fields": {"type": "string"}}
    patterns = {f"^{name}(\\[[^\\]]*\\])*$": {"type": "string"} for name in names}
    if "searchCriteria" in names:
        patterns["^search_criteria(\\[[^\\]]*\\])*$"] = {"type": "string"}
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
        "patternProperties": patterns,
    }
