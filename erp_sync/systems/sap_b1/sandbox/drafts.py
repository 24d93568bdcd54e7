"""Drafts of documents, and making the document of one.

A draft moves no stock. ``POST DraftsService_SaveDraftToDocument {"Document": {"DocEntry": 77}}`` makes the order under
a **new** DocEntry (fact sheet, section 4); the status of its answer is unconfirmed (204 here), as are the words for a
draft that nobody has approved. What becomes of draft and request differs by source (option `after_adding_draft`): the
SDK help has members for it (dasGenerated, arsGenerated with the order in ObjectEntry); on a live system the draft is
closed with dasWithout and the request is gone (Ngonie69/ShopInventory, "SAP credit note approvals", 2026-09-02). A
closed draft is not added again (same source). A draft that nobody had to approve so far meets the templates here
(obs.) and answers as an order's POST does (unconfirmed).
"""

from __future__ import annotations

from typing import Any

from erp_sync.sandbox.core import Response
from erp_sync.systems.sap_b1.sandbox import rows
from erp_sync.systems.sap_b1.sandbox.approvals import Approvals, object_type
from erp_sync.systems.sap_b1.sandbox.context import Context
from erp_sync.systems.sap_b1.sandbox.document_building import ORDER, build
from erp_sync.systems.sap_b1.sandbox.documents import Documents, Orders
from erp_sync.systems.sap_b1.sandbox.entities import SETS
from erp_sync.systems.sap_b1.sandbox.enum_values import OBJECT_CODES
from erp_sync.systems.sap_b1.sandbox.errors import malformed, not_found, rule
from erp_sync.systems.sap_b1.sandbox.kind import Entity
from erp_sync.systems.sap_b1.sandbox.service import Entities

_OWN = frozenset(["DocEntry", "DocNum", "DataVersion", "AuthorizationStatus", "Document_ApprovalRequests",
                  "CreationDate", "UpdateDate", "UpdateTime", "DocTime"])  # fmt: skip


class Drafts(Documents):
    actions = frozenset({"Close", "Cancel"})

    def __init__(self, entities: Entities, approvals: Approvals) -> None:
        super().__init__(SETS["Drafts"], entities)
        self.approvals = approvals

    def new(self, context: Context, sent: Entity) -> Entity:
        code = sent.get("DocObjectCode") or ""
        sent["DocObjectCode"] = OBJECT_CODES.get(code, code)
        kind = object_type(sent["DocObjectCode"])
        if kind is None:
            raise malformed(f"Enum value '{code}' is invalid for 'BoObjectTypes'")
        entity = build(context, kind, sent, sent, None)
        return self.numbered(context, {**entity, "AuthorizationStatus": "dasWithout"})

    def changed(self, context: Context, before: Entity, after: Entity, sent: Entity) -> Entity:
        if before["DocumentStatus"] == "bost_Close":
            raise rule("Closed documents cannot be changed")
        kind = object_type(before["DocObjectCode"]) or ORDER
        return build(context, kind, after, sent, before)

    def removable(self, context: Context, entity: Entity) -> None:
        """Deleting a draft that waits cancels its request (unconfirmed)."""
        request = self.approvals.request_of(context, entity["DocEntry"])
        if request is not None and request["Status"] in ("arsPending", "arsApproved", "arsNotApproved"):
            request["Status"] = "arsCancelled"
            self.entities.save(context, self.entities.kinds["ApprovalRequests"], request)

    def act(self, context: Context, entity: Entity, action: str, body: Any) -> Response:
        if entity["DocumentStatus"] == "bost_Close":
            raise rule("Document is already closed")
        found = {**entity, "DocumentStatus": "bost_Close"}
        if action == "Cancel":
            found |= {"Cancelled": "tYES", "CancelStatus": "csYes", "AuthorizationStatus": "dasCancelled"}
            self.removable(context, entity)
        self.entities.save(context, self, found)
        return Response(204)


def save_to_document(context: Context, entities: Entities, approvals: Approvals, body: Any) -> Response:
    """The document of a draft. Raises ServiceLayerError."""
    document = body.get("Document") if isinstance(body, dict) else None
    entry = document.get("DocEntry") if isinstance(document, dict) else None
    if isinstance(entry, str) and entry.isdigit():  # public code sends it as text
        entry = int(entry)
    draft = rows.read(context.store, "Drafts", entry) if isinstance(entry, int) else None
    if draft is None:
        raise not_found()
    if draft["DocumentStatus"] == "bost_Close":
        raise rule("The draft has already been processed")  # words unconfirmed
    if draft["AuthorizationStatus"] not in ("dasWithout", "dasApproved"):
        raise rule("The draft is not approved")  # words unconfirmed
    orders = entities.kinds["Orders"]
    assert isinstance(orders, Orders)
    if draft["DocObjectCode"] != ORDER.code:
        raise rule("This sandbox makes orders of drafts only")
    template = approvals.template(context, ORDER, draft) if draft["AuthorizationStatus"] == "dasWithout" else None
    if template is not None:
        raise approvals.held(context, ORDER, draft, template)
    sent = {name: value for name, value in draft.items() if name not in _OWN}
    order = orders.numbered(context, build(context, ORDER, sent, sent, None) | _prices_of(draft, sent))
    order["CreationDate"] = context.today
    entities.save(context, orders, order, "create")
    orders.added(context, order)
    _finish(context, entities, approvals, draft, order)
    return Response(204)


def _prices_of(draft: Entity, sent: Entity) -> Entity:
    """What was calculated for the draft and decided on stays (unconfirmed: prices might be taken anew)."""
    lines = [{name: value for name, value in line.items() if name != "DocEntry"} for line in draft["DocumentLines"]]
    names = ("DocTotal", "DocTotalFc", "VatSum", "VatSumFc", "TotalDiscount", "TotalDiscountFC", "sandbox_open")
    return {"DocumentLines": lines} | {name: sent[name] for name in names}


def _finish(context: Context, entities: Entities, approvals: Approvals, draft: Entity, order: Entity) -> None:
    is_live = context.options.after_adding_draft == "live"
    draft["DocumentStatus"] = "bost_Close"
    if is_live:
        draft["AuthorizationStatus"] = "dasWithout"
    elif draft["AuthorizationStatus"] == "dasApproved":
        draft["AuthorizationStatus"] = "dasGenerated"
    entities.save(context, entities.kinds["Drafts"], draft)
    request = approvals.request_of(context, draft["DocEntry"])
    if request is None:
        return
    if is_live:
        rows.delete(context.store, "ApprovalRequests", request["Code"])
        return
    request |= {"Status": "arsGenerated", "ObjectEntry": order["DocEntry"], "IsDraft": "N"}
    entities.save(context, entities.kinds["ApprovalRequests"], request)
