"""Posted documents of sales and purchasing, copied row by row from others: ``{BaseType: 17, BaseEntry, BaseLine,
Quantity}`` (fact sheet, section 4).

| set | object | copied from | goods |
|---|---|---|---|
| DeliveryNotes | 15 | order 17, reserve invoice 13 | leave |
| Invoices | 13 | order 17, delivery 15 | leave, if no delivery has taken them; of a reserve invoice none |
| Returns | 16 | delivery 15 | come back |
| CreditNotes | 14 | invoice 13, return 16 | come back, if no return has brought them |
| PurchaseDeliveryNotes | 20 | nothing here (purchase orders are not in this sandbox) | come in |

A lower Quantity leaves the base's row open (section 8). Below zero the write is refused (words: SAP note 2693418)
unless the company allows it. The partner must be the base's. A closed document is no base (section 8: a closed invoice
cannot be credited by copying). `WithoutInventoryMovement` of a credit note's row (contract) moves nothing. A posted
document is undone by CreateCancellationDocument, whose answer (204) is unconfirmed, as is what Cancel says.

A reserve invoice (`ReserveInvoice` tYES) takes the order's place: it closes the order's rows and commits the stock
until it is delivered (SAP help, A/R Reserve Invoice). Unconfirmed: that more than what remains of a row may be taken,
which closes it; that a return opens no row of the order again; that neither invoices nor credit notes are closed by
hand; that crediting a reserve invoice moves nothing.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from erp_sync.sandbox.core import Response
from erp_sync.systems.sap_b1.sandbox import add_on, pick_lists, rows, stock
from erp_sync.systems.sap_b1.sandbox.context import Context
from erp_sync.systems.sap_b1.sandbox.document_building import (
    CREDIT_NOTE,
    DELIVERY,
    INVOICE,
    ORDER,
    PURCHASE_DELIVERY,
    RETURN,
    ObjectType,
    build,
    summed,
)
from erp_sync.systems.sap_b1.sandbox.documents import Documents
from erp_sync.systems.sap_b1.sandbox.entities import SETS
from erp_sync.systems.sap_b1.sandbox.errors import VALIDATION, ServiceLayerError, not_found, rule, unsupported
from erp_sync.systems.sap_b1.sandbox.kind import Entity
from erp_sync.systems.sap_b1.sandbox.service import Entities
from erp_sync.systems.sap_b1.sandbox.values import decimal

_COPIED = ("ItemCode", "ItemDescription", "UnitPrice", "DiscountPercent", "VatGroup", "TaxCode", "WarehouseCode",
           "UoMEntry", "AgreementNo", "AgreementRowNumber", "TreeType")  # fmt: skip
_HEADER = ("DocCurrency", "DiscountPercent", "AddressExtension", "ShipToCode", "PayToCode", "PriceMode")
_SETS = {kind.number: kind.set_name for kind in (ORDER, DELIVERY, INVOICE, RETURN)}


class PostedDocuments(Documents):
    """One of the sets; `sign` is what its goods do to the stock, `bases` the types of documents it is copied from."""

    actions = frozenset({"Close", "Cancel", "CreateCancellationDocument"})
    sign = Decimal(-1)
    bases: frozenset[str] = frozenset()
    closes_by_hand = True

    def __init__(self, entities: Entities) -> None:
        super().__init__(SETS[self.object_type.set_name], entities)

    def new(self, context: Context, sent: Entity) -> Entity:
        lines = [self._copied(context, sent, line) for line in sent.get("DocumentLines") or []]
        header = self._base_header(context, lines)
        whole = {**header, **{name: value for name, value in sent.items() if value is not None}}
        whole["DocumentLines"] = lines
        return self.numbered(context, build(context, self.object_type, whole, whole, None))

    def _copied(self, context: Context, sent: Entity, line: Entity) -> Entity:
        if line.get("BaseType") in (None, -1):
            return line
        kind = str(line["BaseType"])
        if kind not in self.bases:
            raise ServiceLayerError(VALIDATION, f"Base document type {kind} is not supported here")
        document = rows.read(context.store, _SETS[kind], line.get("BaseEntry") or 0)
        base = next(
            (row for row in (document or {}).get("DocumentLines", []) if row["LineNum"] == line.get("BaseLine")), None
        )
        if document is None or base is None:
            raise not_found()
        if document["CardCode"] != sent.get("CardCode"):
            raise ServiceLayerError(VALIDATION, "Base document card and target document card do not match")
        if document["DocumentStatus"] == "bost_Close" or base["LineStatus"] == "bost_Close":
            place = f"[{self.object_type.lines}.BaseEntry][line: {(sent.get('DocumentLines') or []).index(line) + 1}]"
            raise rule(f"One of the base documents has already been closed  {place}")
        self._check_base(document)
        found = {name: base[name] for name in _COPIED if base.get(name) is not None}
        found["Quantity"] = base["RemainingOpenQuantity"]
        return {**found, **{name: value for name, value in line.items() if value is not None}}

    def _check_base(self, document: Entity) -> None:
        """Raises ServiceLayerError for a base that this document cannot follow."""

    @staticmethod
    def _base_header(context: Context, lines: list[Entity]) -> Entity:
        """What comes from the first base document (unconfirmed which values do)."""
        first = next((line for line in lines if line.get("BaseEntry") is not None), None)
        if first is None:
            return {}
        document = rows.read(context.store, _SETS[str(first["BaseType"])], first["BaseEntry"]) or {}
        return {name: document[name] for name in _HEADER if document.get(name) is not None}

    # -- what it does to stock and to the documents before it --------------------------------------------

    def moves(self, context: Context, entity: Entity, line: Entity) -> bool:
        """Whether the row's goods move with this document."""
        return True

    def added(self, context: Context, entity: Entity) -> None:
        lines = [
            {**line, "sandbox_moved": str(self._moved(context, entity, line, place))}
            for place, line in enumerate(entity["DocumentLines"], 1)
        ]
        entity["DocumentLines"] = lines
        rows.write(context.store, self.entity.name, entity)
        for line in lines:
            self._take(context, line, Decimal(1))
        self.commit(context, None, entity)

    def _moved(self, context: Context, entity: Entity, line: Entity, place: int) -> Decimal:
        """Move the row's goods and answer by how much the stock is now more."""
        item = rows.read(context.store, "Items", line["ItemCode"]) or {}
        if not stock.is_kept(item) or not line.get("WarehouseCode") or not self.moves(context, entity, line):
            return Decimal(0)
        by = self.sign * decimal(line["InventoryQuantity"])
        after = stock.move(context.store, line["ItemCode"], line["WarehouseCode"], on_hand=by)
        self._check_stock(context, after["on_hand"], by, place)
        return by

    def _check_stock(self, context: Context, left: Decimal, by: Decimal, place: int) -> None:
        if left < 0 and by < 0 and not context.setting("negative_stock"):
            raise rule(f"Quantity falls into negative inventory  [{self.object_type.lines}.ItemCode][line: {place}]")

    def _take(self, context: Context, line: Entity, sign: Decimal) -> None:
        """The row is taken from its base document, or (-1) given back to it."""
        kind = str(line.get("BaseType"))
        if kind not in self.bases or line.get("BaseEntry") is None:
            return
        base = self.entities.kinds[_SETS[kind]]
        assert isinstance(base, Documents)
        document = rows.read(context.store, base.entity.name, line["BaseEntry"])
        assert document is not None
        quantity = decimal(line["Quantity"])
        base.taken(context, document, line["BaseLine"], sign * quantity)
        if kind == ORDER.number and sign > 0:
            pick_lists.delivered(context, self.entities, line["BaseEntry"], line["BaseLine"], quantity)

    # -- afterwards ------------------------------------------------------------------------------------

    def changed(self, context: Context, before: Entity, after: Entity, sent: Entity) -> Entity:
        """Of a posted document the header's texts may change, not its rows (unconfirmed which)."""
        if sent.get("DocumentLines") or "CardCode" in sent:
            raise rule("Rows of a posted document cannot be changed")
        return after

    def removable(self, context: Context, entity: Entity) -> None:
        raise unsupported()

    def act(self, context: Context, entity: Entity, action: str, body: Any) -> Response:
        if action == "Cancel" or (action == "Close" and not self.closes_by_hand):
            raise unsupported()
        if entity["DocumentStatus"] == "bost_Close":
            raise rule("Document is already closed")
        if action == "CreateCancellationDocument":
            if entity.get("sandbox_touched"):
                raise rule("Document cannot be cancelled; it has follow-up documents")  # words unconfirmed
            self._cancel(context, entity)
        lines = [{**line, "LineStatus": "bost_Close"} for line in entity["DocumentLines"]]
        found = {**entity, "DocumentStatus": "bost_Close", "ClosingDate": context.today, "DocumentLines": lines}
        if action == "CreateCancellationDocument":
            found |= {"Cancelled": "tYES", "CancelStatus": "csYes", "CancelDate": context.today}
        found = summed(context, found)
        self.commit(context, entity, found)
        add_on.check(context, self.entity.name, "C" if found["Cancelled"] == "tYES" else "L", found)
        self.entities.save(context, self, found)
        return Response(204)

    def _cancel(self, context: Context, entity: Entity) -> None:
        """The cancellation: a document of its own of the same type, closed from the start, that undoes the first."""
        lines = []
        for place, line in enumerate(entity["DocumentLines"], 1):
            by = -decimal(line.get("sandbox_moved"))
            if by:
                after = stock.move(context.store, line["ItemCode"], line["WarehouseCode"], on_hand=by)
                self._check_stock(context, after["on_hand"], by, place)
            self._take(context, line, Decimal(-1))
            lines.append(
                {**line, "LineStatus": "bost_Close", "BaseType": int(self.object_type.number),
                 "BaseEntry": entity["DocEntry"], "BaseLine": line["LineNum"], "sandbox_moved": str(by)}
            )  # fmt: skip
        counter = {
            **entity, "DocumentLines": lines, "DocumentStatus": "bost_Close", "Cancelled": "tNO",
            "CancelStatus": "csCancellation", "CreationDate": context.today, "DataVersion": 0,
        }  # fmt: skip
        counter = self.numbered(context, counter)
        self.entities.save(context, self, counter, "create")


