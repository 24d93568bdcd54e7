"""The contract of every operation: published where NetSuite publishes it, else our own schema with its source.

Record bodies come from the published record schema (`records.json`): properties, sublists and subrecords are
closed, so that an unknown property fails on either side. Answers are held to stricter types than requests:
ids are texts, numbers are numbers.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from erp_sync.sandbox.contract import NOT_CHECKABLE, OWN, PUBLISHED, ContractBook, OperationContract, Side
from erp_sync.systems.netsuite.sandbox import contract
from erp_sync.systems.netsuite.sandbox.record_type import RecordType

_HELP = "Oracle NetSuite help, "
ERRORS = _HELP + "Error Handling in REST Web Services (section_156570709583)"
ACTIONS = _HELP + "Working with Records (chapter_1545141395): reads and deletes carry no body, writes answer without"
PAGING = _HELP + "Collection Paging and Record Collection Filtering"
SUITEQL = _HELP + "Executing SuiteQL Queries Through REST Web Services (section_157909186990)"
JOBS = _HELP + "REST Web Services Request Processing (chapter_161251386312)"
TOKENS = _HELP + "OAuth 2.0 Client Credentials Flow; the form of refusals is RFC 6749 section 5.2"
LIMITS = _HELP + "Concurrency Governance (governanceLimits)"
METADATA = _HELP + "Working with Resource Metadata"
RESTLETS = (
    _HELP + "SuiteScript 2.x RESTlet Error Handling (section_4634920277); bodies: this project's SuiteScript files"
)
CATALOG = "NetSuite Records Catalog; no schema of this record is published for REST"

_TEXT: dict[str, Any] = {"type": ["string", "null"]}
_FLAG: dict[str, Any] = {"type": ["boolean", "null"]}
_LINKS = {"$ref": "#/$defs/links"}
_LINKS_SCHEMA: dict[str, Any] = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {"rel": {"type": "string"}, "href": {"type": "string"}},
        "required": ["rel", "href"],
        "additionalProperties": False,
    },
}
_NUMBER_TEXT = {"type": "string", "pattern": r"^-?\d+(\.\d+)?%?$"}
_MOMENT = {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}:\d{2}Z)?$"}
# A custom field's type is the account's; no object but a reference is one.
_CUSTOM_NAME = r"^cust(body|col|entity|item|record)[a-z0-9_]*$"


def _object(properties: dict[str, Any], required: Iterable[str] = ()) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": sorted(required),
        "additionalProperties": False,
    }


def _either(*choices: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": list(choices)}


class _Shapes:
    """Schemas of one direction: "read" for answers, "write" for requests. Parts that recur are definitions."""

    def __init__(self, direction: str) -> None:
        self.writes = direction == "write"
        self.number, self.reference, self.unknown = self._ref("Number"), self._ref("Reference"), self._ref("Unknown")
        self.simple: dict[str, dict[str, Any]] = {
            "string": self._ref("Text"),
            "boolean": _FLAG,
            "float": self.number,
            "integer": self._ref("Integer"),
            "dateTime": self._ref("Moment"),
            "quantity": self._ref("Break"),
            "unknown": self.unknown,
            "RecordRef": self.reference,
        }

    def _ref(self, name: str) -> dict[str, Any]:
        return {"$ref": f"#/$defs/{self.prefix}{name}"}

    def parts(self) -> dict[str, Any]:
        """The definitions that the others refer to."""
        identifier = {"type": ["string", "integer"]} if self.writes else {"type": "string"}
        named = _object(
            {"id": identifier, "refName": {"type": "string"}, "externalId": {"type": "string"}, "links": _LINKS}
        )
        number = {"type": ["number", "null"]}
        value = _object({"value": _either({"type": "number"}, _NUMBER_TEXT)}, ["value"])
        found = {
            "Number": _either(number, _NUMBER_TEXT) if self.writes else number,
            "Reference": _either(named, {"type": ["string", "integer", "null"] if self.writes else ["null"]}),
            "Unknown": _either({"type": ["string", "number", "boolean", "null"]}, named),
            "Text": {"type": ["string", "integer", "null"]} if self.writes else _TEXT,
            "Integer": _either({"type": ["integer", "null"]}, {"type": "string", "pattern": r"^-?\d+$"}),
            "Moment": _either(_MOMENT, {"type": "null"}),
            "Break": _either(number, _NUMBER_TEXT, value),
            **{shape: self.subrecord(shape) for shape in ("Address", "InventoryDetail")},
        }
        return {f"{self.prefix}{name}": schema for name, schema in found.items()}

    def field(self, name: str, kind: str) -> dict[str, Any]:
        if kind in ("Address", "InventoryDetail"):
            return self._ref(kind)
        if kind == "sublist":
            return self.sublist({"receiptInventoryNumber": "string", "quantity": "float", "binNumber": "RecordRef"})
        if name in ("status", "rate", "discountRate"):
            return _either(self.simple["RecordRef"], self.number, {"type": "string"})
        if name == "doc":  # a number in SOAP, sent as a reference by public code
            return _either(self.simple["integer"], self.reference)
        return self.simple.get(kind, self.reference)  # what is left are enumerations

    @property
    def prefix(self) -> str:
        return "write" if self.writes else "read"

    def properties(self, fields: dict[str, str]) -> dict[str, Any]:
        found = {name: self.field(name, kind) for name, kind in fields.items()}
        if not self.writes:
            found["links"] = _LINKS
        return found

    def sublist(self, fields: dict[str, str], keys: Iterable[str] = ()) -> dict[str, Any]:
        line = {**_object(self.properties(fields)), "patternProperties": {_CUSTOM_NAME: self.unknown}}
        items = {"type": "array", "items": line}
        if self.writes:
            return _either(_object({"items": items}, ["items"]), {"type": "null"})
        return _object(
            {
                "links": _LINKS, "items": items, "count": {"type": "integer"}, "hasMore": {"type": "boolean"},
                "offset": {"type": "integer"}, "totalResults": {"type": "integer"},
            },
            ["links"],
        )  # fmt: skip

    def record(self, published: contract.RecordContract) -> dict[str, Any]:
        properties = self.properties(published.fields)
        for name, fields in published.sublists.items():
            properties[name] = self.sublist(fields)
        for name, shape in published.subrecords.items():
            properties[name] = _either({"$ref": f"#/$defs/{self.prefix}{shape}"}, {"type": "null"})
        properties.setdefault("externalId", _TEXT)
        for name in _ADDRESSES & set(published.fields):
            properties[name] = _either({"$ref": f"#/$defs/{self.prefix}Address"}, {"type": "null"})
        return {**_object(properties), "patternProperties": {_CUSTOM_NAME: self.unknown}}

    def subrecord(self, shape: str) -> dict[str, Any]:
        return _object(self.properties(contract.subrecord(shape)))


# Subrecords that the browser lists without their type.
_ADDRESSES = {"shippingAddress", "billingAddress"}


def definitions() -> dict[str, Any]:
    """Schemas that operations share."""
    error = _object(
        {
            "type": {"type": "string"}, "title": {"type": "string"}, "status": {"type": "integer"},
            "o:errorDetails": {"type": "array", "minItems": 1, "items": _object(
                {"detail": {"type": "string"}, "o:errorCode": {"type": "string"}, "o:errorPath": {"type": "string"},
                 "o:urlPath": {"type": "string"}, "o:errorHeader": {"type": "string"},
                 "o:errorQueryParam": {"type": "string"}},
                ["detail", "o:errorCode"])},
        },
        ["type", "title", "status", "o:errorDetails"],
    )  # fmt: skip
    found: dict[str, Any] = {"error": error, "links": _LINKS_SCHEMA}
    for direction in ("read", "write"):
        found.update(_Shapes(direction).parts())
    for name in contract.records():
        published = contract.record(name)
        assert published is not None
        for direction in ("read", "write"):
            found[f"{direction}_{name}"] = _Shapes(direction).record(published)
    return found


# The published contract tells records, not calls: what carries no body is the help's.
_NO_BODY = Side(OWN, note=ACTIONS)
_NO_QUERY = Side(OWN, {"type": "object", "additionalProperties": False}, ACTIONS)
_ERROR = Side(OWN, {"$ref": "#/$defs/error"}, ERRORS)
_FAILURES = {"4XX": _ERROR, "5XX": _ERROR}


def book(records: dict[str, RecordType], transforms: Iterable[tuple[str, str]]) -> ContractBook:
    """The contract of an account with these records and transforms."""
    operations: dict[str, OperationContract] = {**_services(), **_restlets()}
    for name, record in records.items():
        operations.update(_record_operations(name, record))
    for source, target in transforms:
        side = Side(**_write(target, records[target]))
        operations[f"{source}.transform.{target}"] = OperationContract(side, {"204": _NO_BODY, **_FAILURES}, _NO_QUERY)
    anything = Side(NOT_CHECKABLE, note="no such resource; the answer is an error")
    for name in ("unknown", *(f"unknown.{verb}" for verb in _VERBS)):
        operations[name] = OperationContract(anything, _FAILURES)
    return ContractBook(operations, definitions())


_VERBS = ("create", "update", "upsert", "delete", "list", "get", "sublist", "unknown", *(
    f"async.{verb}" for verb in ("create", "update", "upsert", "delete", "unknown")
))  # fmt: skip


def _write(name: str, record: RecordType) -> dict[str, Any]:
    """Keyword arguments of a side with the record's body as it is sent."""
    if contract.record(name) is not None:
        return {"checked_by": PUBLISHED, "schema": {"$ref": f"#/$defs/write_{name}"}, "note": ""}
    return {"checked_by": OWN, "schema": _plain(record, _Shapes("write")), "note": CATALOG}


