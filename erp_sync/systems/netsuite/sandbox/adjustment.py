"""Inventory adjustments: stock goes up or down by a quantity; there is no way to set it."""

from __future__ import annotations

import json
from typing import Any

from erp_sync.systems.netsuite.sandbox import stock
from erp_sync.systems.netsuite.sandbox.errors import invalid_reference, missing, user_error
from erp_sync.systems.netsuite.sandbox.fields import Field, number, refer, reference
from erp_sync.systems.netsuite.sandbox.record_type import NO_REPLACE
from erp_sync.systems.netsuite.sandbox.session import Session
from erp_sync.systems.netsuite.sandbox.store import QUANTITY, RATE, ZERO, Row, decimal, json_number, text_of
from erp_sync.systems.netsuite.sandbox.transactions import (
    COMMON,
    MAIN,
    Transaction,
    insert_line,
    item_lines,
    next_line,
    period_of,
)


class InventoryAdjustment(Transaction):
    """``inventoryAdjustment``. Stock may go below zero, and below what is committed."""

    name = "inventoryAdjustment"
    type = "InvAdjst"
    fields = (
        *(field for field in COMMON if field.name not in ("currency", "exchangeRate", "location")),
        Field("account", "account", "reference", "account"),
        Field("adjLocation", "location", "reference", "location"),
        Field("customer", "entity", "reference", "customer"),
    )
    computed = frozenset(
        ["id", "links", "createdDate", "lastModifiedDate", "estimatedTotalValue", "transactionNumber", "postingPeriod"]
    )
    sublists = ("inventory",)

    def create(self, session: Session, body: Any) -> int:
        body = self.canonical(session, body)
        columns = self.columns(session, body)
        if columns.get("account") is None:
            raise missing("Adjustment Account", "account")
        columns.setdefault("subsidiary", 1)
        if not body.get("inventory", {}).get("items"):
            raise user_error("You must enter at least one line item for this transaction.", "inventory")
        columns = {name: value for name, value in columns.items() if value is not None}
        header = self.open_header(session, {**columns, "foreigntotal": "0.00"})
        adjustment = session.store.insert("transaction", id=session.new_id("transaction"), **header)
        insert_line(
            session, adjustment, MAIN, mainline="T", location=columns.get("location"), subsidiary=columns["subsidiary"],
            linesequencenumber=0,
        )  # fmt: skip
        self._add_lines(session, adjustment, columns, body)
        session.wrote(self.name, columns.get("externalid"), adjustment)
        return adjustment

    def update(self, session: Session, internal_id: int, body: Any, replace: frozenset[str] = NO_REPLACE) -> None:
        """Header changes, and lines that are added: adjustment lines have no key."""
        stored = self.row(session, internal_id)
        assert stored is not None
        body = self.canonical(session, body)
        columns = self.columns(session, body, stored, replace)
        if "inventory" in body:
            if "inventory" in replace:
                self._undo(session, internal_id)
            self._add_lines(session, internal_id, {**dict(stored), **columns}, body)
        if columns.get("trandate"):
            columns["postingperiod"] = period_of(session, columns["trandate"], "tranDate")
        self.touch(session, internal_id, **columns)
        session.wrote(self.name, stored["externalid"], internal_id, "update")

    def delete(self, session: Session, internal_id: int) -> None:
        row = self.row(session, internal_id)
        assert row is not None
        self._undo(session, internal_id)
        self.remove(session, row)

    def _undo(self, session: Session, adjustment: int) -> None:
        for line in item_lines(session, adjustment):
            stock.change(session, line["item"], line["location"], on_hand=-decimal(line["quantity"]))
            session.store.delete("transactionline", transaction=adjustment, id=line["id"])
            stock.arrived(session, line["item"], line["location"])

    def _add_lines(self, session: Session, adjustment: int, header: dict[str, Any], body: dict[str, Any]) -> None:
        for index, line in enumerate(body["inventory"]["items"]):
            path = f"inventory.items[{index}]"
            if line.get("item") is None:
                raise missing("Item", f"{path}.item")
            item = reference(session, "item", line["item"], "item", f"{path}.item", active=False)
            location = header.get("location")
            if line.get("location") is not None:
                location = reference(session, "location", line["location"], "location", f"{path}.location")
            if location is None:
                raise missing("Location", f"{path}.location")
            kind = session.store.value("SELECT itemtype FROM item WHERE id = ?", item)
            if kind not in stock.STOCKED:
                raise invalid_reference(item, "item", f"{path}.item")
            if line.get("adjustQtyBy") is None:
                raise missing("Adjust Qty. By", f"{path}.adjustQtyBy")
            quantity = number(line["adjustQtyBy"], "adjustQtyBy", f"{path}.adjustQtyBy")
            cost = None if line.get("unitCost") is None else number(line["unitCost"], "unitCost", f"{path}.unitCost")
            kept = {
                name: line[name] for name in ("memo", "description", "inventoryDetail") if line.get(name) is not None
            }
            insert_line(
                session, adjustment, next_line(session, adjustment), item=item, itemtype=kind, location=location,
                quantity=text_of(quantity, QUANTITY), unitcost=None if cost is None else text_of(cost, RATE),
                subsidiary=header["subsidiary"], isinventoryaffecting="T", linesequencenumber=index + 1,
                memo=kept.get("memo"), other=json.dumps(kept, default=str) if kept else None,
            )  # fmt: skip
            assert item is not None
            stock.change(session, item, location, on_hand=quantity, unit_cost=cost)
            if quantity > ZERO:
                stock.arrived(session, item, location)

    def extra(self, session: Session, row: Row) -> dict[str, Any]:
        return {"transactionNumber": row["transactionnumber"]}

    def lines(self, session: Session, row: Row, sublist: str) -> list[dict[str, Any]]:
        lines = []
        for line in item_lines(session, row["id"]):
            out = {
                "line": line["id"],
                "item": refer(session, "item", line["item"]),
                "location": refer(session, "location", line["location"]),
                "adjustQtyBy": json_number(line["quantity"]),
                "unitCost": json_number(line["unitcost"]),
                **json.loads(line["other"] or "{}"),
            }
            lines.append({name: value for name, value in out.items() if value is not None})
        return lines
