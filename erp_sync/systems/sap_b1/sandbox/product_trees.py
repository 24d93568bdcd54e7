"""Bills of materials of type Sales: a document that has the parent gets its components as rows of their own.

The parent (iSalesTree) has the price and is kept in no stock; its components (iIngredient, ParentLineNum) are what
leaves the stock. Fact sheet, section 8, names these tree types; that components have no price of their own in a
document and follow the parent's quantity is unconfirmed, and so are the words of refusals.
"""

from __future__ import annotations

from erp_sync.systems.sap_b1.sandbox import document_lines, rows
from erp_sync.systems.sap_b1.sandbox.context import Context
from erp_sync.systems.sap_b1.sandbox.document_lines import Header
from erp_sync.systems.sap_b1.sandbox.errors import not_found, rule
from erp_sync.systems.sap_b1.sandbox.kind import Entity, Kind
from erp_sync.systems.sap_b1.sandbox.values import decimal, number

COMPONENT = "iIngredient"


class ProductTrees(Kind):
    def new(self, context: Context, sent: Entity) -> Entity:
        sent = {"TreeType": "iSalesTree", "Quantity": number(1), **sent}
        if not sent.get("ProductTreeLines"):
            raise rule("A bill of materials needs a component")
        return self._complete(context, super().new(context, sent))

    def changed(self, context: Context, before: Entity, after: Entity, sent: Entity) -> Entity:
        return self._complete(context, after)

    @staticmethod
    def _complete(context: Context, entity: Entity) -> Entity:
        parent = rows.read(context.store, "Items", entity["TreeCode"])
        if parent is None:
            raise not_found()
        lines = []
        for place, line in enumerate(entity["ProductTreeLines"]):
            item = rows.read(context.store, "Items", line.get("ItemCode") or "")
            if item is None or item["ItemCode"] == entity["TreeCode"]:
                raise not_found()
            lines.append(
                {"Quantity": number(1), "ItemName": item.get("ItemName"), **line, "ChildNum": place,
                 "VisualOrder": place, "ParentItem": entity["TreeCode"]}
            )  # fmt: skip
        if parent.get("TreeType") != entity["TreeType"]:
            rows.write(context.store, "Items", {**parent, "TreeType": entity["TreeType"]})
        return {**entity, "ProductTreeLines": lines}


def with_components(context: Context, header: Header, lines: list[Entity]) -> list[Entity]:
    """The lines of a document with the components of every parent, as many as its quantity asks for."""
    found: list[Entity] = []
    last = max(line["LineNum"] for line in lines)
    for line in lines:
        if line.get("TreeType") == COMPONENT:
            continue  # comes behind its parent
        found.append(line)
        if line.get("TreeType") != "iSalesTree" or line.get("BaseEntry") is not None:
            continue
        known = [one for one in lines if one.get("ParentLineNum") == line["LineNum"]]
        if known:
            found += [_scaled(line, one) for one in known]
            continue
        tree = rows.read(context.store, "ProductTrees", line["ItemCode"]) or {}
        for component in tree.get("ProductTreeLines") or []:
            last += 1
            each = decimal(component["Quantity"]) / decimal(tree["Quantity"])
            sent = {
                "ItemCode": component["ItemCode"],
                "Quantity": number(decimal(line["Quantity"]) * each),
                "WarehouseCode": component.get("Warehouse") or line.get("WarehouseCode"),
                "UnitPrice": number(0),
            }
            row = document_lines.complete(context, header, sent, sent, last)
            own = {"TreeType": COMPONENT, "ParentLineNum": line["LineNum"], "sandbox_each": str(each)}
            found.append({**row, **own})
    kept = {line["LineNum"] for line in found}
    return found + [line for line in lines if line["LineNum"] not in kept and _is_copied(line)]


def _is_copied(line: Entity) -> bool:
    """A component that was copied from a base document, alone or with its parent."""
    return line.get("BaseEntry") is not None


def _scaled(parent: Entity, component: Entity) -> Entity:
    """The component as the parent's quantity asks for it; one that was delivered in part keeps at least that."""
    if component.get("sandbox_each") is None or component["LineStatus"] == "bost_Close":
        return component
    wanted = decimal(parent["Quantity"]) * decimal(component["sandbox_each"])
    wanted = max(wanted, decimal(component.get("sandbox_delivered")))
    share = decimal(component["InventoryQuantity"]) / decimal(component["Quantity"])
    return {**component, "Quantity": number(wanted), "InventoryQuantity": number(wanted * share)}
