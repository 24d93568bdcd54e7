"""A sales document from a body: partner, dates, currency, lines, expenses, totals, open amounts.

Amounts of a document in a foreign currency are kept twice: DocTotalFc, VatSumFc and RowTotalFC in its own currency,
DocTotal, VatSum and LineTotal in the company's (contract; conversion of each row: unconfirmed).
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from erp_sync.systems.sap_b1.sandbox import document_lines, product_trees, rows
from erp_sync.systems.sap_b1.sandbox.context import Context
from erp_sync.systems.sap_b1.sandbox.document_lines import Header
from erp_sync.systems.sap_b1.sandbox.errors import VALIDATION, ServiceLayerError, not_found, rule
from erp_sync.systems.sap_b1.sandbox.kind import Entity
from erp_sync.systems.sap_b1.sandbox.masterdata import partner
from erp_sync.systems.sap_b1.sandbox.pricing.question import rate
from erp_sync.systems.sap_b1.sandbox.totals import Row, RowTotal, Totals, rounded, totals
from erp_sync.systems.sap_b1.sandbox.values import ZERO, decimal, number


@dataclass(frozen=True)
class ObjectType:
    """One type of document: number, member of BoObjectTypes, set, tables, and whether a due date must be sent."""

    number: str
    code: str
    set_name: str
    header: str
    lines: str
    due_date: bool = False


ORDER = ObjectType("17", "oOrders", "Orders", "ORDR", "RDR1", due_date=True)
DELIVERY = ObjectType("15", "oDeliveryNotes", "DeliveryNotes", "ODLN", "DLN1")
INVOICE = ObjectType("13", "oInvoices", "Invoices", "OINV", "INV1")
CREDIT_NOTE = ObjectType("14", "oCreditNotes", "CreditNotes", "ORIN", "RIN1")
RETURN = ObjectType("16", "oReturns", "Returns", "ORDN", "RDN1")
PURCHASE_DELIVERY = ObjectType("20", "oPurchaseDeliveryNotes", "PurchaseDeliveryNotes", "OPDN", "PDN1")
#: Of those that can be drafts here.
OBJECT_TYPES = {kind.code: kind for kind in (ORDER, DELIVERY)}


def build(context: Context, kind: ObjectType, merged: Entity, sent: Entity, before: Entity | None) -> Entity:
    """The document of what it was (`before`) and what was sent (`merged` into it). Raises ServiceLayerError."""
    found = _header(context, kind, merged, sent, before)
    header = Header(
        kind.lines,
        partner(context, found["CardCode"]),
        found["DocDate"],
        found["DocCurrency"],
        int(found["sandbox_price_list"]),
    )
    found["DocumentLines"] = _lines(context, header, merged, sent, before)
    found["DocumentAdditionalExpenses"] = _expenses(context, header, merged)
    return summed(context, found)


def _header(context: Context, kind: ObjectType, merged: Entity, sent: Entity, before: Entity | None) -> Entity:
    if not merged.get("CardCode"):
        raise ServiceLayerError(VALIDATION, f"Enter business partner code [{kind.header}.CardCode]")  # unconfirmed
    if before is not None and merged["CardCode"] != before["CardCode"] and before.get("sandbox_touched"):
        raise rule("Business partner cannot be changed; the document has follow-up documents")  # words unconfirmed
    owner = partner(context, merged["CardCode"])
    local = context.options.local_currency
    currency = merged.get("DocCurrency") or (owner["Currency"] if owner.get("Currency") not in (None, "##") else local)
    check_currency(context, owner, currency)
    day = merged.get("DocDate") or context.today
    if kind.due_date and not merged.get("DocDueDate"):
        raise rule(f"Enter valid date [{kind.header}.DocDueDate]")
    branch = merged.get("BPL_IDAssignedToInvoice")
    if context.options.branches and branch not in context.options.branches:
        raise not_found()
    terms = merged.get("PaymentGroupCode")
    if terms is not None and not rows.exists(context.store, "PaymentTermsTypes", terms):
        raise ServiceLayerError(-2028, f"[{kind.header}.GroupNum] , No matching records found (ODBC -2028)", 404)
    defaults: Entity = {
        "DocType": "dDocument_Items", "HandWritten": "tNO", "Series": 1, "SalesPersonCode": -1,
        "CardName": owner.get("CardName"), "NumAtCard": None, "Comments": None, "TransportationCode": None,
        "PaymentGroupCode": owner.get("PayTermsGrpCode", -1), "Confirmed": "tYES", "PriceMode": "pmdNet",
        "ShipToCode": owner.get("ShipToDefault"), "PayToCode": owner.get("BilltoDefault"),
        "DiscountPercent": owner.get("DiscountPercent") or number(0), "FederalTaxID": owner.get("FederalTaxID"),
        "sandbox_price_list": owner.get("PriceListNum") or context.options.default_price_list,
    }  # fmt: skip
    found = {**defaults, **{name: value for name, value in merged.items() if value is not None or name in sent}}
    doc_rate = sent.get("DocRate") or rate(context, currency, day)
    found |= {
        "DocDate": day, "TaxDate": merged.get("TaxDate") or day, "DocDueDate": merged.get("DocDueDate") or day,
        "DocCurrency": currency, "DocRate": number(decimal(doc_rate)), "DocObjectCode": kind.code,
        "DocumentStatus": merged.get("DocumentStatus") or "bost_Open", "Cancelled": merged.get("Cancelled") or "tNO",
        "CancelStatus": merged.get("CancelStatus") or "csNo",
        "AddressExtension": _addresses(owner, found, merged.get("AddressExtension")),
    }  # fmt: skip
    return found


def check_currency(context: Context, owner: Entity, currency: str) -> None:
    """Raises ServiceLayerError if documents of the partner cannot be in this currency."""
    own = owner.get("Currency")
    if not rows.exists(context.store, "Currencies", currency):
        raise not_found()
    if own not in (None, "##", currency) and currency != context.options.local_currency:
        raise rule("Currency of the document differs from that of the business partner")  # words unconfirmed


def _addresses(owner: Entity, found: Entity, sent: Entity | None) -> Entity:
    """The addresses of the document: the partner's by their names, over which what was sent stands."""
    extension: Entity = {}
    for prefix, name, kind in (("ShipTo", "ShipToCode", "bo_ShipTo"), ("BillTo", "PayToCode", "bo_BillTo")):
        for address in owner.get("BPAddresses") or []:
            if address.get("AddressType") == kind and address.get("AddressName") == found.get(name):
                extension |= {
                    f"{prefix}{part}": address.get(part)
                    for part in ("Street", "Block", "City", "ZipCode", "County", "State", "Country")
                }
    return {**extension, **(sent or {})}


