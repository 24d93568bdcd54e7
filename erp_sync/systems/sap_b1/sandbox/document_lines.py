"""Lines of a document: what a sent row becomes, and where its price comes from.

Seen on live drafts (fact sheet, section 11, [D]): a UnitPrice that is sent is kept, 0 too (PriceSource dpsManual);
with a DiscountPercent beside it Price is the one after it; a Price alone is ignored and the list's price taken
(dpsActivePriceList); PriceAfterVAT is sent instead of UnitPrice, never with it ([SDK]).
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from erp_sync.systems.sap_b1.sandbox import rows, stock
from erp_sync.systems.sap_b1.sandbox.context import Context
from erp_sync.systems.sap_b1.sandbox.errors import not_found, rule
from erp_sync.systems.sap_b1.sandbox.kind import Entity
from erp_sync.systems.sap_b1.sandbox.masterdata import inactive
from erp_sync.systems.sap_b1.sandbox.pricing import item_price, list_prices, units
from erp_sync.systems.sap_b1.sandbox.pricing.question import Question
from erp_sync.systems.sap_b1.sandbox.totals import HUNDRED, discounted, rounded
from erp_sync.systems.sap_b1.sandbox.values import ZERO, decimal, number

#: What a body may carry in a line and the system sets by itself; `row_closing` has the one use of LineStatus.
READ_ONLY = frozenset(
    ["Price", "LineTotal", "TaxTotal", "TaxPercentagePerRow", "NetTaxAmount", "LineStatus", "RemainingOpenQuantity",
     "RemainingOpenInventoryQuantity", "OpenAmount", "RowTotalFC", "PriceSource", "InventoryQuantity", "DocEntry",
     "VisualOrder", "BaseOpenQuantity", "GrossTotal", "GrossPrice", "TotalInclTax"]
)  # fmt: skip
_PRICES = frozenset(["UnitPrice", "PriceAfterVAT", "DiscountPercent"])


@dataclass(frozen=True)
class Header:
    """What lines need of their document."""

    table: str
    partner: Entity
    day: str
    currency: str
    price_list: int


def sent_line(line: Entity) -> Entity:
    """The row without what is ignored."""
    return {name: value for name, value in line.items() if name not in READ_ONLY}


def complete(context: Context, header: Header, line: Entity, sent: Entity, number_: int) -> Entity:
    """A line with everything but its totals. `sent` tells which values the caller gave this time.

    Raises ServiceLayerError.
    """
    item = _item(context, header, line, number_)
    quantity = decimal(line.get("Quantity") if line.get("Quantity") is not None else 1)
    if quantity <= 0:
        raise rule(f"Enter valid quantity  [{header.table}.Quantity][line: {number_ + 1}]")  # words unconfirmed
    own = line.get("UoMEntry")
    uom = units.sales_unit(context, item) if own is None else int(own)
    found = {
        **line,
        "LineNum": number_,
        "ItemCode": item["ItemCode"],
        "ItemDescription": line.get("ItemDescription") or item.get("ItemName"),
        "Quantity": number(quantity),
        "UoMEntry": uom,
        "UoMCode": (rows.read(context.store, "UnitOfMeasurements", uom) or {}).get("Code"),
        "InventoryQuantity": number(quantity * units.factor(context, item, uom)),
        "WarehouseCode": warehouse(context, item, line),
        "Currency": header.currency,
        "LineStatus": line.get("LineStatus") or "bost_Open",
        # A copied row is the component that its base is.
        "TreeType": line.get("TreeType") if line.get("BaseEntry") is not None else item.get("TreeType", "iNotATree"),
    }
    found |= _tax(context, header, item, line)
    if "PriceSource" not in line or _PRICES & set(sent) or "ItemCode" in sent:
        found |= _price(context, header, item, found, sent)
    return found


def _item(context: Context, header: Header, line: Entity, number_: int) -> Entity:
    code = line.get("ItemCode")
    item = rows.read(context.store, "Items", code) if isinstance(code, str) else None
    if item is None:
        raise not_found()
    if inactive(item, header.day):
        raise rule(f"10001069 - Item {code} is inactive")
    if item.get("SalesItem") == "tNO":
        raise rule(f"Item is not defined as a sales item  [{header.table}.ItemCode][line: {number_ + 1}]")
    return item


def warehouse(context: Context, item: Entity, line: Entity) -> str | None:
    """The row's, the item's or the company's. Raises ServiceLayerError for one that is not there."""
    code = line.get("WarehouseCode") or item.get("DefaultWarehouse") or context.options.default_warehouse
    if code is None:
        code = context.store.value('SELECT k1 FROM "Warehouses" ORDER BY k1 LIMIT 1')
    elif not stock.check_warehouse(context, code):
        raise not_found()
    return code


