"""What all transactions share: numbers, dates and periods, addresses, totals and the hidden lines."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from erp_sync.systems.netsuite.sandbox import tax
from erp_sync.systems.netsuite.sandbox.addresses import parse_address, print_address, store_address
from erp_sync.systems.netsuite.sandbox.errors import invalid_reference, user_error
from erp_sync.systems.netsuite.sandbox.fields import Field
from erp_sync.systems.netsuite.sandbox.record_type import RecordType, dependent
from erp_sync.systems.netsuite.sandbox.session import Session
from erp_sync.systems.netsuite.sandbox.store import AMOUNT, RATE, ZERO, Row, decimal, json_number, text_of

# Lines between the items' (1, 4, 7, ...): main line, shipping, header discount, tax, handling.
MAIN, SHIPPING, DISCOUNT, TAX, HANDLING = 0, 2, 3, 5, 6
FIRST_LINE, LINE_STEP = 1, 3

DATES = (
    Field("createdDate", "createddate", writable=False),
    Field("lastModifiedDate", "lastmodifieddate", writable=False),
)
COMMON = (
    Field("tranId", "tranid", length=45),
    Field("externalId", "externalid"),
    Field("tranDate", "trandate", "date"),
    Field("memo", "memo", length=999),
    Field("currency", "currency", "reference", "currency"),
    Field("exchangeRate", "exchangerate", "rate"),
    Field("location", "location", "reference", "location"),
    Field("subsidiary", "subsidiary", "reference", "subsidiary"),
    *DATES,
)

# type: record, prefix of its number, label of its status letters
TYPES: dict[str, tuple[str, str, str]] = {
    "SalesOrd": ("salesOrder", "SO", "Sales Order"),
    "ItemShip": ("itemFulfillment", "IF", "Item Fulfillment"),
    "CustInvc": ("invoice", "INV", "Invoice"),
    "CashSale": ("cashSale", "CS", "Cash Sale"),
    "CustDep": ("customerDeposit", "CD", "Customer Deposit"),
    "RtnAuth": ("returnAuthorization", "RMA", "Return Authorization"),
    "ItemRcpt": ("itemReceipt", "IR", "Item Receipt"),
    "CustCred": ("creditMemo", "CM", "Credit Memo"),
    "CustRfnd": ("customerRefund", "CR", "Customer Refund"),
    "InvAdjst": ("inventoryAdjustment", "IA", "Inventory Adjustment"),
}
# Labels: NetSuite answer 23874, Transaction statuses.
STATUS = {
    "SalesOrd": {
        "A": "Pending Approval", "B": "Pending Fulfillment", "C": "Cancelled", "D": "Partially Fulfilled",
        "E": "Pending Billing/Partially Fulfilled", "F": "Pending Billing", "G": "Billed", "H": "Closed",
    },
    "ItemShip": {"A": "Picked", "B": "Packed", "C": "Shipped"},
    "CustInvc": {"A": "Open", "B": "Paid In Full", "D": "Pending Approval", "E": "Rejected", "V": "Voided"},
    "CashSale": {"A": "Unapproved Payment", "B": "Not Deposited", "C": "Deposited"},
    "CustDep": {
        "A": "Not Deposited", "B": "Deposited", "C": "Fully Applied", "D": "Unapproved Payment", "R": "Refunded",
    },
    "RtnAuth": {
        "A": "Pending Approval", "B": "Pending Receipt", "C": "Cancelled", "D": "Partially Received",
        "E": "Pending Refund/Partially Received", "F": "Pending Refund", "G": "Refunded", "H": "Closed",
    },
    "CustCred": {"A": "Open", "B": "Fully Applied", "V": "Voided"},
    "CustRfnd": {"R": "Refund", "V": "Voided"},
}  # fmt: skip


class Transaction(RecordType):
    """Base of all transactions. `type` is NetSuite's short name (SalesOrd, ...), `sign` that of item quantities."""

    table = "transaction"
    group = "transaction"
    custom_prefix = "custbody"
    label = "tranid"
    type: str
    sign = -1
    posting = True

    @property
    def where(self) -> str:  # type: ignore[override]
        return f"type = '{self.type}'"

    def hidden(self, session: Session) -> tuple[frozenset[str], frozenset[str]]:
        """REST shows the tax of the account's own kind; what legacy accounts refuse is refused by name later."""
        if session.options.tax == "legacy":
            return frozenset(), frozenset()
        return tax.hidden(session.options)

    def open_header(self, session: Session, columns: dict[str, Any]) -> dict[str, Any]:
        """Columns with number, dates, period and currency filled in. Raises VendorError for a closed period."""
        record, prefix, label = TYPES[self.type]
        number = session.next_number(self.type, 1001)
        day = columns.get("trandate") or session.today
        currency = columns.get("currency") or 1
        rate = columns.get("exchangerate")
        if rate is None:
            rate = session.store.value("SELECT exchangerate FROM currency WHERE id = ?", currency)
        tranid = columns.get("tranid") or f"{prefix}{number}"
        return {
            "void": "F", "voided": "F", "source": "REST Web Services", **columns,
            "type": self.type, "recordtype": record.lower(), "abbrevtype": prefix, "tranid": tranid,
            "transactionnumber": f"{self.type.upper()}{number}", "trandisplayname": f"{label} #{tranid}",
            "trandate": day, "postingperiod": period_of(session, day, "tranDate"),
            "posting": "T" if self.posting else "F", "currency": currency, "exchangerate": text_of(decimal(rate), RATE),
            "createddate": session.now, "lastmodifieddate": session.now,
        }  # fmt: skip

    def write_addresses(
        self, session: Session, transaction: int, body: dict[str, Any], defaults: dict[str, Any]
    ) -> None:
        """Own copies of the addresses: as sent, else the customer's defaults."""
        row = self.row(session, transaction)
        assert row is not None
        for name, column in (("shippingAddress", "shippingaddress"), ("billingAddress", "billingaddress")):
            columns = None
            if body.get(name):
                columns = parse_address(session, body[name], name)
            elif row[column] is None and defaults.get(f"default{column}") is not None:
                book = session.store.one(
                    "SELECT * FROM customeraddressbookentityaddress WHERE nkey = ?", defaults[f"default{column}"]
                )
                columns = {key: book[key] for key in _COPIED} if book is not None else None
            if columns:
                nkey = store_address(session, "transactionaddress", transaction, columns)
                if row[column] is not None:
                    session.store.delete("transactionaddress", nkey=row[column])
                session.store.update("transaction", {"id": transaction}, **{column: nkey})

    def own_addresses(self, session: Session, transaction: int) -> None:
        """What was made from another transaction has copies of its addresses: each is changed by itself (two records
        with their own nkey in `transactionaddress`; that NetSuite copies them in every form is unconfirmed)."""
        row = self.row(session, transaction)
        assert row is not None
        for column in ("shippingaddress", "billingaddress"):
            source = session.store.one("SELECT * FROM transactionaddress WHERE nkey = ?", row[column])
            if source is not None and source["recordowner"] != transaction:
                columns = {key: source[key] for key in _COPIED}
                nkey = store_address(session, "transactionaddress", transaction, columns)
                session.store.update("transaction", {"id": transaction}, **{column: nkey})

    def change_header(self, session: Session, internal_id: int, body: Any) -> None:
        """Fields of the body and addresses."""
        stored = self.row(session, internal_id)
        assert stored is not None
        body = self.canonical(session, body)
        self.touch(session, internal_id, **self.columns(session, body, stored))
        self.write_addresses(session, internal_id, body, {})
        session.wrote(self.name, stored["externalid"], internal_id, "update")

    def editable(self, session: Session, internal_id: int) -> None:
        """A posting transaction of a closed period stays as it is, unless the period allows changes without effect
        on the general ledger, which those here do not (Oracle help, Transaction Edits in Closed, Locked Accounting
        Periods; wording unconfirmed).
        """
        closed = session.store.value(
            'SELECT 1 FROM "transaction" t JOIN accountingperiod p ON p.id = t.postingperiod '
            "WHERE t.id = ? AND t.posting = 'T' AND p.closed = 'T'",
            internal_id,
        )
        if closed:
            raise user_error("You cannot change or delete this transaction because its accounting period is closed.")

    def touch(self, session: Session, transaction: int, **columns: Any) -> None:
        session.store.update("transaction", {"id": transaction}, **columns, lastmodifieddate=session.now)

    def remove(self, session: Session, row: Row) -> None:
        """Delete the transaction with its lines. Raises VendorError when others were made from it."""
        if session.store.value("SELECT 1 FROM nexttransactionlink WHERE previousdoc = ?", row["id"]):
            raise dependent("record")
        for table in ("transactionline", "transactiontaxdetail", "fulfillmentpackage", "trackingnumbermap"):
            session.store.delete(table, transaction=row["id"])
        for table in ("nexttransactionlink", "nexttransactionlinelink"):
            session.store.delete(table, nextdoc=row["id"])
        session.store.delete("transactionaddress", recordowner=row["id"])
        self.forget(session, row, self.type.upper())

    def subrecord(self, session: Session, row: Row, name: str, href: str) -> dict[str, Any]:
        nkey = row["shippingaddress" if name == "shippingAddress" else "billingaddress"]
        return print_address(session, session.store.one("SELECT * FROM transactionaddress WHERE nkey = ?", nkey), href)

    def status(self, row: Row) -> dict[str, str]:
        letter = row["status"]
        return {"id": letter, "refName": STATUS.get(self.type, {}).get(letter, letter)}


