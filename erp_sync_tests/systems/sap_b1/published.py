"""Whether a call is one that SAP publishes: path, verb, names and kinds of fields, values of enumerations."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from erp_sync.systems.sap_b1.contract import document

ENTITY = {
    "Orders": "Document",
    "Drafts": "Document",
    "BusinessPartners": "BusinessPartner",
    "Items": "Item",
    "Currencies": "Currency",
    "ApprovalRequests": "ApprovalRequest",
    "Users": "User",
    **dict.fromkeys(
        (
            *("DeliveryNotes", "Returns", "Invoices", "CreditNotes", "PurchaseDeliveryNotes"),
            *("InventoryGenEntries", "InventoryGenExits"),
        ),
        "Document",
    ),
    "StockTransfers": "StockTransfer",
    "ItemGroups": "ItemGroups",
    "Manufacturers": "Manufacturer",
    "Warehouses": "Warehouse",
    "PriceLists": "PriceList",
    "SpecialPrices": "SpecialPrice",
    "EnhancedDiscountGroups": "EnhancedDiscountGroup",
    "BlanketAgreements": "BlanketAgreement",
    "BusinessPartnerGroups": "BusinessPartnerGroup",
    "UnitOfMeasurements": "UnitOfMeasurement",
    "UnitOfMeasurementGroups": "UnitOfMeasurementGroup",
}
# Of a bill of materials the contract has the lines only.
UNPUBLISHED = ("ProductTrees",)
ACTIONS = {"OrdersService_Preview": "Document", "DraftsService_SaveDraftToDocument": "Document"}
# What they take is not published, or beside a record.
FUNCTIONS = ("CompanyService_GetAdminInfo", "SBOBobService_GetCurrencyRate", "CompanyService_GetCurrentServerTime")
_WORDS = re.compile(r"'(?:[^']|'')*'|[A-Za-z_]\w*")
_OPERATORS = {"and", "or", "not", "eq", "ne", "gt", "ge", "lt", "le"}


def problems(method: str, path: str, query: Mapping[str, str], body: Any) -> list[str]:
    name = re.split(r"\W", path)[0]
    published = document()["paths"]
    shape = re.sub(r"\(.*\)", "(id)", path)
    # The reference names one verb a path; reading by GET is of every set (Service Layer 1.29).
    if method != "GET" and published.get(shape) != method:
        return [f"{method} {path} is not published"]
    if method == "GET" and shape not in (name, f"{name}(id)"):
        return [f"GET {path} is not published"]
    if method == "POST" and name in ACTIONS:
        return list(_record(ACTIONS[name], body["Document"], f"{name}.Document"))
    if name in (*UNPUBLISHED, *FUNCTIONS):
        return []
    if name == "CompanyService_GetItemPrice":
        return list(_record("ItemPriceParams", body["ItemPriceParams"], name))
    found = list(_record(ENTITY[name], body, name)) if body is not None else []
    return found + list(_query(ENTITY[name], query))


def _query(entity: str, query: Mapping[str, str]) -> Iterator[str]:
    known = document()["entities"][entity]
    words = re.split(r"[, ]", query.get("$select", "")) + re.split(r"[, ]", query.get("$orderby", ""))
    words += [one for one in _WORDS.findall(query.get("$filter", "")) if not one.startswith("'")]
    for word in words:
        if word and word not in known and word not in _OPERATORS and not word.startswith("U_"):
            yield f"{entity} has no {word}, of which {dict(query)} asks"
    for name in query:
        if name not in ("$filter", "$select", "$orderby", "$top", "$skip"):
            yield f"{name} is no option of a query"
    if query and "$select" in query and "$orderby" not in query and "$filter" in query:
        yield f"rows without an order: {dict(query)}"


def _record(entity: str, body: Mapping[str, Any], where: str) -> Iterator[str]:
    known = document()["entities"][entity]
    for name, value in body.items():
        if name.startswith("U_"):
            continue
        if name not in known:
            yield f"{where} has no field {name}"
            continue
        yield from _value(known[name], value, f"{where}.{name}")


def _value(kind: str, value: Any, where: str) -> Iterator[str]:
    inner = kind.removeprefix("list[").removesuffix("]")
    if kind.startswith("list["):
        for position, one in enumerate(value):
            yield from _record(inner, one, f"{where}[{position}]")
    elif inner in document()["entities"]:
        yield from _record(inner, value, where)
    elif inner in document()["enumerations"]:
        if value not in document()["enumerations"][inner]:
            yield f"{where}: {value!r} is none of {inner}"
    elif not isinstance(value, {"int": int, "float": (int, Decimal), "str": str}.get(inner, str)) or value is True:
        yield f"{where}: {value!r} is no {inner}"
