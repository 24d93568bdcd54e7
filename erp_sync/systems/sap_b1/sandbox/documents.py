"""Sales orders: made, changed, closed, cancelled, reopened; what is open of them commits stock.

Close and Cancel answer 204 (fact sheet, section 4); which words a refusal has is unconfirmed. DELETE of an order is
-5006. Two orders with one NumAtCard are two orders.
"""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from typing import Any

from erp_sync.sandbox.core import Response
from erp_sync.systems.sap_b1.sandbox import add_on, credit, row_closing, rows, stock
from erp_sync.systems.sap_b1.sandbox.approvals import Approvals
from erp_sync.systems.sap_b1.sandbox.context import Context
from erp_sync.systems.sap_b1.sandbox.document_building import ORDER, ObjectType, build, summed
from erp_sync.systems.sap_b1.sandbox.entities import EntitySet
from erp_sync.systems.sap_b1.sandbox.errors import ServiceLayerError, rule, unsupported
from erp_sync.systems.sap_b1.sandbox.kind import Entity, Kind
from erp_sync.systems.sap_b1.sandbox.service import Entities
from erp_sync.systems.sap_b1.sandbox.values import ZERO, decimal


class Documents(Kind):
    """Documents of one type, with numbers of their own."""

    object_type: ObjectType = ORDER
    actions = frozenset({"Close", "Cancel", "Reopen"})

    def __init__(self, entity: EntitySet, entities: Entities) -> None:
        super().__init__(entity)
        self.entities = entities

    def document(self, context: Context, entity: Entity) -> str:
        return str(entity.get(context.options.document_field) or entity["DocEntry"])

    def numbered(self, context: Context, entity: Entity) -> Entity:
        """Key and visible number: two counters, which drift apart as in life."""
        entity["DocEntry"] = self.number(context)
        entity["DocNum"] = context.store.next(f"DocNum {self.object_type.number}", 1001)
        entity["DocTime"] = context.time
        for line in entity["DocumentLines"]:
            line["DocEntry"] = entity["DocEntry"]
        entity["AddressExtension"] = {**entity["AddressExtension"], "DocEntry": entity["DocEntry"]}
        return entity

    # -- what follows from it --------------------------------------------------------------------------

    def commit(self, context: Context, before: Entity | None, after: Entity) -> None:
        """Documents of which something open commits stock say so here."""

    @staticmethod
    def commit_open(context: Context, before: Entity | None, after: Entity) -> None:
        """Move what is committed by the difference of what is open."""
        moved: dict[tuple[str, str], Decimal] = defaultdict(lambda: ZERO)
        for sign, document in ((-1, before), (1, after)):
            for line in (document or {}).get("DocumentLines") or []:
                if line.get("WarehouseCode"):
                    place = (line["ItemCode"], line["WarehouseCode"])
                    moved[place] += sign * decimal(line["RemainingOpenInventoryQuantity"])
        for (code, warehouse), quantity in moved.items():
            item = rows.read(context.store, "Items", code) or {}
            if quantity and stock.is_kept(item):
                stock.move(context.store, code, warehouse, committed=quantity)

    def taken(self, context: Context, document: Entity, line_number: int, quantity: Decimal) -> None:
        """A document that follows took so much of a row (or gave it back, negative): what remains, and the status.

        Raises ServiceLayerError (-10) for a row that is closed already.
        """
        lines = []
        for line in document["DocumentLines"]:
            if line["LineNum"] == line_number:
                if line["LineStatus"] == "bost_Close" and quantity > 0:
                    raise ServiceLayerError(-10, "One of the base documents has already been closed")
                done = decimal(line.get("sandbox_delivered")) + quantity
                status = "bost_Close" if done >= decimal(line["Quantity"]) else "bost_Open"
                line = {**line, "sandbox_delivered": str(done), "LineStatus": status}
            lines.append(line)
        whole = all(line["LineStatus"] == "bost_Close" for line in lines)
        touched = any(decimal(line.get("sandbox_delivered")) for line in lines)
        found = {
            **document,
            "DocumentLines": lines,
            "DocumentStatus": "bost_Close" if whole else "bost_Open",
            "sandbox_touched": 1 if touched else None,
        }
        found = summed(context, found)
        self.commit(context, document, found)
        self.entities.save(context, self, found)