_COPIED = (
    "addressee",
    "attention",
    "addr1",
    "addr2",
    "addr3",
    "city",
    "state",
    "zip",
    "country",
    "addrphone",
    "override",
)


def item_lines(session: Session, transaction: int) -> list[Row]:
    """The visible item lines, in order."""
    return session.store.all(
        'SELECT * FROM transactionline WHERE "transaction" = ? AND mainline = \'F\' AND taxline = \'F\' '
        "AND kitcomponent = 'F' AND donotdisplayline = 'F' ORDER BY linesequencenumber, id",
        transaction,
    )  # fmt: skip


def next_line(session: Session, transaction: int) -> int:
    last = session.store.value(
        'SELECT MAX(id) FROM transactionline WHERE "transaction" = ? AND id % 3 = 1', transaction
    )
    return FIRST_LINE if last is None else int(last) + LINE_STEP


def insert_line(session: Session, transaction: int, line: int, **columns: Any) -> None:
    """A transaction line with the flags every line has."""
    session.store.insert(
        "transactionline",
        **{
            "transaction": transaction, "id": line, "uniquekey": session.next_number("lineuniquekey", 10001),
            "mainline": "F", "taxline": "F", "isclosed": "F", "kitcomponent": "F", "iscogs": "F",
            "donotdisplayline": "F", "isinventoryaffecting": "F", "linecreateddate": session.now,
            "linelastmodifieddate": session.now, **columns,
        },
    )  # fmt: skip


