"""Both calculations of an order's amounts side by side: the store's, and that of its parts."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from erp_sync.model.money import ZERO, decimal_of
from erp_sync.model.order import SalesOrder
from erp_sync.ports.differences import Difference

PARTS = "by its parts"
TOLERANCE = "0.05"


def tolerance(settings: Mapping[str, Any], name: str) -> Decimal:
    """Setting ``total_tolerance`` or ``tax_tolerance``: up to this nobody is asked."""
    return decimal_of(settings.get(name, TOLERANCE))


def own_differences(order: SalesOrder, settings: Mapping[str, Any]) -> list[Difference]:
    """The order's total against its parts, and its tax against that of its lines and of shipping."""
    lines = sum((line.amount for line in order.lines), ZERO)
    total = lines + order.shipping.amount - order.shipping.discount + order.totals.tax
    tax = sum((line.tax_amount for line in order.lines), ZERO) + order.shipping.tax_amount
    return [
        Difference(
            part="total",
            stated=order.totals.grand_total,
            found=total,
            tolerance=tolerance(settings, "total_tolerance"),
            against=PARTS,
        ),
        Difference(
            part="tax",
            stated=order.totals.tax,
            found=tax,
            tolerance=tolerance(settings, "tax_tolerance"),
            against=PARTS,
        ),
    ]
