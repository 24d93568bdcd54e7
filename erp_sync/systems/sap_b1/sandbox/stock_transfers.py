"""Stock transfers (OWTR, object 67): goods go from one warehouse to another.

``POST StockTransfers {FromWarehouse, ToWarehouse, StockTransferLines: [{ItemCode, Quantity, FromWarehouseCode,
WarehouseCode}]}`` (names: contract). Rows without warehouses have the header's (unconfirmed). Below zero the write is
refused as in other documents. ``Cancel`` makes a transfer back (published action; its answer, 204, and that the first
stays as it is are unconfirmed: the type has no mark for it). It has an update date and no time.
"""

from __future__ import annotations

from typing import Any

from erp_sync.sandbox.core import Response
from erp_sync.systems.sap_b1.sandbox import rows, stock
from erp_sync.systems.sap_b1.sandbox.context import Context
from erp_sync.systems.sap_b1.sandbox.entities import SETS
from erp_sync.systems.sap_b1.sandbox.errors import not_found, rule, unsupported
from erp_sync.systems.sap_b1.sandbox.kind import Entity, Kind
from erp_sync.systems.sap_b1.sandbox.pricing import units
from erp_sync.systems.sap_b1.sandbox.service import Entities
from erp_sync.systems.sap_b1.sandbox.values import decimal, number


class StockTransfers(Kind):
    actions = frozenset({"Cancel"})

    def __init__(self, entities: Entities) -> None:
        super().__init__(SETS["StockTransfers"])
        self.entities = entities

    def new(self, context: Context, sent: Entity) -> Entity:
        given = sent.get("StockTransferLines") or []
        if not given:
            raise rule("Document must have at least one line")  # words unconfirmed
        lines = [self._line(context, sent, line, place) for place, line in enumerate(given)]
        day = sent.get("DocDate") or context.today
        entity = super().new(context, {"Comments": None, "Series": 1, **sent})
        return {
            **entity, "DocNum": context.store.next("DocNum 67", 1001), "DocDate": day, "DueDate": day,
            "TaxDate": sent.get("TaxDate") or day, "DocObjectCode": "67", "DocumentStatus": "bost_Open",
            "StockTransferLines": [{**line, "DocEntry": entity["DocEntry"]} for line in lines],
        }  # fmt: skip

    @staticmethod
    def _line(context: Context, header: Entity, sent: Entity, place: int) -> Entity:
        code = sent.get("ItemCode")
        item = rows.read(context.store, "Items", code) if isinstance(code, str) else None
        if item is None:
            raise not_found()
        if not stock.is_kept(item):
            raise rule(f"Item {code} is not an inventory item  [WTR1.ItemCode][line: {place + 1}]")
        quantity = decimal(sent.get("Quantity") if sent.get("Quantity") is not None else 1)
        if quantity <= 0:
            raise rule(f"Enter valid quantity  [WTR1.Quantity][line: {place + 1}]")
        places = {
            "FromWarehouseCode": sent.get("FromWarehouseCode") or header.get("FromWarehouse"),
            "WarehouseCode": sent.get("WarehouseCode") or header.get("ToWarehouse"),
        }
        for warehouse in places.values():
            if warehouse is None or not stock.check_warehouse(context, warehouse):
                raise not_found()
        if places["FromWarehouseCode"] == places["WarehouseCode"]:
            raise rule(f"Warehouses of the row are the same  [WTR1.WhsCode][line: {place + 1}]")  # words unconfirmed
        uom = units.base(context, item) if sent.get("UoMEntry") is None else int(sent["UoMEntry"])
        return {
            **sent, **places, "LineNum": place, "ItemDescription": item.get("ItemName"), "Quantity": number(quantity),
            "UoMEntry": uom, "InventoryQuantity": number(quantity * units.factor(context, item, uom)),
            "LineStatus": "bost_Open",
        }  # fmt: skip

    def added(self, context: Context, entity: Entity) -> None:
        for place, line in enumerate(entity["StockTransferLines"], 1):
            by = decimal(line["InventoryQuantity"])
            left = stock.move(context.store, line["ItemCode"], line["FromWarehouseCode"], on_hand=-by)
            stock.move(context.store, line["ItemCode"], line["WarehouseCode"], on_hand=by)
            if left["on_hand"] < 0 and not context.setting("negative_stock"):
                raise rule(f"Quantity falls into negative inventory  [WTR1.ItemCode][line: {place}]")

    def changed(self, context: Context, before: Entity, after: Entity, sent: Entity) -> Entity:
        if sent.get("StockTransferLines"):
            raise rule("Rows of a posted document cannot be changed")
        return after

    def removable(self, context: Context, entity: Entity) -> None:
        raise unsupported()

    def act(self, context: Context, entity: Entity, action: str, body: Any) -> Response:
        if entity.get("sandbox_cancelled"):
            raise rule("Document is already cancelled")  # words unconfirmed
        lines = [
            {name: line[name] for name in ("ItemCode", "Quantity", "UoMEntry")}
            | {"FromWarehouseCode": line["WarehouseCode"], "WarehouseCode": line["FromWarehouseCode"]}
            for line in entity["StockTransferLines"]
        ]
        back = {"Comments": f"Cancels {entity['DocNum']}", "StockTransferLines": lines}
        made = self.entities.add(context, self, back, administrator=True)
        for one in (entity, made):
            self.entities.save(context, self, {**one, "sandbox_cancelled": 1})
        return Response(204)
