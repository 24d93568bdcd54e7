"""Item fulfillments: made from an order, picked, packed, shipped.

Only shipping (C) posts and lowers what is on hand; until then the stock stays committed. Order lines that the
transform does not mention leave in full, as far as stock is committed to them; those that stay say
``itemReceive: false``. Names: REST API Browser 2026.1; seen in tests of a public field service
app: ``orderLine``, unlisted lines, ``shipStatus`` moved on by PATCH. Unconfirmed: status without ``shipStatus`` is
Picked where Pick, Pack and Ship is on; it never moves back.
"""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any

from erp_sync.systems.netsuite.sandbox import stock
from erp_sync.systems.netsuite.sandbox.errors import invalid_reference, invalid_value, missing, user_error
from erp_sync.systems.netsuite.sandbox.fields import Field, number, refer, reference
from erp_sync.systems.netsuite.sandbox.packages import PACKAGE_LISTS, print_packages, write_packages
from erp_sync.systems.netsuite.sandbox.record_type import NO_REPLACE
from erp_sync.systems.netsuite.sandbox.sales_order import reallocate, settle_status
from erp_sync.systems.netsuite.sandbox.session import Session
from erp_sync.systems.netsuite.sandbox.store import QUANTITY, ZERO, Row, decimal, json_number, text_of
from erp_sync.systems.netsuite.sandbox.transactions import (
    COMMON,
    MAIN,
    Transaction,
    insert_line,
    item_lines,
    link,
    link_line,
    next_line,
    period_of,
)

PICKED, PACKED, SHIPPED = "A", "B", "C"