def total_up(session: Session, transaction: int, sign: int = -1) -> None:
    """Recalculate subtotal, header discount, tax and total, and the hidden lines that carry them.

    `sign` is that of the item lines in transactionline: -1 for sales, 1 for returns.
    """
    row = session.store.one('SELECT * FROM "transaction" WHERE id = ?', transaction)
    assert row is not None
    lines = item_lines(session, transaction)
    subtotal = sum((decimal(line["foreignamount"]) * sign for line in lines), ZERO)
    discount = header_discount(row["discountrate"], subtotal)
    session.store.update("transaction", {"id": transaction}, discounttotal=text_of(discount, AMOUNT))
    row = session.store.one('SELECT * FROM "transaction" WHERE id = ?', transaction)
    assert row is not None
    taxes = tax.apply(session, row, lines)
    shipping, handling = decimal(row["shippingcost"]), decimal(row["handlingcost"])
    total = subtotal + discount + shipping + handling + taxes
    session.store.update(
        "transaction", {"id": transaction}, subtotal=text_of(subtotal, AMOUNT), taxtotal=text_of(taxes, AMOUNT),
        foreigntotal=text_of(total, AMOUNT),
    )  # fmt: skip
    rate = decimal(row["exchangerate"])
    session.store.run(
        'DELETE FROM transactionline WHERE "transaction" = ? AND id IN (?, ?, ?, ?, ?)',
        transaction, MAIN, SHIPPING, DISCOUNT, TAX, HANDLING,
    )  # fmt: skip
    hidden = [
        (MAIN, None, None, total * -sign, {"mainline": "T", "createdfrom": row["createdfrom"]}),
        (SHIPPING, "ShipItem", None, shipping * sign, {}),
        (DISCOUNT, "Discount", row["discountitem"], discount * sign, {}),
        (TAX, "TaxGroup", None, taxes * sign, {"taxline": "T"}),
        (HANDLING, "ShipItem", None, handling * sign, {}),
    ]
    for line, kind, item, amount, flags in hidden:
        if line == MAIN or amount:
            insert_line(
                session,
                transaction,
                line,
                itemtype=kind,
                item=item,
                foreignamount=text_of(amount, AMOUNT),
                netamount=text_of(amount * rate, AMOUNT),
                location=row["location"],
                subsidiary=row["subsidiary"],
                entity=row["entity"],
                linesequencenumber=0,
                **{"donotdisplayline": "F" if line == MAIN else "T", **flags},
            )