def _lines(context: Context, header: Header, merged: Entity, sent: Entity, before: Entity | None) -> list[Entity]:
    held = {line["LineNum"]: line for line in (before or {}).get("DocumentLines") or []}
    given = {line.get("LineNum"): line for line in sent.get("DocumentLines") or [] if line.get("LineNum") in held}
    wanted = merged.get("DocumentLines") or []
    if not wanted:
        raise rule("Document must have at least one line")  # words unconfirmed
    last = max(held, default=-1)
    found = []
    for line in wanted:
        known = held.get(line.get("LineNum"))
        if known is not None:
            change = document_lines.sent_line(given.get(line["LineNum"], {}))
            found.append(_changed(context, header, known, change))
            continue
        last += 1
        fresh = document_lines.sent_line(line)
        found.append(document_lines.complete(context, header, fresh, fresh, last))
    for number_, known in held.items():
        if number_ not in {line["LineNum"] for line in found} and decimal(known.get("sandbox_delivered")):
            raise rule("Row cannot be removed; it has follow-up documents")  # words unconfirmed
    found = product_trees.with_components(context, header, found)
    return [{**line, "VisualOrder": order} for order, line in enumerate(found)]


def _changed(context: Context, header: Header, known: Entity, change: Entity) -> Entity:
    if not change.keys() - {"LineNum"}:
        return known  # a placeholder (obs.), for a closed row too
    if known["LineStatus"] == "bost_Close":
        raise rule("Closed rows cannot be changed")  # words unconfirmed
    after = document_lines.complete(context, header, {**known, **change}, change, known["LineNum"])
    if decimal(after["Quantity"]) < decimal(known.get("sandbox_delivered")):
        raise rule("Quantity is less than what was delivered")  # words unconfirmed
    return after


