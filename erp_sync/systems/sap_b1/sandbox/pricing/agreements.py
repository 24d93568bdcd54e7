"""Blanket agreements: prices of contracts, which win over every other source [H].

An agreement that is approved and valid is linked to a row by itself [SDK]; whether CompanyService_GetItemPrice does
so too is unconfirmed, and is so here. Of several the partner's DefaultBlanketAgreementNumber comes first, then the
lowest number (unconfirmed). IgnorePricesInAgreement skips it (unconfirmed), and so does AgreementType atGeneral, whose
prices come from outside (clearmark.freshdesk.com; unconfirmed). A line in another unit is not linked (unconfirmed).
"""

from __future__ import annotations

from erp_sync.systems.sap_b1.sandbox import rows
from erp_sync.systems.sap_b1.sandbox.context import Context
from erp_sync.systems.sap_b1.sandbox.errors import not_found, rule
from erp_sync.systems.sap_b1.sandbox.kind import Entity, Kind
from erp_sync.systems.sap_b1.sandbox.pricing import units
from erp_sync.systems.sap_b1.sandbox.pricing.question import Offer, Question, converted, within
from erp_sync.systems.sap_b1.sandbox.store import loads
from erp_sync.systems.sap_b1.sandbox.values import decimal, number


def agreed(context: Context, question: Question) -> Offer | None:
    """What the partner's agreement says, or None."""
    found = context.store.rows(
        "SELECT data FROM \"BlanketAgreements\" WHERE json_extract(data, '$.BPCode') = ? ORDER BY k1",
        question.partner["CardCode"],
    )
    agreements = [loads(text) for (text,) in found]
    first = question.partner.get("DefaultBlanketAgreementNumber")
    agreements.sort(key=lambda one: (one["AgreementNo"] != first, one["AgreementNo"]))
    for agreement in agreements:
        if question.agreement is not None and agreement["AgreementNo"] != question.agreement:
            continue
        if not _counts(agreement, question.day):
            continue
        for line in agreement.get("BlanketAgreements_ItemsLines") or []:
            if line.get("ItemNo") == question.item["ItemCode"] and _named(context, line, question):
                return _offer(context, question, agreement, line)
    return None


def _counts(agreement: Entity, day: str) -> bool:
    return (
        agreement.get("Status") == "asApproved"
        and agreement.get("AgreementType") != "atGeneral"
        and agreement.get("AgreementMethod") != "amMonetary"
        and agreement.get("IgnorePricesInAgreement") != "tYES"
        and within(agreement.get("StartDate"), agreement.get("EndDate"), day)
        and within(None, agreement.get("TerminateDate"), day)
    )


def _named(context: Context, line: Entity, question: Question) -> bool:
    if question.agreement_line is not None and line.get("AgreementRowNumber") != question.agreement_line:
        return False
    if units.is_manual(question.item):
        return True
    uom = units.sales_unit(context, question.item) if question.uom is None else question.uom
    return line.get("UoMEntry") in (None, uom)


def _offer(context: Context, question: Question, agreement: Entity, line: Entity) -> Offer:
    currency = line.get("PriceCurrency") or agreement.get("BPCurrency") or context.options.local_currency
    price = converted(context, decimal(line.get("UnitPrice")), currency, question.currency, question.day)
    return Offer(
        "dpsBlanketAgreement",
        price,
        decimal(line.get("LineDiscount")),
        question.currency,
        f"blanket agreement {agreement['AgreementNo']} row {line.get('AgreementRowNumber')}",
        agreement["AgreementNo"],
        line.get("AgreementRowNumber"),
    )


class BlanketAgreements(Kind):
    def new(self, context: Context, sent: Entity) -> Entity:
        partner = rows.read(context.store, "BusinessPartners", sent.get("BPCode") or "")
        if partner is None:
            raise not_found()
        defaults = {
            "Status": "asDraft", "AgreementType": "atSpecific", "AgreementMethod": "amItem", "BPType": "atCustomer",
            "IgnorePricesInAgreement": "tNO", "BlanketAgreements_ItemsLines": [],
        }  # fmt: skip
        entity = {**defaults, **super().new(context, sent), "BPName": partner.get("CardName")}
        return self._complete(context, entity)

    def changed(self, context: Context, before: Entity, after: Entity, sent: Entity) -> Entity:
        return self._complete(context, after)

    @staticmethod
    def _complete(context: Context, entity: Entity) -> Entity:
        if not entity.get("StartDate") or not entity.get("EndDate"):
            raise rule("Enter start and end date of the agreement")  # words unconfirmed
        lines = entity["BlanketAgreements_ItemsLines"]
        last = max((line.get("AgreementRowNumber") or 0 for line in lines), default=0)
        found = []
        for line in lines:
            if line.get("ItemNo") and not rows.exists(context.store, "Items", line["ItemNo"]):
                raise not_found()
            if line.get("AgreementRowNumber") is None:
                last += 1
                line = {**line, "AgreementRowNumber": last}
            found.append({"LineDiscount": number(0), **line, "AgreementNo": entity["AgreementNo"]})
        return {**entity, "BlanketAgreements_ItemsLines": found}
