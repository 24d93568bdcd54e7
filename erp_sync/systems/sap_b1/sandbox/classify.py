"""What a request asks for, by stable names: ``Orders.create``, ``Items.list``, ``OrdersService_Preview``."""

from __future__ import annotations

from erp_sync.sandbox.core import BadJson, Endpoint, Kind, Request
from erp_sync.systems.sap_b1.sandbox import rows
from erp_sync.systems.sap_b1.sandbox.entities import DOCUMENTS, SETS
from erp_sync.systems.sap_b1.sandbox.errors import ServiceLayerError
from erp_sync.systems.sap_b1.sandbox.paths import Resource, parse
from erp_sync.systems.sap_b1.sandbox.store import Store

_VERBS: dict[str, tuple[str, Kind]] = {
    "POST": ("create", "create"),
    "PATCH": ("update", "update"),
    "PUT": ("replace", "update"),
    "DELETE": ("delete", "delete"),
}
_FLOWS = {
    "Orders": "orders", "Drafts": "orders", "ApprovalRequests": "orders", "OrdersService_Preview": "orders",
    "DraftsService_SaveDraftToDocument": "orders", "DeliveryNotes": "shipments", "Items": "products",
    "BusinessPartners": "customers", "PriceLists": "prices", "SpecialPrices": "prices", "BlanketAgreements": "prices",
    "ProductTrees": "products", "EnhancedDiscountGroups": "prices", "CompanyService_GetItemPrice": "prices",
    "InventoryGenEntries": "inventory", "InventoryGenExits": "inventory", "PickLists": "shipments",
    "PickListsService_Close": "shipments", "Invoices": "shipments", "Returns": "returns", "CreditNotes": "returns",
    "PurchaseDeliveryNotes": "inventory", "StockTransfers": "inventory", "SBOBobService_GetCurrencyRate": "prices",
}  # fmt: skip
#: Calls that write nothing although they are posted.
_ASKS = frozenset(
    ["OrdersService_Preview", "CompanyService_GetItemPrice", "CompanyService_GetAdminInfo",
     "CompanyService_GetCompanyInfo", "SBOBobService_GetCurrencyRate", "SBOBobService_GetLocalCurrency",
     "SBOBobService_GetSystemCurrency"]
)  # fmt: skip
_SERVICES = _ASKS | {
    "DraftsService_SaveDraftToDocument", "CompanyService_UpdateAdminInfo", "PickListsService_Close",
    "SBOBobService_SetCurrencyRate",
}  # fmt: skip
SUBSCRIPTIONS = "EventSubscriptions"


def classify(store: Store, request: Request, document_field: str) -> Endpoint:
    """The operation; what no route knows is ``unknown``."""
    segments = request.segments
    if len(segments) < 3 or segments[0] != "b1s" or segments[1] not in ("v1", "v2"):
        return Endpoint("unknown", "read", slot=False)
    if segments[2] in ("Login", "Logout") and len(segments) == 3:
        return Endpoint(segments[2], "auth")
    if segments[2] == "$batch":
        return Endpoint("batch", "bulk", writes=True)
    try:
        resource = parse(request.path.strip("/").split("/", 2)[2])
    except ServiceLayerError:
        return Endpoint("unknown", "read")
    flow = _FLOWS.get(resource.name, "")
    if resource.name in _SERVICES:
        kind: Kind = "search" if resource.name in _ASKS else "create"
        return Endpoint(resource.name, kind, writes=resource.name not in _ASKS, flow=flow)
    if resource.name == "EventSubscriptionsService_GetEventCatalog":
        return Endpoint(resource.name, "read")
    if resource.name not in SETS and resource.name != SUBSCRIPTIONS:
        return Endpoint("unknown", "read")
    return _entity(store, request, resource, document_field, flow)


def _entity(store: Store, request: Request, resource: Resource, document_field: str, flow: str) -> Endpoint:
    name, document = resource.name, None
    if resource.key is not None:
        document = _document_of(store, resource, document_field)
    if resource.tail and resource.key is not None and request.method == "GET" and resource.tail != "List":
        return Endpoint(f"{name}.property", "read", document=document, flow=flow)
    if resource.tail:
        asks = resource.tail in ("$count", "List")
        tail = "count" if resource.tail == "$count" else resource.tail
        kind: Kind = "search" if asks else "update"
        return Endpoint(f"{name}.{tail}", kind, writes=not asks, document=document, flow=flow)
    if request.method == "GET":
        listed = resource.key is None
        return Endpoint(
            f"{name}.{'list' if listed else 'read'}", "search" if listed else "read", document=document, flow=flow
        )
    verb = _VERBS.get(request.method)
    if verb is None:
        return Endpoint("unknown", "read")
    if document is None:
        document = _document_in(request, name, document_field)
    return Endpoint(f"{name}.{verb[0]}", verb[1], writes=True, document=document, flow=flow)


def _document_of(store: Store, resource: Resource, document_field: str) -> str:
    key = resource.key or ()
    if resource.name in DOCUMENTS:
        entity = rows.read(store, resource.name, *key)
        if entity is not None and entity.get(document_field):
            return str(entity[document_field])
    return ",".join(str(part) for part in key)


def _document_in(request: Request, name: str, document_field: str) -> str | None:
    try:
        body = request.json()
    except BadJson:
        return None
    if not isinstance(body, dict):
        return None
    field = document_field if name in DOCUMENTS else next(iter(SETS[name].keys)) if name in SETS else ""
    value = body.get(field) if field else body.get("WebhookID")
    return value if isinstance(value, str) else None
