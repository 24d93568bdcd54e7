"""Both calculations of an order's amounts side by side: the store's, and that of its parts or of NetSuite."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from erp_sync.model.money import ZERO, decimal_of
from erp_sync.model.order import SalesOrder
from erp_sync.ports.differences import Difference
from erp_sync.systems.netsuite.mapping.order_lines import PreparedLine, expanded, tax_details

PARTS, NETSUITE = "by its parts", "by NetSuite"


def own_differences(
    order: SalesOrder, lines: Sequence[PreparedLine], *, total_tolerance: Decimal, tax_tolerance: Decimal
) -> list[Difference]:
    """The order's total against its parts; where the store calculated tax, also its tax and that of every line."""
    parts = sum((line.amount for line in order.lines), ZERO) + order.shipping.amount - order.shipping.discount
    compared = [
        Difference(
            part="total",
            stated=order.totals.grand_total,
            found=parts + order.totals.tax,
            tolerance=total_tolerance,
            against=PARTS,
        )
    ]
    if not order.tax_from_store:
        return compared
    details = tax_details(order, lines)
    compared.append(
        Difference(
            part="tax",
            stated=order.totals.tax,
            found=sum((one.amount for one in details), ZERO),
            tolerance=tax_tolerance,
            against=PARTS,
        )
    )
    for line in expanded(order):
        compared.append(_tax_of_line(line.line_id, line.sku, line.tax_amount, line.taxes, tax_tolerance))
    shipping = order.shipping
    if shipping.taxes or shipping.tax_amount:
        compared.append(_tax_of_line("", "", shipping.tax_amount, shipping.taxes, tax_tolerance))
    return compared


def _tax_of_line(line_id: str, sku: str, stated: Decimal, taxes: Sequence[Any], tolerance: Decimal) -> Difference:
    found = sum((tax.amount for tax in taxes), ZERO)
    part = f"tax of line {line_id} ({sku})" if line_id else "tax of shipping"
    return Difference(part=part, stated=stated, found=found, tolerance=tolerance, against=PARTS)


def tax_by_netsuite(order: SalesOrder, tax_total: Any, tolerance: Decimal) -> Difference:
    """The order's tax as NetSuite's engine calculated it."""
    return Difference(
        part="tax",
        stated=order.totals.tax,
        found=decimal_of(tax_total or 0),
        tolerance=tolerance,
        against=NETSUITE,
    )


def side_by_side(
    order: SalesOrder, lines: Sequence[PreparedLine], record: Mapping[str, Any], tax: Difference
) -> list[Difference]:
    """Header and lines of both, given NetSuite's record with its lines (`taxAmount` of each: REST API Browser
    2026.1). Only the order's tax decides; the rest shows where the difference comes from."""
    total = record.get("total")
    compared = [tax]
    if total is not None:
        compared.insert(
            0, Difference(part="total", stated=order.totals.grand_total, found=decimal_of(total), against=NETSUITE)
        )
    stated = {line.line_id: line for line in expanded(order)}
    items = (record.get("item") or {}).get("items") or []
    for prepared_line, item in zip(lines, items, strict=False):
        if not prepared_line.sku:
            continue  # a discount of the line above it
        line = stated[prepared_line.line_id]
        name = f"line {line.line_id} ({line.sku})"
        if item.get("amount") is not None:
            compared.append(
                Difference(
                    part=f"amount of {name}",
                    stated=prepared_line.amount,
                    found=decimal_of(item["amount"]),
                    against=NETSUITE,
                )
            )
        compared.append(
            Difference(
                part=f"tax of {name}",
                stated=line.tax_amount,
                found=decimal_of(item.get("taxAmount") or 0),
                against=NETSUITE,
            )
        )
    return compared