class DeliveryNotes(PostedDocuments):
    object_type: ObjectType = DELIVERY
    bases = frozenset({ORDER.number, INVOICE.number})

    def _check_base(self, document: Entity) -> None:
        if document["DocObjectCode"] == INVOICE.code and document.get("ReserveInvoice") != "tYES":
            raise ServiceLayerError(VALIDATION, "Base document type 13 is no reserve invoice")  # words unconfirmed


class Invoices(PostedDocuments):
    object_type: ObjectType = INVOICE
    bases = frozenset({ORDER.number, DELIVERY.number})
    closes_by_hand = False

    def new(self, context: Context, sent: Entity) -> Entity:
        return super().new(context, {"ReserveInvoice": "tNO", **sent})

    def moves(self, context: Context, entity: Entity, line: Entity) -> bool:
        return entity.get("ReserveInvoice") != "tYES" and str(line.get("BaseType")) != DELIVERY.number

    def commit(self, context: Context, before: Entity | None, after: Entity) -> None:
        if after.get("ReserveInvoice") == "tYES":
            self.commit_open(context, before, after)


class Returns(PostedDocuments):
    object_type: ObjectType = RETURN
    bases = frozenset({DELIVERY.number})
    sign = Decimal(1)


class CreditNotes(PostedDocuments):
    object_type: ObjectType = CREDIT_NOTE
    bases = frozenset({INVOICE.number, RETURN.number})
    sign = Decimal(1)
    closes_by_hand = False

    def moves(self, context: Context, entity: Entity, line: Entity) -> bool:
        if line.get("WithoutInventoryMovement") == "tYES" or str(line.get("BaseType")) == RETURN.number:
            return False
        if str(line.get("BaseType")) != INVOICE.number:
            return True
        invoice = rows.read(context.store, "Invoices", line["BaseEntry"]) or {}
        return invoice.get("ReserveInvoice") != "tYES"


class PurchaseDeliveryNotes(PostedDocuments):
    object_type: ObjectType = PURCHASE_DELIVERY
    sign = Decimal(1)
