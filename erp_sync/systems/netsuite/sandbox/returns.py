"""Returns: authorization, receipt, credit memo, refund."""

from __future__ import annotations

import json
import re
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from erp_sync.systems.netsuite.sandbox import stock, tax
from erp_sync.systems.netsuite.sandbox.errors import invalid_reference, missing, user_error
from erp_sync.systems.netsuite.sandbox.fields import Field, number, refer, reference
from erp_sync.systems.netsuite.sandbox.record_type import NO_REPLACE
from erp_sync.systems.netsuite.sandbox.sales_lines import print_line
from erp_sync.systems.netsuite.sandbox.sales_order import SALES_COMPUTED, SALES_FIELDS, TAX_FIELDS
from erp_sync.systems.netsuite.sandbox.session import Session
from erp_sync.systems.netsuite.sandbox.store import AMOUNT, QUANTITY, ZERO, Row, decimal, json_number, text_of
from erp_sync.systems.netsuite.sandbox.transactions import (
    COMMON,
    MAIN,
    Transaction,
    check_customer,
    insert_line,
    item_lines,
    link,
    link_line,
    next_line,
    print_totals,
    total_up,
)

_HEADER = (
    *("entity", "subsidiary", "currency", "exchangerate", "email", "otherrefnum", "location", "taxitem", "taxrate"),
    *("istaxable", "taxdetailsoverride", "billingaddress", "paymentoption"),
)
_LINE = (
    *("item", "itemtype", "rate", "rateamount", "ratepercent", "price", "memo", "location", "subsidiary", "entity"),
    *("taxdetailsreference", "taxcode", "taxrate1", "istaxable", "custom", "other"),
)
_ASKED = re.compile(r"\d+")


