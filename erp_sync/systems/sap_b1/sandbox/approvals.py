"""Approval procedures: an order that a template catches becomes a draft that waits for a person.

The POST answers "No matching records found (ODBC -2028)" although a Draft and an ApprovalRequest were saved (obs. at
two sites; the HTTP status is unconfirmed, here the 404 of -2028). Another vendor's documentation reports success with
a DocEntry that then gives 404: option `approval_answer`. Templates reach Service Layer only with "Enable Approval
Procedures in DI" (obs.).
"""

from __future__ import annotations

from typing import Any

from erp_sync.sandbox.core import Response, json_response
from erp_sync.systems.sap_b1.sandbox import credit, rows
from erp_sync.systems.sap_b1.sandbox.context import Context
from erp_sync.systems.sap_b1.sandbox.document_building import OBJECT_TYPES, ObjectType
from erp_sync.systems.sap_b1.sandbox.entities import SETS
from erp_sync.systems.sap_b1.sandbox.errors import (
    JSON,
    NO_RECORDS,
    NOT_FOUND,
    ServiceLayerError,
    Version,
    rule,
    unsupported,
)
from erp_sync.systems.sap_b1.sandbox.kind import Entity, Kind
from erp_sync.systems.sap_b1.sandbox.service import Entities
from erp_sync.systems.sap_b1.sandbox.values import decimal, exact

_REMARKS = 200
_AFTER = {"ardApproved": ("arsApproved", "dasApproved"), "ardNotApproved": ("arsNotApproved", "dasRejected")}


class SavedAsDraft(ServiceLayerError):
    """The document waits for approval: what was saved stays, whatever the answer says."""

    def __init__(self, answer: Response | None) -> None:
        super().__init__(NOT_FOUND, NO_RECORDS, 404, keep=True)
        self.answer = answer

    def response(self, version: Version, *, batch: bool = False) -> Response:
        return self.answer or super().response(version, batch=batch)


class Approvals:
    """The templates of the company and what they hold."""

    def __init__(self, entities: Entities) -> None:
        self.entities = entities

    def template(self, context: Context, kind: ObjectType, document: Entity) -> tuple[int, Entity] | None:
        """Number and row of the first template that the document meets, or None."""
        if not context.setting("approvals_in_di"):
            return None
        for number_, row in enumerate(context.setting("approval_templates"), 1):
            if str(row.get("object_type", "17")) == kind.number and _meets(context, row, document):
                return number_, row
        return None

    def held(self, context: Context, kind: ObjectType, document: Entity, template: tuple[int, Entity]) -> SavedAsDraft:
        """Save the draft and the request; answers the error to raise. A `document` that has a draft's DocEntry is that
        draft."""
        number_, row = template
        drafts, requests = self.entities.kinds["Drafts"], self.entities.kinds["ApprovalRequests"]
        draft = {
            **document,
            "AuthorizationStatus": "dasPending",
            "Document_ApprovalRequests": [
                {"ApprovalTemplatesID": number_, "ApprovalTemplatesName": row.get("name", ""), "Remarks": None}
            ],
        }
        is_new = "DocEntry" not in draft
        if is_new:
            draft = drafts.numbered(context, draft)  # type: ignore[attr-defined]
            draft["CreationDate"] = context.today
        self.entities.save(context, drafts, draft, "create" if is_new else "update")
        request = {
            "Code": requests.number(context), "ApprovalTemplatesID": number_, "ObjectType": kind.number,
            "IsDraft": "Y", "ObjectEntry": None, "Status": "arsPending", "Remarks": None, "CurrentStage": 1,
            "OriginatorID": 1, "CreationDate": context.today, "CreationTime": context.time,
            "DraftEntry": draft["DocEntry"], "DraftType": "112", "ApprovalRequestLines": [
                {"StageCode": 1, "UserID": 1, "Status": "ardPending", "Remarks": None,
                 "CreationDate": context.today, "CreationTime": context.time}
            ], "ApprovalRequestDecisions": [],
        }  # fmt: skip
        self.entities.save(context, requests, request, "create")
        if context.options.approval_answer != "created":
            return SavedAsDraft(None)
        # The number is that of the draft, under which there is no order.
        where = f"{context.origin}{context.root}/{kind.set_name}({draft['DocEntry']})"
        body = {"DocEntry": draft["DocEntry"], "DocNum": draft["DocNum"]}
        return SavedAsDraft(json_response(body, 201, {"location": where}, JSON))

    def request_of(self, context: Context, draft_entry: int) -> Entity | None:
        code = context.store.value(
            "SELECT k1 FROM \"ApprovalRequests\" WHERE json_extract(data, '$.DraftEntry') = ? ORDER BY k1 DESC",
            draft_entry,
        )
        return None if code is None else rows.read(context.store, "ApprovalRequests", code)


def _meets(context: Context, row: Entity, document: Entity) -> bool:
    if row.get("over_credit_limit") and not credit.is_exceeded(context, document):
        return False
    conditions = [
        (row.get("total_above"), document.get("DocTotal")),
        (
            row.get("discount_above"),
            max(
                [document.get("DiscountPercent") or 0, *(line["DiscountPercent"] for line in document["DocumentLines"])]
            ),
        ),
    ]
    asked = [(exact(limit), decimal(value)) for limit, value in conditions if limit is not None]
    return all(value > limit for limit, value in asked)


class ApprovalRequests(Kind):
    """``PATCH ApprovalRequests(5) {"ApprovalRequestDecisions": [{"Status": "ardApproved"}]}`` decides as the session's
    user (obs.); ApproverUserName and ApproverPassword decide as another one and are checked no further here."""

    def __init__(self, entities: Entities) -> None:
        super().__init__(SETS["ApprovalRequests"])
        self.entities = entities

    def new(self, context: Context, sent: Entity) -> Entity:
        raise unsupported()

    def removable(self, context: Context, entity: Entity) -> None:
        raise unsupported()

    def changed(self, context: Context, before: Entity, after: Entity, sent: Entity) -> Entity:
        after = {**after, "ApprovalRequestDecisions": []}
        for decision in sent.get("ApprovalRequestDecisions") or []:
            after = self._decided(context, after, decision)
        return after

    def _decided(self, context: Context, request: Entity, decision: Entity) -> Entity:
        remarks = decision.get("Remarks")
        if remarks and len(remarks) > _REMARKS:
            raise rule(f"Value too long in property 'Remarks'; at most {_REMARKS} characters")  # words unconfirmed
        if request["Status"] not in ("arsPending", "arsApproved", "arsNotApproved"):
            raise rule("The approval request is no longer open")  # words unconfirmed
        known = _AFTER.get(decision.get("Status") or "")
        if known is None:
            return request
        draft = rows.read(context.store, "Drafts", request["DraftEntry"])
        if draft is not None:
            draft["AuthorizationStatus"] = known[1]
            self.entities.save(context, self.entities.kinds["Drafts"], draft)
        lines: list[Any] = [
            {**line, "Status": decision["Status"], "Remarks": remarks, "UpdateDate": context.today,
             "UpdateTime": context.time}
            for line in request["ApprovalRequestLines"]
        ]  # fmt: skip
        return {**request, "Status": known[0], "Remarks": remarks, "ApprovalRequestLines": lines}


def object_type(code: str | None) -> ObjectType | None:
    return OBJECT_TYPES.get(code or "")