def _read(name: str, record: RecordType) -> dict[str, Any]:
    if contract.record(name) is not None:
        return {"checked_by": PUBLISHED, "schema": {"$ref": f"#/$defs/read_{name}"}, "note": ""}
    return {"checked_by": OWN, "schema": _plain(record, _Shapes("read")), "note": CATALOG}


def _plain(record: RecordType, shapes: _Shapes) -> dict[str, Any]:
    properties: dict[str, Any] = {field.name: shapes.unknown for field in record.fields}
    properties.update(id=shapes.simple["string"], links=_LINKS)
    return {**_object(properties), "patternProperties": {_CUSTOM_NAME: shapes.unknown}}


def _record_operations(name: str, record: RecordType) -> dict[str, OperationContract]:
    write, read = _write(name, record), _read(name, record)
    body, done = Side(**write), {"204": _NO_BODY, **_FAILURES}
    accepted = {"202": _NO_BODY, **_FAILURES}
    batch = _either(write["schema"], _object({"items": {"type": "array", "items": write["schema"]}}, ["items"]))
    batches = Side(write["checked_by"], batch, write["note"])
    reading = Side(OWN, _query("expandSubResources", "fields", "simpleEnumFormat", "expand"), PAGING)
    listing = Side(OWN, _query("q", "limit", "offset"), PAGING)
    changing = Side(OWN, _query("replace", "replaceSelectedFields"), PAGING)
    ids = Side(OWN, _query("ids", "replace"), JOBS)
    found = {
        "create": OperationContract(body, done, _NO_QUERY),
        "update": OperationContract(body, done, changing),
        "upsert": OperationContract(body, done, changing),
        "delete": OperationContract(_NO_BODY, done, _NO_QUERY),
        "get": OperationContract(_NO_BODY, {"200": Side(**read), **_FAILURES}, reading),
        "list": OperationContract(_NO_BODY, {"200": Side(OWN, _collection(), PAGING), **_FAILURES}, listing),
        "sublist": OperationContract(_NO_BODY, {"200": Side(**_parts(name, read)), **_FAILURES}, reading),
        "unknown": OperationContract(Side(NOT_CHECKABLE, note="no such method; the answer is an error"), _FAILURES),
        **{f"async.{verb}": OperationContract(batches, accepted, ids) for verb in ("create", "update", "upsert")},
        "async.delete": OperationContract(_NO_BODY, accepted, ids),
        "async.unknown": OperationContract(
            Side(NOT_CHECKABLE, note="no such method; the answer is an error"), _FAILURES
        ),
    }
    return {f"{name}.{verb}": operation for verb, operation in found.items()}


