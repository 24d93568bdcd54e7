"""Customers: persons and companies, with an address book and the currencies that they may be billed in.

Sublist ``currencyList``: published contract, and Oracle NetSuite help, Customer. That the primary currency is always a
line of it, and that a currency which is listed already is matched and not added twice, is unconfirmed.
"""

from __future__ import annotations

import re
from typing import Any

from erp_sync.systems.netsuite.sandbox.addresses import parse_address, print_address, store_address
from erp_sync.systems.netsuite.sandbox.errors import invalid_reference, invalid_value, missing, user_error
from erp_sync.systems.netsuite.sandbox.fields import Field, parse, refer
from erp_sync.systems.netsuite.sandbox.record_type import NO_REPLACE, RecordType, dependent
from erp_sync.systems.netsuite.sandbox.session import Session
from erp_sync.systems.netsuite.sandbox.store import Row

_EMAIL = re.compile(r"[^@\s,;]+@[^@\s,;]+\.[^@\s,;.]+$")

_LINE = (
    Field("label", "label", length=150),
    Field("defaultBilling", "defaultbilling", "flag"),
    Field("defaultShipping", "defaultshipping", "flag"),
    Field("isResidential", "isresidential", "flag"),
)
_CURRENCY = (Field("currency", "currency", "reference", "currency"),)


