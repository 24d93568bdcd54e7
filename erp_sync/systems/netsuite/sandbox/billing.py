"""Invoices and cash sales: made from an order for what has been shipped.

Lines that ship are billed as far as they have left (Invoice in Advance of Fulfillment is off, its default);
others in full. Prices, discounts and tax come from the order; a part of an order takes its part of the tax.
"""

from __future__ import annotations

import re
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from erp_sync.systems.netsuite.sandbox import tax
from erp_sync.systems.netsuite.sandbox.errors import invalid_reference, user_error
from erp_sync.systems.netsuite.sandbox.fields import Field, number
from erp_sync.systems.netsuite.sandbox.record_type import NO_REPLACE
from erp_sync.systems.netsuite.sandbox.sales_lines import print_line
from erp_sync.systems.netsuite.sandbox.sales_order import (
    SALES_COMPUTED,
    SALES_FIELDS,
    TAX_FIELDS,
    settle_status,
    to_bill,
    tracking_numbers,
)
from erp_sync.systems.netsuite.sandbox.session import Session
from erp_sync.systems.netsuite.sandbox.store import AMOUNT, QUANTITY, ZERO, Row, decimal, text_of
from erp_sync.systems.netsuite.sandbox.transactions import (
    Transaction,
    insert_line,
    item_lines,
    link,
    link_line,
    next_line,
    period_of,
    print_totals,
    total_up,
)

_COPIED_HEADER = (
    "entity subsidiary currency exchangerate terms email otherrefnum memo shipmethod location discountitem taxitem "
    "taxrate istaxable taxdetailsoverride shippingaddress billingaddress paymentoption custom"
)
_COPIED_LINE = (
    "item itemtype rate rateamount ratepercent price memo location subsidiary entity taxdetailsreference taxcode "
    "taxrate1 istaxable custom other"
)