def _parts(name: str, read: dict[str, Any]) -> dict[str, Any]:
    """A sublist, one of its lines, or a subrecord."""
    published = contract.record(name)
    if published is None:
        return read
    shapes = _Shapes("read")
    choices = [shapes.sublist(fields) for fields in published.sublists.values()]
    choices += [
        {**_object(shapes.properties(fields)), "patternProperties": {_CUSTOM_NAME: shapes.unknown}}
        for fields in published.sublists.values()
    ]
    choices.append({"$ref": "#/$defs/readAddress"})
    return {"checked_by": PUBLISHED, "schema": _either(*choices), "note": ""}


def _query(*names: str) -> dict[str, Any]:
    return _object({name: {"type": "string"} for name in names})


def _collection(item: dict[str, Any] | None = None) -> dict[str, Any]:
    line = item or _object({"id": {"type": "string"}, "links": _LINKS}, ["id", "links"])
    return _object(
        {
            "links": _LINKS,
            "count": {"type": "integer"},
            "hasMore": {"type": "boolean"},
            "items": {"type": "array", "items": line},
            "offset": {"type": "integer"},
            "totalResults": {"type": "integer"},
        },
        ["links", "count", "hasMore", "items", "offset", "totalResults"],
    )


def _services() -> dict[str, OperationContract]:
    row = {
        "type": "object",
        "properties": {"links": _LINKS},
        "required": ["links"],
        "additionalProperties": {"type": "string"},
        "propertyNames": {"pattern": "^[a-z0-9_$#]+$"},
    }
    moment = {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z$"}
    progress = {"enum": ["pending", "processing", "succeeded", "failed"]}
    job = _object(
        {"links": _LINKS, "completed": {"type": "boolean"}, "id": {"type": "string"}, "progress": progress,
         "task": _object({"links": _LINKS}, ["links"])},
        ["links", "completed", "id", "progress", "task"],
    )  # fmt: skip
    task = _object(
        {"links": _LINKS, "completed": {"type": "boolean"}, "id": {"type": "string"}, "progress": progress,
         "startTime": moment, "endTime": moment},
        ["links", "completed", "id", "progress"],
    )  # fmt: skip
    limit = {"type": ["integer", "null"]}
    limits = _object(
        {"accountConcurrencyLimit": limit, "accountUnallocatedConcurrencyLimit": limit,
         "integrationConcurrencyLimit": limit, "integrationLimitType": {"type": "string"}},
        ["accountConcurrencyLimit"],
    )  # fmt: skip
    assertion = _object(
        {"grant_type": {"const": "client_credentials"}, "client_assertion": {"type": "string"},
         "client_assertion_type": {"const": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}},
        ["grant_type", "client_assertion", "client_assertion_type"],
    )  # fmt: skip
    token = _object(
        {
            "access_token": {"type": "string"},
            "expires_in": {"type": ["string", "integer"]},
            "token_type": {"type": "string"},
        },
        ["access_token", "expires_in", "token_type"],
    )
    refusal = Side(
        OWN, _object({"error": {"type": "string"}, "error_description": {"type": "string"}}, ["error"]), TOKENS
    )
    schemas = Side(NOT_CHECKABLE, note="a JSON schema of the account's own fields, described by no schema of its own")
    replayed = Side(NOT_CHECKABLE, note="replays the answer of a record's operation, checked where it is synchronous")
    paging = Side(OWN, _query("limit", "offset"), PAGING)
    select = Side(OWN, _query("select"), METADATA)
    return {
        "suiteql": OperationContract(
            Side(OWN, _object({"q": {"type": "string"}}, ["q"]), SUITEQL),
            {"200": Side(OWN, _collection(row), SUITEQL), **_FAILURES},
            paging,
        ),
        "oauth2.token": OperationContract(
            Side(OWN, assertion, TOKENS, form=True),
            {"200": Side(OWN, token, TOKENS), "400": refusal, "5XX": _ERROR},
            _NO_QUERY,
        ),
        "governanceLimits": _read_only(Side(OWN, limits, LIMITS)),
        "async.job": _read_only(Side(OWN, job, JOBS)),
        "async.tasks": _read_only(Side(OWN, _collection(), JOBS), paging),
        "async.task": _read_only(Side(OWN, task, JOBS)),
        "async.result": OperationContract(_NO_BODY, {"default": replayed}, _NO_QUERY),
        "metadata.list": _read_only(Side(OWN, _catalogue(), METADATA), select),
        "metadata.openapi": _read_only(schemas, select),
        "metadata.record": _read_only(schemas, select),
    }


def _read_only(answer: Side, query: Side = _NO_QUERY) -> OperationContract:
    return OperationContract(_NO_BODY, {"200": answer, **_FAILURES}, query)


def _catalogue() -> dict[str, Any]:
    link = _object(
        {"rel": {"type": "string"}, "href": {"type": "string"}, "mediaType": {"type": "string"}}, ["rel", "href"]
    )
    item = _object({"name": {"type": "string"}, "links": {"type": "array", "items": link}}, ["name"])
    return _object({"items": {"type": "array", "items": item}, "links": _LINKS}, ["items"])


def _restlets() -> dict[str, OperationContract]:
    told = _object({"code": {"type": "string"}, "message": {"type": "string"}}, ["code", "message"])
    failure = Side(OWN, _object({"error": told}, ["error"]), RESTLETS)
    failures = {"4XX": failure, "5XX": failure}
    number = _either({"type": "number"}, _NUMBER_TEXT)
    detail = _object(
        {"line": {"type": ["integer", "null"]}, "taxCode": _object({"id": {"type": ["string", "integer"]}}, ["id"]),
         "rate": number, "basis": number, "amount": number, "jurisdiction": _TEXT},
        ["line", "taxCode", "rate", "amount"],
    )  # fmt: skip
    tax = _object({"total": number, "details": {"type": "array", "items": detail}}, ["total", "details"])
    order = _object(
        {"record": {"const": "salesOrder"}, "body": {"$ref": "#/$defs/write_salesOrder"}, "tax": tax},
        ["record", "body"],
    )
    cut = _object(
        {"record": {"const": "salesOrder"}, "id": {"type": "string"}, "body": {"$ref": "#/$defs/write_salesOrder"},
         "tax": _object({"total": number, "details": {"type": "array", "items": _object(
             {"line": {"type": ["integer", "null"]}, "amount": number}, ["line", "amount"])}}, ["total", "details"])},
        ["record", "id", "body", "tax"],
    )  # fmt: skip
    made = _object(
        {"id": {"type": "string"}, "tranId": {"type": "string"}, "existed": {"type": "boolean"}},
        ["id", "tranId", "existed"],
    )
    version = _object({"name": {"type": "string"}, "version": {"type": "string"}}, ["name", "version"])
    row = {"type": "object", "additionalProperties": {"type": "string"}}
    page = _object(
        {"search": {"type": "string"}, "start": {"type": "integer"}, "count": {"type": "integer"},
         "more": {"type": "boolean"}, "rows": {"type": "array", "items": row}},
        ["start", "rows", "count", "more"],
    )  # fmt: skip
    other = Side(NOT_CHECKABLE, note="no such script; the answer is an error")
    script = Side(OWN, _query("script", "deploy"), RESTLETS)
    search = Side(OWN, _query("script", "deploy", "search", "start", "end"), RESTLETS)
    found = {
        "restlet.erp_sync_order.post": OperationContract(
            Side(PUBLISHED, _either(order, cut)), {"200": Side(OWN, made, RESTLETS), **failures}, script
        ),
        "restlet.erp_sync_order.get": OperationContract(
            _NO_BODY, {"200": Side(OWN, version, RESTLETS), **failures}, script
        ),
        "restlet.erp_sync_search.get": OperationContract(
            _NO_BODY, {"200": Side(OWN, page, RESTLETS), **failures}, search
        ),
        "restlet.unknown": OperationContract(other, failures),
    }
    return found
