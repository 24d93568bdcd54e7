"""Deliveries (ODLN, object 15), copied line by line from orders: ``{BaseType: 17, BaseEntry, BaseLine, Quantity}``.

A lower Quantity leaves the order's row open (fact sheet, section 8). Goods leave the stock; below zero the write is
refused (words: SAP note 2693418) unless the company allows it. The customer must be the order's. A delivery is a
posted document: it is undone by CreateCancellationDocument, whose answer (204) is unconfirmed, as is what Cancel
says. More than what remains of a row may be delivered (unconfirmed), which closes it.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from erp_sync.sandbox.core import Response
from erp_sync.systems.sap_b1.sandbox import pick_lists, rows, stock
from erp_sync.systems.sap_b1.sandbox.context import Context
from erp_sync.systems.sap_b1.sandbox.document_building import DELIVERY, ORDER, build, summed
from erp_sync.systems.sap_b1.sandbox.documents import Documents, Orders
from erp_sync.systems.sap_b1.sandbox.entities import SETS
from erp_sync.systems.sap_b1.sandbox.errors import VALIDATION, ServiceLayerError, not_found, rule, unsupported
from erp_sync.systems.sap_b1.sandbox.kind import Entity
from erp_sync.systems.sap_b1.sandbox.service import Entities
from erp_sync.systems.sap_b1.sandbox.values import decimal

_COPIED = ("ItemCode", "ItemDescription", "UnitPrice", "DiscountPercent", "VatGroup", "TaxCode", "WarehouseCode",
           "UoMEntry", "AgreementNo", "AgreementRowNumber", "TreeType")  # fmt: skip


class DeliveryNotes(Documents):
    object_type = DELIVERY
    actions = frozenset({"Close", "Cancel", "CreateCancellationDocument"})

    def __init__(self, entities: Entities) -> None:
        super().__init__(SETS["DeliveryNotes"], entities)

    def new(self, context: Context, sent: Entity) -> Entity:
        lines = [self._copied(context, sent, line) for line in sent.get("DocumentLines") or []]
        header = self._base_header(context, lines)
        whole = {**header, **{name: value for name, value in sent.items() if value is not None}}
        whole["DocumentLines"] = lines
        return self.numbered(context, build(context, self.object_type, whole, whole, None))

    @staticmethod
    def _copied(context: Context, sent: Entity, line: Entity) -> Entity:
        if line.get("BaseType") in (None, -1):
            return line
        if str(line["BaseType"]) != ORDER.number:
            raise ServiceLayerError(VALIDATION, f"Base document type {line['BaseType']} is not supported here")
        order = rows.read(context.store, "Orders", line.get("BaseEntry") or 0)
        base = next(
            (row for row in (order or {}).get("DocumentLines", []) if row["LineNum"] == line.get("BaseLine")), None
        )
        if order is None or base is None:
            raise not_found()
        if order["CardCode"] != sent.get("CardCode"):
            raise ServiceLayerError(VALIDATION, "Base document card and target document card do not match")
        if order["DocumentStatus"] == "bost_Close" or base["LineStatus"] == "bost_Close":
            place = (sent.get("DocumentLines") or []).index(line) + 1
            raise rule(f"One of the base documents has already been closed  [DLN1.BaseEntry][line: {place}]")
        found = {name: base[name] for name in _COPIED if base.get(name) is not None}
        found["Quantity"] = base["RemainingOpenQuantity"]
        return {**found, **{name: value for name, value in line.items() if value is not None}}

    @staticmethod
    def _base_header(context: Context, lines: list[Entity]) -> Entity:
        """What comes from the first base document (unconfirmed which values do)."""
        entry = next((line["BaseEntry"] for line in lines if line.get("BaseEntry") is not None), None)
        order = None if entry is None else rows.read(context.store, "Orders", entry)
        names = ("DocCurrency", "DiscountPercent", "AddressExtension", "ShipToCode", "PayToCode", "PriceMode")
        return {name: order[name] for name in names if order.get(name) is not None} if order else {}

    def added(self, context: Context, entity: Entity) -> None:
        self._moved(context, entity, Decimal(1))

    def _moved(self, context: Context, entity: Entity, sign: Decimal) -> None:
        """Goods out (or back, -1), and the rows of the orders they were for."""
        orders = self.entities.kinds["Orders"]
        assert isinstance(orders, Orders)
        for place, line in enumerate(entity["DocumentLines"], 1):
            item = rows.read(context.store, "Items", line["ItemCode"]) or {}
            if stock.is_kept(item) and line.get("WarehouseCode"):
                by = sign * decimal(line["InventoryQuantity"])
                after = stock.move(context.store, line["ItemCode"], line["WarehouseCode"], on_hand=-by)
                if after["on_hand"] < 0 and by > 0 and not context.setting("negative_stock"):
                    raise rule(f"Quantity falls into negative inventory  [DLN1.ItemCode][line: {place}]")
            if str(line.get("BaseType")) == ORDER.number:
                order = rows.read(context.store, "Orders", line["BaseEntry"])
                assert order is not None
                quantity = decimal(line["Quantity"])
                orders.delivered(context, order, line["BaseLine"], sign * quantity)
                if sign > 0:
                    pick_lists.delivered(context, self.entities, line["BaseEntry"], line["BaseLine"], quantity)

    def changed(self, context: Context, before: Entity, after: Entity, sent: Entity) -> Entity:
        """Of a posted document the header's texts may change, not its rows (unconfirmed which)."""
        if sent.get("DocumentLines") or "CardCode" in sent:
            raise rule("Rows of a posted document cannot be changed")
        return after

    def removable(self, context: Context, entity: Entity) -> None:
        raise unsupported()

    def act(self, context: Context, entity: Entity, action: str, body: Any) -> Response:
        if action == "Cancel":
            raise unsupported()
        if entity["DocumentStatus"] == "bost_Close":
            raise rule("Document is already closed")
        if action == "CreateCancellationDocument":
            self._cancelled(context, entity)
        lines = [{**line, "LineStatus": "bost_Close"} for line in entity["DocumentLines"]]
        found = {**entity, "DocumentStatus": "bost_Close", "ClosingDate": context.today, "DocumentLines": lines}
        if action == "CreateCancellationDocument":
            found |= {"Cancelled": "tYES", "CancelStatus": "csYes", "CancelDate": context.today}
        self.entities.save(context, self, summed(context, found))
        return Response(204)

    def _cancelled(self, context: Context, entity: Entity) -> None:
        """The cancellation: a delivery of its own, closed from the start, that gives the goods back."""
        self._moved(context, entity, Decimal(-1))
        lines = [
            {**line, "LineStatus": "bost_Close", "BaseType": int(DELIVERY.number), "BaseEntry": entity["DocEntry"],
             "BaseLine": line["LineNum"]}
            for line in entity["DocumentLines"]
        ]  # fmt: skip
        counter = {
            **entity, "DocumentLines": lines, "DocumentStatus": "bost_Close", "Cancelled": "tNO",
            "CancelStatus": "csCancellation", "CreationDate": context.today, "DataVersion": 0,
        }  # fmt: skip
        counter = self.numbered(context, counter)
        self.entities.save(context, self, counter, "create")