def _tax(context: Context, header: Header, item: Entity, line: Entity) -> Entity:
    """Tax group and rate. A localisation has VatGroup or TaxCode; whichever is sent is answered."""
    name = "TaxCode" if line.get("TaxCode") else "VatGroup"
    own = line.get(name)
    code = own or header.partner.get("VatGroup") or item.get("SalesVATGroup") or context.options.default_vat_group
    return {name: code, "TaxPercentagePerRow": number(vat_percent(context, code, header.day, name))}


def vat_percent(context: Context, code: str, day: str, name: str = "VatGroup") -> Decimal:
    """The rate of a tax group on a day. Raises ServiceLayerError (words: SAP note 2693418)."""
    group = rows.read(context.store, "VatGroups", code)
    if group is None or group.get("Inactive") == "tYES":
        raise rule("10000180 - Specify valid tax code" if name == "TaxCode" else "10000180 - Invalid VAT Group")
    lines = sorted(group.get("VatGroups_Lines") or [], key=lambda line: line.get("Effectivefrom") or "")
    current = [line for line in lines if (line.get("Effectivefrom") or "") <= day]
    return decimal(current[-1].get("Rate")) if current else ZERO


def _price(context: Context, header: Header, item: Entity, line: Entity, sent: Entity) -> Entity:
    """UnitPrice, DiscountPercent, Price, PriceAfterVAT and PriceSource."""
    step, vat = context.options.price, decimal(line["TaxPercentagePerRow"])
    percent = line.get("DiscountPercent")
    if sent.get("UnitPrice") is not None and sent.get("PriceAfterVAT") is None:
        unit, discount, source = decimal(sent["UnitPrice"]), decimal(percent), "dpsManual"
    elif sent.get("PriceAfterVAT") is not None:
        after_vat = decimal(sent["PriceAfterVAT"])
        price = rounded(after_vat * HUNDRED / (HUNDRED + vat), step)
        discount = decimal(percent)
        unit = rounded(price * HUNDRED / (HUNDRED - discount), step) if discount < HUNDRED else price
        return _prices(unit, discount, price, after_vat, "dpsManual")
    elif line.get("PriceSource") == "dpsManual" and line.get("UnitPrice") is not None and "ItemCode" not in sent:
        unit, discount, source = decimal(line["UnitPrice"]), decimal(percent), "dpsManual"
    else:
        question = Question(
            header.partner, item, header.day, decimal(line["Quantity"]), line["UoMEntry"], header.price_list,
            header.currency, line.get("AgreementNo"), line.get("AgreementRowNumber"),
        )  # fmt: skip
        offer = item_price.price(context, question)
        unit, source = offer.unit_price, offer.source
        discount = offer.discount if percent is None else decimal(percent)
        if offer.source.startswith("dpsActivePriceList") and list_prices.is_gross(context, header.price_list):
            # A gross list's prices hold VAT (contract, IsGrossPrice).
            unit = rounded(unit * HUNDRED / (HUNDRED + vat), step)
        agreement = {"AgreementNo": offer.agreement, "AgreementRowNumber": offer.agreement_line}
        price = discounted(unit, discount, step)
        return _prices(unit, discount, price, _gross(price, vat, step), source) | agreement
    price = discounted(unit, discount, step)
    return _prices(unit, discount, price, _gross(price, vat, step), source)


def _gross(price: Decimal, vat: Decimal, step: Decimal) -> Decimal:
    return rounded(price * (HUNDRED + vat) / HUNDRED, step)


def _prices(unit: Decimal, discount: Decimal, price: Decimal, after_vat: Decimal, source: str) -> Entity:
    return {
        "UnitPrice": number(unit),
        "DiscountPercent": number(discount),
        "Price": number(price),
        "PriceAfterVAT": number(after_vat),
        "PriceSource": source,
    }