class _FromLines(Transaction):
    """A transaction made from another's lines, in whole or in part."""

    sign = 1
    fields: tuple[Field, ...] = (*SALES_FIELDS, *TAX_FIELDS)
    computed = SALES_COMPUTED | {"postingPeriod", "amountPaid", "amountRemaining"}
    sublists: tuple[str, ...] = ("item", "taxDetails")
    link_type = ""

    def create(self, session: Session, body: Any) -> int:
        raise user_error(f"Create this {self.name} by a transform.")

    def open_from(self, session: Session, source: Row, body: dict[str, Any], status: str) -> int:
        columns = self.columns(session, body)
        columns = {
            **{name: source[name] for name in _HEADER},
            **{name: value for name, value in columns.items() if value is not None},
            "createdfrom": source["id"], "status": status,
        }  # fmt: skip
        columns.pop("shippingcost", None)
        made = session.store.insert(
            "transaction", id=session.new_id("transaction"), **self.open_header(session, columns)
        )
        link(session, source["id"], made, self.link_type)
        self.own_addresses(session, made)
        return made

    def update(self, session: Session, internal_id: int, body: Any, replace: frozenset[str] = NO_REPLACE) -> None:
        """Header fields only."""
        if "item" in body:
            raise user_error("Lines that were made from another transaction cannot be changed here.", "item")
        self.change_header(session, internal_id, body)

    def copy_lines(
        self, session: Session, source: Row, made: int, body: dict[str, Any], most: dict[int, Decimal]
    ) -> list[tuple[Row, Decimal, dict[str, Any]]]:
        """Copy the source's lines, at most so much of each. Raises VendorError when nothing is left."""
        lines = {line["id"]: line for line in item_lines(session, source["id"]) if line["quantity"] is not None}
        asked: dict[int, tuple[dict[str, Any], str]] = {}
        for index, given in enumerate((body.get("item") or {}).get("items", [])):
            path, key = f"item.items[{index}]", given.get("orderLine", given.get("line"))
            if key is None or not _ASKED.fullmatch(str(key)) or int(key) not in lines:
                raise invalid_reference(key, "orderLine", f"{path}.orderLine")
            asked[int(key)] = (given, path)
        taken = []
        for line_id, line in lines.items():
            if line_id not in asked and "item" in session.replace:
                continue
            given, path = asked.get(line_id, ({}, "item"))
            quantity = most.get(line_id, ZERO)
            if given.get("itemReceive") is False:
                continue
            if given.get("quantity") is not None:
                wanted = number(given["quantity"], "quantity", f"{path}.quantity")
                if not 0 < wanted <= quantity:
                    raise user_error(f"At most {quantity.normalize():f} is left of this line.", f"{path}.quantity")
                quantity = wanted
            if quantity > 0:
                taken.append((line, quantity, given))
        if not taken:
            raise user_error("You must enter at least one line item for this transaction.", "item")
        for sequence, (line, quantity, given) in enumerate(taken, start=1):
            own = next_line(session, made)
            amount = abs(decimal(line["foreignamount"])) * quantity / abs(decimal(line["quantity"]))
            columns = {name: line[name] for name in _LINE}
            if given.get("location") is not None:
                columns["location"] = reference(session, "location", given["location"], "location", "item.location")
            text = text_of(amount.quantize(Decimal("0.01"), rounding=ROUND_HALF_UP), AMOUNT)
            insert_line(
                session, made, own, **columns, quantity=text_of(quantity, QUANTITY), foreignamount=text, netamount=text,
                createdfrom=source["id"], orderline=line["id"], linesequencenumber=sequence,
            )  # fmt: skip
            link_line(session, (source["id"], line["id"]), (made, own), self.link_type)
        return taken

    def copy_tax(
        self, session: Session, source: Row, made: int, taken: list[tuple[Row, Decimal, dict[str, Any]]]
    ) -> None:
        if source["taxdetailsoverride"] != "T":
            return
        share = {line["taxdetailsreference"]: quantity / abs(decimal(line["quantity"])) for line, quantity, _ in taken}
        for detail in tax.details(session, source["id"]):
            part = share.get(detail["taxdetailsreference"], ZERO)
            if part:
                columns = {**dict(detail), "transaction": made}
                for name in ("taxbasis", "taxamount", "netamount"):
                    columns[name] = text_of(decimal(detail[name]) * part, AMOUNT)
                session.store.insert("transactiontaxdetail", **columns)

    def taken_before(self, session: Session, source: int) -> dict[int, Decimal]:
        """Quantity of each source line that earlier transactions of this kind have."""
        rows = session.store.all(
            """SELECT l.orderline, l.quantity FROM transactionline l JOIN "transaction" t ON t.id = l."transaction"
               WHERE t.type = ? AND l.createdfrom = ? AND l.orderline IS NOT NULL""",
            self.type,
            source,
        )
        taken: dict[int, Decimal] = {}
        for row in rows:
            taken[row["orderline"]] = taken.get(row["orderline"], ZERO) + abs(decimal(row["quantity"]))
        return taken

    def extra(self, session: Session, row: Row) -> dict[str, Any]:
        out = {"status": self.status(row), "transactionNumber": row["transactionnumber"]}
        if row["createdfrom"] is not None:
            out["createdFrom"] = {"id": str(row["createdfrom"])}
        if self.type != "ItemRcpt":
            out.update(print_totals(row))
        return {name: value for name, value in out.items() if value is not None}

    def lines(self, session: Session, row: Row, sublist: str) -> list[dict[str, Any]]:
        if sublist == "taxDetails":
            return tax.print_details(session, row["id"])
        return [print_line(session, line, sign=self.sign) for line in item_lines(session, row["id"])]

    def delete(self, session: Session, internal_id: int) -> None:
        row = self.row(session, internal_id)
        assert row is not None
        self.remove(session, row)


