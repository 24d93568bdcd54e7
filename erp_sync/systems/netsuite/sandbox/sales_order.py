"""Sales orders: lines, commitment of stock, status, closing and cancelling."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any

from erp_sync.systems.netsuite.sandbox import stock, tax
from erp_sync.systems.netsuite.sandbox.customer import currencies_of
from erp_sync.systems.netsuite.sandbox.errors import invalid_reference, invalid_value, missing, user_error
from erp_sync.systems.netsuite.sandbox.fields import Field
from erp_sync.systems.netsuite.sandbox.record_type import NO_REPLACE
from erp_sync.systems.netsuite.sandbox.sales_lines import print_line, write_lines
from erp_sync.systems.netsuite.sandbox.session import Session
from erp_sync.systems.netsuite.sandbox.store import ZERO, Row, decimal, json_number
from erp_sync.systems.netsuite.sandbox.transactions import (
    COMMON,
    Transaction,
    check_customer,
    item_lines,
    period_of,
    print_totals,
    total_up,
)

_RATE = re.compile(r"-?\d+(\.\d+)?%?$")

SALES_FIELDS = (
    *COMMON,
    Field("entity", "entity", "reference", "customer"),
    Field("otherRefNum", "otherrefnum", length=45),
    Field("email", "email", length=254),
    Field("shipMethod", "shipmethod", "reference", "shipitem"),
    Field("shippingCost", "shippingcost", "amount"),
    Field("handlingCost", "handlingcost", "amount"),
    Field("discountItem", "discountitem", "reference", "item"),
    Field("discountRate", "discountrate"),
    Field("terms", "terms", "reference", "term"),
    Field("shipDate", "shipdate", "date"),
    Field("shipComplete", "shipcomplete", "flag"),
    Field("paymentOption", "paymentoption", "reference", "paymentmethod"),
    Field("source", "source", writable=False),
)
# Written in accounts with SuiteTax, or by scripts in those with legacy tax.
TAX_FIELDS = (
    Field("taxDetailsOverride", "taxdetailsoverride", "flag"),
    Field("taxItem", "taxitem", "reference", "salestaxitem"),
    Field("taxRate", "taxrate", "percent"),
    Field("isTaxable", "istaxable", "flag"),
)
SALES_COMPUTED = frozenset(
    [
        "id",
        "links",
        "subtotal",
        "discountTotal",
        "taxTotal",
        "tax2Total",
        "total",
        "totalAfterTaxes",
        "status",
        "createdDate",
        "lastModifiedDate",
        "altShippingCost",
        "altHandlingCost",
        "altSalesTotal",
        "estGrossProfit",
        "estGrossProfitPercent",
        "totalCostEstimate",
        "createdFrom",
        "linkedTrackingNumbers",
        "transactionNumber",
        "source",
        "billingAddress_text",
        "shippingAddress_text",
        "shippingTaxAmount",
        "handlingTaxAmount",
        "storeOrder",
        "orderType",
        "originator",
        "needsPick",
        "actualShipDate",
    ]
)


class SalesOrder(Transaction):
    """``salesOrder``. Status: A pending approval, B pending fulfillment, C cancelled, D partially fulfilled,
    E pending billing/partially fulfilled, F pending billing, G billed, H closed; only A and B can be set.
    """

    name = "salesOrder"
    type = "SalesOrd"
    posting = False
    fields = (*SALES_FIELDS, *TAX_FIELDS, Field("orderStatus", "orderstatus", "enum", choices=("A", "B")))
    computed = SALES_COMPUTED
    sublists = ("item", "taxDetails")
    subrecords = ("shippingAddress", "billingAddress")

    def create(self, session: Session, body: Any) -> int:
        body = self.canonical(session, body)
        tax.refuse_in_legacy(session, body)
        columns = self.columns(session, body)
        if columns.get("entity") is None:
            raise missing("Customer", "entity")
        customer = check_customer(session, columns["entity"], columns.get("subsidiary"))
        _check_currency(session, customer, columns.get("currency"))
        if not body.get("item", {}).get("items"):
            raise user_error("You must enter at least one line item for this transaction.", "item")
        _check_discount(columns)
        columns = {
            "subsidiary": customer["subsidiary"], "currency": customer["currency"], "terms": customer["terms"],
            "email": customer["email"], "shipcomplete": "F", "taxdetailsoverride": "F",
            **{name: value for name, value in columns.items() if value is not None},
        }  # fmt: skip
        columns.setdefault("orderstatus", session.options.default_order_status)
        columns["status"] = columns["orderstatus"]
        order = session.store.insert(
            "transaction", id=session.new_id("transaction"), **self.open_header(session, columns)
        )
        self.write_addresses(session, order, body, dict(customer))
        row = self.row(session, order)
        assert row is not None
        write_lines(session, row, body, customer, sign=self.sign, replace=False)
        tax.write_details(session, order, body, replace=False)
        total_up(session, order, self.sign)
        stock.commit_order(session, order, approved=row["status"] == "B")
        session.wrote(self.name, row["externalid"], order)
        return order

    def update(self, session: Session, internal_id: int, body: Any, replace: frozenset[str] = NO_REPLACE) -> None:
        stored = self.row(session, internal_id)
        assert stored is not None
        body = self.canonical(session, body)
        tax.refuse_in_legacy(session, body)
        columns = self.columns(session, body, stored, replace)
        if columns.get("entity", stored["entity"]) is None:
            raise missing("Customer", "entity")
        customer = check_customer(
            session, columns.get("entity", stored["entity"]), columns.get("subsidiary", stored["subsidiary"])
        )
        _check_currency(session, customer, columns.get("currency"))
        _check_discount({**dict(stored), **columns})
        if columns.get("trandate"):
            columns["postingperiod"] = period_of(session, columns["trandate"], "tranDate")
        if "orderstatus" in columns and columns["orderstatus"] != stored["status"] and stored["status"] not in "AB":
            raise invalid_reference(columns["orderstatus"], "orderStatus", "orderStatus")
        if columns:
            session.store.update("transaction", {"id": internal_id}, **columns)
        self.write_addresses(session, internal_id, body, {})
        row = self.row(session, internal_id)
        assert row is not None
        if "item" in body:
            gone = write_lines(session, row, body, customer, sign=self.sign, replace="item" in replace)
            for number in gone:
                self._drop_line(session, internal_id, number)
            if not item_lines(session, internal_id):
                raise user_error("You must enter at least one line item for this transaction.", "item")
        tax.write_details(session, internal_id, body, "taxDetails" in replace)
        total_up(session, internal_id, self.sign)
        settle_status(session, internal_id)
        self.touch(session, internal_id)
        session.wrote(self.name, row["externalid"], internal_id, "update")

    def delete(self, session: Session, internal_id: int) -> None:
        row = self.row(session, internal_id)
        assert row is not None
        stock.commit_order(session, internal_id, approved=False)
        freed = [(line["item"], line["location"]) for line in item_lines(session, internal_id)]
        self.remove(session, row)
        reallocate(session, freed)

    def override_tax(self, session: Session, order: int, total: str) -> None:
        """The order's tax as a script sets it (``taxamountoverride``, legacy tax)."""
        session.store.update("transaction", {"id": order}, taxamountoverride=total)
        total_up(session, order, self.sign)

    def _drop_line(self, session: Session, order: int, number: int) -> None:
        line = session.store.one('SELECT * FROM transactionline WHERE "transaction" = ? AND id = ?', order, number)
        assert line is not None
        stock.commit_line(session, line, ZERO)
        session.store.delete("transactionline", transaction=order, id=number)
        reallocate(session, [(line["item"], line["location"])])

    # --- reading -------------------------------------------------------------------------------------

    def extra(self, session: Session, row: Row) -> dict[str, Any]:
        out = {**print_totals(row), "status": self.status(row), "transactionNumber": row["transactionnumber"]}
        out["orderStatus"] = {"id": row["status"], "refName": self.status(row)["refName"]}
        numbers = tracking_numbers(session, row["id"])
        if numbers:
            out["linkedTrackingNumbers"] = " ".join(numbers)
        redeemed = json.loads(row["other"] or "{}").get("giftCertRedemption", {}).get("items", [])
        if redeemed:
            applied = sum((Decimal(str(line.get("authCodeApplied") or 0)) for line in redeemed), ZERO)
            out["giftCertApplied"] = json_number(str(-applied))
        deposits = session.store.all(
            "SELECT payment FROM \"transaction\" WHERE type = 'CustDep' AND salesorder = ? AND voided = 'F'", row["id"]
        )
        if deposits:
            out["amountDeposited"] = json_number(str(sum((decimal(deposit["payment"]) for deposit in deposits), ZERO)))
        return {name: value for name, value in out.items() if value is not None}

    def lines(self, session: Session, row: Row, sublist: str) -> list[dict[str, Any]]:
        if sublist == "taxDetails":
            return tax.print_details(session, row["id"])
        return [print_line(session, line, sign=self.sign) for line in item_lines(session, row["id"])]