class ItemFulfillment(Transaction):
    """``itemFulfillment``; made by ``salesOrder/{id}/!transform/itemFulfillment`` only."""

    name = "itemFulfillment"
    type = "ItemShip"
    fields = (
        *(field for field in COMMON if field.name not in ("location", "subsidiary", "currency", "exchangeRate")),
        Field("shipStatus", "shipstatus", "enum", choices=(PICKED, PACKED, SHIPPED)),
        Field("shipMethod", "shipmethod", "reference", "shipitem"),
        Field("shippingCost", "shippingcost", "amount"),
        Field("handlingCost", "handlingcost", "amount"),
        Field("entity", "entity", "reference", "customer", writable=False),
        Field("createdFrom", "createdfrom", "reference", "transaction", writable=False),
    )
    computed = frozenset(
        [
            "id",
            "links",
            "createdDate",
            "lastModifiedDate",
            "createdFrom",
            "entity",
            "status",
            "transactionNumber",
            "subsidiary",
            "location",
            "currency",
            "exchangeRate",
            "orderId",
            "orderType",
            "postingPeriod",
            "shippingAddress_text",
        ]
    )
    sublists = ("item", *PACKAGE_LISTS)
    subrecords = ("shippingAddress",)

    def create(self, session: Session, body: Any) -> int:
        raise user_error("An item fulfillment is created by transforming a sales order.")

    def from_order(self, session: Session, order_id: int, body: Any) -> int:
        """The transform. Raises VendorError when nothing can leave."""
        body = self.canonical(session, body)
        order = session.store.one('SELECT * FROM "transaction" WHERE id = ?', order_id)
        assert order is not None
        if order["status"] not in ("B", "D", "E"):
            raise user_error("This sales order cannot be fulfilled: it is not approved, or nothing of it is open.")
        columns = self.columns(session, body)
        status = columns.pop("shipstatus", None)
        if status is not None and not session.options.pick_pack_ship:
            raise invalid_reference(status, "shipStatus", "shipStatus")
        if status is None:
            status = PICKED if session.options.pick_pack_ship else SHIPPED
        taken = self._lines_to_take(session, order, body)
        columns = {
            "shipmethod": order["shipmethod"], "shippingcost": order["shippingcost"],
            **{name: value for name, value in columns.items() if value is not None},
            "entity": order["entity"], "createdfrom": order_id, "subsidiary": order["subsidiary"],
            "currency": order["currency"], "exchangerate": order["exchangerate"], "location": order["location"],
            "status": PICKED, "shipstatus": PICKED, "foreigntotal": "0.00",
        }  # fmt: skip
        header = self.open_header(session, columns)
        fulfillment = session.store.insert("transaction", id=session.new_id("transaction"), **header)
        self.write_addresses(session, fulfillment, body, {})
        if not body.get("shippingAddress"):
            session.store.update("transaction", {"id": fulfillment}, shippingaddress=order["shippingaddress"])
            self.own_addresses(session, fulfillment)
        link(session, order_id, fulfillment, "ShipRcpt")
        insert_line(
            session, fulfillment, MAIN, mainline="T", createdfrom=order_id, entity=order["entity"],
            subsidiary=order["subsidiary"], location=order["location"], linesequencenumber=0,
        )  # fmt: skip
        for sequence, (line, quantity, location, extra) in enumerate(taken, start=1):
            self._take(session, fulfillment, sequence, line, quantity, location, extra)
        write_packages(session, fulfillment, body, NO_REPLACE)
        self._advance(session, fulfillment, status, None)
        settle_status(session, order_id)
        self.touch_order(session, order_id)
        session.wrote(self.name, columns.get("externalid"), fulfillment)
        if status == SHIPPED:
            session.wrote(self.name, columns.get("externalid"), fulfillment, "ship")
        return fulfillment

    def update(self, session: Session, internal_id: int, body: Any, replace: frozenset[str] = NO_REPLACE) -> None:
        stored = self.row(session, internal_id)
        assert stored is not None
        body = self.canonical(session, body)
        columns = self.columns(session, body, stored, replace)
        status = columns.pop("shipstatus", None) or stored["status"]
        if status < stored["status"]:
            raise invalid_reference(status, "shipStatus", "shipStatus")
        if columns.get("trandate"):
            columns["postingperiod"] = period_of(session, columns["trandate"], "tranDate")
        if columns:
            session.store.update("transaction", {"id": internal_id}, **columns)
        self.write_addresses(session, internal_id, body, {})
        if "item" in body:
            self._change_lines(session, stored, body)
        write_packages(session, internal_id, body, replace)
        self._advance(session, internal_id, status, stored["status"])
        settle_status(session, stored["createdfrom"])
        self.touch(session, internal_id)
        self.touch_order(session, stored["createdfrom"])
        session.wrote(self.name, stored["externalid"], internal_id, "update")
        if status == SHIPPED != stored["status"]:
            session.wrote(self.name, stored["externalid"], internal_id, "ship")

    def delete(self, session: Session, internal_id: int) -> None:
        """Undo it: what has left comes back, and the order's lines are open again."""
        row = self.row(session, internal_id)
        assert row is not None
        freed = []
        for line in item_lines(session, internal_id):
            self._give_back(session, row, line, abs(decimal(line["quantity"])))
            freed.append((line["item"], line["location"]))
        self.remove(session, row)
        settle_status(session, row["createdfrom"])
        reallocate(session, freed)

    def touch_order(self, session: Session, order: int) -> None:
        numbers = session.store.all(
            """SELECT DISTINCT p.trackingnumber FROM fulfillmentpackage p
               JOIN "transaction" t ON t.id = p."transaction"
               WHERE t.createdfrom = ? AND p.trackingnumber IS NOT NULL""",
            order,
        )
        listed = " ".join(row["trackingnumber"] for row in numbers) or None
        session.store.update("transaction", {"id": order}, lastmodifieddate=session.now, trackingnumberlist=listed)

    # --- what leaves -------------------------------------------------------------------------------------

    def _lines_to_take(
        self, session: Session, order: Row, body: dict[str, Any]
    ) -> list[tuple[Row, Decimal, int | None, dict[str, Any]]]:
        lines = {line["id"]: line for line in item_lines(session, order["id"]) if line["fulfillable"] == "T"}
        asked: dict[int, tuple[dict[str, Any], str]] = {}
        for index, given in enumerate((body.get("item") or {}).get("items", [])):
            path = f"item.items[{index}]"
            key = given.get("orderLine")
            if key is None or not re.fullmatch(r"\d+", str(key)) or int(key) not in lines:
                raise invalid_reference(key, "orderLine", f"{path}.orderLine")
            asked[int(key)] = (given, path)
        taken = []
        for number_, line in lines.items():
            if number_ not in asked and "item" in session.replace:
                continue
            given, path = asked.get(number_, ({}, "item"))
            if given.get("itemReceive") is False or stock.open_quantity(line) == 0:
                continue
            location = line["location"]
            if given.get("location") is not None:
                location = reference(session, "location", given["location"], "location", f"{path}.location")
            ready = self._ready(session, line, location)
            quantity = ready
            if given.get("quantity") is not None:
                quantity = number(given["quantity"], "quantity", f"{path}.quantity")
                _check_quantity(quantity, ready, line, f"{path}.quantity")
            if quantity == 0:
                continue
            if location is None and session.options.multi_location and stock.components(session, line["item"]):
                raise missing("Items list: Location", f"{path}.location")
            taken.append((line, quantity, location, given))
        if not taken:
            raise user_error("You must have at least one valid line item for this transaction.", "item")
        return taken

    def _ready(self, session: Session, line: Row, location: int | None) -> Decimal:
        """What can leave: what is committed, or available where another location ships."""
        parts = stock.components(session, line["item"])
        if not parts:
            return stock.open_quantity(line)
        if location == line["location"] or location is None:
            return decimal(line["quantitycommitted"])
        room = min(stock.available(session, part, location) / per for part, per in parts)
        return min(stock.open_quantity(line), max(room, ZERO))

    def _take(
        self, session: Session, fulfillment: int, sequence: int, line: Row, quantity: Decimal, location: int | None,
        given: dict[str, Any],
    ) -> None:  # fmt: skip
        """A line of the fulfillment, picked. Its stock stays committed until it leaves."""
        own = next_line(session, fulfillment)
        kept = {name: given[name] for name in ("inventoryDetail", "serialNumbers") if name in given}
        other = json.dumps(kept, default=str) if kept else None
        insert_line(
            session, fulfillment, own, item=line["item"], itemtype=line["itemtype"], location=location,
            quantity=text_of(-quantity, QUANTITY), createdfrom=line["transaction"], orderline=line["id"],
            subsidiary=line["subsidiary"], entity=line["entity"], memo=given.get("description") or line["memo"],
            linesequencenumber=sequence, isinventoryaffecting="T", other=other,
        )  # fmt: skip
        link_line(session, (line["transaction"], line["id"]), (fulfillment, own), "ShipRcpt")
        committed = decimal(line["quantitycommitted"])
        elsewhere = location != line["location"]
        released = (
            min(quantity, committed) if not elsewhere else max(committed - (stock.open_quantity(line) - quantity), ZERO)
        )
        for part, per in stock.components(session, line["item"]):
            if elsewhere and location is not None:
                stock.change(session, part, location, committed=quantity * per)
                if line["location"] is not None:
                    stock.change(session, part, line["location"], committed=-released * per)
        self._book(session, line, quantitycommitted=-released, quantitypicked=quantity)

    def _book(self, session: Session, line: Row, **moves: Decimal) -> None:
        fresh = session.store.one(
            'SELECT * FROM transactionline WHERE "transaction" = ? AND id = ?', line["transaction"], line["id"]
        )
        assert fresh is not None
        columns = {name: text_of(decimal(fresh[name]) + move, QUANTITY) for name, move in moves.items()}
        keys = {"transaction": line["transaction"], "id": line["id"]}
        session.store.update("transactionline", keys, **columns, linelastmodifieddate=session.now)

    def _advance(self, session: Session, fulfillment: int, status: str, before: str | None) -> None:
        """Move to a later status; stock leaves on the way to C."""
        session.store.update("transaction", {"id": fulfillment}, status=status, shipstatus=status)
        row = self.row(session, fulfillment)
        assert row is not None
        for line in item_lines(session, fulfillment):
            source = self._order_line(session, row, line)
            quantity = abs(decimal(line["quantity"]))
            if status >= PACKED and (before is None or before < PACKED):
                self._book(session, source, quantitypacked=quantity)
            if status == SHIPPED and before != SHIPPED:
                self._book(session, source, quantityshiprecv=quantity)
                for part, per in stock.components(session, line["item"]):
                    stock.change(session, part, line["location"], on_hand=-quantity * per, committed=-quantity * per)
        if status == SHIPPED and before != SHIPPED:
            session.store.update("transaction", {"id": fulfillment}, actualshipdate=session.today)

    def _order_line(self, session: Session, fulfillment: Row, line: Row) -> Row:
        found = session.store.one(
            'SELECT * FROM transactionline WHERE "transaction" = ? AND id = ?',
            fulfillment["createdfrom"],
            line["orderline"],
        )
        assert found is not None
        return found

    def _give_back(self, session: Session, fulfillment: Row, line: Row, quantity: Decimal) -> None:
        source = self._order_line(session, fulfillment, line)
        moves = {"quantitypicked": -quantity}
        if fulfillment["status"] >= PACKED:
            moves["quantitypacked"] = -quantity
        if fulfillment["status"] == SHIPPED:
            moves["quantityshiprecv"] = -quantity
        for part, per in stock.components(session, line["item"]):
            if line["location"] is None:
                continue
            if fulfillment["status"] == SHIPPED:
                stock.change(session, part, line["location"], on_hand=quantity * per)
            else:
                stock.change(session, part, line["location"], committed=-quantity * per)
        self._book(session, source, **moves)

    def _change_lines(self, session: Session, stored: Row, body: dict[str, Any]) -> None:
        """Quantities may change until it is shipped; ``itemReceive: false`` takes a line out."""
        lines = {line["orderline"]: line for line in item_lines(session, stored["id"])}
        for index, given in enumerate(body["item"]["items"]):
            path = f"item.items[{index}]"
            key = given.get("orderLine")
            line = lines.get(int(key)) if key is not None and re.fullmatch(r"\d+", str(key)) else None
            if line is None:
                raise invalid_reference(key, "orderLine", f"{path}.orderLine")
            held = abs(decimal(line["quantity"]))
            wanted = held
            if given.get("itemReceive") is False:
                wanted = ZERO
            elif given.get("quantity") is not None:
                wanted = number(given["quantity"], "quantity", f"{path}.quantity")
            if wanted == held:
                continue
            if stored["status"] == SHIPPED:
                raise user_error("The quantity of a shipped fulfillment cannot be changed.", f"{path}.quantity")
            source = self._order_line(session, stored, line)
            self._give_back(session, stored, line, held)
            settle_status(session, stored["createdfrom"])
            source = self._order_line(session, stored, line)
            _check_quantity(
                wanted, self._ready(session, source, line["location"]), source, f"{path}.quantity", least=ZERO
            )
            session.store.delete("transactionline", transaction=stored["id"], id=line["id"])
            session.store.delete("nexttransactionlinelink", nextdoc=stored["id"], nextline=line["id"])
            if wanted:
                self._take(session, stored["id"], line["linesequencenumber"], source, wanted, line["location"], given)

    # --- reading -----------------------------------------------------------------------------------------

    def extra(self, session: Session, row: Row) -> dict[str, Any]:
        return {
            "status": self.status(row),
            "transactionNumber": row["transactionnumber"],
            "orderId": str(row["createdfrom"]),
        }

    def lines(self, session: Session, row: Row, sublist: str) -> list[dict[str, Any]]:
        if sublist != "item":
            return print_packages(session, row["id"], sublist)
        lines = []
        for line in item_lines(session, row["id"]):
            out = {
                "line": line["id"],
                "orderLine": line["orderline"],
                "item": refer(session, "item", line["item"]),
                "itemReceive": True,
                "quantity": json_number(str(abs(decimal(line["quantity"])))),
                "location": refer(session, "location", line["location"]) if line["location"] is not None else None,
                "description": line["memo"],
                **json.loads(line["other"] or "{}"),
            }
            lines.append({name: value for name, value in out.items() if value is not None})
        return lines


def _check_quantity(quantity: Decimal, ready: Decimal, line: Row, path: str, *, least: Decimal | None = None) -> None:
    """Between nothing and what is committed (Fulfill Based on Commitment: Limit to Committed, its default)."""
    if quantity < 0 or (least is None and quantity == 0):
        raise invalid_value("quantity", path)
    if quantity > ready:
        raise user_error(
            f"The quantity {quantity.normalize():f} of line {line['id']} exceeds the quantity {ready.normalize():f} "
            "that is committed to it.",
            path,
        )