class ReturnAuthorization(_FromLines):
    """``returnAuthorization``, from an order, an invoice or a cash sale: at most what was shipped and not returned."""

    name = "returnAuthorization"
    type = "RtnAuth"
    posting = False
    link_type = "SalesOrdRA"
    fields = (*SALES_FIELDS, *TAX_FIELDS, Field("orderStatus", "orderstatus", "enum", choices=("A", "B")))
    subrecords = ("billingAddress",)

    def from_source(self, session: Session, source_id: int, body: Any) -> int:
        body = self.canonical(session, body)
        tax.refuse_in_legacy(session, body)
        source = session.store.one('SELECT * FROM "transaction" WHERE id = ?', source_id)
        assert source is not None
        column = "quantityshiprecv" if source["type"] == "SalesOrd" else "quantity"
        before = self.taken_before(session, source_id)
        most = {}
        for line in item_lines(session, source_id):
            whole = abs(decimal(line["quantity"])) if line["fulfillable"] == "F" else abs(decimal(line[column]))
            most[line["id"]] = whole - before.get(line["id"], ZERO)
        status = (body.get("orderStatus") or {}).get("id") if isinstance(body.get("orderStatus"), dict) else None
        made = self.open_from(session, source, {"orderStatus": {"id": "A"}, **body}, status or "A")
        taken = self.copy_lines(session, source, made, body, most)
        self.copy_tax(session, source, made, taken)
        total_up(session, made, self.sign)
        session.wrote(self.name, body.get("externalId"), made)
        return made

    def update(self, session: Session, internal_id: int, body: Any, replace: frozenset[str] = NO_REPLACE) -> None:
        """Approval and header fields; a line can be closed."""
        stored = self.row(session, internal_id)
        assert stored is not None
        body = self.canonical(session, body)
        columns = self.columns(session, body, stored, replace)
        known = {line["id"] for line in item_lines(session, internal_id)}
        for index, given in enumerate((body.get("item") or {}).get("items", [])):
            if given.get("line") not in known or set(given) - {"line", "isClosed"}:
                raise invalid_reference(given.get("line"), "line", f"item.items[{index}].line")
            flag = "T" if given.get("isClosed") else "F"
            session.store.update("transactionline", {"transaction": internal_id, "id": given["line"]}, isclosed=flag)
        self.touch(session, internal_id, **columns)
        self.write_addresses(session, internal_id, body, {})
        self.settle(session, internal_id)
        session.wrote(self.name, stored["externalid"], internal_id, "update")

    def settle(self, session: Session, internal_id: int) -> None:
        """Status from what was received and credited."""
        row = self.row(session, internal_id)
        assert row is not None
        received, credited = ZERO, ZERO
        whole = ZERO
        lines = [line for line in item_lines(session, internal_id) if line["quantity"] is not None]
        for line in lines:
            if line["isclosed"] != "T":
                whole += decimal(line["quantity"])
            received += decimal(line["quantityshiprecv"])
            credited += decimal(line["quantitybilled"])
        if all(line["isclosed"] == "T" for line in lines) and not received:
            status = "H"
        elif not received and not credited:
            status = row["orderstatus"]
        elif received < whole:
            status = "E" if received > credited else "D"
        else:
            status = "G" if credited >= whole else "F"
        session.store.update("transaction", {"id": internal_id}, status=status, lastmodifieddate=session.now)

    def extra(self, session: Session, row: Row) -> dict[str, Any]:
        return {**super().extra(session, row), "orderStatus": self.status(row)}


