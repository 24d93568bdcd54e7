"""The contract of every operation: published where the entity is, else our own schema with its source.

Bodies come from the published types (`entities.json`): properties and rows of collections are closed, so that an
unknown property fails on either side. User-defined fields are an installation's own: of them only the kind is
checked. Answers are held to stricter values than requests: an enumeration by its name, a date in one of two forms.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from erp_sync.sandbox.contract import NOT_CHECKABLE, OWN, PUBLISHED, ContractBook, OperationContract, Side
from erp_sync.systems.sap_b1.sandbox import contract
from erp_sync.systems.sap_b1.sandbox.entities import DOCUMENTS, SETS
from erp_sync.systems.sap_b1.sandbox.enum_values import VALUES

_MANUAL = "Working with SAP Business One Service Layer v1.29, "
ERRORS = _MANUAL + "error messages of OData 3 and 4"
SESSIONS = _MANUAL + "login and logout"
BATCH = _MANUAL + "batch operations: multipart, whose parts are not looked into"
QUERIES = _MANUAL + "SQL queries: columns are the query's own"
WEBHOOKS = "SAP Business One webhooks, 10.0 FP 2602: newer than the published contract"
SDK = "SAP Business One SDK help: properties that are not in the published file"
PROXY = "pages of the proxy in front of Service Layer"
SETTINGS = "AdminInfo: EnableWebhook is newer than the published contract"

RATES = "SBOBobService of Service Layer 1.27: names of parameters; types of values from public code"

_DATE = r"^\d{4}-\d{2}-\d{2}(T00:00:00Z)?$"
_DATE_SENT = r"^\d{4}-?\d{2}-?\d{2}(T[0-9:.]+Z?)?$"
_TIME = r"^\d{2}:\d{2}:\d{2}$"
_TIME_SENT = r"^(\d{4}-\d{2}-\d{2}T)?\d{1,2}:?\d{2}(:?\d{2})?Z?$"
_USER_FIELD = r"^U_[A-Za-z0-9_]+$"
_ANY = {"type": ["string", "number", "null"]}
_EMPTY = Side(PUBLISHED)


def object_of(properties: dict[str, Any], required: Iterable[str] = ()) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": sorted(required),
        "additionalProperties": False,
    }


def book() -> ContractBook:
    """Every operation of the sandbox, by endpoint name."""
    operations: dict[str, OperationContract] = {}
    for name, entity in SETS.items():
        operations |= _set(name, entity.type_name)
    operations |= _services()
    definitions = {
        f"{way}{name}": _type(name, way == "write") for name in contract.types() for way in ("read", "write")
    }
    definitions["error"] = _ERROR
    return ContractBook(operations, definitions)


def _type(name: str, writes: bool) -> dict[str, Any]:
    properties = {prop: _kind(prop, kind, writes) for prop, kind in contract.properties(name).items()}
    for mark in ("odata.etag", "@odata.etag", "odata.metadata", "@odata.context"):
        properties[mark] = {"type": "string"}
    return {**object_of(properties), "patternProperties": {_USER_FIELD: _ANY}}


def _kind(name: str, kind: str, writes: bool) -> dict[str, Any]:
    row = contract.element(kind)
    way = "write" if writes else "read"
    if row is not None:
        return {"anyOf": [{"type": "array", "items": {"$ref": f"#/$defs/{way}{row}"}}, {"type": "null"}]}
    if kind in ("string", "integer", "number"):
        schema: dict[str, Any] = {"type": [kind, "null"]}
        if contract.is_date(name, kind):
            schema["pattern"] = _DATE_SENT if writes else _DATE
        elif contract.is_time(name, kind):
            schema["pattern"] = _TIME_SENT if writes else _TIME
        return schema
    members = contract.enum(kind)
    if members is None:
        return {"anyOf": [{"$ref": f"#/$defs/{way}{kind}"}, {"type": "null"}]}
    values = list(VALUES.get(kind, {})) if writes else []
    return {"enum": [*members, *values, None]}


_TEXT = {"type": "string"}
_ERROR = {
    "anyOf": [
        object_of(
            {
                "error": object_of(
                    {
                        "code": {"type": "string", "pattern": r"^-?\d+$"},
                        "details": {
                            "type": "array",
                            "items": object_of({"code": _TEXT, "message": _TEXT}, ["code", "message"]),
                        },
                        "message": _TEXT,
                    },
                    ["code", "details", "message"],
                )
            },
            ["error"],
        ),
        object_of(
            {
                "error": object_of(
                    {
                        "code": {"type": "integer"},
                        "message": object_of({"lang": _TEXT, "value": _TEXT}, ["lang", "value"]),
                    },
                    ["code", "message"],
                )
            },
            ["error"],
        ),
    ]
}
_FAILED = Side(OWN, {"$ref": "#/$defs/error"}, ERRORS)
_BEHIND = Side(NOT_CHECKABLE, None, PROXY)
_ERRORS = {"4XX": _FAILED, "500": _FAILED, "5XX": _BEHIND}


def _entity(type_name: str, way: str) -> Side:
    schema = {"$ref": f"#/$defs/{way}{type_name}"}
    return Side(PUBLISHED, schema) if contract.is_published(type_name) else Side(OWN, schema, SDK)


def _page(row: dict[str, Any]) -> Side:
    properties: dict[str, Any] = {
        "value": {"type": "array", "items": row},
        "odata.count": {"type": "string", "pattern": r"^\d+$"},
        "@odata.count": {"type": "integer"},
    }
    for mark in ("odata.metadata", "@odata.context", "odata.nextLink", "@odata.nextLink"):
        properties[mark] = _TEXT
    return Side(PUBLISHED, object_of(properties, ["value"]))


def _set(name: str, type_name: str) -> dict[str, OperationContract]:
    read, write = _entity(type_name, "read"), _entity(type_name, "write")
    created = {"201": read, "204": _EMPTY, **_ERRORS}
    found = {
        f"{name}.list": OperationContract(
            _EMPTY, {"200": _page({"$ref": f"#/$defs/read{type_name}"}), **_ERRORS}, _LIST_QUERY
        ),
        f"{name}.read": OperationContract(_EMPTY, {"200": read, **_ERRORS}, _READ_QUERY),
        f"{name}.property": OperationContract(
            _EMPTY,
            {
                "200": Side(
                    OWN,
                    {"anyOf": [object_of({"value": {"type": ["string", "number", "array"]}}, ["value"]), *_NULLS]},
                    _MANUAL + "section 3.11",
                ),
                **_ERRORS,
            },
            _NO_QUERY,
        ),
        f"{name}.count": OperationContract(
            _EMPTY, {"200": Side(OWN, {"type": "integer"}, _MANUAL + "$count"), **_ERRORS}, _LIST_QUERY
        ),
        f"{name}.create": OperationContract(write, created, _NO_QUERY),
        f"{name}.update": OperationContract(write, {"204": _EMPTY, **_ERRORS}, _NO_QUERY),
        f"{name}.replace": OperationContract(write, {"204": _EMPTY, **_ERRORS}, _NO_QUERY),
        f"{name}.delete": OperationContract(_EMPTY, {"204": _EMPTY, **_ERRORS}, _NO_QUERY),
    }
    if name in (*DOCUMENTS, "StockTransfers"):
        for action in ("Close", "Cancel", "Reopen", "CreateCancellationDocument"):
            if f"{name}(id)/{action}" in contract.methods(name):
                found[f"{name}.{action}"] = OperationContract(_EMPTY, {"204": _EMPTY, **_ERRORS}, _NO_QUERY)
    return found


_OPTIONS = _MANUAL + "query options"
_NO_QUERY = Side(OWN, object_of({}), _OPTIONS)
_LIST_QUERY = Side(
    OWN,
    object_of(
        {
            name: _TEXT
            for name in ("$filter", "$select", "$orderby", "$top", "$skip", "$expand", "$count", "$inlinecount")
        }
    ),
    _OPTIONS,
)
_NULLS = [object_of({mark: {"const": True}}, [mark]) for mark in ("odata.null", "@odata.null")]
_READ_QUERY = Side(OWN, object_of({"$select": _TEXT, "$expand": _TEXT}), _OPTIONS)


def _rates() -> dict[str, OperationContract]:
    """Names of parameters: reference 1.27; the answers are bare values in v1."""
    text, rate = {"type": "string"}, {"type": ["number", "string"]}

    def answer(value: dict[str, Any]) -> Side:
        wrapped = object_of({"value": value, "@odata.context": text}, ["value"])
        return Side(OWN, {"anyOf": [value, wrapped]}, RATES)

    asked = Side(OWN, object_of({"Currency": text, "Date": text}, ["Currency", "Date"]), RATES)
    sent = Side(
        OWN,
        object_of({"Currency": text, "Rate": rate, "RateDate": text}, ["Currency", "Rate", "RateDate"]),
        RATES,
    )
    nothing = Side(NOT_CHECKABLE, None, _MANUAL + "actions without parameters")
    return {
        "SBOBobService_GetCurrencyRate": OperationContract(
            asked, {"200": answer({"type": "number"}), **_ERRORS}, _NO_QUERY
        ),
        "SBOBobService_SetCurrencyRate": OperationContract(sent, {"204": _EMPTY, **_ERRORS}, _NO_QUERY),
        "SBOBobService_GetLocalCurrency": OperationContract(nothing, {"200": answer(text), **_ERRORS}),
        "SBOBobService_GetSystemCurrency": OperationContract(nothing, {"200": answer(text), **_ERRORS}),
    }


def _wrapped(name: str, type_name: str) -> Side:
    return Side(PUBLISHED, object_of({name: {"$ref": f"#/$defs/write{type_name}"}}, [name]))


def _services() -> dict[str, OperationContract]:
    login = object_of({name: _TEXT for name in ("CompanyDB", "UserName", "Password")} | {"Language": {}},
                      ["CompanyDB", "UserName", "Password"])  # fmt: skip
    login["properties"]["Language"] = {"type": ["string", "integer"]}
    session = object_of(
        {"SessionId": _TEXT, "Version": _TEXT, "SessionTimeout": {"type": "number"}, "odata.metadata": _TEXT,
         "@odata.context": _TEXT},
        ["SessionId", "Version", "SessionTimeout"],
    )  # fmt: skip
    hook = object_of(
        {
            **{name: _TEXT for name in ("WebhookID", "WebhookURL", "AuthenticationCred", "Status")},
            "AuthenticationType": {"enum": ["HMAC", "Basic", "OAuth", "None"]},
            "Handshake": {"enum": ["tYES", "tNO"]},
            "EventCollection": {
                "type": "array",
                "minItems": 1,
                "items": object_of({"BusinessObject": _TEXT, "TransactionType": _TEXT}, ["BusinessObject"]),
            },
        }
    )
    subscription = Side(OWN, hook, WEBHOOKS)
    hooks = {
        "EventSubscriptions.list": OperationContract(
            _EMPTY,
            {"200": Side(OWN, object_of({"value": {"type": "array", "items": hook}}, ["value"]), WEBHOOKS), **_ERRORS},
            _NO_QUERY,
        ),
        "EventSubscriptions.read": OperationContract(_EMPTY, {"200": subscription, **_ERRORS}, _NO_QUERY),
        "EventSubscriptions.create": OperationContract(subscription, {"201": subscription, **_ERRORS}, _NO_QUERY),
        "EventSubscriptions.update": OperationContract(subscription, {"204": _EMPTY, **_ERRORS}, _NO_QUERY),
        "EventSubscriptions.delete": OperationContract(_EMPTY, {"204": _EMPTY, **_ERRORS}, _NO_QUERY),
        **{
            f"EventSubscriptions.{action}": OperationContract(_EMPTY, {"204": _EMPTY, **_ERRORS}, _NO_QUERY)
            for action in ("Pause", "Resume", "Replay")
        },
    }
    admin = _type("AdminInfo", False)
    admin["properties"]["EnableWebhook"] = {"enum": ["tYES", "tNO"]}
    switch = object_of({"EnableWebhook": {"enum": ["tYES", "tNO"]}})
    settings = Side(OWN, object_of({"AdminInfo": switch}, ["AdminInfo"]), SETTINGS)
    unchecked = Side(NOT_CHECKABLE, None, "no operation of Service Layer")
    return hooks | {
        "CompanyService_GetCompanyInfo": OperationContract(
            Side(NOT_CHECKABLE, None, _MANUAL + "actions without parameters"),
            {"200": _entity("CompanyInfo", "read"), **_ERRORS},
        ),
        "CompanyService_GetAdminInfo": OperationContract(
            Side(NOT_CHECKABLE, None, _MANUAL + "actions without parameters"),
            {"200": Side(OWN, admin, SETTINGS), **_ERRORS},
        ),
        **_rates(),
        "CompanyService_UpdateAdminInfo": OperationContract(settings, {"204": _EMPTY, **_ERRORS}, _NO_QUERY),
        "EventSubscriptionsService_GetEventCatalog": OperationContract(
            _EMPTY, {"200": Side(NOT_CHECKABLE, None, WEBHOOKS), **_ERRORS}, _NO_QUERY
        ),
        "Login": OperationContract(
            Side(OWN, login, SESSIONS), {"200": Side(OWN, session, SESSIONS), **_ERRORS}, _NO_QUERY
        ),
        "batch": OperationContract(
            Side(NOT_CHECKABLE, None, BATCH),
            {"200": Side(NOT_CHECKABLE, None, BATCH), "202": Side(NOT_CHECKABLE, None, BATCH), **_ERRORS},
        ),
        "Logout": OperationContract(_EMPTY, {"204": _EMPTY, **_ERRORS}, _NO_QUERY),
        "SQLQueries.List": OperationContract(
            Side(NOT_CHECKABLE, None, QUERIES), {"200": Side(NOT_CHECKABLE, None, QUERIES), **_ERRORS}
        ),
        "OrdersService_Preview": OperationContract(
            _wrapped("Document", "Document"), {"200": _entity("Document", "read"), **_ERRORS}, _NO_QUERY
        ),
        "DraftsService_SaveDraftToDocument": OperationContract(
            _wrapped("Document", "Document"), {"204": _EMPTY, **_ERRORS}, _NO_QUERY
        ),
        "PickListsService_Close": OperationContract(
            _wrapped("PickList", "PickListParams"), {"204": _EMPTY, **_ERRORS}, _NO_QUERY
        ),
        "CompanyService_GetItemPrice": OperationContract(
            _wrapped("ItemPriceParams", "ItemPriceParams"),
            {"200": _entity("ItemPriceReturnParams", "read"), **_ERRORS},
            _NO_QUERY,
        ),
        "unknown": OperationContract(unchecked, {"4XX": unchecked, "5XX": _BEHIND}),
    }