def tracking_numbers(session: Session, order: int) -> list[str]:
    """Of the order's fulfillments."""
    rows = session.store.all(
        """SELECT DISTINCT p.trackingnumber FROM fulfillmentpackage p
           JOIN nexttransactionlink k ON k.nextdoc = p."transaction"
           WHERE k.previousdoc = ? AND p.trackingnumber IS NOT NULL
           ORDER BY p.id""",
        order,
    )
    return [row["trackingnumber"] for row in rows]


def settle_status(session: Session, order: int) -> None:
    """Status, commitment and full shipment of an order after anything about it changed.

    Partly shipped and not yet billed for it is E, billed for it D; all shipped F, all billed G; all lines closed H,
    whatever was shipped of them: a closed line leaves the queues of shipping and of billing, and what was fulfilled of
    it cannot be billed any more (Oracle help, Closing a Sales Order; Closing Line Items on Sales Orders: to be billed
    first). Its stock is not committed any more but for what is picked or packed, which goes on holding it (a public
    consultant's article, What Does Closing a Sales Order in NetSuite Do). That an order whose other lines are shipped
    and not closed stays in the queue of billing is unconfirmed.
    """
    row = session.store.one('SELECT * FROM "transaction" WHERE id = ?', order)
    assert row is not None
    if row["status"] == "C":
        return
    lines = item_lines(session, order)
    open_lines = [line for line in lines if line["isclosed"] != "T"]
    shippable = [line for line in lines if line["fulfillable"] == "T"]
    shipped = sum((decimal(line["quantityshiprecv"]) for line in shippable), ZERO)
    billed = sum((decimal(line["quantitybilled"]) for line in lines), ZERO)
    unshipped = [line for line in shippable if stock.unshipped_quantity(line) > 0]
    unbilled = [line for line in lines if line["quantity"] is not None and to_bill(line) > 0]
    shipped_unbilled = [
        line
        for line in shippable
        if line["isclosed"] != "T" and decimal(line["quantityshiprecv"]) > decimal(line["quantitybilled"])
    ]
    if not open_lines:
        status = "H"
    elif not shipped and not billed and unshipped:
        status = row["orderstatus"]
    elif unshipped:
        status = "E" if shipped_unbilled else "D" if shipped else row["orderstatus"]
    elif unbilled or shipped_unbilled:
        status = "F" if row["orderstatus"] == "B" else row["orderstatus"]
    else:
        status = "G" if billed else "H"
    for line in lines:
        full = "T" if line["fulfillable"] != "T" or stock.unshipped_quantity(line) == 0 else "F"
        if line["isfullyshipped"] != full:
            session.store.update("transactionline", {"transaction": order, "id": line["id"]}, isfullyshipped=full)
    session.store.update("transaction", {"id": order}, status=status)
    before = {(line["item"], line["location"]): decimal(line["quantitycommitted"]) for line in lines}
    stock.commit_order(session, order, approved=status in ("B", "D", "E"))
    freed = [key for key, committed in before.items() if committed]
    reallocate(session, freed)


def to_bill(line: Row) -> Any:
    """Quantity not billed yet; nothing of a closed line."""
    if line["isclosed"] == "T":
        return ZERO
    return max(abs(decimal(line["quantity"])) - decimal(line["quantitybilled"]), ZERO)


def reallocate(session: Session, freed: list[tuple[int | None, int | None]]) -> None:
    """What an order gave back goes to those who wait."""
    for item, location in freed:
        if item is None or location is None:
            continue
        for part, _ in stock.components(session, item):
            stock.arrived(session, part, location)


def _check_currency(session: Session, customer: Row, currency: int | None) -> None:
    """Only a currency on the customer's record will do (words as public code matches SuiteTalk's; that REST says it
    so, too, is unconfirmed)."""
    if currency is not None and currency not in currencies_of(session, customer):
        raise user_error(f"Invalid currency reference key {currency} for entity {customer['id']}.", "currency")


def _check_discount(columns: dict[str, Any]) -> None:
    rate = columns.get("discountrate")
    if rate is not None and not _RATE.match(rate):
        raise invalid_value("discountRate", "discountRate")
    if rate is not None and columns.get("discountitem") is None:
        raise missing("Discount", "discountItem")