class ItemReceipt(_FromLines):
    """``itemReceipt`` of a return: what comes back is on hand again."""

    name = "itemReceipt"
    type = "ItemRcpt"
    link_type = "ShipRcpt"
    fields = tuple(field for field in COMMON if field.name not in ("location", "subsidiary"))
    computed = frozenset(
        [
            "id",
            "links",
            "createdDate",
            "lastModifiedDate",
            "createdFrom",
            "status",
            "transactionNumber",
            "postingPeriod",
        ]
    )
    sublists = ("item",)

    def __init__(self, returns: ReturnAuthorization) -> None:
        self._returns = returns

    def from_return(self, session: Session, return_id: int, body: Any) -> int:
        body = self.canonical(session, body)
        source = session.store.one('SELECT * FROM "transaction" WHERE id = ?', return_id)
        assert source is not None
        if source["status"] not in ("B", "D", "E"):
            raise user_error("This return authorization cannot be received: it is not approved, or not open.")
        most = {
            line["id"]: decimal(line["quantity"]) - decimal(line["quantityshiprecv"])
            for line in item_lines(session, return_id)
            if line["isclosed"] != "T" and line["quantity"] is not None
        }
        made = self.open_from(session, source, body, "A")
        for line, quantity, given in self.copy_lines(session, source, made, body, most):
            location = line["location"]
            if given.get("location") is not None:
                location = reference(session, "location", given["location"], "location", "item.location")
            parts = stock.components(session, line["item"])
            if parts and location is None:
                raise missing("Items list: Location", "item")
            for part, per in parts:
                stock.change(session, part, location, on_hand=quantity * per)
                stock.arrived(session, part, location)
            done = text_of(decimal(line["quantityshiprecv"]) + quantity, QUANTITY)
            session.store.update("transactionline", {"transaction": return_id, "id": line["id"]}, quantityshiprecv=done)
        insert_line(
            session, made, MAIN, mainline="T", createdfrom=return_id, entity=source["entity"], linesequencenumber=0
        )
        self._returns.settle(session, return_id)
        session.wrote(self.name, body.get("externalId"), made)
        return made

    def lines(self, session: Session, row: Row, sublist: str) -> list[dict[str, Any]]:
        lines = []
        for line in item_lines(session, row["id"]):
            out = {
                "line": line["id"],
                "orderLine": line["orderline"],
                "item": refer(session, "item", line["item"]),
                "quantity": json_number(line["quantity"]),
                "location": None if line["location"] is None else refer(session, "location", line["location"]),
                "itemReceive": True,
                **json.loads(line["other"] or "{}"),
            }
            lines.append({name: value for name, value in out.items() if value is not None})
        return lines


class CreditMemo(_FromLines):
    """``creditMemo`` of a return or an invoice. Status A open, B fully applied."""

    name = "creditMemo"
    type = "CustCred"
    link_type = "RtnCred"
    subrecords = ("billingAddress",)

    def __init__(self, returns: ReturnAuthorization) -> None:
        self._returns = returns

    def from_source(self, session: Session, source_id: int, body: Any) -> int:
        body = self.canonical(session, body)
        tax.refuse_in_legacy(session, body)
        source = session.store.one('SELECT * FROM "transaction" WHERE id = ?', source_id)
        assert source is not None
        if source["type"] == "RtnAuth" and source["status"] not in ("D", "E", "F"):
            raise user_error("Nothing of this return authorization is to be refunded.")
        most = {}
        for line in item_lines(session, source_id):
            if line["quantity"] is not None:
                whole = line["quantityshiprecv"] if source["type"] == "RtnAuth" else line["quantity"]
                most[line["id"]] = abs(decimal(whole)) - decimal(line["quantitybilled"])
        made = self.open_from(session, source, body, "A")
        taken = self.copy_lines(session, source, made, body, most)
        for line, quantity, _ in taken:
            done = text_of(decimal(line["quantitybilled"]) + quantity, QUANTITY)
            session.store.update("transactionline", {"transaction": source_id, "id": line["id"]}, quantitybilled=done)
        self.copy_tax(session, source, made, taken)
        total_up(session, made, self.sign)
        row = self.row(session, made)
        assert row is not None
        session.store.update(
            "transaction", {"id": made}, foreignamountunpaid=row["foreigntotal"], foreignamountpaid="0.00"
        )
        if source["type"] == "RtnAuth":
            self._returns.settle(session, source_id)
        session.wrote(self.name, body.get("externalId"), made)
        return made

    def extra(self, session: Session, row: Row) -> dict[str, Any]:
        return {**super().extra(session, row), "unapplied": json_number(row["foreignamountunpaid"])}