def _expenses(context: Context, header: Header, merged: Entity) -> list[Entity]:
    found = []
    for number_, row in enumerate(merged.get("DocumentAdditionalExpenses") or []):
        if row.get("ExpenseCode") is None:
            raise not_found()
        name = "TaxCode" if row.get("TaxCode") else "VatGroup"
        code = row.get(name) or header.partner.get("VatGroup") or context.options.default_vat_group
        percent = document_lines.vat_percent(context, code, header.day, name)
        amount = decimal(row.get("LineTotal"))
        tax = rounded(amount * percent / 100, context.options.amount)
        line = row.get("LineNum") if row.get("LineNum") is not None else number_
        found.append(
            {**row, "LineNum": line, name: code, "LineTotal": number(amount), "TaxPercent": number(percent),
             "TaxSum": number(tax), "LineGross": number(amount + tax)}
        )  # fmt: skip
    return found


def summed(context: Context, document: Entity) -> Entity:
    """The document with its totals and what is open of it."""
    gross = document["PriceMode"] == "pmdGross"
    lines = document["DocumentLines"]
    own = totals(
        [
            Row(
                decimal(line["Quantity"]),
                decimal(line["Price"]),
                decimal(line["TaxPercentagePerRow"]),
                decimal(line["PriceAfterVAT"]) if gross else None,
            )
            for line in lines
        ],
        decimal(document.get("DiscountPercent")),
        [(decimal(row["LineTotal"]), decimal(row["TaxPercent"])) for row in document["DocumentAdditionalExpenses"]],
        context.options.amount,
    )
    foreign = document["DocCurrency"] != context.options.local_currency
    local = _local(own, decimal(document["DocRate"]), context.options.amount) if foreign else own
    none = ZERO
    found = [
        {
            **_open(line),
            "LineTotal": number(here.total),
            "TaxTotal": number(here.vat),
            "RowTotalFC": number(row.total if foreign else none),
            "GrossTotal": number(here.total + here.vat),
        }
        for line, row, here in zip(lines, own.rows, local.rows, strict=True)
    ]
    opened = sum((_open_share(line) for line in found), ZERO)
    return {
        **document,
        "DocumentLines": found,
        "TotalDiscount": number(local.discount),
        "TotalDiscountFC": number(own.discount if foreign else none),
        "VatSum": number(local.vat),
        "VatSumFc": number(own.vat if foreign else none),
        "DocTotal": number(local.document),
        "DocTotalFc": number(own.document if foreign else none),
        "sandbox_open": str(rounded(opened, context.options.amount)),
    }


def _local(own: Totals, factor: Decimal, step: Decimal) -> Totals:
    found = tuple(RowTotal(rounded(row.total * factor, step), rounded(row.vat * factor, step)) for row in own.rows)
    discount, expenses = rounded(own.discount * factor, step), rounded(own.expenses * factor, step)
    net = sum((row.total for row in found), ZERO)
    vat = rounded(own.vat * factor, step)
    return Totals(found, net, discount, expenses, vat, net - discount + expenses + vat)


def _open(line: Entity) -> Entity:
    """Quantities that remain: nothing of a closed row."""
    left = decimal(line["Quantity"]) - decimal(line.get("sandbox_delivered"))
    if line["LineStatus"] == "bost_Close" or left < 0:
        left = ZERO
    share = decimal(line["InventoryQuantity"]) / decimal(line["Quantity"])
    return {
        **line,
        "RemainingOpenQuantity": number(left),
        "RemainingOpenInventoryQuantity": number(left * share),
    }


def _open_share(line: Entity) -> Decimal:
    return decimal(line["GrossTotal"]) * decimal(line["RemainingOpenQuantity"]) / decimal(line["Quantity"])
