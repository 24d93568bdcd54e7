"""The metadata catalogue: JSON schemas of the account's own records.

Facts (Oracle help, Working with Resource Metadata): ``GET /record/v1/metadata-catalog`` lists the records,
``/metadata-catalog/{record}`` with ``Accept: application/schema+json`` is a JSON schema whose properties carry
``x-ns-filterable`` and ``x-ns-custom-field``; with ``Accept: application/swagger+json`` it is OpenAPI 3. What
the account's features take away is not in it.
"""

from __future__ import annotations

from typing import Any

from erp_sync.sandbox.core import Request, Response, json_response
from erp_sync.systems.netsuite.sandbox import contract, tax
from erp_sync.systems.netsuite.sandbox.errors import not_found
from erp_sync.systems.netsuite.sandbox.record_type import RecordType
from erp_sync.systems.netsuite.sandbox.session import Session
from erp_sync.systems.netsuite.sandbox.suiteql.service import COLLECTION_TYPE

_SCHEMA_TYPE, _SWAGGER = "application/schema+json", "application/swagger+json"
_SIMPLE: dict[str, dict[str, Any]] = {
    "string": {"type": "string"},
    "boolean": {"type": "boolean"},
    "integer": {"type": "integer", "format": "int64"},
    "float": {"type": "number", "format": "double"},
    "dateTime": {"type": "string", "format": "date-time"},
}
_CUSTOM: dict[str, dict[str, Any]] = {
    "text": {"type": "string"},
    "number": {"type": "number", "format": "double"},
    "boolean": {"type": "boolean"},
    "date": {"type": "string", "format": "date"},
    "datetime": {"type": "string", "format": "date-time"},
}
_DATES = frozenset({"tranDate", "shipDate", "dueDate", "startDate", "endDate", "expectedShipDate"})
_REFERENCE = {
    "type": "object",
    "properties": {
        "id": {"title": "Internal identifier", "type": "string"},
        "refName": {"title": "Reference Name", "type": "string"},
        "externalId": {"title": "External identifier", "type": "string"},
        "links": {"type": "array", "readOnly": True},
    },
}


def answer(session: Session, records: dict[str, RecordType], request: Request) -> Response:
    """The list of records, or the schema of one."""
    parts = request.segments[5:]
    base = f"{session.base}/metadata-catalog"
    if "swagger" in request.headers.get("accept", ""):
        selected = (
            [parts[0]] if parts else [n for n in (request.parameter("select") or "").split(",") if n] or list(records)
        )
        if any(name not in records for name in selected):
            raise not_found(request.path)
        return json_response(openapi(session, [records[name] for name in selected]), content_type=_SWAGGER)
    if not parts:
        items = [{"name": name, "links": _links(base, name)} for name in sorted(records)]
        return json_response({"items": items, "links": [{"rel": "self", "href": base}]}, content_type=COLLECTION_TYPE)
    record = records.get(parts[0])
    if record is None or len(parts) > 1:
        raise not_found(request.path)
    return json_response(schema(session, record), content_type=_SCHEMA_TYPE)


def _links(base: str, name: str) -> list[dict[str, str]]:
    href = f"{base}/{name}"
    return [
        {"rel": "canonical", "href": href, "mediaType": "application/json"},
        {"rel": "describes", "href": href.replace("/metadata-catalog", "")},
        {"rel": "alternate", "href": href, "mediaType": "application/swagger+json"},
        {"rel": "alternate", "href": href, "mediaType": _SCHEMA_TYPE},
    ]


def openapi(session: Session, records: list[RecordType]) -> dict[str, Any]:
    """OpenAPI 3 of some records."""
    paths: dict[str, Any] = {}
    for record in records:
        body = {"content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{record.name}"}}}}
        done = {"204": {"description": "Done."}}
        paths[f"/{record.name}"] = {
            "get": {"tags": [record.name], "responses": {"200": {"description": "List of records."}}},
            "post": {"tags": [record.name], "requestBody": body, "responses": done},
        }
        paths[f"/{record.name}/{{id}}"] = {
            "get": {"tags": [record.name], "responses": {"200": {"description": "The record.", **body}}},
            "patch": {"tags": [record.name], "requestBody": body, "responses": done},
            "delete": {"tags": [record.name], "responses": done},
        }
    return {
        "openapi": "3.0.1",
        "info": {"title": "NetSuite REST Record API", "version": "v1"},
        "servers": [{"url": session.base}],
        "paths": paths,
        "components": {"schemas": {record.name: schema(session, record) for record in records}},
    }


def schema(session: Session, record: RecordType) -> dict[str, Any]:
    """JSON schema of a record as this account has it."""
    published = contract.record(record.name)
    hidden, hidden_line = tax.hidden(session.options) if record.group == "transaction" else (frozenset(), frozenset())
    filterable = {field.name for field in record.fields}
    properties: dict[str, Any] = {}
    if published is None:
        for field in record.fields:
            properties[field.name] = {"title": field.name, "type": "string", "nullable": True, "x-ns-filterable": True}
    else:
        for name, kind in sorted(published.fields.items()):
            if name not in hidden:
                properties[name] = {"title": name, **_typed(name, kind), "nullable": True}
                if name in filterable or name == "id":
                    properties[name]["x-ns-filterable"] = True
        for name, shape in published.subrecords.items():
            properties[name] = {"type": "object", "properties": _inner(contract.subrecord(shape))}
        for name, lines in published.sublists.items():
            if name not in hidden:
                properties[name] = _sublist(
                    session, name, {k: v for k, v in lines.items() if name != "item" or k not in hidden_line}
                )
    for script_id, declared in session.custom_fields().items():
        if script_id.startswith(record.custom_prefix):
            properties[script_id] = {**_custom(declared), "x-ns-custom-field": True, "x-ns-filterable": True}
    properties["externalId"] = {"title": "External ID", "type": "string", "nullable": True, "x-ns-filterable": True}
    return {"type": "object", "properties": dict(sorted(properties.items())), "x-ns-filterable": []}


def _inner(fields: dict[str, str]) -> dict[str, Any]:
    return {name: {"title": name, **_typed(name, kind)} for name, kind in sorted(fields.items())}


def _typed(name: str, kind: str) -> dict[str, Any]:
    if name in _DATES:
        return {"type": "string", "format": "date"}
    if kind in ("Address", "InventoryDetail"):
        return {"type": "object", "properties": _inner(contract.subrecord(kind))}
    if kind in ("RecordRef", "quantity") or kind not in {*_SIMPLE, "unknown", "Address", "InventoryDetail", "sublist"}:
        return dict(_REFERENCE)
    return dict(_SIMPLE.get(kind, {"type": "string"}))


def _custom(declared: dict[str, Any]) -> dict[str, Any]:
    return {"title": declared.get("label") or "", **_CUSTOM.get(declared["type"], _REFERENCE), "nullable": True}


def _sublist(session: Session, name: str, lines: dict[str, str]) -> dict[str, Any]:
    inner = _inner(lines)
    if name == "item":
        for script_id, declared in session.custom_fields().items():
            if script_id.startswith("custcol"):
                inner[script_id] = {**_custom(declared), "x-ns-custom-field": True}
    envelope = {"count": "integer", "hasMore": "boolean", "offset": "integer", "totalResults": "integer"}
    properties: dict[str, Any] = {key: {"type": kind, "readOnly": True} for key, kind in envelope.items()}
    properties["links"] = {"type": "array", "readOnly": True}
    properties["items"] = {"type": "array", "items": {"type": "object", "properties": inner}}
    return {"type": "object", "properties": properties}