class Customer(RecordType):
    """``customer``. A person needs a last name, a company its name; OneWorld needs a subsidiary.

    `entityId` is numbered when none is given and must be unique (wording: SuiteScript UNIQUE_CUST_ID_REQD).
    """

    name = "customer"
    table = "customer"
    group = "entity"
    custom_prefix = "custentity"
    label = "entityid"
    fields = (
        Field("entityId", "entityid", length=83),
        Field("externalId", "externalid"),
        Field("isPerson", "isperson", "flag"),
        Field("firstName", "firstname", length=32),
        Field("middleName", "middlename", length=32),
        Field("lastName", "lastname", length=32),
        Field("salutation", "salutation", length=30),
        Field("companyName", "companyname", length=83),
        Field("altName", "altname", writable=False),
        Field("email", "email", length=254),
        Field("altEmail", "altemail", length=254),
        Field("phone", "phone", length=22),
        Field("altPhone", "altphone", length=22),
        Field("mobilePhone", "mobilephone", length=22),
        Field("fax", "fax", length=22),
        Field("url", "url", length=100),
        Field("comments", "comments", length=4000),
        Field("isInactive", "isinactive", "flag"),
        Field("entityStatus", "entitystatus", "reference"),
        Field("category", "category", "reference"),
        Field("subsidiary", "subsidiary", "reference", "subsidiary"),
        Field("currency", "currency", "reference", "currency"),
        Field("priceLevel", "pricelevel", "reference", "pricelevel"),
        Field("terms", "terms", "reference", "term"),
        Field("taxable", "taxable", "flag"),
        Field("taxItem", "taxitem", "reference", "salestaxitem"),
        Field("vatRegNumber", "vatregnumber", length=20),
        Field("parent", "parent", "reference", "customer"),
        Field("creditLimit", "creditlimit", "amount"),
        Field("language", "language", "enum"),
        Field("emailPreference", "emailpreference", "enum", choices=("DEFAULT", "HTML", "PDF")),
        Field("dateCreated", "datecreated", "text", writable=False),
        Field("lastModifiedDate", "lastmodifieddate", "text", writable=False),
    )
    computed = frozenset(
        [
            "altName",
            "balance",
            "dateCreated",
            "lastModifiedDate",
            "depositBalance",
            "overdueBalance",
            "unbilledOrders",
            "daysOverdue",
            "aging",
            "aging1",
            "aging2",
            "aging3",
            "aging4",
            "consolBalance",
            "consolDepositBalance",
            "consolOverdueBalance",
            "consolUnbilledOrders",
            "consolDaysOverdue",
            "searchStage",
            "defaultAddress",
            "defaultShippingAddress",
            "firstOrderDate",
            "lastOrderDate",
            "firstSaleDate",
            "lastSaleDate",
            "id",
            "links",
        ]
    )
    sublists = ("addressBook", "currencyList")

    def create(self, session: Session, body: Any) -> int:
        body = self.canonical(session, body)
        columns = self.columns(session, body)
        columns.setdefault("isperson", "F")
        self._check(session, columns)
        number = session.next_number("customer", 1001)
        columns["entityid"] = columns.get("entityid") or f"CUST{number}"
        self._claim_entity_id(session, columns["entityid"], None)
        columns = {
            "isinactive": "F", "currency": 1, "taxable": "T", "searchstage": "Customer", "entitystatus": 13,
            "emailpreference": "DEFAULT", "globalsubscriptionstatus": 1, **columns,
            "altname": _display_name(columns), "datecreated": session.now, "lastmodifieddate": session.now,
        }  # fmt: skip
        columns["fullname"], columns["entitytitle"] = columns["entityid"], f"{columns['entityid']} {columns['altname']}"
        customer = session.store.insert("customer", id=session.new_id("customer"), **columns)
        self._write_addresses(session, customer, body, NO_REPLACE)
        self._write_currencies(session, customer, body, NO_REPLACE)
        session.wrote(self.name, columns.get("externalid"), customer)
        return customer

    def update(self, session: Session, internal_id: int, body: Any, replace: frozenset[str] = NO_REPLACE) -> None:
        stored = self.row(session, internal_id)
        assert stored is not None
        body = self.canonical(session, body)
        columns = self.columns(session, body, stored, replace)
        after = {**dict(stored), **columns}
        self._check(session, after)
        if "entityid" in columns:
            if not columns["entityid"]:
                raise missing("Customer ID")
            self._claim_entity_id(session, columns["entityid"], internal_id)
        columns["altname"] = _display_name(after)
        columns["fullname"], columns["entitytitle"] = after["entityid"], f"{after['entityid']} {columns['altname']}"
        session.store.update("customer", {"id": internal_id}, **columns, lastmodifieddate=session.now)
        self._write_addresses(session, internal_id, body, replace)
        self._write_currencies(session, internal_id, body, replace)
        session.wrote(self.name, after["externalid"], internal_id, "update")

    def delete(self, session: Session, internal_id: int) -> None:
        row = self.row(session, internal_id)
        assert row is not None
        if session.store.value('SELECT 1 FROM "transaction" WHERE entity = ?', internal_id):
            raise dependent("customer record")
        session.store.delete("customeraddressbookentityaddress", recordowner=internal_id)
        session.store.delete("customeraddressbook", entity=internal_id)
        session.store.delete("sandbox_customer_currency", customer=internal_id)
        self.forget(session, row, "CUSTOMER")

    def _check(self, session: Session, columns: dict[str, Any]) -> None:
        if columns.get("isperson") == "T":
            wanted = [("firstname", "First Name"), ("lastname", "Last Name")]
        else:
            wanted = [("companyname", "Company Name")]
        wanted.append(("subsidiary", "Primary Subsidiary"))
        lacking = [label for column, label in wanted if columns.get(column) is None]
        if lacking:
            raise missing(", ".join(lacking))
        for column, name in (("email", "email"), ("altemail", "altEmail")):
            if columns.get(column) and not _EMAIL.match(columns[column]):
                raise invalid_value(name, name)

    def _claim_entity_id(self, session: Session, entity_id: str, own_id: int | None) -> None:
        other = session.store.value("SELECT id FROM customer WHERE entityid = ?", entity_id)
        if other is not None and other != own_id:
            raise user_error(
                "A customer record with this ID already exists. You must enter a unique customer ID for each record "
                "you create.",
                "entityId",
            )

    # --- currencies ---------------------------------------------------------------------------------

    def _write_currencies(self, session: Session, customer: int, body: dict[str, Any], replace: frozenset[str]) -> None:
        listed = body.get("currencyList", {}).get("items", ())
        if "currencyList" in replace:
            session.store.delete("sandbox_customer_currency", customer=customer)
        for index, line in enumerate(listed):
            path = f"currencyList.items[{index}]."
            currency = parse(session, _CURRENCY, line, path).get("currency")
            if currency is None:
                raise missing("Currency", f"{path}currency")
            _add_currency(session, customer, currency)
        row = session.store.one("SELECT currency FROM customer WHERE id = ?", customer)
        assert row is not None
        _add_currency(session, customer, row["currency"])

    # --- address book --------------------------------------------------------------------------------

    def _write_addresses(self, session: Session, customer: int, body: dict[str, Any], replace: frozenset[str]) -> None:
        """Lines with a known id are changed; lines without one are added, on every write again."""
        if "addressBook" not in body:
            return
        kept: set[int] = set()
        for index, line in enumerate(body["addressBook"]["items"]):
            path = f"addressBook.items[{index}]"
            key = line.get("id") or line.get("addressId")
            stored = None
            if key is not None:
                stored = session.store.one(
                    "SELECT * FROM customeraddressbook WHERE entity = ? AND internalid = ?", customer, str(key)
                )
                if stored is None:
                    raise invalid_reference(key, "addressBook", path)
            kept.add(self._write_address(session, customer, line, path, stored))
        if "addressBook" in replace:
            for row in session.store.all("SELECT * FROM customeraddressbook WHERE entity = ?", customer):
                if row["internalid"] not in kept:
                    session.store.delete("customeraddressbookentityaddress", nkey=row["addressbookaddress"])
                    session.store.delete("customeraddressbook", internalid=row["internalid"])
        defaults = {}
        for use in ("shipping", "billing"):
            defaults[f"default{use}address"] = session.store.value(
                f"SELECT addressbookaddress FROM customeraddressbook WHERE entity = ? AND default{use} = 'T'", customer
            )
        session.store.update("customer", {"id": customer}, **defaults)

    def _write_address(
        self, session: Session, customer: int, line: dict[str, Any], path: str, stored: Row | None
    ) -> int:
        columns = parse(session, _LINE, line, f"{path}.")
        nkey = None if stored is None else stored["addressbookaddress"]
        if line.get("addressBookAddress") is not None:
            address = parse_address(session, line["addressBookAddress"], f"{path}.addressBookAddress")
            nkey = store_address(session, "customeraddressbookentityaddress", customer, address, nkey)
        for use in ("defaultshipping", "defaultbilling"):
            if columns.get(use) == "T":
                session.store.update("customeraddressbook", {"entity": customer}, **{use: "F"})
        columns = {**columns, "addressbookaddress": nkey, "lastmodifieddate": session.now}
        if stored is not None:
            session.store.update("customeraddressbook", {"internalid": stored["internalid"]}, **columns)
            return int(stored["internalid"])
        empty = {"defaultshipping": "F", "defaultbilling": "F", "isresidential": "F"}
        return session.store.insert("customeraddressbook", **{**empty, "entity": customer, **columns})

    def extra(self, session: Session, row: Row) -> dict[str, Any]:
        return {"searchStage": {"id": row["searchstage"], "refName": row["searchstage"]}}

    def lines(self, session: Session, row: Row, sublist: str) -> list[dict[str, Any]]:
        if sublist == "currencyList":
            return [
                {"currency": refer(session, "currency", currency)} for currency in sorted(currencies_of(session, row))
            ]
        lines = []
        for line in session.store.all(
            "SELECT * FROM customeraddressbook WHERE entity = ? ORDER BY internalid", row["id"]
        ):
            href = f"{session.base}/customer/{row['id']}/addressBook/{line['internalid']}/addressBookAddress"
            address = session.store.one(
                "SELECT * FROM customeraddressbookentityaddress WHERE nkey = ?", line["addressbookaddress"]
            )
            lines.append(
                {
                    "id": str(line["internalid"]),
                    "addressId": str(line["addressbookaddress"]),
                    "internalId": line["internalid"],
                    "label": line["label"],
                    "defaultShipping": line["defaultshipping"] == "T",
                    "defaultBilling": line["defaultbilling"] == "T",
                    "isResidential": line["isresidential"] == "T",
                    "addressBookAddress": print_address(session, address, href),
                }
            )
            lines[-1] = {name: value for name, value in lines[-1].items() if value is not None and name != "internalId"}
        return lines


def currencies_of(session: Session, customer: Row) -> set[int]:
    """Currencies that a transaction of the customer may have."""
    rows = session.store.all("SELECT currency FROM sandbox_customer_currency WHERE customer = ?", customer["id"])
    return {customer["currency"], *(row["currency"] for row in rows)}


def _add_currency(session: Session, customer: int, currency: int) -> None:
    session.store.run(
        "INSERT OR IGNORE INTO sandbox_customer_currency (customer, currency) VALUES (?, ?)", customer, currency
    )


def _display_name(columns: dict[str, Any]) -> str:
    if columns.get("isperson") == "T":
        parts = (columns.get("firstname"), columns.get("middlename"), columns.get("lastname"))
        return " ".join(part for part in parts if part)
    return columns.get("companyname") or ""