def header_discount(rate: str | None, subtotal: Decimal) -> Decimal:
    """Amount of a body discount: "-10%" of the subtotal, or a plain amount such as "-5.00"."""
    if not rate:
        return ZERO
    if rate.endswith("%"):
        return (subtotal * Decimal(rate[:-1]) / 100).quantize(Decimal("0.01"), rounding="ROUND_HALF_UP")
    return Decimal(rate).quantize(Decimal("0.01"), rounding="ROUND_HALF_UP")


def print_totals(row: Row) -> dict[str, Any]:
    """Computed amounts of a sales transaction as GET answers them."""
    return {
        "subtotal": json_number(row["subtotal"]),
        "discountTotal": json_number(row["discounttotal"]),
        "taxTotal": json_number(row["taxtotal"]),
        "total": json_number(row["foreigntotal"]),
    }


def period_of(session: Session, day: str, path: str) -> int:
    """Accounting period of a date. Raises VendorError when it is closed or does not exist (wording unconfirmed)."""
    row = session.store.one(
        "SELECT * FROM accountingperiod WHERE startdate <= ? AND enddate >= ? AND isquarter = 'F' AND isyear = 'F'",
        day, day,
    )  # fmt: skip
    if row is None or row["closed"] == "T":
        raise user_error(
            "The transaction date you specified is not within the date range of your accounting period.", path
        )
    return int(row["id"])


def link(session: Session, previous: int, following: int, link_type: str) -> None:
    """Remember that one transaction was made from another."""
    types = {
        row["id"]: row["type"]
        for row in session.store.all('SELECT id, type FROM "transaction" WHERE id IN (?, ?)', previous, following)
    }
    session.store.run(
        "INSERT OR REPLACE INTO nexttransactionlink VALUES (?, ?, ?, ?, ?, NULL, ?)",
        previous, following, link_type, types[previous], types[following], session.now,
    )  # fmt: skip


def link_line(session: Session, previous: tuple[int, int], following: tuple[int, int], link_type: str) -> None:
    types = {
        row["id"]: row["type"]
        for row in session.store.all('SELECT id, type FROM "transaction" WHERE id IN (?, ?)', previous[0], following[0])
    }
    session.store.run(
        "INSERT OR REPLACE INTO nexttransactionlinelink VALUES (?, ?, ?, ?, ?, ?, ?, NULL, ?)",
        *previous, *following, link_type, types[previous[0]], types[following[0]], session.now,
    )  # fmt: skip


def open_periods(session: Session, first: date, last: date) -> None:
    """Create monthly accounting periods from the first to the last month, where missing."""
    day = first.replace(day=1)
    while day <= last:
        following = (day + timedelta(days=32)).replace(day=1)
        if session.store.value("SELECT 1 FROM accountingperiod WHERE startdate = ?", day.isoformat()) is None:
            session.store.insert(
                "accountingperiod", id=session.next_number("accountingperiod", 100), periodname=f"{day:%b %Y}",
                startdate=day.isoformat(), enddate=(following - timedelta(days=1)).isoformat(), closed="F",
                isquarter="F", isyear="F", isadjust="F", lastmodifieddate=session.now,
            )  # fmt: skip
        day = following


def check_customer(session: Session, entity: int | None, subsidiary: int | None, name: str = "entity") -> Row:
    """The active customer of a transaction. Raises VendorError for an unknown, inactive or foreign one."""
    row = session.store.one("SELECT * FROM customer WHERE id = ?", entity)
    if row is None or row["isinactive"] == "T":
        raise invalid_reference(entity, name, name)
    if subsidiary is not None and subsidiary != row["subsidiary"]:
        raise invalid_reference(subsidiary, "subsidiary", "subsidiary")
    return row
