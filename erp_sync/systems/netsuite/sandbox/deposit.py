"""Customer deposits: money received for an order before it is billed."""

from __future__ import annotations

from typing import Any

from erp_sync.systems.netsuite.sandbox.errors import invalid_reference, missing, user_error
from erp_sync.systems.netsuite.sandbox.fields import Field
from erp_sync.systems.netsuite.sandbox.record_type import NO_REPLACE
from erp_sync.systems.netsuite.sandbox.session import Session
from erp_sync.systems.netsuite.sandbox.store import Row, decimal
from erp_sync.systems.netsuite.sandbox.transactions import (
    COMMON,
    MAIN,
    Transaction,
    check_customer,
    insert_line,
    link,
    period_of,
)


class CustomerDeposit(Transaction):
    """``customerDeposit``. One order may have several; each belongs to one order of the same customer."""

    name = "customerDeposit"
    type = "CustDep"
    fields = (
        *COMMON,
        Field("customer", "entity", "reference", "customer"),
        Field("salesOrder", "salesorder", "reference"),
        Field("payment", "payment", "amount"),
        Field("paymentOption", "paymentoption", "reference", "paymentmethod"),
        Field("account", "account", "reference", "account"),
    )
    computed = frozenset(
        [
            "id",
            "links",
            "status",
            "createdDate",
            "lastModifiedDate",
            "total",
            "transactionNumber",
            "salesOrderUnpaidAmount",
            "salesOrderRequiredDepositDue",
            "depositSufficient",
            "refundedAmountTotalBox",
            "cleared",
            "clearedDate",
        ]
    )

    def create(self, session: Session, body: Any) -> int:
        body = self.canonical(session, body)
        columns = self.columns(session, body)
        if columns.get("entity") is None:
            raise missing("Customer", "customer")
        customer = check_customer(session, columns["entity"], columns.get("subsidiary"), "customer")
        if columns.get("payment") is None or decimal(columns["payment"]) <= 0:
            raise missing("Payment Amount", "payment")
        order = self._order(session, columns)
        columns = {
            "subsidiary": customer["subsidiary"],
            "currency": customer["currency"] if order is None else order["currency"],
            "exchangerate": None if order is None else order["exchangerate"],
            **{name: value for name, value in columns.items() if value is not None},
        }
        columns.update(status="A", foreigntotal=columns["payment"], createdfrom=columns.get("salesorder"))
        deposit = session.store.insert(
            "transaction", id=session.new_id("transaction"), **self.open_header(session, columns)
        )
        self._main_line(session, deposit)
        if order is not None:
            link(session, order["id"], deposit, "SaleOrdDepo")
        session.wrote(self.name, columns.get("externalid"), deposit)
        return deposit

    def update(self, session: Session, internal_id: int, body: Any, replace: frozenset[str] = NO_REPLACE) -> None:
        stored = self.row(session, internal_id)
        assert stored is not None
        columns = self.columns(session, self.canonical(session, body), stored, replace)
        after = {**dict(stored), **columns}
        check_customer(session, after["entity"], after["subsidiary"], "customer")
        if after["payment"] is None or decimal(after["payment"]) <= 0:
            raise missing("Payment Amount", "payment")
        self._order(session, after)
        if columns.get("trandate"):
            columns["postingperiod"] = period_of(session, columns["trandate"], "tranDate")
        self.touch(session, internal_id, **columns, foreigntotal=after["payment"], createdfrom=after["salesorder"])
        session.store.delete("nexttransactionlink", nextdoc=internal_id)
        if after["salesorder"] is not None:
            link(session, after["salesorder"], internal_id, "SaleOrdDepo")
        self._main_line(session, internal_id)
        session.wrote(self.name, after["externalid"], internal_id, "update")

    def delete(self, session: Session, internal_id: int) -> None:
        row = self.row(session, internal_id)
        assert row is not None
        self.remove(session, row)

    def _order(self, session: Session, columns: dict[str, Any]) -> Row | None:
        number = columns.get("salesorder")
        if number is None:
            return None
        order = session.store.one("SELECT * FROM \"transaction\" WHERE id = ? AND type = 'SalesOrd'", number)
        if order is None or order["entity"] != columns["entity"]:
            raise invalid_reference(number, "salesOrder", "salesOrder")
        if order["status"] in ("C", "H"):
            raise user_error("The sales order is closed.", "salesOrder")
        if columns.get("currency") not in (None, order["currency"]):
            raise invalid_reference(columns["currency"], "currency", "currency")
        return order

    def _main_line(self, session: Session, deposit: int) -> None:
        row = self.row(session, deposit)
        assert row is not None
        session.store.delete("transactionline", transaction=deposit, id=MAIN)
        insert_line(
            session, deposit, MAIN, mainline="T", foreignamount=row["payment"], netamount=row["payment"],
            location=row["location"], subsidiary=row["subsidiary"], entity=row["entity"],
            createdfrom=row["createdfrom"], linesequencenumber=0,
        )  # fmt: skip

    def extra(self, session: Session, row: Row) -> dict[str, Any]:
        return {"status": self.status(row), "transactionNumber": row["transactionnumber"]}
