"""Both calculations of an order's amounts side by side: the store's, and that of its parts or of SAP."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from erp_sync.model.money import ZERO, decimal_of
from erp_sync.model.order import SalesOrder
from erp_sync.ports.differences import Difference
from erp_sync.systems.sap_b1.mapping.order_lines import PreparedLine

PARTS, SAP, SAP_PRICES = "by its parts", "by SAP Business One", "by the prices of SAP Business One"
TOLERANCE, PRICE_TOLERANCE = "0.05", "0.01"
PRICE = "price of "


def tolerance(settings: Mapping[str, Any], name: str, otherwise: str = TOLERANCE) -> Decimal:
    """Setting ``total_tolerance``, ``tax_tolerance`` or ``price_tolerance``: up to this nobody is asked."""
    return decimal_of(settings.get(name, otherwise))


def own_differences(order: SalesOrder, settings: Mapping[str, Any]) -> list[Difference]:
    """The order's total against its parts, and its tax against that of its lines and of shipping."""
    lines = sum((line.amount for line in order.lines), ZERO)
    total = lines + order.shipping.amount - order.shipping.discount + order.totals.tax
    tax = sum((line.tax_amount for line in order.lines), ZERO) + order.shipping.tax_amount
    return [*_totals(order, total, tax, settings, PARTS)]


def by_sap(
    order: SalesOrder, lines: Sequence[PreparedLine], document: Mapping[str, Any], settings: Mapping[str, Any]
) -> list[Difference]:
    """Total and tax of the order against those of the document that SAP would make or has made of it, and the lines
    beside them, which show where a difference comes from. None where SAP does not say it in the order's currency."""
    total, tax = (in_document_currency(document, own, own_fc) for own, own_fc in TOTALS)
    if total is None or tax is None:
        return []
    compared = [*_totals(order, total, tax, settings, SAP)]
    for line, row in zip(lines, rows_of(document, lines), strict=False):
        name = f"line {line.line_id} ({line.sku})"
        found = line_total(document, row)
        if found is not None:
            compared.append(Difference(part=f"amount of {name}", stated=line.amount, found=found, against=SAP))
    return compared


def by_prices(
    lines: Sequence[PreparedLine], document: Mapping[str, Any], settings: Mapping[str, Any]
) -> list[Difference]:
    """What was paid for each line against what it costs by SAP's own prices, given the document that SAP would make of
    the order without any price. Lines of which SAP does not say it are left out."""
    limit = tolerance(settings, "price_tolerance", PRICE_TOLERANCE)
    compared = []
    for line, row in zip(lines, rows_of(document, lines), strict=False):
        found = line_total(document, row)
        if found is not None:
            part = f"{PRICE}line {line.line_id} ({line.sku})"
            compared.append(Difference(part=part, stated=line.amount, found=found, tolerance=limit, against=SAP_PRICES))
    return compared


def _totals(
    order: SalesOrder, total: Decimal, tax: Decimal, settings: Mapping[str, Any], against: str
) -> Iterator[Difference]:
    for part, stated, found in (("total", order.totals.grand_total, total), ("tax", order.totals.tax, tax)):
        limit = tolerance(settings, f"{part}_tolerance")
        yield Difference(part=part, stated=stated, found=found, tolerance=limit, against=against)


# Amounts of a document -------------------------------------------------------------------------

TOTALS = (("DocTotal", "DocTotalFc"), ("VatSum", "VatSumFc"))


def in_document_currency(document: Mapping[str, Any], own: str, foreign: str) -> Decimal | None:
    """DocTotal is in the company's currency, DocTotalFc in a foreign one of the document, and zero where it has none.

    None where SAP does not say it: a preview was seen with DocTotal only, and at a rate that is another amount.
    """
    if document.get("DocTotalFc"):
        return decimal_of(document.get(foreign) or 0, scale=6)
    if document.get(own) is None or document.get("DocRate") not in (None, 0, 1):
        return None
    return decimal_of(document[own], scale=6)


def line_total(document: Mapping[str, Any], row: Mapping[str, Any]) -> Decimal | None:
    """Of a line before tax, in the document's currency; None where SAP does not say it."""
    name = "RowTotalFC" if document.get("DocTotalFc") else "LineTotal"
    if row.get(name) is None or (name == "LineTotal" and document.get("DocRate") not in (None, 0, 1)):
        return None
    return decimal_of(row[name], scale=6)


def rows_of(document: Mapping[str, Any], lines: Sequence[PreparedLine]) -> list[Mapping[str, Any]]:
    """The document's rows for these lines, in their order; none where they do not fit.

    SAP adds the components of a sales bill of materials itself (iIngredient).
    """
    rows = [one for one in document.get("DocumentLines") or () if one.get("TreeType") != "iIngredient"]
    return rows if len(rows) == len(lines) else []
