"""Goods receipts (OIGN, object 59) and goods issues (OIGE, object 60) that belong to no order.

Stock is never set but moved by documents (fact sheet, section 4). A row needs an item that is kept in stock, a
quantity and a warehouse that there is. Unconfirmed: the words of refusals but that of negative stock (SAP note
2693418), that a row without a price is valued at the item's cost, and that the document stays open. Undoing one is
left out: it is done by posting the opposite.
"""

from __future__ import annotations

from erp_sync.systems.sap_b1.sandbox import document_lines, rows, stock
from erp_sync.systems.sap_b1.sandbox.context import Context
from erp_sync.systems.sap_b1.sandbox.document_building import ObjectType
from erp_sync.systems.sap_b1.sandbox.documents import Documents
from erp_sync.systems.sap_b1.sandbox.entities import SETS
from erp_sync.systems.sap_b1.sandbox.errors import VALIDATION, ServiceLayerError, not_found, rule, unsupported
from erp_sync.systems.sap_b1.sandbox.kind import Entity
from erp_sync.systems.sap_b1.sandbox.pricing import units
from erp_sync.systems.sap_b1.sandbox.service import Entities
from erp_sync.systems.sap_b1.sandbox.totals import rounded
from erp_sync.systems.sap_b1.sandbox.values import ZERO, decimal, number

RECEIPT = ObjectType("59", "oInventoryGenEntry", "InventoryGenEntries", "OIGN", "IGN1")
ISSUE = ObjectType("60", "oInventoryGenExit", "InventoryGenExits", "OIGE", "IGE1")


class GoodsMovements(Documents):
    """One of both sets; `sign` is 1 for receipts, -1 for issues."""

    actions = frozenset()

    def __init__(self, entities: Entities, set_name: str, kind: ObjectType, sign: int) -> None:
        super().__init__(SETS[set_name], entities)
        self.object_type, self.sign = kind, sign

    def document(self, context: Context, entity: Entity) -> str:
        return str(entity["DocEntry"])

    def new(self, context: Context, sent: Entity) -> Entity:
        if sent.get("CardCode"):
            raise ServiceLayerError(VALIDATION, "Business partner is not allowed in this document")
        given = sent.get("DocumentLines") or []
        if not given:
            raise rule("Document must have at least one line")
        lines = [self._line(context, line, place) for place, line in enumerate(given)]
        total = sum((decimal(line["LineTotal"]) for line in lines), ZERO)
        day = sent.get("DocDate") or context.today
        found = {
            "DocType": "dDocument_Items", "HandWritten": "tNO", "Series": 1, "Comments": None, "Reference2": None,
            **sent,
            "DocObjectCode": self.object_type.code, "DocDate": day, "TaxDate": sent.get("TaxDate") or day,
            "DocDueDate": sent.get("DocDueDate") or day, "DocumentStatus": "bost_Open", "Cancelled": "tNO",
            "CancelStatus": "csNo", "DocCurrency": context.options.local_currency, "DocRate": number(1),
            "DocTotal": number(total), "DocTotalFc": number(0), "VatSum": number(0), "VatSumFc": number(0),
            "AddressExtension": sent.get("AddressExtension") or {}, "DocumentLines": lines,
        }  # fmt: skip
        return self.numbered(context, found)

    def _line(self, context: Context, sent: Entity, place: int) -> Entity:
        where = f"[{self.object_type.lines}.%s][line: {place + 1}]"
        if sent.get("BaseType") not in (None, -1):
            raise ServiceLayerError(VALIDATION, f"Base document type {sent['BaseType']} is not supported here")
        code = sent.get("ItemCode")
        item = rows.read(context.store, "Items", code) if isinstance(code, str) else None
        if item is None:
            raise not_found()
        if not stock.is_kept(item):
            raise rule(f"Item {code} is not an inventory item  {where % 'ItemCode'}")
        quantity = decimal(sent.get("Quantity") if sent.get("Quantity") is not None else 1)
        if quantity <= 0:
            raise rule(f"Enter valid quantity  {where % 'Quantity'}")
        uom = units.base(context, item) if sent.get("UoMEntry") is None else int(sent["UoMEntry"])
        given = sent.get("UnitPrice")
        price = decimal(given if given is not None else item.get("AvgStdPrice"))
        return {
            **document_lines.sent_line(sent),
            "LineNum": place,
            "VisualOrder": place,
            "ItemDescription": sent.get("ItemDescription") or item.get("ItemName"),
            "Quantity": number(quantity),
            "UoMEntry": uom,
            "InventoryQuantity": number(quantity * units.factor(context, item, uom)),
            "WarehouseCode": document_lines.warehouse(context, item, sent),
            "UnitPrice": number(price),
            "Price": number(price),
            "Currency": context.options.local_currency,
            "LineTotal": number(rounded(quantity * price, context.options.amount)),
            "LineStatus": "bost_Open",
        }

    def added(self, context: Context, entity: Entity) -> None:
        for place, line in enumerate(entity["DocumentLines"], 1):
            by = self.sign * decimal(line["InventoryQuantity"])
            after = stock.move(context.store, line["ItemCode"], line["WarehouseCode"], on_hand=by)
            if by < 0 and after["on_hand"] < 0 and not context.setting("negative_stock"):
                raise rule(
                    f"Quantity falls into negative inventory  [{self.object_type.lines}.ItemCode][line: {place}]"
                )

    def changed(self, context: Context, before: Entity, after: Entity, sent: Entity) -> Entity:
        """Of a posted document the header's texts may change, not its rows (unconfirmed which)."""
        if sent.get("DocumentLines") or sent.get("CardCode"):
            raise rule("Rows of a posted document cannot be changed")
        return after

    def removable(self, context: Context, entity: Entity) -> None:
        raise unsupported()