class Bill(Transaction):
    """What ``invoice`` and ``cashSale`` share."""

    fields = (*SALES_FIELDS, *TAX_FIELDS, Field("dueDate", "duedate", "date"))
    computed = SALES_COMPUTED | {"amountPaid", "amountRemaining", "amountRemainingTotalBox", "postingPeriod"}
    sublists = ("item", "taxDetails")
    subrecords = ("shippingAddress", "billingAddress")
    link_type = "OrdBill"
    first_status = "A"

    def create(self, session: Session, body: Any) -> int:
        raise user_error(f"Create this {self.name} by transforming a sales order.")

    def from_order(self, session: Session, order_id: int, body: Any) -> int:
        """The transform. Raises VendorError when nothing is to bill."""
        body = self.canonical(session, body)
        tax.refuse_in_legacy(session, body)
        columns = self.columns(session, body)
        order = session.store.one('SELECT * FROM "transaction" WHERE id = ?', order_id)
        assert order is not None
        if order["status"] not in ("B", "D", "E", "F"):
            raise user_error("This sales order cannot be billed.")
        taken = self._lines_to_bill(session, order, body)
        copied = {name: order[name] for name in _COPIED_HEADER.split()}
        first = session.store.value(
            "SELECT 1 FROM nexttransactionlink WHERE previousdoc = ? AND linktype = 'OrdBill'", order_id
        )
        if first is None:  # shipping and the header's discount are billed once
            copied.update({name: order[name] for name in ("shippingcost", "handlingcost", "discountrate")})
        columns = {
            **copied, **{name: value for name, value in columns.items() if value is not None},
            "createdfrom": order_id, "status": self.first_status,
        }  # fmt: skip
        bill = session.store.insert(
            "transaction", id=session.new_id("transaction"), **self.open_header(session, columns)
        )
        self.own_addresses(session, bill)
        self.write_addresses(session, bill, body, {})
        link(session, order_id, bill, self.link_type)
        for sequence, (line, quantity) in enumerate(taken, start=1):
            self._bill_line(session, bill, sequence, line, quantity)
        if order["taxdetailsoverride"] == "T":
            self._take_tax(session, order, bill, taken, first is None)
        if order["taxamountoverride"] is not None:
            share = ZERO if first else decimal(order["taxamountoverride"])
            session.store.update("transaction", {"id": bill}, taxamountoverride=text_of(share, AMOUNT))
        total_up(session, bill, self.sign)
        row = self.row(session, bill)
        assert row is not None
        paid = ZERO if self.type == "CustInvc" else decimal(row["foreigntotal"])
        session.store.update(
            "transaction", {"id": bill}, foreignamountpaid=text_of(paid, AMOUNT),
            foreignamountunpaid=text_of(decimal(row["foreigntotal"]) - paid, AMOUNT),
        )  # fmt: skip
        settle_status(session, order_id)
        session.store.update("transaction", {"id": order_id}, lastmodifieddate=session.now)
        session.wrote(self.name, row["externalid"], bill)
        return bill

    def update(self, session: Session, internal_id: int, body: Any, replace: frozenset[str] = NO_REPLACE) -> None:
        """Header fields only."""
        stored = self.row(session, internal_id)
        assert stored is not None
        body = self.canonical(session, body)
        if "item" in body:
            raise user_error("Lines of a bill that was made from an order cannot be changed here.", "item")
        columns = self.columns(session, body, stored, replace)
        if columns.get("trandate"):
            columns["postingperiod"] = period_of(session, columns["trandate"], "tranDate")
        self.touch(session, internal_id, **columns)
        self.write_addresses(session, internal_id, body, {})
        total_up(session, internal_id, self.sign)
        session.wrote(self.name, stored["externalid"], internal_id, "update")

    def delete(self, session: Session, internal_id: int) -> None:
        row = self.row(session, internal_id)
        assert row is not None
        for line in item_lines(session, internal_id):
            _book(session, row["createdfrom"], line["orderline"], decimal(line["quantity"]))
        self.remove(session, row)
        settle_status(session, row["createdfrom"])

    def _lines_to_bill(self, session: Session, order: Row, body: dict[str, Any]) -> list[tuple[Row, Decimal | None]]:
        lines = item_lines(session, order["id"])
        asked = {}
        for index, given in enumerate((body.get("item") or {}).get("items", [])):
            key = given.get("orderLine")
            path = f"item.items[{index}]"
            if key is None or not re.fullmatch(r"\d+", str(key)) or int(key) not in {line["id"] for line in lines}:
                raise invalid_reference(key, "orderLine", f"{path}.orderLine")
            asked[int(key)] = (given, path)
        taken: list[tuple[Row, Decimal | None]] = []
        for line in lines:
            if line["quantity"] is None:  # discounts go with what is above them
                if taken and not decimal(line["quantitybilled"]):
                    taken.append((line, None))
                continue
            if line["id"] not in asked and "item" in session.replace:
                continue
            most = to_bill(line)
            if line["fulfillable"] == "T":
                most = min(most, decimal(line["quantityshiprecv"]) - decimal(line["quantitybilled"]))
            quantity = most
            given, path = asked.get(line["id"], ({}, "item"))
            if given.get("quantity") is not None:
                quantity = number(given["quantity"], "quantity", f"{path}.quantity")
                if not 0 <= quantity <= most:
                    raise user_error(f"At most {most.normalize():f} can be billed.", f"{path}.quantity")
            if quantity > 0:
                taken.append((line, quantity))
        if not any(quantity is not None for _, quantity in taken):
            raise user_error("You must enter at least one line item for this transaction.", "item")
        return taken

    def _bill_line(self, session: Session, bill: int, sequence: int, line: Row, quantity: Decimal | None) -> None:
        own = next_line(session, bill)
        columns = {name: line[name] for name in _COPIED_LINE.split()}
        amount = decimal(line["foreignamount"])
        if quantity is not None:
            whole = abs(decimal(line["quantity"]))
            amount = (amount * quantity / whole).quantize(Decimal("0.01"), rounding=ROUND_HALF_UP)
            columns["quantity"] = text_of(-quantity, QUANTITY)
        insert_line(
            session, bill, own, **columns, foreignamount=text_of(amount, AMOUNT), netamount=text_of(amount, AMOUNT),
            createdfrom=line["transaction"], orderline=line["id"], linesequencenumber=sequence,
        )  # fmt: skip
        link_line(session, (line["transaction"], line["id"]), (bill, own), self.link_type)
        _book(session, line["transaction"], line["id"], quantity or Decimal(1))

    def _take_tax(
        self, session: Session, order: Row, bill: int, taken: list[tuple[Row, Decimal | None]], first: bool
    ) -> None:
        share = {
            line["taxdetailsreference"]: Decimal(1) if quantity is None else quantity / abs(decimal(line["quantity"]))
            for line, quantity in taken
        }
        share.update({name: Decimal(first) for name in tax.WHOLE_ORDER})
        for detail in tax.details(session, order["id"]):
            part = share.get(detail["taxdetailsreference"], ZERO)
            if part:
                columns = {**dict(detail), "transaction": bill}
                for name in ("taxbasis", "taxamount", "netamount"):
                    columns[name] = text_of(decimal(detail[name]) * part, AMOUNT)
                session.store.insert("transactiontaxdetail", **columns)

    def extra(self, session: Session, row: Row) -> dict[str, Any]:
        out = {**print_totals(row), "status": self.status(row), "transactionNumber": row["transactionnumber"]}
        out["createdFrom"] = {"id": str(row["createdfrom"])}
        numbers = tracking_numbers(session, row["createdfrom"])
        if numbers:
            out["linkedTrackingNumbers"] = " ".join(numbers)
        return {name: value for name, value in out.items() if value is not None}

    def lines(self, session: Session, row: Row, sublist: str) -> list[dict[str, Any]]:
        if sublist == "taxDetails":
            return tax.print_details(session, row["id"])
        return [
            {**print_line(session, line, sign=self.sign), "orderLine": line["orderline"]}
            for line in item_lines(session, row["id"])
        ]


class Invoice(Bill):
    """``invoice``."""

    name = "invoice"
    type = "CustInvc"


class CashSale(Bill):
    """``cashSale``."""

    name = "cashSale"
    type = "CashSale"
    first_status = "B"


def _book(session: Session, order: int, line: int, quantity: Decimal) -> None:
    stored = session.store.value(
        'SELECT quantitybilled FROM transactionline WHERE "transaction" = ? AND id = ?', order, line
    )
    session.store.update(
        "transactionline",
        {"transaction": order, "id": line},
        quantitybilled=text_of(decimal(stored) + quantity, QUANTITY),
    )