class Orders(Documents):
    """Sales orders (ORDR, object 17)."""

    def __init__(self, entity: EntitySet, entities: Entities, approvals: Approvals) -> None:
        super().__init__(entity, entities)
        self.approvals = approvals

    def new(self, context: Context, sent: Entity) -> Entity:
        entity = build(context, self.object_type, sent, sent, None)
        template = self.approvals.template(context, self.object_type, entity)
        if template is not None:
            raise self.approvals.held(context, self.object_type, entity, template)
        credit.check(context, entity)
        return self.numbered(context, entity)

    def added(self, context: Context, entity: Entity) -> None:
        self.commit(context, None, entity)
        self.touch_partner(context, entity["CardCode"])

    def touch_partner(self, context: Context, code: str) -> None:
        """Posting an order bumps its customer's DataVersion (fact sheet, section 6); the update stamp stays."""
        found = rows.read(context.store, "BusinessPartners", code)
        if found is not None:
            found["DataVersion"] = int(found.get("DataVersion", 0)) + 1
            rows.write(context.store, "BusinessPartners", found)

    def changed(self, context: Context, before: Entity, after: Entity, sent: Entity) -> Entity:
        if before["DocumentStatus"] == "bost_Close":
            raise rule("Closed documents cannot be changed")  # words unconfirmed
        numbers = row_closing.asked(before, sent)
        if numbers:
            row_closing.check_alone(before, after, sent)
            found = row_closing.closed(context, before, numbers)
        else:
            found = build(context, self.object_type, after, sent, before)
            for line in found["DocumentLines"]:
                line["DocEntry"] = before["DocEntry"]
            if decimal(found["DocTotal"]) > decimal(before["DocTotal"]):
                credit.check(context, found, before)
        self.commit(context, before, found)
        return found

    def removable(self, context: Context, entity: Entity) -> None:
        raise unsupported()

    # -- actions ---------------------------------------------------------------------------------------

    def act(self, context: Context, entity: Entity, action: str, body: Any) -> Response:
        found = {"Close": self._close, "Cancel": self._cancel, "Reopen": self._reopen}[action](context, entity)
        self.commit(context, entity, found)
        add_on.check(context, self.entity.name, {"Close": "L", "Cancel": "C", "Reopen": "U"}[action], found)
        self.entities.save(context, self, found)
        words = {"Close": "Closed", "Cancel": "Cancelled", "Reopen": "Reopened"}
        context.events[-1] = (self.entity.name, words[action], {"DocEntry": entity["DocEntry"]})
        return Response(204)

    def _close(self, context: Context, entity: Entity) -> Entity:
        if entity["DocumentStatus"] == "bost_Close":
            raise rule("Document is already closed")  # words unconfirmed
        return row_closing.closed(context, entity, row_closing.open_rows(entity))

    def _cancel(self, context: Context, entity: Entity) -> Entity:
        if entity["Cancelled"] == "tYES" or entity["DocumentStatus"] == "bost_Close":
            raise rule("Document is already closed or cancelled")  # words unconfirmed
        if entity.get("sandbox_touched"):
            raise rule("Document cannot be cancelled; it has follow-up documents")  # words unconfirmed
        closed = self._close(context, entity)
        return {**closed, "Cancelled": "tYES", "CancelStatus": "csYes", "CancelDate": context.today}

    def _reopen(self, context: Context, entity: Entity) -> Entity:
        """Rows that a person closed open again; a cancelled order stays cancelled (unconfirmed)."""
        if entity["Cancelled"] == "tYES" or entity["DocumentStatus"] != "bost_Close":
            raise rule("Document cannot be reopened")  # words unconfirmed
        lines = [
            {**line, "LineStatus": "bost_Open", "sandbox_by_hand": None} if line.get("sandbox_by_hand") else line
            for line in entity["DocumentLines"]
        ]
        if not any(line["LineStatus"] == "bost_Open" for line in lines):
            raise rule("Document cannot be reopened")
        opened = {**entity, "DocumentStatus": "bost_Open", "ClosingDate": None, "DocumentLines": lines}
        return summed(context, opened)

    def commit(self, context: Context, before: Entity | None, after: Entity) -> None:
        self.commit_open(context, before, after)