class CustomerRefund(Transaction):
    """``customerRefund``: pays out open credit memos, all of what is applied, to the cent."""

    name = "customerRefund"
    type = "CustRfnd"
    fields = (
        *COMMON,
        Field("customer", "entity", "reference", "customer"),
        Field("account", "account", "reference", "account"),
        Field("paymentOption", "paymentoption", "reference", "paymentmethod"),
    )
    computed = frozenset(
        ["id", "links", "createdDate", "lastModifiedDate", "status", "total", "transactionNumber", "balance"]
    )
    sublists = ("apply",)

    def from_credit(self, session: Session, credit_id: int, body: Any) -> int:
        """The transform of a credit memo: applies all of it unless told otherwise."""
        credit = session.store.one('SELECT * FROM "transaction" WHERE id = ?', credit_id)
        assert credit is not None
        whole = {"items": [{"doc": {"id": str(credit_id)}, "apply": True}]}
        return self.create(session, {"customer": {"id": str(credit["entity"])}, "apply": whole, **(body or {})})

    def create(self, session: Session, body: Any) -> int:
        body = self.canonical(session, body)
        columns = self.columns(session, body)
        if columns.get("entity") is None:
            raise missing("Customer", "customer")
        customer = check_customer(session, columns["entity"], columns.get("subsidiary"), "customer")
        applied = self._applied(session, columns["entity"], body)
        total = sum((amount for _, amount in applied), ZERO)
        columns = {
            "subsidiary": customer["subsidiary"], "currency": applied[0][0]["currency"],
            **{name: value for name, value in columns.items() if value is not None},
            "status": "R", "foreigntotal": text_of(total, AMOUNT), "payment": text_of(total, AMOUNT),
        }  # fmt: skip
        refund = session.store.insert(
            "transaction", id=session.new_id("transaction"), **self.open_header(session, columns)
        )
        insert_line(
            session, refund, MAIN, mainline="T", entity=columns["entity"], foreignamount=text_of(-total, AMOUNT),
            linesequencenumber=0,
        )  # fmt: skip
        for credit, amount in applied:
            left = decimal(credit["foreignamountunpaid"]) - amount
            session.store.update(
                "transaction", {"id": credit["id"]}, foreignamountunpaid=text_of(left, AMOUNT),
                foreignamountpaid=text_of(decimal(credit["foreignamountpaid"]) + amount, AMOUNT),
                status="B" if left == 0 else "A", lastmodifieddate=session.now,
            )  # fmt: skip
            link(session, credit["id"], refund, "Payment")
            session.store.update(
                "nexttransactionlink",
                {"previousdoc": credit["id"], "nextdoc": refund},
                foreignamount=text_of(amount, AMOUNT),
            )
        session.wrote(self.name, columns.get("externalid"), refund)
        return refund

    def update(self, session: Session, internal_id: int, body: Any, replace: frozenset[str] = NO_REPLACE) -> None:
        """Header fields only."""
        if "apply" in body:
            raise user_error("What a refund pays out cannot be changed here.", "apply")
        self.change_header(session, internal_id, body)

    def _applied(self, session: Session, entity: int, body: dict[str, Any]) -> list[tuple[Row, Decimal]]:
        applied = []
        for index, line in enumerate((body.get("apply") or {}).get("items", [])):
            path = f"apply.items[{index}]"
            if line.get("apply") is False:
                continue
            credit_id = reference(session, None, line.get("doc"), "doc", f"{path}.doc")
            credit = session.store.one("SELECT * FROM \"transaction\" WHERE id = ? AND type = 'CustCred'", credit_id)
            if credit is None or credit["entity"] != entity:
                raise invalid_reference(credit_id, "doc", f"{path}.doc")
            left = decimal(credit["foreignamountunpaid"])
            amount = left if line.get("amount") is None else number(line["amount"], "amount", f"{path}.amount")
            if not 0 < amount <= left:
                raise user_error(f"At most {left} of this credit can be refunded.", f"{path}.amount")
            applied.append((credit, amount))
        if not applied:
            raise user_error("You must select at least one credit to refund.", "apply")
        return applied

    def extra(self, session: Session, row: Row) -> dict[str, Any]:
        return {
            "status": self.status(row),
            "total": json_number(row["foreigntotal"]),
            "transactionNumber": row["transactionnumber"],
        }

    def lines(self, session: Session, row: Row, sublist: str) -> list[dict[str, Any]]:
        return [
            {
                "line": index,
                "apply": True,
                "amount": json_number(found["foreignamount"]),
                "doc": found["previousdoc"],
            }
            for index, found in enumerate(
                session.store.all("SELECT * FROM nexttransactionlink WHERE nextdoc = ?", row["id"]), start=1
            )
        ]
